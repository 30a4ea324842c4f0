// Control as inference on tables, by enumeration: optimality variables O_t with p(O_t | s, a) =
// exp(r(s, a)), states that follow from actions, and actions from a prior p(a | s). Backward and
// forward messages, soft value iteration, what optimism is and which backup has none, and a prior
// that is not uniform. Held against these are the pieces that the rules are made of: the backup of
// a reward, and the entropy that is subtracted from a value.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/agent/agent.h"
#include "learner/rules/backup.h"

enum { STATES = 4, ACTIONS = 3, STEPS = 5, PATHS = 243 };  // 3^5

struct world {
  int next[STATES][ACTIONS];
  double reward[STATES][ACTIONS], prior[STATES][ACTIONS];
};

static struct world random_world(uint64_t seed, bool uniform) {
  struct world w;
  struct rng rng;
  rng_init(&rng, seed, RNG_TEST, 0);
  for (int s = 0; s < STATES; s++) {
    double sum = 0;
    for (int a = 0; a < ACTIONS; a++) {
      w.next[s][a] = (int)rng_below(&rng, STATES);
      w.reward[s][a] = -3 * (double)rng_float(&rng);
      w.prior[s][a] = uniform ? 1 : 0.1 + (double)rng_float(&rng);
      sum += w.prior[s][a];
    }
    for (int a = 0; a < ACTIONS; a++) {
      w.prior[s][a] /= sum;
    }
  }
  return w;
}

// ---- messages ----

// log beta(s, a) = r + log beta(s'), log beta(s) = log sum_a p(a | s) beta(s, a); at the end 0
struct values {
  double q[STEPS][STATES][ACTIONS], v[STEPS + 1][STATES];
};

static struct values soft_values(const struct world *w) {
  struct values out;
  memset(&out, 0, sizeof out);
  for (int t = STEPS - 1; t >= 0; t--) {
    for (int s = 0; s < STATES; s++) {
      double sum = 0;
      for (int a = 0; a < ACTIONS; a++) {
        out.q[t][s][a] = w->reward[s][a] + out.v[t + 1][w->next[s][a]];
        sum += w->prior[s][a] * exp(out.q[t][s][a]);
      }
      out.v[t][s] = log(sum);
    }
  }
  return out;
}

// sums over all paths of n steps from s: total of p(path) exp(rewards), and per first action
struct paths {
  double all, first[ACTIONS];
};

static struct paths enumerate(const struct world *w, int s, int n) {
  struct paths sum = {0};
  int count = 1;
  for (int t = 0; t < n; t++) {
    count *= ACTIONS;
  }
  for (int path = 0; path < count; path++) {
    double weight = 1;
    int at = s, code = path;
    for (int t = 0; t < n; t++, code /= ACTIONS) {
      const int a = code % ACTIONS;
      weight *= w->prior[at][a] * exp(w->reward[at][a]);
      at = w->next[at][a];
    }
    sum.all += weight;
    sum.first[path % ACTIONS] += weight;
  }
  return sum;
}

Test(inference, backward_messages_are_the_evidence_of_optimality) {
  for (uint64_t seed = 0; seed < 8; seed++) {
    const struct world w = random_world(seed, seed % 2 == 0);
    const struct values v = soft_values(&w);
    for (int s = 0; s < STATES; s++) {
      const struct paths sum = enumerate(&w, s, STEPS);
      cr_assert_float_eq(v.v[0][s], log(sum.all), 1e-12);
      for (int a = 0; a < ACTIONS; a++) {
        // the posterior policy is the prior times what is to come
        const double policy = w.prior[s][a] * exp(v.q[0][s][a] - v.v[0][s]);
        cr_assert_float_eq(policy, sum.first[a] / sum.all, 1e-12);
      }
    }
  }
}

// p(s_t | O) is the product of what came to s_t and what is to come from it
Test(inference, forward_and_backward_messages_give_the_states) {
  const struct world w = random_world(3, false);
  const struct values v = soft_values(&w);
  double forward[STEPS + 1][STATES] = {{1}};
  for (int t = 0; t < STEPS; t++) {
    for (int s = 0; s < STATES; s++) {
      for (int a = 0; a < ACTIONS; a++) {
        forward[t + 1][w.next[s][a]] += forward[t][s] * w.prior[s][a] * exp(w.reward[s][a]);
      }
    }
  }
  for (int t = 0; t <= STEPS; t++) {
    double want[STATES] = {0}, all = 0;
    for (int path = 0; path < PATHS; path++) {
      double weight = 1;
      int at = 0, code = path, there = 0;
      for (int k = 0; k < STEPS; k++, code /= ACTIONS) {
        const int a = code % ACTIONS;
        there = k == t ? at : there;
        weight *= w.prior[at][a] * exp(w.reward[at][a]);
        at = w.next[at][a];
      }
      want[t == STEPS ? at : there] += weight;
      all += weight;
    }
    for (int s = 0; s < STATES; s++) {
      const double got = forward[t][s] * exp(v.v[t][s]) / all;
      cr_assert_float_eq(got, want[s] / all, 1e-12, "state %d at %d", s, t);
    }
  }
}

// ---- what the rules compute ----

// At the posterior policy V = Q - log pi + log p is the same for every action, so that one sample
// of it is the soft value; with a uniform prior log p is a constant, which rules leave out.
Test(inference, one_action_of_the_posterior_gives_the_soft_value) {
  const struct world w = random_world(5, true);
  const struct values v = soft_values(&w);
  for (int s = 0; s < STATES; s++) {
    for (int a = 0; a < ACTIONS; a++) {
      float value = (float)v.q[0][s][a];
      const float logp = (float)(log(w.prior[s][a]) + v.q[0][s][a] - v.v[0][s]);
      agent_subtract_entropy(&value, 1, &logp, 1);
      cr_assert_float_eq((double)value - log(ACTIONS), v.v[0][s], 1e-5);
    }
  }
}

// soft value iteration through the rules' backup: Q = r + V(s'), V = log mean exp Q
Test(inference, the_backup_of_a_reward_is_soft_value_iteration) {
  const struct world w = random_world(6, true);
  const struct values v = soft_values(&w);
  float value[STATES] = {0};
  for (int t = STEPS - 1; t >= 0; t--) {
    float now[STATES];
    for (int s = 0; s < STATES; s++) {
      float r[ACTIONS], next[ACTIONS], done[ACTIONS] = {0}, q[ACTIONS];
      for (int a = 0; a < ACTIONS; a++) {
        r[a] = (float)w.reward[s][a];
        next[a] = value[w.next[s][a]];
      }
      backup_reward(q, r, next, done, 1, ACTIONS);
      double sum = 0;
      for (int a = 0; a < ACTIONS; a++) {
        cr_assert_float_eq(q[a], v.q[t][s][a], 1e-5);
        sum += exp((double)q[a]) / ACTIONS;
      }
      now[s] = (float)log(sum);
    }
    memcpy(value, now, sizeof value);
  }
}

// A gamble: one ticket in ten pays 3, the others nothing; or 0.9 for certain. Messages take the
// expectation inside the exponential, as if luck were a choice, and prefer the ticket. The rules
// average their targets, so that its value is 0.3: dynamics stay what they are.
Test(inference, messages_are_optimistic_and_the_backup_is_not) {
  enum { TICKETS = 10 };
  float r[TICKETS] = {0}, V[TICKETS] = {3}, done[TICKETS] = {0}, y[TICKETS];
  backup_reward(y, r, V, done, 1, TICKETS);
  double message = 0, mean = 0;
  for (int i = 0; i < TICKETS; i++) {
    message += exp((double)V[i]) / TICKETS;
    mean += (double)y[i] / TICKETS;
  }
  const double certain = 0.9;
  cr_assert_gt(log(message), certain);
  cr_assert_lt(mean, certain);
}

// a prior that is not uniform is a reward of log p(a | s)
Test(inference, a_prior_is_a_reward) {
  struct world w = random_world(7, false);
  const struct values with_prior = soft_values(&w);
  for (int s = 0; s < STATES; s++) {
    for (int a = 0; a < ACTIONS; a++) {
      w.reward[s][a] += log(w.prior[s][a] * ACTIONS);
      w.prior[s][a] = 1.0 / ACTIONS;
    }
  }
  const struct values as_reward = soft_values(&w);
  for (int s = 0; s < STATES; s++) {
    cr_assert_float_eq(with_prior.v[0][s], as_reward.v[0][s], 1e-12);
  }
}

// ---- inverse reinforcement learning on tables ----

// how often each (t, s, a) is met from state 0 under the posterior policy
static void visits(double out[STATES][ACTIONS], const struct world *w) {
  const struct values v = soft_values(w);
  double at[STATES] = {1};
  memset(out, 0, sizeof(double) * STATES * ACTIONS);
  for (int t = 0; t < STEPS; t++) {
    double next[STATES] = {0};
    for (int s = 0; s < STATES; s++) {
      for (int a = 0; a < ACTIONS; a++) {
        const double met = at[s] * w->prior[s][a] * exp(v.q[t][s][a] - v.v[t][s]);
        out[s][a] += met;
        next[w->next[s][a]] += met;
      }
    }
    memcpy(at, next, sizeof at);
  }
}

// The gradient of the demonstrations' likelihood is a difference of counts; climbing it from 0
// finds a reward under which the counts, and so the policy, are the demonstrations'.
Test(inference, counts_find_a_planted_reward) {
  const struct world planted = random_world(11, true);
  struct world found = planted;
  double want[STATES][ACTIONS], got[STATES][ACTIONS];
  visits(want, &planted);
  memset(found.reward, 0, sizeof found.reward);
  for (int i = 0; i < 20000; i++) {
    visits(got, &found);
    for (int s = 0; s < STATES; s++) {
      for (int a = 0; a < ACTIONS; a++) {
        found.reward[s][a] += 0.2 * (want[s][a] - got[s][a]);
      }
    }
  }
  for (int s = 0; s < STATES; s++) {
    for (int a = 0; a < ACTIONS; a++) {
      cr_assert_float_eq(got[s][a], want[s][a], 1e-3, "state %d action %d: %g, want %g", s, a,
                         got[s][a], want[s][a]);
    }
  }
  const struct paths a = enumerate(&planted, 0, STEPS), b = enumerate(&found, 0, STEPS);
  for (int k = 0; k < ACTIONS; k++) {
    cr_assert_float_eq(a.first[k] / a.all, b.first[k] / b.all, 2e-2);
  }
}
