// sweep_run.c - slots for children; a slot that is free takes the next run that is not done.
//
// Shared with telos train is what a life means, not its code: a child here has no pipes, no
// restarts and nobody that depends on it.
#include "deploy/launch/sweep_run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/shell.h"
#include "deploy/launch/commands.h"

enum { MAX_ARGS = SWEEP_MAX_SETTINGS + 32 };

struct slot {
  struct sweep *sweep;
  uv_process_t process;
  int run;    // of the plan
  bool busy;  // until its handle is closed
  bool alive;
  double start_s, before_s;  // of this life; seconds of the lives before
  int log;
};

struct sweep {
  const struct sweep_plan *plan;
  const struct sweep_options *options;
  struct sweep_result *results;
  uv_loop_t loop;
  uv_signal_t sigint, sigterm;
  struct slot *slots;
  int rules;       // at least 1
  int runs, next;  // all; the first that no slot has taken
  int done, failed;
  int signals, last_signal;
};

void sweep_run_folder(char path[PATH_MAX], const struct sweep_options *o,
                      const struct sweep_run *run) {
  CHECK(snprintf(path, PATH_MAX, "%s/%s/%s", o->out, run->task->model, run->name) < PATH_MAX);
}

// ---- how long it will take ----

// what runs of one task and rule have taken
struct pace {
  double seconds, steps;
};

static void add_pace(struct pace *sum, const struct pace *p) {
  sum->seconds += p->seconds;
  sum->steps += p->steps;
}

// Which task and rule a run has, as task x rules + rule.
static int pair_of(const struct sweep *s, int run) {
  const int pairs = s->plan->ntasks * s->rules;
  return run % sweep_plan_cells(s->plan) / (sweep_plan_cells(s->plan) / pairs);
}

// seconds a step of the runs of this pair that are done; else of its task, else of all
static double seconds_a_step(const struct sweep *s, const struct pace *paces, int pair) {
  struct pace own = paces[pair], task = {0}, all = {0};
  for (int i = 0; i < s->plan->ntasks * s->rules; i++) {
    add_pace(&all, &paces[i]);
    if (i / s->rules == pair / s->rules) {
      add_pace(&task, &paces[i]);
    }
  }
  const struct pace *best = own.steps > 0.0 ? &own : task.steps > 0.0 ? &task : &all;
  return best->seconds / best->steps;
}

static const struct slot *slot_of(const struct sweep *s, int run) {
  for (int i = 0; i < s->options->jobs; i++) {
    if (s->slots[i].alive && s->slots[i].run == run) {
      return &s->slots[i];
    }
  }
  return NULL;
}

// seconds until all is done, when nothing changes; NaN: none is done that could tell
static double estimate(const struct sweep *s) {
  struct pace *paces = must_alloc((size_t)(s->plan->ntasks * s->rules), sizeof *paces);
  for (int i = 0; i < s->runs; i++) {
    if (s->results[i].done) {
      add_pace(&paces[pair_of(s, i)], &(struct pace){s->results[i].seconds, s->results[i].steps});
    }
  }
  double sum = 0.0;
  for (int i = 0; i < s->runs; i++) {
    const struct slot *slot = slot_of(s, i);
    if (s->results[i].done || (i < s->next && slot == NULL)) {
      continue;  // done, or failed
    }
    struct sweep_run run;
    sweep_plan_run(&run, s->plan, i);
    const double whole = seconds_a_step(s, paces, pair_of(s, i)) * (double)run.steps;
    const double had =
        slot != NULL ? slot->before_s + now_s() - slot->start_s : s->results[i].seconds;
    sum += whole < had ? 0.0 : whole - had;
  }
  free(paces);
  return sum / s->options->jobs;
}

static void print_left(const struct sweep *s) {
  const int left = s->runs - s->done - s->failed;
  const double seconds = estimate(s);
  printf("; %d left", left);
  if (left > 0 && !isnan(seconds)) {
    const bool hours = seconds >= 5400;
    printf(", about %.*f %s", hours ? 1 : 0, hours ? seconds / 3600 : ceil(seconds / 60),
           hours ? "h" : "min");
  }
  putchar('\n');
  fflush(stdout);
}

// ---- a run's life ----

static void fill(struct sweep *s);

static void on_closed(uv_handle_t *handle) {
  struct slot *slot = handle->data;
  slot->busy = false;
  fill(slot->sweep);
}

static void tell_done(struct sweep *s, int i, const struct sweep_run *run) {
  const struct sweep_result *r = &s->results[i];
  s->done++;
  printf("%d of %d: %s/%s  ", s->done, s->runs, run->task->model, run->name);
  printf(isnan(r->distance) ? "return %.4g +- %.3g" : "score %.2f +- %.2f", r->score, r->ci);
  printf(", %.0f s", r->seconds);
  print_left(s);
}

static void tell_failed(const char *folder, int code) {
  char log[PATH_MAX + 8];
  snprintf(log, sizeof log, "%s.log", folder);
  char *error = sweep_result_error(log);
  if (code == 0) {
    log_error(
        "%s ended well, but its eval.csv lacks the last evaluation; remove the folder to "
        "train it again",
        folder);
  } else {
    log_error("%s failed with exit code %d%s%s; its log is %s", folder, code,
              error[0] != '\0' ? ": " : "", error, log);
  }
  free(error);
}

static void on_exit_of_run(uv_process_t *process, int64_t status, int term_signal) {
  struct slot *slot = process->data;
  struct sweep *s = slot->sweep;
  struct sweep_run run;
  char folder[PATH_MAX];
  slot->alive = false;
  sweep_plan_run(&run, s->plan, slot->run);
  sweep_run_folder(folder, s->options, &run);
  const int code = term_signal != 0 ? 128 + term_signal : (int)status;
  dprintf(slot->log, SWEEP_ENDS "%.1f s with exit code %d\n", now_s() - slot->start_s, code);
  close(slot->log);
  sweep_result_read(&s->results[slot->run], folder, run.steps);
  if (code == 0 && s->results[slot->run].done) {
    tell_done(s, slot->run, &run);
  } else if (s->signals == 0) {
    s->failed++;
    tell_failed(folder, code);
  }
  uv_close((uv_handle_t *)process, on_closed);
}

// ends the file's last line where a process was killed in the middle of one
static int open_log(const char *path, char *const *args, int n) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) {
    log_error("%s cannot be written: %m", path);
    return -1;
  }
  char *command = shell_join(args, n);
  dprintf(fd, "%s" SWEEP_BEGINS "%s\n", lseek(fd, 0, SEEK_END) > 0 ? "\n" : "", command);
  free(command);
  return fd;
}

// the command of a run; settings are borrowed by args
static int make_args(char **args, const struct sweep *s, const struct sweep_run *run,
                     struct sweep_words *settings) {
  static char program[PATH_MAX + 16], parent[24], threads[40];
  snprintf(program, sizeof program, "%s/telos", commands_program_dir());
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  snprintf(threads, sizeof threads, "learner.threads=%d", s->options->threads);
  const char *fixed[] = {program,  "train",    run->task->task, "--runs", s->options->out,
                         "--name", run->name,  "--actors",      "1",      "--threads",
                         "1",      "--parent", parent,          threads};
  int n = 0;
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    args[n++] = (char *)(uintptr_t)fixed[i];
  }
  if (run->rule != NULL) {
    args[n++] = (char *)(uintptr_t) "--rule";
    args[n++] = (char *)(uintptr_t)run->rule;
  }
  if (s->plan->demos != NULL) {
    args[n++] = (char *)(uintptr_t) "--demos";
    args[n++] = (char *)(uintptr_t)s->plan->demos;
  }
  sweep_plan_settings(settings, s->plan, run);
  for (int i = 0; i < settings->n; i++) {
    args[n++] = settings->v[i];
  }
  CHECK(n < MAX_ARGS);
  args[n] = NULL;
  return n;
}

// false (logged): it cannot be started
static bool start(struct slot *slot, int i) {
  struct sweep *s = slot->sweep;
  struct sweep_run run;
  struct config cfg;
  char folder[PATH_MAX], path[PATH_MAX + 8], *args[MAX_ARGS];
  sweep_plan_run(&run, s->plan, i);
  sweep_run_folder(folder, s->options, &run);
  snprintf(path, sizeof path, "%s/%s", s->options->out, run.task->model);
  if (sweep_plan_config(&cfg, s->plan, &run) != ERR_OK || !sweep_result_fits(folder, &cfg) ||
      fsio_mkdirs(path) != ERR_OK) {
    return false;
  }
  struct sweep_words settings = {0};
  const int n = make_args(args, s, &run, &settings);
  snprintf(path, sizeof path, "%s.log", folder);
  slot->log = open_log(path, args, n);
  slot->run = i;
  slot->start_s = now_s();
  slot->before_s = s->results[i].seconds;
  int result = -1;
  if (slot->log >= 0) {
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = slot->log},
                                     {.flags = UV_INHERIT_FD, .data.fd = slot->log}};
    const uv_process_options_t options = {.file = args[0],
                                          .args = args,
                                          .flags = UV_PROCESS_DETACHED,
                                          .exit_cb = on_exit_of_run,
                                          .stdio = stdio,
                                          .stdio_count = 3};
    slot->process.data = slot;
    slot->busy = true;
    result = uv_spawn(&s->loop, &slot->process, &options);
    slot->alive = result == 0;
    if (result != 0) {
      log_error("cannot start %s: %s", args[0], uv_strerror(result));
      close(slot->log);
      uv_close((uv_handle_t *)&slot->process, on_closed);
    }
  }
  sweep_words_release(&settings);
  return result == 0;
}

// gives each free slot a run, and stops the loop when nobody runs
static void fill(struct sweep *s) {
  bool idle = true;
  for (int k = 0; k < s->options->jobs; k++) {
    struct slot *slot = &s->slots[k];
    while (!slot->busy && s->signals == 0 && s->next < s->runs) {
      const int i = s->next++;
      if (!s->results[i].done && !start(slot, i)) {
        s->failed++;
      }
    }
    idle = idle && !slot->busy;
  }
  if (idle) {
    uv_stop(&s->loop);
  }
}

// The first asks the runs to stop with their state saved; with the second they stop at once, which
// they do by themselves, too.
static void on_signal(uv_signal_t *handle, int signum) {
  struct sweep *s = handle->data;
  s->last_signal = signum;
  if (++s->signals == 1) {
    log_info("saving, then stopping; once more to stop now");
  }
  for (int i = 0; i < s->options->jobs; i++) {
    if (s->slots[i].alive) {
      uv_process_kill(&s->slots[i].process, SIGTERM);
    }
  }
}

// ---- all runs ----

void sweep_run_read(struct sweep_result *results, const struct sweep_plan *p,
                    const struct sweep_options *o) {
  for (int i = 0; i < sweep_plan_runs(p); i++) {
    struct sweep_run run;
    char folder[PATH_MAX];
    sweep_plan_run(&run, p, i);
    sweep_run_folder(folder, o, &run);
    sweep_result_read(&results[i], folder, run.steps);
  }
}

// A run that is done has to be the one that is wanted; the others are checked as they start.
static bool check_done(struct sweep *s) {
  bool good = true;
  for (int i = 0; good && i < s->runs; i++) {
    if (s->results[i].done) {
      struct sweep_run run;
      struct config cfg;
      char folder[PATH_MAX];
      sweep_plan_run(&run, s->plan, i);
      sweep_run_folder(folder, s->options, &run);
      s->done++;
      good = sweep_plan_config(&cfg, s->plan, &run) == ERR_OK && sweep_result_fits(folder, &cfg);
    }
  }
  return good;
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

// does the plan say how many learner threads its runs have?
static bool has_threads(const struct sweep_plan *p) {
  bool has = false;
  for (int i = 0; i < p->naxes; i++) {
    has = has || p->axes[i].row == &config_rows[CONFIG_ROW_learner_threads];
  }
  return has;
}

int sweep_run_all(struct sweep_result *results, const struct sweep_plan *p,
                  const struct sweep_options *o) {
  struct sweep s = {.plan = p,
                    .options = o,
                    .results = results,
                    .rules = p->rules.n > 0 ? p->rules.n : 1,
                    .runs = sweep_plan_runs(p)};
  sweep_run_read(results, p, o);
  if (!check_done(&s)) {
    return err_exit_code(ERR_CONFIG);
  }
  printf("%d runs in %s, %d done before; %d at a time", s.runs, o->out, s.done, o->jobs);
  if (!has_threads(p)) {
    printf(", each with %d learner thread%s", o->threads, o->threads == 1 ? "" : "s");
  }
  s.slots = must_alloc((size_t)o->jobs, sizeof *s.slots);
  print_left(&s);
  CHECK(uv_loop_init(&s.loop) == 0);
  s.sigint.data = s.sigterm.data = &s;
  CHECK(uv_signal_init(&s.loop, &s.sigint) == 0);
  CHECK(uv_signal_init(&s.loop, &s.sigterm) == 0);
  CHECK(uv_signal_start(&s.sigint, on_signal, SIGINT) == 0);
  CHECK(uv_signal_start(&s.sigterm, on_signal, SIGTERM) == 0);
  for (int i = 0; i < o->jobs; i++) {
    s.slots[i].sweep = &s;
  }
  if (s.done < s.runs) {
    fill(&s);
    uv_run(&s.loop, UV_RUN_DEFAULT);
  }
  uv_walk(&s.loop, close_handle, NULL);
  uv_run(&s.loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&s.loop) == 0);
  free(s.slots);
  if (s.signals > 0 && s.done + s.failed < s.runs) {
    return s.signals > 1 ? 128 + s.last_signal : err_exit_code(ERR_INTERRUPTED);
  }
  return s.failed > 0 ? 1 : 0;
}
