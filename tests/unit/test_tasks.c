// test_tasks.c - what holds for every bundled task: it loads, its episodes are functions of their
// tickets, and 200 random ones are sound.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/rollout.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/source.h"

enum { MAX_TASKS = 64 };

static char *path_of[MAX_TASKS];
static char *name_of[MAX_TASKS];
static int ntask;

static void add_task(void *ctx, const char *name, const char *path) {
  (void)ctx;
  const char *root = source_path("actor/tasks");
  // those of this tree, wherever else tasks may lie
  if (strncmp(path, root, strlen(root)) == 0) {
    cr_assert(ntask < MAX_TASKS);
    name_of[ntask] = strdup(name);
    path_of[ntask++] = strdup(path);
  }
}

static void find_tasks(void) {
  setenv("TELOS_TASK_PATH", source_path("actor/tasks"), 1);
  task_list(add_task, NULL);
}

// The one task whose model is not ours: Debian's libmujoco-samples has it.
static bool present(const char *name) {
  return strcmp(name, "tendon-arm") != 0 ||
         access("/usr/share/mujoco/model/tendon_arm/arm26.xml", R_OK) == 0;
}

// Calls test for each task in turn; each has a process of its own, so that a crash names its task.
static void for_each_task(void (*test)(struct task *task)) {
  find_tasks();
  cr_assert(ntask >= 19, "only %d tasks found", ntask);
  for (int i = 0; i < ntask; i++) {
    if (!present(name_of[i])) {
      fprintf(stderr, "skipped: %s needs libmujoco-samples\n", name_of[i]);
      continue;
    }
    struct task *task = NULL;
    cr_assert_eq(task_load(&task, path_of[i]), ERR_OK, "%s does not load", path_of[i]);
    cr_expect_str_eq(task->name, name_of[i]);
    test(task);
    task_free(task);
  }
}

static uint64_t digest_of(struct rollout *r, const struct task *task, uint64_t id) {
  const struct ticket ticket = {.id = id, .seed = 1000 + id, .kind = TICKET_WARMUP};
  const struct dims dims = task_dims(task, 1);
  struct episode *ep = episode_new(&dims);
  cr_assert_eq(rollout_run(r, ep, &ticket, NULL, NULL), ERR_OK, "%s", task->name);
  cr_assert_null(episode_fault(ep), "%s: %s", task->name, episode_fault(ep));
  const uint64_t digest = episode_seal(ep);
  episode_free(ep);
  return digest;
}

// the same in a process of its own, with a simulation that has run nothing before
static uint64_t digest_elsewhere(const struct task *task, uint64_t id) {
  int fd[2];
  cr_assert_eq(pipe(fd), 0);
  const pid_t pid = fork();
  cr_assert(pid >= 0);
  const struct rollout_options opt = {.hindsight = 1};
  if (pid == 0) {
    struct rollout *r = rollout_new(task, &opt);
    const uint64_t digest = digest_of(r, task, id);
    _exit(write(fd[1], &digest, sizeof digest) == sizeof digest ? 0 : 1);
  }
  close(fd[1]);
  uint64_t digest = 0;
  cr_assert_eq(read(fd[0], &digest, sizeof digest), (ssize_t)sizeof digest, "%s", task->name);
  close(fd[0]);
  int status;
  cr_assert_eq(waitpid(pid, &status, 0), pid);
  cr_assert_eq(status, 0);
  return digest;
}

// 1,000 others of 3 steps leave every kind of state behind: warm start, set-points, activations
static void tickets_are_functions(struct task *task) {
  const struct rollout_options opt = {.hindsight = 1};
  const int horizon = task->horizon < 100 ? task->horizon : 100;
  struct rollout *r = rollout_new(task, &opt);
  task->horizon = horizon;
  const uint64_t first = digest_of(r, task, 7);
  cr_expect_eq(first, digest_elsewhere(task, 7), "%s: another process differs", task->name);
  cr_expect_neq(first, digest_of(r, task, 8), "%s: two tickets are alike", task->name);
  task->horizon = 3;
  for (uint64_t id = 100; id < 1100; id++) {
    digest_of(r, task, id);
  }
  task->horizon = horizon;
  cr_expect_eq(first, digest_of(r, task, 7), "%s: after 1,000 others it differs", task->name);
  rollout_free(r);
}

Test(tasks, two_runs_of_a_ticket_are_equal) {
  for_each_task(tickets_are_functions);
}

// The first 20 steps of goal tasks, whose own tests take whole horizons; 100 of reward tasks.
static void random_episodes_are_sound(struct task *task) {
  struct env *env = env_new(task);
  float *act = calloc((size_t)task->act, sizeof *act);
  float *obs = calloc((size_t)task->obs, sizeof *obs);
  float *achieved = calloc((size_t)task->goal + 1, sizeof *achieved);
  float *desired = calloc((size_t)task->goal + 1, sizeof *desired);
  const int horizon = task->has_reward ? 100 : 20;
  for (uint64_t i = 0; i < 200; i++) {
    struct rng reset, action, dynamics;
    struct env_step step = {0};
    rng_init(&reset, i, RNG_RESET, 0);
    rng_init(&action, i, RNG_ACTION, 0);
    rng_init(&dynamics, i, RNG_DYNAMICS, 0);
    cr_assert_eq(env_reset(env, desired, &reset), ERR_OK, "%s", task->name);
    for (int t = 0; t < horizon && !step.terminated; t++) {
      rng_fill_uniform(&action, act, (size_t)task->act, -1.0f, 1.0f);
      cr_assert_eq(env_step(env, act, &dynamics, &step), ERR_OK, "%s: episode %d, step %d",
                   task->name, (int)i, t);
      env_observe(env, obs, achieved);
      for (int j = 0; j < task->obs; j++) {
        cr_assert(isfinite(obs[j]), "%s: observation %d", task->name, j);
      }
      for (int j = 0; j < task->goal; j++) {
        cr_assert(isfinite(achieved[j]) && isfinite(desired[j]), "%s: goal %d", task->name, j);
      }
      cr_assert(isfinite(step.reward), "%s", task->name);
    }
  }
  free(act);
  free(obs);
  free(achieved);
  free(desired);
  env_free(env);
}

Test(tasks, random_episodes_are_sound) {
  for_each_task(random_episodes_are_sound);
}

// the compiled model is all that an actor gets
static void travels(struct task *task) {
  struct task *copy = NULL;
  cr_assert_eq(task_from_mjb(&copy, task->mjb, task->mjb_size), ERR_OK, "%s", task->name);
  cr_expect_eq(copy->digest, task->digest);
  const struct rollout_options opt = {.hindsight = 1};
  struct rollout *here = rollout_new(task, &opt), *there = rollout_new(copy, &opt);
  cr_expect_eq(digest_of(here, task, 3), digest_of(there, copy, 3), "%s", task->name);
  rollout_free(here);
  rollout_free(there);
  task_free(copy);
}

Test(tasks, compiled_models_travel) {
  for_each_task(travels);
}
