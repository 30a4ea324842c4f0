// Tests of updates that several ranks share, here threads of this process: the bits are those of
// one process, through a minibatch that is refused and a change of the number of ranks; who cannot
// take part is told so in one line, and all end with the same exit code.
#include "learner/team.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crew.h"
#include "common/config/config.h"
#include "learner/nn/gemm.h"
#include "learner/ranks/ranks.h"
#include "learner/rules/rules.h"
#include "tests/unit/capture.h"
#include "tests/unit/minibatch.h"
#include "tests/unit/ranks_memory.h"

enum { B = 48, UPDATES = 24, EXIT = 75 };

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 10, .hindsight = 1};

// the rank whose products are computed by another kernel; 0: none
static int odd_rank;

const char *__real_gemm_kernel(void);
const char *__wrap_gemm_kernel(void);
const char *__wrap_gemm_kernel(void) {
  return odd_rank > 0 && ranks_index() == odd_rank ? "another kernel" : __real_gemm_kernel();
}

// The choice of a kernel is the process's, hence not a matter of threads. The odd rank has none.
static bool odd_has_none;
enum err __wrap_gemm_init(enum net_backend backend, enum net_precision precision);
enum err __wrap_gemm_init(enum net_backend backend, enum net_precision precision) {
  (void)backend;
  (void)precision;
  return odd_has_none && ranks_index() == odd_rank ? ERR_CONFIG : ERR_OK;
}

static struct config tiny_config(int shards) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_seed = 7;
  cfg.train_batch = B;
  cfg.train_shards = shards;
  cfg.learner_threads = 1;
  cfg.net_hidden = (struct widths){.n = 2, .v = {24, 16}};
  cfg.outcome_hidden = (struct widths){.n = 1, .v = {8}};
  cfg.outcome_prefit = 5;
  return cfg;
}

// updates [first, last); one in between is refused, as a number is not finite
static void train(struct updater *u, uint64_t first, uint64_t last) {
  for (uint64_t i = first; i < last; i++) {
    struct batch *b = minibatch_random(&DIMS, B, i);
    if (i % 8 == 3) {
      b->obs[(i * 11 % B) * 3] = NAN;
      capture_begin();
      cr_assert_eq(updater_update(u, b, i), ERR_NUMERIC);
      cr_assert(strstr(capture_end(), "is not finite"));
    } else {
      cr_assert_eq(updater_update(u, b, i), ERR_OK);
    }
    batch_free(b);
  }
}

static void prepare(struct updater *u) {
  struct batch *b = minibatch_random(&DIMS, B, 100);
  cr_assert_eq(minibatch_prepare(u, b), ERR_OK);
  batch_free(b);
}

static void restore(struct updater *u, const unsigned char *state) {
  struct st_tensor tensor[MINIBATCH_MAX_TENSORS];
  const int n = updater_tensors(u, tensor, MINIBATCH_MAX_TENSORS);
  for (int i = 0; i < n; state += st_bytes(&tensor[i++])) {
    memcpy(tensor[i].data, state, st_bytes(&tensor[i]));
  }
}

// the state after updates [first, last) of so many ranks, from this state (NULL: from the start);
// the figures of the last one are added at its end
static unsigned char *shared(const struct config *cfg, int ranks, const unsigned char *state,
                             uint64_t first, uint64_t last, size_t *n) {
  const struct rule *rule = rules_of(cfg);
  int exit_code[RANKS_MEMORY_MOST];
  ranks_memory_start(ranks, team_serve);
  struct team *team = team_new();
  cr_assert_eq(team == NULL, ranks == 1);
  cr_assert_eq(team_gather(team, cfg, &DIMS), ERR_OK);
  cr_assert_eq(team_parts(team, cfg), updater_shards(cfg) / ranks);
  struct crew *crew = crew_new(ranks % 2 + 1);
  struct updater *u = team_updater(team, cfg, &DIMS, crew);
  if (state) {
    restore(u, state);
  } else {
    prepare(u);
  }
  train(u, first, last);
  unsigned char *after = minibatch_state(u, n);
  const size_t figures = (size_t)rule->nfigure * sizeof(float);
  unsigned char *all = must_alloc(*n + figures, 1);
  memcpy(all, after, *n);
  for (int i = 0; i < rule->nfigure; i++) {
    memcpy(all + *n + (size_t)i * sizeof(float), &(float){updater_figure(u, i)}, sizeof(float));
  }
  *n += figures;
  free(after);
  updater_free(u);
  crew_free(crew);
  team_dismiss(team, EXIT);
  ranks_memory_join(exit_code);
  for (int i = 1; i < ranks; i++) {
    cr_assert_eq(exit_code[i], EXIT, "rank %d", i);
  }
  return all;
}

static void expect_same(const unsigned char *a, size_t na, const unsigned char *b, size_t nb,
                        const char *what, int shards, int ranks) {
  cr_assert(na == nb && memcmp(a, b, na) == 0, "%s: %d shards, %d ranks", what, shards, ranks);
}

Test(team, any_number_of_ranks_gives_the_same_bits) {
  static const int fits[][2] = {{4, 2}, {4, 4}, {8, 2}, {8, 4}, {8, 8}, {16, 8}, {6, 3}, {6, 6}};
  for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
    const int shards = fits[i][0], ranks = fits[i][1];
    const struct config cfg = tiny_config(shards);
    size_t n, m;
    unsigned char *one = shared(&cfg, 1, NULL, 0, UPDATES, &n);
    unsigned char *many = shared(&cfg, ranks, NULL, 0, UPDATES, &m);
    expect_same(one, n, many, m, "whole", shards, ranks);
    free(many);

    // half of it, then the rest with others, from the state alone
    many = shared(&cfg, ranks, NULL, 0, UPDATES / 2, &m);
    unsigned char *rest = shared(&cfg, shards, many, UPDATES / 2, UPDATES, &m);
    expect_same(one, n, rest, m, "resumed", shards, ranks);
    free(one);
    free(many);
    free(rest);
  }
  // the comparison can fail: the number of parts belongs to the run
  const struct config four = tiny_config(4), eight = tiny_config(8);
  size_t n, m;
  unsigned char *a = shared(&four, 2, NULL, 0, UPDATES, &n);
  unsigned char *b = shared(&eight, 2, NULL, 0, UPDATES, &m);
  cr_assert(n == m && memcmp(a, b, n) != 0);
  free(a);
  free(b);
}

// team_gather refuses; the line holds these words; the exit code is everybody's
static void expect_refused(int shards, int ranks, const char *words, const char *more) {
  const struct config cfg = tiny_config(shards);
  int exit_code[RANKS_MEMORY_MOST];
  ranks_memory_start(ranks, team_serve);
  struct team *team = team_new();
  capture_begin();
  const enum err err = team_gather(team, &cfg, &DIMS);
  const char *line = capture_end();
  cr_assert_eq(err, ERR_CONFIG);
  cr_assert(strstr(line, words) && strstr(line, more), "%s", line);
  cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1, "more than one line: %s", line);
  team_dismiss(team, err_exit_code(err));
  ranks_memory_join(exit_code);
  for (int i = 1; i < ranks; i++) {
    cr_assert_eq(exit_code[i], 78);
  }
}

Test(team, a_number_of_ranks_that_cannot_share_alike_is_refused) {
  expect_refused(4, 3, "mpirun -n 3", "-n may be 1, 2, 4\n");
  expect_refused(4, 8, "mpirun -n 8", "-n may be 1, 2, 4\n");
  expect_refused(6, 2, "mpirun -n 2", "-n may be 1, 3, 6\n");
  expect_refused(1, 2, "mpirun -n 2", "-n may be 1\n");
}

Test(team, a_rank_with_other_bits_is_named) {
  for (odd_rank = 1; odd_rank < 4; odd_rank++) {
    char name[32];
    snprintf(name, sizeof name, "rank %d on ", odd_rank);
    odd_has_none = false;
    expect_refused(4, 4, name, "with another kernel, rank 0 on ");
    odd_has_none = true;
    expect_refused(4, 4, name, "with nothing for these settings, rank 0 on ");
  }
}

// rank 0 found its own settings wrong, and never came to gather anybody
Test(team, all_end_with_rank_0) {
  int exit_code[RANKS_MEMORY_MOST];
  ranks_memory_start(5, team_serve);
  team_dismiss(team_new(), 64);
  ranks_memory_join(exit_code);
  for (int i = 1; i < 5; i++) {
    cr_assert_eq(exit_code[i], 64);
  }
}
