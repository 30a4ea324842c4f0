// Test of the whole idea on a system whose answer is known. On a chain with deterministic dynamics
// and no policy KL, the fixed point of the backup, eqs. (5)-(8) of learner/rules/odac.h, is the log
// of the discounted occupancy density: unclamped, exp(y) = (1 - gamma) p_d + gamma exp(V), so that
//   V(s) = log sum_{t >= 0} (1 - gamma) gamma^t p_d(g | s_t, a_t),   s_0 = s                   (A)
#include <criterion/criterion.h>
#include <math.h>

#include "learner/rules/backup.h"

enum { STATES = 12, SWEEPS = 12000 };

// eight states lead into a cycle of four
static int successor(int s) {
  return s < STATES - 1 ? s + 1 : 8;
}

// eq. (4) of learner/worth/outcome.h in one dimension: the next state's place plus noise of scale
// 0.7
static double log_density(int s, double goal) {
  const double scale = 0.7, z = (goal - successor(s)) / scale;
  return -0.5 * z * z - log(scale) - 0.5 * log(2 * M_PI);
}

// eq. (A), summed until gamma^t is below 1e-17
static double occupancy(int s, double goal, double gamma) {
  double sum = 0, weight = 1 - gamma;
  for (int t = 0; t < (int)ceil(-40 / log(gamma)); t++) {
    sum += weight * exp(log_density(s, goal));
    weight *= gamma;
    s = successor(s);
  }
  return log(sum);
}

// from V = 0, far above a log density of -58, values sink by -log(0.99) a sweep: 12000 are needed
static const double GAMMA[] = {0.5, 0.9, 0.99};
static const double GOAL[] = {0.4, 3, 8.5, 11};

static struct backup_options exact(double gamma) {
  return (struct backup_options){.gamma = gamma, .q_max = 1, .kappa = 1, .kl_sign = -1};
}

Test(tabular, backup_converges_to_log_discounted_occupancy) {
  for (int i = 0; i < 12; i++) {
    const double gamma = GAMMA[i % 3], goal = GOAL[i / 3];
    const struct backup_options opt = exact(gamma);
    const struct backup_constants c = backup_prepare(&opt);
    double V[STATES] = {0};
    for (int k = 0; k < SWEEPS; k++) {
      double next[STATES];
      for (int s = 0; s < STATES; s++) {
        next[s] = backup_transition(log_density(s, goal), V[successor(s)], false, &c).y;
      }
      for (int s = 0; s < STATES; s++) {
        V[s] = next[s];
      }
    }
    for (int s = 0; s < STATES; s++) {
      cr_assert_float_eq(V[s], occupancy(s, goal, gamma), 1e-9, "gamma %g goal %g state %d", gamma,
                         goal, s);
    }
  }
}

// the same through backup_outcome, whose values are float32: each sweep rounds by 6e-8 of |V| < 100
// and the backup contracts by q, so errors add up to at most 1 / (1 - q) roundings
Test(tabular, a_minibatch_converges_to_it_too) {
  for (int i = 0; i < 12; i++) {
    const double gamma = GAMMA[i % 3], goal = GOAL[i / 3];
    const struct backup_options opt = exact(gamma);
    float cl[STATES], V[STATES] = {0};
    for (int s = 0; s < STATES; s++) {
      cl[s] = (float)log_density(s, goal);
    }
    for (int k = 0; k < SWEEPS; k++) {
      float next[STATES], y[STATES];
      for (int s = 0; s < STATES; s++) {
        next[s] = V[successor(s)];
      }
      backup_outcome(&(struct backup_rows){.y = y}, cl, next, NULL, &opt, STATES);
      for (int s = 0; s < STATES; s++) {
        V[s] = y[s];
      }
    }
    for (int s = 0; s < STATES; s++) {
      const double want = occupancy(s, goal, gamma);
      cr_assert_float_eq(V[s], want, 2e-5 * fmax(1, fabs(want)), "gamma %g goal %g state %d: %g",
                         gamma, goal, s, V[s] - want);
    }
  }
}

// with q_max = gamma the backup is a gamma-contraction from wherever it starts, and its fixed point
// is below (A): a clamp can only loosen the bound
Test(tabular, clamped_backup_stays_below) {
  const double gamma = 0.9, goal = 8.5;
  struct backup_options opt = exact(gamma);
  opt.q_max = gamma;
  const struct backup_constants c = backup_prepare(&opt);
  double V[2][STATES];
  for (int s = 0; s < STATES; s++) {
    V[0][s] = -1000;
    V[1][s] = 1000;
  }
  for (int k = 0; k < SWEEPS; k++) {
    for (int start = 0; start < 2; start++) {
      double next[STATES];
      for (int s = 0; s < STATES; s++) {
        next[s] = backup_transition(log_density(s, goal), V[start][successor(s)], false, &c).y;
      }
      for (int s = 0; s < STATES; s++) {
        V[start][s] = next[s];
      }
    }
  }
  for (int s = 0; s < STATES; s++) {
    cr_assert_float_eq(V[0][s], V[1][s], 1e-9);
    cr_assert_leq(V[0][s], occupancy(s, goal, gamma) + 1e-9);
  }
}

// The maximum of universal value density estimation gives the largest term of (A), without its
// weight 1 - gamma. It is exact where a goal is passed once, so on a chain that ends: on the cycle
// above each lap would be counted as one more try.
Test(tabular, a_maximum_converges_to_the_largest_term) {
  enum { LAST = STATES - 1 };
  for (int i = 0; i < 12; i++) {
    const double gamma = GAMMA[i % 3], goal = GOAL[i / 3];
    float V[STATES];
    for (int s = LAST; s >= 0; s--) {
      const float density = (float)exp(log_density(s, goal)), done = s == LAST;
      const float next = s < LAST ? V[s + 1] : 0;
      backup_best(&V[s], &density, &next, &done, gamma, 1);
    }
    for (int s = 0; s < STATES; s++) {
      double want = 0;
      for (int t = 0; s + t < STATES; t++) {
        want = fmax(want, pow(gamma, t) * exp(log_density(s + t, goal)));
      }
      cr_assert_float_eq(V[s] / want, 1, 1e-5, "gamma %g goal %g state %d", gamma, goal, s);
    }
  }
}
