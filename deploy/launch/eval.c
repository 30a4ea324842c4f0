// eval.c - telos eval: deterministic episodes of a saved policy, in this process.
//
// The tickets are those of the run's own evaluations (same seed list), so that the figures equal
// the learner's last ones bit for bit when the number of episodes is the same.
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/evaluation.h"
#include "deploy/launch/policy_source.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos eval runs/box2d/NAME\n"
    "  telos eval runs/box2d/NAME --checkpoint best\n"
    "  telos eval policy.safetensors --task my/robot.xml --episodes 1000 --json\n"
    "  telos eval --random --task fetch-push\n"
    "\n"
    "Usage: telos eval RUN [--checkpoint WHICH] [--episodes N] [--seed S] [--json]\n"
    "       telos eval FILE [--task NAME|FILE] [--episodes N] [--seed S] [--json]\n"
    "       telos eval --random --task NAME|FILE [--episodes N] [--seed S] [--json]\n"
    "\n"
    "  --checkpoint WHICH best (of its evaluations), last (the default), or the steps of a\n"
    "                     checkpoint\n"
    "  --task TASK|FILE   default: the run's own, or the one named in the policy file\n"
    "  --episodes N       default: as in the run's own evaluations; 50 for a FILE\n"
    "  --seed S           of the episodes (default: the run's)\n"
    "  --random           uniform random actions in place of a policy: what chance gives\n"
    "  --json             one JSON object\n";

enum { RANDOM_EPISODES = 50 };

struct arguments {
  const char *what, *task, *checkpoint;
  int episodes;  // 0: not given
  bool has_seed, json, random;
  uint64_t seed;
};

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"task", required_argument, NULL, 't'},     {"checkpoint", required_argument, NULL, 'c'},
      {"episodes", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
      {"json", no_argument, NULL, 'j'},           {"random", no_argument, NULL, 'r'},
      {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
  uint64_t episodes = 0;
  bool good = true;
  opterr = 0;  // one line in our own words
  for (int c; good && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 't':
        a->task = optarg;
        break;
      case 'c':
        a->checkpoint = optarg;
        break;
      case 'n':
        good = number_option(&episodes, "--episodes", optarg, 2, 1000000) == ERR_OK;
        break;
      case 's':
        good = number_option(&a->seed, "--seed", optarg, 0, UINT64_MAX) == ERR_OK;
        a->has_seed = true;
        break;
      case 'j':
        a->json = true;
        break;
      case 'r':
        a->random = true;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      default:
        options_complain(c, options, argv, "telos eval", NULL);
        good = false;
        break;
    }
  }
  if (good && a->random && (optind != argc || a->task == NULL)) {
    log_error("--random takes --task NAME|FILE, and no run (telos eval --help)");
    good = false;
  } else if (good && !a->random) {
    good = policy_source_operand(&a->what, argv + optind, argc - optind, "telos eval", "run") ==
           ERR_OK;
  }
  a->episodes = (int)episodes;
  return good ? ERR_OK : ERR_USAGE;
}

// what to evaluate; for random actions a source without weights
static enum err open_source(struct policy_source *s, const struct arguments *a) {
  if (!a->random) {
    return policy_source_open(s, a->what, a->task, a->checkpoint);
  }
  s->path = must_strdup("random actions");
  s->episodes = RANDOM_EPISODES;
  return task_load(&s->task, a->task);
}

// w: NULL for random actions
static enum err run_episodes(struct episode **eps, const struct task *task, const struct weights *w,
                             int n, uint64_t seed) {
  const struct rollout_options opt = {.hindsight = 1};
  const struct dims dims = task_dims(task, opt.hindsight);
  struct rollout *rollout = rollout_new(task, &opt);
  enum err err = ERR_OK;
  for (int i = 0; err == ERR_OK && i < n; i++) {
    const struct ticket ticket = {.id = (uint64_t)i,
                                  .seed = ticket_eval_seed(seed, (uint64_t)i),
                                  .version = w != NULL ? w->version : 0,
                                  .kind = w != NULL ? TICKET_EVAL : TICKET_WARMUP};
    eps[i] = episode_new(&dims);
    err = rollout_run(rollout, eps[i], &ticket, w, NULL);
  }
  rollout_free(rollout);
  return err;
}

static void print_text(const struct evaluation *e, const struct task *task, const char *path) {
  printf("%s on task %s, %d episodes\n", path, task->name, e->n);
  if (e->unstable > 0) {
    printf("unstable  %d of %d episodes were cut: the simulation became unstable\n", e->unstable,
           e->n);
  }
  if (task->goal == 0) {
    printf("return    %.4g +- %.3g   (sum of rewards, 95 %% interval)\n", e->ret, e->ci);
    return;
  }
  if (!isnan(e->ret)) {
    printf("return    %.4g\n", e->ret);
  }
  printf("distance  initial %.4g, final %.4g\n", e->initial, e->distance);
  for (int i = 0; i < e->nparts && e->nparts > 1; i++) {
    printf("  of %-22s final %.4g\n", e->part[i].name, e->part[i].distance);
  }
  if (isnan(e->score)) {
    printf("score     none: it is 100 x final / initial distance, and the initial one is 0\n");
  } else {
    printf("score     %.3f +- %.3f   (100 x final / initial distance, 95 %% interval)\n", e->score,
           e->ci);
  }
  if (!isnan(e->success)) {
    printf("success   %.1f %%   (final distance below %.4g)\n", 100.0 * e->success,
           task->success_radius);
  }
}

static json_t *json_number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static void print_json(const struct evaluation *e, const struct task *task, const char *path) {
  json_t *parts = json_array();
  for (int i = 0; i < e->nparts; i++) {
    json_t *part = json_pack("{s:s, s:o}", "name", e->part[i].name, "final_distance",
                             json_number(e->part[i].distance));
    CHECK(part != NULL && json_array_append_new(parts, part) == 0);
  }
  json_t *root =
      json_pack("{s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "policy", path, "task",
                task->name, "episodes", e->n, "unstable", e->unstable, "initial_distance",
                json_number(e->initial), "final_distance", json_number(e->distance), "parts", parts,
                "score", json_number(e->score), "score_ci95", json_number(e->ci), "success",
                json_number(e->success), "return", json_number(e->ret));
  CHECK(root != NULL);
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
}

int verb_eval(int argc, char **argv) {
  struct arguments a = {0};
  struct policy_source source = {0};
  struct episode **eps = NULL;
  enum err err = parse_arguments(&a, argc, argv);
  if (err != ERR_OK || (err = open_source(&source, &a)) != ERR_OK) {
    goto out;
  }
  const struct task *task = source.task;
  a.episodes = a.episodes != 0 ? a.episodes : source.episodes;
  eps = must_alloc((size_t)a.episodes, sizeof *eps);
  err =
      run_episodes(eps, task, source.policy.weights, a.episodes, a.has_seed ? a.seed : source.seed);
  if (err == ERR_OK) {
    struct evaluation e;
    struct evaluation_part parts[EVALUATION_MAX_PARTS];
    evaluation_compute(&e, eps, a.episodes, task->success_radius, task->success_counts);
    evaluation_parts(&e, eps, parts, task_goal_parts(parts, EVALUATION_MAX_PARTS, task));
    (a.json ? print_json : print_text)(&e, task, source.path);
  }
out:
  for (int i = 0; eps != NULL && i < a.episodes; i++) {
    episode_free(eps[i]);
  }
  free(eps);
  policy_source_release(&source);
  return err_exit_code(err);
}
