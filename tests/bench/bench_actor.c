// bench_actor.c - environment steps a second of rollout_run, against a bare loop that does only
// what physics and policy need: mj_step times frame_skip, one row through the network, one action.
//
// Both use the same task, network and control signals, episode by episode in turns, so that what
// else the machine does meets both; rates and ratio are medians of nine, after a warm-up round.
// Limit: at least 95 %.
//
//   bench_actor [TASK]      default box2d
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
#include "tests/bench/bench.h"

enum { ROUNDS = 9, EPISODES = 60, HINDSIGHT = 4 };

static const double limit = 0.95;

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

// What a bare loop needs. ctrl is what the rollouts sent to the actuators, so that both move
// through the same states: contacts cost time, and a loop that met fewer would prove nothing.
struct bare {
  const struct task *task;
  const struct weights *w;
  mjData *d;
  double *ctrl;  // (EPISODES x horizon x act)
  float *input, *head, *eps, *act, *scratch;
};

// seconds of the same episode in a bare loop
static double time_bare(struct bare *b, int i) {
  const struct task *task = b->task;
  const mjModel *m = task->model;
  const double *ctrl = b->ctrl + (size_t)i * (size_t)task->horizon * (size_t)task->act;
  const double start = now_cpu_s();
  memcpy(b->d->qpos, m->nkey > 0 ? m->key_qpos : m->qpos0, (size_t)m->nq * sizeof(mjtNum));
  memset(b->d->qvel, 0, (size_t)m->nv * sizeof(mjtNum));
  memset(b->d->qacc_warmstart, 0, (size_t)m->nv * sizeof(mjtNum));
  for (int t = 0; t < task->horizon; t++, ctrl += task->act) {
    for (int j = 0; j < task->obs; j++) {
      b->input[j] = (float)b->d->sensordata[j];
    }
    rowmlp_forward(b->head, b->w->data, b->w->width, b->w->nlayer, b->input, b->scratch);
    policy_act(b->act, b->head, b->eps, task->act);
    memcpy(b->d->ctrl, ctrl, (size_t)task->act * sizeof(double));
    for (int j = 0; j < task->frame_skip; j++) {
      mj_step(m, b->d);
    }
  }
  return now_cpu_s() - start;
}

// the control signals of one rollout: its actions, with the noise that env_step drew
static void record(double *ctrl, const struct task *task, const struct episode *ep) {
  struct rng dynamics;
  rng_init(&dynamics, ep->ticket.seed, RNG_DYNAMICS, 0);
  for (int i = 0; i < ep->T * task->act; i++) {
    double a = (double)ep->act[i];
    if (task->action.noise > 0) {
      a += task->action.noise * (double)rng_normal(&dynamics);
    }
    const double scale = task->action.scale[i % task->act],
                 offset = task->action.offset[i % task->act];
    ctrl[i] = offset + scale * (a < -1 ? -1 : a > 1 ? 1 : a);
  }
}

// Runs every ticket once to record it. The last state of the bare loop must then be that of the
// last rollout, bit for bit: both did the same work. (Reset noise is left out of the loop.)
static struct bare make_bare(const struct task *task, const struct weights *w, struct rollout *r,
                             struct episode *ep) {
  CHECK(task->action.mode == TASK_CTRL);
  const size_t act = (size_t)task->act, episode = (size_t)task->horizon * act;
  struct bare b = {.task = task, .w = w, .d = mj_makeData(task->model)};
  b.ctrl = must_alloc(EPISODES * episode, sizeof(double));
  b.input = must_alloc((size_t)task->obs + (size_t)task->goal, sizeof(float));
  b.head = must_alloc(2 * act, sizeof(float));
  b.eps = must_alloc(act, sizeof(float));
  b.act = must_alloc(act, sizeof(float));
  b.scratch = must_alloc(rowmlp_scratch(w->width, w->nlayer), sizeof(float));
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 1);
  rng_fill_normal(&rng, b.eps, act);

  for (int i = 0; i < EPISODES; i++) {
    const struct ticket ticket = make_ticket(i);
    CHECK(rollout_run(r, ep, &ticket, w, NULL) == ERR_OK && ep->T == task->horizon);
    record(b.ctrl + (size_t)i * episode, task, ep);
  }
  time_bare(&b, EPISODES - 1);
  mj_forward(task->model, b.d);
  const float *last = ep->obs + (size_t)ep->T * (size_t)task->obs;
  bool noisy = false;
  for (int i = 0; i < task->model->nq; i++) {
    noisy = noisy || task->reset_noise[i] > 0;
  }
  const struct task_sensors *obs = &task->sensors[TASK_OBS];
  CHECK(noisy || last[0] == (float)(b.d->sensordata[obs->adr[0]] * obs->scale[0]));
  return b;
}

static void free_bare(struct bare *b) {
  mj_deleteData(b->d);
  free(b->ctrl);
  free(b->input);
  free(b->head);
  free(b->eps);
  free(b->act);
  free(b->scratch);
}

// one line of the report; true when the limit is held
static bool measure(const struct task *task, int hidden) {
  const struct rollout_options opt = {.hindsight = HINDSIGHT};
  const struct dims dims = task_dims(task, HINDSIGHT);
  struct weights *w = make_weights(task, hidden);
  struct rollout *r = rollout_new(task, &opt);
  struct episode *ep = episode_new(&dims);
  struct bare bare = make_bare(task, w, r, ep);
  const double steps = (double)EPISODES * task->horizon;
  double actor[ROUNDS], loop[ROUNDS], ratio[ROUNDS];
  for (int i = -1; i < ROUNDS; i++) {
    double a = 0, b = 0;
    for (int j = 0; j < EPISODES; j++) {
      a += time_rollout(r, ep, w, j);
      b += time_bare(&bare, j);
    }
    if (i >= 0) {
      actor[i] = steps / a;
      loop[i] = steps / b;
      ratio[i] = b / a;
    }
  }
  const double share = bench_median(ratio, ROUNDS);
  printf("%s 2 x %d: rollout_run %.0f steps/s, bare loop %.0f steps/s, ratio %.3f (limit %.2f)%s\n",
         task->name, hidden, bench_median(actor, ROUNDS), bench_median(loop, ROUNDS), share, limit,
         share >= limit ? "" : " MISSED");
  free_bare(&bare);
  episode_free(ep);
  rollout_free(r);
  weights_unref(w);
  return share >= limit;
}

int main(int argc, char **argv) {
  struct task *task = NULL;
  const char *root = getenv("TELOS_SOURCE");
  char path[4200];
  snprintf(path, sizeof path, "%s/actor/tasks/box2d.xml", root ? root : ".");
  if (task_load(&task, argc > 1 ? argv[1] : path) != ERR_OK) {
    return 1;
  }
  const bool small = measure(task, 128), large = measure(task, 256);
  task_free(task);
  return small && large ? 0 : 1;
}
