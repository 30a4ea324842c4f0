// train.c - telos train: the loop in which a learner and its actors run, and signals from outside.
//
// The work is in train_args.c (command line), train_children.c (learner, actors and their output),
// train_videos.c (videos) and train_summary.c (the last lines).
#include "deploy/launch/train.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/process.h"
#include "deploy/launch/verbs.h"

// ---- signals ----

static void on_signal(uv_signal_t *handle, int signum) {
  struct train *t = handle->data;
  t->signals++;
  if (t->signals > 1) {
    train_kill_actors(t, SIGKILL);
    if (t->learner.alive) {
      uv_process_kill(&t->learner.process, SIGKILL);
    }
    train_stop_player(t);
    status_end(&t->status);
    train_print_killed(t);
    _exit(128 + signum);
  }
  train_stop_player(t);
  if (t->ending) {  // all is saved: only a video was waited for
    return;
  }
  status_log(&t->status, "I telos: saving, then stopping; once more to stop now");
  if (t->learner.alive) {
    uv_process_kill(&t->learner.process, SIGTERM);
  } else {
    train_begin_end(t, 75);
  }
}

// Ctrl-Z: children are in sessions of their own, so that they have to be told. Actors on other
// machines are not stopped; they run out of tickets.
static void on_pause(uv_signal_t *handle, int signum) {
  struct train *t = handle->data;
  (void)signum;
  status_log(&t->status, "I telos: paused, with all that it has started here; fg goes on");
  status_end(&t->status);
  train_kill_all(t, SIGSTOP);
  raise(SIGSTOP);
}

static void on_continue(uv_signal_t *handle, int signum) {
  (void)signum;
  train_kill_all(handle->data, SIGCONT);
}

// ---- life ----

static void init_child(struct train *t, struct child *c, int index) {
  c->train = t;
  c->index = index;
  c->pause_ms = TRAIN_RESTART_MIN_MS;
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
  t->nlocal = -1;
  t->resume = "auto";
  enum err err = train_parse(t, argc, argv);
  if (err == ERR_OK && t->parent != 0) {
    err = process_follow_parent(t->parent);
  }
  if (err != ERR_OK) {
    free(t);
    return err_exit_code(err);
  }
  if (t->nlocal < 0) {
    t->nlocal = t->hosts.n > 0 ? 0 : TRAIN_ACTORS;
  }
  t->nactors = t->nlocal + t->hosts.n;
  if (t->threads == 0) {
    t->threads = t->nlocal > 0 && cpu_cores() / t->nlocal > 0 ? cpu_cores() / t->nlocal : 1;
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
  t->sigtstp.data = t->sigcont.data = t;
  CHECK(uv_timer_init(&t->loop, &t->farewell) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigint) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigterm) == 0);
  CHECK(uv_signal_start(&t->sigint, on_signal, SIGINT) == 0);
  CHECK(uv_signal_start(&t->sigterm, on_signal, SIGTERM) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigtstp) == 0);
  CHECK(uv_signal_init(&t->loop, &t->sigcont) == 0);
  CHECK(uv_signal_start(&t->sigtstp, on_pause, SIGTSTP) == 0);
  CHECK(uv_signal_start(&t->sigcont, on_continue, SIGCONT) == 0);
  train_start_learner(t);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  status_end(&t->status);
  uv_walk(&t->loop, close_handle, NULL);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&t->loop) == 0);
  process_ignore_stop();
  train_print_result(t);
  const int exit_code = t->exit_code;
  keyfile_wipe(&t->host_keys.own);
  free(t->actors);
  free(t);
  return exit_code;
}
