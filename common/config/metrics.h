// metrics.h - the progress figures of metrics.def as one plain struct of doubles.
//
// Filled by the learner, printed as one key=value line, appended to progress.csv, parsed again by
// `telos train` for its status block. NaN means "not known yet" and prints as "-".
#ifndef COMMON_CONFIG_METRICS_H
#define COMMON_CONFIG_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct metrics {
#define M(name, format, unit, help) double name;
#include "common/config/metrics.def"
#undef M
};

// All NaN.
void metrics_clear(struct metrics *m);

// "progress steps=1000 total_steps=40000 ..." without newline. Returns the length, < n.
size_t metrics_line(char *out, size_t n, const struct metrics *m);

// Reverse of metrics_line; unknown keys are ignored. False when the line is no progress line.
bool metrics_parse(struct metrics *m, const char *line);

// Column names, and one row, of progress.csv; without newline. NaN is an empty field.
size_t metrics_csv_header(char *out, size_t n);
size_t metrics_csv_row(char *out, size_t n, const struct metrics *m);

#endif
