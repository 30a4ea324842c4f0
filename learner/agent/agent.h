// agent.h - policy, critics and a temperature: what the update rules share.
//
//   policy       pi(a | s, g)        concat(s, g) -> hidden -> (mu, o), common/nn/policy.h
//   critics      Q_1, Q_2 (s, a, g)  concat(s, g, a) -> hidden -> 1; slow copies Qbar_1, Qbar_2
//   temperature  alpha = exp(log alpha)
//
// A rule says which of these it has (struct agent_parts). Where it has one critic, min_i below is
// that one.
//
// Where explore.heads is above 1 or context.members above 0, all these networks have side inputs,
// too (side.h): each row of a minibatch is learned by its own head, b->head, and all of them with
// one context, which an encoder learns with the critics:
//   F_z     = sum_i F_Qi + context.kl KL                                        (6)  [context.h]
//
// A rule decides what a value is (y) and calls the losses in its order:
//   V       = min_i Qbar_i(s', a', g) - alpha log pi(a' | s', g),  a' ~ pi(. | s', g)  (1)  [SAC]
//   F_Q     = mean (Q_i(s, a, g) - y)^2                                                (2)  [SAC]
//   F_pi    = mean (alpha log pi(a~ | s, g) - min_i Q_i(s, a~, g)),  a~ ~ pi(. | s, g)  (3)  [SAC]
//             + agent_clone, where there are demonstrations
//   F_alpha = -log alpha mean(log pi(a~ | s, g) + H),  H: the entropy that is wanted   (4)  [SAC]
//   Qbar_i <- (1 - tau) Qbar_i + tau Q_i                                               (5)  [SAC]
// [SAC]: Haarnoja et al. 2018, arXiv:1812.05905, sections 4 to 6; means are over B rows.
//
// Losses and gradients go into the nets (net.loss, net.grad); nothing here steps a parameter.
// Arrays are row-major float32. One thread at a time for an object; twins (net.h) may compute at
// once, while nobody steps. Only agent_init allocates.
#ifndef LEARNER_AGENT_AGENT_H
#define LEARNER_AGENT_AGENT_H

#include <stdbool.h>

#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/side.h"

struct batch;
struct config;
struct context;
struct prior;
struct rng;
struct scaling;

struct agent_parts {
  int critics;        // 0 to 2
  bool slow_critics;  // each with a slow copy
  bool slow_policy;   // the policy has one, too
  bool temperature;   // log alpha
};

// Two critics with slow copies, and a temperature.
extern const struct agent_parts agent_twin;

struct agent {
  struct policy_shape shape;
  struct agent_parts parts;
  const struct scaling *scaling;  // borrowed
  struct side side;               // side inputs
  int max_batch;
  double entropy_target;  // H [nats]
  float clone;            // demos.clone; 0 where there are no demonstrations

  struct net policy, critic[2];
  struct net log_alpha;
  struct prior *prior;      // NULL: none
  struct context *context;  // NULL: none

  // of the last losses
  double mean_logp;  // of agent_policy_loss: mean log pi(a~ | s, g) [nats]
  double mean_q;     // of agent_critic_loss: mean min_i Q_i(s, a, g)

  // work, rows of one minibatch
  struct mlp_tape *policy_tape, *critic_tape[2];
  const float *head;         // (B) of the rows of the minibatch; NULL: all of head 0
  const struct batch *laid;  // whose (s, g) the rows of critic_tape[0] hold; NULL: nobody's
  float *block;              // holds the following
  float *eps, *act;          // (B x act)   noise and actions of the last sample; a~
  float *logp;               // (B)
  float *q;                  // (B)         min_i Q_i(s, a, g)
  float *policy_q;           // (B)         min_i Q_i(s, a~, g)
  float *dq;                 // (B)         dF / dQ_i
  float *y;                  // (B)         what critics without a prior descend to
  int *row;                  // (B)         rows in which a critic is the smaller one
  float *da_of;              // (B x act)   dF / da~ of those
  float *da;                 // (B x act)   dF / da~
  float *dhead;              // (B x 2 act)
  float *z, *dz;             // (context.size) and dF / dz of (6)
  float *dz_of;              // (B x context.size) of each row
  int *all;                  // (B) 0, 1, ..
};

// Appends its nets to the list, as far as parts and settings have them: policy, critic1, critic2,
// log_alpha, prior, context, whose networks see observations and goals through scaling (borrowed).
// Settings: net.hidden, train.batch, explore.heads and the groups agent and context. horizon: steps
// of an episode. Free with agent_release.
void agent_init(struct agent *ag, struct nets *nets, const struct config *cfg,
                const struct policy_shape *shape, const struct scaling *scaling,
                const struct agent_parts *parts, int horizon);
void agent_release(struct agent *ag);

// Before the losses of each minibatch: forgets what is laid down of the last one. The rows of all
// that follows are those of b (borrowed) in its order; NULL: of any, for head 0.
void agent_begin(struct agent *ag, const struct batch *b);

// Where there is a context: between agent_begin and the losses of b, infers it from b, with noise
// from rng; after the losses, (6).
void agent_infer(struct agent *ag, const struct batch *b, struct rng *rng);
void agent_context_loss(struct agent *ag);

float agent_alpha(const struct agent *ag);

// Inputs of a network that sees states: observations, goals and side inputs.
int agent_inputs(const struct agent *ag);

// (obs, goal), standardised, and side inputs into the first columns of x (B x width), as networks
// see them.
void agent_lay(const struct agent *ag, float *x, int width, const float *obs, const float *goal,
               int B);

// a ~ pi(. | obs, goal): act (B x act) and its log-density logp (B). Draws B act normals from rng.
void agent_sample(struct agent *ag, float *act, float *logp, const float *obs, const float *goal,
                  struct rng *rng, int B);

// V (B) = min_i Qbar_i(obs, act, goal): the first term of (1).
void agent_min_target(struct agent *ag, float *V, const float *obs, const float *goal,
                      const float *act, int B);

// V (B) -= alpha logp (B): the second term of (1).
void agent_subtract_entropy(float *V, float alpha, const float *logp, int B);

// (2) for y (B). Sets mean_q.
void agent_critic_loss(struct agent *ag, const struct batch *b, const float *y);

// ---- losses of a rule's own, by the policy's outputs ----

// The head (B x 2 act) of the policy, or of its slow copy; borrowed until the next call on ag.
const float *agent_head(struct agent *ag, bool slow, const float *obs, const float *goal, int B);

// Behaviour cloning: the mean over the rows of b, where those that are no demonstration count 0, of
// -log pi(a | s, g), times the setting demos.clone. Adds its slopes to dhead, for the head of the
// last agent_head on b, and returns it.
double agent_clone(const struct agent *ag, float *dhead, const float *head, const struct batch *b);

// The policy's gradient, given dF / dhead of the last agent_head, which was not of the slow copy.
void agent_policy_gradient(struct agent *ag, const float *dhead, int B);

// ---- and those of (3) and (4) ----

// (3) at this alpha, with actions drawn from rng as by agent_sample. Sets mean_logp.
void agent_policy_loss(struct agent *ag, const struct batch *b, float alpha, struct rng *rng);

// (4), for the actions of agent_policy_loss.
void agent_temperature_loss(struct agent *ag);

// The last bias of critics and of their slow copies: initial critics are about 0, so that this is
// the value they start from.
void agent_set_level(struct agent *ag, float level);

#endif
