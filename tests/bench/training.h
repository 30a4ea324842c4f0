// training.h - for benches: updates as in training, without a fleet. Each draws its minibatch, with
// relabelled goals, from a replay of 100,000 transitions of random numbers.
#ifndef TESTS_BENCH_TRAINING_H
#define TESTS_BENCH_TRAINING_H

#include "common/config/config.h"
#include "common/episode.h"

struct training;

// The default rule on a crew of so many threads, at most one for each part of a minibatch; a few
// updates are done already. cfg and dims are copied. Free with training_free.
struct training *training_new(const struct config *cfg, const struct dims *dims, int threads);
void training_free(struct training *t);

int training_threads(const struct training *t);

// Updates a second by the wall clock, over at least one update and at least so many seconds.
double training_rate(struct training *t, double seconds);

#endif
