// heads.h - bootstrapped heads: K policies and K values of each state, in the networks of one.
//
// The networks of an agent see which head they are asked for beside their n other inputs:
//   x_k = (x, sqrt(n) e_k),  e_k: 1 in place k, else 0                                       (1)
// sqrt(n), so that the head weighs as much as all other inputs, which are about one deviation in
// size: heads start as other functions. A published policy has (1) folded into its first layer,
//   b_k = b + sqrt(n) W e_k                                                                  (2)
// so that actors and policy files see a plain network, and heads 1 .. K - 1 are biases that go
// along with it (common/nn/weights.h).
//
// Each training episode is acted by one head, drawn from its ticket's seed. Head 0 is the policy of
// the run, which is evaluated and saved: half of the rows of a minibatch are its own, from all
// transitions. The other half is divided evenly among the other heads, each of which knows half of
// the transitions alone:
//   m_k(s, a) ~ Bernoulli(1/2), a function of the numbers of (s, a)                            (3)
// So heads agree where there are many transitions, and differ where there are few: an episode of
// one head goes after its own guess from beginning to end. Osband et al. 2016, arXiv:1602.04621,
// whose heads are last layers; (1) as in epistemic neural networks, arXiv:2107.08924 [ours: head 0,
// and (3) of the transition's content].
#ifndef LEARNER_AGENT_HEADS_H
#define LEARNER_AGENT_HEADS_H

#include <stddef.h>

struct batch;
struct dims;
struct rng;

// (1): columns [inputs, inputs + heads) of x (B x width). head (B); NULL: all are head 0.
void heads_lay(float *x, int width, int inputs, int heads, const float *head, int B);

// (2) of the first layer (width1 x (inputs + heads), then its bias) of theta, whose others follow:
// out (n) for head 0, of so many floats without the columns of heads, and bias ((heads - 1) x
// width1) for the others.
void heads_fold(float *out, float *bias, const float *theta, int inputs, int width1, int heads,
                size_t n);

// The reverse: all heads of theta are the plain network in (n).
void heads_unfold(float *theta, const float *in, int inputs, int width1, int heads, size_t n);

// b->head: which head learns from each row.
void heads_assign(const struct batch *b, const struct dims *dims, int heads, struct rng *rng);

#endif
