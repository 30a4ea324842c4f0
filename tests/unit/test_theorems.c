// Tests of the theorems behind learner/rules/odac.h, by the backup that updates use, on systems so
// small that everything can be enumerated. With u(s) = p(g | s), the probability density of the
// outcome under the prior policy, which is uniform, and a geometric time:
//   u(s)    = mean_a ((1 - gamma) p_d(g | s, a) + gamma E u(s'))                            (A)
//   Q(s, a) = (1 - q) cl - kappa KL(Bern(q) || Bern(gamma)) + q E V(s')                     (B)
//   V(s)    = E_pi (Q(s, a) - alpha log(pi(a | s) / p(a)))                                  (C)
// Theorem 1: at alpha = kappa = c, V(s) <= c log u(s) for every pi and q, and with deterministic
// dynamics equal at the posterior. Theorem 2: policy iteration reaches the best policy.
#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/rules/backup.h"

enum { MAX_STATES = 9, MAX_ACTIONS = 4, SWEEPS = 3000 };

struct mdp {
  int states, actions;
  double gamma;
  double l[MAX_STATES][MAX_ACTIONS];  // log p_d(g | s, a)
  int next[MAX_STATES][MAX_ACTIONS][2];
  double first[MAX_STATES][MAX_ACTIONS];  // probability of next[..][0]; the rest is next[..][1]'s
};

// numbers for each state and action: a policy, or a discount
struct choices {
  double at[MAX_STATES][MAX_ACTIONS];
};

static double uniform(struct rng *rng, double lo, double hi) {
  return lo + (hi - lo) * (double)rng_float(rng);
}

static struct mdp random_mdp(struct rng *rng, bool deterministic) {
  struct mdp m = {.states = 4, .actions = 2, .gamma = uniform(rng, 0.2, 0.8)};
  for (int s = 0; s < m.states; s++) {
    for (int a = 0; a < m.actions; a++) {
      m.l[s][a] = uniform(rng, -6, 1);
      m.first[s][a] = deterministic ? 1 : uniform(rng, 0.2, 0.8);
      for (int i = 0; i < 2; i++) {
        m.next[s][a][i] = (int)uniform(rng, 0, m.states - 1e-3);
      }
    }
  }
  return m;
}

// E f(s')
static double expect(const struct mdp *m, int s, int a, const double *f) {
  const double p = m->first[s][a];
  return p * f[m->next[s][a][0]] + (1 - p) * f[m->next[s][a][1]];
}

// (A) until it stands still
static void evidence(double *u, const struct mdp *m) {
  memset(u, 0, MAX_STATES * sizeof *u);
  for (int k = 0; k < SWEEPS; k++) {
    double next[MAX_STATES] = {0};
    for (int s = 0; s < m->states; s++) {
      for (int a = 0; a < m->actions; a++) {
        next[s] += ((1 - m->gamma) * exp(m->l[s][a]) + m->gamma * expect(m, s, a, u)) / m->actions;
      }
    }
    memcpy(u, next, sizeof next);
  }
}

// (A) written out: every sequence of actions and successors of this length, with its probability
static double enumerate(const struct mdp *m, int s, int depth) {
  double sum = 0;
  for (int a = 0; a < m->actions && depth > 0; a++) {
    double rest = 0;
    for (int i = 0; i < 2; i++) {
      const double p = i == 0 ? m->first[s][a] : 1 - m->first[s][a];
      rest += p > 0 ? p * enumerate(m, m->next[s][a][i], depth - 1) : 0;
    }
    sum += ((1 - m->gamma) * exp(m->l[s][a]) + m->gamma * rest) / m->actions;
  }
  return sum;
}

static double bernoulli_kl(double q, double gamma) {
  return q * log(q / gamma) + (1 - q) * log((1 - q) / (1 - gamma));
}

// (B) with this q; NULL: with the one that the product infers
static double value_of_action(const struct mdp *m, int s, int a, const double *V,
                              const struct choices *q, double c) {
  const double cl = c * m->l[s][a], next = expect(m, s, a, V);
  if (q) {
    const double q0 = q->at[s][a];
    return (1 - q0) * cl - c * bernoulli_kl(q0, m->gamma) + q0 * next;
  }
  const struct backup_options opt = {.gamma = m->gamma, .q_max = 1, .kappa = c, .kl_sign = -1};
  const struct backup_constants constants = backup_prepare(&opt);
  return backup_transition(cl, next, false, &constants).y;
}

// (C) until it stands still, with alpha = kappa = c
static void evaluate(double *V, const struct mdp *m, const struct choices *pi,
                     const struct choices *q, double c) {
  memset(V, 0, MAX_STATES * sizeof *V);
  for (int k = 0; k < SWEEPS; k++) {
    double next[MAX_STATES] = {0};
    for (int s = 0; s < m->states; s++) {
      for (int a = 0; a < m->actions; a++) {
        const double p = pi->at[s][a];
        if (p > 0) {
          next[s] += p * (value_of_action(m, s, a, V, q, c) - c * log(m->actions * p));
        }
      }
    }
    memcpy(V, next, sizeof next);
  }
}

static struct choices random_policy(struct rng *rng, const struct mdp *m) {
  struct choices pi = {0};
  for (int s = 0; s < m->states; s++) {
    double sum = 0;
    for (int a = 0; a < m->actions; a++) {
      sum += pi.at[s][a] = exp(uniform(rng, -3, 3));
    }
    for (int a = 0; a < m->actions; a++) {
      pi.at[s][a] /= sum;
    }
  }
  return pi;
}

static struct choices random_discount(struct rng *rng, const struct mdp *m) {
  struct choices q = {0};
  for (int s = 0; s < m->states; s++) {
    for (int a = 0; a < m->actions; a++) {
      q.at[s][a] = uniform(rng, 0.01, 0.95);
    }
  }
  return q;
}

// pi(a | s) = p(a) exp(Q / c) / Z
static struct choices improve(const struct mdp *m, const double *V, double c) {
  struct choices pi = {0};
  for (int s = 0; s < m->states; s++) {
    double Q[MAX_ACTIONS], highest = -INFINITY, sum = 0;
    for (int a = 0; a < m->actions; a++) {
      Q[a] = value_of_action(m, s, a, V, NULL, c);
      highest = fmax(highest, Q[a]);
    }
    for (int a = 0; a < m->actions; a++) {
      sum += pi.at[s][a] = exp((Q[a] - highest) / c);
    }
    for (int a = 0; a < m->actions; a++) {
      pi.at[s][a] /= sum;
    }
  }
  return pi;
}

// ---- Theorem 1 ----

// what everything below is held against
Test(theorems, evidence_equals_the_enumeration_of_trajectories) {
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  for (int i = 0; i < 6; i++) {
    struct mdp m = random_mdp(&rng, i % 2);
    m.gamma = 0.3;
    const int depth = i % 2 ? 16 : 9;
    double u[MAX_STATES];
    evidence(u, &m);
    for (int s = 0; s < m.states; s++) {
      // what comes later has gamma^depth of probability and a density of at most e
      const double missing = u[s] - enumerate(&m, s, depth);
      cr_assert(missing > -1e-12 && missing <= pow(m.gamma, depth) * M_E, "%g", missing);
    }
  }
}

Test(theorems, value_is_a_lower_bound_for_every_policy_and_discount) {
  struct rng rng;
  rng_init(&rng, 2, RNG_TEST, 0);
  const double c[] = {1, 0.07, 10};
  for (int i = 0; i < 120; i++) {
    const struct mdp m = random_mdp(&rng, i % 2);
    const struct choices pi = random_policy(&rng, &m), q = random_discount(&rng, &m);
    double u[MAX_STATES], any[MAX_STATES], inferred[MAX_STATES];
    evidence(u, &m);
    evaluate(any, &m, &pi, &q, c[i % 3]);
    evaluate(inferred, &m, &pi, NULL, c[i % 3]);
    for (int s = 0; s < m.states; s++) {
      const double bound = log(u[s]), tight = inferred[s] / c[i % 3], loose = any[s] / c[i % 3];
      cr_assert(tight <= bound + 1e-9, "V %g, log p %g", tight, bound);
      // and no other q comes nearer to it than the one that is inferred
      cr_assert(loose <= tight + 1e-9, "V %g, with the inferred q %g", loose, tight);
    }
  }
}

// kappa other than c, or a KL that is added, is no bound: the test above could fail
Test(theorems, other_signs_and_temperatures_are_no_bound) {
  const double gamma = 0.5, l[] = {-1, -3};
  double above[2] = {0};
  for (int k = 0; k < 2; k++) {
    const struct backup_options opt = {
        .gamma = gamma, .q_max = 1, .kappa = k == 0 ? 0.1 : 1, .kl_sign = k == 0 ? -1 : 1};
    const struct backup_constants c = backup_prepare(&opt);
    // two states that follow each other
    double V[2] = {0}, u[2] = {0};
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
      for (int s = 0; s < 2; s++) {
        V[s] = backup_transition(l[s], V[1 - s], false, &c).y;
        u[s] = (1 - gamma) * exp(l[s]) + gamma * u[1 - s];
      }
    }
    above[k] = V[0] - log(u[0]);
  }
  cr_assert(above[0] > 0.1 && above[1] > 0.1, "%g %g", above[0], above[1]);
}

// pi(a | s) and q(s, a) by Bayes' rule from u
Test(theorems, bound_is_reached_at_the_posterior) {
  struct rng rng;
  rng_init(&rng, 3, RNG_TEST, 0);
  const double c[] = {1, 0.07, 10};
  for (int i = 0; i < 30; i++) {
    const struct mdp m = random_mdp(&rng, true);
    struct choices pi = {0}, q = {0};
    double u[MAX_STATES], logs[MAX_STATES], V[MAX_STATES];
    evidence(u, &m);
    for (int s = 0; s < m.states; s++) {
      logs[s] = c[i % 3] * log(u[s]);
    }
    const struct backup_options opt = {
        .gamma = m.gamma, .q_max = 1, .kappa = c[i % 3], .kl_sign = -1};
    const struct backup_constants constants = backup_prepare(&opt);
    for (int s = 0; s < m.states; s++) {
      for (int a = 0; a < m.actions; a++) {
        const double later = m.gamma * expect(&m, s, a, u);
        const double both = (1 - m.gamma) * exp(m.l[s][a]) + later;
        q.at[s][a] = later / both;
        pi.at[s][a] = both / (m.actions * u[s]);
        // the product infers the posterior
        const double cl = c[i % 3] * m.l[s][a], next = expect(&m, s, a, logs);
        cr_assert_float_eq(backup_transition(cl, next, false, &constants).q0, q.at[s][a], 1e-10);
      }
    }
    for (int inferred = 0; inferred <= 1; inferred++) {
      evaluate(V, &m, &pi, inferred ? NULL : &q, c[i % 3]);
      for (int s = 0; s < m.states; s++) {
        cr_assert_float_eq(V[s], logs[s], 1e-9 * fmax(1, c[i % 3]), "V %g, c log p %g", V[s],
                           logs[s]);
      }
    }
  }
}

// ---- Theorem 2 ----

enum { SIDE = 3, CELLS = SIDE * SIDE, MOVES = 4, POLICIES = 1 << (2 * CELLS) };

// a cell to the side of each move, or the same one at a border and before the wall in the middle
static struct mdp grid(void) {
  static const int dx[] = {1, -1, 0, 0}, dy[] = {0, 0, 1, -1};
  struct mdp m = {.states = CELLS, .actions = MOVES, .gamma = 0.8};
  for (int s = 0; s < CELLS; s++) {
    for (int a = 0; a < MOVES; a++) {
      const int x = s % SIDE + dx[a], y = s / SIDE + dy[a];
      const bool inside = x >= 0 && x < SIDE && y >= 0 && y < SIDE && !(x == 1 && y == 1);
      const int next = inside ? x + SIDE * y : s;
      m.next[s][a][0] = m.next[s][a][1] = next;
      m.first[s][a] = 1;
      // eq. (4) of learner/worth/outcome.h in two dimensions, b = 0.4; the goal is a far corner
      const double far = hypot(next % SIDE - 2.1, next / SIDE - 1.8);
      m.l[s][a] = -far / 0.4 - 2 * log(0.4) - log(2 * M_PI);
    }
  }
  return m;
}

// The best value of each cell over all 4^9 policies that choose one move a cell. A step costs
// log_cost nats, and along a path exp(V) is a plain sum.
static void enumerate_policies(double *best, const struct mdp *m, double log_cost) {
  double density[CELLS][MOVES];
  const double cost = exp(-log_cost);
  for (int i = 0; i < CELLS * MOVES; i++) {
    density[i / MOVES][i % MOVES] = (1 - m->gamma) * exp(m->l[i / MOVES][i % MOVES]);
  }
  for (int s = 0; s < CELLS; s++) {
    best[s] = 0;
  }
  for (int policy = 0; policy < POLICIES; policy++) {
    for (int start = 0; start < CELLS; start++) {
      double sum = 0, weight = cost;
      // after so many steps less than 1e-9 is left
      for (int t = 0, s = start; t < 100 && weight > 1e-11; t++) {
        const int move = policy >> (2 * s) & 3;
        sum += weight * density[s][move];
        weight *= m->gamma * cost;
        s = m->next[s][move][0];
      }
      best[start] = fmax(best[start], sum);
    }
  }
  for (int s = 0; s < CELLS; s++) {
    best[s] = log(best[s]);
  }
}

// without the policy's KL: evaluation, then the best move in each cell, from many first policies
Test(theorems, policy_iteration_reaches_the_best_of_all_policies) {
  const struct mdp m = grid();
  double best[CELLS];
  enumerate_policies(best, &m, 0);
  struct rng rng;
  rng_init(&rng, 4, RNG_TEST, 0);
  for (int i = 0; i < 20; i++) {
    int move[CELLS], before[CELLS];
    double V[MAX_STATES];
    for (int s = 0; s < CELLS; s++) {
      move[s] = (int)uniform(&rng, 0, MOVES - 1e-3);
    }
    int rounds = 0;
    do {
      double worse[MAX_STATES];
      memset(worse, 0, sizeof worse);
      memcpy(worse, V, rounds > 0 ? sizeof worse : 0);
      memset(V, 0, sizeof V);
      for (int k = 0; k < 500; k++) {
        double next[MAX_STATES] = {0};
        for (int s = 0; s < CELLS; s++) {
          next[s] = value_of_action(&m, s, move[s], V, NULL, 1);
        }
        memcpy(V, next, sizeof V);
      }
      memcpy(before, move, sizeof move);
      for (int s = 0; s < CELLS; s++) {
        cr_assert(rounds == 0 || V[s] >= worse[s] - 1e-9, "no cell gets worse");
        for (int a = 0; a < MOVES; a++) {
          const double gain =
              value_of_action(&m, s, a, V, NULL, 1) - value_of_action(&m, s, move[s], V, NULL, 1);
          move[s] = gain > 1e-9 ? a : move[s];
        }
      }
      cr_assert_lt(++rounds, 20);
    } while (memcmp(before, move, sizeof move) != 0);
    for (int s = 0; s < CELLS; s++) {
      cr_assert_float_eq(V[s], best[s], 1e-6, "cell %d: %g, best %g", s, V[s], best[s]);
    }
  }
}

// with it, at alpha = kappa = c: values rise to c log u, which Theorem 1 says no policy can pass,
// and stand above each of the policies without chance
Test(theorems, soft_policy_iteration_reaches_the_optimum) {
  const struct mdp m = grid();
  double u[MAX_STATES], best[CELLS];
  evidence(u, &m);
  enumerate_policies(best, &m, log(MOVES));
  struct rng rng;
  rng_init(&rng, 5, RNG_TEST, 0);
  for (int i = 0; i < 3; i++) {
    const double c = i == 0 ? 1 : i == 1 ? 0.07 : 10;
    struct choices pi = random_policy(&rng, &m);
    double V[MAX_STATES], worse[MAX_STATES];
    for (int round = 0; round < 12; round++) {
      evaluate(V, &m, &pi, NULL, c);
      for (int s = 0; s < CELLS; s++) {
        cr_assert(round == 0 || V[s] >= worse[s] - 1e-9 * c, "no cell gets worse");
        cr_assert(V[s] <= c * log(u[s]) + 1e-9 * c);
      }
      memcpy(worse, V, sizeof V);
      pi = improve(&m, V, c);
    }
    for (int s = 0; s < CELLS; s++) {
      cr_assert_float_eq(V[s] / c, log(u[s]), 1e-6, "cell %d: %g, optimum %g", s, V[s] / c,
                         log(u[s]));
      cr_assert_gt(V[s] / c, best[s]);
    }
  }
}

// ---- stochastic dynamics ----

// A minibatch has one s' a row. The mean of such targets is E B(V(s')), which is at least B(E
// V(s')), with any bound of q0, since B is the largest of functions that are linear in V.
Test(theorems, sampled_targets_are_above_the_target_of_the_mean) {
  struct rng rng;
  rng_init(&rng, 6, RNG_TEST, 0);
  int strict = 0;
  for (int i = 0; i < 3000; i++) {
    struct backup_options opt = {.gamma = uniform(&rng, 0.5, 0.99), .kl_sign = -1};
    opt.kappa = exp(uniform(&rng, -1, 1));
    opt.q_max = i % 3 == 0 ? 1 : i % 3 == 1 ? opt.gamma : uniform(&rng, 0.1, 1);
    const float cl = (float)uniform(&rng, -8, 2);
    const float near = (float)uniform(&rng, -8, 2), far = (float)uniform(&rng, -8, 2);
    // one row in four meets the far successor
    const float likely[] = {cl, cl, cl, cl}, V[] = {near, far, near, near};
    const float mean = 0.75f * near + 0.25f * far;
    float y[4], at_mean;
    backup_outcome(&(struct backup_rows){.y = y}, likely, V, NULL, &opt, 4);
    backup_outcome(&(struct backup_rows){.y = &at_mean}, &cl, &mean, NULL, &opt, 1);
    const double sampled = ((double)y[0] + y[1] + y[2] + y[3]) / 4;
    cr_assert(sampled >= (double)at_mean - 1e-5, "%g %g", sampled, (double)at_mean);
    strict += sampled > (double)at_mean + 1e-3;
  }
  cr_assert_gt(strict, 1000);
}

// a case by hand: l = -5, V = -1 or -9 alike, gamma 0.9
Test(theorems, a_sampled_target_by_hand) {
  const struct backup_options opt = {.gamma = 0.9, .q_max = 1, .kappa = 1, .kl_sign = -1};
  const struct backup_constants c = backup_prepare(&opt);
  const double sampled =
      (backup_transition(-5, -1, false, &c).y + backup_transition(-5, -9, false, &c).y) / 2;
  const double first = log(0.1 * exp(-5) + 0.9 * exp(-1)),
               second = log(0.1 * exp(-5) + 0.9 * exp(-9));
  cr_assert_float_eq(sampled, (first + second) / 2, 1e-12);
  cr_assert_float_eq(backup_transition(-5, -5, false, &c).y, -5, 1e-12);
  cr_assert_float_eq(sampled, -4.126, 2e-3);
}

// At the fixed points, for the uniform policy: B(E V) <= E B(V) <= log u. A q0 that may depend on
// s' is a larger family, so sampled targets are nearer to the bound, and still below it.
Test(theorems, fixed_points_of_both_forms_stay_below_the_evidence) {
  struct rng rng;
  rng_init(&rng, 7, RNG_TEST, 0);
  for (int i = 0; i < 50; i++) {
    const struct mdp m = random_mdp(&rng, false);
    const struct backup_options opt = {.gamma = m.gamma, .q_max = 1, .kappa = 1, .kl_sign = -1};
    const struct backup_constants c = backup_prepare(&opt);
    double u[MAX_STATES], mean[MAX_STATES] = {0}, sampled[MAX_STATES] = {0};
    evidence(u, &m);
    for (int k = 0; k < SWEEPS; k++) {
      double next[2][MAX_STATES] = {{0}};
      for (int s = 0; s < m.states; s++) {
        for (int a = 0; a < m.actions; a++) {
          next[0][s] += value_of_action(&m, s, a, mean, NULL, 1) / m.actions;
          for (int j = 0; j < 2; j++) {
            const double p = j == 0 ? m.first[s][a] : 1 - m.first[s][a];
            const double V = sampled[m.next[s][a][j]];
            next[1][s] += p * backup_transition(m.l[s][a], V, false, &c).y / m.actions;
          }
        }
      }
      memcpy(mean, next[0], sizeof mean);
      memcpy(sampled, next[1], sizeof sampled);
    }
    for (int s = 0; s < m.states; s++) {
      cr_assert(mean[s] <= sampled[s] + 1e-9 && sampled[s] <= log(u[s]) + 1e-9, "%g %g %g", mean[s],
                sampled[s], log(u[s]));
    }
  }
}
