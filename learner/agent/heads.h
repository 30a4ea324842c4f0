// heads.h - bootstrapped heads: K policies and K values of each state, in the networks of one,
// which see the head as a side input (side.h).
//
// Each training episode is acted by one head, drawn from its ticket's seed. Head 0 is the policy of
// the run, which is evaluated and saved: half of the rows of a minibatch are its own, from all
// transitions. The other half is divided evenly among the other heads, each of which knows half of
// the transitions alone:
//   m_k(s, a) ~ Bernoulli(1/2), a function of the numbers of (s, a)                         (1)
// So heads agree where there are many transitions, and differ where there are few, the more so as
// each keeps an opinion of its own there (prior.h): an episode of one head goes after its own guess
// from beginning to end. Osband et al. 2016, arXiv:1602.04621,
// whose heads are last layers; heads as inputs are those of epistemic neural networks,
// arXiv:2107.08924 [ours: head 0, and (1) of the transition's content].
#ifndef LEARNER_AGENT_HEADS_H
#define LEARNER_AGENT_HEADS_H

struct batch;
struct dims;
struct rng;

// b->head: which head learns from each row.
void heads_assign(const struct batch *b, const struct dims *dims, int heads, struct rng *rng);

#endif
