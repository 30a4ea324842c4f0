// plot_data.h - learning curves of runs: those that differ in their seed alone are one series.
#ifndef LAUNCH_PLOT_DATA_H
#define LAUNCH_PLOT_DATA_H

#include <stdbool.h>

#include "common/base/err.h"
#include "deploy/launch/run_list.h"

// The evaluations of one run, by ascending x.
struct plot_curve {
  double *x, *y;
  int n;
};

struct plot_series {
  char *label;
  struct plot_curve *curves;
  int ncurve;
};

// One point of a series: over those of its curves that reach from before x to after it.
struct plot_point {
  double mean, least, most;
  int n;  // curves; 0: none
};

struct plot_data {
  struct plot_series *series;
  int n;
  bool rewards;  // scores are returns, else distances
};

// From eval.csv of each run that has one. x: env steps, or seconds. ERR_CONFIG (logged): there are
// no evaluations, or some scores are distances and others returns. Release with plot_data_release
// in any case; *out is zeroed.
NODISCARD enum err plot_data_read(struct plot_data *out, const struct run_list *runs, bool seconds);
void plot_data_release(struct plot_data *d);

// Curves are straight between evaluations.
struct plot_point plot_data_at(const struct plot_series *s, double x);

#endif
