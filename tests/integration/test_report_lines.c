// test_report_lines.c - what a run tells people: unstable episodes, and which side was the limit.
#include "common/config/metrics.h"
#include "tests/integration/small.h"

// a spring too stiff for the timestep: what moves it grows by a factor of 2 in each physics step
static const char stiff[] =
    "<mujoco model='stiff'><option timestep='0.01'/><custom>"
    "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
    "<numeric name='telos.goal_low' data='0.5'/><numeric name='telos.goal_high' data='1'/></custom>"
    "<worldbody><body><joint name='x' type='slide' axis='1 0 0' stiffness='45000'/>"
    "<geom type='box' size='0.1 0.1 0.1' mass='1'/></body></worldbody>"
    "<actuator><motor name='m' joint='x' ctrllimited='true' ctrlrange='-5 5'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
    "</mujoco>";

struct told {
  const char *log;      // what the learner wrote to log.txt
  struct metrics last;  // its last progress line
};

// a finished run
static struct told run(const char *name, const char *const *more) {
  const char *folder = harness_path("%s", name), *line = NULL;
  const char *text = proc_stdout(small_finish(folder, more));
  for (const char *at = text; (at = strstr(at, "progress steps=")) != NULL; at++) {
    line = at;
  }
  struct told told = {.log = harness_read(harness_text("%s/log.txt", folder), NULL)};
  cr_assert(line != NULL && metrics_parse(&told.last, line), "%s", text);
  return told;
}

Test(report, unstable_episodes_are_told) {
  const char *task = harness_path("stiff.xml");
  harness_write(task, stiff, strlen(stiff));
  const char *const more[] = {"--task", task, "run.steps=1200", "eval.every=0", NULL};
  struct told told = run("stiff", more);
  const char *text = told.log;
  cr_assert(strstr(text,
                   "1 of 1 episodes became unstable and were cut; a smaller timestep or "
                   "action scale helps") != NULL,
            "%s", text);
  cr_assert(strstr(text, "10 of 10 episodes became unstable") != NULL, "%s", text);
  cr_assert(strstr(text, "over 5 episodes, 5 of them cut: the simulation became unstable") != NULL,
            "%s", text);
  const struct metrics m = told.last;
  cr_assert(m.unstable >= 20.0 && m.unstable >= m.episodes, "%g of %g", m.unstable, m.episodes);

  // a sound task has nothing of the kind
  told = run("sound", NULL);
  cr_assert(strstr(told.log, "unstable") == NULL, "%s", told.log);
  cr_assert_eq(told.last.unstable, 0.0);
}

Test(report, the_limit_is_told) {
  // so many updates that one rollout thread is always ahead
  static const char *const updates[] = {"train.updates_per_step=8", NULL};
  const char *text = run("updates", updates).log;
  cr_assert(strstr(text, "the learner is the limit: ") != NULL, "%s", text);
  // none at all: whatever the actor does is too slow
  static const char *const none[] = {"train.updates_per_step=0", "run.steps=40000",
                                     "checkpoint.every=1e9", "eval.every=0", NULL};
  struct told told = run("none", none);
  text = told.log;
  cr_assert(strstr(text, "actors are the limit: learner ") != NULL &&
                strstr(text, "% busy, 1 rollout thread idle ") != NULL,
            "%s", text);
  // the last line has the figures of the whole run
  const struct metrics m = told.last;
  cr_assert(m.limit == METRICS_LIMIT_ACTORS && m.threads == 1.0 && m.open == 16.0);
  cr_assert(m.actor_idle >= 0.0 && m.actor_idle <= 1.0 && m.learner_wait >= 0.1);
  static const char *const narrow[] = {"train.updates_per_step=0", "run.steps=40000",
                                       "checkpoint.every=1e9",     "eval.every=0",
                                       "ledger.window=1",          NULL};
  told = run("narrow", narrow);
  cr_assert(strstr(told.log, "actors are the limit: ") != NULL, "%s", told.log);
  cr_assert_eq(told.last.open, 2.0);
}

// A learner that a person started by hand says what to type next; what it printed runs. On a
// terminal, progress fits into a row.
Test(report, a_learner_by_hand_says_what_is_next) {
  const char *run = harness_path("by hand");
  const char *command = harness_text(
      "stty cols 80; exec '%s' --task box2d --run '%s' run.steps=1500 wire.port=0 "
      "wire.weights_port=0 status.every=0.05 eval.episodes=2",
      harness_program("telos-learner"), run);
  struct proc *learner = proc_start(NULL, "script", "-qefc", command, "/dev/null", NULL);
  const char *line = proc_wait_line(learner, "actors are started with: ");
  struct proc *actor =
      proc_start(NULL, "sh", "-c",
                 harness_text("%.*s", (int)strcspn(strstr(line, "with: ") + 6, "\r"),
                              strstr(line, "with: ") + 6),
                 NULL);
  proc_wait_line(learner, "joined: ");
  cr_assert_eq(proc_wait_exit(learner), 0);
  cr_assert_eq(proc_wait_exit(actor), 0);
  const char *text = proc_stdout(learner);
  cr_expect_not_null(strstr(text, "1500 of 1500 steps, "), "%s", text);
  cr_expect_null(strstr(text, "progress steps="), "%s", text);
  const char *next = strstr(text, "done; evaluate the policy with: ");
  cr_assert_not_null(next, "%s", text);
  next += strlen("done; evaluate the policy with: ");
  struct proc *eval =
      proc_start(NULL, "sh", "-c", harness_text("%.*s", (int)strcspn(next, "\r"), next), NULL);
  cr_assert_eq(proc_wait_exit(eval), 0, "%s", proc_stderr(eval));
}
