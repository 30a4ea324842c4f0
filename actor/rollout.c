// rollout.c - runs one ticket to its episode.
//
// Everything random comes from four streams keyed by (ticket seed, stream, attempt), and each
// step takes the same draws from them whatever becomes of them: act normals for the policy, act
// uniforms for a random action, two uniforms for the choices (exploring episodes), and the task's
// own noise in env_step. So two tickets that differ in one choice see the same noise afterwards,
// and the policy need not be evaluated at a step that another action takes.
#include "actor/rollout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/rowmlp.h"
#include "common/task/env.h"
#include "common/task/mj.h"

enum { MAX_ATTEMPTS = 100 };

struct rollout {
  const struct task *task;
  struct rollout_options opt;
  struct env *env;
  const struct rollout_hooks *hooks;
  double level;       // of this episode's exploration
  float *first;       // biases of the first layer, when a head or a context shifts them
  const float *bias;  // those; NULL: the policy's own
  float *input;       // (obs + goal) concat(s, g)
  float *head;        // (2 act) of the policy
  float *eps;         // (act) standard normals
  float *random;      // (act) uniform on [-1, 1)
  float *scratch;
  size_t nscratch;
};

static const struct rollout_hooks no_hooks;

bool rollout_same_options(const struct rollout_options *a, const struct rollout_options *b) {
  return a->none == b->none && a->least == b->least && a->random == b->random &&
         a->repeat == b->repeat && a->hindsight == b->hindsight && a->members == b->members;
}

struct rollout *rollout_new(const struct task *task, const struct rollout_options *opt) {
  struct rollout *r = must_alloc(1, sizeof *r);
  const size_t act = (size_t)task->act;
  r->task = task;
  r->opt = *opt;
  r->env = env_new(task);
  r->hooks = &no_hooks;
  r->input = must_alloc((size_t)task->obs + (size_t)task->goal, sizeof(float));
  r->head = must_alloc(2 * act, sizeof(float));
  r->eps = must_alloc(act, sizeof(float));
  r->random = must_alloc(act, sizeof(float));
  return r;
}

void rollout_free(struct rollout *r) {
  if (!r) {
    return;
  }
  env_free(r->env);
  free(r->input);
  free(r->head);
  free(r->eps);
  free(r->random);
  free(r->first);
  free(r->scratch);
  free(r);
}

void rollout_set_hooks(struct rollout *r, const struct rollout_hooks *hooks) {
  r->hooks = hooks ? hooks : &no_hooks;
}

// The weights' shape is known with the first ticket that needs them: scratch grows then, once.
static void prepare(struct rollout *r, const struct weights *w) {
  CHECK(w && w->width[0] == r->task->obs + r->task->goal &&
        w->width[w->nlayer] == 2 * r->task->act);
  const size_t need = rowmlp_scratch(w->width, w->nlayer);
  if (need > r->nscratch) {
    free(r->scratch);
    free(r->first);
    r->scratch = must_alloc(need, sizeof(float));
    r->first = must_alloc(need, sizeof(float));
    r->nscratch = need;
  }
}

// a ~ pi(. | s, g), or tanh(mu) when eps is NULL
static void act_by_policy(struct rollout *r, float *a, const float *obs, const float *desired,
                          const struct weights *w, const float *eps) {
  const struct task *task = r->task;
  memcpy(r->input, obs, (size_t)task->obs * sizeof(float));
  memcpy(r->input + task->obs, desired, (size_t)task->goal * sizeof(float));
  rowmlp_forward(r->head, w->data, w->width, w->nlayer, r->input, r->bias, r->scratch);
  policy_act(a, r->head, eps, task->act);
}

// the action of step t into ep->act
static void choose_action(struct rollout *r, struct episode *ep, int t, const struct weights *w,
                          struct rng *rng) {
  const size_t act = (size_t)r->task->act;
  float *a = ep->act + (size_t)t * act;
  const float *obs = ep->obs + (size_t)t * (size_t)r->task->obs;
  if (r->hooks->act) {
    r->hooks->act(r->hooks->ctx, a, r->env, t);
    return;
  }
  if (ep->ticket.kind == TICKET_EVAL) {
    act_by_policy(r, a, obs, ep->desired, w, NULL);
    return;
  }
  rng_fill_normal(rng, r->eps, act);
  rng_fill_uniform(rng, r->random, act, -1.0f, 1.0f);
  const bool warmup = ep->ticket.kind == TICKET_WARMUP;
  const bool random = (double)rng_float(rng) < r->level * r->opt.random || warmup;
  const bool repeat = (double)rng_float(rng) < r->level * r->opt.repeat && t > 0 && !warmup;
  if (repeat) {
    memcpy(a, a - act, act * sizeof(float));
  } else if (random) {
    memcpy(a, r->random, act * sizeof(float));
  } else {
    act_by_policy(r, a, obs, ep->desired, w, r->eps);
  }
}

// sensors at time t into ep; false when one is not finite
static bool observe(struct rollout *r, struct episode *ep, int t) {
  const size_t no = (size_t)r->task->obs, ng = (size_t)r->task->goal;
  float *obs = ep->obs + (size_t)t * no, *achieved = ep->achieved + (size_t)t * ng;
  env_observe(r->env, obs, achieved);
  bool finite = true;
  for (size_t i = 0; i < no; i++) {
    finite = finite && isfinite(obs[i]);
  }
  for (size_t i = 0; i < ng; i++) {
    finite = finite && isfinite(achieved[i]);
  }
  return finite;
}

double rollout_level(const struct rollout_options *opt, uint64_t seed) {
  struct rng rng;
  rng_init(&rng, seed, RNG_EXPLORE, 0);
  const double none = (double)rng_float(&rng), level = (double)rng_float(&rng);
  return none < opt->none ? 0 : opt->least + (1 - opt->least) * level;
}

static void show(struct rollout *r, struct episode *ep, int t) {
  if (r->hooks->observe) {
    ep->T = t;
    r->hooks->observe(r->hooks->ctx, r->env, ep, t);
  }
}

// one of the goals that go along with the policy, in some training episodes
static void set_goal(struct episode *ep, const struct weights_along *along) {
  struct rng rng;
  rng_init(&rng, ep->ticket.seed, RNG_GOAL, 0);
  if (along->ngoal > 0 && rng_float(&rng) < along->share) {
    const size_t i = rng_below(&rng, (uint32_t)along->ngoal), goal = (size_t)ep->dims.goal;
    memcpy(ep->desired, along->goals + i * goal, goal * sizeof *along->goals);
  }
}

static void add_shift(struct rollout *r, const float *shifts, int i, int width) {
  for (int j = 0; j < width; j++) {
    r->first[j] += shifts[(size_t)i * (size_t)width + (size_t)j];
  }
}

// The head and the context of the episode, as biases of the first layer.
static void set_bias(struct rollout *r, const struct episode *ep, const struct weights *w,
                     const struct weights_along *along) {
  const bool train = ep->ticket.kind == TICKET_TRAIN;
  struct rng rng;
  rng_init(&rng, ep->ticket.seed, RNG_HEAD, 0);
  const int head = train ? (int)rng_below(&rng, (uint32_t)along->heads) : 0;
  r->bias = NULL;
  if (head == 0 && along->members == 0) {
    return;
  }
  const int width = w->width[1];
  const float *own = w->data + (size_t)width * (size_t)w->width[0];
  memcpy(r->first, own, (size_t)width * sizeof *r->first);
  if (head > 0) {
    add_shift(r, along->heads_shift, head - 1, width);
  }
  if (along->members > 0) {
    const int member = ticket_member(ep->ticket.seed, along->members);
    add_shift(r, train ? along->sample : along->mean, member, width);
  }
  r->bias = r->first;
}

// The task of a family that the episode is in: as the settings say, or the policy when there are no
// settings.
static void choose_member(struct rollout *r, const struct episode *ep,
                          const struct weights_along *along) {
  const int members = r->opt.members > 0 ? r->opt.members : along->members;
  env_set_member(r->env, members > 0 ? ticket_member(ep->ticket.seed, members) : -1);
}

// one attempt; the number of steps that went well. Sets ep->unstable when the next one did not.
static int attempt_episode(struct rollout *r, struct episode *ep, const struct weights *w,
                           const struct weights_along *along, uint64_t attempt,
                           _Atomic uint64_t *steps) {
  const uint64_t seed = ep->ticket.seed;
  struct rng reset, action, dynamics;
  rng_init(&reset, seed, RNG_RESET, attempt);
  rng_init(&action, seed, RNG_ACTION, attempt);
  rng_init(&dynamics, seed, RNG_DYNAMICS, attempt);
  if (env_reset(r->env, ep->desired, &reset) != ERR_OK || !observe(r, ep, 0)) {
    return 0;
  }
  if (ep->ticket.kind == TICKET_TRAIN) {
    set_goal(ep, along);
  }
  if (r->hooks->desired) {
    memcpy(ep->desired, r->hooks->desired, (size_t)r->task->goal * sizeof(float));
  }
  show(r, ep, 0);
  for (int t = 0; t < r->task->horizon; t++) {
    choose_action(r, ep, t, w, &action);
    const float *a = ep->act + (size_t)t * (size_t)r->task->act;
    struct env_step step;
    if (env_step(r->env, a, &dynamics, &step) != ERR_OK || !observe(r, ep, t + 1)) {
      ep->unstable = true;
      return t;
    }
    if (ep->dims.reward) {
      ep->reward[t] = step.reward;
    }
    if (steps) {
      atomic_fetch_add_explicit(steps, 1, memory_order_relaxed);
    }
    ep->terminated = step.terminated;
    show(r, ep, t + 1);
    if (step.terminated) {
      return t + 1;
    }
  }
  return r->task->horizon;
}

struct attempts {
  struct rollout *r;
  struct episode *ep;
  const struct weights *w;
  struct weights_along along;
  _Atomic uint64_t *steps;
};

static void run_attempts(void *ctx) {
  const struct attempts *a = ctx;
  a->ep->T = 0;
  for (uint64_t attempt = 0; attempt < MAX_ATTEMPTS && a->ep->T == 0; attempt++) {
    a->ep->terminated = false;
    a->ep->unstable = false;
    a->ep->T = attempt_episode(a->r, a->ep, a->w, &a->along, attempt, a->steps);
  }
}

enum err rollout_run(struct rollout *r, struct episode *ep, const struct ticket *ticket,
                     const struct weights *w, _Atomic uint64_t *steps) {
  const struct dims dims = task_dims(r->task, r->opt.hindsight);
  // one that was sealed has lost the room for a longer one
  CHECK(memcmp(&ep->dims, &dims, sizeof dims) == 0 && ep->room == dims.horizon);
  struct attempts attempts = {.r = r, .ep = ep, .w = w, .along = {.heads = 1}, .steps = steps};
  ep->ticket = *ticket;
  r->level = rollout_level(&r->opt, ticket->seed);
  if (w) {
    attempts.along = weights_along(w, ep->dims.goal);
  }
  if (ticket->kind != TICKET_WARMUP && !r->hooks->act) {
    prepare(r, w);
    set_bias(r, ep, w, &attempts.along);
  }
  choose_member(r, ep, &attempts.along);
  char text[512];
  if (!mj_try(run_attempts, &attempts, text, sizeof text)) {
    log_error("task %s: ticket %llu: MuJoCo cannot go on: %s", r->task->name,
              (unsigned long long)ticket->id, text);
    return ERR_NUMERIC;
  }
  mj_pass_warning(text);
  if (ep->T == 0) {
    log_error(
        "task %s: ticket %llu: the simulation is unstable in its first step, or its reset is "
        "rejected, %d times over; a smaller timestep or action scale, or looser reset rules, help",
        r->task->name, (unsigned long long)ticket->id, MAX_ATTEMPTS);
    return ERR_NUMERIC;
  }
  episode_hindsight(ep);
  return ERR_OK;
}
