// metrics.h - the progress figures of metrics.def as one plain struct.
//
// Filled by the learner, printed as one key=value line, parsed again by `telos train` for its
// status block. NaN means "not known yet" and prints as "-". A word is its index among the words of
// its row; -1 is not known.
#ifndef COMMON_CONFIG_METRICS_H
#define COMMON_CONFIG_METRICS_H

#include <stdbool.h>
#include <stddef.h>

enum metrics_limit { METRICS_LIMIT_LEARNER, METRICS_LIMIT_ACTORS, METRICS_LIMIT_WINDOW };

// what keeps the threads that compute updates from being more
enum metrics_bound { METRICS_BOUND_THREADS, METRICS_BOUND_SHARDS, METRICS_BOUND_CORES };

struct metrics {
#define M(name, format, unit, help) double name;
#define W(name, words, help) int name;
#include "common/config/metrics.def"
#undef M
#undef W
};

// Nothing is known.
void metrics_clear(struct metrics *m);

// Sets the figure of this name, which is no word; a name that no row has changes nothing.
void metrics_set(struct metrics *m, const char *name, double value);

// "progress steps=1000 total_steps=40000 ..." without newline. Returns the length, < n.
size_t metrics_line(char *out, size_t n, const struct metrics *m);

// Reverse of metrics_line; unknown keys are ignored. False when the line is no progress line.
bool metrics_parse(struct metrics *m, const char *line);

#endif
