// The tanh-Gaussian policy, eqs. (1)-(5), against closed forms in double, quadrature and
// central differences.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/nn/policy.h"

enum { MAX_ACT = 8, MAX_B = 64 };

static const double HALF_LOG_2PI = 0.91893853320467274178;

static double clip(double o) {
  return fmin(fmax(o, -20), 2);
}

// density of a = tanh(u), u ~ N(mu, exp(s)^2), at a, by change of variables
static double closed_form(double a, double mu, double s) {
  double z = (atanh(a) - mu) / exp(s);
  return -0.5 * z * z - s - HALF_LOG_2PI - log1p(-a * a);
}

// log pi of one row in double, at a = tanh(mu + exp(s) eps)
static double row_logp(const double *head, const float *eps, int act) {
  double sum = 0;
  for (int i = 0; i < act; i++) {
    double s = clip(head[act + i]);
    sum += closed_form(tanh(head[i] + exp(s) * eps[i]), head[i], s);
  }
  return sum;
}

// heads with moderate means and log deviations within (1)
static void draw_heads(float *head, float *eps, int B, int act, uint64_t seed) {
  struct rng r;
  rng_init(&r, seed, RNG_TEST, 0);
  for (int b = 0; b < B; b++) {
    rng_fill_uniform(&r, head + b * 2 * act, (size_t)act, -1.5f, 1.5f);
    rng_fill_uniform(&r, head + b * 2 * act + act, (size_t)act, -3.0f, 0.0f);
  }
  rng_fill_normal(&r, eps, (size_t)B * (size_t)act);
}

// eqs. (2), (3). 2e-5: atanh(a) is ill-conditioned near |a| = 1, the float sum rounds by 1e-6
Test(policy, logp_equals_closed_form) {
  static const int acts[] = {1, 2, 3, 8};
  for (size_t k = 0; k < sizeof acts / sizeof acts[0]; k++) {
    int act = acts[k];
    float head[MAX_B * 2 * MAX_ACT], eps[MAX_B * MAX_ACT], a[MAX_B * MAX_ACT], logp[MAX_B];
    draw_heads(head, eps, MAX_B, act, 1 + k);
    policy_sample(a, logp, head, eps, MAX_B, act);
    for (int b = 0; b < MAX_B; b++) {
      double row[2 * MAX_ACT];
      for (int i = 0; i < 2 * act; i++) {
        row[i] = head[b * 2 * act + i];
      }
      double expected = row_logp(row, eps + b * act, act);
      cr_assert_float_eq(logp[b], expected, 2e-5 * (1 + fabs(expected)), "act %d row %d", act, b);
      for (int i = 0; i < act; i++) {
        double u = row[i] + exp(clip(row[act + i])) * eps[b * act + i];
        cr_assert_float_eq(a[b * act + i], tanh(u), 3e-7);
      }
    }
  }
}

// the shared exponential of (2) against tanh, from the smallest to the largest arguments;
// absolute error of a few roundings of 1
Test(policy, squash_equals_tanh) {
  for (int i = -30 * 64; i <= 30 * 64; i++) {
    float a, mu = (float)i / 64;
    float head[2] = {mu, 0};
    policy_act(&a, head, NULL, 1);
    cr_assert_float_eq(a, tanh(mu), 2e-7, "tanh(%g)", mu);
  }
  float a, head[2] = {0, 0};
  policy_act(&a, head, NULL, 1);
  cr_assert_eq(a, 0.0f);
}

// exp(log pi) integrates to 1 over the actions: (3) is a density of a, not of u
Test(policy, density_integrates_to_one) {
  static const double row[][2] = {{0, 0},  {0, -2},    {0.7, -1}, {-1.5, 0.5},
                                  {2, -3}, {0.3, 1.2}, {-3, 0},   {0, 1.9}};
  for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
    double mu = row[k][0], sigma = exp(row[k][1]), integral = 0;
    float head[2] = {(float)mu, (float)row[k][1]};
    // midpoint rule in u over 10 deviations, da = (1 - tanh^2 u) du = du / cosh^2 u
    enum { STEPS = 4000 };
    for (int i = 0; i < STEPS; i++) {
      double z = -10 + 20 * (i + 0.5) / STEPS, u = mu + sigma * z;
      float eps = (float)z, a, logp;
      policy_sample(&a, &logp, head, &eps, 1, 1);
      integral += exp(logp) / (cosh(u) * cosh(u)) * (20 * sigma / STEPS);
    }
    cr_assert_float_eq(integral, 1, 1e-3, "mu %g sigma %g: %g", mu, sigma, integral);
  }
}

// -mean log pi over samples is the entropy of the density, by quadrature in a
Test(policy, entropy_equals_quadrature) {
  static const double row[][2] = {{0, 0}, {0.7, -1}, {-1, 0.5}};
  enum { N = 100000, STEPS = 200000 };
  for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
    double mu = row[k][0], s = row[k][1], entropy = 0;
    for (int i = 0; i < STEPS; i++) {
      double x = -1 + 2 * (i + 0.5) / STEPS, l = closed_form(x, mu, s);
      entropy -= exp(l) * l * (2.0 / STEPS);
    }
    struct rng r;
    rng_init(&r, 17, RNG_TEST, k);
    float head[2] = {(float)mu, (float)s};
    double sum = 0, sum2 = 0;
    for (int i = 0; i < N; i++) {
      float eps = rng_normal(&r), a, logp;
      policy_sample(&a, &logp, head, &eps, 1, 1);
      sum -= logp;
      sum2 += (double)logp * logp;
    }
    double mean = sum / N, error = sqrt((sum2 / N - mean * mean) / N);
    // the quadrature is good to 1e-4; 3.29 standard errors hold for 99.9 % of seeds
    cr_assert_float_eq(mean, entropy, 3.29 * error + 1e-4, "mu %g s %g", mu, s);
  }
}

// an act-dimensional log pi is the sum of its one-dimensional ones
Test(policy, dimensions_add) {
  float head[4] = {0.3f, -0.8f, -1.0f, 0.4f}, eps[2] = {0.9f, -1.1f}, a[2], both;
  policy_sample(a, &both, head, eps, 1, 2);
  double sum = 0;
  for (int i = 0; i < 2; i++) {
    float single[2] = {head[i], head[2 + i]}, ai, logp;
    policy_sample(&ai, &logp, single, &eps[i], 1, 1);
    cr_assert_eq(ai, a[i]);
    sum += logp;
  }
  cr_assert_float_eq(both, sum, 1e-6);
}

// J of (4), (5) in double: sum_b scale (T log pi_b + da_b . a_b)
static double objective(const double *head, const float *eps, const float *da, double T,
                        double scale, int B, int act) {
  double J = 0;
  for (int b = 0; b < B; b++, head += 2 * act, eps += act, da += act) {
    J += scale * T * row_logp(head, eps, act);
    for (int i = 0; i < act; i++) {
      J += scale * da[i] * tanh(head[i] + exp(clip(head[act + i])) * eps[i]);
    }
  }
  return J;
}

// eqs. (4), (5) against central differences of the double objective, two log deviations clipped.
// Step 1e-5 in double: its error is 1e-9, so 1e-5 tests the float32 gradient alone.
Test(policy, gradients_equal_central_differences) {
  enum { B = 5, ACT = 3 };
  static const float temperature[] = {0, 0.4f, 1};
  static const float scale[] = {1, 1.0f / B, 0.7f};
  for (int k = 0; k < 3; k++) {
    float head[B * 2 * ACT], eps[B * ACT], a[B * ACT], logp[B], da[B * ACT], dhead[B * 2 * ACT];
    draw_heads(head, eps, B, ACT, 40 + (uint64_t)k);
    head[0 * 2 * ACT + ACT] = 3.0f;
    head[1 * 2 * ACT + ACT + 1] = -25.0f;
    eps[0] = 0.3f;
    struct rng r;
    rng_init(&r, 50, RNG_TEST, (uint64_t)k);
    rng_fill_normal(&r, da, B * ACT);
    policy_sample(a, logp, head, eps, B, ACT);
    memset(dhead, 0xff, sizeof dhead);
    policy_backward(dhead, head, a, eps, da, temperature[k], scale[k], B, ACT);
    double x[B * 2 * ACT];
    for (int i = 0; i < B * 2 * ACT; i++) {
      x[i] = head[i];
    }
    for (int i = 0; i < B * 2 * ACT; i++) {
      const double h = 1e-5, at = x[i];
      // at a deviation of 2e-9, log pi of a rounded tanh says nothing: (4) is checked by hand
      // below; where (1) clips, the difference is 0, and `leads_back_from_outside` checks (5)
      if (i == 1 * 2 * ACT + 1 || i == ACT || i == 1 * 2 * ACT + ACT + 1) {
        continue;
      }
      x[i] = at + h;
      double J = objective(x, eps, da, temperature[k], scale[k], B, ACT);
      x[i] = at - h;
      J -= objective(x, eps, da, temperature[k], scale[k], B, ACT);
      x[i] = at;
      double expected = J / (2 * h);
      cr_assert_float_eq(dhead[i], expected, 1e-5 * (1 + fabs(expected)), "T %g, %d: %g, %g",
                         temperature[k], i, dhead[i], expected);
    }
    float t = a[1 * ACT + 1];
    cr_assert_float_eq(dhead[1 * 2 * ACT + 1],
                       scale[k] * (temperature[k] * 2 * t + (1 - t * t) * da[1 * ACT + 1]), 1e-6);
  }
}

// the gradient passes inside the interval of (1) and at its ends; beyond, only what leads back
Test(policy, leads_back_from_outside) {
  static const struct {
    float o;
    int sign;  // of a gradient that leads further out; 0: inside
  } cases[] = {{0, 0}, {2, 0}, {-20, 0}, {2.0001f, -1}, {3, -1}, {-20.001f, 1}, {-25, 1}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    // eq. (5) with a temperature of 1 and of -1: -1 + 2 a e is about -1 and 1
    for (float T = -1; T <= 1; T += 2) {
      float head[2] = {0.1f, cases[k].o}, eps = 0.002f, a, logp, da = 0, dhead[2];
      policy_sample(&a, &logp, head, &eps, 1, 1);
      policy_backward(dhead, head, &a, &eps, &da, T, 1, 1, 1);
      const bool outward = cases[k].sign != 0 && (T > 0 ? -1 : 1) == cases[k].sign;
      cr_assert_eq(dhead[1] == 0.0f, outward, "o = %g, T = %g", (double)cases[k].o, (double)T);
      cr_assert(outward || (dhead[1] < 0) == (T > 0));
    }
  }
}

// heads that a diverging network may give: everything finite, actions in [-1, 1]
Test(policy, extreme_heads_stay_finite) {
  static const float value[] = {-1e4f, -100, -20, -1, 0, 1, 2, 20, 100, 1e4f};
  static const float noise[] = {-5.8f, -1, 0, 1e-20f, 5.8f};
  enum { VALUES = sizeof value / sizeof value[0], NOISES = sizeof noise / sizeof noise[0] };
  for (int m = 0; m < VALUES; m++) {
    for (int o = 0; o < VALUES; o++) {
      for (int e = 0; e < NOISES; e++) {
        float head[2] = {value[m], value[o]}, a, logp, act, da = 3, dhead[2];
        policy_sample(&a, &logp, head, &noise[e], 1, 1);
        policy_act(&act, head, &noise[e], 1);
        policy_backward(dhead, head, &a, &noise[e], &da, 1, 1, 1, 1);
        cr_assert(isfinite(logp) && fabsf(a) <= 1 && a == act, "head %g %g", head[0], head[1]);
        cr_assert(isfinite(dhead[0]) && isfinite(dhead[1]), "head %g %g", head[0], head[1]);
      }
    }
  }
}

// far out, log pi grows by 2 per unit of |u| and does not saturate
Test(policy, logp_is_exact_far_out) {
  float head[2] = {500, 0}, eps = 0, a, logp;
  policy_sample(&a, &logp, head, &eps, 1, 1);
  cr_assert_eq(a, 1.0f);
  cr_assert_float_eq(logp, -HALF_LOG_2PI - 2 * (log(2) - 500), 1e-3);
}

// a NaN of the network reaches log pi, where the learner looks for it
Test(policy, nan_shows) {
  for (int i = 0; i < 2; i++) {
    float head[2] = {0, 0}, eps = 1, a, logp;
    head[i] = NAN;
    policy_sample(&a, &logp, head, &eps, 1, 1);
    cr_assert(isnan(logp) && isnan(a));
  }
}

// the rollout's row gives the learner's bits; without noise it is tanh(mu)
Test(policy, act_equals_sample) {
  enum { B = 16, ACT = 3 };
  float head[B * 2 * ACT], eps[B * ACT], a[B * ACT], logp[B], one[ACT];
  draw_heads(head, eps, B, ACT, 60);
  policy_sample(a, logp, head, eps, B, ACT);
  for (int b = 0; b < B; b++) {
    policy_act(one, head + b * 2 * ACT, eps + b * ACT, ACT);
    cr_assert_arr_eq(one, a + b * ACT, sizeof one);
    policy_act(one, head + b * 2 * ACT, NULL, ACT);
    for (int i = 0; i < ACT; i++) {
      cr_assert_float_eq(one[i], tanh(head[b * 2 * ACT + i]), 2e-7);
    }
  }
}

// eq. (6): the density of actions that are given, but at the ends of their range that of 0.999
Test(policy, fit_equals_closed_form) {
  enum { ACT = 2, ROWS = 16 };
  float head[ROWS * 2 * ACT], dhead[ROWS * 2 * ACT] = {0}, eps[ROWS * ACT], a[ROWS * ACT];
  float weight[ROWS];
  draw_heads(head, eps, ROWS, ACT, 8);
  double want = 0;
  for (int b = 0; b < ROWS; b++) {
    weight[b] = b % 3 == 0 ? 0.0f : 0.5f;
    for (int i = 0; i < ACT; i++) {
      a[b * ACT + i] = b == 1 ? 1.0f : b == 2 ? -1.0f : tanhf(eps[b * ACT + i]);
      const double x = fmin(fmax((double)a[b * ACT + i], -0.999), 0.999);
      want -=
          0.25 * (double)weight[b] *
          closed_form(x, (double)head[b * 2 * ACT + i], clip((double)head[b * 2 * ACT + ACT + i]));
    }
  }
  float logp[ROWS];
  policy_density(logp, head, a, ROWS, ACT);
  for (int b = 0; b < ROWS; b++) {
    double sum = 0;
    for (int i = 0; i < ACT; i++) {
      const double x = fmin(fmax((double)a[b * ACT + i], -0.999), 0.999);
      sum +=
          closed_form(x, (double)head[b * 2 * ACT + i], clip((double)head[b * 2 * ACT + ACT + i]));
    }
    cr_assert_float_eq(logp[b], sum, 2e-4 * fmax(1, fabs(sum)));
  }
  const double got = policy_fit(dhead, head, a, weight, 0.25f, ROWS, ACT);
  cr_assert_float_eq(got, want, 1e-4 * fabs(want), "%g, want %g", got, want);
  for (int i = 0; i < 2 * ACT; i++) {
    cr_assert_eq(dhead[i], 0, "a row without weight");
    cr_assert(isfinite(dhead[2 * ACT + i]) && dhead[2 * ACT + i] != 0);
  }
}
