// prior.h - a random opinion that heads after the first keep: what makes them differ where nothing
// has been seen.
//
//   Q_k(s, a, g) = f_k(s, a, g) + beta p_k(s, a, g),  k > 0                                  (1)
// f: the critics, which learn what is missing to their targets; p: a random network that never
// changes and sees the head, too; beta: explore.prior. Where there are many transitions f makes up
// for p. Where there are none p stays, so that each head expects something else there, and goes and
// sees. The first head has no such opinion.
//
// Randomized prior functions: Osband, Aslanides, Cassirer 2018, arXiv:1806.03335, equation 4.
// One thread at a time; only prior_new allocates.
#ifndef LEARNER_AGENT_PRIOR_H
#define LEARNER_AGENT_PRIOR_H

struct config;
struct nets;
struct prior;

// Appends its net, "prior", to the list: of rows of inputs numbers, of which slopes are wanted by
// at most columns. Settings: explore.prior, train.batch. Free with prior_free.
struct prior *prior_new(struct nets *nets, const struct config *cfg, int inputs, int columns);
void prior_free(struct prior *p);  // NULL is allowed

// q (B) += sign beta p of the rows x (B x inputs), where head (B) is above 0; NULL: nowhere.
void prior_add(struct prior *p, float *q, float sign, const float *x, const float *head, int B);

// da (B x count) += sign beta dp / dx[first, first + count) of the rows of the last prior_add.
void prior_add_slope(struct prior *p, float *da, float sign, int first, int count);

#endif
