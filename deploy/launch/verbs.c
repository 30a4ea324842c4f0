// verbs.c - the table of verbs: help, dispatch and completion have their lists from here.
#include "deploy/launch/verbs.h"

#include <string.h>

#include "proto/version.h"

static int verb_version(int argc, char **argv) {
  (void)argc;
  (void)argv;
  version_print(stdout, "telos", NULL);
  return 0;
}

const struct verb verbs[] = {
    {"train", verb_train, "TASK", "start a learner and actors here; write the policy", "TASK|FILE",
     "SETTING"},
    {"eval", verb_eval, "RUN", "evaluate a run's policy.safetensors", "RUN|FILE", ""},
    {"play", verb_play, "RUN", "draw episodes of a policy, or of a task", "RUN|FILE|TASK", ""},
    {"export", verb_export, "RUN", "write a policy for other programs: ONNX, C or NumPy",
     "RUN|FILE", ""},
    {"record", verb_record, "TASK", "record episodes of a script or a policy, for train --demos",
     "TASK|FILE", ""},
    {"sweep", verb_sweep, "", "train tasks x rules x settings x seeds; one table at the end",
     "TASK|FILE", "TASK|FILE|SETTING"},
    {"runs", verb_runs, "", "list runs: score, state, settings", "FOLDER", "FOLDER"},
    {"compare", verb_compare, "A B", "settings in which runs differ, and results side by side",
     "RUN", "RUN"},
    {"plot", verb_plot, "RUN", "learning curves as SVG or PNG", "RUN", "RUN"},
    {"task", verb_task, "", "list tasks, show one, check a file", "list|show|check", "TASK|FILE"},
    {"rules", verb_rules, "", "list the update rules, for train --rule", "", ""},
    {"fleet", verb_fleet, "", "the commands for other machines: compose, Kubernetes, Slurm",
     "hand|compose|kubernetes|slurm", "TASK|SETTING"},
    {"keys", verb_keys, "", "make keys for encryption, and allow and revoke actors",
     "new|allow|revoke|list", "FILE"},
    {"health", verb_health, "", "ask a learner or an actor whether it is alive", "", ""},
    {"config", verb_config, "", "show the resolved settings", "SETTING", "SETTING"},
    {"completion", verb_completion, "", "what completes these words in bash, zsh or fish",
     "bash|zsh|fish", ""},
    {"version", verb_version, "", "versions of telos and its libraries", "", ""},
    {NULL, NULL, NULL, NULL, NULL, NULL}};

const struct verb *verbs_find(const char *name) {
  const struct verb *v = verbs;
  while (v->name != NULL && strcmp(v->name, name) != 0) {
    v++;
  }
  return v->name != NULL ? v : NULL;
}

void verbs_print_help(FILE *out) {
  for (const struct verb *v = verbs; v->name != NULL; v++) {
    const int width = 14 - (int)strlen(v->name) - 1;
    fprintf(out, "  %s %-*s%s\n", v->name, width, v->operand, v->help);
  }
}

void verbs_print_names(FILE *out) {
  for (const struct verb *v = verbs; v->name != NULL; v++) {
    const char *before = v == verbs ? "" : v[1].name != NULL ? ", " : " or ";
    fprintf(out, "%s%s", before, v->name);
  }
}
