// clone.h - behaviour cloning: the policy that gives demonstrations the largest likelihood.
//
//   F_pi = -mean log pi(a | s, g) over the rows of demonstrations           (1)
// times demos.clone; common/nn/policy.h, eq. (6), has the density and what is cut of it. Goals are
// relabelled in hindsight like all rows, so that every outcome that a demonstration reached is
// shown as a goal (Ding et al. 2019, arXiv:1906.05838).
//
// What the policy does in its own episodes changes nothing; they measure it.
#ifndef LEARNER_RULES_CLONE_H
#define LEARNER_RULES_CLONE_H

#include "learner/rules/rule.h"

struct clone {
  float loss;    // of the last minibatch
  float *dhead;  // (B x 2 act)
};

// Nets: policy.
extern const struct rule clone_rule;

#endif
