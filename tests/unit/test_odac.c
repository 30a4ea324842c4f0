// Tests of learner/rules/odac.h: an update is held against a reference in plain double arithmetic,
// one row at a time, whose gradients are central differences of the losses, so that it shares
// nothing with the code. What every rule has to keep is in test_rules.c, the backup by itself in
// test_backup.c.
#include "learner/rules/odac.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/agent/scaling.h"
#include "learner/replay/batch.h"
#include "learner/rules/updater.h"
#include "learner/worth/outcome.h"
#include "tests/unit/minibatch.h"
#include "tests/unit/source.h"

static double bernoulli_kl(double q, double gamma) {
  const double stay = q > 0 ? q * log(q / gamma) : 0;
  const double end = q < 1 ? (1 - q) * log((1 - q) / (1 - gamma)) : 0;
  return stay + end;
}

// ---- the reference ----

enum { OBS = 2, ACT = 2, GOAL = 2, IN = OBS + GOAL, B = 12 };
enum { POLICY, CRITIC_1, CRITIC_2, TARGET_1, TARGET_2, OUTCOME, BLOCKS };
enum { TRAINED = 4 };
static const int TRAINED_BLOCK[TRAINED] = {POLICY, CRITIC_1, CRITIC_2, OUTCOME};
// the net that a block belongs to; log alpha, a single number, is no block
static const char *const NET[] = {"policy", "critic1", "critic2", "critic1", "critic2", "outcome"};
enum { MAX_PARAMS = 200, MAX_WIDTH = 16 };

static const struct dims DIMS = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = 10, .hindsight = 1};

struct reference {
  struct config cfg;
  double mean[IN], inv[IN];  // of observations, then of goals
  double theta[BLOCKS][MAX_PARAMS], m[BLOCKS][MAX_PARAMS], v[BLOCKS][MAX_PARAMS];
  int n[BLOCKS];
  double log_alpha, alpha_m, alpha_v, N;
  int t, outcome_t;
  float eps[B][ACT], next_eps[B][ACT];
};

struct losses {
  double q[2], pi, alpha, nll, range_l;
  double mean_l, mean_c_l, mean_next_logp, mean_logp, mean_V, mean_q0, mean_kl, mean_q;
};

// eq. (1) of learner/nn/mlp.h, for one row
static void ref_forward(double *out, const double *theta, const struct widths *hidden, int n_in,
                        int n_out, const double *in) {
  double x[MAX_WIDTH], z[MAX_WIDTH];
  memcpy(x, in, (size_t)n_in * sizeof *x);
  for (int l = 0; l <= hidden->n; l++) {
    const int width = l < hidden->n ? hidden->v[l] : n_out;
    for (int i = 0; i < width; i++) {
      z[i] = theta[width * n_in + i];
      for (int j = 0; j < n_in; j++) {
        z[i] += theta[i * n_in + j] * x[j];
      }
    }
    theta += width * n_in + width;
    for (int i = 0; i < width; i++) {
      x[i] = l < hidden->n ? fmax(0, z[i]) : z[i];
    }
    n_in = width;
  }
  memcpy(out, x, (size_t)n_out * sizeof *out);
}

// number i of (s, g) as networks see it
static double ref_input(const struct reference *ref, int i, const float *obs, const float *goal) {
  return ((i < OBS ? obs[i] : goal[i - OBS]) - ref->mean[i]) * ref->inv[i];
}

// a = tanh(mu + std eps) and its log-density by the change of variables, unstable but plain
static double ref_policy(double *a, const struct reference *ref, const float *obs,
                         const float *goal, const float *eps) {
  double in[IN], head[2 * ACT], logp = 0;
  for (int i = 0; i < IN; i++) {
    in[i] = ref_input(ref, i, obs, goal);
  }
  ref_forward(head, ref->theta[POLICY], &ref->cfg.net_hidden, IN, 2 * ACT, in);
  for (int i = 0; i < ACT; i++) {
    const double log_std = fmin(fmax(head[ACT + i], -20), 2);
    a[i] = tanh(head[i] + exp(log_std) * eps[i]);
    logp += -0.5 * eps[i] * eps[i] - log_std - 0.5 * log(2 * M_PI) - log(1 - a[i] * a[i]);
  }
  return logp;
}

static double ref_critic(const struct reference *ref, int which, const float *obs,
                         const float *goal, const double *a) {
  double in[IN + ACT], out;
  for (int i = 0; i < IN + ACT; i++) {
    in[i] = i < IN ? ref_input(ref, i, obs, goal) : a[i - IN];
  }
  ref_forward(&out, ref->theta[which], &ref->cfg.net_hidden, IN + ACT, 1, in);
  return out;
}

// eqs. (1)-(6) of learner/worth/outcome.h: distances are those of the minibatch itself
static double ref_log_density(const struct reference *ref, const float *obs, const float *act,
                              const float *achieved, const float *g) {
  const struct config *cfg = &ref->cfg;
  const enum outcome_scale kind = cfg->outcome_scale;
  const bool head = kind == OUTCOME_SCALE_HEAD, fixed = cfg->outcome_model == OUTCOME_MODEL_FIXED;
  const double *end = ref->theta[OUTCOME] + ref->n[OUTCOME];
  double in[OBS + ACT], out[2 * GOAL], spread = 0, sum = 0, square = 0, volume = 0;
  for (int i = 0; i < OBS + ACT; i++) {
    in[i] = i < OBS ? ref_input(ref, i, obs, NULL) : act[i - OBS];
  }
  ref_forward(out, ref->theta[OUTCOME], &cfg->outcome_hidden, OBS + ACT, head ? 2 * GOAL : GOAL,
              in);
  for (int i = 0; i < GOAL; i++) {
    spread += 1 / (ref->inv[OBS + i] * ref->inv[OBS + i] * GOAL);
  }
  for (int i = 0; i < GOAL; i++) {
    const double o = head ? out[GOAL + i] : kind == OUTCOME_SCALE_SCALAR ? end[-1] : end[i - GOAL];
    const double clipped = fmin(fmax(exp(o), cfg->outcome_scale_min), cfg->outcome_scale_max);
    const double b = fixed ? cfg->outcome_known_scale : sqrt(spread) * clipped;
    const double mean = achieved[i] + (fixed ? 0 : out[i] / ref->inv[OBS + i]);
    const double z = (g[i] - mean) / b;
    sum += fabs(z);
    square += z * z;
    volume += log(b);
  }
  switch (cfg->outcome_likelihood) {
    case OUTCOME_LIKELIHOOD_RADIAL:  // two dimensions
      return -sqrt(square) - volume - log(2 * M_PI);
    case OUTCOME_LIKELIHOOD_LAPLACE:
      return -sum - volume - GOAL * log(2);
    default:
      return -0.5 * square - volume - 0.5 * GOAL * log(2 * M_PI);
  }
}

// eq. (1), and the range of l for eq. (2), over the batch before anything else
static void ref_likelihoods(const struct reference *ref, const struct batch *b, double *l,
                            struct losses *out) {
  double lowest = INFINITY, highest = -INFINITY;
  for (int i = 0; i < B; i++) {
    const float *s = b->obs + OBS * i, *a = b->act + ACT * i, *from = b->achieved + GOAL * i;
    l[i] = ref_log_density(ref, s, a, from, b->goal + GOAL * i);
    lowest = fmin(lowest, l[i]);
    highest = fmax(highest, l[i]);
    out->mean_l += l[i] / B;
    out->nll -= ref_log_density(ref, s, a, from, b->next_achieved + GOAL * i) / B;
  }
  out->range_l = highest - lowest;
}

// what the defaults of gamma and the bound of q0 stand for
static double ref_gamma(const struct config *cfg) {
  return isnan(cfg->agent_gamma) ? 1 - 1.0 / DIMS.horizon : cfg->agent_gamma;
}

static double ref_q_max(const struct config *cfg) {
  return isnan(cfg->odac_discount_max) ? ref_gamma(cfg) : cfg->odac_discount_max;
}

// eqs. (3)-(12)
static struct losses ref_losses(const struct reference *ref, const struct batch *b) {
  struct losses out = {0};
  double l[B];
  ref_likelihoods(ref, b, l, &out);
  const struct config *cfg = &ref->cfg;
  const double alpha = exp(ref->log_alpha), gamma = ref_gamma(cfg);
  const double c = cfg->odac_reward_scale / ref->N, kappa = cfg->odac_time_temperature * c;
  for (int i = 0; i < B; i++) {
    const float *s = b->obs + OBS * i, *g = b->goal + GOAL * i, *next = b->next_obs + OBS * i;
    double a[ACT], logged[ACT] = {b->act[ACT * i], b->act[ACT * i + 1]};
    const double next_logp = ref_policy(a, ref, next, g, ref->next_eps[i]);
    const double V =
        fmin(ref_critic(ref, TARGET_1, next, g, a), ref_critic(ref, TARGET_2, next, g, a)) -
        (cfg->agent_value == AGENT_VALUE_SOFT ? alpha * next_logp : 0);
    out.mean_V += V / B;
    const double free = 1 / (1 + exp(-(V - c * l[i]) / kappa - log(gamma / (1 - gamma))));
    // nothing follows a true end
    const bool fixed = cfg->odac_discount == ODAC_DISCOUNT_FIXED;
    const double q = b->done[i] != 0 ? 0 : fixed ? gamma : fmin(free, ref_q_max(cfg));
    const double kl = fixed ? 0 : bernoulli_kl(q, gamma);
    const double y = (1 - q) * c * l[i] + q * V + (double)cfg->odac_time_kl_sign * kappa * kl;
    double Q[2];
    for (int k = 0; k < 2; k++) {
      Q[k] = ref_critic(ref, CRITIC_1 + k, s, g, logged);
      out.q[k] += (Q[k] - y) * (Q[k] - y) / B;
    }
    const double logp = ref_policy(a, ref, s, g, ref->eps[i]);
    out.pi += (alpha * logp -
               fmin(ref_critic(ref, CRITIC_1, s, g, a), ref_critic(ref, CRITIC_2, s, g, a))) /
              B;
    out.alpha -= ref->log_alpha * (logp + cfg->agent_entropy_per_action * ACT) / B;
    out.mean_logp += logp / B;
    out.mean_next_logp += next_logp / B;
    out.mean_c_l += c * l[i] / B;
    out.mean_q0 += q / B;
    out.mean_kl += kl / B;
    out.mean_q += fmin(Q[0], Q[1]) / B;
  }
  return out;
}

// the loss that a block descends on
static double loss_of(const struct losses *losses, int block) {
  return block == POLICY     ? losses->pi
         : block == CRITIC_1 ? losses->q[0]
         : block == CRITIC_2 ? losses->q[1]
                             : losses->nll;
}

// central differences in double: h = 1e-6 leaves about 1e-9
static void ref_gradient(double *grad, struct reference *ref, int block, const struct batch *b) {
  const double h = 1e-6;
  for (int i = 0; i < ref->n[block]; i++) {
    const double x = ref->theta[block][i];
    ref->theta[block][i] = x + h;
    const struct losses above = ref_losses(ref, b);
    ref->theta[block][i] = x - h;
    const struct losses below = ref_losses(ref, b);
    ref->theta[block][i] = x;
    grad[i] = (loss_of(&above, block) - loss_of(&below, block)) / (2 * h);
  }
}

static void ref_adam(double *x, double *m, double *v, const double *g, int n, int t, double lr) {
  for (int i = 0; i < n; i++) {
    m[i] = 0.9 * m[i] + 0.1 * g[i];
    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
    x[i] -= lr * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.999, t))) + 1e-8);
  }
}

static void ref_noise(struct reference *ref, uint64_t index) {
  struct rng rng;
  rng_init(&rng, (uint64_t)ref->cfg.run_seed, RNG_UPDATE, index);
  rng_fill_normal(&rng, &ref->next_eps[0][0], B * ACT);
  rng_fill_normal(&rng, &ref->eps[0][0], B * ACT);
}

// mean and deviation of n numbers a row in one array, or in two together, into ref from `at` on
static void ref_measure(struct reference *ref, int at, int n, const float *x, const float *y) {
  double sd[IN], all = 0;
  for (int i = 0; i < n; i++) {
    double mean = 0, variance = 0;
    for (int row = 0; row < B; row++) {
      mean += (x[row * n + i] + y[row * n + i]) / (2.0 * B);
    }
    for (int row = 0; row < B; row++) {
      variance += (pow(x[row * n + i] - mean, 2) + pow(y[row * n + i] - mean, 2)) / (2.0 * B);
    }
    ref->mean[at + i] = mean;
    sd[i] = sqrt(variance);
    all += variance / n;
  }
  for (int i = 0; i < n; i++) {
    ref->inv[at + i] = 1 / fmax(sd[i], 0.1 * sqrt(all));
  }
}

// before the first losses: the scales of what networks see, (12) alone, N and the critics' bias
static void ref_first(struct reference *ref, const struct batch *b) {
  const struct config *cfg = &ref->cfg;
  if (cfg->net_standardize) {
    ref_measure(ref, 0, OBS, b->obs, b->obs);
    ref_measure(ref, OBS, GOAL, b->achieved, b->goal);
  }
  for (int64_t i = 0; i < cfg->outcome_prefit; i++) {
    double grad[MAX_PARAMS];
    ref_gradient(grad, ref, OUTCOME, b);
    ref_adam(ref->theta[OUTCOME], ref->m[OUTCOME], ref->v[OUTCOME], grad, ref->n[OUTCOME],
             ++ref->outcome_t, cfg->outcome_lr);
  }
  struct losses losses = ref_losses(ref, b);
  ref->N = losses.range_l;
  if (cfg->odac_bias_init) {
    losses = ref_losses(ref, b);
    const bool soft = ref->cfg.agent_value == AGENT_VALUE_SOFT;
    const double level = losses.mean_c_l - (soft ? exp(ref->log_alpha) * losses.mean_next_logp : 0);
    for (int block = CRITIC_1; block <= TARGET_2; block++) {
      ref->theta[block][ref->n[block] - 1] = level;
    }
  }
}

static struct losses ref_update(struct reference *ref, const struct batch *b, uint64_t index) {
  static double grad[BLOCKS][MAX_PARAMS];
  ref_noise(ref, index);
  if (ref->t == 0) {
    ref_first(ref, b);
  }
  ref->t++;
  ref->outcome_t++;
  const struct losses losses = ref_losses(ref, b);
  for (int k = 0; k < TRAINED; k++) {
    ref_gradient(grad[TRAINED_BLOCK[k]], ref, TRAINED_BLOCK[k], b);
  }
  for (int k = 0; k < TRAINED; k++) {
    const int block = TRAINED_BLOCK[k];
    const double lr = block == OUTCOME ? ref->cfg.outcome_lr : ref->cfg.agent_lr;
    ref_adam(ref->theta[block], ref->m[block], ref->v[block], grad[block], ref->n[block],
             block == OUTCOME ? ref->outcome_t : ref->t, lr);
  }
  if (ref->cfg.agent_temperature == AGENT_TEMPERATURE_AUTO) {
    const double g = -(losses.mean_logp + ref->cfg.agent_entropy_per_action * ACT);
    ref_adam(&ref->log_alpha, &ref->alpha_m, &ref->alpha_v, &g, 1, ref->t, ref->cfg.agent_lr);
  }
  if (ref->cfg.agent_temperature == AGENT_TEMPERATURE_RESIDUAL) {
    // eq. (3) of learner/rules/actor_critic.h
    const double error = ref->cfg.agent_residual_scale * (losses.q[0] + losses.q[1]) / 4;
    const double decay = ref->cfg.agent_residual_decay;
    ref->log_alpha =
        log(fmin(fmax(decay * exp(ref->log_alpha) + (1 - decay) * error, ref->cfg.agent_alpha_min),
                 ref->cfg.agent_alpha_max));
  }
  // eqs. (2), (13)
  ref->N = ref->cfg.odac_reward_decay * ref->N + (1 - ref->cfg.odac_reward_decay) * losses.range_l;
  for (int i = 0; i < ref->n[CRITIC_1]; i++) {
    for (int k = 0; k < 2; k++) {
      ref->theta[TARGET_1 + k][i] +=
          ref->cfg.agent_tau * (ref->theta[CRITIC_1 + k][i] - ref->theta[TARGET_1 + k][i]);
    }
  }
  return losses;
}

// ---- the subject ----

static struct config tiny_config(void) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_seed = 7;
  cfg.train_batch = B;
  cfg.train_shards = 1;  // the reference draws its noise for all rows at once
  cfg.net_hidden = (struct widths){.n = 2, .v = {6, 5}};
  cfg.outcome_hidden = (struct widths){.n = 1, .v = {4}};
  cfg.outcome_prefit = 3;
  return cfg;
}

static struct updater *new_odac(const struct config *cfg) {
  return updater_new(&odac_rule, cfg, &DIMS, NULL);
}

static struct odac *odac_of(struct updater *u) {
  return u->self;
}

// what has seen all rows, the only part
static struct odac *part_of(struct updater *u) {
  cr_assert_eq(u->nshard, 1);
  return u->shard[0].self;
}

static struct net *net_of(struct updater *u, const char *name) {
  for (int i = 0; i < u->nets.n; i++) {
    if (strcmp(u->nets.at[i]->name, name) == 0) {
      return u->nets.at[i];
    }
  }
  cr_assert_fail("no net %s", name);
  return NULL;
}

static float *block_of(struct updater *u, int block, int *n) {
  const struct net *net = net_of(u, NET[block]);
  *n = (int)net->n;
  return block == TARGET_1 || block == TARGET_2 ? net->target : net->theta;
}

// weights of order 1, so that every gradient is well above rounding
static struct updater *random_odac(const struct config *cfg, uint64_t index) {
  struct updater *u = new_odac(cfg);
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, index);
  for (int block = 0; block < BLOCKS; block++) {
    int n;
    float *theta = block_of(u, block, &n);
    rng_fill_uniform(&rng, theta, (size_t)n, -0.5f, 0.5f);
  }
  return u;
}

static struct reference *reference_of(struct updater *u, const struct config *cfg) {
  struct reference *ref = must_alloc(1, sizeof *ref);
  ref->cfg = *cfg;
  for (int block = 0; block < BLOCKS; block++) {
    const float *theta = block_of(u, block, &ref->n[block]);
    cr_assert_leq(ref->n[block], MAX_PARAMS);
    for (int i = 0; i < ref->n[block]; i++) {
      ref->theta[block][i] = theta[i];
    }
  }
  for (int i = 0; i < IN; i++) {
    ref->mean[i] = u->scaling->mean[i];
    ref->inv[i] = u->scaling->inv[i];
  }
  ref->log_alpha = u->agent.log_alpha.theta[0];
  if (cfg->agent_temperature == AGENT_TEMPERATURE_RESIDUAL) {
    ref->log_alpha = log(odac_of(u)->base.alpha);
  }
  ref->N = odac_of(u)->N;
  return ref;
}

static struct batch *random_batch(int n, uint64_t index) {
  return minibatch_random(&DIMS, n, index);
}

// the settings under which the update is tested: defaults, and every other choice
enum { VARIANTS = 8 };

static struct config variant(int i) {
  struct config cfg = tiny_config();
  if (i == 1) {
    cfg.odac_discount_max = 0.9999;
    cfg.agent_gamma = 0.95;
    cfg.outcome_likelihood = OUTCOME_LIKELIHOOD_GAUSSIAN;
    cfg.outcome_scale = OUTCOME_SCALE_HEAD;
  } else if (i == 2) {
    cfg.odac_time_kl_sign = 1;
    cfg.odac_time_temperature = 0.5;
    cfg.odac_reward_scale = 3;
    cfg.odac_reward_decay = 0.9;
    cfg.agent_temperature = AGENT_TEMPERATURE_CONSTANT;
    cfg.agent_alpha = 0.2;
    cfg.odac_bias_init = false;
    cfg.outcome_likelihood = OUTCOME_LIKELIHOOD_LAPLACE;
    // with equal scales its slopes may add up to 0, which Adam would divide by
    cfg.outcome_scale = OUTCOME_SCALE_HEAD;
  } else if (i == 3) {
    cfg.odac_time_kl_sign = 0;
    cfg.agent_tau = 0.3;
    cfg.agent_entropy_per_action = 0.5;
    cfg.odac_discount_max = 0.5;
    cfg.net_standardize = false;
  } else if (i == 4) {
    cfg.outcome_model = OUTCOME_MODEL_FIXED;
    cfg.outcome_known_scale = 0.7;
  } else if (i == 5) {
    cfg.agent_gamma = 0.9;
    cfg.odac_time_temperature = 2;
    cfg.outcome_scale = OUTCOME_SCALE_DIMENSION;
    cfg.outcome_prefit = 0;
  } else if (i == 6) {
    cfg.odac_discount = ODAC_DISCOUNT_FIXED;
  } else if (i == 7) {
    cfg.agent_value = AGENT_VALUE_HARD;
    cfg.agent_temperature = AGENT_TEMPERATURE_RESIDUAL;
    cfg.agent_alpha = 0.3;
    cfg.agent_alpha_max = 2;
    cfg.agent_residual_scale = 0.1;
    cfg.agent_residual_decay = 0.8;
  }
  return cfg;
}

static void expect_near(double got, double want, double tolerance, const char *what) {
  cr_assert_float_eq(got, want, tolerance * fmax(1, fabs(want)), "%s: %.9g, want %.9g", what, got,
                     want);
}

static void expect_figures(const struct odac *o, const struct losses *l,
                           const struct reference *ref) {
  const struct odac_figures *s = &o->figures;
  const struct actor_critic_figures *base = &o->base.figures;
  const double c = s->scale;
  // float32 networks of order 1, which are apart by what Adam made of rounding after some steps
  const double tol = ref->outcome_t > 1 ? 5e-5 : 1e-5;
  expect_near(base->loss_pi, l->pi, tol, "loss_pi");
  expect_near(s->nll, l->nll, tol, "nll");
  expect_near(base->alpha, exp(ref->log_alpha), tol, "alpha");
  // values are as exact as their networks, and q0 moves by up to a quarter of theirs over kappa
  const double value = 5 * tol,
               discount = fmax(tol, value / (4 * c * ref->cfg.odac_time_temperature));
  // an error of a value of order 1, times twice what is squared
  expect_near(base->loss_q, 0.5 * (l->q[0] + l->q[1]), 4 * value, "loss_q");
  expect_near(s->q0, l->mean_q0, discount, "q0");
  expect_near(s->kl, l->mean_kl, discount, "kl");
  expect_near(s->log_lik, l->mean_l, tol, "log_lik");
  expect_near(s->log_lik_highest - s->log_lik_lowest, l->range_l, tol, "range of log_lik");
  expect_near(s->scale, c, tol, "scale");
  expect_near(base->value, l->mean_V, value, "value");
  expect_near(base->q, l->mean_q, tol, "q");
  expect_near(base->entropy, -l->mean_logp, tol, "entropy");
}

// relative L2 error of one parameter group of a gradient
static void expect_group(const float *got, const double *want, int n, const char *what) {
  double error = 0, size = 0;
  for (int i = 0; i < n; i++) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  cr_assert_gt(size, 1e-12, "%s has no gradient", what);
  cr_assert_lt(sqrt(error), 1e-4 * sqrt(size) + 1e-7, "%s: error %g of %g", what, sqrt(error),
               sqrt(size));
}

// each layer's weights and biases and the free numbers of a net, against differences of its loss
static void expect_gradient(const struct net *net, const double *want) {
  if (net->mlp.nlayer > 0 && net->constant) {
    // a fixed outcome model
    for (size_t i = 0; i < net->n; i++) {
      cr_assert(net->grad[i] == 0 && want[i] == 0);
    }
    return;
  }
  for (int l = 0; l < net->mlp.nlayer; l++) {
    const int W = (int)mlp_weight_offset(&net->mlp, l), bias = (int)mlp_bias_offset(&net->mlp, l);
    expect_group(net->grad + W, want + W, bias - W, net->name);
    expect_group(net->grad + bias, want + bias, net->mlp.width[l + 1], net->name);
  }
  const int rest = (int)net->mlp.nparam;
  if ((int)net->n > rest) {
    expect_group(net->grad + rest, want + rest, (int)net->n - rest, net->name);
  }
}

// eqs. (9), (10), (12): every parameter group of every net; eq. (11): log alpha
Test(odac, gradients_equal_central_differences) {
  for (int v = 0; v < VARIANTS; v++) {
    const struct config cfg = variant(v);
    struct updater *u = random_odac(&cfg, (uint64_t)v);
    struct batch *b = random_batch(B, (uint64_t)v);
    // scales, an N and an alpha of their own
    for (int i = 0; i < IN && cfg.net_standardize; i++) {
      u->scaling->mean[i] = 0.2f * (float)(i - 1);
      u->scaling->inv[i] = 0.6f + 0.3f * (float)i;
    }
    odac_of(u)->N = 2.5;
    u->agent.log_alpha.theta[0] = -0.7f;
    struct reference *ref = reference_of(u, &cfg);
    ref_noise(ref, 9);
    agent_begin(&u->agent, NULL);
    u->rule->losses(u->self, &u->agent, b, 9);
    for (int k = 0; k < TRAINED; k++) {
      double want[MAX_PARAMS];
      ref_gradient(want, ref, TRAINED_BLOCK[k], b);
      expect_gradient(net_of(u, NET[TRAINED_BLOCK[k]]), want);
    }
    const double h = 1e-4, x = ref->log_alpha;
    ref->log_alpha = x + h;
    const double above = ref_losses(ref, b).alpha;
    ref->log_alpha = x - h;
    const double below = ref_losses(ref, b).alpha;
    expect_near(net_of(u, "log_alpha")->grad[0], (above - below) / (2 * h), 1e-5, "log alpha");
    cr_assert_eq(TRAINED + 1, u->nets.n, "a net has no reference");
    free(ref);
    batch_free(b);
    updater_free(u);
  }
}

// eqs. (1)-(13), Adam, the order of steps and what is measured before the first update
Test(odac, updates_equal_a_plain_reference) {
  for (int v = 0; v < VARIANTS; v++) {
    const struct config cfg = variant(v);
    struct updater *u = random_odac(&cfg, 10 + (uint64_t)v);
    struct reference *ref = reference_of(u, &cfg);
    for (uint64_t index = 0; index < 6; index++) {
      struct batch *b = random_batch(B, 100 * (uint64_t)v + index);
      if (index == 0) {
        cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
      }
      cr_assert_eq(updater_update(u, b, index), ERR_OK);
      const struct losses losses = ref_update(ref, b, index);
      expect_figures(odac_of(u), &losses, ref);
      for (int block = 0; block < BLOCKS; block++) {
        int n;
        const float *theta = block_of(u, block, &n);
        const double lr = block == OUTCOME ? cfg.outcome_lr : cfg.agent_lr;
        for (int i = 0; i < n; i++) {
          // Adam divides by the gradient's size, so rounding shows as a share of a step
          cr_assert_float_eq(theta[i], ref->theta[block][i], 0.02 * lr,
                             "variant %d update %d block %d[%d]: %.9g, want %.9g", v, (int)index,
                             block, i, (double)theta[i], ref->theta[block][i]);
        }
      }
      if (cfg.agent_temperature == AGENT_TEMPERATURE_RESIDUAL) {
        expect_near(odac_of(u)->base.alpha, exp(ref->log_alpha), 1e-4, "residual temperature");
      } else {
        expect_near(u->agent.log_alpha.theta[0], ref->log_alpha, 1e-6, "log alpha");
      }
      expect_near(odac_of(u)->N, ref->N, 1e-6, "N");
      batch_free(b);
    }
    free(ref);
    updater_free(u);
  }
}

// c is k / N with the N from before the update, eqs. (2), (3)
Test(odac, reward_scale_follows_the_running_range) {
  struct config cfg = tiny_config();
  cfg.odac_reward_scale = 3;
  cfg.odac_reward_decay = 0.75;
  cfg.odac_time_temperature = 0.4;
  struct updater *u = random_odac(&cfg, 20);
  double N = 0;
  for (uint64_t index = 0; index < 4; index++) {
    struct batch *b = random_batch(B, 200 + index);
    float l[B];
    if (index == 0) {
      cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    }
    outcome_loglik(odac_of(u)->outcome, l, b);
    double lowest = INFINITY, highest = -INFINITY;
    for (int i = 0; i < B; i++) {
      lowest = fmin(lowest, (double)l[i]);
      highest = fmax(highest, (double)l[i]);
    }
    N = index == 0 ? highest - lowest : N;
    cr_assert_eq(updater_update(u, b, index), ERR_OK);
    expect_near(odac_of(u)->figures.scale, 3 / N, 1e-6, "c");
    expect_near(part_of(u)->backup.kappa, 3 / N * cfg.odac_time_temperature, 1e-6, "kappa");
    N = 0.75 * N + 0.25 * (highest - lowest);
    expect_near(odac_of(u)->N, N, 1e-6, "N");
    batch_free(b);
  }
  updater_free(u);
}

// N has a floor: a minibatch all of whose likelihoods are equal does not divide by zero
Test(odac, equal_likelihoods_stay_finite) {
  struct config cfg = tiny_config();
  cfg.odac_reward_decay = 0;
  cfg.outcome_prefit = 0;
  struct updater *u = new_odac(&cfg);
  struct net *outcome = net_of(u, "outcome");
  memset(outcome->theta, 0, outcome->n * sizeof(float));
  outcome->theta[outcome->n - 1] = (float)log(0.5);
  struct batch *b = random_batch(B, 35);
  memcpy(b->goal, b->achieved, B * GOAL * sizeof(float));
  cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
  cr_assert_eq(updater_update(u, b, 0), ERR_OK);
  const struct odac_figures *figures = &odac_of(u)->figures;
  cr_assert_eq(figures->log_lik_lowest, figures->log_lik_highest);
  cr_assert_gt(odac_of(u)->N, 0);
  cr_assert_eq(updater_update(u, b, 1), ERR_OK);
  batch_free(b);
  updater_free(u);
}

Test(odac, bias_initialisation_happens_once) {
  for (int on = 0; on <= 1; on++) {
    struct config cfg = tiny_config();
    cfg.odac_bias_init = on;
    struct updater *u = new_odac(&cfg);
    struct odac *o = odac_of(u);
    struct batch *b = random_batch(B, 30);
    cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    cr_assert_eq(updater_update(u, b, 0), ERR_OK);
    // initial critics are almost 0 and an update moves a bias by at most one lr
    double level = 0;
    for (int i = 0; i < B; i++) {
      level += (o->cl[i] - cfg.agent_alpha * o->base.next_logp[i]) / B;
    }
    const float *bias[2];
    for (int i = 0; i < 2; i++) {
      const struct net *critic = &u->agent.critic[i];
      bias[i] = &critic->theta[critic->n - 1];
      cr_assert_float_eq(*bias[i], on ? level : 0, 1.01 * cfg.agent_lr);
      cr_assert_float_eq(critic->target[critic->n - 1], on ? level : 0, 1.01 * cfg.agent_lr);
    }
    cr_assert_gt(fabs(level), 0.05);
    // a second minibatch with other likelihoods does not set it again
    const float before = *bias[0];
    for (int i = 0; i < B; i++) {
      b->goal[i] += 50;
    }
    cr_assert_eq(updater_update(u, b, 1), ERR_OK);
    cr_assert_float_eq(*bias[0], before, 2 * cfg.agent_lr);
    batch_free(b);
    updater_free(u);
  }
}

// a first minibatch of bad numbers changes neither N nor the critics
Test(odac, a_bad_first_minibatch_prepares_nothing) {
  for (int on = 0; on <= 1; on++) {
    struct config cfg = tiny_config();
    cfg.odac_bias_init = on;
    struct updater *u = random_odac(&cfg, 40);
    const float bad[] = {NAN, INFINITY, 1e30f};
    for (int k = 0; k < 3; k++) {
      struct batch *b = random_batch(B, 40);
      b->goal[3] = bad[k];
      size_t n, m;
      unsigned char *before = minibatch_state(u, &n);
      cr_assert_eq(minibatch_prepare(u, b), ERR_NUMERIC);
      unsigned char *after = minibatch_state(u, &m);
      cr_assert(n == m && memcmp(before, after, n) == 0);
      free(before);
      free(after);
      batch_free(b);
    }
    updater_free(u);
  }
}

Test(odac, far_goals_stay_finite) {
  for (int standardize = 0; standardize <= 1; standardize++) {
    struct config cfg = tiny_config();
    cfg.net_standardize = standardize;
    struct updater *u = new_odac(&cfg);
    struct batch *b = random_batch(B, 50);
    for (int i = 0; i < B * GOAL; i++) {
      b->goal[i] = i % 2 ? 1e6f : -1e3f;
    }
    cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    for (uint64_t index = 0; index < 5; index++) {
      cr_assert_eq(updater_update(u, b, index), ERR_OK);
      for (int i = 0; i < u->rule->nfigure; i++) {
        cr_assert(isfinite(updater_figure(u, i)), "%s", u->rule->figure[i].name);
      }
    }
    batch_free(b);
    updater_free(u);
  }
}

// unset, gamma looks as far as an episode lasts
Test(odac, gamma_follows_the_horizon) {
  struct config cfg = tiny_config();
  const struct {
    int horizon;
    double gamma;
  } unset[] = {{1, 0.5}, {10, 0.9}, {20, 0.95}, {50, 0.97}, {100, 0.97}, {1000000, 0.97}};
  for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) {
    cr_assert_float_eq(actor_critic_gamma(&cfg, unset[i].horizon, 0.97), unset[i].gamma, 1e-15);
  }
  for (int set = 0; set <= 1; set++) {
    cfg.agent_gamma = set ? 0.93 : NAN;
    for (int bound = 0; bound <= 1; bound++) {
      cfg.odac_discount_max = bound ? 0.7 : NAN;
      struct updater *u = new_odac(&cfg);
      cr_assert_float_eq(odac_of(u)->backup.gamma, set ? 0.93 : 0.9, 1e-15);
      cr_assert_eq(odac_of(u)->backup.q_max, bound ? 0.7 : odac_of(u)->backup.gamma);
      updater_free(u);
    }
  }
}

// eq. (9) of learner/rules/backup.h inside an update, with the bound of q0 below, at and above
// gamma
Test(odac, a_true_end_ends_whatever_the_bound) {
  const double bound[] = {0.5, 0.9, 0.9999};
  for (int k = 0; k < 3; k++) {
    struct config cfg = tiny_config();
    cfg.agent_gamma = 0.9;
    cfg.odac_discount_max = bound[k];
    struct updater *u = random_odac(&cfg, 70);
    struct batch *b = random_batch(B, 70);
    cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    cr_assert_eq(updater_update(u, b, 0), ERR_OK);
    const struct odac *o = part_of(u);
    int ends = 0;
    for (int i = 0; i < B; i++) {
      const double kappa = (double)o->figures.scale;
      if (b->done[i] != 0) {
        ends++;
        cr_assert_eq(o->q0[i], 0);
        expect_near(o->base.y[i], (double)o->cl[i] + kappa * log(0.1), 1e-6, "y at an end");
      } else {
        cr_assert(o->q0[i] > 0 && o->q0[i] <= (float)bound[k]);
      }
    }
    cr_assert(ends > 0 && ends < B);
    batch_free(b);
    updater_free(u);
  }
}

// outcome.prefit steps before the first update, of the outcome model and of nothing else
Test(odac, the_outcome_model_is_fitted_first) {
  for (int fixed = 0; fixed <= 1; fixed++) {
    struct config cfg = tiny_config();
    cfg.outcome_prefit = 300;
    cfg.odac_bias_init = false;
    cfg.outcome_model = fixed ? OUTCOME_MODEL_FIXED : OUTCOME_MODEL_LEARNED;
    struct updater *u = random_odac(&cfg, 71);
    struct batch *b = random_batch(B, 71);
    float before[NETS_MAX];
    for (int i = 0; i < u->nets.n; i++) {
      before[i] = u->nets.at[i]->theta[0];
    }
    cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
    for (int i = 0; i < u->nets.n; i++) {
      const struct net *net = u->nets.at[i];
      const bool fitted = strcmp(net->name, "outcome") == 0 && !fixed;
      cr_assert_eq(net->adam.t, fitted ? 300 : 0, "%s", net->name);
      cr_assert_eq(net->theta[0] != before[i], fitted, "%s", net->name);
    }
    // and N is the range of what it says then
    float l[B], lowest = INFINITY, highest = -INFINITY;
    outcome_loglik(odac_of(u)->outcome, l, b);
    for (int i = 0; i < B; i++) {
      lowest = fminf(lowest, l[i]);
      highest = fmaxf(highest, l[i]);
    }
    expect_near(odac_of(u)->N, highest - lowest, 1e-6, "N");
    batch_free(b);
    updater_free(u);
  }
}

// the names of every checkpoint so far
Test(odac, tensors_keep_their_names) {
  static const char *const want[] = {
      "policy.params",         "policy.adam.m",        "policy.adam.v",    "policy.adam.t",
      "critic1.params",        "critic1.adam.m",       "critic1.adam.v",   "critic1.adam.t",
      "critic2.params",        "critic2.adam.m",       "critic2.adam.v",   "critic2.adam.t",
      "target_critic1.params", "log_alpha.value",      "log_alpha.adam.m", "log_alpha.adam.v",
      "target_critic2.params", "log_alpha.adam.t",     "outcome.params",   "outcome.adam.m",
      "outcome.adam.v",        "outcome.adam.t",       "reward.range",     "scaling.mean",
      "scaling.inv",           "temperature.residual",
  };
  const int nwant = sizeof want / sizeof *want;
  const struct config cfg = tiny_config();
  struct updater *u = new_odac(&cfg);
  struct st_tensor tensor[MINIBATCH_MAX_TENSORS];
  cr_assert_eq(updater_tensors(u, tensor, MINIBATCH_MAX_TENSORS), nwant);
  for (int i = 0; i < nwant; i++) {
    int found = 0;
    for (int k = 0; k < nwant; k++) {
      found += strcmp(tensor[k].name, want[i]) == 0;
    }
    cr_assert_eq(found, 1, "%s", want[i]);
  }
  updater_free(u);
}

// every setting that the table of odac.h names can be set to the value that it gives
Test(odac, the_table_of_deviations_names_real_settings) {
  FILE *f = fopen(source_path("learner/rules/odac.h"), "r");
  cr_assert_not_null(f);
  struct config cfg = tiny_config();
  char line[256];
  int found = 0;
  while (fgets(line, sizeof line, f) && strncmp(line, "#ifndef", 7) != 0) {
    char *rest = line;
    for (char *word; (word = strtok_r(rest, " ;\n", &rest)) != NULL;) {
      char *dot = strchr(word, '.');
      if (dot != NULL && strchr(dot, '=') != NULL) {
        cr_assert_eq(config_set(&cfg, word), ERR_OK, "%s", word);
        found++;
      }
    }
  }
  fclose(f);
  cr_assert_gt(found, 15);
}

// slow copies start as copies of their critics; twins differ; a policy has the stated shape
Test(odac, initial_networks) {
  const struct config cfg = tiny_config();
  struct updater *u = new_odac(&cfg);
  const struct net *critic = u->agent.critic;
  const size_t n = critic[0].n * sizeof(float);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(memcmp(critic[i].theta, critic[i].target, n), 0);
  }
  cr_assert_neq(memcmp(critic[0].theta, critic[1].theta, n), 0);
  const struct mlp *policy = updater_policy(u);
  const int width[] = {OBS + GOAL, 6, 5, 2 * ACT};
  cr_assert_eq(policy->nlayer, 3);
  for (int l = 0; l < 4; l++) {
    cr_assert_eq(policy->width[l], width[l]);
  }
  updater_free(u);
}
