// novelty.c - equations (1) and (2) of novelty.h.
#include "learner/worth/novelty.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/nn/policy.h"
#include "learner/agent/net.h"
#include "learner/agent/scaling.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"

enum { NUMBERS = 16 };

static const struct widths hidden = {.n = 2, .v = {64, 64}};
// Adam step size, that of the paper: faster ones shake e by more than counts differ
static const float rate = 1e-4f;
static const float most = 10;  // of (2)
// the last layer of a new network is nearly 0, and f has to be of order 1
static const float aim_scale = 100;

struct novelty {
  const struct scaling *scaling;
  int obs, goal, max_batch;
  struct net net, aim;  // g, f
  struct mlp_tape *tape, *aim_tape;
  float *error, *dy;  // (B) e; (B x 16) dF_g / dg
};

struct novelty *novelty_new(struct nets *nets, const struct config *cfg,
                            const struct policy_shape *shape, const struct scaling *scaling) {
  CHECK(nets && cfg && shape && scaling);
  struct novelty *n = must_alloc(1, sizeof *n);
  n->scaling = scaling;
  n->obs = shape->obs;
  n->goal = shape->goal;
  n->max_batch = (int)cfg->train_batch;
  struct net_setup setup = {.name = "novelty",
                            .remedy = "set explore.bonus=0",
                            .hidden = &hidden,
                            .in = policy_inputs(shape),
                            .out = NUMBERS,
                            .lr = rate};
  net_init(&n->net, nets, &setup);
  setup.name = "novelty_aim";
  net_init(&n->aim, nets, &setup);
  n->aim.constant = true;
  n->tape = mlp_tape_new(&n->net.mlp, n->max_batch, 0);
  n->aim_tape = mlp_tape_new(&n->aim.mlp, n->max_batch, 0);
  const size_t B = (size_t)n->max_batch;
  n->error = must_alloc(B, sizeof *n->error);
  n->dy = must_alloc(B * NUMBERS, sizeof *n->dy);
  return n;
}

void novelty_free(struct novelty *n) {
  if (!n) {
    return;
  }
  net_release(&n->net);
  net_release(&n->aim);
  mlp_tape_free(n->tape);
  mlp_tape_free(n->aim_tape);
  free(n->error);
  free(n->dy);
  free(n);
}

// x of the next states of b
static void lay(const struct novelty *n, struct mlp_tape *tape, const struct batch *b) {
  const int width = n->obs + n->goal;
  const float *mean = n->scaling->mean, *inv = n->scaling->inv;
  float *x = mlp_input(tape);
  rows_set_scaled(x, width, 0, b->next_obs, mean, inv, n->obs, b->B);
  rows_set_scaled(x, width, n->obs, b->next_achieved, mean + n->obs, inv + n->obs, n->goal, b->B);
}

void novelty_loss(struct novelty *n, float *out, const struct batch *b) {
  CHECK(n && out && b && b->B >= 1 && b->B <= n->max_batch);
  lay(n, n->tape, b);
  lay(n, n->aim_tape, b);
  const float *g = mlp_forward(&n->net.mlp, n->tape, b->B);
  const float *f = mlp_forward(&n->aim.mlp, n->aim_tape, b->B);
  // (1)
  for (int i = 0; i < b->B; i++) {
    n->error[i] = 0;
    for (int k = i * NUMBERS; k < (i + 1) * NUMBERS; k++) {
      const float apart = g[k] - aim_scale * f[k];
      n->error[i] += apart * apart / NUMBERS;
      n->dy[k] = 2 * apart / (float)(NUMBERS * b->B);
    }
  }
  const double mean = rows_mean(n->error, b->B);
  n->net.loss = mean;
  mlp_backward(&n->net.mlp, n->tape, n->net.grad, n->dy, b->B);
  // (2)
  for (int i = 0; i < b->B; i++) {
    out[i] = mean > 0 ? fminf(n->error[i] / (float)mean, most) : 0;
  }
}
