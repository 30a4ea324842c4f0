// bench_actor.c - environment steps a second of rollout_run, against a bare loop that does only
// what physics and policy need: mj_step times frame_skip, one row through the network, one action.
//
// The rollouts are recorded first: start states, controls and set-points. The bare loop goes
// through the same states, since contacts cost time, and a loop that met fewer would prove nothing;
// a row is marked when the two end an episode in states that differ by more than 0.001 (see
// bench_tasks.c). Both run episode by episode in turns, in the same mjData, so that what else the
// machine does meets both; rates and ratio are medians of nine, after a warm-up round. Limit: a
// ratio of 0.95.
//
//   bench_actor [TASK ..]      name or file; default box2d
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/now.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/rowmlp.h"
#include "common/task/env.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, MAX_EPISODES = 400, HINDSIGHT = 4 };

static const double limit = 0.95;
static const double round_s = 0.08;  // CPU time of one round of rollouts

static struct weights *make_weights(const struct task *task, int hidden) {
  const int width[4] = {task->obs + task->goal, hidden, hidden, 2 * task->act};
  const size_t n = mlp_nparam(width, 3);
  float *data = must_alloc(n, sizeof *data);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_uniform(&rng, data, n, -0.05f, 0.05f);
  struct weights *w = weights_new(1, width, 3, data);
  free(data);
  return w;
}

static struct ticket make_ticket(int i) {
  return (struct ticket){
      .id = (uint64_t)i, .seed = (uint64_t)i + 1, .version = 1, .kind = TICKET_TRAIN};
}

// seconds of one episode by the actor's own code
static double time_rollout(struct rollout *r, struct episode *ep, const struct weights *w, int i) {
  const struct ticket ticket = make_ticket(i);
  const double start = now_cpu_s();
  CHECK(rollout_run(r, ep, &ticket, w, NULL) == ERR_OK);
  return now_cpu_s() - start;
}

// What a bare loop needs.
struct bare {
  const struct task *task;
  const struct weights *w;
  mjData *d;  // the rollout's
  int episodes;
  int first[MAX_EPISODES + 1];  // first step of each episode
  double *start;                // (MAX_EPISODES x (nq + nv)) after the environment's reset
  double *end;                  // (MAX_EPISODES x nq)
  double *given;                // (room x (nu + 3 nmocap)) controls and set-points of each step
  size_t room;
  float *input, *head, *eps, *act, *scratch;
};

static size_t given_width(const mjModel *m) {
  return (size_t)m->nu + 3 * (size_t)m->nmocap;
}

// seconds of episode i in a bare loop
static double time_bare(struct bare *b, int i) {
  const struct task *task = b->task;
  const mjModel *m = task->model;
  mjData *d = b->d;
  const double *start = b->start + (size_t)i * (size_t)(m->nq + m->nv);
  const int sensed = task->obs < m->nsensordata ? task->obs : m->nsensordata;
  const double begin = now_cpu_s();
  if (m->nkey > 0) {
    mj_resetDataKeyframe(m, d, 0);
  } else {
    mj_resetData(m, d);
  }
  memcpy(d->qpos, start, (size_t)m->nq * sizeof *start);
  memcpy(d->qvel, start + m->nq, (size_t)m->nv * sizeof *start);
  for (int t = b->first[i]; t < b->first[i + 1]; t++) {
    for (int j = 0; j < sensed; j++) {
      b->input[j] = (float)d->sensordata[j];
    }
    rowmlp_forward(b->head, b->w->data, b->w->width, b->w->nlayer, b->input, NULL, b->scratch);
    policy_act(b->act, b->head, b->eps, task->act);
    const double *given = b->given + (size_t)t * given_width(m);
    memcpy(d->ctrl, given, (size_t)m->nu * sizeof *given);
    memcpy(d->mocap_pos, given + m->nu, 3 * (size_t)m->nmocap * sizeof *given);
    for (int j = 0; j < task->frame_skip; j++) {
      mj_step(m, d);
    }
  }
  return now_cpu_s() - begin;
}

// Writes down what the rollout does, as a hook: episode b->episodes, at its state t.
static void record(void *ctx, struct env *env, const struct episode *ep, int t) {
  (void)ep;
  struct bare *b = ctx;
  const mjModel *m = b->task->model;
  const int i = b->episodes, step = b->first[i] + t;
  const mjData *d = b->d = env_data(env);
  double *start = b->start + (size_t)i * (size_t)(m->nq + m->nv);
  if (t == 0) {
    memcpy(start, d->qpos, (size_t)m->nq * sizeof *start);
    memcpy(start + m->nq, d->qvel, (size_t)m->nv * sizeof *start);
  } else {
    if ((size_t)step > b->room) {
      b->room = 2 * (size_t)step;
      b->given = realloc(b->given, b->room * given_width(m) * sizeof *b->given);
      CHECK(b->given != NULL);
    }
    double *given = b->given + (size_t)(step - 1) * given_width(m);
    memcpy(given, d->ctrl, (size_t)m->nu * sizeof *given);
    memcpy(given + m->nu, d->mocap_pos, 3 * (size_t)m->nmocap * sizeof *given);
  }
  memcpy(b->end + (size_t)i * (size_t)m->nq, d->qpos, (size_t)m->nq * sizeof *b->end);
  b->first[i + 1] = step;
}

static bool ends_alike(const struct bare *b, int i) {
  const double *end = b->end + (size_t)i * (size_t)b->task->model->nq;
  for (int k = 0; k < b->task->model->nq; k++) {
    if (!(fabs(b->d->qpos[k] - end[k]) < 1e-3)) {
      return false;
    }
  }
  return true;
}

// Records as many episodes as fill a round.
static struct bare *bare_new(const struct task *task, const struct weights *w, struct rollout *r,
                             struct episode *ep) {
  struct bare *b = must_alloc(1, sizeof *b);
  const mjModel *m = task->model;
  b->task = task;
  b->w = w;
  b->start = must_alloc(MAX_EPISODES * (size_t)(m->nq + m->nv), sizeof *b->start);
  b->end = must_alloc(MAX_EPISODES * (size_t)m->nq, sizeof *b->end);
  b->input = must_alloc((size_t)task->obs + (size_t)task->goal, sizeof(float));
  b->head = must_alloc(2 * (size_t)task->act, sizeof(float));
  b->eps = must_alloc((size_t)task->act, sizeof(float));
  b->act = must_alloc((size_t)task->act, sizeof(float));
  b->scratch = must_alloc(rowmlp_scratch(w->width, w->nlayer), sizeof(float));
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 1);
  rng_fill_normal(&rng, b->eps, (size_t)task->act);
  const struct rollout_hooks hooks = {.observe = record, .ctx = b};
  rollout_set_hooks(r, &hooks);
  for (double seconds = 0; b->episodes < MAX_EPISODES && (seconds < round_s || b->episodes < 2);) {
    seconds += time_rollout(r, ep, w, b->episodes);
    b->episodes++;
  }
  rollout_set_hooks(r, NULL);
  return b;
}

static void bare_free(struct bare *b) {
  free(b->start);
  free(b->end);
  free(b->given);
  free(b->input);
  free(b->head);
  free(b->eps);
  free(b->act);
  free(b->scratch);
  free(b);
}

// one line of the report; true when the limit is held
static bool measure(const struct task *task, int hidden) {
  const struct rollout_options opt = {.hindsight = HINDSIGHT};
  const struct dims dims = task_dims(task, HINDSIGHT);
  struct weights *w = make_weights(task, hidden);
  struct rollout *r = rollout_new(task, &opt);
  struct episode *ep = episode_new(&dims);
  struct bare *bare = bare_new(task, w, r, ep);
  const double steps = (double)bare->first[bare->episodes];
  double actor[ROUNDS], loop[ROUNDS], ratio[ROUNDS];
  bool same = true;
  for (int i = -1; i < ROUNDS; i++) {
    double a = 0, b = 0;
    for (int j = 0; j < bare->episodes; j++) {
      // each goes first as often as the other
      if (j % 2 == 0) {
        a += time_rollout(r, ep, w, j);
      }
      b += time_bare(bare, j);
      same = same && ends_alike(bare, j);
      if (j % 2 == 1) {
        a += time_rollout(r, ep, w, j);
      }
    }
    if (i >= 0) {
      actor[i] = steps / a;
      loop[i] = steps / b;
      ratio[i] = b / a;
    }
  }
  const double share = bench_median(ratio, ROUNDS);
  printf(
      "%s 2 x %d: rollout_run %.0f steps/s, bare loop %.0f steps/s, ratio %.3f (limit %.2f)%s%s\n",
      task->name, hidden, bench_median(actor, ROUNDS), bench_median(loop, ROUNDS), share, limit,
      share >= limit ? "" : " MISSED", same ? "" : " (other states)");
  fflush(stdout);
  bare_free(bare);
  episode_free(ep);
  rollout_free(r);
  weights_unref(w);
  return share >= limit;
}

static bool measure_task(const char *name) {
  struct task *task = NULL;
  if (task_load(&task, name) != ERR_OK) {
    return false;
  }
  const bool small = measure(task, 128), large = measure(task, 256);
  task_free(task);
  return small && large;
}

int main(int argc, char **argv) {
  char folder[4200];
  const char *root = getenv("TELOS_SOURCE");
  snprintf(folder, sizeof folder, "%s/actor/tasks", root ? root : ".");
  setenv("TELOS_TASK_PATH", folder, 1);
  bool held = true;
  for (int i = 1; i < argc; i++) {
    held = measure_task(argv[i]) && held;
  }
  return (argc > 1 ? held : measure_task("box2d")) ? 0 : 1;
}
