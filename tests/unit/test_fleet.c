// test_fleet.c - messages too large for wire.max_message are found before anything starts.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "learner/fleet.h"
#include "tests/unit/capture.h"

static struct config cfg;
static struct task task;

static void set_up(void) {
  config_defaults(&cfg);
  task = (struct task){.name = "wide", .obs = 40, .act = 5, .goal = 10, .horizon = 1000};
}

TestSuite(fleet, .init = set_up);

// what is said of the sizes; "" when they fit
static const char *complaint(void) {
  capture_begin();
  const enum err err = fleet_check_sizes(&cfg, &task);
  const char *text = capture_end();
  cr_assert_eq(err, text[0] == '\0' ? ERR_OK : ERR_CONFIG);
  return text;
}

static int lines(const char *text) {
  int n = 0;
  for (; *text != '\0'; text++) {
    n += *text == '\n';
  }
  return n;
}

Test(fleet, sizes_that_fit) {
  cr_assert_str_empty(complaint());
  const struct dims dims = task_dims(&task, (int)cfg.replay_hindsight_k);
  cfg.wire_max_message = (int64_t)wire_episode_bytes(&dims);
  cr_assert_str_empty(complaint(), "to the byte");
  cfg.wire_max_message--;
  cr_assert_str_not_empty(complaint());
}

Test(fleet, an_episode_that_is_too_large) {
  cfg.wire_max_message = 100000;
  const char *text = complaint();
  char remedy[64];
  const struct dims dims = task_dims(&task, (int)cfg.replay_hindsight_k);
  snprintf(remedy, sizeof remedy, "; set wire.max_message=%zu, or ", wire_episode_bytes(&dims));
  cr_assert(strstr(text, "task wide: an episode takes up to 22") != NULL, "%s", text);
  cr_assert(strstr(text, "more than wire.max_message=100000") != NULL, "%s", text);
  cr_assert(strstr(text, remedy) != NULL && strstr(text, "telos.horizon") != NULL, "%s", text);
  cr_assert_eq(lines(text), 1);
}

Test(fleet, no_setting_is_offered_that_does_not_exist) {
  task.obs = 4096;
  task.horizon = 65535;
  const char *text = complaint();
  cr_assert(strstr(text, "an episode takes") != NULL, "%s", text);
  cr_assert_null(strstr(text, "set wire.max_message"), "%s", text);
  cr_assert_not_null(strstr(text, "; give the task a smaller telos.horizon"));
}

Test(fleet, weights_that_are_too_large) {
  cfg.net_hidden = (struct widths){4, {4096, 4096, 4096, 4096}};
  const char *text = complaint();
  cr_assert(strstr(text, "net.hidden: the policy's weights take up to 20") != NULL, "%s", text);
  cr_assert(strstr(text, "set wire.max_message=20") != NULL, "%s", text);
  cr_assert_eq(lines(text), 1);
  // both at once are two lines
  cfg.wire_max_message = 65536;
  cr_assert_eq(lines(complaint()), 2);
}
