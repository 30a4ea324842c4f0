// Tests of learner/rules/odac.h. The backup of eqs. (2)-(3) is held against its other form and a
// grid search; an update is held against a reference in plain double arithmetic, one row at a time,
// whose gradients are central differences of the losses, so that it shares nothing with the code.
#include "learner/rules/odac.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "learner/replay/batch.h"
#include "learner/rules/odac_internal.h"

// ---- eqs. (2)-(3) ----

static double uniform(struct rng *rng, double lo, double hi) {
  return lo + (hi - lo) * rng_float(rng);
}

static double log_add_exp(double a, double b) {
  return fmax(a, b) + log1p(exp(-fabs(a - b)));
}

static double bernoulli_kl(double q, double gamma) {
  const double stay = q > 0 ? q * log(q / gamma) : 0;
  const double end = q < 1 ? (1 - q) * log((1 - q) / (1 - gamma)) : 0;
  return stay + end;
}

// one element through the public function
static void target(double *y, double *q0, double *kl, double r, double V, double done,
                   const struct odac_target_options *opt) {
  const float fr = (float)r, fV = (float)V, fdone = (float)done;
  float fy, fq, fkl;
  odac_target(&fy, &fq, &fkl, &fr, &fV, &fdone, opt, 1);
  *y = fy;
  *q0 = fq;
  *kl = fkl;
}

// unclamped, (3) is kappa logaddexp(r / kappa + log(1 - gamma), V / kappa + log gamma)
Test(target, equals_the_log_sum_exp_form) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (int i = 0; i < 20000; i++) {
    const double gamma = uniform(&rng, 0.5, 0.9999), kappa = exp(uniform(&rng, -2, 2));
    const struct odac_target_options opt = {
        .gamma = gamma, .q_max = 1, .kappa = kappa, .kl_sign = -1};
    const double width = i % 2 ? 5 : 200;
    const float r = (float)uniform(&rng, -width, width), V = (float)uniform(&rng, -width, width);
    const double want = kappa * log_add_exp(r / kappa + log1p(-gamma), V / kappa + log(gamma));
    double y, q, kl;
    target(&y, &q, &kl, r, V, 0, &opt);
    // y is rounded to float32 once
    cr_assert_float_eq(y, want, 1e-6 * fmax(1, fabs(want)), "y = %.9g, want %.9g", y, want);
    // the double core has no such rounding
    const struct odac_backup_constants c = odac_backup_prepare(&opt);
    cr_assert_float_eq(odac_backup(r, V, false, &c).y, want, 1e-12 * fmax(100, fabs(want)));
  }
}

// (2) is the maximiser of the bound (1 - q) r + q V - kappa KL on [0, q_max]
Test(target, inferred_discount_wins_a_grid_search) {
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  for (int i = 0; i < 300; i++) {
    const struct odac_target_options opt = {.gamma = uniform(&rng, 0.5, 0.99),
                                            .q_max = i % 3 ? uniform(&rng, 0.3, 1) : 1,
                                            .kappa = exp(uniform(&rng, -1, 1)),
                                            .kl_sign = -1};
    const float r = (float)uniform(&rng, -4, 4), V = (float)uniform(&rng, -4, 4);
    double best = -INFINITY, argmax = 0;
    for (int k = 0; k <= 10000; k++) {
      const double q = opt.q_max * k / 10000.0;
      const double bound = (1 - q) * r + q * V - opt.kappa * bernoulli_kl(q, opt.gamma);
      if (bound > best) {
        best = bound;
        argmax = q;
      }
    }
    double y, q, kl;
    target(&y, &q, &kl, r, V, 0, &opt);
    cr_assert_float_eq(q, argmax, 1.1e-4, "q = %g, grid says %g", q, argmax);
    // nothing on the grid is better than y, and y is hardly better than the grid
    cr_assert(y > best - 1e-5 && y < best + 1e-3, "y = %g, grid says %g", y, best);
  }
}

Test(target, clamp_and_kl_bounds) {
  struct rng rng;
  rng_init(&rng, 3, RNG_TEST, 0);
  int clamped = 0;
  for (int i = 0; i < 20000; i++) {
    const struct odac_target_options opt = {.gamma = uniform(&rng, 0.5, 0.9999),
                                            .q_max = uniform(&rng, 0, 1),
                                            .kappa = exp(uniform(&rng, -2, 2)),
                                            .kl_sign = -1};
    const float r = (float)uniform(&rng, -20, 20), V = (float)uniform(&rng, -20, 20);
    double y, q, kl;
    target(&y, &q, &kl, r, V, 0, &opt);
    cr_assert(q >= 0 && q <= (float)opt.q_max);
    cr_assert_geq(kl, 0);
    const double x = (V - (double)r) / opt.kappa + log(opt.gamma / (1 - opt.gamma));
    const double want = fmin(1 / (1 + exp(-x)), opt.q_max);
    clamped += want == opt.q_max;
    cr_assert_float_eq(q, want, 1e-6);
    cr_assert_float_eq(kl, bernoulli_kl(want, opt.gamma), 1e-5);
    cr_assert_float_eq(y, (1 - want) * r + want * V - opt.kappa * bernoulli_kl(want, opt.gamma),
                       1e-4);
  }
  cr_assert(clamped > 2000 && clamped < 18000);
}

// with q_max = gamma the clamp gives the fixed discount exactly wherever V >= r
Test(target, fixed_discount_has_no_kl) {
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  for (int i = 0; i < 1000; i++) {
    const double gamma = uniform(&rng, 0.5, 0.9999);
    const struct odac_target_options opt = {
        .gamma = gamma, .q_max = gamma, .kappa = 1, .kl_sign = -1};
    const float r = (float)uniform(&rng, -20, 20), V = r + (float)uniform(&rng, 1e-3, 20);
    double y, q, kl;
    target(&y, &q, &kl, r, V, 0, &opt);
    cr_assert_eq(kl, 0);
    cr_assert_eq(q, (float)gamma);
    cr_assert_float_eq(y, (1 - gamma) * r + gamma * V, 1e-5);
  }
}

// y = (1 - q) r + q V + sign kappa KL; q does not depend on the sign
Test(target, signs_of_the_time_kl) {
  for (int sign = -1; sign <= 1; sign++) {
    const struct odac_target_options opt = {
        .gamma = 0.9, .q_max = 0.99, .kappa = 2, .kl_sign = sign};
    double y, q, kl;
    target(&y, &q, &kl, -1, -6, 0, &opt);
    const double want = 1 / (1 + exp(-(-5 / 2.0 + log(9))));
    cr_assert_float_eq(q, want, 1e-6);
    cr_assert_float_eq(y, (1 - want) * -1 + want * -6 + sign * 2 * bernoulli_kl(want, 0.9), 1e-5);
  }
}

// a true end bootstraps nothing: y = r, whatever V
Test(target, a_true_end_gives_the_reward) {
  const struct odac_target_options opt = {.gamma = 0.99, .q_max = 0.99, .kappa = 1, .kl_sign = -1};
  const double V[] = {-1e4, -1, 0, 3, 1e4};
  for (int i = 0; i < 5; i++) {
    double y, q, kl;
    target(&y, &q, &kl, -2.5, V[i], 1, &opt);
    cr_assert_float_eq(y, -2.5, 1e-6);
    cr_assert_float_eq(kl, 0, 1e-12);
  }
  // absent done is done = 0
  const float r = -1, v = -2;
  float with, without, zero = 0;
  odac_target(&with, NULL, NULL, &r, &v, &zero, &opt, 1);
  odac_target(&without, NULL, NULL, &r, &v, NULL, &opt, 1);
  cr_assert_eq(with, without);
}

Test(target, extreme_inputs_stay_finite) {
  const double r[] = {-1e6, -1, 0, 1e3, 1e6}, V[] = {-1e4, -1e6, 0, 1e4, 1e6};
  const double q_max[] = {0, 1e-6, 0.5, 0.99, 0.999999, 1};
  const double kappa[] = {1e-3, 1, 1e3};
  const double gamma[] = {0.5, 0.99, 0.9999};
  for (int i = 0; i < 5 * 5 * 6 * 3 * 3 * 2; i++) {
    const struct odac_target_options opt = {.gamma = gamma[i / 450 % 3],
                                            .q_max = q_max[i / 25 % 6],
                                            .kappa = kappa[i / 150 % 3],
                                            .kl_sign = -1};
    double y, q, kl;
    target(&y, &q, &kl, r[i % 5], V[i / 5 % 5], i / 1350, &opt);
    cr_assert(isfinite(y) && isfinite(q) && isfinite(kl), "r %g V %g q_max %g kappa %g", r[i % 5],
              V[i / 5 % 5], opt.q_max, opt.kappa);
    cr_assert(q >= 0 && q <= (float)opt.q_max && kl >= 0);
  }
}

// ---- the reference ----

enum { OBS = 2, ACT = 2, GOAL = 1, B = 12 };
enum { POLICY, CRITIC_1, CRITIC_2, TARGET_1, TARGET_2, OUTCOME, BLOCKS };
enum { MAX_PARAMS = 200, MAX_WIDTH = 16 };

static const struct dims DIMS = {
    .obs = OBS, .act = ACT, .goal = GOAL, .horizon = 10, .hindsight = 1};

struct reference {
  struct config cfg;
  double theta[BLOCKS][MAX_PARAMS], m[BLOCKS][MAX_PARAMS], v[BLOCKS][MAX_PARAMS];
  int n[BLOCKS];
  double log_alpha, alpha_m, alpha_v, N;
  int t;
  float eps[B][ACT], next_eps[B][ACT];
};

struct losses {
  double q[2], pi, alpha, nll, max_l;
  double mean_l, mean_c_l, mean_next_logp, mean_logp, mean_V, mean_q0, mean_kl, mean_q;
};

// the network's rule of learner/nn/mlp.h eq. (1), for one row
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

// a = tanh(mu + std eps) and its log-density by the change of variables, unstable but plain
static double ref_policy(double *a, const struct reference *ref, const float *obs,
                         const float *goal, const float *eps) {
  double in[OBS + GOAL], head[2 * ACT], logp = 0;
  for (int i = 0; i < OBS + GOAL; i++) {
    in[i] = i < OBS ? obs[i] : goal[i - OBS];
  }
  ref_forward(head, ref->theta[POLICY], &ref->cfg.net_hidden, OBS + GOAL, 2 * ACT, in);
  for (int i = 0; i < ACT; i++) {
    const double log_std = fmin(fmax(head[ACT + i], -20), 2);
    a[i] = tanh(head[i] + exp(log_std) * eps[i]);
    logp += -0.5 * eps[i] * eps[i] - log_std - 0.5 * log(2 * M_PI) - log(1 - a[i] * a[i]);
  }
  return logp;
}

static double ref_critic(const struct reference *ref, int which, const float *obs,
                         const float *goal, const double *a) {
  double in[OBS + GOAL + ACT], out;
  for (int i = 0; i < OBS + GOAL + ACT; i++) {
    in[i] = i < OBS ? obs[i] : i < OBS + GOAL ? goal[i - OBS] : a[i - OBS - GOAL];
  }
  ref_forward(&out, ref->theta[which], &ref->cfg.net_hidden, OBS + GOAL + ACT, 1, in);
  return out;
}

static double ref_log_density(const struct reference *ref, const float *obs, const float *act,
                              const float *achieved, const float *g) {
  const bool laplace = ref->cfg.outcome_likelihood[0] == 'l';
  const bool head = ref->cfg.outcome_scale[0] == 'h';
  double in[OBS + ACT], out[2 * GOAL];
  for (int i = 0; i < OBS + ACT; i++) {
    in[i] = i < OBS ? obs[i] : act[i - OBS];
  }
  ref_forward(out, ref->theta[OUTCOME], &ref->cfg.outcome_hidden, OBS + ACT, head ? 2 * GOAL : GOAL,
              in);
  double sum = 0;
  for (int i = 0; i < GOAL; i++) {
    const double o = head ? out[GOAL + i] : ref->theta[OUTCOME][ref->n[OUTCOME] - GOAL + i];
    const double s = fmin(fmax(exp(o), ref->cfg.outcome_scale_min), ref->cfg.outcome_scale_max);
    const double z = (g[i] - achieved[i] - out[i]) / s;
    sum += laplace ? -fabs(z) - log(2 * s) : -0.5 * z * z - log(s) - 0.5 * log(2 * M_PI);
  }
  return sum;
}

// eq. (8) needs max |l| over the batch before anything else
static void ref_likelihoods(const struct reference *ref, const struct batch *b, double *l,
                            struct losses *out) {
  for (int i = 0; i < B; i++) {
    const float *s = b->obs + OBS * i, *a = b->act + ACT * i, *from = b->achieved + GOAL * i;
    l[i] = ref_log_density(ref, s, a, from, b->goal + GOAL * i);
    out->max_l = fmax(out->max_l, fabs(l[i]));
    out->mean_l += l[i] / B;
    out->nll -= ref_log_density(ref, s, a, from, b->next_achieved + GOAL * i) / B;
  }
}

// eqs. (1)-(6)
static struct losses ref_losses(const struct reference *ref, const struct batch *b) {
  struct losses out = {0};
  double l[B];
  ref_likelihoods(ref, b, l, &out);
  const struct config *cfg = &ref->cfg;
  const double alpha = exp(ref->log_alpha), gamma = cfg->odac_gamma;
  const double kappa = cfg->odac_time_temperature, c = cfg->odac_reward_scale / ref->N;
  for (int i = 0; i < B; i++) {
    const float *s = b->obs + OBS * i, *g = b->goal + GOAL * i, *next = b->next_obs + OBS * i;
    double a[ACT], logged[ACT] = {b->act[ACT * i], b->act[ACT * i + 1]};
    const double next_logp = ref_policy(a, ref, next, g, ref->next_eps[i]);
    double V = fmin(ref_critic(ref, TARGET_1, next, g, a), ref_critic(ref, TARGET_2, next, g, a)) -
               alpha * next_logp;
    out.mean_V += V / B;
    V = b->done[i] != 0 ? c * l[i] : V;
    const double q = fmin(1 / (1 + exp(-(V - c * l[i]) / kappa - log(gamma / (1 - gamma)))),
                          cfg->odac_discount_max > 0 ? cfg->odac_discount_max : gamma);
    const double kl = bernoulli_kl(q, gamma);
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
    out.alpha -= ref->log_alpha * (logp + cfg->odac_entropy_per_action * ACT) / B;
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

// N and the critics' bias before the first losses
static void ref_first(struct reference *ref, const struct batch *b) {
  struct losses losses = ref_losses(ref, b);
  ref->N = losses.max_l;
  if (ref->cfg.odac_bias_init) {
    losses = ref_losses(ref, b);
    const double level = losses.mean_c_l - exp(ref->log_alpha) * losses.mean_next_logp;
    for (int block = CRITIC_1; block <= TARGET_2; block++) {
      ref->theta[block][ref->n[block] - 1] = level;
    }
  }
}

static struct losses ref_update(struct reference *ref, const struct batch *b, uint64_t index) {
  static const int trained[] = {POLICY, CRITIC_1, CRITIC_2, OUTCOME};
  static double grad[BLOCKS][MAX_PARAMS];
  ref_noise(ref, index);
  if (ref->t == 0) {
    ref_first(ref, b);
  }
  ref->t++;
  const struct losses losses = ref_losses(ref, b);
  for (int k = 0; k < 4; k++) {
    ref_gradient(grad[trained[k]], ref, trained[k], b);
  }
  for (int k = 0; k < 4; k++) {
    const int block = trained[k];
    const double lr = block == OUTCOME ? ref->cfg.outcome_lr : ref->cfg.odac_lr;
    ref_adam(ref->theta[block], ref->m[block], ref->v[block], grad[block], ref->n[block], ref->t,
             lr);
  }
  if (ref->cfg.odac_alpha_auto) {
    const double g = -(losses.mean_logp + ref->cfg.odac_entropy_per_action * ACT);
    ref_adam(&ref->log_alpha, &ref->alpha_m, &ref->alpha_v, &g, 1, ref->t, ref->cfg.odac_lr);
  }
  // eqs. (8), (7)
  ref->N = ref->cfg.odac_reward_decay * ref->N + (1 - ref->cfg.odac_reward_decay) * losses.max_l;
  for (int i = 0; i < ref->n[CRITIC_1]; i++) {
    for (int k = 0; k < 2; k++) {
      ref->theta[TARGET_1 + k][i] +=
          ref->cfg.odac_tau * (ref->theta[CRITIC_1 + k][i] - ref->theta[TARGET_1 + k][i]);
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
  cfg.net_hidden = (struct widths){.n = 2, .v = {6, 5}};
  cfg.outcome_hidden = (struct widths){.n = 1, .v = {4}};
  return cfg;
}

static float *block_of(struct odac *o, int block, int *n) {
  struct mlp *net[] = {o->policy, o->critic[0], o->critic[1], o->critic_target[0],
                       o->critic_target[1]};
  *n = block == OUTCOME ? outcome_nparam(o->outcome) : (int)net[block]->nparam;
  return block == OUTCOME ? outcome_params(o->outcome) : net[block]->theta;
}

// weights of order 1, so that every gradient is well above rounding
static struct odac *random_odac(const struct config *cfg, uint64_t index) {
  struct odac *o = odac_new(cfg, &DIMS);
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, index);
  for (int block = 0; block < BLOCKS; block++) {
    int n;
    float *theta = block_of(o, block, &n);
    rng_fill_uniform(&rng, theta, (size_t)n, -0.7f, 0.7f);
  }
  return o;
}

static struct reference *reference_of(struct odac *o, const struct config *cfg) {
  struct reference *ref = must_alloc(1, sizeof *ref);
  ref->cfg = *cfg;
  for (int block = 0; block < BLOCKS; block++) {
    const float *theta = block_of(o, block, &ref->n[block]);
    cr_assert_leq(ref->n[block], MAX_PARAMS);
    for (int i = 0; i < ref->n[block]; i++) {
      ref->theta[block][i] = theta[i];
    }
  }
  ref->log_alpha = o->log_alpha;
  ref->N = o->magnitude;
  return ref;
}

static struct batch *random_batch(int n, uint64_t index) {
  struct rng rng;
  rng_init(&rng, 6, RNG_TEST, index);
  struct batch *b = batch_new(&DIMS, n);
  const size_t rows = (size_t)n;
  rng_fill_normal(&rng, b->obs, rows * OBS);
  rng_fill_normal(&rng, b->next_obs, rows * OBS);
  rng_fill_uniform(&rng, b->act, rows * ACT, -1, 1);
  rng_fill_normal(&rng, b->achieved, rows * GOAL);
  rng_fill_normal(&rng, b->next_achieved, rows * GOAL);
  rng_fill_normal(&rng, b->goal, rows * GOAL);
  for (int i = 0; i < n; i++) {
    b->done[i] = i % 5 == 4 ? 1.0f : 0.0f;
  }
  return b;
}

// the settings under which the update is tested: defaults, and every other choice
static struct config variant(int i) {
  struct config cfg = tiny_config();
  if (i == 1) {
    cfg.odac_discount_max = 0.9999;
    cfg.odac_gamma = 0.9;
    snprintf(cfg.outcome_likelihood, sizeof cfg.outcome_likelihood, "%s", "gaussian");
    snprintf(cfg.outcome_scale, sizeof cfg.outcome_scale, "%s", "head");
  } else if (i == 2) {
    cfg.odac_time_kl_sign = 1;
    cfg.odac_time_temperature = 0.5;
    cfg.odac_reward_scale = 10;
    cfg.odac_reward_decay = 0.9;
    cfg.odac_alpha_auto = false;
    cfg.odac_alpha = 0.2;
    cfg.odac_bias_init = false;
  } else if (i == 3) {
    cfg.odac_time_kl_sign = 0;
    cfg.odac_tau = 0.3;
    cfg.odac_entropy_per_action = 0.5;
    cfg.odac_discount_max = 0.5;
  }
  return cfg;
}
enum { VARIANTS = 4 };

static void expect_near(double got, double want, double tolerance, const char *what) {
  cr_assert_float_eq(got, want, tolerance * fmax(1, fabs(want)), "%s: %.9g, want %.9g", what, got,
                     want);
}

static void expect_stats(const struct odac_stats *s, const struct losses *l,
                         const struct reference *ref, double c) {
  // float32 networks of order 1
  const double tol = 1e-5;
  expect_near(s->loss_q, 0.5 * (l->q[0] + l->q[1]), 5 * tol, "loss_q");
  expect_near(s->loss_pi, l->pi, tol, "loss_pi");
  expect_near(s->nll, l->nll, tol, "nll");
  expect_near(s->alpha, exp(ref->log_alpha), tol, "alpha");
  expect_near(s->q0, l->mean_q0, tol, "q0");
  expect_near(s->kl, l->mean_kl, tol, "kl");
  expect_near(s->log_lik, l->mean_l, tol, "log_lik");
  expect_near(s->scale, c, tol, "scale");
  expect_near(s->value, l->mean_V, 5 * tol, "value");
  expect_near(s->q, l->mean_q, tol, "q");
  expect_near(s->entropy, -l->mean_logp, tol, "entropy");
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

// eqs. (4), (5): every weight matrix and bias of policy and critics; eq. (6): log alpha
Test(odac, gradients_equal_central_differences) {
  for (int v = 0; v < VARIANTS; v++) {
    const struct config cfg = variant(v);
    struct odac *o = random_odac(&cfg, (uint64_t)v);
    struct batch *b = random_batch(B, (uint64_t)v);
    // past the first update, with an N and an alpha of their own
    o->policy_adam.t = 1;
    o->magnitude = 2.5;
    o->log_alpha = -0.7f;
    struct reference *ref = reference_of(o, &cfg);
    ref_noise(ref, 9);
    odac_losses(o, b, 9);
    const struct mlp *net[] = {o->policy, o->critic[0], o->critic[1]};
    const float *grad[] = {o->grad_policy, o->grad_critic[0], o->grad_critic[1]};
    const char *const name[] = {"policy", "critic 1", "critic 2"};
    for (int block = POLICY; block <= CRITIC_2; block++) {
      double want[MAX_PARAMS];
      ref_gradient(want, ref, block, b);
      for (int l = 0; l < net[block]->nlayer; l++) {
        const int W = (int)mlp_weight_offset(net[block], l);
        const int bias = (int)mlp_bias_offset(net[block], l);
        expect_group(grad[block] + W, want + W, bias - W, name[block]);
        expect_group(grad[block] + bias, want + bias, net[block]->width[l + 1], name[block]);
      }
    }
    const double h = 1e-4, x = ref->log_alpha;
    ref->log_alpha = x + h;
    const double above = ref_losses(ref, b).alpha;
    ref->log_alpha = x - h;
    const double below = ref_losses(ref, b).alpha;
    expect_near(o->grad_alpha, (above - below) / (2 * h), 1e-5, "log alpha");
    free(ref);
    batch_free(b);
    odac_free(o);
  }
}

// eqs. (1)-(8), Adam, the order of steps and the first update's initialisation
Test(odac, updates_equal_a_plain_reference) {
  for (int v = 0; v < VARIANTS; v++) {
    const struct config cfg = variant(v);
    struct odac *o = random_odac(&cfg, 10 + (uint64_t)v);
    struct reference *ref = reference_of(o, &cfg);
    for (uint64_t index = 0; index < 6; index++) {
      struct batch *b = random_batch(B, 100 * (uint64_t)v + index);
      struct odac_stats stats;
      cr_assert_eq(odac_update(o, &stats, b, index), ERR_OK);
      const struct losses losses = ref_update(ref, b, index);
      expect_stats(&stats, &losses, ref, stats.scale);
      for (int block = 0; block < BLOCKS; block++) {
        int n;
        const float *theta = block_of(o, block, &n);
        const double lr = block == OUTCOME ? cfg.outcome_lr : cfg.odac_lr;
        for (int i = 0; i < n; i++) {
          // Adam divides by the gradient's size, so rounding shows as a share of a step
          cr_assert_float_eq(theta[i], ref->theta[block][i], 0.02 * lr,
                             "variant %d update %d block %d[%d]: %.9g, want %.9g", v, (int)index,
                             block, i, (double)theta[i], ref->theta[block][i]);
        }
      }
      expect_near(o->log_alpha, ref->log_alpha, 1e-6, "log alpha");
      expect_near(o->magnitude, ref->N, 1e-6, "N");
      batch_free(b);
    }
    free(ref);
    odac_free(o);
  }
}

// c is k / N with the N from before the update, eq. (8)
Test(odac, reward_scale_follows_the_running_magnitude) {
  struct config cfg = tiny_config();
  cfg.odac_reward_scale = 3;
  cfg.odac_reward_decay = 0.75;
  struct odac *o = random_odac(&cfg, 20);
  double N = 0;
  for (uint64_t index = 0; index < 4; index++) {
    struct batch *b = random_batch(B, 200 + index);
    struct odac_stats stats;
    float l[B];
    outcome_loglik(o->outcome, l, b);
    double max_l = 0;
    for (int i = 0; i < B; i++) {
      max_l = fmax(max_l, fabs(l[i]));
    }
    N = index == 0 ? max_l : N;
    cr_assert_eq(odac_update(o, &stats, b, index), ERR_OK);
    expect_near(stats.scale, 3 / N, 1e-6, "c");
    N = 0.75 * N + 0.25 * max_l;
    expect_near(o->magnitude, N, 1e-9, "N");
    batch_free(b);
  }
  odac_free(o);
}

static float last_bias(const struct mlp *net) {
  return net->theta[net->nparam - 1];
}

Test(odac, bias_initialisation_happens_once) {
  for (int on = 0; on <= 1; on++) {
    struct config cfg = tiny_config();
    cfg.odac_bias_init = on;
    struct odac *o = odac_new(&cfg, &DIMS);
    struct odac_stats stats;
    struct batch *b = random_batch(B, 30);
    cr_assert_eq(odac_update(o, &stats, b, 0), ERR_OK);
    // initial critics are almost 0 and an update moves a bias by at most one lr
    double level = 0;
    for (int i = 0; i < B; i++) {
      level += (o->reward[i] - cfg.odac_alpha * o->next_logp[i]) / B;
    }
    const float *bias[] = {&o->critic[0]->theta[o->critic[0]->nparam - 1],
                           &o->critic[1]->theta[o->critic[1]->nparam - 1]};
    for (int i = 0; i < 2; i++) {
      cr_assert_float_eq(*bias[i], on ? level : 0, 1.01 * cfg.odac_lr);
      cr_assert_float_eq(last_bias(o->critic_target[i]), on ? level : 0, 1.01 * cfg.odac_lr);
    }
    cr_assert_gt(fabs(level), 0.05);
    // a second minibatch with other likelihoods does not set it again
    const float before = *bias[0];
    for (int i = 0; i < B; i++) {
      b->goal[i] += 50;
    }
    cr_assert_eq(odac_update(o, &stats, b, 1), ERR_OK);
    cr_assert_float_eq(*bias[0], before, 2 * cfg.odac_lr);
    batch_free(b);
    odac_free(o);
  }
}

// ---- bad numbers ----

enum { MAX_TENSORS = 40 };

static size_t count(const struct st_tensor *t) {
  return t->rank == 0 ? 1 : (size_t)t->shape[0];
}

static size_t bytes(const struct st_tensor *t) {
  return count(t) * (t->dtype == ST_F32 ? 4 : 8);
}

// the whole state as one string of bytes
static unsigned char *snapshot(struct odac *o, size_t *n) {
  struct st_tensor tensor[MAX_TENSORS];
  const int ntensor = odac_tensors(o, tensor, MAX_TENSORS);
  cr_assert_leq(ntensor, MAX_TENSORS);
  *n = 0;
  for (int i = 0; i < ntensor; i++) {
    *n += bytes(&tensor[i]);
  }
  unsigned char *all = must_alloc(*n, 1), *at = all;
  for (int i = 0; i < ntensor; i++) {
    memcpy(at, tensor[i].data, bytes(&tensor[i]));
    at += bytes(&tensor[i]);
  }
  return all;
}

static bool same_state(struct odac *a, struct odac *b) {
  size_t n, m;
  unsigned char *x = snapshot(a, &n), *y = snapshot(b, &m);
  const bool same = n == m && memcmp(x, y, n) == 0;
  free(x);
  free(y);
  return same;
}

// at the first update, where N and biases have been set already, and at a later one
Test(odac, a_bad_number_leaves_every_bit_as_it_was) {
  const float bad[] = {NAN, INFINITY, 1e30f};
  for (int k = 0; k < 3; k++) {
    for (int field = 0; field < 5; field++) {
      for (int later = 0; later <= 1; later++) {
        const struct config cfg = tiny_config();
        struct odac *o = random_odac(&cfg, 40);
        struct odac_stats stats = {0};
        struct batch *b = random_batch(B, 40);
        if (later) {
          cr_assert_eq(odac_update(o, &stats, b, 0), ERR_OK);
        }
        float *const array[] = {b->obs, b->next_obs, b->goal, b->next_achieved, b->achieved};
        array[field][3] = bad[k];
        size_t n, m;
        unsigned char *before = snapshot(o, &n);
        cr_assert_eq(odac_update(o, &stats, b, 1), ERR_NUMERIC, "field %d = %g", field,
                     (double)bad[k]);
        unsigned char *after = snapshot(o, &m);
        cr_assert_eq(memcmp(before, after, n), 0);
        // and the next good minibatch goes through
        struct batch *good = random_batch(B, 41);
        cr_assert_eq(odac_update(o, &stats, good, 2), ERR_OK);
        free(before);
        free(after);
        batch_free(b);
        batch_free(good);
        odac_free(o);
      }
    }
  }
}

Test(odac, far_goals_stay_finite) {
  const struct config cfg = tiny_config();
  struct odac *o = odac_new(&cfg, &DIMS);
  struct batch *b = random_batch(B, 50);
  for (int i = 0; i < B; i++) {
    b->goal[i] = i % 2 ? 1e6f : -1e3f;
  }
  struct odac_stats s;
  for (uint64_t index = 0; index < 5; index++) {
    cr_assert_eq(odac_update(o, &s, b, index), ERR_OK);
    const float all[] = {s.loss_q,  s.loss_pi, s.nll,   s.alpha, s.q0,     s.kl,
                         s.log_lik, s.scale,   s.value, s.q,     s.entropy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
      cr_assert(isfinite(all[i]));
    }
  }
  batch_free(b);
  odac_free(o);
}

// ---- determinism and state ----

static struct odac *train(const struct config *cfg, uint64_t from, uint64_t to, struct odac *o) {
  o = o ? o : odac_new(cfg, &DIMS);
  for (uint64_t index = from; index < to; index++) {
    struct batch *b = random_batch(B, index);
    struct odac_stats stats;
    cr_assert_eq(odac_update(o, &stats, b, index), ERR_OK);
    batch_free(b);
  }
  return o;
}

Test(odac, same_seed_same_bits_other_seed_others) {
  struct config cfg = tiny_config();
  struct odac *a = train(&cfg, 0, 20, NULL);
  struct odac *b = train(&cfg, 0, 20, NULL);
  cfg.run_seed = 8;
  struct odac *other = train(&cfg, 0, 20, NULL);
  cr_assert(same_state(a, b));
  cr_assert(!same_state(a, other));
  odac_free(a);
  odac_free(b);
  odac_free(other);
}

Test(odac, tensors_are_its_whole_state) {
  struct config cfg = tiny_config();
  struct odac *a = train(&cfg, 0, 10, NULL);
  // another seed's networks, then overwritten
  cfg.run_seed = 99;
  struct odac *b = odac_new(&cfg, &DIMS);
  b->seed = a->seed;
  struct st_tensor from[MAX_TENSORS], to[MAX_TENSORS];
  const int n = odac_tensors(a, from, MAX_TENSORS);
  cr_assert_eq(odac_tensors(b, to, MAX_TENSORS), n);
  for (int i = 0; i < n; i++) {
    cr_assert_str_eq(from[i].name, to[i].name);
    cr_assert_eq(count(&from[i]), count(&to[i]));
    memcpy(to[i].data, from[i].data, bytes(&from[i]));
  }
  cfg.run_seed = 7;
  train(&cfg, 10, 20, a);
  train(&cfg, 10, 20, b);
  cr_assert(same_state(a, b));
  odac_free(a);
  odac_free(b);
}

Test(odac, tensors_are_named_once_and_in_file_order) {
  const struct config cfg = tiny_config();
  struct odac *o = odac_new(&cfg, &DIMS);
  struct st_tensor tensor[MAX_TENSORS];
  const int n = odac_tensors(o, tensor, MAX_TENSORS);
  bool float32 = false;
  for (int i = 0; i < n; i++) {
    cr_assert(!(float32 && tensor[i].dtype != ST_F32), "%s comes too late", tensor[i].name);
    float32 = tensor[i].dtype == ST_F32;
    for (int j = 0; j < i; j++) {
      cr_assert_str_neq(tensor[i].name, tensor[j].name);
    }
  }
  // no more than max are written, all are counted
  for (int max = 0; max <= n; max++) {
    struct st_tensor few[MAX_TENSORS];
    memset(few, 0x5a, sizeof few);
    cr_assert_eq(odac_tensors(o, few, max), n);
    for (int i = 0; i < max; i++) {
      cr_assert_str_eq(few[i].name, tensor[i].name);
    }
    cr_assert_eq(few[max].name[0], 0x5a);
  }
  odac_free(o);
  odac_free(NULL);
}

// targets start as copies of their critics; twins differ; a policy has the stated shape
Test(odac, initial_networks) {
  const struct config cfg = tiny_config();
  struct odac *o = odac_new(&cfg, &DIMS);
  const size_t n = o->critic[0]->nparam * sizeof(float);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(memcmp(o->critic[i]->theta, o->critic_target[i]->theta, n), 0);
  }
  cr_assert_neq(memcmp(o->critic[0]->theta, o->critic[1]->theta, n), 0);
  const struct mlp *policy = odac_policy(o);
  const int width[] = {OBS + GOAL, 6, 5, 2 * ACT};
  cr_assert_eq(policy->nlayer, 3);
  for (int l = 0; l < 4; l++) {
    cr_assert_eq(policy->width[l], width[l]);
  }
  odac_free(o);
}
