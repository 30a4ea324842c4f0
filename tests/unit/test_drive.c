// Tests of learner/rules/drive.h on a linear system: networks with weights set by hand, whose
// look-ahead, value and losses follow from a few lines of arithmetic. Gradients are held against
// differences in test_rules.c.
#include "learner/rules/drive.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/config/bundle.h"
#include "common/config/config.h"
#include "learner/rules/rules.h"
#include "tests/unit/minibatch.h"

enum { B = 16, HIDDEN = 4, STEPS = 3 };

static const struct dims DIMS = {.obs = 1, .act = 1, .goal = 0, .horizon = 10, .reward = 1};

// the system that the networks are
static const double POLICY = 0.7, PRIOR = -0.4;                   // mu = k x
static const double F_X = 0.3, F_A = -0.8, R_X = 0.5, R_A = 1.2;  // f, rhat
static const double E = -1.5;                                     // of the end
static const double MU_X = 0.9, MU_A = -0.6, SLOW = 1.1;  // mu; the slow one is so much more
static const double LOG_SIGMA = 0.4, D = 0.5, R = 2, GAMMA = 0.9;

// y_j = sum_i w[j][i] input_i + bias[j], by pairs of hidden units: max(0, u) - max(0, -u) = u
static void set_linear(float *theta, const struct mlp *mlp, const double *w, const double *bias) {
  const int in = mlp->width[0], out = mlp->width[2];
  memset(theta, 0, mlp->nparam * sizeof *theta);
  float *first = theta + mlp_weight_offset(mlp, 0), *last = theta + mlp_weight_offset(mlp, 1);
  for (int i = 0; i < in; i++) {
    first[2 * i * in + i] = 1;
    first[(2 * i + 1) * in + i] = -1;
    for (int j = 0; j < out; j++) {
      last[j * HIDDEN + 2 * i] = (float)w[j * in + i];
      last[j * HIDDEN + 2 * i + 1] = (float)-w[j * in + i];
    }
  }
  for (int j = 0; j < out; j++) {
    theta[mlp_bias_offset(mlp, 1) + (size_t)j] = (float)bias[j];
  }
}

static struct updater *linear_rule(void) {
  struct config cfg;
  config_defaults(&cfg);
  cr_assert_eq(config_rule(&cfg, "drive"), ERR_OK);
  cfg.train_batch = B;
  cfg.train_shards = 1;
  cfg.net_hidden = cfg.drive_hidden = (struct widths){.n = 1, .v = {HIDDEN}};
  cfg.net_standardize = false;
  cfg.drive_steps = STEPS;
  cfg.agent_gamma = GAMMA;
  cfg.worth_reward = WORTH_REWARD_TASK;
  struct updater *u = updater_new(&drive_rule, &cfg, &DIMS, NULL);
  struct drive *d = u->self;
  const double narrow[] = {0, -20};  // hardly any noise
  set_linear(u->agent.policy.theta, &u->agent.policy.mlp, (double[]){POLICY, 0}, narrow);
  set_linear(d->prior.theta, &d->prior.mlp, (double[]){PRIOR, 0}, narrow);
  set_linear(d->model.theta, &d->model.mlp, (double[]){F_X, F_A, R_X, R_A, 0, 0},
             (double[]){0, 0, E});
  set_linear(d->value.theta, &d->value.mlp, (double[]){MU_X, MU_A, 0, 0}, (double[]){0, LOG_SIGMA});
  set_linear(d->value.target, &d->value.mlp, (double[]){SLOW * MU_X, SLOW * MU_A, 0, 0},
             (double[]){0, LOG_SIGMA});
  d->D = D;
  d->R = R;
  return u;
}

struct expected {
  double value, kl_prior, kl_value, nll, model;
};

// the same by hand, for one row
static struct expected by_hand(double x, double a_replay, double next, double r, double done) {
  const double p = GAMMA / (1 + exp(E)), x0 = x, a0 = tanh(POLICY * x0);
  double m = 0, weight = 1, a = a0;
  for (int n = 0; n < STEPS; n++) {
    m += weight * (R_X * x + R_A * a);
    weight *= p;
    x += D * (F_X * x + F_A * a);
    a = tanh(PRIOR * x);
  }
  m += weight * SLOW * (MU_X * x + MU_A * a);
  const double sigma2 = exp(2 * LOG_SIGMA), v = weight * weight * sigma2 + 0.01;
  const double mu = MU_X * x0 + MU_A * a0, square = (v + (m - mu) * (m - mu)) / sigma2;
  const double apart = (POLICY - PRIOR) * x0;
  const double f = F_X * x0 + F_A * a_replay - (next - x0) / D;
  const double reward = R_X * x0 + R_A * a_replay - r / R;
  return (struct expected){
      .value = m,
      .kl_prior = 0.5 * apart * apart * exp(40),
      .kl_value = LOG_SIGMA - 0.5 * log(v) + 0.5 * square - 0.5,
      .nll = 0.5 * log(2 * M_PI) + LOG_SIGMA + 0.5 * square,
      .model = f * f + reward * reward + log1p(exp(E)) - done * E,
  };
}

Test(drive, look_ahead_and_losses_of_a_linear_system) {
  struct updater *u = linear_rule();
  struct drive *d = u->shard[0].self;
  struct batch *b = minibatch_random(&DIMS, B, 3);
  struct expected want = {0};
  for (int i = 0; i < B; i++) {
    const struct expected row =
        by_hand((double)b->obs[i], (double)b->act[i], (double)b->next_obs[i], (double)b->reward[i],
                (double)b->done[i]);
    want.value += row.value / B;
    want.kl_prior += row.kl_prior / B;
    want.kl_value += row.kl_value / B;
    want.nll += row.nll / B;
    want.model += row.model / B;
  }
  updater_losses(u, b, 0);
  cr_assert_float_eq(d->figures.value, want.value, 1e-5, "%g, want %g", (double)d->figures.value,
                     want.value);
  cr_assert_float_eq(d->figures.kl_prior / want.kl_prior, 1, 1e-5);
  cr_assert_float_eq(d->figures.kl_value, want.kl_value, 1e-5);
  cr_assert_float_eq(d->figures.loss_q, want.nll, 1e-5);
  cr_assert_float_eq(d->figures.loss_model, want.model, 1e-5);
  const double loss = -want.value + want.kl_prior + want.kl_value;
  cr_assert_float_eq(u->shard[0].agent.policy.loss / loss, 1, 1e-5);
  batch_free(b);
  updater_free(u);
}

// D and R are what the first minibatch says
Test(drive, scales_are_those_of_the_first_minibatch) {
  struct updater *u = linear_rule();
  struct drive *d = u->self;
  struct batch *b = minibatch_random(&DIMS, B, 4);
  double change = 0, reward = 0;
  for (int i = 0; i < B; i++) {
    change += pow((double)b->next_obs[i] - (double)b->obs[i], 2) / B;
    reward += pow((double)b->reward[i], 2) / B;
  }
  cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
  cr_assert_float_eq(d->D, sqrt(change), 1e-6);
  cr_assert_float_eq(d->R, sqrt(reward), 1e-6);
  batch_free(b);
  updater_free(u);
}
