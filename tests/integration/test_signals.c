// test_signals.c - SIGTERM, SIGINT and SIGKILL of each program in each phase of a run: the exit
// code, no process left, and the run goes on to the same policy file as one without any signal.
//
// Phases are met by events: a checkpoint on disk, a progress line, a log line. A program may be
// faster than the signal at two ends: it has no handler yet when it starts (then the signal's
// default action ends it, and nothing is lost), and it may be over when it ends.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

enum { STEPS = 3000, WARMUP = 2000 };

// warm-up is slowed down by checkpoints, training by updates, the last evaluation by its length
static const char *const settings[] = {
    "run.steps=3000",
    "train.warmup_steps=2000",
    "checkpoint.every=100",
    "eval.every=0",
    "train.updates_per_step=6",
    "eval.episodes=500",
    NULL,
};

enum phase { STARTUP, IN_WARMUP, IN_TRAINING, IN_EVALUATION, SHUTDOWN, PHASES };

static const char *const phase_name[] = {"start-up", "warm-up", "training", "evaluation",
                                         "shutdown"};

static const int signals[] = {SIGTERM, SIGINT, SIGKILL};

// until the run in the folder is there; observed is the program whose end gives up the waiting
static void wait_phase(enum phase phase, struct proc *observed, const char *run) {
  switch (phase) {
    case STARTUP:
      break;
    case IN_WARMUP:
      fleet_wait_checkpoint(observed, run, 100);
      break;
    case IN_TRAINING:
      fleet_wait_checkpoint(observed, run, WARMUP + 100);
      break;
    case IN_EVALUATION:
      fleet_wait_checkpoint(observed, run, STEPS);
      break;
    case SHUTDOWN:
      proc_wait_line(observed, "evaluation of version");
      break;
    case PHASES:
      break;
  }
}

// graceful: the documented code when asked to stop in the middle
static bool documented(int code, int sig, enum phase phase, int graceful) {
  if (sig == SIGKILL) {
    return code == -SIGKILL || (phase == SHUTDOWN && code == 0);
  }
  if (phase == STARTUP) {
    return code == graceful || code == -sig;
  }
  if (phase == SHUTDOWN) {
    return code == graceful || code == 0 || code == -sig;
  }
  return code == graceful;
}

static void check_code(int code, int sig, enum phase phase, int graceful) {
  cr_assert(documented(code, sig, phase, graceful), "%s at %s: exit code %d", strsignal(sig),
            phase_name[phase], code);
}

// every program that the test started before, or that these left, is gone
static void check_none_left(void) {
  harness_wait_family(NULL, "telos", 0);
  harness_wait_family(NULL, "telos-learner", 0);
  harness_wait_family(NULL, "telos-actor", 0);
}

static void signal_learner(const char *reference, int sig, enum phase phase) {
  struct fleet *f = fleet_new(harness_text("learner-%d-%s", sig, phase_name[phase]), settings);
  fleet_start_learner(f);
  if (phase != STARTUP) {
    fleet_wait_listening(f);
    fleet_start_actor(f, 0, "telos-actor", 1);
    fleet_start_actor(f, 1, "telos-actor", 1);
  }
  wait_phase(phase, f->learner, f->run);
  proc_signal(f->learner, sig);
  const int code = proc_wait_exit(f->learner);
  check_code(code, sig, phase, 75);
  if (code == 75) {
    const char *command = harness_text("stopped; resume with: %s --task box2d --run %s\n",
                                       harness_program("telos-learner"), f->run);
    cr_assert_not_null(strstr(proc_stderr(f->learner), command), "%s", proc_stderr(f->learner));
  }
  // the actors wait for the next learner; a run that was over says so and ends
  if (code != 0) {
    fleet_start_learner(f);
    if (phase == STARTUP) {
      fleet_wait_listening(f);
      fleet_start_actor(f, 0, "telos-actor", 1);
    }
    cr_assert_eq(proc_wait_exit(f->learner), 0);
  }
  fleet_end(f);
  check_none_left();
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

static void signal_actor(const char *reference, int sig, enum phase phase) {
  struct fleet *f = fleet_new(harness_text("actor-%d-%s", sig, phase_name[phase]), settings);
  fleet_start(f, 2, 1);
  wait_phase(phase, f->learner, f->run);
  proc_signal(f->actors[0], sig);
  check_code(proc_wait_exit(f->actors[0]), sig, phase, 75);
  f->actors[0] = NULL;
  fleet_end(f);
  check_none_left();
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

static struct proc *start_telos(const struct fleet *f, const char *name) {
  const char *argv[FLEET_SETTINGS + 10] = {harness_program("telos"), "train",  "box2d", "--runs",
                                           harness_folder(),         "--name", name};
  for (int i = 0; i < f->nsettings; i++) {
    argv[7 + i] = f->settings[i];
  }
  return proc_start_argv(NULL, argv);
}

static void signal_telos(const char *reference, int sig, enum phase phase) {
  const char *name = harness_text("telos-%d-%s", sig, phase_name[phase]);
  struct fleet *f = fleet_new("unused", settings);
  struct proc *telos = start_telos(f, name);
  const char *run = harness_path("box2d/%s", name);
  wait_phase(phase, telos, run);
  proc_signal(telos, sig);
  check_code(proc_wait_exit(telos), sig, phase, 75);
  check_none_left();
  // nothing may be left of the run before; then the same command resumes it
  telos = start_telos(f, name);
  cr_assert_eq(proc_wait_exit(telos), 0, "%s", proc_stderr(telos));
  check_none_left();
  harness_assert_same(reference, harness_text("%s/policy.safetensors", run));
  free(f);
}

// the phases of one program and one signal
static void table(void (*scenario)(const char *reference, int sig, enum phase phase), int sig) {
  const char *reference = fleet_train("reference", settings, 2, 1);
  for (enum phase phase = STARTUP; phase < PHASES; phase++) {
    scenario(reference, sig, phase);
  }
}

Test(signals, learner_terminate) {
  table(signal_learner, SIGTERM);
}

Test(signals, learner_interrupt) {
  table(signal_learner, SIGINT);
}

Test(signals, learner_kill) {
  table(signal_learner, SIGKILL);
}

Test(signals, actor_terminate) {
  table(signal_actor, SIGTERM);
}

Test(signals, actor_interrupt) {
  table(signal_actor, SIGINT);
}

Test(signals, actor_kill) {
  table(signal_actor, SIGKILL);
}

Test(signals, telos_terminate) {
  table(signal_telos, SIGTERM);
}

Test(signals, telos_interrupt) {
  table(signal_telos, SIGINT);
}

Test(signals, telos_kill) {
  table(signal_telos, SIGKILL);
}

// The second signal ends at once what is held up by the first: no commit boundary comes while the
// first one is long.
Test(signals, second_signal_ends_the_learner) {
  const char *const long_commits[] = {"train.updates_per_step=64", "train.batch=512",
                                      "net.hidden=256,256", "run.steps=1000000", NULL};
  const int codes[] = {128 + SIGTERM, 128 + SIGINT};
  for (int i = 0; i < 2; i++) {
    struct fleet *f = fleet_new(harness_text("second-%d", i), long_commits);
    fleet_start(f, 1, 1);
    // the first commit after warm-up: 6400 updates, minutes of work
    struct metrics m;
    fleet_wait_steps(f->learner, 1000.0, &m);
    proc_signal(f->learner, signals[i]);
    proc_wait_line(f->learner, "once more to stop now");
    proc_signal(f->learner, signals[i]);
    cr_assert_eq(proc_wait_exit(f->learner), codes[i]);
    proc_signal(f->actors[0], SIGTERM);
    cr_assert_eq(proc_wait_exit(f->actors[0]), 75);
    check_none_left();
    free(f);
  }
}

// An actor that nobody answers: no learner at its address yet.
Test(signals, actor_without_a_learner) {
  for (int i = 0; i < 3; i++) {
    struct proc *actor = proc_start(NULL, harness_program("telos-actor"), "--connect",
                                    "tcp://127.0.0.1:1", "--debug", NULL);
    proc_signal(actor, signals[i]);
    const int code = proc_wait_exit(actor);
    cr_assert(code == 75 || code == -signals[i], "%d", code);
  }
}

// An actor whose look-up of the learner's name never ends: neither a signal nor --patience waits
// for it.
Test(signals, actor_whose_look_up_hangs) {
  const char *const argv[] = {harness_program("telos-actor-silent-dns"),
                              "--insecure",
                              "--connect",
                              "tcp://some.host:5555",
                              "--patience",
                              "1",
                              NULL};
  struct proc *actor = proc_start_argv(NULL, argv);
  proc_wait_line(actor, "looking up some.host");
  cr_assert_eq(proc_wait_exit(actor), 69);
  cr_assert_not_null(
      strstr(proc_stderr(actor), "no address of some.host: its look-up gets no answer"));

  const char *const patient[] = {argv[0], argv[1], argv[2], argv[3], NULL};
  actor = proc_start_argv(NULL, patient);
  proc_wait_line(actor, "looking up some.host");
  proc_signal(actor, SIGTERM);
  cr_assert_eq(proc_wait_exit(actor), 75);
}
