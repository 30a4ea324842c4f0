// export_verb.c - telos export: a policy for programs that have no telos.
//
// A format writes to memory, and the file is written whole or not at all.
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "deploy/export/csource.h"
#include "deploy/export/npz.h"
#include "deploy/export/onnx.h"
#include "deploy/launch/policy_source.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos export runs/box2d/NAME --format onnx\n"
    "  telos export runs/box2d/NAME --format c --out policy.c\n"
    "  telos export policy.safetensors --format npz\n"
    "\n"
    "Usage: telos export RUN|FILE --format onnx|c|npz [--out FILE] [--checkpoint WHICH]\n"
    "\n"
    "Writes a policy for other programs. Every format says which sensors it takes, in\n"
    "which units and with which factors, how often it acts, and how an action becomes\n"
    "control.\n"
    "\n"
    "  --format onnx      for onnxruntime and others; any batch\n"
    "  --format c         one C99 or C++ file without dependencies, the actor's own sums\n"
    "  --format npz       for NumPy\n"
    "  --out FILE         default: beside the policy, as policy.onnx, .c or .npz\n"
    "  --checkpoint WHICH best (of the run's evaluations), last (the default), or the steps\n"
    "                     of a checkpoint\n"
    "  --task TASK|FILE   default: the run's own, or the one named in the policy file\n"
    "  --help\n";

struct format {
  const char *name;
  void (*write)(FILE *out, const struct sheet *s);
};

static const struct format formats[] = {
    {"onnx", onnx_write}, {"c", csource_write}, {"npz", npz_write}};

struct arguments {
  const char *what, *task, *out, *checkpoint;
  const struct format *format;
};

static enum err parse_format(const struct format **format, const char *name) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    if (strcmp(name, formats[i].name) == 0) {
      *format = &formats[i];
      return ERR_OK;
    }
  }
  log_error("--format %s: expected onnx, c or npz", name);
  return ERR_USAGE;
}

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"format", required_argument, NULL, 'f'}, {"out", required_argument, NULL, 'o'},
      {"task", required_argument, NULL, 't'},   {"checkpoint", required_argument, NULL, 'c'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  enum err err = ERR_OK;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'f':
        err = parse_format(&a->format, optarg);
        break;
      case 'o':
        a->out = optarg;
        break;
      case 'c':
        a->checkpoint = optarg;
        break;
      case 't':
        a->task = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      default:
        options_complain(c, options, argv, "telos export", NULL);
        return ERR_USAGE;
    }
  }
  if (err == ERR_OK) {
    err = policy_source_operand(&a->what, argv + optind, argc - optind, "telos export", "run");
  }
  if (err == ERR_OK && a->format == NULL) {
    log_error("which format? give --format onnx, --format c or --format npz (telos export --help)");
    return ERR_USAGE;
  }
  return err;
}

// the policy's own path, with another ending
static void default_path(char *path, size_t n, const char *policy, const char *ending) {
  const char *slash = strrchr(policy, '/'), *dot = strrchr(policy, '.');
  const bool has_ending = dot != NULL && (slash == NULL || dot > slash + 1);
  const int stem = has_ending ? (int)(dot - policy) : (int)strlen(policy);
  snprintf(path, n, "%.*s.%s", stem, policy, ending);
}

static enum err export_file(const struct policy_source *source, const struct arguments *a) {
  char beside[PATH_MAX + 64], *data;
  size_t n;
  struct sheet sheet;
  default_path(beside, sizeof beside, source->path, a->format->name);
  const char *path = a->out != NULL ? a->out : beside;
  if (weights_along(source->policy.weights, source->policy.goal).members > 0) {
    log_warn("%s is of a family of tasks: what is exported knows of no task in it (no context)",
             source->path);
  }
  sheet_init(&sheet, source->task, &source->policy);
  FILE *out = open_memstream(&data, &n);
  CHECK(out != NULL);
  a->format->write(out, &sheet);
  CHECK(fclose(out) == 0);
  const enum err err = fsio_write_atomic(path, data, n);
  free(data);
  sheet_release(&sheet);
  if (err == ERR_OK) {
    const struct task *t = source->task;
    printf("%s: %s of task %s, %d observations, %d goal numbers, %d actions at %.4g Hz\n", path,
           source->path, t->name, t->obs, t->goal, t->act, sheet_control_hz(t));
  }
  return err;
}

int verb_export(int argc, char **argv) {
  struct arguments a = {0};
  struct policy_source source = {0};
  enum err err = parse_arguments(&a, argc, argv);
  if (err == ERR_OK &&
      (err = policy_source_open(&source, a.what, a.task, a.checkpoint)) == ERR_OK) {
    err = export_file(&source, &a);
  }
  policy_source_release(&source);
  return err_exit_code(err);
}
