// config.h - every setting of a run, from one table (common/config/config.def).
//
// Sources, later ones win: defaults, a preset, YAML file, TELOS_<GROUP>_<NAME> environment
// variables, group.name=value on the command line. Integers may be written 1e6 or 1_000_000. These
// are errors:
//   an unknown key: the line names its source (file:line:column, variable or argument), and the
//     known key that is near, if there is one
//   a key that a file gives twice
//   a value out of range: the line names the range and the unit
// An error is one logged line and ERR_CONFIG, and *cfg is as it was before the call.
//
//   struct config cfg; config_defaults(&cfg);  ...  cfg.agent_gamma
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/err.h"

enum { CONFIG_TEXT = 64, CONFIG_WIDTHS = 4 };

struct widths {
  int n;  // 1..CONFIG_WIDTHS
  int v[CONFIG_WIDTHS];
};

// The sizes of a network with these hidden layers into width (CONFIG_WIDTHS + 2); returns how many
// layers it has.
int config_layers(int *width, int in, const struct widths *hidden, int out);

// The values of CHOICE settings: enum outcome_likelihood { OUTCOME_LIKELIHOOD_LAPLACE, .. }.
#define CHOICE(constant, word) constant
#define CHOICES(group, name, ...) enum group##_##name{__VA_ARGS__};
#include "common/config/choices.def"
#undef CHOICES
#undef CHOICE

// Fields are <group>_<name>: cfg.agent_gamma, cfg.net_hidden.v[0].
struct config {
#define CONFIG_FIELD_INT(field) int64_t field;
#define CONFIG_FIELD_REAL(field) double field;
#define CONFIG_FIELD_BOOL(field) bool field;
#define CONFIG_FIELD_WIDTHS(field) struct widths field;
#define CONFIG_FIELD_TEXT(field) char field[CONFIG_TEXT];
#define CONFIG_FIELD_CHOICE(field) enum field field;
#define X(type, group, name, def, min, max, unit, change, help) CONFIG_FIELD_##type(group##_##name)
#include "common/config/config.def"
#undef X
};

void config_defaults(struct config *cfg);

// YAML: a mapping of groups to mappings of names ("agent: {gamma: 0.98}"), or flat
// ("agent.gamma: 0.98").
NODISCARD enum err config_read_file(struct config *cfg, const char *path);
NODISCARD enum err config_read_yaml(struct config *cfg, const char *text, size_t n,
                                    const char *label);

// All TELOS_<GROUP>_<NAME> of environ. A variable whose GROUP is none of ours is ignored, and so is
// what Kubernetes writes for a Service whose name begins with telos (TELOS_TRAIN_SERVICE_HOST).
NODISCARD enum err config_read_env(struct config *cfg, char **environ_);

// One "group.name=value".
NODISCARD enum err config_set(struct config *cfg, const char *assignment);

// What overrides files: the environment, then n assignments of a command line, in this order.
NODISCARD enum err config_read_overrides(struct config *cfg, char **environ_, char **assignments,
                                         int n);

// For options_complain (common/base/options.h): an option with a setting's name, --seed 1 or
// --run.seed=1, is told to be written run.seed=1.
bool config_explain_option(char *out, size_t n, const char *name, const char *value);

// Whether the run has demonstrations: demos.digest is not "none".
bool config_has_demos(const struct config *cfg);

// Whether the run starts from a policy: start.policy is not "none".
bool config_has_start(const struct config *cfg);

// Rules between settings (e.g. replay.capacity >= train.warmup_steps). Call after all sources.
NODISCARD enum err config_check(const struct config *cfg);

// The resolved configuration as YAML that config_read_yaml reads back to an equal struct: free with
// free(). Floats are written with the digits that restore their bits.
char *config_dump(const struct config *cfg);

// Settings that differ between a and b, "group.name: A -> B" and a newline each ("" when equal):
// free with free(). With only_fixed, those alone that a resumed run may not change (FIXED in
// config.def).
char *config_diff(const struct config *a, const struct config *b, bool only_fixed);

// Reference for people: aligned text (--help) and Markdown (README).
void config_print_help(FILE *out);
void config_print_markdown(FILE *out);

#endif
