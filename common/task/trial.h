// trial.h - what some resets and random episodes of a task show that its file does not.
//
// A task that keeps the convention may still be none that anybody wants to train: its episodes
// become unstable, its goal is reached at the start, its hand is torn away. None of that is a
// mistake of the file, so each is a warning: one line, with its number and a remedy.
#ifndef COMMON_TASK_TRIAL_H
#define COMMON_TASK_TRIAL_H

struct task;

enum {
  TRIAL_RESETS = 20,
  TRIAL_EPISODES = 10,  // of random actions, on the first of these resets
  TRIAL_MAX_WARNINGS = 32,
  TRIAL_MAX_LINE = 400,
};

struct trial {
  int n;
  char line[TRIAL_MAX_WARNINGS][TRIAL_MAX_LINE];
};

// Runs them, always the same ones, for at most some ten thousand physics steps. What MuJoCo warns
// of meanwhile is part of the lines, and not logged.
void trial_run(struct trial *out, const struct task *task);

#endif
