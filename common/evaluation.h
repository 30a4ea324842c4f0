// evaluation.h - what a batch of deterministic episodes says about a policy.
//
//   score = 100 sum_i f_i / sum_i d_i,   f_i = |achieved_T - g|, d_i = |achieved_0 - g|      (1)
// (the ratio of mean final to mean initial distance, in per cent). Its 95 % interval is that of a
// ratio estimator: with e_i = f_i - R d_i, R = score / 100,
//   half-width = 100 t_{0.975, n-1} sd(e) / (sqrt(n) mean(d))                               (2)
// (Cochran, Sampling Techniques, 1977, eq. 6.13).
#ifndef COMMON_EVALUATION_H
#define COMMON_EVALUATION_H

#include <stdbool.h>
#include <stdint.h>

struct episode;

struct evaluation {
  uint64_t version;  // of the policy; set by the caller
  uint64_t steps;    // env steps that it was trained for; set by the caller
  int n;             // episodes
  double distance;   // mean f [goal units]
  double initial;    // mean d [goal units]
  double score;      // eq. (1)
  double ci;         // eq. (2)
  int unstable;      // episodes that an unstable simulation cut
  double success;    // share that ends within radius, over the counted numbers; NaN: no radius
};

// n >= 2 episodes; radius and counts (goal; NULL: all) as success_radius and success_counts of
// struct task. A mean initial distance of 0 gives score and ci NaN.
void evaluation_compute(struct evaluation *out, struct episode *const *eps, int n, double radius,
                        const bool *counts);

// Euclidean distance of row t of achieved to the episode's desired goal, over the counted numbers.
double evaluation_distance(const struct episode *ep, int t, const bool *counts);

#endif
