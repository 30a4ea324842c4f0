// Tests of learner/worth/outcome.h: every family with every kind of scale, densities against closed
// forms and quadrature, gradients against central differences, maximum likelihood on systems whose
// answer is known.
#include "learner/worth/outcome.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/replay/batch.h"

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1};

enum { FAMILIES = 3, KINDS = 3, MAX_GOAL = 5 };
static const char *const FAMILY[FAMILIES] = {"radial", "laplace", "gaussian"};
static const char *const KIND[KINDS] = {"scalar", "dimension", "head"};
enum { RADIAL, LAPLACE, GAUSSIAN };
enum { SCALAR, DIMENSION, HEAD };

static struct config settings(int family, int kind, int n, const int *hidden) {
  struct config cfg;
  config_defaults(&cfg);
  char assignment[64];
  snprintf(assignment, sizeof assignment, "outcome.likelihood=%s", FAMILY[family]);
  cr_assert_eq(config_set(&cfg, assignment), ERR_OK);
  snprintf(assignment, sizeof assignment, "outcome.scale=%s", KIND[kind]);
  cr_assert_eq(config_set(&cfg, assignment), ERR_OK);
  cfg.outcome_hidden.n = n;
  for (int i = 0; i < n; i++) {
    cfg.outcome_hidden.v[i] = hidden[i];
  }
  return cfg;
}

static struct config tiny(int family, int kind) {
  return settings(family, kind, 2, (const int[]){5, 4});
}

static void randomise_batch(struct batch *b, const struct dims *d, struct rng *rng) {
  const size_t B = (size_t)b->B;
  rng_fill_normal(rng, b->obs, B * (size_t)d->obs);
  rng_fill_normal(rng, b->next_obs, B * (size_t)d->obs);
  rng_fill_uniform(rng, b->act, B * (size_t)d->act, -1, 1);
  rng_fill_normal(rng, b->achieved, B * (size_t)d->goal);
  rng_fill_normal(rng, b->next_achieved, B * (size_t)d->goal);
  rng_fill_normal(rng, b->goal, B * (size_t)d->goal);
}

// a model alone in its list of nets
struct subject {
  struct outcome *model;
  struct scaling *scaling;
  struct nets nets;
  struct net *net;
  float *theta;  // (n)
  int n;
};

static struct subject *subject_new(const struct config *cfg, const struct dims *dims,
                                   int max_batch) {
  struct config with = *cfg;
  with.train_batch = max_batch;
  struct subject *m = must_alloc(1, sizeof *m);
  m->nets.seed = (uint64_t)cfg->run_seed;
  const struct policy_shape shape = {.obs = dims->obs, .goal = dims->goal, .act = dims->act};
  m->scaling = scaling_new(&shape);
  m->model = outcome_new(&m->nets, &with, &shape, m->scaling);
  cr_assert_eq(m->nets.n, 1);
  m->net = m->nets.at[0];
  cr_assert_eq(m->net, outcome_net(m->model));
  m->theta = m->net->theta;
  m->n = (int)m->net->n;
  return m;
}

static void subject_free(struct subject *m) {
  outcome_free(m->model);
  scaling_free(m->scaling);
  free(m);
}

// goal numbers of different sizes, S = (spread / 2, spread, 3 spread / 2, ..), and moved states
static void set_units(struct subject *m, float spread) {
  struct scaling *s = m->scaling;
  for (int i = 0; i < s->obs + s->goal; i++) {
    s->mean[i] = 0.1f * (float)(i + 1);
    s->inv[i] = i < s->obs ? 0.7f : 2 / (spread * (float)(i - s->obs + 1));
  }
}

// one Adam step on (7), unless its numbers are not fit for one
static enum err subject_step(struct subject *m, const struct batch *b) {
  const char *what;
  outcome_loss(m->model, b);
  if (nets_fault(&m->nets, false, &what)) {
    return ERR_NUMERIC;
  }
  if (!m->net->constant) {
    net_step(m->net);
  }
  return ERR_OK;
}

static int subject_tensors(struct subject *m, struct st_tensor *out, int max) {
  struct tensor_list list = {.out = out, .max = max};
  nets_tensors(&m->nets, &list, true);
  nets_tensors(&m->nets, &list, false);
  return list.n;
}

// far from the initial weights, whose last layer is almost 0
static void randomise_params(struct subject *m, struct rng *rng) {
  rng_fill_uniform(rng, m->theta, m->net->n, -0.7f, 0.7f);
}

// ---- densities ----

// log p of eqs. (4)-(6) at z and b, in double and each written out by itself
static double log_density(int family, const double *z, const double *b, int d) {
  double sum = 0, square = 0, volume = 0;
  for (int i = 0; i < d; i++) {
    sum += fabs(z[i]);
    square += z[i] * z[i];
    volume += log(b[i]);
  }
  if (family == GAUSSIAN) {
    return -0.5 * square - volume - 0.5 * d * log(2 * M_PI);
  }
  if (family == LAPLACE) {
    return -sum - volume - d * log(2);
  }
  // a ball's surface times what is left of exp(-r) in all directions: the constants for d = 1 .. 5
  const double constant[MAX_GOAL + 1] = {
      0, 2, 2 * M_PI, 8 * M_PI, 12 * M_PI * M_PI, 64 * M_PI * M_PI,
  };
  return -sqrt(square) - volume - log(constant[d]);
}

// Parameters that make the network's outputs constant: (mean - phi(s)) / S, and o, which is the
// last biases or the free numbers after them, and so at the end of the block either way.
static void set_constant_output(struct subject *m, int kind, int d, const double *delta,
                                const double *o) {
  const int no = kind == SCALAR ? 1 : d;
  float *free_or_head = m->theta + m->n - no, *bias = free_or_head - d;
  memset(m->theta, 0, (size_t)m->n * sizeof(float));
  for (int i = 0; i < d; i++) {
    bias[i] = (float)delta[i];
  }
  for (int i = 0; i < no; i++) {
    free_or_head[i] = (float)o[i];
  }
}

// G of eq. (2)
static double spread_of(const struct subject *m, int d) {
  double sum = 0;
  for (int i = 0; i < d; i++) {
    const double s = 1 / (double)m->scaling->inv[m->scaling->obs + i];
    sum += s * s / d;
  }
  return sqrt(sum);
}

static const int WIDTH[] = {1, 2, 5};

static struct dims dims_of(int goal) {
  struct dims dims = DIMS;
  dims.goal = goal;
  return dims;
}

static void expect_closed_form(int f, int k, int d, double tolerance) {
  enum { B = 32 };
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, (uint64_t)(f * KINDS + k));
  const struct dims dims = dims_of(d);
  const struct config cfg = tiny(f, k);
  struct batch *b = batch_new(&dims, B);
  struct subject *m = subject_new(&cfg, &dims, B);
  const double delta[MAX_GOAL] = {0.3, -1.1, 0.6, 2, -0.2};
  // inside, and beyond both ends of the interval: eq. (2) clips
  const double o[][MAX_GOAL] = {{0, 0.5, 1, -1, 0.2}, {-2, 1.5, -3, 0, 1}, {-9, 9, -9, 0, 9}};
  for (int c = 0; c < 3 * 3; c++) {
    const float spread[] = {1, 1e-3f, 400};
    set_units(m, spread[c / 3]);
    randomise_batch(b, &dims, &rng);
    set_constant_output(m, k, d, delta, o[c % 3]);
    for (int i = 0; i < B * d; i++) {
      b->achieved[i] *= spread[c / 3];
      b->goal[i] *= spread[c / 3];
    }
    float l[B];
    outcome_loglik(m->model, l, b);
    for (int i = 0; i < B; i++) {
      double z[MAX_GOAL], scale[MAX_GOAL];
      for (int j = 0; j < d; j++) {
        const double S = 1 / (double)m->scaling->inv[dims.obs + j];
        const double oj = o[c % 3][k == SCALAR ? 0 : j];
        scale[j] =
            spread_of(m, d) * fmin(fmax(exp(oj), cfg.outcome_scale_min), cfg.outcome_scale_max);
        z[j] = ((double)b->goal[i * d + j] - b->achieved[i * d + j] - S * delta[j]) / scale[j];
      }
      const double want = log_density(f, z, scale, d);
      cr_assert_float_eq(l[i], want, tolerance * fmax(10, fabs(want)), "%s %s %d: %.9g, want %.9g",
                         FAMILY[f], KIND[k], d, (double)l[i], want);
    }
  }
  subject_free(m);
  batch_free(b);
}

Test(outcome, log_likelihood_equals_the_closed_forms) {
  for (int i = 0; i < FAMILIES * KINDS * 3; i++) {
    // float32: distance / scale carries a few roundings, squared in the Gaussian
    expect_closed_form(i / 9, i / 3 % 3, WIDTH[i % 3], 3e-6);
  }
}

// (4) to (6) in one dimension, and the radial form there is the Laplace density
Test(outcome, radial_and_laplace_are_one_in_one_dimension) {
  const struct dims one = dims_of(1);
  struct batch *b = batch_new(&one, 16);
  struct rng rng;
  rng_init(&rng, 12, RNG_TEST, 0);
  randomise_batch(b, &one, &rng);
  float l[2][16];
  for (int f = RADIAL; f <= LAPLACE; f++) {
    const struct config cfg = tiny(f, SCALAR);
    struct subject *m = subject_new(&cfg, &one, 16);
    outcome_loglik(m->model, l[f], b);
    subject_free(m);
  }
  for (int i = 0; i < 16; i++) {
    cr_assert_float_eq(l[RADIAL][i], l[LAPLACE][i], 2e-6);
  }
  batch_free(b);
}

// a density integrates to 1: trapezium rule over a line of goals, with a real network
Test(outcome, densities_integrate_to_one_on_a_line) {
  const struct dims one = {.obs = 2, .act = 1, .goal = 1, .horizon = 10, .hindsight = 1};
  enum { N = 20001 };
  struct batch *b = batch_new(&one, N);
  float *l = must_alloc(N, sizeof(float));
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    const struct config cfg = tiny(f, k);
    struct subject *m = subject_new(&cfg, &one, N);
    randomise_params(m, &rng);
    set_units(m, 1.4f);
    const double step = 80.0 / (N - 1);
    for (int j = 0; j < N; j++) {
      b->obs[2 * j] = 0.4f;
      b->obs[2 * j + 1] = -0.8f;
      b->act[j] = 0.5f;
      b->achieved[j] = 0.25f;
      b->goal[j] = (float)(-40 + step * j);
    }
    outcome_loglik(m->model, l, b);
    double sum = 0;
    for (int j = 0; j < N; j++) {
      sum += exp(l[j]) * step;
    }
    // the kink of the Laplace density and the grid in float32 cost about 1e-5
    cr_assert_float_eq(sum, 1, 1e-4, "%s %s integrates to %.8f", FAMILY[f], KIND[k], sum);
    subject_free(m);
  }
  free(l);
  batch_free(b);
}

// the same over a plane of goals: the radial form is not a product of lines
Test(outcome, densities_integrate_to_one_on_a_plane) {
  enum { N = 601, ROWS = N * N };
  struct batch *b = batch_new(&DIMS, ROWS);
  float *l = must_alloc(ROWS, sizeof(float));
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 1);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    const struct config cfg = settings(f, k, 1, (const int[]){3});
    struct subject *m = subject_new(&cfg, &DIMS, ROWS);
    set_constant_output(m, k, 2, (const double[]){0.2, -0.3}, (const double[]){-0.4, 0.3});
    const double step = 60.0 / (N - 1);
    for (int j = 0; j < ROWS; j++) {
      b->goal[2 * j] = (float)(-30 + step * (j % N));
      b->goal[2 * j + 1] = (float)(-30 + step * (j / N));
    }
    outcome_loglik(m->model, l, b);
    double sum = 0;
    for (int j = 0; j < ROWS; j++) {
      sum += exp(l[j]) * step * step;
    }
    // kinks along the axes, or a tip, of step 0.1 on scales of 0.7 and 1.3
    cr_assert_float_eq(sum, 1, 5e-3, "%s %s integrates to %.8f", FAMILY[f], KIND[k], sum);
    subject_free(m);
  }
  free(l);
  batch_free(b);
}

// In more dimensions: the radial density times the surface of a sphere, d pi^(d/2) / Gamma(d/2 + 1)
// r^(d-1), over all radii.
Test(outcome, radial_density_integrates_to_one_in_five_dimensions) {
  enum { N = 4001, D = 5 };
  const struct dims dims = dims_of(D);
  const struct config cfg = tiny(RADIAL, SCALAR);
  struct batch *b = batch_new(&dims, N);
  struct subject *m = subject_new(&cfg, &dims, N);
  float *l = must_alloc(N, sizeof(float));
  const double zero[D] = {0}, o[D] = {-0.5}, step = 40.0 / (N - 1);
  set_constant_output(m, SCALAR, D, zero, o);
  for (int i = 0; i < N; i++) {
    // any direction: (1, 2, -1, 3, 1) / 4 is of length 1
    const float r = (float)(step * i), unit[D] = {0.25f, 0.5f, -0.25f, 0.75f, 0.25f};
    for (int j = 0; j < D; j++) {
      b->goal[D * i + j] = r * unit[j];
    }
  }
  outcome_loglik(m->model, l, b);
  double sum = 0;
  for (int i = 0; i < N; i++) {
    const double surface = D * pow(M_PI, 0.5 * D) / tgamma(0.5 * D + 1) * pow(step * i, D - 1);
    sum += exp(l[i]) * surface * step;
  }
  cr_assert_float_eq(sum, 1, 1e-4, "integrates to %.8f", sum);
  free(l);
  subject_free(m);
  batch_free(b);
}

// ---- units ----

// only the radial form orders outcomes by their distance, whatever the direction
Test(outcome, radial_likelihood_is_a_function_of_the_distance) {
  struct batch *b = batch_new(&DIMS, 64);
  struct rng rng;
  rng_init(&rng, 13, RNG_TEST, 0);
  for (int f = RADIAL; f <= LAPLACE; f++) {
    const struct config cfg = tiny(f, SCALAR);
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    set_units(m, 0.3f);
    const double zero[] = {0, 0};
    set_constant_output(m, SCALAR, 2, zero, zero);
    for (int i = 0; i < 64; i++) {
      const double angle = 0.1 * i;
      b->goal[2 * i] = (float)(2 * cos(angle));
      b->goal[2 * i + 1] = (float)(2 * sin(angle));
    }
    float l[64], lowest = INFINITY, highest = -INFINITY;
    outcome_loglik(m->model, l, b);
    for (int i = 0; i < 64; i++) {
      lowest = fminf(lowest, l[i]);
      highest = fmaxf(highest, l[i]);
    }
    // 2 units far at a scale of G; the sum of the numbers' distances is up to sqrt 2 times as far
    const double z = 2 / spread_of(m, 2);
    cr_assert_float_eq(highest - lowest, f == RADIAL ? 0 : (M_SQRT2 - 1) * z, 1e-2 * z * f + 1e-5);
    subject_free(m);
  }
  batch_free(b);
}

// outcomes 1e4 units from 0 and hundredths apart: their difference is taken before anything else,
// so that the likelihood is as exact as the numbers themselves
Test(outcome, near_outcomes_far_from_zero_keep_their_digits) {
  struct batch *b = batch_new(&DIMS, 64), *near = batch_new(&DIMS, 64);
  struct rng rng;
  rng_init(&rng, 14, RNG_TEST, 0);
  for (int f = 0; f < FAMILIES; f++) {
    const struct config cfg = tiny(f, DIMENSION);
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    set_units(m, 0.02f);
    set_constant_output(m, DIMENSION, 2, (const double[]){0.1, -0.2}, (const double[]){-2, -3});
    for (int i = 0; i < 128; i++) {
      // multiples of 2^-9, which are exact at 1e4 too
      near->achieved[i] = 0;
      near->goal[i] = roundf(4 * rng_normal(&rng)) * 0x1p-9f;
      b->achieved[i] = 1e4f;
      b->goal[i] = 1e4f + near->goal[i];
    }
    float l[64], same[64];
    outcome_loglik(m->model, l, b);
    outcome_loglik(m->model, same, near);
    cr_assert_eq(memcmp(l, same, sizeof l), 0, "%s", FAMILY[f]);
    subject_free(m);
  }
  batch_free(b);
  batch_free(near);
}

// ---- gradients ----

static double loss_at(struct subject *m, const struct batch *b) {
  float l[64];
  outcome_loglik(m->model, l, b);
  const double loss = outcome_loss(m->model, b);
  cr_assert_eq(loss, m->net->loss);
  return loss;
}

static double difference(struct subject *m, const struct batch *b, int i, float h) {
  const float x = m->theta[i];
  m->theta[i] = x + h;
  const double above = loss_at(m, b);
  m->theta[i] = x - h;
  const double below = loss_at(m, b);
  m->theta[i] = x;
  return (above - below) / (2.0 * h);
}

// n parameters from `at` on: relative L2 error of the gradient
static void expect_group(struct subject *m, const struct batch *b, const float *grad, int at, int n,
                         const char *what) {
  double error = 0, size = 0;
  for (int i = at; i < at + n; i++) {
    // a step may cross a kink, but seldom a small one; losses of float32 rows leave about 2e-7 / h
    const float h[] = {1e-3f, 0x1p-12f, 0x1p-14f};
    double want = INFINITY;
    for (int k = 0; k < 3; k++) {
      const double slope = difference(m, b, i, h[k]);
      want = fabs(grad[i] - slope) < fabs(grad[i] - want) ? slope : want;
    }
    error += (grad[i] - want) * (grad[i] - want);
    size += want * want;
  }
  cr_assert(sqrt(error) < 1e-2 * sqrt(size) + 1e-3, "%s [%d ..]: error %g of %g", what, at,
            sqrt(error), sqrt(size));
  cr_assert(size > 1e-6, "%s [%d ..] has no gradient", what, at);
}

// eq. (7), every parameter group: weights and biases of each layer, and global scales
Test(outcome, gradients_equal_central_differences) {
  for (int i = 0; i < FAMILIES * KINDS * 3; i++) {
    const int f = i / 9, k = i / 3 % 3, d = WIDTH[i % 3];
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, (uint64_t)i);
    const struct dims dims = dims_of(d);
    const struct config cfg = tiny(f, k);
    struct batch *b = batch_new(&dims, 64);
    struct subject *m = subject_new(&cfg, &dims, 64);
    randomise_params(m, &rng);
    set_units(m, 1.6f);
    randomise_batch(b, &dims, &rng);
    float *grad = must_alloc((size_t)m->n, sizeof(float));
    loss_at(m, b);
    memcpy(grad, m->net->grad, (size_t)m->n * sizeof(float));
    char what[64];
    snprintf(what, sizeof what, "%s %s %d", FAMILY[f], KIND[k], d);
    // layers 5-5, 5-4, 4-(d or 2 d), then the global scales
    const int out = k == HEAD ? 2 * d : d;
    const int group[] = {25, 5, 20, 4, 4 * out, out, k == SCALAR ? 1 : k == DIMENSION ? d : 0};
    int at = 0;
    for (int j = 0; j < 7; at += group[j++]) {
      if (group[j] > 0) {
        expect_group(m, b, grad, at, group[j], what);
      }
    }
    cr_assert_eq(at, m->n);
    free(grad);
    subject_free(m);
    batch_free(b);
  }
}

// |z| has no slope at 0: means are left alone there, and scales shrink
Test(outcome, gradient_at_the_mean_itself_is_finite) {
  struct rng rng;
  rng_init(&rng, 15, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 8);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    const struct config cfg = tiny(f, k);
    struct subject *m = subject_new(&cfg, &DIMS, 8);
    const double zero[] = {0, 0};
    set_constant_output(m, k, 2, zero, zero);
    randomise_batch(b, &DIMS, &rng);
    memcpy(b->next_achieved, b->achieved, 16 * sizeof(float));
    loss_at(m, b);
    const int nfree = k == SCALAR ? 1 : k == DIMENSION ? 2 : 0, out = k == HEAD ? 4 : 2;
    const float *by_mean = m->net->grad + m->n - nfree - out, *by_o = m->net->grad + m->n - 2;
    for (int j = 0; j < m->n; j++) {
      cr_assert(isfinite(m->net->grad[j]));
    }
    for (int j = 0; j < 2; j++) {
      cr_assert_eq(by_mean[j], 0);
    }
    // d F_p / do is 1 a number, so d for a scalar
    cr_assert_float_eq(by_o[1], k == SCALAR ? 2 : 1, 1e-6, "%s %s: %g", FAMILY[f], KIND[k],
                       (double)by_o[1]);
    // a hair from it the slope is the family's: 1 for those with a tip
    for (int j = 0; j < 16; j++) {
      b->achieved[j] = 0;
      b->next_achieved[j] = j % 2 ? 0 : 1e-18f;
    }
    loss_at(m, b);
    const double slope = -(double)by_mean[0];
    cr_assert_float_eq(slope, f == GAUSSIAN ? 0 : 1, 1e-3, "%s: %g", FAMILY[f], slope);
    subject_free(m);
  }
  batch_free(b);
}

// ---- eq. (2): scales stay inside and can come back ----

static void fill_noise(struct batch *b, struct rng *rng, float noise) {
  randomise_batch(b, &DIMS, rng);
  for (int i = 0; i < b->B * 2; i++) {
    b->next_achieved[i] = b->achieved[i] + noise * rng_normal(rng);
  }
}

static void fit(struct subject *m, struct batch *b, struct rng *rng, float noise, int steps) {
  float l[256];
  for (int i = 0; i < steps; i++) {
    fill_noise(b, rng, noise);
    outcome_loglik(m->model, l, b);
    cr_assert_eq(subject_step(m, b), ERR_OK);
  }
}

// in units of the spread of goals: 20 here
Test(outcome, global_scales_stop_at_the_ends_and_come_back) {
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 64);
  for (int i = 0; i < FAMILIES * 2; i++) {
    struct config cfg = tiny(i / 2, i % 2);
    cfg.outcome_scale_min = 0.5;
    cfg.outcome_scale_max = 2;
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    m->scaling->inv[3] = m->scaling->inv[4] = 0.05f;
    const int nfree = i % 2 == SCALAR ? 1 : 2;
    const float *o = m->theta + m->n - nfree;
    for (int j = 0; j < nfree; j++) {
      cr_assert_eq(o[j], 0.0f);
    }
    // noise below the smallest scale, above the largest, in between
    fit(m, b, &rng, 0.2f, 300);
    for (int j = 0; j < nfree; j++) {
      cr_assert_eq(o[j], (float)log(0.5));
    }
    fit(m, b, &rng, 1000, 400);
    for (int j = 0; j < nfree; j++) {
      cr_assert_eq(o[j], (float)log(2));
    }
    fit(m, b, &rng, 20, 1500);
    cr_assert(o[0] > log(0.5) && o[0] < log(2), "%s: scale %g", FAMILY[i / 2], exp(o[0]));
    subject_free(m);
  }
  batch_free(b);
}

Test(outcome, global_scales_start_inside) {
  struct config cfg = tiny(LAPLACE, DIMENSION);
  cfg.outcome_scale_min = 3;
  cfg.outcome_scale_max = 5;
  struct subject *m = subject_new(&cfg, &DIMS, 4);
  cr_assert_eq(m->theta[m->n - 1], (float)log(3));
  subject_free(m);
}

// how the likelihood of the first row falls off, 9, 10 and 11 units from its achieved goal in one
// number: by 1 / scale a unit, or with the second difference -1 / scale^2
static double falloff(struct subject *m, struct batch *b, int family) {
  for (int i = 0; i < 3; i++) {
    memcpy(b->obs + i * DIMS.obs, b->obs, (size_t)DIMS.obs * sizeof(float));
    memcpy(b->act + i * DIMS.act, b->act, (size_t)DIMS.act * sizeof(float));
    memcpy(b->achieved + i * DIMS.goal, b->achieved, (size_t)DIMS.goal * sizeof(float));
    memcpy(b->goal + i * DIMS.goal, b->achieved, (size_t)DIMS.goal * sizeof(float));
    b->goal[i * DIMS.goal] += 9.0f + (float)i;
  }
  float l[64];
  outcome_loglik(m->model, l, b);
  const float first = l[2] - l[1], second = l[2] - 2 * l[1] + l[0];
  return family == GAUSSIAN ? second : first;
}

// scale_min = scale_max: noise five times as wide does not widen it
Test(outcome, a_scale_without_an_interval_is_kept) {
  struct rng rng;
  rng_init(&rng, 6, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 64);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    struct config cfg = tiny(f, k);
    cfg.outcome_scale_min = cfg.outcome_scale_max = 1;
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    fit(m, b, &rng, 5, 100);
    // the radial form falls off a little less where the mean is beside the line
    cr_assert_float_eq(falloff(m, b, f), -1, f == RADIAL ? 3e-2 : 1e-4, "%s %s: %g", FAMILY[f],
                       KIND[k], falloff(m, b, f));
    subject_free(m);
  }
  batch_free(b);
}

// outcome.model=fixed: mean phi(s), scale known_scale in goal units whatever their spread; noise
// that asks for another mean and scale moves no bit
Test(outcome, a_fixed_model_never_steps) {
  struct rng rng;
  rng_init(&rng, 16, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 64);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    struct config cfg = tiny(f, k);
    cfg.outcome_model = OUTCOME_MODEL_FIXED;
    cfg.outcome_known_scale = 0.5;
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    set_units(m, 3);
    cr_assert(m->net->constant);
    randomise_params(m, &rng);
    float *before = must_alloc((size_t)m->n, sizeof(float));
    memcpy(before, m->theta, (size_t)m->n * sizeof(float));
    fit(m, b, &rng, 5, 20);
    cr_assert_eq(memcmp(before, m->theta, (size_t)m->n * sizeof(float)), 0);
    for (int j = 0; j < m->n; j++) {
      cr_assert_eq(m->net->grad[j], 0);
    }
    cr_assert_float_eq(falloff(m, b, f), f == GAUSSIAN ? -4 : -2, 1e-4, "%s %s: %g", FAMILY[f],
                       KIND[k], falloff(m, b, f));
    // at phi(s) itself, and the loss of phi(s')
    const double zero[] = {0, 0}, known[] = {0.5, 0.5};
    float l[64];
    memcpy(b->goal, b->achieved, 128 * sizeof(float));
    outcome_loglik(m->model, l, b);
    double want = 0;
    for (int j = 0; j < 64; j++) {
      cr_assert_float_eq(l[j], log_density(f, zero, known, 2), 1e-6);
      double z[2];
      for (int n = 0; n < 2; n++) {
        z[n] = ((double)b->next_achieved[2 * j + n] - b->achieved[2 * j + n]) / 0.5;
      }
      want -= log_density(f, z, known, 2) / 64;
    }
    cr_assert_float_eq(outcome_loss(m->model, b), want, 1e-5 * want);
    free(before);
    subject_free(m);
  }
  batch_free(b);
}

// a head that is out of its interval: the gradient that leads back is kept, the other dropped
Test(outcome, a_head_outside_comes_back) {
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 64);
  for (int f = 0; f < FAMILIES; f++) {
    const struct config cfg = tiny(f, HEAD);
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    const int n = m->n;
    // first scale beyond the upper end, second beyond the lower
    const double delta[] = {0, 0}, o[] = {4, -8};
    const float *grad = m->net->grad;
    // noise of 1: too wide a scale has to shrink, too narrow a one to grow
    set_constant_output(m, HEAD, 2, delta, o);
    fill_noise(b, &rng, 1);
    loss_at(m, b);
    cr_assert_gt(grad[n - 2], 0);
    cr_assert_lt(grad[n - 1], 0);
    // noise that asks for even more: no gradient
    fill_noise(b, &rng, 0);
    for (int i = 0; i < b->B; i++) {
      b->next_achieved[2 * i] += 1e3f;
    }
    loss_at(m, b);
    cr_assert_eq(grad[n - 2], 0);
    cr_assert_eq(grad[n - 1], 0);
    subject_free(m);
  }
  batch_free(b);
}

// ---- maximum likelihood ----

// a standard sample of the family: radially, a length that is a sum of d exponentials in a
// direction that is any
static void sample(int family, float *x, int d, struct rng *rng) {
  float norm = 0, radius = 0;
  for (int i = 0; i < d; i++) {
    const float u = rng_float(rng) - 0.5f;
    x[i] = family == LAPLACE ? copysignf(-logf(1.0f - 1.999999f * fabsf(u)), u) : rng_normal(rng);
    norm += x[i] * x[i];
    radius -= logf(0.5f + 0.9999999f * u);
  }
  for (int i = 0; i < d && family == RADIAL; i++) {
    x[i] *= radius / sqrtf(norm);
  }
}

// phi(s') = phi(s) + a linear map of (s, a) + noise of scale 0.2; returns its mean distance
static double fill_linear(struct batch *b, int family, struct rng *rng) {
  double distance = 0;
  randomise_batch(b, &DIMS, rng);
  for (int i = 0; i < b->B; i++) {
    const float *s = b->obs + 3 * i, *a = b->act + 2 * i;
    const float mean[] = {0.5f * s[0] - 0.3f * s[1] + a[0], 0.4f * s[2] - a[1]};
    float noise[2];
    sample(family, noise, 2, rng);
    for (int j = 0; j < 2; j++) {
      b->next_achieved[2 * i + j] = b->achieved[2 * i + j] + mean[j] + 0.2f * noise[j];
    }
    distance += 0.2 * sqrt((double)noise[0] * noise[0] + (double)noise[1] * noise[1]) / b->B;
  }
  return distance;
}

// entropy of two numbers of scale 0.2, the least loss there is
static double entropy(int family) {
  return family == GAUSSIAN  ? 1 + 2 * log(0.2) + log(2 * M_PI)
         : family == LAPLACE ? 2 * (1 + log(2 * 0.2))
                             : 2 + 2 * log(0.2) + log(2 * M_PI);
}

Test(outcome, fit_recovers_a_linear_system_and_its_noise) {
  enum { B = 256 };
  struct batch *b = batch_new(&DIMS, B);
  float l[B];
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, (uint64_t)i);
    struct config cfg = settings(f, k, 2, (const int[]){32, 32});
    cfg.outcome_lr = 3e-3;
    struct subject *m = subject_new(&cfg, &DIMS, B);
    double average = 0;
    for (int step = 0; step < 3000; step++) {
      fill_linear(b, f, &rng);
      outcome_loglik(m->model, l, b);
      cr_assert_eq(subject_step(m, b), ERR_OK);
      average += step >= 2800 ? m->net->loss / 200.0 : 0;
    }
    // a network of 32 units comes close
    cr_assert(average > entropy(f) - 0.03 && average < entropy(f) + 0.1, "%s %s: %g, entropy %g",
              FAMILY[f], KIND[k], average, entropy(f));
    for (int j = 0; j < (k == SCALAR ? 1 : k == DIMENSION ? 2 : 0); j++) {
      const double scale = exp((double)m->theta[m->n - 1 - j]);
      cr_assert_float_eq(scale, 0.2, 0.02, "%s: %g", FAMILY[f], scale);
    }
    subject_free(m);
  }
  batch_free(b);
}

// the scale that maximises (4) is the mean distance over d, in goal units, whatever their spread
Test(outcome, radial_scale_is_the_mean_distance_over_d) {
  enum { B = 256 };
  struct batch *b = batch_new(&DIMS, B);
  float l[B];
  for (int i = 0; i < 2; i++) {
    const float spread = i == 0 ? 1 : 0.04f;
    const struct config cfg = tiny(RADIAL, SCALAR);
    struct subject *m = subject_new(&cfg, &DIMS, B);
    struct rng rng;
    rng_init(&rng, 17, RNG_TEST, 0);
    m->scaling->inv[3] = m->scaling->inv[4] = 1 / spread;
    fill_noise(b, &rng, 1);
    double distance = 0;
    for (int j = 0; j < B; j++) {
      // two kinds of noise, so that no density of the family is the true one
      float *x = b->next_achieved + 2 * j, *from = b->achieved + 2 * j;
      for (int n = 0; n < 2; n++) {
        x[n] = from[n] + (x[n] - from[n]) * spread * (j % 2 ? 0.1f : 2);
      }
      distance += hypot((double)x[0] - from[0], (double)x[1] - from[1]) / B;
    }
    // the mean stays at phi(s): only the scale is stepped
    memset(m->theta, 0, (size_t)m->n * sizeof(float));
    for (int step = 0; step < 2000; step++) {
      outcome_loglik(m->model, l, b);
      outcome_loss(m->model, b);
      memset(m->net->grad, 0, m->net->mlp.nparam * sizeof(float));
      net_step(m->net);
    }
    const double scale = (double)spread * exp((double)m->theta[m->n - 1]);
    cr_assert_float_eq(scale, distance / 2, 1e-3 * distance, "%g, want %g", scale, distance / 2);
    subject_free(m);
  }
  batch_free(b);
}

// ---- bad numbers ----

Test(outcome, extreme_inputs_stay_finite) {
  struct rng rng;
  rng_init(&rng, 7, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 8);
  for (int i = 0; i < FAMILIES * KINDS; i++) {
    const int f = i / KINDS, k = i % KINDS;
    const struct config cfg = tiny(f, k);
    struct subject *m = subject_new(&cfg, &DIMS, 8);
    randomise_batch(b, &DIMS, &rng);
    // the narrowest scale and the farthest goals
    set_constant_output(m, k, 2, (const double[]){0, 0}, (const double[]){-50, -50});
    for (int j = 0; j < 16; j++) {
      b->goal[j] = j % 2 ? 1e5f : -1e5f;
      b->next_achieved[j] = -b->goal[j];
    }
    float l[8];
    outcome_loglik(m->model, l, b);
    const double z[] = {1e8, 1e8}, scale[] = {1e-3, 1e-3};
    for (int j = 0; j < 8; j++) {
      cr_assert_float_eq(l[j] / log_density(f, z, scale, 2), 1, 1e-4, "%g", (double)l[j]);
    }
    cr_assert_eq(subject_step(m, b), ERR_OK);
    cr_assert(isfinite(m->net->loss));
    for (int j = 0; j < m->n; j++) {
      cr_assert(isfinite(m->theta[j]));
    }
    subject_free(m);
  }
  batch_free(b);
}

Test(outcome, a_bad_number_leaves_everything_as_it_was) {
  struct rng rng;
  rng_init(&rng, 8, RNG_TEST, 0);
  struct batch *b = batch_new(&DIMS, 8);
  for (int f = 0; f < FAMILIES; f++) {
    const struct config cfg = tiny(f, DIMENSION);
    struct subject *m = subject_new(&cfg, &DIMS, 8);
    fit(m, b, &rng, 1, 3);
    struct st_tensor tensor[4];
    cr_assert_eq(subject_tensors(m, tensor, 4), 4);
    const size_t n = (size_t)m->n;
    float *before = must_alloc(3 * n, sizeof(float));
    for (size_t i = 0; i < 3; i++) {
      memcpy(before + i * n, tensor[i + 1].data, n * sizeof(float));
    }
    const float bad[] = {NAN, INFINITY, 1e30f};
    for (size_t k = 0; k < 3; k++) {
      randomise_batch(b, &DIMS, &rng);
      b->next_achieved[5] = bad[k];
      float l[8];
      outcome_loglik(m->model, l, b);
      cr_assert_eq(subject_step(m, b), ERR_NUMERIC, "%s %g", FAMILY[f], (double)bad[k]);
      cr_assert_eq(*(int64_t *)tensor[0].data, 3);
      for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(memcmp(before + i * n, tensor[i + 1].data, n * sizeof(float)), 0);
      }
    }
    free(before);
    subject_free(m);
  }
  batch_free(b);
}

// ---- state ----

Test(outcome, same_seed_same_bits_other_seed_others) {
  float first[3];
  for (int k = 0; k < 3; k++) {
    struct rng rng;
    rng_init(&rng, 9, RNG_TEST, 0);
    struct config cfg = tiny(LAPLACE, HEAD);
    cfg.run_seed = k == 2 ? 5 : 4;
    struct batch *b = batch_new(&DIMS, 64);
    struct subject *m = subject_new(&cfg, &DIMS, 64);
    fit(m, b, &rng, 1, 20);
    first[k] = m->theta[7];
    subject_free(m);
    batch_free(b);
  }
  cr_assert_eq(first[0], first[1]);
  cr_assert_neq(first[0], first[2]);
}

Test(outcome, tensors_are_its_whole_state) {
  struct batch *b = batch_new(&DIMS, 64);
  const struct config cfg = tiny(RADIAL, SCALAR);
  struct subject *m = subject_new(&cfg, &DIMS, 64);
  struct subject *copy = subject_new(&cfg, &DIMS, 64);
  struct rng rng;
  rng_init(&rng, 10, RNG_TEST, 0);
  fit(m, b, &rng, 1, 20);
  struct st_tensor from[4], to[4];
  cr_assert_eq(subject_tensors(m, NULL, 0), 4);
  cr_assert_eq(subject_tensors(m, from, 4), 4);
  cr_assert_eq(subject_tensors(copy, to, 4), 4);
  for (int i = 0; i < 4; i++) {
    cr_assert_str_eq(from[i].name, to[i].name);
    const size_t n = from[i].rank == 0 ? 1 : (size_t)from[i].shape[0];
    memcpy(to[i].data, from[i].data, n * (from[i].dtype == ST_F32 ? 4 : 8));
  }
  struct rng again = rng;
  fit(m, b, &rng, 1, 20);
  fit(copy, b, &again, 1, 20);
  cr_assert_eq(memcmp(m->theta, copy->theta, (size_t)m->n * sizeof(float)), 0);
  subject_free(m);
  subject_free(copy);
  outcome_free(NULL);
  batch_free(b);
}
