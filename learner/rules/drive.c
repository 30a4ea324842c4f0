// drive.c - equations (1) to (9) of drive.h, forward in their order, then backward.
//
// In the backward pass slopes belong to one row, not to the mean: they are divided by B where they
// become gradients of parameters.
#include "learner/rules/drive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/rules/actor_critic.h"

static const struct agent_parts parts = {0};  // the policy alone

static const double FLOOR2 = 0.01;  // floor^2 of (4)
static const double HALF_LOG_2PI = 0.91893853320467274;
static const float LOG_SIGMA_MAX = 10.0f;
// smallest D and R: what never changes must not divide by zero
static const double SCALE_MIN = 1e-6;

// ---- construction ----

static void init_nets(struct drive *d, const struct rule_setup *setup) {
  const struct config *cfg = setup->cfg;
  const int condition = policy_inputs(&setup->shape);
  struct net_setup net = {.name = "prior",
                          .remedy = "lower agent.lr",
                          .hidden = &cfg->net_hidden,
                          .in = condition,
                          .out = policy_outputs(&setup->shape),
                          .lr = (float)cfg->agent_lr};
  net_init(&d->prior, setup->nets, &net);
  net.name = "model";
  net.remedy = "lower drive.model_lr";
  net.hidden = &cfg->drive_hidden;
  net.in = condition + setup->shape.act;
  net.out = setup->shape.obs + 2;
  net.lr = (float)cfg->drive_model_lr;
  net_init(&d->model, setup->nets, &net);
  net.name = "value";
  net.remedy = "lower agent.lr, raise drive.sigma_min";
  net.hidden = &cfg->net_hidden;
  net.out = 2;
  net.lr = (float)cfg->agent_lr;
  net.target = true;
  net.tau = (float)cfg->agent_tau;
  net.lowest = (float)log(cfg->drive_sigma_min);
  net.highest = LOG_SIGMA_MAX;
  net_init(&d->value, setup->nets, &net);
}

static void init_steps(struct drive *d) {
  const int B = d->max_batch, condition = d->obs + d->goal;
  for (int n = 0; n <= d->H; n++) {
    struct drive_step *step = &d->step[n];
    step->prior = mlp_tape_new(&d->prior.mlp, B, condition);
    step->model = n < d->H ? mlp_tape_new(&d->model.mlp, B, condition + d->act) : NULL;
    const struct rows_part part[] = {{&step->eps, (size_t)B * (size_t)d->act},
                                     {&step->act, (size_t)B * (size_t)d->act},
                                     {&step->p, (size_t)B},
                                     {&step->rest, (size_t)B}};
    // the first part is where the block begins
    step->eps = rows_new(part, sizeof part / sizeof *part);
  }
}

static void init(void *self, struct agent *ag, const struct rule_setup *setup) {
  struct drive *d = self;
  const struct config *cfg = setup->cfg;
  d->seed = (uint64_t)cfg->run_seed;
  d->reward = reward_of(cfg, setup->shape.goal);
  d->gamma = actor_critic_gamma(cfg, setup->horizon, actor_critic_gamma_of(&d->reward));
  d->H = (int)cfg->drive_steps;
  d->eta_prior = cfg->drive_eta_prior;
  d->eta_value = cfg->drive_eta_value;
  d->clip = cfg->drive_clip;
  d->D = d->R = 1;
  d->obs = setup->shape.obs;
  d->goal = setup->shape.goal;
  d->act = setup->shape.act;
  d->max_batch = (int)cfg->train_batch;
  agent_init(ag, setup->nets, cfg, &setup->shape, setup->scaling, &parts, setup->horizon);
  init_nets(d, setup);
  reward_begin(&d->reward, setup->nets, cfg, &setup->shape, setup->scaling);
  init_steps(d);
  const int all = d->obs + d->goal + d->act;
  d->value_tape = mlp_tape_new(&d->value.mlp, d->max_batch, all);
  d->slow_tape = mlp_tape_new(&d->value.mlp, d->max_batch, all);
  d->fit_tape = mlp_tape_new(&d->model.mlp, d->max_batch, 0);
  const size_t B = (size_t)d->max_batch;
  d->every = must_alloc(B, sizeof *d->every);
  for (int i = 0; i < d->max_batch; i++) {
    d->every[i] = i;
  }
  const struct rows_part part[] = {{&d->r, B},
                                   {&d->logp, B},
                                   {&d->m, B},
                                   {&d->v, B},
                                   {&d->by_m, B},
                                   {&d->by_v, B},
                                   {&d->gx, B * (size_t)d->obs},
                                   {&d->ga, B * (size_t)d->act},
                                   {&d->dx, B * (size_t)all},
                                   {&d->dy, B * (size_t)(d->obs + 2)},
                                   {&d->dhead, B * 2 * (size_t)d->act},
                                   {&d->dprior, B * 2 * (size_t)d->act},
                                   {&d->by_action, B * (size_t)d->act},
                                   {&d->grad, d->prior.n}};
  d->block = rows_new(part, sizeof part / sizeof *part);
}

static void release(void *self) {
  struct drive *d = self;
  for (int n = 0; n <= d->H; n++) {
    mlp_tape_free(d->step[n].prior);
    mlp_tape_free(d->step[n].model);
    free(d->step[n].eps);
  }
  mlp_tape_free(d->value_tape);
  mlp_tape_free(d->slow_tape);
  mlp_tape_free(d->fit_tape);
  reward_release(&d->reward);
  net_release(&d->prior);
  net_release(&d->model);
  net_release(&d->value);
  free(d->every);
  free(d->block);
}

// ---- before the first update ----

// number k of x' - x in row i
static double change(const struct drive *d, const struct agent *ag, const struct batch *b, int i,
                     int k) {
  const int at = i * d->obs + k;
  return ((double)b->next_obs[at] - (double)b->obs[at]) * (double)ag->scaling->inv[k];
}

// D and R
static enum err prepare(void *self, struct agent *ag, const struct draws *draws) {
  struct drive *d = self;
  const enum err err = reward_prepare(&d->reward, draws);
  if (err != ERR_OK) {
    return err;
  }
  const struct batch *b = draws->draw(draws->ctx, RNG_BATCH, 0);
  double changes = 0, rewards = 0;
  for (int i = 0; i < b->B; i++) {
    for (int k = 0; k < d->obs; k++) {
      const double x = change(d, ag, b, i, k);
      changes += x * x / ((double)b->B * d->obs);
    }
  }
  reward_rows(d->r, &d->reward, b);
  for (int i = 0; i < b->B; i++) {
    rewards += (double)d->r[i] * (double)d->r[i] / b->B;
  }
  const double D = fmax(sqrt(changes), SCALE_MIN), R = fmax(sqrt(rewards), SCALE_MIN);
  const float numbers[] = {(float)D, (float)R, (float)(1 / D), (float)(1 / R)};
  if (!rows_finite(numbers, 4)) {
    log_error(
        "drive: the first minibatch has changes of size %g and rewards of size %g: not finite; "
        "look for unbounded observations",
        D, R);
    return ERR_NUMERIC;
  }
  d->D = D;
  d->R = R;
  return ERR_OK;
}

// ---- looking ahead ----

// (x, g, a) into the rows of a tape; x: columns of other rows of this width
static void lay(const struct drive *d, struct mlp_tape *tape, const float *x, int width,
                const float *act, int B) {
  const int condition = d->obs + d->goal, all = condition + d->act;
  float *to = mlp_input(tape);
  for (int i = 0; i < B; i++) {
    memcpy(to + i * all, x + i * width, (size_t)condition * sizeof *to);
  }
  rows_set_columns(to, all, condition, act, d->act, B);
}

static double log_sigma(const struct drive *d, float o) {
  return (double)fminf(fmaxf(o, d->value.lowest), d->value.highest);
}

// Slopes by an output o behind log_sigma: outside of its interval there is none; but a network that
// learns keeps what leads back.
static float slope(const struct drive *d, float o, double by_log_sigma) {
  return o < d->value.lowest || o > d->value.highest ? 0.0f : (float)by_log_sigma;
}

static float inward(const struct drive *d, float o, double by_log_sigma) {
  const bool outward =
      (o < d->value.lowest && by_log_sigma > 0) || (o > d->value.highest && by_log_sigma < 0);
  return outward ? 0.0f : (float)by_log_sigma;
}

// (1) of step n: x_(n+1) into the rows of the next prior, p_n, and rhat_n into rest
static void follow(struct drive *d, int n, int B) {
  const int condition = d->obs + d->goal, outs = d->obs + 2;
  struct drive_step *now = &d->step[n];
  const float *x = mlp_input(now->prior);
  float *next = mlp_input(d->step[n + 1].prior);
  lay(d, now->model, x, condition, now->act, B);
  const float *out = mlp_forward(&d->model.mlp, now->model, B);
  for (int i = 0; i < B; i++, x += condition, next += condition, out += outs) {
    for (int k = 0; k < d->obs; k++) {
      next[k] = x[k] + (float)d->D * out[k];
    }
    memcpy(next + d->obs, x + d->obs, (size_t)d->goal * sizeof *next);
    now->rest[i] = out[d->obs];
    now->p[i] = (float)(d->gamma / (1 + exp((double)out[d->obs + 1])));
  }
}

// (2) to (4)
static void look_ahead(struct drive *d, struct agent *ag, const struct batch *b, struct rng *rng) {
  const int B = b->B, condition = d->obs + d->goal;
  d->head = agent_head(ag, false, b->obs, b->goal, B);
  agent_lay(ag, mlp_input(d->step[0].prior), condition, b->obs, b->goal, B);
  for (int n = 0; n <= d->H; n++) {
    struct drive_step *step = &d->step[n];
    step->head = mlp_forward(&d->prior.mlp, step->prior, B);
    rng_fill_normal(rng, step->eps, (size_t)B * (size_t)d->act);
    policy_sample(step->act, d->logp, n == 0 ? d->head : step->head, step->eps, B, d->act);
    if (n == 0) {
      ag->mean_logp = rows_mean(d->logp, B);
    }
    if (n < d->H) {
      follow(d, n, B);
    }
  }
  const struct drive_step *last = &d->step[d->H];
  const struct mlp slow = net_target(&d->value);
  lay(d, d->slow_tape, mlp_input(last->prior), condition, last->act, B);
  d->slow_out = mlp_forward(&slow, d->slow_tape, B);
  lay(d, d->value_tape, mlp_input(d->step[0].prior), condition, d->step[0].act, B);
  d->out = mlp_forward(&d->value.mlp, d->value_tape, B);
  for (int i = 0; i < B; i++) {
    double weight = 1;
    last->rest[i] = d->slow_out[2 * i];
    for (int n = d->H - 1; n >= 0; n--) {
      d->step[n].rest[i] += d->step[n].p[i] * d->step[n + 1].rest[i];
      weight *= (double)d->step[n].p[i];
    }
    const double sigma = weight * exp(log_sigma(d, d->slow_out[2 * i + 1]));
    d->m[i] = d->step[0].rest[i];
    d->v[i] = (float)(sigma * sigma + FLOOR2);
  }
}

// ---- losses, and their slopes by what comes first ----

// (8) and its gradient; (6) of all rows, and the slopes of eta_value K_2 by m, v, and, in dy, by mu
// and log sigma. Returns the mean of (6).
static double value_loss(struct drive *d, int B) {
  double nll = 0, kl = 0, sigmas = 0;
  for (int i = 0; i < B; i++) {
    const double mu = (double)d->out[2 * i], o = log_sigma(d, d->out[2 * i + 1]);
    const double m = (double)d->m[i], v = (double)d->v[i], s2 = exp(2 * o);
    const double square = (v + (m - mu) * (m - mu)) / s2;
    nll += (HALF_LOG_2PI + o + 0.5 * square) / B;
    kl += (o - 0.5 * log(v) + 0.5 * square - 0.5) / B;
    sigmas += exp(o) / B;
    d->by_m[i] = (float)(-1 + d->eta_value * (m - mu) / s2);
    d->by_v[i] = (float)(d->eta_value * 0.5 * (1 / s2 - 1 / v));
    // (6) and (8) have the same slopes
    d->dy[2 * i] = (float)((mu - m) / s2 / B);
    d->dy[2 * i + 1] = inward(d, d->out[2 * i + 1], (1 - square) / B);
  }
  d->value.loss = nll;
  mlp_backward(&d->value.mlp, d->value_tape, d->value.grad, d->dy, B);
  for (int i = 0; i < B; i++) {
    const float weight = (float)(d->eta_value * B);
    d->dy[2 * i] *= weight;
    d->dy[2 * i + 1] = slope(d, d->out[2 * i + 1], (double)(weight * d->dy[2 * i + 1]));
  }
  d->figures.sigma = (float)sigmas;
  d->figures.kl_value = (float)kl;
  return kl;
}

// slopes by all inputs of a network's rows into dx (B x width), given dy
static void input_slopes(struct drive *d, const struct mlp *mlp, struct mlp_tape *tape, int width,
                         int B) {
  mlp_input_gradient(mlp, tape, d->dx, 0, width, d->dy, d->every, B);
}

// a (B x n) = columns [at, at + n) of x (B x width)
static void take_columns(float *a, int n, const float *x, int width, int at, int B) {
  for (int i = 0; i < B; i++) {
    memcpy(a + i * n, x + i * width + at, (size_t)n * sizeof *a);
  }
}

// gx, ga by (x_H, a_H), through the slow copy of the value
static void back_from_value(struct drive *d, int B) {
  const int condition = d->obs + d->goal, all = condition + d->act;
  for (int i = 0; i < B; i++) {
    double weight = 1;
    for (int n = 0; n < d->H; n++) {
      weight *= (double)d->step[n].p[i];
    }
    d->dy[2 * i] = (float)((double)d->by_m[i] * weight);
    d->dy[2 * i + 1] =
        slope(d, d->slow_out[2 * i + 1], 2 * (double)d->by_v[i] * ((double)d->v[i] - FLOOR2));
  }
  const struct mlp slow = net_target(&d->value);
  input_slopes(d, &slow, d->slow_tape, all, B);
  take_columns(d->gx, d->obs, d->dx, all, 0, B);
  take_columns(d->ga, d->act, d->dx, all, condition, B);
}

// grad += g
static void add(float *grad, const float *g, size_t n) {
  for (size_t i = 0; i < n; i++) {
    grad[i] += g[i];
  }
}

// through a_n, n >= 1, to the prior's parameters and to x_n
static void back_through_action(struct drive *d, int n, int B) {
  const int condition = d->obs + d->goal;
  struct drive_step *step = &d->step[n];
  policy_backward(d->dhead, step->head, step->act, step->eps, d->ga, 0, 1, B, d->act);
  mlp_backward(&d->prior.mlp, step->prior, d->grad, d->dhead, B);
  add(d->prior.grad, d->grad, d->prior.n);
  mlp_input_gradient(&d->prior.mlp, step->prior, d->dx, 0, condition, d->dhead, d->every, B);
  for (int i = 0; i < B; i++) {
    add(d->gx + i * d->obs, d->dx + i * condition, (size_t)d->obs);
  }
}

static void clip_rows(float *g, int width, double most, int B) {
  for (int i = 0; i < B; i++, g += width) {
    double square = 0;
    for (int k = 0; k < width; k++) {
      square += (double)g[k] * (double)g[k];
    }
    const double factor = most / sqrt(square);
    for (int k = 0; k < width && factor < 1; k++) {
      g[k] = (float)(factor * (double)g[k]);
    }
  }
}

// through step n of the model: from x_(n+1) to x_n and a_n
static void back_through_model(struct drive *d, int n, int B) {
  const int condition = d->obs + d->goal, all = condition + d->act, outs = d->obs + 2;
  struct drive_step *step = &d->step[n];
  for (int i = 0; i < B; i++) {
    float *dy = d->dy + i * outs;
    double weight = 1;
    for (int k = 0; k < n; k++) {
      weight *= (double)d->step[k].p[i];
    }
    for (int k = 0; k < d->obs; k++) {
      dy[k] = (float)d->D * d->gx[i * d->obs + k];
    }
    dy[d->obs] = (float)((double)d->by_m[i] * weight);
    // p by e: -p (1 - p / gamma); p times the slopes by p, which may be as small as it likes
    const double p = (double)step->p[i];
    const double by_p = (double)d->by_m[i] * weight * p * (double)d->step[n + 1].rest[i] +
                        2 * (double)d->by_v[i] * ((double)d->v[i] - FLOOR2);
    dy[d->obs + 1] = (float)(-by_p * (1 - p / d->gamma));
  }
  input_slopes(d, &d->model.mlp, step->model, all, B);
  for (int i = 0; i < B; i++) {
    add(d->gx + i * d->obs, d->dx + i * all, (size_t)d->obs);
  }
  take_columns(d->ga, d->act, d->dx, all, condition, B);
}

// (5) of all rows; adds its slopes times eta_prior to dq (by the head of q_phi), sets dp (by that
// of pi_theta). Returns its mean.
static double prior_kl(struct drive *d, float *dq, float *dp, const float *q, int B) {
  const int act = d->act;
  const float *p = d->step[0].head;
  double sum = 0;
  for (int i = 0; i < B; i++, q += 2 * act, p += 2 * act, dq += 2 * act, dp += 2 * act) {
    for (int k = 0; k < act; k++) {
      const double lq = (double)policy_log_std(q[act + k]), lp = (double)policy_log_std(p[act + k]);
      const double vq = exp(2 * lq), vp = exp(2 * lp), apart = (double)q[k] - (double)p[k];
      const double spread = (vq + apart * apart) / vp;
      sum += lp - lq + 0.5 * (spread - 1);
      dq[k] += (float)(d->eta_prior * apart / vp);
      dq[act + k] += policy_inward(q[act + k], (float)(d->eta_prior * (vq / vp - 1)));
      dp[k] = (float)(-d->eta_prior * apart / vp);
      dp[act + k] = policy_inward(p[act + k], (float)(d->eta_prior * (1 - spread)));
    }
  }
  return sum / B;
}

static void scale(float *g, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) {
    g[i] *= factor;
  }
}

// (7) and its gradient by both policies
static void policy_loss(struct drive *d, struct agent *ag, const struct batch *b, double kl_value) {
  const int B = b->B;
  // by a_0: what came back, and what K_2 has through the value
  add(d->ga, d->by_action, (size_t)(B * d->act));
  struct drive_step *first = &d->step[0];
  policy_backward(d->dhead, d->head, first->act, first->eps, d->ga, 0, 1, B, d->act);
  const double kl = prior_kl(d, d->dhead, d->dprior, d->head, B);
  const float share = 1.0f / (float)B;
  scale(d->dhead, share, (size_t)(B * 2 * d->act));
  const double clone = agent_clone(ag, d->dhead, d->head, b);
  agent_policy_gradient(ag, d->dhead, B);
  mlp_backward(&d->prior.mlp, first->prior, d->grad, d->dprior, B);
  add(d->prior.grad, d->grad, d->prior.n);
  scale(d->prior.grad, share, d->prior.n);
  ag->policy.loss = -rows_mean(d->m, B) + d->eta_prior * kl + d->eta_value * kl_value;
  d->prior.loss = ag->policy.loss;
  ag->policy.loss += clone;
  d->figures.kl_prior = (float)kl;
}

// (9) and its gradient
static void model_loss(struct drive *d, const struct agent *ag, const struct batch *b) {
  const int B = b->B, condition = d->obs + d->goal, all = condition + d->act, outs = d->obs + 2;
  float *x = mlp_input(d->fit_tape);
  agent_lay(ag, x, all, b->obs, b->goal, B);
  rows_set_columns(x, all, condition, b->act, d->act, B);
  const float *out = mlp_forward(&d->model.mlp, d->fit_tape, B);
  double sum = 0;
  for (int i = 0; i < B; i++, out += outs) {
    float *dy = d->dy + i * outs;
    for (int k = 0; k < d->obs; k++) {
      const double error = (double)out[k] - change(d, ag, b, i, k) / d->D;
      sum += error * error;
      dy[k] = (float)(2 * error / B);
    }
    const double error = (double)out[d->obs] - (double)d->r[i] / d->R;
    sum += error * error;
    dy[d->obs] = (float)(2 * error / B);
    const double e = (double)out[d->obs + 1], done = (double)b->done[i];
    sum += fmax(e, 0) + log1p(exp(-fabs(e))) - done * e;
    dy[d->obs + 1] = (float)((1 / (1 + exp(-e)) - done) / B);
  }
  d->model.loss = sum / B;
  mlp_backward(&d->model.mlp, d->fit_tape, d->model.grad, d->dy, B);
}

static void losses(void *self, struct agent *ag, const struct batch *b, uint64_t key) {
  struct drive *d = self;
  const int B = b->B, condition = d->obs + d->goal, all = condition + d->act;
  CHECK(B >= 1 && B <= d->max_batch);
  struct rng rng;
  rng_init(&rng, d->seed, RNG_UPDATE, key);

  look_ahead(d, ag, b, &rng);                // (2) - (4)
  const double kl_value = value_loss(d, B);  // (6), (8)
  input_slopes(d, &d->value.mlp, d->value_tape, all, B);
  take_columns(d->by_action, d->act, d->dx, all, condition, B);
  memset(d->prior.grad, 0, d->prior.n * sizeof *d->prior.grad);
  back_from_value(d, B);
  for (int n = d->H; n >= 1; n--) {
    back_through_action(d, n, B);
    clip_rows(d->gx, d->obs, d->clip, B);
    back_through_model(d, n - 1, B);
  }
  policy_loss(d, ag, b, kl_value);  // (5), (7)
  reward_rows(d->r, &d->reward, b);
  model_loss(d, ag, b);  // (9)
  reward_loss(&d->reward, b);
  d->figures.loss_pi = (float)ag->policy.loss;
  d->figures.loss_q = (float)d->value.loss;
  d->figures.loss_model = (float)d->model.loss;
  d->figures.value = (float)rows_mean(d->m, B);
  d->figures.reward = (float)rows_mean(d->r, B);
  d->figures.entropy = (float)-ag->mean_logp;
}

static const struct figure figures[] = {
#define F(name, unit, help, combine) \
  {#name, unit, help, offsetof(struct drive, figures.name), FIGURE_##combine},
    DRIVE_FIGURES(F)
#undef F
};

static const struct kept_number kept[] = {{"drive", "change", offsetof(struct drive, D)},
                                          {"drive", "reward", offsetof(struct drive, R)},
                                          REWARD_KEPT(struct drive, reward)};

const struct rule drive_rule = {
    .name = "drive",
    .needs = RULE_REWARD,
    .size = sizeof(struct drive),
    .init = init,
    .prepare = prepare,
    .losses = losses,
    .release = release,
    .figure = figures,
    .nfigure = sizeof figures / sizeof *figures,
    .kept = kept,
    .nkept = sizeof kept / sizeof *kept,
};
