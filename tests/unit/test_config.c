// test_config.c - every source, every kind of error with its one line, and the way back.
//
// The test reads its table from config.def, as the program does, so that a new setting is covered
// without a new test.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/config/value.h"
#include "tests/unit/capture.h"

// ---- helpers ----

// config_defaults clears padding and the ends of texts, so equal settings are equal bytes
static bool same_bytes(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct config)) == 0;
}

static enum err read_text(struct config *cfg, const char *yaml) {
  return config_read_yaml(cfg, yaml, strlen(yaml), "run.yaml");
}

// the message with level, name and newline around it
static void expect_line(const char *got, const char *message, const char *what) {
  char line[2048];
  snprintf(line, sizeof line, "E telos: %s\n", message);
  cr_expect_str_eq(got, line, "%s\n got: %s want: %s", what, got, line);
}

// the YAML is refused with exactly this line, and nothing has changed
static void refuse_yaml_bytes(const char *yaml, size_t n, const char *message) {
  struct config cfg, before;
  config_defaults(&cfg);
  before = cfg;
  capture_begin();
  enum err err = config_read_yaml(&cfg, yaml, n, "run.yaml");
  const char *got = capture_end();
  cr_expect_eq(err, ERR_CONFIG, "%s", yaml);
  expect_line(got, message, yaml);
  cr_expect(same_bytes(&cfg, &before), "changed by: %s", yaml);
}

static void refuse_yaml(const char *yaml, const char *message) {
  refuse_yaml_bytes(yaml, strlen(yaml), message);
}

static void refuse_set(const char *assignment, const char *message) {
  struct config cfg, before;
  config_defaults(&cfg);
  before = cfg;
  capture_begin();
  enum err err = config_set(&cfg, assignment);
  const char *got = capture_end();
  cr_expect_eq(err, ERR_CONFIG, "%s", assignment);
  expect_line(got, message, assignment);
  cr_expect(same_bytes(&cfg, &before), "changed by: %s", assignment);
}

static void refuse_env(char **environ_, const char *message) {
  struct config cfg, before;
  config_defaults(&cfg);
  before = cfg;
  capture_begin();
  enum err err = config_read_env(&cfg, environ_);
  const char *got = capture_end();
  cr_expect_eq(err, ERR_CONFIG, "%s", message);
  expect_line(got, message, message);
  cr_expect(same_bytes(&cfg, &before), "changed by: %s", message);
}

// what reads without a word
static struct config accept_yaml(const char *yaml) {
  struct config cfg;
  config_defaults(&cfg);
  capture_begin();
  enum err err = read_text(&cfg, yaml);
  const char *got = capture_end();
  cr_assert_eq(err, ERR_OK, "%s\n%s", yaml, got);
  cr_expect_str_eq(got, "", "%s", yaml);
  return cfg;
}

static bool set_ok(struct config *cfg, const char *assignment) {
  capture_begin();
  enum err err = config_set(cfg, assignment);
  (void)capture_end();
  return err == ERR_OK;
}

// ---- defaults ----

Test(config, defaults_are_those_of_the_table_and_valid) {
  struct config cfg;
  config_defaults(&cfg);
#define SAME_INT(field, def) cr_expect_eq(cfg.field, def, #field);
#define SAME_REAL(field, def) cr_expect(isnan(def) ? isnan(cfg.field) : cfg.field == (def), #field);
#define SAME_BOOL(field, def) cr_expect_eq(cfg.field, def, #field);
#define SAME_WIDTHS(field, def) \
  cr_expect(cfg.field.n >= 1 && cfg.field.v[0] == strtol(def, NULL, 10), #field);
#define SAME_TEXT(field, def) cr_expect_str_eq(cfg.field, def, #field);
#define SAME_CHOICE(field, def)  // below
#define X(type, group, name, def, min, max, unit, change, help) SAME_##type(group##_##name, def)
#include "common/config/config.def"
#undef X
  cr_expect_eq(cfg.outcome_model, OUTCOME_MODEL_LEARNED);
  cr_expect_eq(cfg.outcome_likelihood, OUTCOME_LIKELIHOOD_RADIAL);
  cr_expect_eq(cfg.outcome_scale, OUTCOME_SCALE_SCALAR);
  cr_expect_eq(cfg.net_hidden.n, 2);
  cr_expect_eq(cfg.net_hidden.v[1], 128);
  cr_expect_eq(config_check(&cfg), ERR_OK);
}

// ---- YAML that is right ----

Test(config, yaml_takes_groups_and_flat_keys) {
  struct config cfg = accept_yaml(
      "# a run\n"
      "agent: {gamma: 0.98, temperature: constant}\n"
      "train:\n"
      "  batch: 1_024   # rows\n"
      "  updates_per_step: 0.25\n"
      "agent.lr: 3e-4\n"
      "run.steps: 1e6\n"
      "outcome:\n"
      "  likelihood: gaussian\n"
      "wire.bind: \"::1\"\n");
  cr_expect_eq(cfg.agent_gamma, 0.98);
  cr_expect_eq(cfg.agent_temperature, AGENT_TEMPERATURE_CONSTANT);
  cr_expect_eq(cfg.train_batch, 1024);
  cr_expect_eq(cfg.train_updates_per_step, 0.25);
  cr_expect_eq(cfg.agent_lr, 3e-4);
  cr_expect_eq(cfg.run_steps, 1000000);
  cr_expect_eq(cfg.outcome_likelihood, OUTCOME_LIKELIHOOD_GAUSSIAN);
  cr_expect_str_eq(cfg.wire_bind, "::1");
}

Test(config, yaml_takes_widths_in_each_form) {
  const char *three[] = {"net: {hidden: [256, 128, 1]}", "net.hidden: 256,128,1",
                         "net.hidden: \"[256, 128, 1]\"",
                         "net:\n  hidden:\n  - 256\n  - 128\n  - 1"};
  for (size_t i = 0; i < sizeof three / sizeof three[0]; i++) {
    struct config cfg = accept_yaml(three[i]);
    cr_expect(cfg.net_hidden.n == 3 && cfg.net_hidden.v[0] == 256 && cfg.net_hidden.v[1] == 128 &&
                  cfg.net_hidden.v[2] == 1,
              "%s", three[i]);
    cr_expect_eq(cfg.net_hidden.v[3], 0);
  }
  struct config one = accept_yaml("net.hidden: 32");
  cr_expect(one.net_hidden.n == 1 && one.net_hidden.v[0] == 32);
}

Test(config, yaml_without_settings_changes_nothing) {
  const char *empty[] = {"",   "# only a comment\n",        "---\n",
                         "{}", "agent:\n  # gamma: 0.98\n", "\xEF\xBB\xBF"};
  struct config defaults;
  config_defaults(&defaults);
  for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    struct config cfg = accept_yaml(empty[i]);
    cr_expect(same_bytes(&cfg, &defaults), "%s", empty[i]);
  }
}

// ---- numbers ----

Test(config, integers_in_each_notation) {
  const struct {
    const char *text;
    int64_t value;
  } good[] = {{"1e6", 1000000},     {"1_000_000", 1000000},
              {"1000000", 1000000}, {"+12", 12},
              {"1.5e3", 1500},      {"12.0", 12},
              {"0001", 1},          {"1E+2", 100},
              {"12000e-3", 12},     {"1e12", 1000000000000},
              {".5e1", 5},          {"1_0.5e1", 105}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct config cfg;
    config_defaults(&cfg);
    char assignment[64];
    snprintf(assignment, sizeof assignment, "run.steps=%s", good[i].text);
    cr_expect(set_ok(&cfg, assignment), "%s", good[i].text);
    cr_expect_eq(cfg.run_steps, good[i].value, "%s", good[i].text);
  }

  // above 2^53 / 2 a detour through a float would show
  struct config cfg;
  config_defaults(&cfg);
  cr_expect(set_ok(&cfg, "run.seed=9007199254740991"));
  cr_expect_eq(cfg.run_seed, 9007199254740991);
  // these are in range modulo 2^64: 1e64 is 0, the other 2^20
  cr_expect_not(set_ok(&cfg, "run.seed=1e64"));
  cr_expect_not(set_ok(&cfg, "run.seed=4027301413585e20"));
  cr_expect_not(set_ok(&cfg, "run.seed=18446744073709551616"));
  cr_expect(set_ok(&cfg, "odac.time_kl_sign=-1e0"));
  cr_expect_eq(cfg.odac_time_kl_sign, -1);
}

Test(config, what_is_no_integer) {
  const char *bad[] = {"1.5",  "",     " ",   "1 ",    " 1",   "0x10",   "nan",
                       "inf",  "1e",   "e5",  "1e-3",  "1_",   "_1",     "1__0",
                       "1_e3", "--1",  "+-1", "1.2.3", "1e5x", "12 000", "1,000",
                       "true", "1e6_", "٣",   "-",     ".",    "1e+",    "1e1.5"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char assignment[64], message[256];
    snprintf(assignment, sizeof assignment, "run.steps=%s", bad[i]);
    snprintf(message, sizeof message,
             "argument %s: run.steps = %s: expected an integer, e.g. 40000", assignment, bad[i]);
    refuse_set(assignment, message);
  }
}

Test(config, reals_are_the_nearest_doubles) {
  const struct {
    const char *text;
    double value;
  } good[] = {{"0.1", 0.1},      {"1e-1", 0.1},
              {".1", 0.1},       {"1", 1.0},
              {"0", 0.0},        {"0.1000000000000000055511151231257827021181583404541015625", 0.1},
              {"1_0.0e-2", 0.1}, {"0.30000000000000004", 0.1 + 0.2},
              {"1e-400", 0.0}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct config cfg;
    config_defaults(&cfg);
    char assignment[128];
    snprintf(assignment, sizeof assignment, "explore.random=%s", good[i].text);
    cr_expect(set_ok(&cfg, assignment), "%s", good[i].text);
    cr_expect_eq(cfg.explore_random, good[i].value, "%s", good[i].text);
  }
}

Test(config, what_is_no_real) {
  const char *bad[] = {"nan", "inf", "-inf", "NaN", "0x1p-3", "0.5x", "0,5", "1e", "", "0.5 "};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char assignment[64], message[256];
    snprintf(assignment, sizeof assignment, "agent.lr=%s", bad[i]);
    snprintf(message, sizeof message, "argument %s: agent.lr = %s: expected a number, e.g. 1e-3",
             assignment, bad[i]);
    refuse_set(assignment, message);
  }
}

Test(config, a_number_may_be_long_but_not_endless) {
  char assignment[512] = "explore.random=0.";
  size_t n = strlen(assignment);
  struct config cfg;
  config_defaults(&cfg);
  memset(assignment + n, '3', 120);
  assignment[n + 120] = '\0';
  cr_expect(set_ok(&cfg, assignment));
  cr_expect_eq(cfg.explore_random, 1.0 / 3);
  memset(assignment + n, '3', 400);
  assignment[n + 400] = '\0';
  cr_expect_not(set_ok(&cfg, assignment));
}

// ---- ranges ----

Test(config, every_numeric_setting_ends_at_its_bounds) {
  struct config cfg;
  char assignment[128];
  // the bounds are inside; the next number beyond each is not
#define TRY(want, fmt, key, value)                                \
  config_defaults(&cfg);                                          \
  snprintf(assignment, sizeof assignment, "%s=" fmt, key, value); \
  cr_expect_eq(set_ok(&cfg, assignment), want, "%s", assignment);
#define BOUNDS_INT(key, min, max)            \
  TRY(true, "%.0f", key, (double)(min))      \
  TRY(true, "%.0f", key, (double)(max))      \
  TRY(false, "%.0f", key, (double)(min)-1)   \
  TRY(false, "%.0f", key, (double)(max) + 2) \
  TRY(false, "%s", key, "1e30")              \
  TRY(false, "%s", key, "-1e30")
#define BOUNDS_REAL(key, min, max)                              \
  TRY(true, "%.17g", key, (double)(min))                        \
  TRY(true, "%.17g", key, (double)(max))                        \
  TRY(false, "%.17g", key, nextafter((double)(min), -INFINITY)) \
  TRY(false, "%.17g", key, nextafter((double)(max), INFINITY))  \
  TRY(false, "%s", key, "1e999")                                \
  TRY(false, "%s", key, "-1e999")
#define BOUNDS_WIDTHS(key, min, max) \
  TRY(true, "8,%d", key, min)        \
  TRY(true, "8,%d", key, max)        \
  TRY(false, "8,%d", key, (min)-1)   \
  TRY(false, "8,%d", key, (max) + 1)
#define BOUNDS_BOOL(key, min, max) TRY(false, "%s", key, "2")
#define BOUNDS_TEXT(key, min, max) TRY(false, "%s", key, "")
#define BOUNDS_CHOICE(key, min, max) TRY(false, "%s", key, "")
#define X(type, group, name, def, min, max, unit, change, help) \
  BOUNDS_##type(#group "." #name, min, max)
#include "common/config/config.def"
#undef X
}

Test(config, a_range_error_names_key_value_range_unit_and_source) {
  refuse_yaml("train:\n  batch: 0\n",
              "run.yaml:2:10: train.batch = 0 is out of range; it must be 2 to 65536, in rows");
  refuse_yaml(
      "agent.gamma: 1.5",
      "run.yaml:1:14: agent.gamma = 1.5 is out of range; it must be 0.5 to 0.9999, or auto");
  refuse_yaml("net: {hidden: [64, 0]}",
              "run.yaml:1:15: net.hidden = 64,0 is out of range; it must be 1 to 4096, in units");
  refuse_set("agent.lr=2",
             "argument agent.lr=2: agent.lr = 2 is out of range; it must be 0 to 1, in 1/update");
  char *env[] = {"TELOS_WIRE_PORT=65536", NULL};
  refuse_env(env,
             "environment variable TELOS_WIRE_PORT: wire.port = 65536 is out of range; it must be "
             "0 to 65535");
}

// ---- YAML that is wrong ----

Test(config, unknown_keys_and_groups_name_the_nearest) {
  refuse_yaml("agent:\n  lr: 1e-3\n  gama: 0.98\n",
              "run.yaml:3:3: unknown setting agent.gama; did you mean agent.gamma?");
  refuse_yaml("agent.gama: 0.98\n",
              "run.yaml:1:1: unknown setting agent.gama; did you mean agent.gamma?");
  refuse_yaml("odca: {gamma: 0.98}\n", "run.yaml:1:1: unknown group odca; did you mean odac?");
  refuse_yaml("gamma: 0.98\n", "run.yaml:1:1: unknown setting gamma; did you mean agent.gamma?");
  refuse_yaml("train:\n  lr: 1\n",
              "run.yaml:2:3: unknown setting train.lr; did you mean agent.lr?");
  refuse_yaml("explore.every: 1\n",
              "run.yaml:1:1: unknown setting explore.every; did you mean eval.every?");
  refuse_yaml("agent: {Gamma: 0.9}",
              "run.yaml:1:9: unknown setting agent.Gamma; did you mean agent.gamma?");
  refuse_yaml("checkpoints: {keep: 3}",
              "run.yaml:1:1: unknown group checkpoints; did you mean checkpoint?");
  refuse_yaml("agent: {Gama: 0.9}",
              "run.yaml:1:9: unknown setting agent.Gama; did you mean agent.gamma?");
  // what is near to nothing is not guessed at
  refuse_yaml("? \"\"\n: 1\n", "run.yaml:1:3: unknown setting ; telos config --help lists all");
  refuse_yaml("agent: {nothing: 1}",
              "run.yaml:1:9: unknown setting agent.nothing; telos config --help lists all");
  refuse_yaml("nothing: {gamma: 1}",
              "run.yaml:1:1: unknown group nothing; telos config --help lists all");
}

Test(config, keys_given_twice) {
  refuse_yaml("agent: {gamma: 0.98,\n gamma: 0.97}",
              "run.yaml:2:2: agent.gamma is given twice, first in line 1");
  refuse_yaml("agent: {gamma: 0.98}\nagent.gamma: 0.98\n",
              "run.yaml:2:1: agent.gamma is given twice, first in line 1");
  refuse_yaml("agent.gamma: 0.98\nagent:\n  gamma: 0.98\n",
              "run.yaml:3:3: agent.gamma is given twice, first in line 1");
  refuse_yaml("agent: {gamma: 0.98}\nnet:\nagent: {lr: 1e-3}\n",
              "run.yaml:3:1: group agent is given twice, first in line 1");
}

Test(config, wrong_shapes) {
  refuse_yaml("agent: 5",
              "run.yaml:1:1: agent is a group; its settings belong below it, one "
              "\"name: value\" a line");
  refuse_yaml("agent: [gamma]",
              "run.yaml:1:1: agent is a group; its settings belong below it, one "
              "\"name: value\" a line");
  refuse_yaml("- agent",
              "run.yaml:1:1: expected groups of settings, e.g. \"agent: {gamma: 0.98}\"");
  refuse_yaml("agent", "run.yaml:1:1: expected groups of settings, e.g. \"agent: {gamma: 0.98}\"");
  refuse_yaml("agent: {gamma: [0.9]}",
              "run.yaml:1:16: agent.gamma: expected one value, not a list");
  refuse_yaml("agent: {gamma: {a: 1}}",
              "run.yaml:1:16: agent.gamma: expected one value, not a mapping");
  refuse_yaml("agent:\n  gamma:\n  lr: 1\n", "run.yaml:2:9: agent.gamma has no value");
  refuse_yaml("agent.gamma: ''", "run.yaml:1:14: agent.gamma has no value");
  refuse_yaml("net.hidden: {a: 1}", "run.yaml:1:13: net.hidden: expected one value, not a mapping");
  refuse_yaml("net.hidden: [1, [2]]",
              "run.yaml:1:17: net.hidden: expected 1 to 4 integers, e.g. [64, 64]");
  refuse_yaml("net.hidden: [1, 2, 3, 4, 5]",
              "run.yaml:1:26: net.hidden: expected 1 to 4 integers, e.g. [64, 64]");
  refuse_yaml("net.hidden: [\"1,2\", 3]",
              "run.yaml:1:14: net.hidden: expected 1 to 4 integers, e.g. [64, 64]");
  refuse_yaml("net.hidden: []",
              "run.yaml:1:13: net.hidden = : expected 1 to 4 integers, e.g. [64, 64]");
  refuse_yaml("? [agent]\n: 1\n", "run.yaml:1:3: a key must be a word, e.g. gamma");
  refuse_yaml("agent: {? {a: b} : 1}", "run.yaml:1:11: a key must be a word, e.g. gamma");
  refuse_yaml("agent: {gamma: 0.98}\n---\nagent: {lr: 1}\n",
              "run.yaml:2:1: a second document begins here; one file holds one configuration");
}

Test(config, yaml_features_that_stand_for_nothing) {
  refuse_yaml("agent: &a {gamma: 0.98}",
              "run.yaml:1:8: anchors and aliases (&a, *a) are not supported; write the value out");
  refuse_yaml("agent.gamma: &g 0.98",
              "run.yaml:1:14: anchors and aliases (&g, *g) are not supported; write the value out");
  refuse_yaml("agent: *a",
              "run.yaml:1:8: anchors and aliases (&a, *a) are not supported; write the value out");
  refuse_yaml("net.hidden: &w [64]",
              "run.yaml:1:13: anchors and aliases (&w, *w) are not supported; write the value out");
  refuse_yaml(
      "run.steps: !!int 5",
      "run.yaml:1:12: tags (tag:yaml.org,2002:int) are not supported; write the plain value");
  refuse_yaml("agent: {<<: {gamma: 0.9}}",
              "run.yaml:1:9: unknown setting agent.<<; telos config --help lists all");
}

Test(config, broken_yaml_says_where) {
  refuse_yaml("agent: {gamma: 0.98\n",
              "run.yaml:2:1: not valid YAML: did not find expected ',' or '}'");
  refuse_yaml("agent:\n\tgamma: 1\n",
              "run.yaml:2:1: not valid YAML: found character that cannot start any token");
  refuse_yaml("agent: {gamma: 0.98}}\n",
              "run.yaml:1:21: not valid YAML: did not find expected key");
  refuse_yaml("run: {\xff: 1}",
              "run.yaml: not valid YAML at byte 6: invalid leading UTF-8 octet; the file must be "
              "UTF-8 text");
  refuse_yaml_bytes("run: \0", 6,
                    "run.yaml: not valid YAML at byte 5: control characters are not allowed; the "
                    "file must be UTF-8 text");
  refuse_yaml("run: {\"st\\0eps\": 5}", "run.yaml:1:7: a NUL character in a text");
  refuse_yaml("wire.bind: \"a\\0b\"", "run.yaml:1:12: a NUL character in a text");
}

Test(config, nesting_is_refused_where_it_opens) {
  static char deep[100001];
  memset(deep, '[', sizeof deep - 1);
  refuse_yaml(deep, "run.yaml:1:1: expected groups of settings, e.g. \"agent: {gamma: 0.98}\"");
  memset(deep, '{', sizeof deep - 1);
  refuse_yaml(deep, "run.yaml:1:2: a key must be a word, e.g. gamma");
}

Test(config, a_file_has_at_most_one_mebibyte) {
  size_t n = (1 << 20) + 1;
  char *text = malloc(n);
  memset(text, '\n', n);
  refuse_yaml_bytes(text, n,
                    "run.yaml: a configuration of 1048577 bytes; at most 1048576 are read");
  struct config cfg;
  config_defaults(&cfg);
  cr_expect_eq(config_read_yaml(&cfg, text, n - 1, "run.yaml"), ERR_OK);
  free(text);
}

Test(config, words_truth_and_choices) {
  refuse_set("odac.bias_init=yes",
             "argument odac.bias_init=yes: odac.bias_init = yes: expected true or false");
  refuse_set("odac.bias_init=",
             "argument odac.bias_init=: odac.bias_init = : expected true or false");
  refuse_set("outcome.likelihood=cauchy",
             "argument outcome.likelihood=cauchy: outcome.likelihood = cauchy: expected radial or "
             "laplace or "
             "gaussian");
  // a part of a choice, and the bar itself, are no choices
  refuse_set(
      "outcome.likelihood=lap",
      "argument outcome.likelihood=lap: outcome.likelihood = lap: expected radial or laplace or "
      "gaussian");
  refuse_set("outcome.likelihood=laplace|gaussian",
             "argument outcome.likelihood=laplace|gaussian: outcome.likelihood = "
             "laplace|gaussian: expected radial or laplace or gaussian");
  refuse_set(
      "wire.bind=a\nb",
      "argument wire.bind=a?b: wire.bind = a?b: expected 1 to 63 printable ASCII characters");
  refuse_set("wire.bind=\xc3\xa9",
             "argument wire.bind=\xc3\xa9: wire.bind = \xc3\xa9: expected 1 to 63 printable ASCII "
             "characters");

  struct config cfg;
  config_defaults(&cfg);
  char longest[96] = "wire.bind=";
  memset(longest + 10, 'a', 63);
  cr_expect(set_ok(&cfg, longest));
  cr_expect_eq(strlen(cfg.wire_bind), 63);
  longest[73] = 'a';
  cr_expect_not(set_ok(&cfg, longest));
  // a shorter text leaves nothing of the longer behind
  cr_expect(set_ok(&cfg, "wire.bind=127.0.0.1"));
  struct config fresh;
  config_defaults(&fresh);
  cr_expect(same_bytes(&cfg, &fresh));
}

Test(config, widths_as_text) {
  struct config cfg;
  config_defaults(&cfg);
  cr_expect(set_ok(&cfg, "net.hidden=[ 256 , 1e2 ]"));
  cr_expect(cfg.net_hidden.n == 2 && cfg.net_hidden.v[0] == 256 && cfg.net_hidden.v[1] == 100);
  cr_expect(set_ok(&cfg, "net.hidden=8"));
  cr_expect(cfg.net_hidden.n == 1 && cfg.net_hidden.v[0] == 8 && cfg.net_hidden.v[1] == 0);
  const char *bad[] = {"",      "[]",  "64,", ",64",   "64,,64", "1,2,3,4,5",
                       "64;64", "[64", "64]", "64 64", "a",      "1.5"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char assignment[64], message[256];
    snprintf(assignment, sizeof assignment, "net.hidden=%s", bad[i]);
    snprintf(message, sizeof message,
             "argument %s: net.hidden = %s: expected 1 to 4 integers, e.g. [64, 64]", assignment,
             bad[i]);
    refuse_set(assignment, message);
  }
}

// ---- command line and environment ----

Test(config, assignments) {
  struct config cfg;
  config_defaults(&cfg);
  cr_expect(set_ok(&cfg, "agent.gamma=0.9"));
  cr_expect_eq(cfg.agent_gamma, 0.9);
  refuse_set("agent.gamma",
             "argument agent.gamma: expected group.name=value, e.g. agent.gamma=0.98");
  refuse_set("agent.gama=0.9",
             "argument agent.gama=0.9: unknown setting agent.gama; did you mean agent.gamma?");
  refuse_set("agent=0.9",
             "argument agent=0.9: agent is a group; name one of its settings, e.g. agent.lr");
  refuse_set("agent.gamma.x=1",
             "argument agent.gamma.x=1: unknown setting agent.gamma.x; did you mean agent.gamma?");
  refuse_set("=", "argument =: unknown setting ; telos config --help lists all");
  refuse_set("nothing=1",
             "argument nothing=1: unknown setting nothing; telos config --help lists all");
  refuse_set("stesp=1", "argument stesp=1: unknown setting stesp; did you mean run.steps?");
}

Test(config, environment) {
  struct config cfg;
  config_defaults(&cfg);
  char *env[] = {"PATH=/bin",
                 "TELOS_AGENT_GAMMA=0.9",
                 "TELOS_TRAIN_UPDATES_PER_STEP=2",
                 "TELOS_NET_HIDDEN=32,32",
                 "TELOS_SERVICE_HOST=10.0.0.1",
                 "TELOS_PORT_5555_TCP_ADDR=10.0.0.1",
                 "TELOS_PORT=tcp://10.0.0.1:5555",
                 "TELOS_BIN=/usr/bin",
                 "TELOS_agent_GAMMA=5",
                 "TELOS_AGENTX_GAMMA=5",
                 "TELOS_=1",
                 "TELOS_AGENT_GAMMA",
                 NULL};
  cr_expect_eq(config_read_env(&cfg, env), ERR_OK);
  cr_expect_eq(cfg.agent_gamma, 0.9);
  cr_expect_eq(cfg.train_updates_per_step, 2.0);
  cr_expect(cfg.net_hidden.n == 2 && cfg.net_hidden.v[0] == 32);

  char *unknown[] = {"TELOS_AGENT_LR=0.5", "TELOS_AGENT_GAMA=1", NULL};
  refuse_env(unknown,
             "environment: unknown variable TELOS_AGENT_GAMA; did you mean TELOS_AGENT_GAMMA?");
  char *nameless[] = {"TELOS_REPLAY_=1", NULL};
  refuse_env(nameless,
             "environment: unknown variable TELOS_REPLAY_; telos config --help lists all settings");
  char *lower[] = {"TELOS_AGENT_gamma=0.9", NULL};
  refuse_env(lower,
             "environment: unknown variable TELOS_AGENT_gamma; did you mean TELOS_AGENT_GAMMA?");
  char *wrong[] = {"TELOS_WIRE_PORT=many", NULL};
  refuse_env(wrong,
             "environment variable TELOS_WIRE_PORT: wire.port = many: expected an integer, "
             "e.g. 5555");
}

// a cluster with Services called telos-train, telos-wire, telos-wire-weights, telos-net
Test(config, environment_of_kubernetes) {
  struct config cfg, defaults;
  config_defaults(&cfg);
  config_defaults(&defaults);
  char *env[] = {"TELOS_TRAIN_SERVICE_HOST=10.96.0.11",
                 "TELOS_TRAIN_SERVICE_PORT=5555",
                 "TELOS_TRAIN_SERVICE_PORT_ACTORS=5555",
                 "TELOS_TRAIN_PORT=tcp://10.96.0.11:5555",
                 "TELOS_TRAIN_PORT_5555_TCP=tcp://10.96.0.11:5555",
                 "TELOS_TRAIN_PORT_5555_TCP_PROTO=tcp",
                 "TELOS_TRAIN_PORT_5555_TCP_PORT=5555",
                 "TELOS_TRAIN_PORT_5555_TCP_ADDR=10.96.0.11",
                 "TELOS_WIRE_PORT=tcp://10.96.0.12:80",
                 "TELOS_WIRE_WEIGHTS_PORT=udp://10.96.0.13:80",
                 "TELOS_WIRE_WEIGHTS_PORT_80_UDP_PORT=80",
                 "TELOS_NET_SERVICE_HOST=fd00::1",
                 "TELOS_NET_PORT=tcp://[fd00::1]:80",
                 NULL};
  capture_begin();
  cr_expect_eq(config_read_env(&cfg, env), ERR_OK);
  cr_expect_str_eq(capture_end(), "");
  cr_expect(same_bytes(&cfg, &defaults));

  // settings and slips are what they were
  char *real[] = {"TELOS_WIRE_PORT=6000", "TELOS_WIRE_WEIGHTS_PORT=6001", NULL};
  cr_expect_eq(config_read_env(&cfg, real), ERR_OK);
  cr_expect(cfg.wire_port == 6000 && cfg.wire_weights_port == 6001);
  char *host[] = {"TELOS_TRAIN_SERVICE_HOST=yes", NULL};
  refuse_env(host,
             "environment: unknown variable TELOS_TRAIN_SERVICE_HOST; telos config --help lists "
             "all settings");
  char *port[] = {"TELOS_WIRE_PORT=tcp", NULL};
  refuse_env(port,
             "environment variable TELOS_WIRE_PORT: wire.port = tcp: expected an integer, "
             "e.g. 5555");
  char *wrong_port[] = {"TELOS_NET_PORT=6000", NULL};
  refuse_env(wrong_port,
             "environment: unknown variable TELOS_NET_PORT; did you mean TELOS_HTTP_PORT?");
}

// ---- files ----

Test(config, files) {
  char path[] = "/tmp/test_config_XXXXXX";
  int fd = mkstemp(path);
  cr_assert(fd >= 0);
  const char text[] = "agent: {gamma: 0.98, gama: 1}\n";
  cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)(sizeof text - 1));

  struct config cfg, defaults;
  config_defaults(&cfg);
  defaults = cfg;
  char message[256];
  snprintf(message, sizeof message,
           "%s:1:22: unknown setting agent.gama; did you mean agent.gamma?", path);
  capture_begin();
  enum err err = config_read_file(&cfg, path);
  expect_line(capture_end(), message, "file");
  cr_expect_eq(err, ERR_CONFIG);
  cr_expect(same_bytes(&cfg, &defaults));

  // right, and later sources win
  cr_assert_eq(ftruncate(fd, 0), 0);
  cr_assert_eq(pwrite(fd, "agent: {gamma: 0.98}\n", 21, 0), 21);
  cr_expect_eq(config_read_file(&cfg, path), ERR_OK);
  cr_expect_eq(cfg.agent_gamma, 0.98);
  char *env[] = {"TELOS_AGENT_GAMMA=0.97", NULL};
  cr_expect_eq(config_read_env(&cfg, env), ERR_OK);
  cr_expect_eq(cfg.agent_gamma, 0.97);

  // too large
  cr_assert_eq(ftruncate(fd, (1 << 20) + 1), 0);
  capture_begin();
  err = config_read_file(&cfg, path);
  snprintf(message, sizeof message,
           "%s is larger than the 1048576 bytes allowed; is it the right file?", path);
  expect_line(capture_end(), message, "large");
  cr_expect_eq(err, ERR_CONFIG);
  close(fd);
  unlink(path);

  capture_begin();
  err = config_read_file(&cfg, "/nonexistent/run.yaml");
  expect_line(capture_end(),
              "cannot open /nonexistent/run.yaml: No such file or directory; check the path",
              "none");
  cr_expect_eq(err, ERR_CONFIG);
}

// ---- the way back ----

// a configuration in which every setting differs from its default; texts hold what YAML could
// misread
static struct config unusual(void) {
  struct config cfg;
  config_defaults(&cfg);
#define SET_TEXT(field, text) memcpy(memset(field, 0, sizeof field), text, sizeof text);
#define ODD_INT(field, min, max) cfg.field = cfg.field == (max) ? (min) : (max);
#define ODD_REAL(field, min, max) cfg.field = (min) + ((max) - (min)) / 3;
#define ODD_BOOL(field, min, max) cfg.field = !cfg.field;
#define ODD_WIDTHS(field, min, max) cfg.field = (struct widths){4, {min, max, 7, max}};
#define ODD_TEXT(field, min, max) SET_TEXT(cfg.field, "# \"x\\y\": {*a, %d} 'b' ")
#define ODD_CHOICE(field, min, max) cfg.field = !cfg.field;
#define X(type, group, name, def, min, max, unit, change, help) ODD_##type(group##_##name, min, max)
#include "common/config/config.def"
#undef X
  return cfg;
}

Test(config, dump_reads_back_equal) {
  struct config made[2] = {unusual()};
  config_defaults(&made[1]);
  for (int i = 0; i < 2; i++) {
    struct config back;
    config_defaults(&back);
    char *text = config_dump(&made[i]);
    cr_assert_eq(read_text(&back, text), ERR_OK, "%s", text);
    char *diff = config_diff(&made[i], &back, false);
    cr_expect_str_eq(diff, "");
#undef SAME_INT
#undef SAME_REAL
#undef SAME_BOOL
#undef SAME_WIDTHS
#undef SAME_TEXT
#undef SAME_CHOICE
#define SAME_INT(f) cr_expect_eq(back.f, made[i].f, #f);
#define SAME_REAL(f) cr_expect_eq(memcmp(&back.f, &made[i].f, sizeof back.f), 0, #f);
#define SAME_BOOL(f) cr_expect_eq(back.f, made[i].f, #f);
#define SAME_WIDTHS(f) cr_expect_eq(memcmp(&back.f, &made[i].f, sizeof back.f), 0, #f);
#define SAME_TEXT(f) cr_expect_str_eq(back.f, made[i].f, #f);
#define SAME_CHOICE(f) cr_expect_eq(back.f, made[i].f, #f);
#define X(type, group, name, def, min, max, unit, change, help) SAME_##type(group##_##name)
#include "common/config/config.def"
#undef X
    char *again = config_dump(&back);
    cr_expect_str_eq(text, again);
    free(again);
    free(diff);
    free(text);
  }
}

Test(config, dump_restores_the_bits_of_doubles_with_few_digits) {
  const struct {
    double value;
    const char *text;
  } cases[] = {
      {0.1, "0.1"},   {1.0 / 3, "0.3333333333333333"},   {0.1 + 0.2, "0.30000000000000004"},
      {0.98, "0.98"}, {5e-324, "4.94065645841247e-324"}, {-0.0, "-0"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct config cfg, back;
    config_defaults(&cfg);
    config_defaults(&back);
    cfg.explore_random = cases[i].value;
    char *text = config_dump(&cfg), line[64];
    snprintf(line, sizeof line, "\n  random: %s\n", cases[i].text);
    cr_expect(strstr(text, line) != NULL, "%s in\n%s", line, text);
    cr_assert_eq(read_text(&back, text), ERR_OK);
    cr_expect_eq(back.explore_random, cases[i].value, "%s", line);
    cr_expect_eq(signbit(back.explore_random), signbit(cases[i].value), "%s", line);
    free(text);
  }
}

// what may change on resume is the table's column, and nothing else
Test(config, fixed_settings_alone_count_on_resume) {
  const struct config other = unusual();
  struct config cfg;
  config_defaults(&cfg);
  char *fixed = config_diff(&cfg, &other, true), *all = config_diff(&cfg, &other, false);
  enum { FREE = 0, FIXED = 1 };
#define X(type, group, name, def, min, max, unit, change, help)                  \
  cr_expect(strstr(all, #group "." #name ": ") != NULL, "%s", #group "." #name); \
  cr_expect_eq(strstr(fixed, #group "." #name ": ") != NULL, change, "%s", #group "." #name);
#include "common/config/config.def"
#undef X
  free(fixed);
  free(all);
}

Test(config, diff_lists_what_differs) {
  struct config a, b;
  config_defaults(&a);
  b = a;
  b.agent_gamma = 0.98;
  b.run_steps = 50000;
  b.ledger_timeout = 5;
  b.ledger_audit = 0.5;
  b.ledger_window = 800;
  b.wire_port = 1;
  b.status_every = 9;
  b.checkpoint_keep = 9;
  b.eval_every = 9;
  b.net_hidden = (struct widths){1, {256}};
  char *all = config_diff(&a, &b, false);
  cr_expect_str_eq(all,
                   "run.steps: 40000 -> 50000\nnet.hidden: [128, 128] -> [256]\n"
                   "agent.gamma: auto -> 0.98\nledger.window: 1600 -> 800\nledger.audit: 0 -> 0.5\n"
                   "ledger.timeout: 60000 -> 5\neval.every: 10000 -> 9\n"
                   "checkpoint.keep: 2 -> 9\nwire.port: 5555 -> 1\nstatus.every: 2 -> 9\n");
  char *fixed = config_diff(&a, &b, true);
  cr_expect_str_eq(fixed,
                   "net.hidden: [128, 128] -> [256]\nagent.gamma: auto -> 0.98\n"
                   "ledger.window: 1600 -> 800\n");
  free(fixed);
  free(all);
}

// ---- a setting that may be unset ----

// agent.gamma, whose default is NAN, as if it had a unit
static struct config_row automatic(void) {
  const struct config_row *gamma = config_find_row("agent", "gamma");
  cr_assert_not_null(gamma);
  struct config_row row = *gamma;
  cr_assert_str_eq(row.def, "NAN");
  row.unit = "steps";
  return row;
}

Test(config, an_unset_real_is_auto_in_every_text) {
  const struct config_row row = automatic();
  struct config cfg, back;
  config_defaults(&cfg);
  config_defaults(&back);
  char text[CONFIG_VALUE_BYTES];
  cr_expect_eq(config_set_row(&cfg, &row, "auto", "test"), ERR_OK);
  cr_expect(isnan(cfg.agent_gamma));
  config_format_row(text, &cfg, &row);
  cr_expect_str_eq(text, "auto");
  cr_expect_eq(config_set_row(&back, &row, text, "test"), ERR_OK);
  cr_expect(same_bytes(&cfg, &back), "unset twice is equal, bit for bit");

  // a number is a number as before, and one may go back to auto
  cr_expect_eq(config_set_row(&cfg, &row, "0.98", "test"), ERR_OK);
  cr_expect_eq(cfg.agent_gamma, 0.98);
  config_format_row(text, &cfg, &row);
  cr_expect_str_eq(text, "0.98");
  cr_expect_eq(config_set_row(&cfg, &row, "auto", "test"), ERR_OK);
  cr_expect(same_bytes(&cfg, &back));
}

// written to a file, an unset value comes back; two of them are no difference, one is
Test(config, an_unset_real_goes_through_dump_and_diff) {
  struct config cfg, set;
  config_defaults(&cfg);
  set = cfg;
  set.agent_gamma = 0.97;
  char *dump = config_dump(&cfg), *same = config_diff(&cfg, &cfg, false),
       *diff = config_diff(&cfg, &set, true);
  cr_expect(strstr(dump, "\n  gamma: auto\n") != NULL, "%s", dump);
  cr_expect_str_eq(same, "");
  cr_expect_str_eq(diff, "agent.gamma: auto -> 0.97\n");
  free(dump);
  free(same);
  free(diff);
}

Test(config, what_an_unset_real_accepts) {
  const struct config_row row = automatic();
  const struct {
    const char *value, *message;
  } bad[] = {
      {"nan", "test: agent.gamma = nan: expected a number, or auto"},
      {"", "test: agent.gamma = : expected a number, or auto"},
      {"Auto", "test: agent.gamma = Auto: expected a number, or auto"},
      {"2", "test: agent.gamma = 2 is out of range; it must be 0.5 to 0.9999, in steps, or auto"}};
  struct config cfg, before;
  config_defaults(&cfg);
  before = cfg;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    capture_begin();
    const enum err err = config_set_row(&cfg, &row, bad[i].value, "test");
    expect_line(capture_end(), bad[i].message, bad[i].value);
    cr_expect_eq(err, ERR_CONFIG);
    cr_expect(same_bytes(&cfg, &before));
  }
  char range[CONFIG_VALUE_BYTES];
  config_format_range(range, &row);
  cr_expect_str_eq(range, "0.5 to 0.9999, or auto");
  // a setting with a default has no auto
  refuse_set("agent.tau=auto",
             "argument agent.tau=auto: agent.tau = auto: expected a number, e.g. 5e-3");
}

// ---- rules between settings ----

static void refuse_check(const struct config *cfg, const char *message) {
  capture_begin();
  enum err err = config_check(cfg);
  const char *got = capture_end();
  cr_expect_eq(err, ERR_CONFIG, "%s", message);
  expect_line(got, message, "check");
}

Test(config, rules_between_settings) {
  struct config cfg;
  config_defaults(&cfg);
  cfg.run_steps = 1000;
  refuse_check(&cfg,
               "configuration: train.warmup_steps = 1000 must be less than run.steps = 1000, or "
               "nothing is learned");
  cfg.run_steps = 1001;
  cr_expect_eq(config_check(&cfg), ERR_OK);

  config_defaults(&cfg);
  cfg.train_warmup_steps = 2001;
  cfg.replay_capacity = 2000;
  refuse_check(&cfg,
               "configuration: replay.capacity = 2000 must be at least train.warmup_steps = 2001");
  cfg.train_warmup_steps = 2000;
  cr_expect_eq(config_check(&cfg), ERR_OK);

  config_defaults(&cfg);
  cfg.train_batch = 2001;
  cfg.replay_capacity = 2000;
  refuse_check(&cfg, "configuration: replay.capacity = 2000 must be at least train.batch = 2001");
  cfg.train_batch = 2000;
  cr_expect_eq(config_check(&cfg), ERR_OK);

  config_defaults(&cfg);
  cfg.outcome_scale_min = 0.2;
  cfg.outcome_scale_max = 0.1;
  refuse_check(&cfg,
               "configuration: outcome.scale_min = 0.2 must not be above outcome.scale_max = 0.1");
  cfg.outcome_scale_max = 0.2;
  cr_expect_eq(config_check(&cfg), ERR_OK);
}

// ---- reference ----

static char *printed(void (*print)(FILE *out)) {
  char *text;
  size_t n;
  FILE *out = open_memstream(&text, &n);
  print(out);
  fclose(out);
  return text;
}

Test(config, help_is_aligned_and_narrow) {
  char *text = printed(config_print_help);
#define X(type, group, name, def, min, max, unit, change, help) \
  cr_expect(strstr(text, "\n  " #group "." #name " ") != NULL, #group "." #name);
#include "common/config/config.def"
#undef X
  cr_expect(strstr(text,
                   "  run.steps                40000      length of training (1 to "
                   "1000000000000, in env steps; may\n") != NULL);
  for (char *rest, *line = strtok_r(text, "\n", &rest); line != NULL;
       line = strtok_r(NULL, "\n", &rest)) {
    size_t n = strlen(line);
    cr_expect(n <= 100 && line[n - 1] != ' ', "%s", line);
    // a group, a setting, or more of the third column
    if (line[n - 1] != ':') {
      cr_expect(n > 38 && line[37] == ' ' && line[38] != ' ', "%s", line);
    }
  }
  free(text);
}

Test(config, markdown_has_one_row_per_setting_and_one_table_per_group) {
  char *text = printed(config_print_markdown);
#define X(type, group, name, def, min, max, unit, change, help)                      \
  cr_expect(strstr(text, "| `" #group "." #name "` | `") != NULL, #group "." #name); \
  cr_expect(strstr(text, "### " #group "\n") != NULL, #group);                       \
  cr_expect(strstr(text, help) != NULL, help);
#include "common/config/config.def"
#undef X
  cr_expect(
      strstr(text,
             "| `eval.episodes` | `50` | 2 to 10000 | episodes | yes | of one evaluation |\n") !=
      NULL);
  cr_expect(strstr(text,
                   "| `outcome.likelihood` | `radial` | radial or laplace or gaussian |  |  | "
                   "family: by distance, by the sum of the numbers' distances, or normal |\n") !=
            NULL);
  // six cells in each row of a table
  for (char *rest, *line = strtok_r(text, "\n", &rest); line != NULL;
       line = strtok_r(NULL, "\n", &rest)) {
    int bars = 0;
    for (char *p = line; *p != '\0'; p++) {
      bars += *p == '|';
    }
    cr_expect(bars == (line[0] == '|' ? 7 : 0), "%s", line);
  }
  free(text);
}

// ---- presets ----

Test(config, a_preset_is_weaker_than_any_other_source) {
  struct config cfg;
  config_defaults(&cfg);
  const double lr = cfg.agent_lr;
  cr_assert_eq(config_preset(&cfg, "fleet"), ERR_OK);
  cr_assert_eq(cfg.train_batch, 2048);
  cr_assert_neq(cfg.agent_lr, lr);
  char *environment[] = {(char *)(uintptr_t) "TELOS_TRAIN_BATCH=512", NULL};
  char *settings[] = {(char *)(uintptr_t) "agent.lr=0.5"};
  cr_assert_eq(config_read_overrides(&cfg, environment, settings, 1), ERR_OK);
  cr_assert_eq(cfg.train_batch, 512);
  cr_assert_eq(cfg.agent_lr, 0.5);
  cr_assert_eq(config_check(&cfg), ERR_OK);
}

Test(config, an_unknown_preset_is_named) {
  struct config cfg, before;
  config_defaults(&cfg);
  before = cfg;
  capture_begin();
  cr_assert_eq(config_preset(&cfg, "fleets"), ERR_CONFIG);
  cr_assert_eq(config_preset(&cfg, "turbo"), ERR_CONFIG);
  const char *text = capture_end();
  cr_assert_not_null(strstr(text, "--preset fleets: there is no such preset; did you mean fleet?"));
  cr_assert_not_null(strstr(text, "--preset turbo: there is no such preset; telos config --help"));
  char *difference = config_diff(&before, &cfg, false);
  cr_assert_str_eq(difference, "");
  free(difference);
}
