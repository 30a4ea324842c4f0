// main.c - telos-learner: reads the command line, makes the long-lived objects, runs the server.
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/process.h"
#include "common/base/ram.h"
#include "common/base/shell.h"
#include "common/config/bundle.h"
#include "common/config/config.h"
#include "common/config/table.h"
#include "common/task/task.h"
#include "learner/advice.h"
#include "learner/fleet.h"
#include "learner/given.h"
#include "learner/memory.h"
#include "learner/nn/gemm.h"
#include "learner/ranks/ranks.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "learner/rundir.h"
#include "learner/server.h"
#include "learner/team.h"
#include "proto/version.h"

struct arguments {
  const char *task, *rule, *preset, *config, *run;
  struct given_paths given;
  enum resume resume;
  const char *keys;
  bool insecure;
  bool told;             // --help or --version: nothing else to do
  long parent;           // 0: none
  uint64_t video_every;  // env steps; 0: none
  char **settings;
  int nsettings;
  struct advice advice;
};

static const char help[] =
    "Examples:\n"
    "  telos-learner --task box2d --run runs/box2d/demo\n"
    "  telos-learner --task my/robot.xml --run runs/robot/a run.steps=1e6 run.seed=3\n"
    "  telos-learner --task box2d --run runs/box2d/demo --resume must\n"
    "  mpirun -n 4 telos-learner --task box2d --run runs/box2d/demo\n"
    "\n"
    "Usage: telos-learner --task NAME|FILE --run FOLDER [options] [group.name=value ...]\n"
    "\n"
    "The learner issues tickets to actors, trains on their episodes in ticket order, and\n"
    "writes the policy to FOLDER/policy.safetensors. Start actors with\n"
    "  telos-actor --connect tcp://HOST:5555\n"
    "\n"
    "  --task TASK|FILE    bundled task, or an MJCF file\n"
    "  --run FOLDER        where the run lives; an existing run is resumed\n"
    "  --rule RULE         update rule (default odac); `telos rules` lists them\n"
    "  --preset PRESET     settings that go together; listed below\n"
    "  --config FILE       YAML settings; see `telos config` for all of them\n"
    "  --demos FILE        demonstrations to learn from, too; telos record makes them\n"
    "  --from RUN|FILE     a policy to start from\n"
    "  --resume WHEN       auto (default): if there is a run; must; never\n"
    "  --keys FOLDER       encrypt, with these keys (telos keys); default beyond this\n"
    "                      machine: keys\n"
    "  --insecure          no encryption, whatever wire.bind is: whoever reaches the\n"
    "                      ports can read the policy and send episodes\n"
    "  --video-every N     keep the policy of an evaluation every N steps in FOLDER/videos\n"
    "                      (telos draws them)\n"
    "  --parent PID        stop when this parent process ends (used by telos)\n"
    "  --debug             log more\n"
    "  --help, --version\n"
    "\n"
    "Settings come from: defaults, the resumed run, --rule, --preset, --config,\n"
    "TELOS_GROUP_NAME environment variables, group.name=value; later ones win.\n"
    "Exit codes: 0 finished, 64 usage, 65 damaged data, 69 port or run folder in use,\n"
    "74 I/O error, 75 stopped with state saved, 77 encryption does not work here,\n"
    "78 bad configuration, key or task.\n";

static enum err parse_resume(enum resume *out, const char *text) {
  static const char *const names[] = {"auto", "must", "never"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = (enum resume)i;
      return ERR_OK;
    }
  }
  log_error("--resume %s: expected auto, must or never", text);
  return ERR_USAGE;
}

// an option that is kept as it is; false: c is none
static bool keep_text(struct arguments *a, int c) {
  const struct options_text texts[] = {
      {'t', &a->task}, {'c', &a->config},      {'u', &a->rule},       {'P', &a->preset},
      {'r', &a->run},  {'D', &a->given.demos}, {'F', &a->given.from}, {'k', &a->keys}};
  return options_keep(texts, sizeof texts / sizeof *texts, c, optarg);
}

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"task", required_argument, NULL, 't'},
      {"config", required_argument, NULL, 'c'},
      {"rule", required_argument, NULL, 'u'},
      {"preset", required_argument, NULL, 'P'},
      {"demos", required_argument, NULL, 'D'},
      {"from", required_argument, NULL, 'F'},
      {"run", required_argument, NULL, 'r'},
      {"resume", required_argument, NULL, 'R'},
      {"keys", required_argument, NULL, 'k'},
      {"insecure", no_argument, NULL, 'i'},
      {"parent", required_argument, NULL, 'p'},
      {"debug", no_argument, NULL, 'd'},
      {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'v'},
      {"video-every", required_argument, NULL, 'V'},
      {NULL, 0, NULL, 0},
  };
  enum err err = ERR_OK;
  uint64_t number = 0;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'R':
        err = parse_resume(&a->resume, optarg);
        break;
      case 'i':
        a->insecure = true;
        break;
      case 'p':
        err = number_option(&number, "--parent", optarg, 1, INT32_MAX);
        a->parent = (long)number;
        break;
      case 'V':
        err = number_option(&a->video_every, "--video-every", optarg, 1,
                            (uint64_t)config_rows[CONFIG_ROW_run_steps].max);
        break;
      case 'd':
        log_set_level(LOG_DEBUG);
        break;
      case 'h':
        fputs(help, stdout);
        printf("\nPresets:\n");
        config_print_presets(stdout);
        printf("\nSettings:\n");
        config_print_help(stdout);
        a->told = true;
        return ERR_OK;
      case 'v':
        // what a run would have by default
        err = gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32);
        version_print(stdout, "telos-learner", gemm_kernel());
        a->told = true;
        return err;
      default:
        if (!keep_text(a, c)) {
          options_complain(c, options, argv, "telos-learner", config_explain_option);
          return ERR_USAGE;
        }
        break;
    }
  }
  if (err == ERR_OK && (a->task == NULL || a->run == NULL)) {
    log_error("--task and --run are needed; see telos-learner --help");
    err = ERR_USAGE;
  }
  if (err == ERR_OK && a->keys != NULL && a->insecure) {
    log_error("--keys and --insecure: one of them; see telos-learner --help");
    err = ERR_USAGE;
  }
  a->given.run = a->run;
  a->settings = argv + optind;
  a->nsettings = argc - optind;
  return err;
}

// later sources win; a resumed run's own settings are the base
static enum err read_config(struct config *cfg, const struct arguments *a) {
  config_defaults(cfg);
  enum err err = ERR_OK;
  if (a->resume != RESUME_NEVER) {
    err = rundir_settings(cfg, a->run);
  }
  const struct config_sources from = {.rule = a->rule,
                                      .preset = a->preset,
                                      .file = a->config,
                                      .environ_ = environ,
                                      .settings = a->settings,
                                      .nsettings = a->nsettings};
  if (err == ERR_OK) {
    err = config_read_sources(cfg, &from);
  }
  return err == ERR_OK ? config_check(cfg) : err;
}

// `telos train` waits for this line
static void on_listening(void *ctx, const char *endpoint, const char *url) {
  const struct arguments *a = ctx;
  printf("listening endpoint=%s http=%s run=%s\n", endpoint, url, a->run);
  fflush(stdout);
  if (a->parent == 0) {
    advice_actors(&a->advice, endpoint);
  }
}

// a task that the update rule can learn, which may decide some settings
static enum err load_task(struct task **task, struct given *given, struct config *cfg,
                          const struct arguments *a) {
  enum err err = task_load(task, a->task);
  if (err != ERR_OK) {
    return err;
  }
  const struct dims dims = task_dims(*task, (int)cfg->replay_hindsight_k);
  if ((err = given_load(given, cfg, &a->given, *task, &dims)) == ERR_OK) {
    err = rules_resolve(cfg, &dims, (*task)->success_radius, (*task)->nrandom > 0, a->task);
  }
  return err;
}

// what the run will take fits into what there is
static enum err check_memory(const struct config *cfg, const struct dims *dims,
                             const struct team *team) {
  const int wanted = updater_threads(cfg, team_parts(team, cfg), cpu_cores());
  const int threads = memory_threads(cfg, dims, wanted, ram_space());
  const enum err err = memory_check(cfg, dims, ram_limit());
  return err == ERR_OK ? memory_check_space(cfg, dims, threads, ram_space()) : err;
}

// the learner, which is rank 0 when there are several; the exit code
static int learn(int argc, char **argv, struct team *team) {
  struct arguments a = {.resume = RESUME_AUTO};
  struct config cfg;
  struct task *task = NULL;
  struct given given = {0};
  struct rundir run;
  enum err err = parse_arguments(&a, argc, argv);
  if (err != ERR_OK || a.told) {
    return err_exit_code(err);
  }
  if (a.parent != 0 && (err = process_follow_parent(a.parent)) != ERR_OK) {
    return err_exit_code(err);
  }
  if ((err = read_config(&cfg, &a)) != ERR_OK ||
      (err = gemm_init(cfg.net_backend, cfg.net_precision)) != ERR_OK ||
      (err = load_task(&task, &given, &cfg, &a)) != ERR_OK) {
    given_release(&given);
    task_free(task);
    return err_exit_code(err);
  }
  const struct dims dims = task_dims(task, (int)cfg.replay_hindsight_k);
  if ((err = fleet_check_sizes(&cfg, task)) != ERR_OK ||
      (err = check_memory(&cfg, &dims, team)) != ERR_OK ||
      (err = team_gather(team, &cfg, &dims)) != ERR_OK) {
    given_release(&given);
    task_free(task);
    return err_exit_code(err);
  }
  a.advice = (struct advice){.program = argv[0],
                             .task = a.task,
                             .run = a.run,
                             .keys = a.keys,
                             .insecure = a.insecure,
                             .video_every = a.video_every};
  char *command = shell_join(argv, argc);
  err = rundir_open(&run, a.run, a.resume, &cfg, task, command);
  free(command);
  if (err == ERR_OK) {
    memory_tell(&cfg, &dims, ram_limit());
    const struct server_options opt = {.cfg = &cfg,
                                       .task = task,
                                       .run = &run,
                                       .team = team,
                                       .given = &given,
                                       .keys = a.keys,
                                       .insecure = a.insecure,
                                       .video_every = a.video_every,
                                       .listening = on_listening,
                                       .ctx = &a};
    // never freed: see server.h; static, so that a leak checker finds what it holds
    static struct server *server;
    err = given_keep(&given, &a.given);
    if (err == ERR_OK) {
      err = server_run(&server, &opt);
    }
    process_ignore_stop();
    if (err == ERR_INTERRUPTED && a.parent == 0) {
      advice_resume(&a.advice);
    } else if (err == ERR_OK && a.parent == 0) {
      advice_done(&a.advice);
    }
    rundir_close(&run);
  }
  given_release(&given);
  task_free(task);
  return err_exit_code(err);
}

// computes for rank 0 until that ends; the exit code
static int assist(void) {
  char name[32];
  snprintf(name, sizeof name, "rank %d", ranks_index());
  log_set_name(name);
  // who has a state to save decides when to stop
  process_ignore_stop();
  return team_serve();
}

int main(int argc, char **argv) {
  // before anything that the compiler may have vectorised
  enum err err = cpu_require();
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  log_set_name("learner");
  if ((err = ranks_start(&argc, &argv)) != ERR_OK) {
    return err_exit_code(err);
  }
  process_ignore_sigpipe();
  // two connections an actor, and 1024 files are what most shells grant
  process_raise_files();
  // a file that outgrows `ulimit -f` is an I/O error like any other
  signal(SIGXFSZ, SIG_IGN);
  int exit_code;
  if (ranks_index() > 0) {
    exit_code = assist();
  } else {
    struct team *team = team_new();
    exit_code = learn(argc, argv, team);
    team_dismiss(team, exit_code);
  }
  ranks_end();
  return exit_code;
}
