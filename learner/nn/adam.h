// adam.h - Adam on one flat parameter block (Kingma, Ba, ICLR 2015, arXiv:1412.6980, algorithm 1).
//
//   m <- b1 m + (1 - b1) d,   v <- b2 v + (1 - b2) d^2
//   theta <- theta - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)                    (1)
//   b1 = 0.9, b2 = 0.999, eps = 1e-8 (PyTorch's defaults)
#ifndef LEARNER_NN_ADAM_H
#define LEARNER_NN_ADAM_H

#include <stddef.h>
#include <stdint.h>

struct adam {
  size_t n;      // parameters
  float *m, *v;  // moments (n), owned
  int64_t t;     // steps done
  float lr;
};

void adam_init(struct adam *opt, size_t n, float lr);
void adam_release(struct adam *opt);

// Eq. (1): theta (n) is updated in place from dtheta (n). Allocates nothing.
void adam_step(struct adam *opt, float *theta, const float *dtheta);

// The same in pieces, on any threads: adam_begin once, then adam_range for ranges [first, first +
// count) that cover all n numbers. The bits do not depend on the ranges.
struct adam_rates {
  float rate;  // lr / (1 - b1^t)
  float root;  // 1 / sqrt(1 - b2^t)
};
struct adam_rates adam_begin(struct adam *opt);
void adam_range(const struct adam *opt, struct adam_rates rates, float *theta, const float *dtheta,
                size_t first, size_t count);

// target <- (1 - tau) target + tau theta, n floats.
void adam_polyak(float *target, const float *theta, float tau, size_t n);

#endif
