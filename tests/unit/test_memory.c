// test_memory.c - what a run will take, by hand for small sizes; what fits, and what is said.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/memory.h"
#include "learner/replay/replay.h"
#include "tests/unit/capture.h"

static const struct dims DIMS = {.obs = 2, .act = 2, .goal = 2, .horizon = 100, .hindsight = 4};

static uint64_t sum(const struct config *cfg) {
  struct memory m;
  memory_estimate(&m, cfg, &DIMS);
  return m.replay + m.episodes + m.networks;
}

// a row has 6 floats, a step 14 bytes in 16; two rows an episode stand beside its steps
Test(memory, replay_grows_to_its_rings) {
  cr_expect_eq(replay_bytes(&DIMS, 1000000, 100), 102 * 24 + 100 * 16 + 8);
  cr_expect_eq(replay_bytes(&DIMS, 1000000, 101), 2 * (102 * 24 + 100 * 16 + 8));
  const uint64_t full = (1000000 + 160000 + 101) * 24 + 1000000 * 16;
  cr_expect_eq(replay_bytes(&DIMS, 1000000, 1000000000), full + 80000 * 8);
  cr_expect_eq(replay_bytes(&DIMS, 1000000, 1000000000000), full + 80000 * 8);
}

Test(memory, defaults_take_little) {
  struct config cfg;
  config_defaults(&cfg);
  struct memory m;
  memory_estimate(&m, &cfg, &DIMS);
  cr_expect(m.replay > 1000000 && m.replay < 3000000, "%llu", (unsigned long long)m.replay);
  cr_expect(m.episodes < 2000000 && m.networks < 30000000);
  // each part follows its settings
  const uint64_t before = sum(&cfg);
  cfg.run_steps *= 10;
  cr_expect_gt(sum(&cfg), before + 9 * m.replay / 2);
  config_defaults(&cfg);
  cfg.ledger_window *= 100;
  cr_expect_gt(sum(&cfg), before + 100 * m.episodes / 10);
  config_defaults(&cfg);
  cfg.net_hidden = (struct widths){4, {4096, 4096, 4096, 4096}};
  cr_expect_gt(sum(&cfg), before + 3000000000u);
}

// the capacity that is named fits, and a little more does not
Test(memory, the_largest_capacity_fits) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_steps = 1000000000000;
  cfg.replay_capacity = 100000000;
  for (uint64_t limit = 100000000; limit <= 4000000000u; limit *= 3) {
    struct config fitting = cfg;
    fitting.replay_capacity = memory_largest_capacity(&cfg, &DIMS, limit);
    cr_assert_gt(fitting.replay_capacity, 0);
    cr_expect_leq(sum(&fitting), limit);
    fitting.replay_capacity += fitting.replay_capacity / 8;
    cr_expect_gt(sum(&fitting), limit);
  }
  cr_expect_eq(memory_largest_capacity(&cfg, &DIMS, 1000), 0);
}

Test(memory, what_does_not_fit_is_refused_with_what_would) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_steps = 1000000000000;
  cfg.replay_capacity = 100000000;
  capture_begin();
  cr_expect_eq(memory_check(&cfg, &DIMS, 1000000000), ERR_CONFIG);
  const char *line = capture_end();
  const char *at = strstr(line, "at most replay.capacity=");
  cr_assert_not_null(at, "%s", line);
  cr_expect(strstr(line, "E telos: replay.capacity = 100000000 will take ") == line, "%s", line);
  cfg.replay_capacity = strtol(at + strlen("at most replay.capacity="), NULL, 10);
  cr_expect_eq(memory_check(&cfg, &DIMS, 1000000000), ERR_OK);

  // so much that is allowed is told, with a warning as little is left
  capture_begin();
  memory_tell(&cfg, &DIMS, 1000000000);
  line = capture_end();
  cr_expect(strstr(line, "I telos: memory: about ") == line && strstr(line, " of 1 GB (replay "),
            "%s", line);
  cr_expect(strstr(line, "\nW telos: memory: little is left") != NULL, "%s", line);
  config_defaults(&cfg);
  capture_begin();
  memory_tell(&cfg, &DIMS, 1000000000);
  cr_expect(strstr(capture_end(), "W ") == NULL);

  // networks alone can be too much
  cfg.net_hidden = (struct widths){4, {4096, 4096, 4096, 4096}};
  capture_begin();
  cr_expect_eq(memory_check(&cfg, &DIMS, 1000000000), ERR_CONFIG);
  line = capture_end();
  cr_expect(strstr(line, "lower net.hidden") != NULL, "%s", line);
}

// what memory the numbers of the settings stand for, each by what is added to it
Test(memory, networks_count_shards_and_rounded_copies) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.net_hidden = (struct widths){1, {1000}};
  const uint64_t before = sum(&cfg);
  cfg.net_precision = NET_PRECISION_BF16;
  // policy and two critics, and their targets: from 4 and 6 numbers to 4 and 1
  const uint64_t policy = 1000 * 4 + 1000 + 4 * 1000 + 4, critic = 1000 * 6 + 1000 + 1000 + 1;
  const uint64_t rounded = sum(&cfg) - before;
  cr_expect(rounded > 2 * (policy + 4 * critic) && rounded < 3 * (policy + 4 * critic), "%llu",
            (unsigned long long)rounded);
  cfg.net_precision = NET_PRECISION_F32;
  cfg.train_shards = 8;
  cr_expect_gt(sum(&cfg), before + 4 * 4 * (policy + 2 * critic));
}

// each thread reserves 220 MB; the program has 300 MB before it
Test(memory, threads_have_the_room_that_ulimit_leaves) {
  struct config cfg;
  config_defaults(&cfg);
  const uint64_t first = 300000000 + sum(&cfg), each = 220000000;
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, UINT64_MAX), 4);
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, first + 4 * each), 4);
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, first + 4 * each - 1), 3);
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, first + each), 1);
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, 1000), 1);
  cr_expect_eq(memory_check_space(&cfg, &DIMS, 4, first + 4 * each), ERR_OK);
  capture_begin();
  cr_expect_eq(memory_check_space(&cfg, &DIMS, 1, first + each - 1), ERR_CONFIG);
  const char *line = capture_end();
  cr_expect(strstr(line, "or lower replay.capacity") != NULL, "%s", line);
  // a number that somebody chose is not changed: the line names it
  cfg.learner_threads = 4;
  cr_expect_eq(memory_threads(&cfg, &DIMS, 4, 1000), 4);
  capture_begin();
  cr_expect_eq(memory_check_space(&cfg, &DIMS, 4, first + 4 * each - 1), ERR_CONFIG);
  line = capture_end();
  cr_expect(strstr(line, "with 4 threads") != NULL && strstr(line, "ulimit -v") != NULL &&
                strstr(line, "lower learner.threads") != NULL,
            "%s", line);
}
