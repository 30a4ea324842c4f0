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
#include "deploy/play/picture.h"
#include "deploy/play/scene.h"

enum { MAX_EPISODES = 1000 };  // of one picture

static const char help[] =
    "Examples:\n"
    "  telos play runs/box2d/NAME                      play.webp: what its policy does\n"
    "  telos play runs/box2d/NAME --episodes 3 --out three.mp4\n"
    "  telos play box2d --policy zero --out start.png --frame 0\n"
    "  telos play fetch-push --script moves.txt --camera view --size 640x480\n"
    "\n"
    "Usage: telos play RUN|FILE|TASK [options]\n"
    "\n"
    "Draws episodes without a display. Of a run (its folder) or a policy file they are the\n"
    "run's own evaluation episodes, in their order. The goal is drawn in green.\n"
    "\n"
    "  --out PATH          x.webp (animated), x.mp4 (needs ffmpeg), x.png (one frame), or\n"
    "                      folder/ (all frames as PNGs); default play.webp\n"
    "  --episodes N        one after the other (default 1); an x.png shows the last one\n"
    "  --frame T           step that an x.png shows (default: the last)\n"
    "  --size WxH          pixels (default: the model's proportions, up to 480)\n"
    "  --fps F             frames a second of simulated time, at most one a step\n"
    "                      (default 25)\n"
    "  --camera NAME       of the model (default: \"view\", else one that sees everything)\n"
    "  --goal X,Y,..       in place of the episode's own goal\n"
    "  --seed S            of the episodes (default: the run's, else 0)\n"
    "  --policy WHAT       random (default for a TASK), zero, script, or a policy file\n"
    "  --script FILE       set-points: rows of one number per action, then how many steps\n"
    "  --task NAME|FILE    default: the task named in the policy file\n"
    "\n"
    "Exit codes: 0 drawn, 64 usage, 74 cannot write, 78 bad task, policy or script, or a\n"
    "program or OpenGL that is missing.\n";

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
    case 'p':
      a->policy = value;
      break;
    case 'S':
      a->script = value;
      break;
    case 'g':
      a->goal = value;
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
  static const struct option options[] = {
      {"task", required_argument, NULL, 't'},   {"policy", required_argument, NULL, 'p'},
      {"script", required_argument, NULL, 'S'}, {"goal", required_argument, NULL, 'g'},
      {"camera", required_argument, NULL, 'c'}, {"out", required_argument, NULL, 'o'},
      {"size", required_argument, NULL, 'z'},   {"fps", required_argument, NULL, 'f'},
      {"seed", required_argument, NULL, 's'},   {"episodes", required_argument, NULL, 'n'},
      {"frame", required_argument, NULL, 'F'},  {"parent", required_argument, NULL, 'P'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'h') {
      fputs(help, stdout);
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
  if (optind != argc - 1) {
    log_error("which run or task? telos play runs/box2d/NAME (telos play --help)");
    return ERR_USAGE;
  }
  a->what = argv[optind];
  return check_arguments(a);
}
