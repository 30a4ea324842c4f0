// evaluation.h - what a batch of deterministic episodes says about a policy.
//
//   score = 100 sum_i f_i / sum_i d_i,   f_i = |achieved_T - g|, d_i = |achieved_0 - g|      (1)
// (the ratio of mean final to mean initial distance, in per cent). Its 95 % interval is that of a
// ratio estimator: with e_i = f_i - R d_i, R = score / 100,
//   half-width = 100 t_{0.975, n-1} sd(e) / (sqrt(n) mean(d))                               (2)
// (Cochran, Sampling Techniques, 1977, eq. 6.13).
//
// A task without a goal has no distances: its score is the return, the sum of an episode's rewards,
// undiscounted: mean over episodes, with half-width t_{0.975, n-1} sd / sqrt(n)           (3)
#ifndef COMMON_EVALUATION_H
#define COMMON_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct episode;

enum {
  EVALUATION_MAX_PARTS = 16,
  EVALUATION_TEXT = 2048,  // bytes of evaluation_text and evaluation_parts_text
};

// A part of the goal that is reported by itself: n numbers from number first on.
struct evaluation_part {
  const char *name;  // borrowed
  int first, n;
  double distance;  // mean final distance over these numbers; set by evaluation_parts
};

struct evaluation {
  uint64_t version;  // of the policy; set by the caller
  uint64_t steps;    // env steps that it was trained for; set by the caller
  int n;             // episodes
  double distance;   // mean f [goal units]; NaN: the task has no goal
  double initial;    // mean d [goal units]; NaN as well
  double score;      // eq. (1), or (3)
  double ci;         // eq. (2), or (3)
  double ret;        // mean return; NaN: the task has no rewards
  double success;    // share that ends within radius, over the counted numbers; NaN: no radius
  int unstable;      // episodes that were cut, because the simulation became unstable
  struct evaluation_part part[EVALUATION_MAX_PARTS];  // (nparts), when evaluation_parts was called
  int nparts;
};

// Everything but the parts. n >= 2 episodes; radius and counts (goal; NULL: all) as success_radius
// and success_counts of struct task. A mean initial distance of 0 gives score and ci NaN.
void evaluation_compute(struct evaluation *out, struct episode *const *eps, int n, double radius,
                        const bool *counts);

// The parts of the goal; n of them, at most EVALUATION_MAX_PARTS. After evaluation_compute, with
// the same episodes.
void evaluation_parts(struct evaluation *out, struct episode *const *eps,
                      const struct evaluation_part *parts, int n);

// "distance 0.225, score 2.79 +- 0.15, success 1 over 50 episodes", or, without a goal,
// "return 3012 +- 25 over 50 episodes". A score that has no meaning is said to have none, and a
// success that is not defined is left out.
void evaluation_text(char *out, size_t n, const struct evaluation *e);

// Reverse of evaluation_text, as far as its digits go: distance, score, ci, ret and success, NaN
// where it says nothing of them. False: the text is none.
bool evaluation_parse(struct evaluation *out, const char *text);

// "goal.hand 0.02, goal.puck 0.2"; "" when there are fewer than two parts.
void evaluation_parts_text(char *out, size_t n, const struct evaluation *e);

// Sum of the episode's rewards, undiscounted.
double evaluation_return(const struct episode *ep);

// Euclidean distance of row t of achieved to the episode's desired goal, over the counted numbers.
double evaluation_distance(const struct episode *ep, int t, const bool *counts);

// The same of two goals (n), over the numbers that counts (n; NULL: all) names.
double evaluation_between(const float *achieved, const float *desired, int n, const bool *counts);

#endif
