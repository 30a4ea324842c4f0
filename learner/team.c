// team.c - the messages of team.h, in the order in which both sides walk through them.
//
// Orders have one size, rows included, so that a rank which waits needs to know nothing; all that
// follows an order has a size that both sides work out. What every rank gets alike goes down the
// tree, rows go straight to their rank.
#include "learner/team.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/crew.h"
#include "common/base/log.h"
#include "learner/nn/gemm.h"
#include "learner/ranks/ranks.h"
#include "learner/ranks/ranks_tree.h"
#include "learner/replay/batch.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "proto/version.h"

enum { HELLO_TEXT = 128, MAX_KEPT = 8, MAX_TENSORS = 64 };

// The first two messages are alike in all builds, so that different ones can tell.
struct hello {
  char build[HELLO_TEXT], host[HELLO_TEXT];
};

struct welcome {
  int32_t stay, exit_code;
};

struct settings {
  struct config cfg;
  struct dims dims;
};

// what computes the products of these settings; empty: nothing here
struct kernel {
  char name[HELLO_TEXT];
};

struct order {
  enum { ORDER_STATE, ORDER_UPDATE, ORDER_END } kind;
  int32_t exit_code;
  uint64_t index;         // of the update
  double kept[MAX_KEPT];  // of rank 0's rule
  float rows[];           // the arrays of the receiver's rows, one after the other
};

struct team {
  struct hello *hello;  // of the other ranks
  struct helpers helper;
  bool gathered;  // the others wait for orders
  bool synced;    // .. and have the state
  int parts;      // of each rank
  int rows;       // of each rank's parts
  struct dims dims;
  struct order *order;
  size_t order_bytes;
  float *gradient;  // of all nets, one after the other
  size_t ngradient;
};

// ---- both sides ----

static void init_messages(struct team *t, const struct config *cfg, const struct dims *dims) {
  const int shards = updater_shards(cfg);
  t->parts = shards / ranks_count();
  t->rows = (int)cfg->train_batch / shards * t->parts;
  t->dims = *dims;
  struct batch_array array[BATCH_ARRAYS];
  batch_arrays(array, &(struct batch){.B = t->rows}, dims);
  t->order_bytes = sizeof *t->order;
  for (int k = 0; k < BATCH_ARRAYS; k++) {
    t->order_bytes += array[k].n * sizeof(float);
  }
  t->order = must_alloc(1, t->order_bytes);
}

static void init_gradient(struct team *t, const struct updater *u) {
  CHECK(u->rule->nkept <= MAX_KEPT);
  free(t->gradient);
  t->ngradient = 0;
  for (int i = 0; i < u->nets.n; i++) {
    t->ngradient += u->nets.at[i]->n;
  }
  t->gradient = must_alloc(t->ngradient, sizeof *t->gradient);
}

static void release(struct team *t) {
  free(t->hello);
  free(t->order);
  free(t->gradient);
}

static void pack_gradient(float *out, const struct nets *nets) {
  for (int i = 0; i < nets->n; out += nets->at[i++]->n) {
    memcpy(out, nets->at[i]->grad, nets->at[i]->n * sizeof *out);
  }
}

static void unpack_gradient(const struct nets *nets, const float *in) {
  for (int i = 0; i < nets->n; in += nets->at[i++]->n) {
    memcpy(nets->at[i]->grad, in, nets->at[i]->n * sizeof *in);
  }
}

static void add_gradient(const struct nets *nets, const float *restrict in) {
  for (int i = 0; i < nets->n; in += nets->at[i++]->n) {
    float *restrict sum = nets->at[i]->grad;
    for (size_t j = 0; j < nets->at[i]->n; j++) {
      sum[j] += in[j];
    }
  }
}

// Rows of report of the ranks from first to the end of its branch, which is as wide as step.
static double *report_rows(const struct team *t, const struct updater *u, int first, int step,
                           size_t *bytes) {
  const int last = first + step < ranks_count() ? first + step : ranks_count();
  const size_t rank_numbers = (size_t)t->parts * (size_t)u->nreport;
  *bytes = (size_t)(last - first) * rank_numbers * sizeof(double);
  return u->report + (size_t)first * rank_numbers;
}

// our sums and those of the branches below us, then to whom we belong
static void add_up(struct team *t, struct updater *u) {
  const int me = ranks_index(), mine = ranks_tree_step(me, ranks_count());
  const struct nets *sum = &u->shard[0].nets;
  size_t bytes;
  for (int step = 1; step < mine && me + step < ranks_count(); step *= 2) {
    double *report = report_rows(t, u, me + step, step, &bytes);
    ranks_receive(me + step, report, bytes);
    ranks_receive(me + step, t->gradient, t->ngradient * sizeof *t->gradient);
    add_gradient(sum, t->gradient);
  }
  if (me > 0) {
    const double *report = report_rows(t, u, me, mine, &bytes);
    pack_gradient(t->gradient, sum);
    ranks_send(me - mine, report, bytes);
    ranks_send(me - mine, t->gradient, t->ngradient * sizeof *t->gradient);
  }
}

// every tensor, from rank 0 to all
static void share_state(struct updater *u) {
  struct st_tensor tensor[MAX_TENSORS];
  const int n = updater_tensors(u, tensor, MAX_TENSORS);
  CHECK(n <= MAX_TENSORS);
  for (int i = 0; i < n; i++) {
    ranks_broadcast(tensor[i].data, st_bytes(&tensor[i]));
  }
}

static struct hello our_hello(void) {
  struct hello h = {{0}, {0}};
  snprintf(h.build, sizeof h.build, "%s", version_build());
  if (gethostname(h.host, sizeof h.host - 1) != 0) {
    snprintf(h.host, sizeof h.host, "unknown");
  }
  return h;
}

// ---- rank 0: before the run ----

struct team *team_new(void) {
  const int others = ranks_count() - 1;
  if (others == 0) {
    return NULL;
  }
  struct team *t = must_alloc(1, sizeof *t);
  t->hello = must_alloc((size_t)others, sizeof *t->hello);
  for (int i = 0; i < others; i++) {
    struct hello *h = &t->hello[i];
    ranks_receive(i + 1, h, sizeof *h);
    h->build[HELLO_TEXT - 1] = h->host[HELLO_TEXT - 1] = '\0';
  }
  return t;
}

// each has the same number of parts, and adds them as eq. (1) does
static bool may_share(int shards, int ranks) {
  const int parts = shards / ranks;
  return shards % ranks == 0 && (parts & (parts - 1)) == 0;
}

static enum err check_count(const struct config *cfg) {
  const int shards = updater_shards(cfg);
  if (may_share(shards, ranks_count())) {
    return ERR_OK;
  }
  char fit[128] = "1";
  for (int n = 2; n <= shards; n++) {
    if (may_share(shards, n)) {
      const size_t used = strlen(fit);
      snprintf(fit + used, sizeof fit - used, ", %d", n);
    }
  }
  log_error(
      "mpirun -n %d: the %d parts of a minibatch (train.shards, train.batch) cannot be shared "
      "alike "
      "by %d processes; with this run -n may be %s",
      ranks_count(), shards, ranks_count(), fit);
  return ERR_CONFIG;
}

// names the first of another build
static enum err check_builds(const struct team *t) {
  const struct hello ours = our_hello();
  for (int i = 1; i < ranks_count(); i++) {
    const struct hello *h = &t->hello[i - 1];
    if (strcmp(h->build, ours.build) != 0) {
      log_error("rank %d on %s is telos %s, rank 0 on %s is telos %s; give all the same build", i,
                h->host, h->build, ours.host, ours.build);
      return ERR_CONFIG;
    }
  }
  return ERR_OK;
}

// hears from all, and names the first whose products would have other bits
static enum err check_kernels(const struct team *t) {
  const struct hello ours = our_hello();
  enum err err = ERR_OK;
  for (int i = 1; i < ranks_count(); i++) {
    struct kernel k;
    ranks_receive(i, &k, sizeof k);
    if (strcmp(k.name, gemm_kernel()) != 0 && err == ERR_OK) {
      log_error(
          "rank %d on %s computes with %s, rank 0 on %s with %s: bits would differ; use CPUs of "
          "one "
          "type, or net.backend=openblas and one OPENBLAS_CORETYPE for all",
          i, t->hello[i - 1].host, k.name[0] != '\0' ? k.name : "nothing for these settings",
          ours.host, gemm_kernel());
      err = ERR_CONFIG;
    }
  }
  return err;
}

enum err team_gather(struct team *t, const struct config *cfg, const struct dims *dims) {
  if (t == NULL) {
    return ERR_OK;
  }
  enum err err = check_count(cfg);
  if (err != ERR_OK || (err = check_builds(t)) != ERR_OK) {
    return err;
  }
  struct settings s;
  memset(&s, 0, sizeof s);
  s.cfg = *cfg;
  s.dims = *dims;
  ranks_broadcast(&(struct welcome){.stay = true}, sizeof(struct welcome));
  ranks_broadcast(&s, sizeof s);
  t->gathered = true;
  init_messages(t, cfg, dims);
  if ((err = check_kernels(t)) != ERR_OK) {
    return err;
  }
  log_info("%d processes share each update, %d of %d parts each", ranks_count(), t->parts,
           updater_shards(cfg));
  return ERR_OK;
}

int team_parts(const struct team *t, const struct config *cfg) {
  const int shards = updater_shards(cfg), ranks = t ? ranks_count() : 1;
  return shards > ranks ? shards / ranks : 1;
}

// ---- rank 0: an update ----

static void order_all(struct team *t, int kind) {
  t->order->kind = kind;
  for (int i = 1; i < ranks_count(); i++) {
    ranks_send(i, t->order, t->order_bytes);
  }
}

static void begin(void *ctx, struct updater *u, const struct batch *b, uint64_t index) {
  struct team *t = ctx;
  if (!t->synced) {
    order_all(t, ORDER_STATE);
    share_state(u);
    t->synced = true;
  }
  struct order *order = t->order;
  order->kind = ORDER_UPDATE;
  order->index = index;
  for (int k = 0; k < u->rule->nkept; k++) {
    memcpy(&order->kept[k], (const char *)u->self + u->rule->kept[k].at, sizeof(double));
  }
  for (int i = 1; i < ranks_count(); i++) {
    const struct batch part = batch_rows(b, &t->dims, i * t->rows, t->rows);
    struct batch_array from[BATCH_ARRAYS];
    batch_arrays(from, &part, &t->dims);
    float *to = order->rows;
    for (int k = 0; k < BATCH_ARRAYS; to += from[k++].n) {
      memcpy(to, from[k].at, from[k].n * sizeof *to);
    }
    ranks_send(i, order, t->order_bytes);
  }
}

static void add(void *ctx, struct updater *u) {
  add_up(ctx, u);
}

static void conclude(void *ctx, struct updater *u, bool step) {
  struct team *t = ctx;
  ranks_broadcast(&(int32_t){step}, sizeof(int32_t));
  if (step) {
    pack_gradient(t->gradient, &u->nets);
    ranks_broadcast(t->gradient, t->ngradient * sizeof *t->gradient);
  }
}

struct updater *team_updater(struct team *t, const struct config *cfg, const struct dims *dims,
                             struct crew *crew) {
  const struct rule *rule = rules_of(cfg);
  if (t == NULL) {
    return updater_new(rule, cfg, dims, crew);
  }
  CHECK(t->gathered);
  t->helper = (struct helpers){.begin = begin, .add = add, .conclude = conclude, .ctx = t};
  t->synced = false;
  struct updater *u = updater_new_share(rule, cfg, dims, crew, 0, t->parts, &t->helper);
  init_gradient(t, u);
  return u;
}

void team_dismiss(struct team *t, int exit_code) {
  if (t == NULL) {
    return;
  }
  if (t->gathered) {
    t->order->exit_code = exit_code;
    order_all(t, ORDER_END);
  } else {
    ranks_broadcast(&(struct welcome){.exit_code = exit_code}, sizeof(struct welcome));
  }
  release(t);
  free(t);
}

// ---- the others ----

static void do_update(struct team *t, struct updater *u, struct batch *own) {
  const struct order *order = t->order;
  for (int k = 0; k < u->rule->nkept; k++) {
    memcpy((char *)u->self + u->rule->kept[k].at, &order->kept[k], sizeof(double));
  }
  struct batch_array to[BATCH_ARRAYS];
  batch_arrays(to, own, &t->dims);
  const float *from = order->rows;
  for (int k = 0; k < BATCH_ARRAYS; from += to[k++].n) {
    memcpy(to[k].at, from, to[k].n * sizeof *from);
  }
  updater_losses(u, own, order->index);
  add_up(t, u);
  int32_t step;
  ranks_broadcast(&step, sizeof step);
  if (step) {
    ranks_broadcast(t->gradient, t->ngradient * sizeof *t->gradient);
    unpack_gradient(&u->nets, t->gradient);
    updater_step(u);
  }
}

static int work(const struct settings *s) {
  const struct rule *rule = rules_of(&s->cfg);
  struct team t = {.parts = 0};
  init_messages(&t, &s->cfg, &s->dims);
  const int wanted = s->cfg.learner_threads > 0 ? (int)s->cfg.learner_threads : cpu_cores();
  struct crew *crew = crew_new(wanted < t.parts ? wanted : t.parts);
  struct updater *u =
      updater_new_share(rule, &s->cfg, &s->dims, crew, ranks_index() * t.parts, t.parts, NULL);
  init_gradient(&t, u);
  struct batch *own = batch_new(&s->dims, t.rows);
  for (;;) {
    ranks_receive(0, t.order, t.order_bytes);
    if (t.order->kind == ORDER_END) {
      break;
    }
    if (t.order->kind == ORDER_STATE) {
      share_state(u);
    } else {
      do_update(&t, u, own);
    }
  }
  const int exit_code = t.order->exit_code;
  batch_free(own);
  updater_free(u);
  crew_free(crew);
  release(&t);
  return exit_code;
}

int team_serve(void) {
  const struct hello hello = our_hello();
  struct welcome welcome;
  ranks_send(0, &hello, sizeof hello);
  ranks_broadcast(&welcome, sizeof welcome);
  if (!welcome.stay) {
    return welcome.exit_code;
  }
  struct settings s;
  ranks_broadcast(&s, sizeof s);
  struct kernel kernel = {{0}};
  if (gemm_init(s.cfg.net_backend, s.cfg.net_precision) == ERR_OK) {
    snprintf(kernel.name, sizeof kernel.name, "%s", gemm_kernel());
  }
  ranks_send(0, &kernel, sizeof kernel);
  return work(&s);
}
