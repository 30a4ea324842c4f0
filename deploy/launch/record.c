// record.c - telos record: demonstrations for telos train --demos.
//
// An episode is a function of the seed and its number, as everywhere; so are those that are kept.
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "actor/script.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/rng.h"
#include "common/demos.h"
#include "common/evaluation.h"
#include "common/task/env.h"
#include "deploy/launch/policy_source.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos record fetch-push --script push.txt\n"
    "  telos record fetch-push --policy runs/fetch-push/NAME --episodes 50 --out push.tfrecord\n"
    "  telos train fetch-push --demos fetch-push.tfrecord\n"
    "\n"
    "Usage: telos record TASK --script FILE|--policy RUN|FILE [options]\n"
    "\n"
    "Records episodes of a task as demonstrations. Of a task that tells success, those\n"
    "that succeed are kept.\n"
    "\n"
    "  --script FILE      set-points: rows of one number per action, then how many steps\n"
    "  --policy RUN|FILE  a trained policy, its actions drawn as in training\n"
    "  --checkpoint WHICH of a RUN: best, last (the default), or the steps of a checkpoint\n"
    "  --episodes N       to keep (default 20)\n"
    "  --noise S          deviation of the noise on a script's actions (default 0.1)\n"
    "  --seed S           of the episodes (default 0)\n"
    "  --all              keep those that fail, too\n"
    "  --out FILE         default TASK.tfrecord in this folder\n"
    "  --help\n";

// tries for each episode that is to be kept
enum { TRIES = 20, EPISODES = 20, MAX_EPISODES = 100000 };

struct arguments {
  const char *task, *script, *policy, *checkpoint, *out;
  uint64_t episodes, seed;
  double noise;
  bool all;
};

struct recorder {
  struct arguments a;
  struct policy_source source;  // its task; a policy when there is one
  struct script *script;        // or this
  struct rng noise;             // of the present episode
  struct episode **ep;          // those that are kept
  int n;
};

static enum err parse_noise(double *noise, const char *text) {
  if (!number_parse_part(noise, text, strlen(text)) || !(*noise >= 0) || !isfinite(*noise)) {
    log_error("--noise %s: expected a number, 0 or more", text);
    return ERR_USAGE;
  }
  return ERR_OK;
}

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {{"script", required_argument, NULL, 's'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"checkpoint", required_argument, NULL, 'c'},
                                          {"episodes", required_argument, NULL, 'n'},
                                          {"noise", required_argument, NULL, 'e'},
                                          {"seed", required_argument, NULL, 'S'},
                                          {"all", no_argument, NULL, 'a'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  *a = (struct arguments){.episodes = EPISODES, .noise = 0.1};
  enum err err = ERR_OK;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 's':
        a->script = optarg;
        break;
      case 'p':
        a->policy = optarg;
        break;
      case 'c':
        a->checkpoint = optarg;
        break;
      case 'o':
        a->out = optarg;
        break;
      case 'n':
        err = number_option(&a->episodes, "--episodes", optarg, 1, MAX_EPISODES);
        break;
      case 'S':
        err = number_option(&a->seed, "--seed", optarg, 0, UINT64_MAX);
        break;
      case 'e':
        err = parse_noise(&a->noise, optarg);
        break;
      case 'a':
        a->all = true;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      default:
        options_complain(c, options, argv, "telos record", NULL);
        return ERR_USAGE;
    }
  }
  if (err == ERR_OK && (optind + 1 != argc || (a->script == NULL) == (a->policy == NULL))) {
    log_error("expected one task, and --script FILE or --policy RUN (telos record --help)");
    return ERR_USAGE;
  }
  a->task = argv[optind];
  return err;
}

static enum err open_source(struct recorder *r) {
  if (r->a.policy != NULL) {
    return policy_source_open(&r->source, r->a.policy, r->a.task, r->a.checkpoint);
  }
  enum err err = task_load(&r->source.task, r->a.task);
  if (err == ERR_OK) {
    err = script_read(&r->script, r->a.script, r->source.task->act);
  }
  return err;
}

// ---- episodes ----

static void act_by_script(void *ctx, float *action, struct env *env, int t) {
  struct recorder *r = ctx;
  const struct task *task = r->source.task;
  script_action(r->script, action, task, env_data(env), t);
  for (int i = 0; i < task->act; i++) {
    const float a = action[i] + (float)r->a.noise * rng_normal(&r->noise);
    action[i] = a < -1 ? -1 : a > 1 ? 1 : a;
  }
}

static bool is_wanted(const struct recorder *r, const struct episode *ep) {
  const struct task *task = r->source.task;
  if (r->a.all || task->goal == 0 || !(task->success_radius > 0)) {
    return !ep->unstable;
  }
  return !ep->unstable &&
         evaluation_distance(ep, ep->T, task->success_counts) < task->success_radius;
}

// the i-th try; kept, or not
static enum err try_episode(struct recorder *r, struct rollout *rollout, const struct dims *dims,
                            uint64_t i) {
  const struct weights *w = r->source.policy.weights;
  const struct ticket ticket = {.id = i,
                                .seed = ticket_seed(r->a.seed, i),
                                .version = w != NULL ? w->version : 0,
                                .kind = w != NULL ? TICKET_TRAIN : TICKET_WARMUP};
  struct episode *ep = episode_new(dims);
  rng_init(&r->noise, ticket.seed, RNG_RECORD, 0);
  const enum err err = rollout_run(rollout, ep, &ticket, w, NULL);
  if (err == ERR_OK && is_wanted(r, ep)) {
    r->ep[r->n++] = ep;
  } else {
    episode_free(ep);
  }
  return err;
}

static enum err run_episodes(struct recorder *r) {
  // a policy explores no more than it does by itself
  const struct rollout_options opt = {.none = 1, .least = 1, .hindsight = 1};
  const struct rollout_hooks hooks = {.act = act_by_script, .ctx = r};
  const struct dims dims = task_dims(r->source.task, opt.hindsight);
  struct rollout *rollout = rollout_new(r->source.task, &opt);
  rollout_set_hooks(rollout, r->script != NULL ? &hooks : NULL);
  r->ep = must_alloc((size_t)r->a.episodes, sizeof *r->ep);
  enum err err = ERR_OK;
  uint64_t tries = 0;
  for (; err == ERR_OK && (uint64_t)r->n < r->a.episodes && tries < TRIES * r->a.episodes;
       tries++) {
    err = try_episode(r, rollout, &dims, tries);
  }
  rollout_free(rollout);
  if (err == ERR_OK && (uint64_t)r->n < r->a.episodes) {
    log_error("%d of %llu episodes succeeded; less --noise, a better script, or --all would help",
              r->n, (unsigned long long)tries);
    return ERR_CONFIG;
  }
  return err;
}

static enum err write_file(struct recorder *r) {
  char path[TASK_MAX_NAME + 16];
  snprintf(path, sizeof path, "%s.tfrecord", r->source.task->name);
  const char *out = r->a.out != NULL ? r->a.out : path;
  int64_t steps = 0;
  double distance = 0;
  for (int i = 0; i < r->n; i++) {
    steps += r->ep[i]->T;
    distance += evaluation_distance(r->ep[i], r->ep[i]->T, NULL) / r->n;
  }
  const enum err err = demos_write(out, r->ep, r->n, r->source.task->digest);
  if (err == ERR_OK) {
    printf("%s: %d episodes of %s, %lld steps", out, r->n, r->source.task->name, (long long)steps);
    printf(r->source.task->goal > 0 ? ", mean final distance %.3g\n" : "\n", distance);
  }
  return err;
}

int verb_record(int argc, char **argv) {
  struct recorder r = {0};
  enum err err = parse_arguments(&r.a, argc, argv);
  if (err == ERR_OK && (err = open_source(&r)) == ERR_OK && (err = run_episodes(&r)) == ERR_OK) {
    err = write_file(&r);
  }
  for (int i = 0; i < r.n; i++) {
    episode_free(r.ep[i]);
  }
  free(r.ep);
  script_free(r.script);
  policy_source_release(&r.source);
  return err_exit_code(err);
}
