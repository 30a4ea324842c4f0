// train_args.c - the command line of `telos train`.
//
// Settings are checked here too, although the learner checks them again, so that a mistake is told
// before anything starts.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/run_files.h"
#include "common/task/task_find.h"
#include "deploy/launch/run_name.h"
#include "deploy/launch/train.h"
#include "deploy/launch/verbs.h"
#include "proto/keyring.h"
#include "proto/link.h"

static const char help[] =
    "Examples:\n"
    "  telos train box2d\n"
    "  telos train box2d --actors 4 run.seed=1 run.steps=1e5\n"
    "  telos train my/robot.xml --name first --config my.yaml\n"
    "  telos train box2d --name first          resumes that run\n"
    "\n"
    "Usage: telos train TASK [options] [group.name=value ...]\n"
    "\n"
    "Starts a learner and actors on this machine and shows their progress.\n"
    "Ctrl-C: save and stop (twice: stop now). Ctrl-Z pauses all of it, fg goes on. The same seed "
    "gives the same policy\n"
    "file, bit for bit, however many actors run and whichever of them die.\n"
    "\n"
    "  TASK             bundled task, or an MJCF file\n"
    "  --actors N       actor processes on this machine (default 2; with --hosts none)\n"
    "  --threads N      rollout threads of each (default: cores / actors, at least 1)\n"
    "  --name NAME      name of the run (default: time and seed)\n"
    "  --runs FOLDER    where runs live (default: runs)\n"
    "  --rule RULE      update rule (default odac); `telos rules` lists them\n"
    "  --preset PRESET  settings that go together: fleet, for many actors\n"
    "  --config FILE    YAML settings; `telos config --help` lists them\n"
    "  --demos FILE     demonstrations to learn from, too; `telos record` makes them\n"
    "  --from RUN|FILE  a policy to start from: a run, or a policy.safetensors\n"
    "  --resume auto|must|never\n"
    "                   whether an existing run goes on (default auto: if there is one)\n"
    "  --video-every N  a video of an evaluation every N env steps, in RUN/videos\n"
    "  --keys FOLDER    encrypt, with these keys (telos keys); the actors take the only\n"
    "                   key of an actor there, or the one called actor; default when\n"
    "                   wire.bind is beyond this machine: keys\n"
    "  --insecure       no encryption, whatever wire.bind is: whoever reaches the ports\n"
    "                   can read the policy and send episodes\n"
    "  --hosts A,B:8    an actor on each of these machines, too, by ssh, with as many\n"
    "                   rollout threads as stand behind the colon, or as it has cores.\n"
    "                   ssh has to get in without a password; keys are those of --keys\n"
    "  --remote-bin DIR where telos-actor is there (default: in PATH, or as here)\n"
    "  --address NAME   of this machine, for those (default: as ssh shows it to them)\n"
    "  --ssh COMMAND    default: ssh\n"
    "  --parent PID     stop, with state saved, when this process ends (for telos sweep)\n"
    "  --help\n"
    "\n"
    "Ports are free ones that the system chooses, unless wire.port=... and\n"
    "wire.weights_port=... are given here.\n";

static bool parse_count(int *out, const char *option, const char *text, int max) {
  uint64_t value;
  if (number_option(&value, option, text, 1, (uint64_t)max) != ERR_OK) {
    return false;
  }
  *out = (int)value;
  return true;
}

// the run's folder, <runs>/<model>/<name>
static enum err name_run(struct train *t, const char *name, int64_t seed) {
  char path[TASK_MAX_PATH], model[RUN_NAME_MODEL];
  const enum err err = task_find(path, t->task);
  if (err != ERR_OK) {
    return err;
  }
  run_name_model(model, path);
  if (name != NULL) {
    snprintf(t->name, sizeof t->name, "%s", name);
  } else {
    const time_t now = time(NULL);
    struct tm tm;
    const size_t used = strftime(t->name, sizeof t->name, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    snprintf(t->name + used, sizeof t->name - used, "-s%" PRId64, seed);
  }
  const int n = snprintf(t->run, sizeof t->run, "%s/%s/%s", t->runs != NULL ? t->runs : "runs",
                         model, t->name);
  if (n >= (int)sizeof t->run) {
    log_error("--runs %.100s..: a path of more than %d bytes", t->runs, PATH_MAX - 1);
    return ERR_USAGE;
  }
  snprintf(t->title, sizeof t->title, "telos train %s   %s", model, t->run);
  t->resumed = strcmp(t->resume, "never") != 0 && run_files_exist(t->run);
  return ERR_OK;
}

static enum err check_name(const char *name) {
  if (strlen(name) > NAME_MAX || !run_name_is_good(name)) {
    log_error("--name %.100s: expected a name, or names with '/' between them, without . and ..",
              name);
    return ERR_USAGE;
  }
  return ERR_OK;
}

// what somebody meant who gave an option that there is not
static bool explain_option(char *out, size_t n, const char *name, const char *value) {
  static const char *const tasks[] = {"task", "env", "environment", "model", "xml"};
  for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
    if (strcmp(name, tasks[i]) == 0) {
      snprintf(out, n, "the task has no dashes: telos train %.80s",
               value[0] != '\0' ? value : "box2d");
      return true;
    }
  }
  return config_explain_option(out, n, name, value);
}

// the settings are checked here too, so that a mistake is told before anything starts; the seed is
// needed for the run's name
static enum err check_settings(struct train *t, int64_t *seed) {
  struct config cfg;
  config_defaults(&cfg);
  const struct config_sources from = {.rule = t->rule,
                                      .preset = t->preset,
                                      .file = t->config,
                                      .environ_ = environ,
                                      .settings = t->settings,
                                      .nsettings = t->nsettings};
  const enum err err = config_read_sources(&cfg, &from);
  *seed = cfg.run_seed;
  t->bind_all = t->hosts.n > 0 && link_is_loopback(cfg.wire_bind);
  return err;
}

static const struct option options[] = {
    {"actors", required_argument, NULL, 'a'},
    {"threads", required_argument, NULL, 't'},
    {"name", required_argument, NULL, 'n'},
    {"runs", required_argument, NULL, 'r'},
    {"config", required_argument, NULL, 'c'},
    {"rule", required_argument, NULL, 'u'},
    {"preset", required_argument, NULL, 'P'},
    {"demos", required_argument, NULL, 'D'},
    {"from", required_argument, NULL, 'F'},
    {"resume", required_argument, NULL, 'R'},
    {"keys", required_argument, NULL, 'k'},
    {"insecure", no_argument, NULL, 'i'},
    {"video-every", required_argument, NULL, 'V'},
    {"hosts", required_argument, NULL, 'H'},
    {"remote-bin", required_argument, NULL, 'B'},
    {"address", required_argument, NULL, 'A'},
    {"ssh", required_argument, NULL, 's'},
    {"parent", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},
    // the learner's option, which getopt would take for a short form of --runs
    {"run", required_argument, NULL, 'x'},
    {NULL, 0, NULL, 0}};

// an option that is kept as it is; false: c is none
static bool keep_text(struct train *t, int c) {
  const struct options_text texts[] = {
      {'r', &t->runs},      {'c', &t->config},        {'u', &t->rule},     {'P', &t->preset},
      {'R', &t->resume},    {'D', &t->demos},         {'F', &t->from},     {'k', &t->keys},
      {'B', &t->hosts.bin}, {'A', &t->hosts.address}, {'s', &t->hosts.ssh}};
  return options_keep(texts, sizeof texts / sizeof *texts, c, optarg);
}

// What is not an option: task and settings. False (logged): they, or the options, do not go
// together.
static bool take_operands(struct train *t, int n, char **words) {
  if (t->hosts.n == 0 &&
      (t->hosts.bin != NULL || t->hosts.address != NULL || t->hosts.ssh != NULL)) {
    log_error("--remote-bin, --address and --ssh are for --hosts; see telos train --help");
    return false;
  }
  if (t->keys != NULL && t->insecure) {
    log_error("--keys and --insecure: one of them; see telos train --help");
    return false;
  }
  if (n == 0 || strchr(words[0], '=') != NULL) {
    log_error("which task? telos train box2d (telos train --help)");
    return false;
  }
  t->task = words[0];
  if (run_files_exist(t->task)) {
    run_name_tell(t->task);
    return false;
  }
  if (n - 1 > TRAIN_MAX_SETTINGS) {
    log_error("more than %d settings; put them into a file and give it with --config",
              TRAIN_MAX_SETTINGS);
    return false;
  }
  for (int i = 1; i < n; i++) {
    t->settings[t->nsettings++] = words[i];
  }
  return true;
}

enum err train_parse(struct train *t, int argc, char **argv) {
  const char *name = NULL;
  bool good = true;
  opterr = 0;  // one line in our own words
  for (int c; good && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'a':
        t->actors_option = optarg;
        good = parse_count(&t->nlocal, "--actors", optarg, TRAIN_MAX_ACTORS);
        break;
      case 'H':
        t->hosts_option = optarg;
        good = hosts_parse(&t->hosts, optarg) == ERR_OK;
        break;
      case 't':
        t->threads_option = optarg;
        good = parse_count(&t->threads, "--threads", optarg, 1024);
        break;
      case 'n':
        name = optarg;
        good = check_name(name) == ERR_OK;
        break;
      case 'i':
        t->insecure = true;
        break;
      case 'V':
        t->video_option = optarg;
        good = number_option(&t->video_every, "--video-every", optarg, 1,
                             (uint64_t)config_rows[CONFIG_ROW_run_steps].max) == ERR_OK;
        break;
      case 'p':
        good = parse_count(&t->parent, "--parent", optarg, INT32_MAX);
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      case 'x':
        log_error("--run %s: telos train names a run by --name NAME, in the folder of --runs DIR",
                  optarg);
        good = false;
        break;
      default:
        good = keep_text(t, c);
        if (!good) {
          options_complain(c, options, argv, "telos train", explain_option);
        }
        break;
    }
  }
  if (!good) {
    return ERR_USAGE;
  }
  if (!take_operands(t, argc - optind, argv + optind)) {
    return ERR_USAGE;
  }
  if (!verbs_find_play(t->play_program, sizeof t->play_program) && t->video_every != 0) {
    verbs_tell_no_play(t->play_program, "train .. --video-every N");
    return ERR_CONFIG;
  }
  int64_t seed;
  enum err err = check_settings(t, &seed);
  if (err == ERR_OK && t->hosts.n > 0 && !t->insecure) {
    err = keyring_read_actor(&t->host_keys, t->keys != NULL ? t->keys : KEYRING_FOLDER, NULL);
  }
  return err == ERR_OK ? name_run(t, name, seed) : err;
}
