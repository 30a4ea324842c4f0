// train.h - what the parts of `telos train` share: the command line, the children, the loop.
//
// Children run in sessions of their own, so that a Ctrl-C on the terminal reaches only us and is
// passed on in order (learner first: it saves). Everything happens on one libuv loop.
#ifndef LAUNCH_TRAIN_H
#define LAUNCH_TRAIN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/err.h"
#include "deploy/launch/hosts.h"
#include "deploy/launch/status.h"

enum {
  TRAIN_ACTORS = 2,  // on this machine, unless --actors or --hosts says otherwise
  TRAIN_MAX_ACTORS = 256,
  TRAIN_MAX_SETTINGS = 128,
  TRAIN_MAX_LINE = 4096,
  TRAIN_RESTART_MIN_MS = 200,  // an actor's pause before its next life; doubles
};

// struct child, index: actors are 0, 1, .., those of this machine first
enum { LEARNER = -1, PLAYER = -2 };

struct lines {  // splits a stream into lines
  char text[TRAIN_MAX_LINE];
  size_t used;
};

struct train;

struct child {
  struct train *train;
  uv_process_t process;
  uv_pipe_t in, out, err;  // in: of an actor on another machine
  struct lines out_lines, err_lines;
  uv_timer_t restart;  // the player's: time is up
  int index;
  bool alive;
  bool given_up;  // its exit code says that another try is useless
  int open;       // handles not closed yet: process and pipes
  uint64_t pause_ms, started_ms;
  int falls;  // short lives in a row
};

struct train {
  const char *task, *rule, *preset, *config, *demos, *from, *resume;
  const char *keys;           // folder; NULL: not given
  const char *runs;           // NULL: the default folder
  const char *actors_option;  // --actors, --threads, --video-every as given; NULL: not
  const char *threads_option;
  const char *video_option;
  char name[NAME_MAX + 1];
  char run[PATH_MAX];  // <runs>/<model>/<name>
  bool resumed;        // the folder held a run before
  char title[PATH_MAX + 160];
  char *settings[TRAIN_MAX_SETTINGS];
  int nsettings;
  bool insecure;
  const char *hosts_option;  // --hosts as given; NULL: not
  struct hosts hosts;
  struct curve_actor host_keys;  // of the actors there; unused when insecure
  bool bind_all;                 // the learner listens beyond this machine for their sake
  int nlocal;                    // actors on this machine
  int nactors;                   // of all machines
  int threads;
  int parent;          // 0: none
  char endpoint[128];  // empty: the learner does not listen yet
  uv_loop_t loop;
  uv_signal_t sigint, sigterm, sigtstp, sigcont;
  uv_timer_t farewell;
  struct status status;
  struct child learner;
  struct child *actors;
  struct child player;
  uint64_t video_every;  // env steps; 0: no videos, or no more
  char play_program[PATH_MAX + 16];
  char video[PATH_MAX + 512];  // the policy that is being drawn
  bool told_of_videos;         // that the end waits for them
  int learner_restarts;
  int signals;  // received
  bool ending;  // the learner's last life is over
  int exit_code;
};

// ---- train_args.c ----

// Fills t from the command line. ERR_USAGE or ERR_CONFIG (logged): nothing may be started.
NODISCARD enum err train_parse(struct train *t, int argc, char **argv);

// ---- train_children.c ----

// Starts args[0]; its standard output is read when it is the learner, its standard error when a
// block is drawn. False (logged): it cannot be started.
bool train_spawn(struct child *c, char **args, uv_exit_cb on_exit);

// The learner, and with its first line the actors.
void train_start_learner(struct train *t);

void train_kill_actors(struct train *t, int signum);

// A signal to every child that lives.
void train_kill_all(struct train *t, int signum);

// The learner's last life is over: actors and, after a failure, the player are asked to leave.
void train_begin_end(struct train *t, int exit_code);

// Stops the loop when nobody runs any more and the learner's last words have been read.
void train_end_if_all_gone(struct train *t);

// For uv_close of a child's handles.
void train_on_closed(uv_handle_t *handle);

// ---- train_videos.c ----

// Draws the next video, when there is one and nobody draws. Not after a failure: what is left waits
// for the run to be resumed.
void train_start_player(struct train *t);
void train_stop_player(struct train *t);

// Says, once, when only videos are waited for.
void train_tell_of_videos(struct train *t);

// ---- train_summary.c ----

// The last lines: the result, the files, and what to do next.
void train_print_result(const struct train *t);

// The last lines when a second signal stops everything at once.
void train_print_killed(const struct train *t);

#endif
