// bench_tasks.c - control steps a second of the environment, for every bundled task, against a bare
// loop of mj_step on the same model.
//
// Both run the same episodes by turns, so that what else the machine does meets both: a reset to
// the first keyframe, then random actions until the horizon or a termination. The environment
// draws, scales and applies actions, senses, rewards and observes; the bare loop is given the start
// state, the controls and the set-points that came of that, copies them and calls mj_step. It takes
// no look at the sensors, which mj_step leaves behind at the state before the last substep.
// Contacts cost time, and a loop that met fewer would prove nothing: a row is marked when the two
// end an episode in states that differ by more than 0.001. (Not by nothing: MuJoCo 2 normalises
// quaternions in qpos whenever it meets them, and mj_forward moves the warm start.)
//
// An episode counts with its fastest run of fifteen, on one thread's CPU time: what else the
// machine does can only slow one down. us/substep is the bare loop's; reset is mj_resetData alone
// [us], a median of fifteen. Limit: a ratio of 0.95.
//
//   bench_tasks [TASK ..]      default: every task in actor/tasks that can be loaded
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 15, MAX_EPISODES = 400, ACTIONS = 1009, RESETS = 50 };

static const double limit = 0.95;
static const double round_s = 0.08;  // CPU time of one round of the environment

struct bench {
  const struct task *task;
  struct env *env;
  mjData *d;      // the one of env: where memory lies decides over some percent
  float *action;  // (ACTIONS x act) uniform on [-1, 1)
  float *obs, *achieved, *desired;
  int episodes;
  int first[MAX_EPISODES + 1];  // first control step of each episode
  double *start;                // (MAX_EPISODES x (nq + nv)) after the environment's reset
  double *end;                  // (MAX_EPISODES x nq)
  double *input;                // (steps x (nu + 3 nmocap)) controls and set-points
};

static size_t input_width(const mjModel *m) {
  return (size_t)m->nu + 3 * (size_t)m->nmocap;
}

// seconds of episode i through the environment; the number of its control steps
static double time_env(struct bench *b, int i, int *steps) {
  struct rng reset, dynamics;
  struct env_step step = {0};
  rng_init(&reset, (uint64_t)i + 1, RNG_RESET, 0);
  rng_init(&dynamics, (uint64_t)i + 1, RNG_DYNAMICS, 0);
  int t = 0;
  const double begin = now_cpu_s();
  CHECK(env_reset(b->env, b->desired, &reset) == ERR_OK);
  env_observe(b->env, b->obs, b->achieved);
  while (t < b->task->horizon && !step.terminated) {
    const float *action = b->action + (size_t)((t + 101 * i) % ACTIONS) * (size_t)b->task->act;
    if (env_step(b->env, action, &dynamics, &step) != ERR_OK) {
      break;
    }
    env_observe(b->env, b->obs, b->achieved);
    t++;
  }
  const double seconds = now_cpu_s() - begin;
  *steps = t;
  return seconds;
}

// seconds of the same episode in a bare loop
static double time_bare(struct bench *b, int i) {
  const mjModel *m = b->task->model;
  mjData *d = b->d;
  const double *start = b->start + (size_t)i * (size_t)(m->nq + m->nv);
  const double begin = now_cpu_s();
  if (m->nkey > 0) {
    mj_resetDataKeyframe(m, d, 0);
  } else {
    mj_resetData(m, d);
  }
  memcpy(d->qpos, start, (size_t)m->nq * sizeof *start);
  memcpy(d->qvel, start + m->nq, (size_t)m->nv * sizeof *start);
  for (int t = b->first[i]; t < b->first[i + 1]; t++) {
    const double *input = b->input + (size_t)t * input_width(m);
    memcpy(d->ctrl, input, (size_t)m->nu * sizeof *input);
    memcpy(d->mocap_pos, input + m->nu, 3 * (size_t)m->nmocap * sizeof *input);
    for (int j = 0; j < b->task->frame_skip; j++) {
      mj_step(m, d);
    }
  }
  return now_cpu_s() - begin;
}

// what the bare loop needs of episode i
static void record(struct bench *b, int i) {
  const mjModel *m = b->task->model;
  const mjData *d = env_data(b->env);
  struct rng reset, dynamics;
  struct env_step step;
  rng_init(&reset, (uint64_t)i + 1, RNG_RESET, 0);
  rng_init(&dynamics, (uint64_t)i + 1, RNG_DYNAMICS, 0);
  double *start = b->start + (size_t)i * (size_t)(m->nq + m->nv);
  CHECK(env_reset(b->env, b->desired, &reset) == ERR_OK);
  memcpy(start, d->qpos, (size_t)m->nq * sizeof *start);
  memcpy(start + m->nq, d->qvel, (size_t)m->nv * sizeof *start);
  for (int t = b->first[i]; t < b->first[i + 1]; t++) {
    const int row = (t - b->first[i] + 101 * i) % ACTIONS;
    const float *action = b->action + (size_t)row * (size_t)b->task->act;
    CHECK(env_step(b->env, action, &dynamics, &step) == ERR_OK);
    double *input = b->input + (size_t)t * input_width(m);
    memcpy(input, d->ctrl, (size_t)m->nu * sizeof *input);
    memcpy(input + m->nu, d->mocap_pos, 3 * (size_t)m->nmocap * sizeof *input);
  }
  memcpy(b->end + (size_t)i * (size_t)m->nq, d->qpos, (size_t)m->nq * sizeof *b->end);
}

// As many episodes as fill a round; the number of unstable ones, which end early.
static int choose_episodes(struct bench *b) {
  double seconds = 0;
  int unstable = 0;
  b->episodes = 0;
  while (b->episodes < MAX_EPISODES && (seconds < round_s || b->episodes < 2)) {
    int steps;
    seconds += time_env(b, b->episodes, &steps);
    for (int k = 0; k < 3; k++) {
      unstable += env_data(b->env)->warning[mjWARN_BADQPOS + k].number > 0;
    }
    b->first[b->episodes + 1] = b->first[b->episodes] + steps;
    b->episodes++;
  }
  return unstable;
}

static struct bench *bench_new(const struct task *task) {
  struct bench *b = must_alloc(1, sizeof *b);
  struct rng rng;
  b->task = task;
  b->env = env_new(task);
  b->d = env_data(b->env);
  b->action = must_alloc(ACTIONS * (size_t)task->act, sizeof *b->action);
  b->obs = must_alloc((size_t)task->obs, sizeof *b->obs);
  b->achieved = must_alloc((size_t)task->goal + 1, sizeof *b->achieved);
  b->desired = must_alloc((size_t)task->goal + 1, sizeof *b->desired);
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_uniform(&rng, b->action, ACTIONS * (size_t)task->act, -1.0f, 1.0f);
  return b;
}

static void bench_free(struct bench *b) {
  env_free(b->env);
  free(b->action);
  free(b->obs);
  free(b->achieved);
  free(b->desired);
  free(b->start);
  free(b->end);
  free(b->input);
  free(b);
}

static double largest_difference(const double *a, const double *b, int n) {
  double most = 0;
  for (int i = 0; i < n; i++) {
    most = fmax(most, fabs(a[i] - b[i]));
  }
  return most;
}

// Records every episode; true when the bare loop ends where the environment does.
static bool prepare(struct bench *b) {
  const mjModel *m = b->task->model;
  const size_t nq = (size_t)m->nq;
  bool same = true;
  b->start = must_alloc((size_t)b->episodes * (nq + (size_t)m->nv), sizeof *b->start);
  b->end = must_alloc((size_t)b->episodes * nq, sizeof *b->end);
  b->input = must_alloc((size_t)b->first[b->episodes] * input_width(m) + 1, sizeof *b->input);
  for (int i = 0; i < b->episodes; i++) {
    record(b, i);
    time_bare(b, i);
    same = same && largest_difference(b->d->qpos, b->end + (size_t)i * nq, (int)m->nq) < 1e-3;
  }
  return same;
}

// microseconds of mj_resetData
static double time_reset(struct bench *b) {
  double us[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    const double begin = now_cpu_s();
    for (int j = 0; j < RESETS; j++) {
      mj_resetData(b->task->model, b->d);
    }
    us[i] = 1e6 * (now_cpu_s() - begin) / RESETS;
  }
  return bench_median(us, ROUNDS);
}

static double sum(const double *x, int n) {
  double total = 0;
  for (int i = 0; i < n; i++) {
    total += x[i];
  }
  return total;
}

// one row of the table; true when the limit is held
static bool measure(const struct task *task, const char *name) {
  struct bench *b = bench_new(task);
  const int unstable = choose_episodes(b);
  const bool same = prepare(b);
  const double steps = (double)b->first[b->episodes];
  double *env = must_alloc((size_t)b->episodes, sizeof *env);
  double *bare = must_alloc((size_t)b->episodes, sizeof *bare);
  for (int i = 0; i < ROUNDS; i++) {
    for (int j = 0; j < b->episodes; j++) {
      int n;
      // each goes first as often as the other
      const double before = j % 2 == 0 ? time_bare(b, j) : 0;
      const double e = time_env(b, j, &n);
      const double s = j % 2 == 0 ? before : time_bare(b, j);
      env[j] = i == 0 ? e : fmin(env[j], e);
      bare[j] = i == 0 ? s : fmin(bare[j], s);
    }
  }
  const double env_s = sum(env, b->episodes), bare_s = sum(bare, b->episodes);
  const double share = bare_s / env_s, rate = steps / bare_s;
  printf("%-24s %4d %5d %10.1f %10.0f %10.0f %6.3f %7.1f %s%s%s\n", name, (int)task->model->nv,
         task->frame_skip, 1e6 / (rate * task->frame_skip), steps / env_s, rate, share,
         time_reset(b), share >= limit ? "" : "MISSED ", same ? "" : "(other states) ",
         unstable ? "(unstable episodes)" : "");
  fflush(stdout);
  free(env);
  free(bare);
  bench_free(b);
  return share >= limit;
}

struct outcome {
  int measured, missed, skipped;
};

static void bench_task(struct outcome *out, const char *name, const char *path) {
  struct task *task = NULL;
  if (task_load(&task, path) != ERR_OK) {
    printf("%-24s not loaded\n", name);
    out->skipped++;
    return;
  }
  out->measured++;
  out->missed += !measure(task, name);
  task_free(task);
}

static void bench_listed(void *ctx, const char *name, const char *path) {
  bench_task(ctx, name, path);
}

int main(int argc, char **argv) {
  struct outcome out = {0};
  char folder[4200];
  const char *root = getenv("TELOS_SOURCE");
  snprintf(folder, sizeof folder, "%s/actor/tasks", root ? root : ".");
  setenv("TELOS_TASK_PATH", folder, 1);
  printf("MuJoCo %s\n", mj_versionString());
  printf("%-24s %4s %5s %10s %10s %10s %6s %7s\n", "task", "nv", "skip", "us/substep", "steps/s",
         "bare", "ratio", "reset");
  for (int i = 1; i < argc; i++) {
    const char *slash = strrchr(argv[i], '/');
    bench_task(&out, slash ? slash + 1 : argv[i], argv[i]);
  }
  if (argc == 1) {
    task_list(bench_listed, &out);
  }
  printf("%d measured, %d below the limit of %.2f, %d not loaded\n", out.measured, out.missed,
         limit, out.skipped);
  return out.missed == 0 && out.measured > 0 ? 0 : 1;
}
