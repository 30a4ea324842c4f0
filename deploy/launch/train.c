// train.c - telos train: a learner and its actors as child processes, and their progress.
//
// Children run in sessions of their own, so that a Ctrl-C on the terminal reaches only us and is
// passed on in order (learner first: it saves). Each is told our process number and asks the kernel
// to be stopped when we end, so that even kill -9 leaves nothing behind. Actors that die are
// started again; so is a learner that was killed: it resumes, and the result is the same.
//
// With --video-every the learner leaves policies that it evaluated in <run>/videos, and that folder
// is the queue: telos-play draws the oldest one, the policy goes when its video is there, and so
// on. What is left when a run is interrupted is drawn when it goes on. Nothing waits for a video
// but the end of the program, and one that cannot be drawn costs the videos only.
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/process.h"
#include "common/config/config.h"
#include "common/run_files.h"
#include "deploy/launch/status.h"
#include "deploy/launch/verbs.h"

enum {
  MAX_ACTORS = 256,
  MAX_SETTINGS = 128,
  MAX_LINE = 4096,
  LEARNER_RESTARTS = 5,  // of a learner that was killed by a signal
  RESTART_MIN_MS = 200,  // an actor's pause before its next life; doubles
  RESTART_MAX_MS = 10000,
  FAREWELL_MS = 5000,  // actors that are still there after this are killed
  VIDEO_MS = 600000,   // a video that takes longer has failed
};

static const uint64_t MAX_VIDEO_EVERY = 1000000000000;

// struct child, index: actors are 0, 1, ..
enum { LEARNER = -1, PLAYER = -2 };

static const char help[] =
    "Examples:\n"
    "  telos train box2d\n"
    "  telos train box2d --actors 4 run.seed=1 run.steps=1e5\n"
    "  telos train my/robot.xml --name first --config my.yaml\n"
    "  telos train box2d --name first          resumes that run\n"
    "\n"
    "Usage: telos train TASK [options] [group.name=value ...]\n"
    "\n"
    "Starts a learner and actors on this machine and shows their progress.\n"
    "Ctrl-C: save and stop (twice: stop now). The same seed gives the same policy\n"
    "file, bit for bit, however many actors run and whichever of them die.\n"
    "\n"
    "  TASK             bundled task, or an MJCF file\n"
    "  --actors N       actor processes (default 2)\n"
    "  --threads N      rollout threads of each (default: cores / actors, at least 1)\n"
    "  --name NAME      name of the run (default: time and seed)\n"
    "  --runs FOLDER    where runs live (default: runs)\n"
    "  --config FILE    YAML settings; `telos config --help` lists them\n"
    "  --resume WHEN    auto (default), must, never\n"
    "  --video-every N  a video of an evaluation every N env steps, in RUN/videos\n"
    "  --insecure       allow wire.bind beyond this machine (no encryption yet)\n"
    "  --help\n"
    "\n"
    "Ports are free ones that the system chooses, unless wire.port=... and\n"
    "wire.weights_port=... are given here.\n";

struct lines {  // splits a stream into lines
  char text[MAX_LINE];
  size_t used;
};

struct train;

struct child {
  struct train *train;
  uv_process_t process;
  uv_pipe_t out, err;
  struct lines out_lines, err_lines;
  uv_timer_t restart;  // the player's: time is up
  int index;
  bool alive;
  bool given_up;  // its exit code says that another try is useless
  int open;       // handles not closed yet: process and pipes
  uint64_t pause_ms, started_ms;
};

struct train {
  const char *task, *config, *resume;
  const char *runs;  // NULL: the default folder
  char run[PATH_MAX];
  char title[PATH_MAX + 160];
  char *settings[MAX_SETTINGS];
  int nsettings;
  bool insecure;
  int nactors, threads;
  char endpoint[128];  // empty: the learner does not listen yet
  uv_loop_t loop;
  uv_signal_t sigint, sigterm;
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

static void start_learner(struct train *t);
static void start_actor(struct child *c);
static void start_player(struct train *t);

// ---- output of children ----

static void on_learner_line(struct train *t, const char *line) {
  char endpoint[128];
  if (sscanf(line, "listening endpoint=%127s", endpoint) == 1) {
    snprintf(t->endpoint, sizeof t->endpoint, "%s", endpoint);
    for (int i = 0; i < t->nactors; i++) {
      if (!t->actors[i].alive) {
        start_actor(&t->actors[i]);
      }
    }
  } else {
    status_progress(&t->status, line);
  }
  start_player(t);
}

static void split(struct train *t, struct lines *l, const char *data, size_t n, bool progress) {
  for (size_t i = 0; i < n; i++) {
    if (data[i] == '\n') {
      l->text[l->used] = '\0';
      l->used = 0;
      if (progress) {
        on_learner_line(t, l->text);
      } else {
        status_log(&t->status, l->text);
      }
    } else if (l->used < MAX_LINE - 1) {
      l->text[l->used++] = data[i];
    }
  }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)handle;
  (void)suggested;
  static char bytes[65536];  // used up before the next read of this one thread
  *buf = uv_buf_init(bytes, sizeof bytes);
}

static void end_if_all_gone(struct train *t);

static void on_closed(uv_handle_t *handle) {
  struct child *c = handle->data;
  c->open--;
  end_if_all_gone(c->train);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct child *c = stream->data;
  const bool out = (void *)stream == (void *)&c->out;
  if (n > 0) {
    split(c->train, out ? &c->out_lines : &c->err_lines, buf->base, (size_t)n, out);
  } else if (n < 0 && !uv_is_closing((uv_handle_t *)stream)) {
    uv_close((uv_handle_t *)stream, on_closed);
  }
}

// ---- children ----

static void open_pipe(struct child *c, uv_pipe_t *pipe, uv_stdio_container_t *stdio) {
  CHECK(uv_pipe_init(&c->train->loop, pipe, 0) == 0);
  pipe->data = c;
  c->open++;
  stdio->flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
  stdio->data.stream = (uv_stream_t *)pipe;
}

// pipes: learner's standard output always; standard error when a block is drawn. What the player
// says about its success is for others.
static bool spawn(struct child *c, char **args, uv_exit_cb on_exit) {
  struct train *t = c->train;
  uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2}};
  const bool out = c->index == LEARNER, err = t->status.terminal;
  if (c->index == PLAYER) {
    stdio[1].flags = UV_IGNORE;
  }
  if (out) {
    open_pipe(c, &c->out, &stdio[1]);
  }
  if (err) {
    open_pipe(c, &c->err, &stdio[2]);
  }
  const uv_process_options_t options = {.file = args[0],
                                        .args = args,
                                        .flags = UV_PROCESS_DETACHED,
                                        .exit_cb = on_exit,
                                        .stdio = stdio,
                                        .stdio_count = 3};
  c->process.data = c;
  c->open++;
  const int result = uv_spawn(&t->loop, &c->process, &options);
  if (result != 0) {
    log_error("cannot start %s: %s; is the installation complete?", args[0], uv_strerror(result));
    uv_close((uv_handle_t *)&c->process, on_closed);
    if (out) {
      uv_close((uv_handle_t *)&c->out, on_closed);
    }
    if (err) {
      uv_close((uv_handle_t *)&c->err, on_closed);
    }
    return false;
  }
  c->alive = true;
  c->started_ms = uv_now(&t->loop);
  if (out) {
    CHECK(uv_read_start((uv_stream_t *)&c->out, on_alloc, on_read) == 0);
  }
  if (err) {
    CHECK(uv_read_start((uv_stream_t *)&c->err, on_alloc, on_read) == 0);
  }
  return true;
}

static void begin_end(struct train *t, int exit_code);

static void on_restart(uv_timer_t *timer) {
  struct child *c = timer->data;
  if (c->alive || c->train->ending) {
    return;
  }
  if (c->open > 0) {  // the last life's pipes are still closing
    CHECK(uv_timer_start(timer, on_restart, RESTART_MIN_MS, 0) == 0);
  } else if (c->index == LEARNER) {
    start_learner(c->train);
  } else {
    start_actor(c);
  }
}

// the pause doubles from one short life to the next; a life longer than its pause was a good one
static void restart_later(struct child *c) {
  if (uv_now(&c->train->loop) - c->started_ms > c->pause_ms) {
    c->pause_ms = RESTART_MIN_MS;
  }
  CHECK(uv_timer_start(&c->restart, on_restart, c->pause_ms, 0) == 0);
  c->pause_ms = 2 * c->pause_ms < RESTART_MAX_MS ? 2 * c->pause_ms : RESTART_MAX_MS;
}

// nobody runs any more, and the learner's last words have been read
static void end_if_all_gone(struct train *t) {
  for (int i = 0; i < t->nactors; i++) {
    if (t->actors[i].alive) {
      return;
    }
  }
  start_player(t);  // the last videos, when all went well
  if (t->ending && t->learner.open == 0 && t->player.open == 0) {
    uv_stop(&t->loop);
  }
}

// 64, 65, 77 and 78 mean that another try is useless (README, "Exit codes")
static bool useless_to_retry(int64_t status) {
  return status == 64 || status == 65 || status == 77 || status == 78;
}

static void on_actor_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_close((uv_handle_t *)process, on_closed);
  if (t->ending || t->signals > 0) {
    end_if_all_gone(t);
    return;
  }
  if (term_signal == 0 && useless_to_retry(status)) {
    c->given_up = true;
    int left = 0;
    for (int i = 0; i < t->nactors; i++) {
      left += !t->actors[i].given_up;
    }
    log_error("actor %d ended with exit code %d and is not started again; %d left", c->index,
              (int)status, left);
    if (left == 0) {
      t->exit_code = (int)status;
      uv_process_kill(&t->learner.process, SIGTERM);
    }
    return;
  }
  if (status != 0 || term_signal != 0) {
    char text[160];
    snprintf(text, sizeof text, "W telos: actor %d ended (%s %d); starting it again", c->index,
             term_signal != 0 ? "signal" : "exit code",
             term_signal != 0 ? term_signal : (int)status);
    status_log(&t->status, text);
  }
  restart_later(c);
}

static void start_actor(struct child *c) {
  struct train *t = c->train;
  if (t->endpoint[0] == '\0' || c->alive || c->given_up || t->ending) {
    return;  // the learner's "listening" line will start it, or has done so
  }
  if (c->open > 0) {  // the last life's pipes are still closing
    CHECK(uv_timer_start(&c->restart, on_restart, RESTART_MIN_MS, 0) == 0);
    return;
  }
  char program[PATH_MAX + 16], parent[24], threads[24], name[24];
  snprintf(program, sizeof program, "%s/telos-actor", verbs_program_dir());
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  snprintf(threads, sizeof threads, "%d", t->threads);
  snprintf(name, sizeof name, "%d", c->index);
  char *args[] = {program,  "--connect", t->endpoint, "--threads", threads,
                  "--name", name,        "--parent",  parent,      NULL};
  if (!spawn(c, args, on_actor_exit)) {
    restart_later(c);
  }
}

// ---- videos ----

// The oldest policy that waits to be drawn; false when there is none. Numbers have leading zeros.
static bool find_video(struct train *t) {
  static const char suffix[] = ".safetensors";
  char folder[PATH_MAX + 16], first[NAME_MAX + 1] = "";
  snprintf(folder, sizeof folder, "%s/videos", t->run);
  DIR *dir = opendir(folder);
  if (dir == NULL) {
    return false;
  }
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    const size_t n = strlen(name), k = sizeof suffix - 1;
    if (n > k && strcmp(name + n - k, suffix) == 0 && strncmp(name, "step_", 5) == 0 &&
        (first[0] == '\0' || strcmp(name, first) < 0)) {
      snprintf(first, sizeof first, "%s", name);
    }
  }
  closedir(dir);
  snprintf(t->video, sizeof t->video, "%s/%s", folder, first);
  return first[0] != '\0';
}

static void on_player_late(uv_timer_t *timer) {
  struct child *c = timer->data;
  if (c->alive) {
    uv_process_kill(&c->process, SIGKILL);
  }
}

static void on_player_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_timer_stop(&c->restart);
  if (status == 0 && term_signal == 0) {
    unlink(t->video);
  } else if (t->signals == 0 && t->exit_code == 0) {
    char text[PATH_MAX + 768];
    snprintf(text, sizeof text,
             "W telos: no more videos: telos-play ended with %s %d on %s; training goes on",
             term_signal != 0 ? "signal" : "exit code",
             term_signal != 0 ? term_signal : (int)status, t->video);
    status_log(&t->status, text);
    t->video_every = 0;
  }
  uv_close((uv_handle_t *)process, on_closed);
}

// once, when only videos are waited for
static void tell_of_videos(struct train *t) {
  if (t->ending && t->player.alive && !t->told_of_videos) {
    t->told_of_videos = true;
    status_log(&t->status, "I telos: drawing the last videos; Ctrl-C to do without");
  }
}

// Draws the next video, when there is one and nobody draws. Not after a failure: what is left waits
// for the run to be resumed.
static void start_player(struct train *t) {
  struct child *c = &t->player;
  if (t->video_every == 0 || t->signals > 0 || t->exit_code != 0 || c->open > 0 || !find_video(t)) {
    return;
  }
  char out[sizeof t->video], parent[24];
  snprintf(out, sizeof out, "%.*s.webp", (int)(strlen(t->video) - strlen(".safetensors")),
           t->video);
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  char task_option[] = "--task", out_option[] = "--out", parent_option[] = "--parent";
  char *args[] = {
      t->play_program, t->video, task_option, (char *)(uintptr_t)t->task, out_option, out,
      parent_option,   parent,   NULL};
  if (!spawn(c, args, on_player_exit)) {
    t->video_every = 0;
    return;
  }
  CHECK(uv_timer_start(&c->restart, on_player_late, VIDEO_MS, 0) == 0);
  tell_of_videos(t);
}

static void stop_player(struct train *t) {
  if (t->player.alive) {
    uv_process_kill(&t->player.process, SIGTERM);
  }
}

// ---- the end of a learner ----

static void kill_actors(struct train *t, int signum) {
  for (int i = 0; i < t->nactors; i++) {
    uv_timer_stop(&t->actors[i].restart);
    if (t->actors[i].alive) {
      uv_process_kill(&t->actors[i].process, signum);
    }
  }
}

static void on_farewell(uv_timer_t *timer) {
  kill_actors(timer->data, SIGKILL);
}

static void begin_end(struct train *t, int exit_code) {
  t->ending = true;
  uv_timer_stop(&t->learner.restart);
  t->exit_code = t->exit_code != 0 ? t->exit_code : exit_code;
  kill_actors(t, SIGTERM);
  if (t->exit_code != 0) {
    stop_player(t);
  } else {
    tell_of_videos(t);
  }
  CHECK(uv_timer_start(&t->farewell, on_farewell, FAREWELL_MS, 0) == 0);
  end_if_all_gone(t);
}

static void on_learner_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_close((uv_handle_t *)process, on_closed);
  if (term_signal != 0 && t->signals == 0 && t->learner_restarts < LEARNER_RESTARTS) {
    char text[160];
    snprintf(text, sizeof text, "W telos: the learner ended (signal %d); it resumes", term_signal);
    status_log(&t->status, text);
    t->learner_restarts++;
    t->resume = "auto";
    t->endpoint[0] = '\0';
    kill_actors(t, SIGKILL);
    restart_later(c);
    return;
  }
  // a learner that was asked to stop before it could save had nothing to lose
  const bool early = t->signals > 0 && term_signal == SIGTERM;
  begin_end(t, early ? 75 : term_signal != 0 ? 128 + term_signal : (int)status);
}

static void start_learner(struct train *t) {
  char program[PATH_MAX + 16], parent[24], video_every[24], insecure[] = "--insecure";
  snprintf(program, sizeof program, "%s/telos-learner", verbs_program_dir());
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  char *args[MAX_SETTINGS + 24];
  int n = 0;
  char *const fixed[] = {program, "--task",   (char *)(uintptr_t)t->task,   "--run",
                         t->run,  "--resume", (char *)(uintptr_t)t->resume, "--parent",
                         parent};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    args[n++] = fixed[i];
  }
  if (t->config != NULL) {
    args[n++] = "--config";
    args[n++] = (char *)(uintptr_t)t->config;
  }
  if (t->insecure) {
    args[n++] = insecure;
  }
  if (t->video_every != 0) {
    snprintf(video_every, sizeof video_every, "%" PRIu64, t->video_every);
    args[n++] = "--video-every";
    args[n++] = video_every;
  }
  // free ports, unless the caller's own settings, which come later, say otherwise
  args[n++] = "wire.port=0";
  args[n++] = "wire.weights_port=0";
  for (int i = 0; i < t->nsettings; i++) {
    args[n++] = t->settings[i];
  }
  args[n] = NULL;
  if (!spawn(&t->learner, args, on_learner_exit)) {
    begin_end(t, 1);
  }
}

// ---- signals ----

static void on_signal(uv_signal_t *handle, int signum) {
  struct train *t = handle->data;
  t->signals++;
  if (t->signals > 1) {
    kill_actors(t, SIGKILL);
    if (t->learner.alive) {
      uv_process_kill(&t->learner.process, SIGKILL);
    }
    stop_player(t);
    status_log(&t->status, "W telos: stopped; the last checkpoint is intact");
    _exit(128 + signum);
  }
  stop_player(t);
  if (t->ending) {  // all is saved: only a video was waited for
    return;
  }
  status_log(&t->status, "I telos: saving, then stopping; once more to stop now");
  if (t->learner.alive) {
    uv_process_kill(&t->learner.process, SIGTERM);
  } else {
    begin_end(t, 75);
  }
}

// ---- arguments ----

static bool parse_count(int *out, const char *option, const char *text, int max) {
  uint64_t value;
  if (number_option(&value, option, text, 1, (uint64_t)max) != ERR_OK) {
    return false;
  }
  *out = (int)value;
  return true;
}

// run folder: <runs>/<task>/<name>
static void name_run(struct train *t, const char *name, int64_t seed) {
  const char *slash = strrchr(t->task, '/');
  char task[128], stamp[64];
  snprintf(task, sizeof task, "%s", slash != NULL ? slash + 1 : t->task);
  const size_t n = strlen(task);
  if (n > 4 && strcmp(task + n - 4, ".xml") == 0) {
    task[n - 4] = '\0';
  }
  if (name == NULL) {
    const time_t now = time(NULL);
    struct tm tm;
    const size_t used = strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    snprintf(stamp + used, sizeof stamp - used, "-s%" PRId64, seed);
    name = stamp;
  }
  snprintf(t->run, sizeof t->run, "%s/%s/%s", t->runs != NULL ? t->runs : "runs", task, name);
  snprintf(t->title, sizeof t->title, "telos train %s   %s", task, t->run);
}

// the settings are checked here too, so that a mistake is told before anything starts; the seed is
// needed for the run's name
static enum err check_settings(struct train *t, int64_t *seed) {
  struct config cfg;
  config_defaults(&cfg);
  enum err err = ERR_OK;
  if (t->config != NULL) {
    err = config_read_file(&cfg, t->config);
  }
  if (err == ERR_OK) {
    err = config_read_overrides(&cfg, environ, t->settings, t->nsettings);
  }
  *seed = cfg.run_seed;
  return err;
}

static const struct option options[] = {
    {"actors", required_argument, NULL, 'a'},
    {"threads", required_argument, NULL, 't'},
    {"name", required_argument, NULL, 'n'},
    {"runs", required_argument, NULL, 'r'},
    {"config", required_argument, NULL, 'c'},
    {"resume", required_argument, NULL, 'R'},
    {"insecure", no_argument, NULL, 'i'},
    {"video-every", required_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    // the learner's option, which getopt would take for a short form of --runs
    {"run", required_argument, NULL, 'x'},
    {NULL, 0, NULL, 0}};

static enum err parse_arguments(struct train *t, int argc, char **argv) {
  const char *name = NULL;
  bool good = true;
  opterr = 0;  // one line in our own words
  for (int c; good && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'a':
        good = parse_count(&t->nactors, "--actors", optarg, MAX_ACTORS);
        break;
      case 't':
        good = parse_count(&t->threads, "--threads", optarg, 1024);
        break;
      case 'n':
        name = optarg;
        break;
      case 'r':
        t->runs = optarg;
        break;
      case 'c':
        t->config = optarg;
        break;
      case 'R':
        t->resume = optarg;
        break;
      case 'i':
        t->insecure = true;
        break;
      case 'V':
        good =
            number_option(&t->video_every, "--video-every", optarg, 1, MAX_VIDEO_EVERY) == ERR_OK;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      case 'x':
        log_error("--run %s: telos train names a run by --name NAME, in the folder of --runs DIR",
                  optarg);
        good = false;
        break;
      default:
        options_complain(c, options, argv, "telos train", config_explain_option);
        good = false;
        break;
    }
  }
  if (!good) {
    return ERR_USAGE;
  }
  if (optind == argc || strchr(argv[optind], '=') != NULL) {
    log_error("which task? telos train box2d (telos train --help)");
    return ERR_USAGE;
  }
  t->task = argv[optind++];
  if (argc - optind > MAX_SETTINGS) {
    log_error("more than %d settings; put them into a file and give it with --config",
              MAX_SETTINGS);
    return ERR_USAGE;
  }
  while (optind < argc) {
    t->settings[t->nsettings++] = argv[optind++];
  }
  if (!verbs_find_play(t->play_program, sizeof t->play_program) && t->video_every != 0) {
    verbs_tell_no_play(t->play_program);
    return ERR_CONFIG;
  }
  int64_t seed;
  const enum err err = check_settings(t, &seed);
  name_run(t, name, seed);
  return err;
}

// ---- end ----

static void print_stopped(const struct train *t, const char *telos) {
  const struct metrics *m = &t->status.last;
  if (!run_files_exist(t->run)) {
    printf("\nstopped before the run began; the same command starts it again\n");
    return;
  }
  // the run's folder holds its settings
  if (m->steps == m->steps) {
    printf("\nstopped at %.0f of %.0f steps; ", m->steps, m->total_steps);
  } else {
    printf("\nstopped; ");
  }
  printf("everything is saved. Resume with\n  %s train %s --name %s", telos, t->task,
         strrchr(t->run, '/') + 1);
  if (t->runs != NULL) {
    printf(" --runs %s", t->runs);
  }
  if (t->video_every != 0) {
    printf(" --video-every %" PRIu64, t->video_every);
  }
  putchar('\n');
}

static void print_result(const struct train *t) {
  const struct metrics *m = &t->status.last;
  const char *dir = verbs_program_dir();
  char here[PATH_MAX], telos[PATH_MAX + 16];
  const size_t n = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
  const bool below = n > 0 && strncmp(dir, here, n) == 0 && dir[n] == '/';
  snprintf(telos, sizeof telos, "%s%s/telos", below ? "." : "", below ? dir + n : dir);
  if (t->exit_code == 75) {
    print_stopped(t, telos);
  } else if (t->exit_code == 0 && m->eval_score == m->eval_score) {
    printf("\n%.0f steps, %.0f updates in %.0f s\n", m->steps, m->updates, m->seconds);
    printf(
        "evaluation: score %.2f +- %.2f (100 x final / initial distance), distance %.3g, "
        "success %.0f %%\n",
        m->eval_score, m->eval_ci, m->eval_distance, 100.0 * m->eval_success);
    printf(
        "wrote\n  %s/policy.safetensors   the policy\n"
        "  %s/progress.csv         learning curve\n"
        "  %s/config.yaml          every setting\n",
        t->run, t->run, t->run);
    if (t->video_every != 0) {
      printf("  %s/videos/              what it did on the way\n", t->run);
    }
    // a task that is a file has to be named again
    const bool file = strchr(t->task, '/') != NULL || strstr(t->task, ".xml") != NULL;
    char task[PATH_MAX + 16] = "";
    if (file) {
      snprintf(task, sizeof task, " --task %s", t->task);
    }
    printf("next\n  %s eval %s%s\n  %s play %s%s\n  %s train %s run.seed=1\n", telos, t->run, task,
           telos, t->run, task, telos, t->task);
  }
}

static void init_child(struct train *t, struct child *c, int index) {
  c->train = t;
  c->index = index;
  c->pause_ms = RESTART_MIN_MS;
  c->restart.data = c;
  CHECK(uv_timer_init(&t->loop, &c->restart) == 0);
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

int verb_train(int argc, char **argv) {
  struct train *t = must_alloc(1, sizeof *t);
  t->nactors = 2;
  t->resume = "auto";
  const enum err err = parse_arguments(t, argc, argv);
  if (err != ERR_OK) {
    free(t);
    return err_exit_code(err);
  }
  if (t->threads == 0) {
    t->threads = cpu_cores() / t->nactors > 0 ? cpu_cores() / t->nactors : 1;
  }
  status_init(&t->status, t->title, t->nactors);
  CHECK(uv_loop_init(&t->loop) == 0);
  t->actors = must_alloc((size_t)t->nactors, sizeof *t->actors);
  init_child(t, &t->learner, LEARNER);
  init_child(t, &t->player, PLAYER);
  for (int i = 0; i < t->nactors; i++) {
    init_child(t, &t->actors[i], i);
  }
  t->sigint.data = t->sigterm.data = t->farewell.data = t;
  CHECK(uv_timer_init(&t->loop, &t->farewell) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigint) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigterm) == 0);
  CHECK(uv_signal_start(&t->sigint, on_signal, SIGINT) == 0);
  CHECK(uv_signal_start(&t->sigterm, on_signal, SIGTERM) == 0);
  start_learner(t);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  status_end(&t->status);
  uv_walk(&t->loop, close_handle, NULL);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&t->loop) == 0);
  process_ignore_stop();
  print_result(t);
  const int exit_code = t->exit_code;
  free(t->actors);
  free(t);
  return exit_code;
}
