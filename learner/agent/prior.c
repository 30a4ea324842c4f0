// prior.c - equation (1) of prior.h, for the rows alone that have a prior.
#include "learner/agent/prior.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "learner/agent/net.h"

static const struct widths hidden = {.n = 2, .v = {32, 32}};
// the last layer of a new network is nearly 0, and p has to be of order 1
static const float scale = 100;

struct prior {
  int inputs, max_batch;
  float beta;
  struct net net;
  struct mlp_tape *tape;
  int n, *row;     // rows of the last prior_add, and where they stood
  int *all;        // (B) 0, 1, ..
  float *dy, *dx;  // (B) and (B x columns)
};

struct prior *prior_new(struct nets *nets, const struct config *cfg, int inputs, int columns) {
  struct prior *p = must_alloc(1, sizeof *p);
  p->inputs = inputs;
  p->max_batch = (int)cfg->train_batch;
  p->beta = (float)cfg->explore_prior;
  net_init(&p->net, nets,
           &(struct net_setup){.name = "prior",
                               .remedy = "set explore.prior=0",
                               .hidden = &hidden,
                               .in = inputs,
                               .out = 1});
  p->net.constant = true;
  p->tape = mlp_tape_new(&p->net.mlp, p->max_batch, columns);
  const size_t B = (size_t)p->max_batch;
  p->row = must_alloc(B, sizeof *p->row);
  p->all = must_alloc(B, sizeof *p->all);
  p->dy = must_alloc(B, sizeof *p->dy);
  p->dx = must_alloc(B * (size_t)columns, sizeof *p->dx);
  for (int i = 0; i < p->max_batch; i++) {
    p->all[i] = i;
  }
  return p;
}

void prior_free(struct prior *p) {
  if (!p) {
    return;
  }
  net_release(&p->net);
  mlp_tape_free(p->tape);
  free(p->row);
  free(p->all);
  free(p->dy);
  free(p->dx);
  free(p);
}

void prior_add(struct prior *p, float *q, float sign, const float *x, const float *head, int B) {
  CHECK(p && q && x && B >= 1 && B <= p->max_batch);
  float *rows = mlp_input(p->tape);
  p->n = 0;
  for (int i = 0; i < B && head; i++) {
    if (head[i] > 0) {
      memcpy(rows + (size_t)p->n * (size_t)p->inputs, x + (size_t)i * (size_t)p->inputs,
             (size_t)p->inputs * sizeof *x);
      p->row[p->n++] = i;
    }
  }
  if (p->n == 0) {
    return;
  }
  const float *y = mlp_forward(&p->net.mlp, p->tape, p->n);
  for (int i = 0; i < p->n; i++) {
    q[p->row[i]] += sign * p->beta * scale * y[i];
  }
}

void prior_add_slope(struct prior *p, float *da, float sign, int first, int count) {
  if (p->n == 0) {
    return;
  }
  for (int i = 0; i < p->n; i++) {
    p->dy[i] = sign * p->beta * scale;
  }
  mlp_input_gradient(&p->net.mlp, p->tape, p->dx, first, count, p->dy, p->all, p->n);
  for (int i = 0; i < p->n * count; i++) {
    da[p->row[i / count] * count + i % count] += p->dx[i];
  }
}
