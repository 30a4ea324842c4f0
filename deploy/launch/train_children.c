// train_children.c - a learner and its actors as child processes, and what they write.
//
// Each is told our process number and asks the kernel to be stopped when we end, so that even
// kill -9 leaves nothing behind. Actors that die are started again; so is a learner that was
// killed: it resumes, and the result is the same.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "deploy/launch/commands.h"
#include "deploy/launch/train.h"

enum {
  LEARNER_RESTARTS = 5,  // of a learner that was killed by a signal
  ACTOR_FALLS = 6,       // short lives in a row; then another one would end like them
  RESTART_MAX_MS = 10000,
  FAREWELL_MS = 5000,  // actors that are still there after this are killed
};

static void start_actor(struct child *c);

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
  train_start_player(t);
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
    } else if (l->used < TRAIN_MAX_LINE - 1) {
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

void train_on_closed(uv_handle_t *handle) {
  struct child *c = handle->data;
  c->open--;
  train_end_if_all_gone(c->train);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct child *c = stream->data;
  const bool out = (void *)stream == (void *)&c->out;
  if (n > 0) {
    split(c->train, out ? &c->out_lines : &c->err_lines, buf->base, (size_t)n, out);
  } else if (n < 0 && !uv_is_closing((uv_handle_t *)stream)) {
    uv_close((uv_handle_t *)stream, train_on_closed);
  }
}

// ---- starting ----

// flags: what the child does with it
static void open_pipe(struct child *c, uv_pipe_t *pipe, uv_stdio_container_t *stdio, int flags) {
  CHECK(uv_pipe_init(&c->train->loop, pipe, 0) == 0);
  pipe->data = c;
  c->open++;
  stdio->flags = (uv_stdio_flags)(UV_CREATE_PIPE | flags);
  stdio->data.stream = (uv_stream_t *)pipe;
}

static bool is_remote(const struct child *c) {
  return c->index >= c->train->nlocal;
}

// Its first words; the pipe stays open as long as we live.
static void greet(struct child *c) {
  struct train *t = c->train;
  char *greeting = hosts_greeting(t->insecure ? NULL : &t->host_keys);
  uv_buf_t buf = uv_buf_init(greeting, (unsigned)strlen(greeting));
  // a pipe takes a line at once
  const int sent = uv_try_write((uv_stream_t *)&c->in, &buf, 1);
  if (sent != (int)buf.len) {
    log_debug("no greeting to actor %d: %s", c->index, uv_strerror(sent));
  }
  explicit_bzero(greeting, buf.len);
  free(greeting);
}

// pipes: learner's standard output always; standard error when a block is drawn. What the player
// says about its success is for others.
bool train_spawn(struct child *c, char **args, uv_exit_cb on_exit) {
  struct train *t = c->train;
  uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2}};
  const bool in = is_remote(c), out = c->index == LEARNER, err = t->status.terminal;
  if (c->index == PLAYER) {
    stdio[1].flags = UV_IGNORE;
  }
  if (in) {
    open_pipe(c, &c->in, &stdio[0], UV_READABLE_PIPE);
  }
  if (out) {
    open_pipe(c, &c->out, &stdio[1], UV_WRITABLE_PIPE);
  }
  if (err) {
    open_pipe(c, &c->err, &stdio[2], UV_WRITABLE_PIPE);
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
    uv_close((uv_handle_t *)&c->process, train_on_closed);
    if (in) {
      uv_close((uv_handle_t *)&c->in, train_on_closed);
    }
    if (out) {
      uv_close((uv_handle_t *)&c->out, train_on_closed);
    }
    if (err) {
      uv_close((uv_handle_t *)&c->err, train_on_closed);
    }
    return false;
  }
  c->alive = true;
  c->started_ms = uv_now(&t->loop);
  if (in) {
    greet(c);
  }
  if (out) {
    CHECK(uv_read_start((uv_stream_t *)&c->out, on_alloc, on_read) == 0);
  }
  if (err) {
    CHECK(uv_read_start((uv_stream_t *)&c->err, on_alloc, on_read) == 0);
  }
  return true;
}

static void on_restart(uv_timer_t *timer) {
  struct child *c = timer->data;
  if (c->alive || c->train->ending) {
    return;
  }
  if (c->open > 0) {  // the last life's pipes are still closing
    CHECK(uv_timer_start(timer, on_restart, TRAIN_RESTART_MIN_MS, 0) == 0);
  } else if (c->index == LEARNER) {
    train_start_learner(c->train);
  } else {
    start_actor(c);
  }
}

static bool lived_long(const struct child *c) {
  return uv_now(&c->train->loop) - c->started_ms > c->pause_ms;
}

// the pause doubles from one short life to the next; a life longer than its pause was a good one
static void restart_later(struct child *c) {
  if (lived_long(c)) {
    c->pause_ms = TRAIN_RESTART_MIN_MS;
  }
  CHECK(uv_timer_start(&c->restart, on_restart, c->pause_ms, 0) == 0);
  c->pause_ms = 2 * c->pause_ms < RESTART_MAX_MS ? 2 * c->pause_ms : RESTART_MAX_MS;
}

// nobody runs any more, and the learner's last words have been read
void train_end_if_all_gone(struct train *t) {
  for (int i = 0; i < t->nactors; i++) {
    if (t->actors[i].alive) {
      return;
    }
  }
  train_start_player(t);  // the last videos, when all went well
  if (t->ending && t->learner.open == 0 && t->player.open == 0) {
    uv_stop(&t->loop);
  }
}

// 64, 65, 77 and 78 mean that another try is useless (deploy/README.md, "Exit codes")
static bool useless_to_retry(int64_t status) {
  return status == 64 || status == 65 || status == 77 || status == 78;
}

// the learner is told to save and stop when no actor is left
static void give_up(struct child *c, int code) {
  struct train *t = c->train;
  int left = 0;
  c->given_up = true;
  for (int i = 0; i < t->nactors; i++) {
    left += !t->actors[i].given_up;
  }
  log_error("actor %d ended with exit code %d%s and is not started again; %d left", c->index, code,
            c->falls == ACTOR_FALLS ? ", right after each start," : "", left);
  if (left == 0) {
    t->exit_code = code;
    uv_process_kill(&t->learner.process, SIGTERM);
  }
}

static void on_actor_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_close((uv_handle_t *)process, train_on_closed);
  if (is_remote(c)) {
    uv_close((uv_handle_t *)&c->in, train_on_closed);
  }
  if (t->ending || t->signals > 0) {
    train_end_if_all_gone(t);
    return;
  }
  const int code = term_signal != 0 ? 128 + term_signal : (int)status;
  const bool asked = code == err_exit_code(ERR_INTERRUPTED);
  c->falls = code == 0 || asked || lived_long(c) ? 0 : c->falls + 1;
  if ((term_signal == 0 && useless_to_retry(status)) || c->falls == ACTOR_FALLS) {
    give_up(c, code);
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

// an actor on another machine
static bool start_remote(struct child *c) {
  struct train *t = c->train;
  const char *port = strrchr(t->endpoint, ':') + 1;
  char **command = hosts_command(&t->hosts, c->index - t->nlocal, port, t->insecure);
  const bool started = train_spawn(c, command, on_actor_exit);
  hosts_free_command(command);
  return started;
}

static void start_actor(struct child *c) {
  struct train *t = c->train;
  if (t->endpoint[0] == '\0' || c->alive || c->given_up || t->ending) {
    return;  // the learner's "listening" line will start it, or has done so
  }
  if (c->open > 0) {  // the last life's pipes are still closing
    CHECK(uv_timer_start(&c->restart, on_restart, TRAIN_RESTART_MIN_MS, 0) == 0);
    return;
  }
  if (is_remote(c)) {
    if (!start_remote(c)) {
      restart_later(c);
    }
    return;
  }
  char program[PATH_MAX + 16], parent[24], threads[24], name[24];
  snprintf(program, sizeof program, "%s/telos-actor", commands_program_dir());
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  snprintf(threads, sizeof threads, "%d", t->threads);
  snprintf(name, sizeof name, "%d", c->index);
  char keys[] = "--keys", insecure[] = "--insecure";
  char *args[16] = {program,  "--connect", t->endpoint, "--threads", threads,
                    "--name", name,        "--parent",  parent};
  int n = 9;
  if (t->keys != NULL) {
    args[n++] = keys;
    args[n++] = (char *)(uintptr_t)t->keys;
  } else if (t->insecure) {
    args[n++] = insecure;
  }
  if (!train_spawn(c, args, on_actor_exit)) {
    restart_later(c);
  }
}

// ---- the end of a learner ----

void train_kill_actors(struct train *t, int signum) {
  for (int i = 0; i < t->nactors; i++) {
    uv_timer_stop(&t->actors[i].restart);
    if (t->actors[i].alive) {
      uv_process_kill(&t->actors[i].process, signum);
    }
  }
}

void train_kill_all(struct train *t, int signum) {
  if (t->learner.alive) {
    uv_process_kill(&t->learner.process, signum);
  }
  if (t->player.alive) {
    uv_process_kill(&t->player.process, signum);
  }
  for (int i = 0; i < t->nactors; i++) {
    if (t->actors[i].alive) {
      uv_process_kill(&t->actors[i].process, signum);
    }
  }
}

static void on_farewell(uv_timer_t *timer) {
  train_kill_actors(timer->data, SIGKILL);
}

void train_begin_end(struct train *t, int exit_code) {
  t->ending = true;
  uv_timer_stop(&t->learner.restart);
  t->exit_code = t->exit_code != 0 ? t->exit_code : exit_code;
  train_kill_actors(t, SIGTERM);
  if (t->exit_code != 0) {
    train_stop_player(t);
  } else {
    train_tell_of_videos(t);
  }
  CHECK(uv_timer_start(&t->farewell, on_farewell, FAREWELL_MS, 0) == 0);
  train_end_if_all_gone(t);
}

static void on_learner_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_close((uv_handle_t *)process, train_on_closed);
  if (term_signal != 0 && t->signals == 0 && t->learner_restarts < LEARNER_RESTARTS) {
    char text[160];
    snprintf(text, sizeof text, "W telos: the learner ended (signal %d); it resumes", term_signal);
    status_log(&t->status, text);
    t->learner_restarts++;
    t->resume = "auto";
    t->endpoint[0] = '\0';
    train_kill_actors(t, SIGKILL);
    restart_later(c);
    return;
  }
  // a learner that was asked to stop before it could save had nothing to lose
  const bool early = t->signals > 0 && term_signal == SIGTERM;
  train_begin_end(t, early ? 75 : term_signal != 0 ? 128 + term_signal : (int)status);
}

void train_start_learner(struct train *t) {
  char program[PATH_MAX + 16], parent[24], video_every[24], insecure[] = "--insecure",
                                                            demos[] = "--demos", from[] = "--from";
  snprintf(program, sizeof program, "%s/telos-learner", commands_program_dir());
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  char *args[TRAIN_MAX_SETTINGS + 24];
  int n = 0;
  char *const fixed[] = {program, "--task",   (char *)(uintptr_t)t->task,   "--run",
                         t->run,  "--resume", (char *)(uintptr_t)t->resume, "--parent",
                         parent};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    args[n++] = fixed[i];
  }
  if (t->rule != NULL) {
    args[n++] = "--rule";
    args[n++] = (char *)(uintptr_t)t->rule;
  }
  if (t->preset != NULL) {
    args[n++] = "--preset";
    args[n++] = (char *)(uintptr_t)t->preset;
  }
  if (t->config != NULL) {
    args[n++] = "--config";
    args[n++] = (char *)(uintptr_t)t->config;
  }
  if (t->demos != NULL) {
    args[n++] = demos;
    args[n++] = (char *)(uintptr_t)t->demos;
  }
  if (t->from != NULL) {
    args[n++] = from;
    args[n++] = (char *)(uintptr_t)t->from;
  }
  if (t->insecure) {
    args[n++] = insecure;
  }
  if (t->keys != NULL) {
    args[n++] = "--keys";
    args[n++] = (char *)(uintptr_t)t->keys;
  }
  if (t->video_every != 0) {
    snprintf(video_every, sizeof video_every, "%" PRIu64, t->video_every);
    args[n++] = "--video-every";
    args[n++] = video_every;
  }
  if (t->bind_all) {
    args[n++] = "wire.bind=0.0.0.0";
  }
  // free ports, unless the caller's own settings, which come later, say otherwise
  args[n++] = "wire.port=0";
  args[n++] = "wire.weights_port=0";
  for (int i = 0; i < t->nsettings; i++) {
    args[n++] = t->settings[i];
  }
  args[n] = NULL;
  if (!train_spawn(&t->learner, args, on_learner_exit)) {
    train_begin_end(t, 1);
  }
}
