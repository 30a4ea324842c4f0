// fleet.c - telos fleet: the commands that start a learner and its actors elsewhere, as a script
// for a shell, from the same task, rule and settings that `telos train` takes. Nothing is started.
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/shell.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/task/task_find.h"
#include "deploy/launch/commands.h"
#include "deploy/launch/verbs.h"
#include "proto/version.h"

enum { MAX_ACTORS = 100000, MAX_THREADS = 1024, MAX_NAME = 40 };

static const char help[] =
    "Examples:\n"
    "  telos fleet hand box2d --actors 4\n"
    "  telos fleet compose fetch-push --actors 8 run.steps=2e5 | sh\n"
    "  telos fleet kubernetes fetch-push --name push --rule her --actors 32 | sh\n"
    "  telos fleet slurm ant --actors 64 --threads 2 run.steps=1e6 | sh\n"
    "\n"
    "Usage: telos fleet WAY TASK [options] [group.name=value ...]\n"
    "\n"
    "Prints a script that starts a learner and its actors; nothing is started. Pipe it\n"
    "into sh, or change it first. For actors by ssh: telos train --hosts.\n"
    "\n"
    "  hand         telos-learner and telos-actor, for any machines that reach each other\n"
    "  compose      docker-compose, with deploy/compose.yaml\n"
    "  kubernetes   a folder of a run for kubectl apply -k, in deploy/k8s/runs\n"
    "  slurm        sbatch, with deploy/slurm/train.sbatch\n"
    "\n"
    "  --name NAME   of the run: letters, digits and '-' (default: the task's)\n"
    "  --actors N    actors (default 4)\n"
    "  --threads N   rollout threads of each (default 1)\n"
    "  --rule NAME   update rule (default odac)\n"
    "Exit codes: 0 printed, 64 usage, 78 bad setting.\n";

struct fleet_plan {
  const char *task, *name, *rule;
  uint64_t actors, threads;
  char **settings;
  int nsettings;
};

// a name of a run that is one for folders, containers and Kubernetes, too
static bool is_name(const char *name) {
  const size_t n = strlen(name);
  return n >= 1 && n <= MAX_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
         name[0] != '-' && name[n - 1] != '-';
}

static void put_word(const char *word) {
  putchar(' ');
  shell_quote(stdout, word);
}

// --rule and the settings, as telos-learner takes them
static void put_settings(const struct fleet_plan *p) {
  if (p->rule != NULL) {
    fputs(" --rule", stdout);
    put_word(p->rule);
  }
  for (int i = 0; i < p->nsettings; i++) {
    put_word(p->settings[i]);
  }
}

// The folder of compose.yaml and its like.
static void put_deploy(void) {
  char *script = NULL;
  size_t n;
  FILE *out = open_memstream(&script, &n);
  const bool found = out != NULL && commands_run_script(out);
  if (out != NULL) {
    fclose(out);
  }
  // ./deploy/run.sh, perhaps in quotes
  const char *end = found ? strstr(script, "run.sh") : NULL;
  if (end != NULL && script[0] != '\'') {
    printf("%.*s", (int)(end - script), script);
  } else {
    fputs("deploy/", stdout);
  }
  free(script);
}

// ---- ways ----

static void print_hand(const struct fleet_plan *p) {
  printf("# on the learner's machine, whose name takes the place of LEARNER below\n");
  printf("telos keys new learner actor && telos keys allow actor\n");
  printf("telos-learner --task");
  put_word(p->task);
  printf(" --run runs/%s wire.bind=0.0.0.0", p->name);
  put_settings(p);
  printf("\n\n# %" PRIu64 " times, anywhere, with keys/learner.key and keys/actor.key_secret\n",
         p->actors);
  printf("telos-actor --connect tcp://LEARNER:5555 --threads %" PRIu64 "\n", p->threads);
}

static void print_compose(const struct fleet_plan *p) {
  printf("export TASK=");
  shell_quote(stdout, p->task);
  printf(" RUN=%s ACTOR_CPUS=%" PRIu64 ".0 SETTINGS=", p->name, p->threads);
  char *text = NULL;
  size_t n;
  FILE *out = open_memstream(&text, &n);
  if (out != NULL) {
    fprintf(out, "%s%s", p->rule != NULL ? "--rule " : "", p->rule != NULL ? p->rule : "");
    for (int i = 0; i < p->nsettings; i++) {
      fputs(i > 0 || p->rule != NULL ? " " : "", out);
      shell_quote(out, p->settings[i]);
    }
    fclose(out);
    shell_quote(stdout, text);
    free(text);
  }
  printf("\ndocker-compose -f ");
  put_deploy();
  printf("compose.yaml up --build --scale actor=%" PRIu64 "\n", p->actors);
}

static void print_kubernetes(const struct fleet_plan *p) {
  printf("set -e\nmkdir -p ");
  put_deploy();
  printf("k8s/runs/%s\ncd ", p->name);
  put_deploy();
  printf("k8s/runs/%s\ncat >run.yaml <<'END'\n", p->name);
  printf("# settings of the run\n");
  for (int i = 0; i < p->nsettings; i++) {
    const char *value = strchr(p->settings[i], '=') + 1;
    printf("%.*s: %s\n", (int)(value - 1 - p->settings[i]), p->settings[i], value);
  }
  if (p->nsettings == 0) {
    printf("{}\n");
  }
  printf("END\ncat >kustomization.yaml <<'END'\n");
  printf(
      "# further components stand in ../../components\n"
      "apiVersion: kustomize.config.k8s.io/v1beta1\n"
      "kind: Kustomization\n"
      "namespace: telos\n"
      "namePrefix: %s-\n"
      "resources: [../../base]\n"
      "images:\n"
      "  - {name: telos-learner, newTag: \"%s\"}\n"
      "  - {name: telos-actor, newTag: \"%s\"}\n"
      "labels:\n"
      "  - pairs: {app.kubernetes.io/instance: %s}\n"
      "    includeSelectors: true\n"
      "    includeTemplates: true\n"
      "configMapGenerator:\n"
      "  - name: run\n"
      "    literals: [name=%s, task=%s, rule=%s]\n"
      "    files: [run.yaml]\n"
      "secretGenerator:\n"
      "  - name: learner-keys\n"
      "    files: [keys/learner.key_secret, keys/actor.key]\n"
      "  - name: actor-keys\n"
      "    files: [keys/learner.key, keys/actor.key_secret]\n",
      p->name, TELOS_VERSION, TELOS_VERSION, p->name, p->name, p->task,
      p->rule != NULL ? p->rule : "odac");
  printf(
      "replacements:\n"
      "  - source: {kind: Service, name: %s-learner}\n"
      "    targets:\n"
      "      - select: {kind: Job, name: %s-actors}\n"
      "        fieldPaths: "
      "[\"spec.template.spec.containers.[name=actor].env.[name=LEARNER].value\"]\n"
      "patches:\n"
      "  - target: {kind: Job, name: actors}\n"
      "    patch: |\n"
      "      - {op: replace, path: /spec/completions, value: %" PRIu64
      "}\n"
      "      - {op: replace, path: /spec/parallelism, value: %" PRIu64
      "}\n"
      "      - {op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: "
      "\"%" PRIu64
      "\"}\n"
      "      - {op: replace, path: /spec/template/spec/containers/0/resources/limits/cpu, value: "
      "\"%" PRIu64
      "\"}\n"
      "END\n",
      p->name, p->name, p->actors, p->actors, p->threads, p->threads);
  printf(
      "[ -e keys/actor.key_secret ] || telos keys new learner actor\n"
      "kubectl apply -f ../../namespace.yaml\n"
      "kubectl apply -k .\n");
}

static void print_slurm(const struct fleet_plan *p) {
  // an actor is a task; the learner has eight cores of the same allocation
  const uint64_t tasks = p->actors + (8 + p->threads - 1) / p->threads;
  printf("RUN=runs/%s sbatch --ntasks=%" PRIu64 " --cpus-per-task=%" PRIu64 " ", p->name, tasks,
         p->threads);
  put_deploy();
  printf("slurm/train.sbatch");
  put_word(p->task);
  put_settings(p);
  putchar('\n');
}

// ---- command line ----

static const struct way {
  const char *name;
  void (*print)(const struct fleet_plan *p);
  bool image;  // its learner sees no file of ours
} ways[] = {{"hand", print_hand, false},
            {"compose", print_compose, true},
            {"kubernetes", print_kubernetes, true},
            {"slurm", print_slurm, false}};

static const struct way *find_way(const char *name) {
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    if (name != NULL && strcmp(ways[i].name, name) == 0) {
      return &ways[i];
    }
  }
  log_error("which way? hand, compose, kubernetes or slurm (telos fleet --help)");
  return NULL;
}

static enum err parse(struct fleet_plan *p, int argc, char **argv) {
  static const struct option options[] = {
      {"name", required_argument, NULL, 'n'},    {"actors", required_argument, NULL, 'a'},
      {"threads", required_argument, NULL, 't'}, {"rule", required_argument, NULL, 'u'},
      {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
  enum err err = ERR_OK;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'n':
        p->name = optarg;
        break;
      case 'a':
        err = number_option(&p->actors, "--actors", optarg, 1, MAX_ACTORS);
        break;
      case 't':
        err = number_option(&p->threads, "--threads", optarg, 1, MAX_THREADS);
        break;
      case 'u':
        p->rule = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      default:
        options_complain(c, options, argv, "telos fleet", config_explain_option);
        return ERR_USAGE;
    }
  }
  return err;
}

static enum err check(const struct fleet_plan *p, const struct way *way) {
  struct config cfg;
  config_defaults(&cfg);
  const struct config_sources from = {
      .rule = p->rule, .environ_ = environ, .settings = p->settings, .nsettings = p->nsettings};
  const enum err err = config_read_sources(&cfg, &from);
  char path[TASK_MAX_PATH];
  if (err != ERR_OK || (!way->image && strchr(p->task, '/') != NULL)) {
    return err;
  }
  if (way->image && strchr(p->task, '.') != NULL) {
    log_error(
        "%s: a learner in a container has the bundled tasks alone; put the file into an image "
        "of your own, and its path there into what is printed for another task",
        p->task);
    return ERR_USAGE;
  }
  return task_find(path, p->task);
}

int verb_fleet(int argc, char **argv) {
  struct fleet_plan p = {.actors = 4, .threads = 1};
  enum err err = parse(&p, argc, argv);
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  const struct way *way = find_way(argv[optind]);
  if (way == NULL) {
    return err_exit_code(ERR_USAGE);
  }
  if (optind + 1 >= argc || strchr(argv[optind + 1], '=') != NULL) {
    log_error("which task? telos fleet %s box2d (telos fleet --help)", way->name);
    return err_exit_code(ERR_USAGE);
  }
  p.task = argv[optind + 1];
  p.settings = argv + optind + 2;
  p.nsettings = argc - optind - 2;
  if (p.name == NULL) {
    p.name = is_name(p.task) ? p.task : "run";
  }
  if (!is_name(p.name)) {
    log_error(
        "--name %.60s: expected 1 to %d of a-z, 0-9 and '-', which neither begins nor ends it",
        p.name, MAX_NAME);
    return err_exit_code(ERR_USAGE);
  }
  err = check(&p, way);
  if (err == ERR_OK) {
    way->print(&p);
  }
  return err_exit_code(err);
}
