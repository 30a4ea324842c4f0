// odac.c - one update is: all losses and gradients with the parameters as they are, one look
// whether every number is finite, then every step. So an update happens whole or not at all.
//
// Nothing is computed twice and little is copied: inputs are concatenated straight into the tapes'
// rows; (s, g) is laid down once for the policy and once for the critics, whose second pass, the
// policy's, replaces the action columns only; one tape serves both targets and both critic losses
// in turn, which keeps its activations in cache; the smaller of two critics is chosen per row by a
// zero in the gradient of the other.
//
// N starts at the first minibatch's max |l| rather than at 1: with |l| of tens or thousands, c l
// would otherwise start that many times too large and take 1 / (1 - decay) updates to come down,
// and the bias initialisation would fix the wrong level. "First" is told by the policy's Adam
// counter, so a restored learner does not repeat it.
#include "learner/rules/odac.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/nn/block.h"
#include "learner/replay/batch.h"
#include "learner/rules/odac_internal.h"

// ---- construction ----

// smallest N: a minibatch of zero log-likelihoods must not divide by zero
static const double MAGNITUDE_MIN = 1e-6;

static struct mlp *new_network(const struct widths *hidden, int in, int out, uint64_t seed,
                               uint64_t index) {
  int width[MLP_MAX_LAYERS + 1];
  CHECK(hidden->n >= 1 && hidden->n < MLP_MAX_LAYERS);
  width[0] = in;
  memcpy(width + 1, hidden->v, (size_t)hidden->n * sizeof(int));
  width[hidden->n + 1] = out;
  struct mlp *net = mlp_new(width, hidden->n + 1);
  struct rng rng;
  rng_init(&rng, seed, RNG_INIT, index);
  mlp_init_weights(net, &rng);
  return net;
}

// cuts the work block; every part starts on a cache line
static void new_work(struct odac *o) {
  const size_t B = (size_t)o->max_batch, act = (size_t)o->dims.act;
  const size_t in = (size_t)o->dims.obs + (size_t)o->dims.goal + act;
  struct {
    float **at;
    size_t n;
  } part[] = {
      {&o->eps, B * act},
      {&o->next_eps, B * act},
      {&o->act, B * act},
      {&o->next_act, B * act},
      {&o->logp, B},
      {&o->next_logp, B},
      {&o->loglik, B},
      {&o->reward, B},
      {&o->value, B},
      {&o->y, B},
      {&o->q0, B},
      {&o->kl, B},
      {&o->q_first, B},
      {&o->dq[0], B},
      {&o->dq[1], B},
      {&o->dx[0], B * in},
      {&o->dx[1], B * in},
      {&o->da, B * act},
      {&o->dhead, B * 2 * act},
  };
  const size_t nparts = sizeof part / sizeof *part, line = 64 / sizeof(float);
  size_t total = 0;
  for (size_t i = 0; i < nparts; i++) {
    part[i].n = (part[i].n + line - 1) / line * line;
    total += part[i].n;
  }
  o->work = must_alloc(total, sizeof(float));
  float *next = o->work;
  for (size_t i = 0; i < nparts; i++) {
    *part[i].at = next;
    next += part[i].n;
  }
}

struct odac *odac_new(const struct config *cfg, const struct dims *dims) {
  CHECK(cfg && dims && dims->obs >= 1 && dims->goal >= 1 && dims->act >= 1);
  struct odac *o = must_alloc(1, sizeof *o);
  o->dims = *dims;
  o->seed = (uint64_t)cfg->run_seed;
  o->max_batch = (int)cfg->train_batch;
  o->target = (struct odac_target_options){
      .gamma = cfg->odac_gamma,
      .q_max = cfg->odac_discount_max > 0 ? cfg->odac_discount_max : cfg->odac_gamma,
      .kappa = cfg->odac_time_temperature,
      .kl_sign = (int)cfg->odac_time_kl_sign};
  o->tau = cfg->odac_tau;
  o->entropy_target = cfg->odac_entropy_per_action * dims->act;
  o->reward_scale = cfg->odac_reward_scale;
  o->reward_decay = cfg->odac_reward_decay;
  o->alpha_auto = cfg->odac_alpha_auto;
  o->bias_init = cfg->odac_bias_init;

  const float lr = (float)cfg->odac_lr;
  const int condition = dims->obs + dims->goal;
  o->policy = new_network(&cfg->net_hidden, condition, 2 * dims->act, o->seed, 0);
  o->policy_tape = mlp_tape_new(o->policy, o->max_batch);
  o->grad_policy = must_alloc(o->policy->nparam, sizeof(float));
  adam_init(&o->policy_adam, o->policy->nparam, lr);
  for (int i = 0; i < 2; i++) {
    const uint64_t index = (uint64_t)i + 1;
    o->critic[i] = new_network(&cfg->net_hidden, condition + dims->act, 1, o->seed, index);
    o->critic_target[i] = mlp_new(o->critic[i]->width, o->critic[i]->nlayer);
    memcpy(o->critic_target[i]->theta, o->critic[i]->theta, o->critic[i]->nparam * sizeof(float));
    o->critic_tape[i] = mlp_tape_new(o->critic[i], o->max_batch);
    o->grad_critic[i] = must_alloc(o->critic[i]->nparam, sizeof(float));
    adam_init(&o->critic_adam[i], o->critic[i]->nparam, lr);
  }
  adam_init(&o->alpha_adam, 1, lr);
  o->log_alpha = (float)log(cfg->odac_alpha);
  o->magnitude = 1;
  o->outcome = outcome_new(cfg, dims, o->max_batch);
  new_work(o);
  return o;
}

void odac_free(struct odac *o) {
  if (!o) {
    return;
  }
  mlp_free(o->policy);
  mlp_tape_free(o->policy_tape);
  adam_release(&o->policy_adam);
  free(o->grad_policy);
  for (int i = 0; i < 2; i++) {
    mlp_free(o->critic[i]);
    mlp_free(o->critic_target[i]);
    mlp_tape_free(o->critic_tape[i]);
    adam_release(&o->critic_adam[i]);
    free(o->grad_critic[i]);
  }
  adam_release(&o->alpha_adam);
  outcome_free(o->outcome);
  free(o->work);
  free(o);
}

// ---- eqs. (2)-(3) ----

void odac_target(float *y, float *q0, float *kl, const float *r, const float *V, const float *done,
                 const struct odac_target_options *opt, int n) {
  CHECK(y && r && V && opt && n >= 0);
  const struct odac_backup_constants c = odac_backup_prepare(opt);
  for (int i = 0; i < n; i++) {
    const struct odac_backup backup = odac_backup(r[i], V[i], done && done[i] != 0, &c);
    y[i] = (float)backup.y;
    if (q0) {
      q0[i] = (float)backup.q0;
    }
    if (kl) {
      kl[i] = (float)backup.kl;
    }
  }
}

// ---- pieces of an update ----

// columns [at, at + n) of x (B x width) = a (B x n). A few columns go one by one: a call of memcpy
// per row would cost more than the row
static void set_columns(float *x, int width, int at, const float *a, int n, int B) {
  x += at;
  if (n <= 4) {
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < B; i++) {
        x[i * width + j] = a[i * n + j];
      }
    }
    return;
  }
  for (int i = 0; i < B; i++, x += width, a += n) {
    memcpy(x, a, (size_t)n * sizeof(float));
  }
}

static double mean(const float *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    sum += x[i];
  }
  return sum / n;
}

// a ~ pi(. | obs, goal) and its log-density; returns the head, which the backward pass needs
static const float *sample_actions(struct odac *o, float *act, float *logp, const float *obs,
                                   const float *goal, const float *eps, int B) {
  const int nobs = o->dims.obs, ngoal = o->dims.goal;
  float *x = mlp_input(o->policy_tape);
  set_columns(x, nobs + ngoal, 0, obs, nobs, B);
  set_columns(x, nobs + ngoal, nobs, goal, ngoal, B);
  const float *head = mlp_forward(o->policy, o->policy_tape, B);
  policy_sample(act, logp, head, eps, B, o->dims.act);
  return head;
}

// concat(obs, goal, act) into a critic tape's rows
static void set_critic_input(struct odac *o, struct mlp_tape *tape, const float *obs,
                             const float *goal, const float *act, int B) {
  const int nobs = o->dims.obs, ngoal = o->dims.goal, nact = o->dims.act;
  const int width = nobs + ngoal + nact;
  float *x = mlp_input(tape);
  set_columns(x, width, 0, obs, nobs, B);
  set_columns(x, width, nobs, goal, ngoal, B);
  set_columns(x, width, nobs + ngoal, act, nact, B);
}

// l, N at the first update, c l
static void set_rewards(struct odac *o, const struct batch *b, bool first) {
  outcome_loglik(o->outcome, o->loglik, b);
  o->max_loglik = 0;
  for (int i = 0; i < b->B; i++) {
    o->max_loglik = fmax(o->max_loglik, fabs((double)o->loglik[i]));
  }
  if (first) {
    o->magnitude = fmax(o->max_loglik, MAGNITUDE_MIN);
  }
  const double c = o->reward_scale / o->magnitude;
  for (int i = 0; i < b->B; i++) {
    o->reward[i] = (float)(c * o->loglik[i]);
  }
  o->stats.scale = (float)c;
  o->stats.log_lik = (float)mean(o->loglik, b->B);
}

// the critics' and targets' last bias = mean(c l - alpha log pi)
static void set_biases(struct odac *o, int B) {
  const double level = mean(o->reward, B) - exp(o->log_alpha) * mean(o->next_logp, B);
  for (int i = 0; i < 2; i++) {
    const size_t at = mlp_bias_offset(o->critic[i], o->critic[i]->nlayer - 1);
    o->critic[i]->theta[at] = (float)level;
    o->critic_target[i]->theta[at] = (float)level;
  }
}

// eqs. (1)-(3): V at (s', a', g), then y
static void set_targets(struct odac *o, const struct batch *b) {
  const int B = b->B;
  struct mlp_tape *tape = o->critic_tape[0];
  set_critic_input(o, tape, b->next_obs, b->goal, o->next_act, B);
  memcpy(o->q_first, mlp_forward(o->critic_target[0], tape, B), (size_t)B * sizeof(float));
  const float *q_second = mlp_forward(o->critic_target[1], tape, B);
  const float alpha = expf(o->log_alpha);
  for (int i = 0; i < B; i++) {
    const float q = o->q_first[i] < q_second[i] ? o->q_first[i] : q_second[i];
    o->value[i] = q - alpha * o->next_logp[i];
  }
  odac_target(o->y, o->q0, o->kl, o->reward, o->value, b->done, &o->target, B);
  o->stats.value = (float)mean(o->value, B);
  o->stats.q0 = (float)mean(o->q0, B);
  o->stats.kl = (float)mean(o->kl, B);
}

// eq. (4) and its gradient by both critics
static void critic_losses(struct odac *o, const struct batch *b) {
  const int B = b->B;
  struct mlp_tape *tape = o->critic_tape[0];
  set_critic_input(o, tape, b->obs, b->goal, b->act, B);
  double smaller = 0;
  for (int c = 0; c < 2; c++) {
    const float *q = mlp_forward(o->critic[c], tape, B);
    double sum = 0;
    for (int i = 0; i < B; i++) {
      const float error = q[i] - o->y[i];
      sum += (double)error * error;
      o->dq[c][i] = 2 * error / (float)B;
    }
    o->loss_q[c] = sum / B;
    for (int i = 0; i < B; i++) {
      if (c == 0) {
        o->q_first[i] = q[i];
      } else {
        smaller += q[i] < o->q_first[i] ? q[i] : o->q_first[i];
      }
    }
    mlp_backward(o->critic[c], tape, o->grad_critic[c], NULL, o->dq[c], B);
  }
  o->stats.loss_q = (float)(0.5 * (o->loss_q[0] + o->loss_q[1]));
  o->stats.q = (float)(smaller / B);
}

// da = -d min_i Q_i(s, a~, g) / da~; returns the sum of the minima. The input of tape 0 still holds
// (s, g, .): only the action changes
static double descend_critics(struct odac *o, int B) {
  const int act = o->dims.act, condition = o->dims.obs + o->dims.goal;
  const int width = condition + act;
  float *x = mlp_input(o->critic_tape[0]);
  set_columns(x, width, condition, o->act, act, B);
  memcpy(mlp_input(o->critic_tape[1]), x, (size_t)B * (size_t)width * sizeof(float));
  const float *q[2];
  for (int c = 0; c < 2; c++) {
    q[c] = mlp_forward(o->critic[c], o->critic_tape[c], B);
  }
  double sum = 0;
  for (int i = 0; i < B; i++) {
    const bool second = q[1][i] < q[0][i];
    sum += q[second][i];
    o->dq[0][i] = second ? 0.0f : -1.0f;
    o->dq[1][i] = second ? -1.0f : 0.0f;
  }
  for (int c = 0; c < 2; c++) {
    mlp_backward(o->critic[c], o->critic_tape[c], NULL, o->dx[c], o->dq[c], B);
  }
  for (int i = 0; i < B; i++) {
    for (int j = 0; j < act; j++) {
      const int at = i * width + condition + j;
      o->da[i * act + j] = o->dx[0][at] + o->dx[1][at];
    }
  }
  return sum;
}

// eqs. (5), (6) and their gradients by policy and log alpha
static void policy_losses(struct odac *o, const struct batch *b) {
  const int B = b->B;
  const float alpha = expf(o->log_alpha);
  const float *head = sample_actions(o, o->act, o->logp, b->obs, b->goal, o->eps, B);
  const double smaller = descend_critics(o, B);
  const double logp = mean(o->logp, B);
  policy_backward(o->dhead, head, o->act, o->eps, o->da, alpha, 1.0f / (float)B, B, o->dims.act);
  mlp_backward(o->policy, o->policy_tape, o->grad_policy, NULL, o->dhead, B);
  o->loss_pi = alpha * logp - smaller / B;
  o->grad_alpha = (float)-(logp + o->entropy_target);
  o->loss_alpha = -(double)o->log_alpha * (logp + o->entropy_target);
  o->stats.loss_pi = (float)o->loss_pi;
  o->stats.entropy = (float)-logp;
}

void odac_losses(struct odac *o, const struct batch *b, uint64_t index) {
  CHECK(o && b && b->B >= 1 && b->B <= o->max_batch);
  const size_t noise = (size_t)b->B * (size_t)o->dims.act;
  const bool first = o->policy_adam.t == 0;
  struct rng rng;
  rng_init(&rng, o->seed, RNG_UPDATE, index);
  rng_fill_normal(&rng, o->next_eps, noise);
  rng_fill_normal(&rng, o->eps, noise);

  set_rewards(o, b, first);
  sample_actions(o, o->next_act, o->next_logp, b->next_obs, b->goal, o->next_eps, b->B);
  if (first && o->bias_init) {
    set_biases(o, b->B);
  }
  set_targets(o, b);
  critic_losses(o, b);
  policy_losses(o, b);
}

// ---- the update ----

// the name of a loss or gradient that is not finite, or NULL
static const char *fault(const struct odac *o) {
  const float losses[] = {(float)o->loss_q[0],  (float)o->loss_q[1],  (float)o->loss_pi,
                          (float)o->loss_alpha, (float)o->max_loglik, o->stats.value};
  const char *const name[] = {"first critic's loss", "second critic's loss",   "policy loss",
                              "temperature loss",    "outcome log-likelihood", "next value"};
  for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
    if (!block_finite(&losses[i], 1)) {
      return name[i];
    }
  }
  for (int i = 0; i < 2; i++) {
    if (!block_finite(o->grad_critic[i], o->critic[i]->nparam)) {
      return i == 0 ? "first critic's gradient" : "second critic's gradient";
    }
  }
  if (!block_finite(o->grad_policy, o->policy->nparam)) {
    return "policy gradient";
  }
  return block_finite(&o->grad_alpha, 1) ? NULL : "temperature gradient";
}

// what odac_losses sets at the first update, to take it back
struct first_state {
  double magnitude;
  float bias[2], target_bias[2];
};

static void save_first(const struct odac *o, struct first_state *saved) {
  saved->magnitude = o->magnitude;
  for (int i = 0; i < 2; i++) {
    const size_t at = mlp_bias_offset(o->critic[i], o->critic[i]->nlayer - 1);
    saved->bias[i] = o->critic[i]->theta[at];
    saved->target_bias[i] = o->critic_target[i]->theta[at];
  }
}

static void restore_first(struct odac *o, const struct first_state *saved) {
  o->magnitude = saved->magnitude;
  for (int i = 0; i < 2; i++) {
    const size_t at = mlp_bias_offset(o->critic[i], o->critic[i]->nlayer - 1);
    o->critic[i]->theta[at] = saved->bias[i];
    o->critic_target[i]->theta[at] = saved->target_bias[i];
  }
}

// alpha, policy, critics, N, targets
static void step(struct odac *o) {
  if (o->alpha_auto) {
    adam_step(&o->alpha_adam, &o->log_alpha, &o->grad_alpha);
  }
  adam_step(&o->policy_adam, o->policy->theta, o->grad_policy);
  for (int i = 0; i < 2; i++) {
    adam_step(&o->critic_adam[i], o->critic[i]->theta, o->grad_critic[i]);
  }
  // eq. (8)
  o->magnitude = o->reward_decay * o->magnitude + (1 - o->reward_decay) * o->max_loglik;
  o->magnitude = fmax(o->magnitude, MAGNITUDE_MIN);
  // eq. (7)
  for (int i = 0; i < 2; i++) {
    adam_polyak(o->critic_target[i]->theta, o->critic[i]->theta, (float)o->tau,
                o->critic[i]->nparam);
  }
}

enum err odac_update(struct odac *o, struct odac_stats *out, const struct batch *b,
                     uint64_t index) {
  CHECK(o && out && b);
  struct first_state saved;
  save_first(o, &saved);
  odac_losses(o, b, index);
  const char *wrong = fault(o);
  if (wrong) {
    log_error(
        "odac: update %llu: the %s is not finite; lower odac.lr or look for unbounded "
        "observations; parameters are unchanged",
        (unsigned long long)index, wrong);
    restore_first(o, &saved);
    return ERR_NUMERIC;
  }
  // the outcome model shares nothing with the rest, so its step may come first: it can still refuse
  const enum err err = outcome_fit(o->outcome, &o->stats.nll, b);
  if (err) {
    restore_first(o, &saved);
    return err;
  }
  step(o);
  o->stats.alpha = expf(o->log_alpha);
  *out = o->stats;
  return ERR_OK;
}

const struct mlp *odac_policy(const struct odac *o) {
  return o->policy;
}

// ---- state ----

static void list_adam(struct block_list *list, const char *prefix, struct adam *adam) {
  block_list_add(list, prefix, "adam.m", ST_F32, adam->m, adam->n);
  block_list_add(list, prefix, "adam.v", ST_F32, adam->v, adam->n);
}

int odac_tensors(struct odac *o, struct st_tensor *out, int max) {
  struct block_list list = {.out = out, .max = max};
  // 8-byte types first, as the file format's alignment wants; the outcome model's begin with them
  block_list_add(&list, "policy", "adam.t", ST_I64, &o->policy_adam.t, 0);
  block_list_add(&list, "critic1", "adam.t", ST_I64, &o->critic_adam[0].t, 0);
  block_list_add(&list, "critic2", "adam.t", ST_I64, &o->critic_adam[1].t, 0);
  block_list_add(&list, "log_alpha", "adam.t", ST_I64, &o->alpha_adam.t, 0);
  block_list_add(&list, "reward", "magnitude", ST_F64, &o->magnitude, 0);
  const int room = list.n < max ? max - list.n : 0;
  list.n += outcome_tensors(o->outcome, room > 0 ? out + list.n : NULL, room);

  block_list_add(&list, "policy", "params", ST_F32, o->policy->theta, o->policy->nparam);
  list_adam(&list, "policy", &o->policy_adam);
  for (int i = 0; i < 2; i++) {
    const char *critic = i == 0 ? "critic1" : "critic2";
    const char *target = i == 0 ? "target_critic1" : "target_critic2";
    block_list_add(&list, critic, "params", ST_F32, o->critic[i]->theta, o->critic[i]->nparam);
    list_adam(&list, critic, &o->critic_adam[i]);
    block_list_add(&list, target, "params", ST_F32, o->critic_target[i]->theta,
                   o->critic[i]->nparam);
  }
  block_list_add(&list, "log_alpha", "value", ST_F32, &o->log_alpha, 0);
  list_adam(&list, "log_alpha", &o->alpha_adam);
  return list.n;
}
