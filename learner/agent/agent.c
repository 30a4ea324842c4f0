// agent.c - losses of policy, critics and temperature, and their gradients.
//
// Nothing is computed twice and little is copied: inputs are laid straight into the tapes' rows;
// (s, g) is laid down once for the policy and once for the critics, whose second pass, the
// policy's, replaces the action columns only; one tape serves both slow copies and both critic
// losses in turn, which keeps its activations in cache; the policy's step goes back through the
// smaller critic of each row, and to its actions alone.
#include "learner/agent/agent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/agent/context.h"
#include "learner/agent/prior.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

static const char remedy[] = "lower agent.lr";

const struct agent_parts agent_twin = {.critics = 2, .slow_critics = true, .temperature = true};

// ---- construction ----

static void init_nets(struct agent *ag, struct nets *nets, const struct config *cfg) {
  const struct policy_shape *shape = &ag->shape;
  struct net_setup setup = {.name = "policy",
                            .remedy = remedy,
                            .hidden = &cfg->net_hidden,
                            .in = agent_inputs(ag),
                            .out = policy_outputs(shape),
                            .lr = (float)cfg->agent_lr,
                            .target = ag->parts.slow_policy,
                            .tau = (float)cfg->agent_tau};
  net_init(&ag->policy, nets, &setup);
  setup.in = agent_inputs(ag) + shape->act;
  setup.out = 1;
  setup.target = ag->parts.slow_critics;
  for (int i = 0; i < ag->parts.critics; i++) {
    setup.name = i == 0 ? "critic1" : "critic2";
    net_init(&ag->critic[i], nets, &setup);
  }
  if (!ag->parts.temperature) {
    return;
  }
  net_init(&ag->log_alpha, nets,
           &(struct net_setup){.name = "log_alpha",
                               .remedy = remedy,
                               .nfree = 1,
                               .start = (float)log(cfg->agent_alpha),
                               .lowest = -INFINITY,
                               .highest = INFINITY,
                               .lr = (float)cfg->agent_lr});
  ag->log_alpha.constant = cfg->agent_temperature != AGENT_TEMPERATURE_AUTO;
}

void agent_init(struct agent *ag, struct nets *nets, const struct config *cfg,
                const struct policy_shape *shape, const struct scaling *scaling,
                const struct agent_parts *parts, int horizon) {
  CHECK(ag && nets && cfg && scaling && shape->obs >= 1 && shape->goal >= 0 && shape->act >= 1);
  CHECK(parts->critics >= 0 && parts->critics <= 2);
  memset(ag, 0, sizeof *ag);
  ag->parts = *parts;
  ag->shape = *shape;
  ag->scaling = scaling;
  ag->side = (struct side){.plain = policy_inputs(shape),
                           .heads = (int)cfg->explore_heads,
                           .numbers = cfg->context_members > 0 ? (int)cfg->context_size : 0};
  ag->max_batch = (int)cfg->train_batch;
  ag->entropy_target = cfg->agent_entropy_per_action * shape->act;
  ag->clone = config_has_demos(cfg) ? (float)cfg->demos_clone : 0;
  init_nets(ag, nets, cfg);
  if (cfg->explore_prior > 0 && ag->side.heads > 1) {
    ag->prior = prior_new(nets, cfg, agent_inputs(ag) + shape->act, shape->act);
  }
  if (ag->side.numbers > 0) {
    ag->context = context_new(nets, cfg, shape, scaling, horizon);
  }
  ag->policy_tape = mlp_tape_new(&ag->policy.mlp, ag->max_batch, 0);
  for (int i = 0; i < parts->critics; i++) {
    ag->critic_tape[i] =
        mlp_tape_new(&ag->critic[i].mlp, ag->max_batch,
                     shape->act > ag->side.numbers ? shape->act : ag->side.numbers);
  }
  const size_t B = (size_t)ag->max_batch, act = (size_t)shape->act;
  const size_t numbers = (size_t)ag->side.numbers;
  const struct rows_part part[] = {
      {&ag->eps, B * act},
      {&ag->act, B * act},
      {&ag->logp, B},
      {&ag->q, B},
      {&ag->policy_q, B},
      {&ag->dq, B},
      {&ag->y, B},
      {&ag->da_of, B * act},
      {&ag->da, B * act},
      {&ag->dhead, B * 2 * act},
      {&ag->z, numbers},
      {&ag->dz, numbers},
      {&ag->dz_of, B * numbers},
  };
  ag->block = rows_new(part, sizeof part / sizeof *part);
  ag->row = must_alloc(B, sizeof *ag->row);
  ag->all = must_alloc(B, sizeof *ag->all);
  for (int i = 0; i < ag->max_batch; i++) {
    ag->all[i] = i;
  }
}

void agent_release(struct agent *ag) {
  net_release(&ag->policy);
  mlp_tape_free(ag->policy_tape);
  for (int i = 0; i < ag->parts.critics; i++) {
    net_release(&ag->critic[i]);
    mlp_tape_free(ag->critic_tape[i]);
  }
  if (ag->parts.temperature) {
    net_release(&ag->log_alpha);
  }
  free(ag->block);
  free(ag->row);
  free(ag->all);
  context_free(ag->context);
  prior_free(ag->prior);
}

// ---- values and samples ----

void agent_begin(struct agent *ag, const struct batch *b) {
  ag->laid = NULL;
  ag->head = b ? b->head : NULL;
  memset(ag->z, 0, (size_t)ag->side.numbers * sizeof *ag->z);
  memset(ag->dz, 0, (size_t)ag->side.numbers * sizeof *ag->dz);
}

float agent_alpha(const struct agent *ag) {
  return expf(ag->log_alpha.theta[0]);
}

void agent_infer(struct agent *ag, const struct batch *b, struct rng *rng) {
  if (ag->context) {
    context_infer(ag->context, ag->z, b, rng);
  }
}

int agent_inputs(const struct agent *ag) {
  return policy_inputs(&ag->shape) + side_columns(&ag->side);
}

void agent_lay(const struct agent *ag, float *x, int width, const float *obs, const float *goal,
               int B) {
  const int nobs = ag->shape.obs;
  const float *mean = ag->scaling->mean, *inv = ag->scaling->inv;
  rows_set_scaled(x, width, 0, obs, mean, inv, nobs, B);
  rows_set_scaled(x, width, nobs, goal, mean + nobs, inv + nobs, ag->shape.goal, B);
  if (side_columns(&ag->side) > 0) {
    side_lay(x, width, &ag->side, ag->head, ag->z, B);
  }
}

// (s, g, a) into the rows of critic_tape[0]
static void lay_critics(struct agent *ag, const float *obs, const float *goal, const float *act,
                        int B) {
  const int condition = agent_inputs(ag), width = condition + ag->shape.act;
  float *x = mlp_input(ag->critic_tape[0]);
  agent_lay(ag, x, width, obs, goal, B);
  rows_set_columns(x, width, condition, act, ag->shape.act, B);
}

// returns the policy's head, which its backward pass needs
static const float *sample(struct agent *ag, float *act, float *logp, const float *obs,
                           const float *goal, struct rng *rng, int B) {
  CHECK(B >= 1 && B <= ag->max_batch);
  rng_fill_normal(rng, ag->eps, (size_t)B * (size_t)ag->shape.act);
  const float *head = agent_head(ag, false, obs, goal, B);
  policy_sample(act, logp, head, ag->eps, B, ag->shape.act);
  return head;
}

void agent_sample(struct agent *ag, float *act, float *logp, const float *obs, const float *goal,
                  struct rng *rng, int B) {
  CHECK(ag && act && logp && obs && goal && rng);
  sample(ag, act, logp, obs, goal, rng, B);
}

// V = q, or the smaller of both
static void keep_smaller(float *V, const float *q, bool first, int B) {
  for (int i = 0; i < B; i++) {
    V[i] = !first && V[i] < q[i] ? V[i] : q[i];
  }
}

void agent_min_target(struct agent *ag, float *V, const float *obs, const float *goal,
                      const float *act, int B) {
  CHECK(ag && V && obs && goal && act && B >= 1 && B <= ag->max_batch && ag->parts.critics > 0);
  struct mlp_tape *tape = ag->critic_tape[0];
  lay_critics(ag, obs, goal, act, B);
  ag->laid = NULL;
  for (int c = 0; c < ag->parts.critics; c++) {
    const struct mlp slow = net_target(&ag->critic[c]);
    keep_smaller(V, mlp_forward(&slow, tape, B), c == 0, B);
  }
  if (ag->prior) {
    prior_add(ag->prior, V, 1, mlp_input(tape), ag->head, B);
  }
}

void agent_subtract_entropy(float *V, float alpha, const float *logp, int B) {
  for (int i = 0; i < B; i++) {
    V[i] -= alpha * logp[i];
  }
}

// ---- losses ----

const float *agent_head(struct agent *ag, bool slow, const float *obs, const float *goal, int B) {
  CHECK(ag && obs && goal && B >= 1 && B <= ag->max_batch);
  agent_lay(ag, mlp_input(ag->policy_tape), agent_inputs(ag), obs, goal, B);
  if (!slow) {
    return mlp_forward(&ag->policy.mlp, ag->policy_tape, B);
  }
  const struct mlp copy = net_target(&ag->policy);
  return mlp_forward(&copy, ag->policy_tape, B);
}

double agent_clone(const struct agent *ag, float *dhead, const float *head, const struct batch *b) {
  return ag->clone == 0 ? 0
                        : policy_fit(dhead, head, b->act, b->demo, ag->clone / (float)b->B, b->B,
                                     ag->shape.act);
}

void agent_policy_gradient(struct agent *ag, const float *dhead, int B) {
  mlp_backward(&ag->policy.mlp, ag->policy_tape, ag->policy.grad, dhead, B);
}

// dz += dF_Qi / dz of all rows, for the dq of a critic whose forward pass is in the tape
static void add_context_slope(struct agent *ag, const struct net *critic, int B) {
  const int n = ag->side.numbers;
  mlp_input_gradient(&critic->mlp, ag->critic_tape[0], ag->dz_of, side_first_number(&ag->side), n,
                     ag->dq, ag->all, B);
  for (int i = 0; i < B * n; i++) {
    ag->dz[i % n] += ag->dz_of[i];
  }
}

void agent_critic_loss(struct agent *ag, const struct batch *b, const float *y) {
  CHECK(ag && b && y && b->B >= 1 && b->B <= ag->max_batch);
  const int B = b->B;
  struct mlp_tape *tape = ag->critic_tape[0];
  lay_critics(ag, b->obs, b->goal, b->act, B);
  ag->laid = b;
  const float *given = y;
  if (ag->prior) {
    memcpy(ag->y, y, (size_t)B * sizeof *y);
    prior_add(ag->prior, ag->y, -1, mlp_input(tape), ag->head, B);
    y = ag->y;
  }
  for (int c = 0; c < ag->parts.critics; c++) {
    struct net *net = &ag->critic[c];
    const float *q = mlp_forward(&net->mlp, tape, B);
    // eq. (2) and its derivative by Q_c
    double sum = 0;
    for (int i = 0; i < B; i++) {
      const float error = q[i] - y[i];
      sum += (double)error * error;
      ag->dq[i] = 2 * error / (float)B;
    }
    net->loss = sum / B;
    keep_smaller(ag->q, q, c == 0, B);
    mlp_backward(&net->mlp, tape, net->grad, ag->dq, B);
    if (ag->context) {
      add_context_slope(ag, net, B);
    }
  }
  for (int i = 0; i < B && ag->prior; i++) {
    ag->q[i] += given[i] - y[i];  // the prior
  }
  ag->mean_q = rows_mean(ag->q, B);
}

// of row i
static int smaller_critic(const struct agent *ag, const float *const *q, int i) {
  return ag->parts.critics > 1 && q[1][i] < q[0][i];
}

// da = -d min_i Q_i(s, a~, g) / da~; returns the sum of the minima
static double descend_critics(struct agent *ag, const struct batch *b) {
  CHECK(ag->parts.critics > 0);
  const int B = b->B, act = ag->shape.act, condition = agent_inputs(ag);
  const int width = condition + act;
  float *x = mlp_input(ag->critic_tape[0]);
  if (ag->laid != b) {
    agent_lay(ag, x, width, b->obs, b->goal, B);
    ag->laid = b;
  }
  rows_set_columns(x, width, condition, ag->act, act, B);
  const float *q[2] = {NULL, NULL};
  for (int c = 0; c < ag->parts.critics; c++) {
    if (c > 0) {
      memcpy(mlp_input(ag->critic_tape[c]), x, (size_t)B * (size_t)width * sizeof(float));
    }
    q[c] = mlp_forward(&ag->critic[c].mlp, ag->critic_tape[c], B);
  }
  double sum = 0;
  for (int i = 0; i < B; i++) {
    ag->policy_q[i] = q[smaller_critic(ag, q, i)][i];
    sum += ag->policy_q[i];
    ag->dq[i] = -1.0f;
  }
  for (int c = 0; c < ag->parts.critics; c++) {
    int n = 0;
    for (int i = 0; i < B; i++) {
      if (smaller_critic(ag, q, i) == c) {
        ag->row[n++] = i;
      }
    }
    mlp_input_gradient(&ag->critic[c].mlp, ag->critic_tape[c], ag->da_of, condition, act, ag->dq,
                       ag->row, n);
    for (int i = 0; i < n; i++) {
      memcpy(ag->da + ag->row[i] * act, ag->da_of + i * act, (size_t)act * sizeof(float));
    }
  }
  if (ag->prior) {
    prior_add(ag->prior, ag->policy_q, 1, x, ag->head, B);
    prior_add_slope(ag->prior, ag->da, -1, condition, act);
    sum = (double)rows_mean(ag->policy_q, B) * B;
  }
  return sum;
}

void agent_policy_loss(struct agent *ag, const struct batch *b, float alpha, struct rng *rng) {
  CHECK(ag && b && rng && b->B >= 1 && b->B <= ag->max_batch);
  const int B = b->B;
  struct net *net = &ag->policy;
  const float *head = sample(ag, ag->act, ag->logp, b->obs, b->goal, rng, B);
  const double smaller = descend_critics(ag, b);
  ag->mean_logp = rows_mean(ag->logp, B);
  // eq. (3) and its derivatives
  net->loss = alpha * ag->mean_logp - smaller / B;
  policy_backward(ag->dhead, head, ag->act, ag->eps, ag->da, alpha, 1.0f / (float)B, B,
                  ag->shape.act);
  net->loss += agent_clone(ag, ag->dhead, head, b);
  agent_policy_gradient(ag, ag->dhead, B);
}

void agent_context_loss(struct agent *ag) {
  // eq. (6)
  if (ag->context) {
    double critics = 0;
    for (int i = 0; i < ag->parts.critics; i++) {
      critics += ag->critic[i].loss;
    }
    context_loss(ag->context, critics, ag->dz);
  }
}

void agent_temperature_loss(struct agent *ag) {
  // eq. (4)
  const double excess = ag->mean_logp + ag->entropy_target;
  ag->log_alpha.loss = -(double)ag->log_alpha.theta[0] * excess;
  ag->log_alpha.grad[0] = (float)-excess;
}

void agent_set_level(struct agent *ag, float level) {
  for (int i = 0; i < ag->parts.critics; i++) {
    struct net *net = &ag->critic[i];
    const size_t at = mlp_bias_offset(&net->mlp, net->mlp.nlayer - 1);
    net->theta[at] = level;
    if (net->target) {
      net->target[at] = level;
    }
  }
}
