// actor_critic.h - what the rules with a policy and two critics share beside the agent: the value
// of the next state, the temperature, and what they report.
//
//   V = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g)    agent.value=soft               (1)
//   V = min_i Qbar_i(s', a', g)                               agent.value=hard               (2)
// with a' ~ pi(. | s', g). alpha is learned or constant (agent.h), or, agent.temperature=residual,
// follows the error of the critics:
//   alpha <- decay alpha + (1 - decay) lambda / 2 e, kept in [alpha_min, alpha_max]             (3)
// where e is the mean squared error of the critics: mean_i F_Qi, unless the rule has another one.
// (1): soft actor-critic, Haarnoja et al. 2018, arXiv:1812.05905. (2) and (3): VIREL, Fellows et
// al. 2019, arXiv:1811.01132, whose temperature is the mean squared Bellman error: while the
// critics are wrong the policy stays wide, and as they come to agree with their targets it becomes
// greedy. Its code evaluates the error on 4,096 fresh rows an update, six times the work of the
// update; here it is a running mean over minibatches [ours]. lambda: agent.residual_scale.
//
// Where explore.bonus is set, what is new is worth something to the heads after the first
// (learner/agent/heads.h), n being the novelty of s' (learner/worth/novelty.h):
//   y <- y + (1 - gamma) bonus n                                                            (4)
// so that bonus is the value of living where n is 1 for ever.
//
// A rule has a struct actor_critic as its first member. One thread at a time for an object; only
// actor_critic_init allocates.
#ifndef LEARNER_RULES_ACTOR_CRITIC_H
#define LEARNER_RULES_ACTOR_CRITIC_H

#include <stdbool.h>
#include <stdint.h>

#include "learner/rules/rule.h"

struct novelty;
struct reward;
struct rng;

// Figures of one update: F(name, unit, help, what it is over the minibatch).
#define ACTOR_CRITIC_FIGURES(F)                          \
  F(loss_q, "nats^2", "mean F_Q of both critics", MEAN)  \
  F(loss_pi, "nats", "F_pi", MEAN)                       \
  F(alpha, "", "temperature, after the update", MEAN)    \
  F(value, "", "V", MEAN)                                \
  F(q, "", "smaller of both critics at (s, a, g)", MEAN) \
  F(entropy, "nats", "-log pi(a~ | s, g)", MEAN)

struct actor_critic_figures {
#define F(name, unit, help, combine) float name;
  ACTOR_CRITIC_FIGURES(F)
#undef F
};

struct actor_critic {
  // settings
  uint64_t seed;
  double gamma;
  bool soft;                              // (1), else (2)
  bool residual;                          // (3)
  double lambda, decay, lowest, highest;  // of (3)
  float bonus;                            // (1 - gamma) bonus of (4)

  // state, beside the nets
  double alpha;  // of (3)

  struct actor_critic_figures figures;

  struct novelty *novelty;  // NULL: no (4)

  // work, rows of one minibatch
  int max_batch;
  float *block;      // holds the following
  float *next_act;   // (B x act)  a'
  float *next_logp;  // (B)        log pi(a' | s', g)
  float *V;          // (B)
  float *y;          // (B)        what the critics descend to
  float *n;          // (B)        what novelty has added to y: (4), else 0
};

// Appends the nets of agent_init, of these parts, and of novelty. gamma_max: of actor_critic_gamma.
// Settings: the groups agent and explore. Free with actor_critic_release.
void actor_critic_init(struct actor_critic *ac, struct agent *ag, const struct rule_setup *setup,
                       double gamma_max, const struct agent_parts *parts);
void actor_critic_release(struct actor_critic *ac);

// The largest gamma that follows from a horizon: of a goal, and of the task's reward. That of a
// goal is measured: with 0.99 on tasks of 100 steps an action is worth a third as much beside the
// noise of the critics, and the tasks in which a hand has to touch something are found, lost and
// found again. That of a reward is the field's own.
extern const double actor_critic_gamma_goal, actor_critic_gamma_reward;

// The one of the two for a rule with this reward.
double actor_critic_gamma_of(const struct reward *reward);

// agent.gamma; when that is unset, 1 - 1 / horizon, at least 0.5 and at most max.
double actor_critic_gamma(const struct config *cfg, int horizon, double max);

// The noise of one part of one update.
void actor_critic_noise(struct rng *rng, const struct actor_critic *ac, uint64_t key);

// The temperature that losses use.
float actor_critic_alpha(const struct actor_critic *ac, const struct agent *ag);

// (1) or (2) into V, for the next states of b, with actions drawn from rng.
void actor_critic_value(struct actor_critic *ac, struct agent *ag, const struct batch *b,
                        float alpha, struct rng *rng);

// (4), then the losses of the critics for y.
void actor_critic_values(struct actor_critic *ac, struct agent *ag, const struct batch *b);

// What is left of an update once y is known: actor_critic_values, the losses of policy and
// temperature with this alpha and actions drawn from rng, and the figures.
void actor_critic_descend(struct actor_critic *ac, struct agent *ag, const struct batch *b,
                          float alpha, struct rng *rng);

// The figures, after the losses of agent.h with this alpha.
void actor_critic_report(struct actor_critic *ac, const struct agent *ag, float alpha, int B);

// After a step of all nets: (3) for e = error, and the figure of alpha.
void actor_critic_stepped(struct actor_critic *ac, const struct agent *ag, float error);

// The same for e = mean_i F_Qi, as the function of a rule (rule.h) whose object begins with this
// one.
void actor_critic_rule_stepped(void *self, const struct agent *ag);

// The kept numbers of such a rule that has no others.
enum { ACTOR_CRITIC_NKEPT = 1 };
extern const struct kept_number actor_critic_kept[ACTOR_CRITIC_NKEPT];

// The rows of a rule's tables of figures and of kept numbers, for an object whose first member,
// base, this is.
#define ACTOR_CRITIC_FIGURE(type, name, unit, help, combine) \
  {#name, unit, help, offsetof(type, base.figures.name), FIGURE_##combine},
#define ACTOR_CRITIC_KEPT(type) \
  { "temperature", "residual", offsetof(type, base.alpha) }

#endif
