// rollout.h - episode = rollout(ticket, weights, task): a pure function.
//
//   TICKET_WARMUP  uniform random actions
//   TICKET_TRAIN   a ~ pi(. | s, g); then with probability level x explore.random a uniform action;
//                  then with probability level x explore.repeat the previous action again
//   TICKET_EVAL    a = tanh(mu); no exploration, the task's own action noise stays
//
// Repeating wins over a random action. A step takes the same draws whichever action it takes.
//
// The level belongs to the ticket: 0 with probability explore.none, else uniform on
// [explore.least, 1]. So replay holds both what a policy does by itself and what it would never do:
// tasks differ in which of the two they cannot be learned without. (One level an episode instead of
// an actor, which Ape-X has: Horgan et al., ICLR 2018, arXiv:1803.00933, section 4.1.)
//
// With several heads (learner/agent/heads.h) each TICKET_TRAIN is acted by one of them, drawn from
// its seed; TICKET_EVAL by the first. In a family of tasks (learner/agent/context.h) each ticket is
// in one of them, drawn from its seed, too.
//
// The hindsight table is drawn by the strategy 'future': row t holds k indices, uniform on
// t+1..T, independent (Andrychowicz et al., NeurIPS 2017, arXiv:1707.01495, section 3.3).
#ifndef ACTOR_ROLLOUT_H
#define ACTOR_ROLLOUT_H

#include <stdatomic.h>

#include "common/base/err.h"
#include "common/episode.h"
#include "common/nn/weights.h"
#include "common/task/task.h"

struct env;
struct rollout;  // an env, scratch for the policy; one per thread

struct rollout_options {
  double none, least, random, repeat;  // the settings of group explore
  int hindsight;                       // k
  int members;                         // context.members; 0: those of the policy, if it has any
};

bool rollout_same_options(const struct rollout_options *a, const struct rollout_options *b);

// For those who look on or take part: all may be NULL. The episode is the same as without them, but
// for what act and desired replace.
struct rollout_hooks {
  // the state at t = 0..T, of which ep holds all rows so far (ep->T = t); t = 0 comes again when an
  // episode is run again
  void (*observe)(void *ctx, struct env *env, const struct episode *ep, int t);
  // action (act) of step t, in place of the ticket's kind
  void (*act)(void *ctx, float *action, struct env *env, int t);
  void *ctx;
  const float *desired;  // (goal) in place of the goal that was drawn
};

struct rollout *rollout_new(const struct task *task, const struct rollout_options *opt);
void rollout_free(struct rollout *r);  // NULL is allowed

// For the episodes that follow; borrowed. NULL: none. With act, weights may be NULL.
void rollout_set_hooks(struct rollout *r, const struct rollout_hooks *hooks);

// Fills ep (made with episode_new for this task's dims). w must be the version the ticket names;
// it may be NULL for TICKET_WARMUP. Its widths must fit the task (obs + goal .. 2 act); the first
// run with larger widths than before allocates scratch. steps, when not NULL, counts env steps as
// they happen.
// An episode whose simulation becomes unstable ends there (unstable = true, terminated = false).
// When that is at its first step, the episode is run again as a function of the same ticket with
// fresh noise streams, at most 100 times; then the result is ERR_NUMERIC (logged). So it is for a
// fatal error of MuJoCo, such as too little memory in the model's <size>: another actor would meet
// it as well.
NODISCARD enum err rollout_run(struct rollout *r, struct episode *ep, const struct ticket *ticket,
                               const struct weights *w, _Atomic uint64_t *steps);

// How much the episode of a ticket with this seed explores: 0, or from opt->least to 1.
double rollout_level(const struct rollout_options *opt, uint64_t seed);

#endif
