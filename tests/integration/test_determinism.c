// test_determinism.c - the promise: the same seed gives the same policy file, byte for byte,
// whoever computes the episodes and whoever dies meanwhile. Real processes; the whole file.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

// more work for the learner, so that there is time to kill something
static const char *const slow[] = {"train.updates_per_step=8", NULL};

// a fixed sequence of small numbers: which actor dies next
static unsigned choose(uint64_t *state, unsigned n) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(*state >> 33) % n;
}

static double reissued(struct fleet *f) {
  struct metrics m;
  cr_assert(fleet_progress(f->learner, &m));
  return m.reissued;
}

Test(determinism, number_of_actors_and_threads) {
  const char *reference = fleet_train("one", NULL, 1, 1);
  harness_assert_same(reference, fleet_train("threads", NULL, 1, 4));
  harness_assert_same(reference, fleet_train("actors", NULL, 4, 1));

  // another window is another result, but one that again does not depend on the fleet
  const char *const window[] = {"ledger.window=500", NULL};
  harness_assert_same(fleet_train("window-one", window, 1, 1),
                      fleet_train("window-actors", window, 3, 2));

  // the comparison can fail
  const char *const seed[] = {"run.seed=1", NULL};
  cr_assert_neq(harness_digest(reference), harness_digest(fleet_train("seed", seed, 1, 2)));
}

// More threads than cores, and than parts of a minibatch; a learner that is killed, and goes on
// with another number of them.
Test(determinism, number_of_learner_threads) {
  const char *const one[] = {"train.shards=8", "learner.threads=1", "train.updates_per_step=4",
                             NULL};
  const char *reference = fleet_train("one", one, 1, 1);
  for (int threads = 2; threads <= 8; threads += threads == 2 ? 1 : 5) {
    const char *number = harness_text("learner.threads=%d", threads);
    const char *const many[] = {"train.shards=8", number, "train.updates_per_step=4", NULL};
    const char *name = harness_text("threads-%d", threads);
    harness_assert_same(reference, fleet_train(name, many, threads == 3 ? 4 : 1, 1));
  }

  struct fleet *f = fleet_new("killed", one);
  fleet_start(f, 4, 1);
  static const char *const next[] = {"learner.threads=3", "learner.threads=8", "learner.threads=2"};
  for (int kills = 0; kills < 3; kills++) {
    fleet_wait_checkpoint(f->learner, f->run, 1000 * (kills + 1));
    cr_assert(proc_running(f->learner), "the run was too short: %d kills", kills);
    fleet_set(f, next[kills]);
    fleet_kill_learner(f, 1000 * (kills + 1), 1000000);
    fleet_wait_listening(f);
  }
  fleet_end(f);
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

// what else a task may have: a set-point with a memory of its own, goals by joints, goals relative
// to a body and resets drawn again, a goal table
Test(determinism, every_kind_of_task) {
  static const char *const tasks[] = {"sawyer-push", "sawyer-faucet-random", "fetch-push-original",
                                      "ant-random"};
  const char *const shorter[] = {"run.steps=2000", "train.warmup_steps=500", NULL};
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    const char *one = fleet_train_task(tasks[i], harness_text("%s-one", tasks[i]), shorter, 1, 1);
    const char *many = fleet_train_task(tasks[i], harness_text("%s-many", tasks[i]), shorter, 3, 2);
    harness_assert_same(one, many);
  }
}

// Episodes that end early, so that commits issue no ticket, one, or several: one actor, three,
// actors that are killed, and a learner that is, too.
Test(determinism, episodes_of_any_length) {
  static const char *const settings[] = {"train.updates_per_step=4", "train.publish_every=60",
                                         "ledger.window=400", "checkpoint.every=200", NULL};
  const char *task = harness_text("%s/tests/tasks/short.xml", getenv("TELOS_SOURCE"));
  const char *one = fleet_train_task(task, "one", settings, 1, 1);
  harness_assert_same(one, fleet_train_task(task, "three", settings, 3, 2));

  struct fleet *f = fleet_new("killed", settings);
  f->task = task;
  fleet_start(f, 3, 1);
  struct metrics m;
  for (int kills = 0; kills < 6; kills++) {
    fleet_wait_checkpoint(f->learner, f->run, 800 * (kills + 1));
    cr_assert(proc_running(f->learner), "the run was too short: %d kills", kills);
    if (kills % 2 == 0) {
      fleet_kill_learner(f, 800 * (kills + 1), 6000 - 200);
      fleet_wait_listening(f);
    } else {
      proc_signal(f->actors[kills / 2], SIGKILL);
      cr_assert_eq(proc_wait_exit(f->actors[kills / 2]), -SIGKILL);
      fleet_start_actor(f, kills / 2, "telos-actor", 1);
    }
  }
  fleet_end(f);
  harness_assert_same(one, fleet_policy(f));
  cr_assert(fleet_progress(f->learner, &m));
  cr_assert_gt(m.episodes, 3.0 * m.steps / 100.0, "episodes did not end early");
  free(f);
}

// Every progress kills an actor, chosen by a fixed sequence. Every second one is halted first for
// as long as the learner needs to give it tickets, so that it dies with tickets in its hands.
Test(determinism, actors_are_killed_all_the_time) {
  const char *reference = fleet_train("reference", slow, 1, 1);
  struct fleet *f = fleet_new("killed", slow);
  fleet_start(f, 4, 1);
  uint64_t state = 1;
  int kills = 0;
  struct metrics m;
  double seen = 0.0;
  // the programs that a test may start are limited
  while (kills < 40) {
    fleet_wait_steps(f->learner, seen + 1.0, &m);
    if (!proc_running(f->learner) || m.steps >= m.total_steps) {
      break;
    }
    seen = m.steps;
    const int victim = (int)choose(&state, 4);
    if (kills % 2 == 1) {
      proc_signal(f->actors[victim], SIGSTOP);
      proc_mark(f->learner);
      // a line comes even when all wait for the one that is halted
      proc_wait_line(f->learner, "progress steps=");
    }
    proc_signal(f->actors[victim], SIGKILL);
    cr_assert_eq(proc_wait_exit(f->actors[victim]), -SIGKILL);
    fleet_start_actor(f, victim, "telos-actor", 1);
    kills++;
  }
  fleet_end(f);
  cr_assert_geq(kills, 5, "the run was too short: %d kills", kills);
  cr_assert_gt(reissued(f), 0.0, "no killed actor held a ticket");
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

// The actors live through all lives of the learner, which comes back at the same port.
Test(determinism, learner_is_killed_in_every_phase) {
  // warm-up commits are fast: checkpoints slow them down; the last evaluation takes a while
  enum { STEPS = 12000, WARMUP = 8000, EVERY = 200 };
  const char *const settings[] = {"run.steps=12000",      "train.warmup_steps=8000",
                                  "checkpoint.every=200", "train.updates_per_step=4",
                                  "eval.every=5000",      "eval.episodes=1000",
                                  "replay.capacity=9000", NULL};
  const char *reference = fleet_train("reference", settings, 2, 1);
  struct fleet *f = fleet_new("killed", settings);
  struct metrics m;

  // before it listens, and as soon as it does
  fleet_start_learner(f);
  fleet_kill_learner(f, 0, 0);
  fleet_wait_listening(f);
  fleet_kill_learner(f, 0, 0);
  fleet_wait_listening(f);
  for (int i = 0; i < 2; i++) {
    fleet_start_actor(f, i, "telos-actor", 1);
  }

  // in the warm-up, right after its checkpoint; again before the resumed one got anywhere
  fleet_wait_checkpoint(f->learner, f->run, 1000);
  fleet_kill_learner(f, 1000, WARMUP - EVERY);
  fleet_wait_listening(f);
  fleet_kill_learner(f, 1000, WARMUP - EVERY);

  // in training: right after a checkpoint, and somewhere in between
  fleet_wait_checkpoint(f->learner, f->run, WARMUP + EVERY);
  fleet_kill_learner(f, WARMUP + EVERY, STEPS - EVERY);
  fleet_wait_steps(f->learner, WARMUP + 4 * EVERY, &m);
  fleet_kill_learner(f, WARMUP + EVERY, STEPS - EVERY);

  // all is trained, the last evaluation runs
  fleet_wait_checkpoint(f->learner, f->run, STEPS);
  fleet_kill_learner(f, STEPS, STEPS);
  proc_wait_line(f->learner, "evaluation of version");
  cr_assert_eq(proc_wait_exit(f->learner), 0);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(proc_wait_exit(f->actors[i]), 0, "actor %d lived through all of it", i);
  }
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

static void kill_child(struct proc *telos, const char *name) {
  pid_t pids[8];
  cr_assert_geq(harness_family(telos, name, pids, 8), 1);
  cr_assert_eq(kill(pids[0], SIGKILL), 0);
}

Test(determinism, telos_restarts_what_dies) {
  const char *const settings[] = {"train.updates_per_step=16", NULL};
  struct fleet *f = fleet_new("reference", settings);
  fleet_start(f, 2, 1);
  fleet_end(f);

  const char *argv[FLEET_SETTINGS + 8] = {harness_program("telos"), "train",  "box2d", "--runs",
                                          harness_folder(),         "--name", "telos"};
  for (int i = 0; i < f->nsettings; i++) {
    argv[7 + i] = f->settings[i];
  }
  struct proc *telos = proc_start_argv(NULL, argv);
  struct metrics m;
  fleet_wait_steps(telos, 1200.0, &m);
  kill_child(telos, "telos-actor");
  proc_wait_line(telos, "starting it again");
  fleet_wait_steps(telos, m.steps + 400.0, &m);
  kill_child(telos, "telos-learner");
  proc_wait_line(telos, "it resumes");
  proc_wait_line(telos, "resuming at");
  cr_assert_eq(proc_wait_exit(telos), 0);
  harness_assert_same(fleet_policy(f), harness_path("box2d/telos/policy.safetensors"));
  harness_wait_family(NULL, "telos-learner", 0);
  harness_wait_family(NULL, "telos-actor", 0);
  free(f);
}

Test(determinism, audit_finds_the_perturbed_actor) {
  const char *reference = fleet_train("reference", NULL, 1, 1);
  const char *const settings[] = {"ledger.audit=1", NULL};
  struct fleet *f = fleet_new("audited", settings);
  fleet_start_learner(f);
  fleet_wait_listening(f);
  // it is there first, so it gets its share
  fleet_start_actor(f, 0, "telos-actor-perturbed", 1);
  proc_wait_line(f->learner, "actor a0 joined");
  for (int i = 1; i < 4; i++) {
    fleet_start_actor(f, i, "telos-actor", 1);
  }
  proc_wait_line(f->learner, "actor a0 gave an episode that two others contradict");
  cr_assert_eq(proc_wait_exit(f->actors[0]), 77);
  cr_assert_not_null(strstr(proc_stderr(f->actors[0]), "contradicted by two other actors"));
  f->actors[0] = NULL;
  fleet_end(f);
  // nobody else was accused
  cr_assert_null(strstr(strstr(proc_stderr(f->learner), "contradict") + 1, "contradict"));
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}

// Actors that halt for longer than ledger.timeout again and again: most tickets are issued more
// than once, and late answers come beside the new ones.
Test(determinism, tickets_time_out) {
  const char *reference = fleet_train("reference", slow, 1, 1);
  const char *const settings[] = {"train.updates_per_step=8", "ledger.timeout=100", NULL};
  struct fleet *f = fleet_new("timeouts", settings);
  fleet_start(f, 2, 4);
  const double tickets = 60.0;
  struct metrics m;
  double seen = 0.0;
  for (int round = 0; round < 200; round++) {
    fleet_wait_steps(f->learner, seen + 1.0, &m);
    if (!proc_running(f->learner) || m.steps >= m.total_steps) {
      break;
    }
    seen = m.steps;
    proc_signal(f->actors[0], SIGSTOP);
    proc_signal(f->actors[1], SIGSTOP);
    // until tickets were issued again, or both are taken for lost
    struct metrics now = m;
    for (int i = 0; i < FLEET_POLLS && now.reissued == m.reissued && now.actors > 0.0; i++) {
      fleet_pause();
      cr_assert(fleet_progress(f->learner, &now));
      if (!proc_running(f->learner)) {
        break;
      }
    }
    proc_signal(f->actors[0], SIGCONT);
    proc_signal(f->actors[1], SIGCONT);
  }
  fleet_end(f);
  cr_assert_gt(reissued(f), 0.5 * tickets, "only %.0f tickets timed out", reissued(f));
  harness_assert_same(reference, fleet_policy(f));
  free(f);
}
