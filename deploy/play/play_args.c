// play_args.c - the options of telos-play, each checked where it is read.
#include "deploy/play/play_args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/episode.h"
#include "deploy/launch/play_help.h"
#include "deploy/launch/policy_source.h"
#include "deploy/play/picture.h"
#include "deploy/play/scene.h"
#include "proto/version.h"

enum { MAX_EPISODES = 1000 };  // of one picture

static bool parse_size(struct play_args *a, const char *text) {
  int n = 0;
  if (sscanf(text, "%5dx%5d%n", &a->width, &a->height, &n) != 2 || text[n] != '\0' ||
      a->width < SCENE_MIN_SIZE || a->width > SCENE_MAX_SIZE || a->height < SCENE_MIN_SIZE ||
      a->height > SCENE_MAX_SIZE) {
    log_error("--size %s: expected WIDTHxHEIGHT, each from %d to %d, for instance 640x480", text,
              SCENE_MIN_SIZE, SCENE_MAX_SIZE);
    return false;
  }
  return true;
}

static bool parse_fps(double *out, const char *text) {
  if (!number_parse_real(out, text) || !(*out >= 0.1 && *out <= 1000.0)) {
    log_error("--fps %s: expected a number from 0.1 to 1000", text);
    return false;
  }
  return true;
}

// one option; false: told what is wrong
static bool take_option(struct play_args *a, int c, const char *value) {
  uint64_t number = 0;
  bool good = true;
  switch (c) {
    case 't':
      a->task = value;
      break;
    case 'k':
      a->checkpoint = value;
      break;
    case 'p':
      a->policy = value;
      break;
    case 'S':
      a->script = value;
      break;
    case 'g':
      a->goal = value;
      break;
    case 'E':
      a->events = value;
      break;
    case 'c':
      a->camera = value;
      break;
    case 'o':
      a->out = value;
      break;
    case 'z':
      return parse_size(a, value);
    case 'f':
      return parse_fps(&a->fps, value);
    case 's':
      a->has_seed = true;
      return number_option(&a->seed, "--seed", value, 0, UINT64_MAX) == ERR_OK;
    case 'n':
      good = number_option(&number, "--episodes", value, 1, MAX_EPISODES) == ERR_OK;
      a->episodes = (int)number;
      break;
    case 'F':
      good = number_option(&number, "--frame", value, 0, DIMS_MAX_HORIZON) == ERR_OK;
      a->frame = (int)number;
      a->has_frame = true;
      break;
    default:
      good = number_option(&number, "--parent", value, 1, INT32_MAX) == ERR_OK;
      a->parent = (long)number;
      break;
  }
  return good;
}

static enum err check_arguments(const struct play_args *a) {
  if (a->has_frame && !picture_is_still(a->out)) {
    log_error("--frame %d is for one picture; give it a name with --out x.png", a->frame);
    return ERR_USAGE;
  }
  const bool scripted = a->policy != NULL && strcmp(a->policy, "script") == 0;
  if (scripted && a->script == NULL) {
    log_error("--policy script: which one? give its file with --script");
    return ERR_USAGE;
  }
  if (a->script != NULL && a->policy != NULL && !scripted) {
    log_error("--policy %s and --script exclude each other", a->policy);
    return ERR_USAGE;
  }
  return ERR_OK;
}

enum err play_args_parse(struct play_args *a, int argc, char **argv) {
  static const struct option options[] = {{"task", required_argument, NULL, 't'},
                                          {"checkpoint", required_argument, NULL, 'k'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"script", required_argument, NULL, 'S'},
                                          {"goal", required_argument, NULL, 'g'},
                                          {"camera", required_argument, NULL, 'c'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"size", required_argument, NULL, 'z'},
                                          {"fps", required_argument, NULL, 'f'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"episodes", required_argument, NULL, 'n'},
                                          {"frame", required_argument, NULL, 'F'},
                                          {"events", required_argument, NULL, 'E'},
                                          {"parent", required_argument, NULL, 'P'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'v') {
      version_print(stdout, "telos-play", NULL);
      exit(0);
    }
    if (c == 'h') {
      fputs(play_help, stdout);
      exit(0);
    }
    if (c == '?' || c == ':') {
      options_complain(c, options, argv, "telos play", NULL);
      return ERR_USAGE;
    }
    if (!take_option(a, c, optarg)) {
      return ERR_USAGE;
    }
  }
  const enum err err =
      policy_source_operand(&a->what, argv + optind, argc - optind, "telos play", "run or task");
  return err == ERR_OK ? check_arguments(a) : err;
}
