// sweep_stats.h - what the scores of several seeds say: mean, spread, interquartile mean.
//
// The interquartile mean is the mean without the lowest and the highest quarter: of n scores,
// floor(n / 4) are left out at either end.                                                 (1)
// Its 95 % interval is that of a stratified percentile bootstrap: each stratum (a task) is drawn
// anew, with replacement, from its own scores, and (1) is taken of all together.          (2)
// Both as in Agarwal et al., NeurIPS 2021, arXiv:2108.13264. The draws have a fixed seed: the same
// scores give the same interval.
#ifndef LAUNCH_SWEEP_STATS_H
#define LAUNCH_SWEEP_STATS_H

enum { SWEEP_STATS_DRAWS = 10000 };

// n >= 1.
double sweep_stats_mean(const double *x, int n);

// Of the sample, with n - 1; NaN for n = 1.
double sweep_stats_sd(const double *x, int n);

// Eq. (1), n >= 1.
double sweep_stats_iqm(const double *x, int n);

// Eq. (2): x holds the strata one behind the other, n[i] >= 1 scores each. NaN when no stratum has
// two.
void sweep_stats_interval(double *low, double *high, const double *x, const int *n, int strata);

#endif
