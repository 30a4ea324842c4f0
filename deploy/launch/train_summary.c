// train_summary.c - the last lines of `telos train`: what came out, where it is, what to do next.
//
// Every command runs as it is printed, from the same folder: words are quoted, and options that the
// next run needs again are repeated. A resumed run finds its settings in its own folder, but for
// the ports, which are free ones unless they are given.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/base/shell.h"
#include "common/config/config.h"
#include "common/config/limit.h"
#include "common/run_files.h"
#include "deploy/launch/commands.h"
#include "deploy/launch/train.h"

static void print_word(const char *word) {
  putchar(' ');
  shell_quote(stdout, word);
}

static void print_option(const char *option, const char *value) {
  if (value != NULL) {
    printf(" %s", option);
    print_word(value);
  }
}

static bool starts_with(const char *s, const char *prefix) {
  return strncmp(s, prefix, strlen(prefix)) == 0;
}

// "telos train TASK" and the options that have no place in the run's folder
static void print_train(const struct train *t) {
  printf("  ");
  commands_telos(stdout);
  printf(" train");
  print_word(t->task);
  print_option("--runs", t->runs);
  print_option("--actors", t->actors_option);
  print_option("--threads", t->threads_option);
  print_option("--hosts", t->hosts_option);
  print_option("--remote-bin", t->hosts.bin);
  print_option("--address", t->hosts.address);
  print_option("--ssh", t->hosts.ssh);
  if (t->insecure) {
    printf(" --insecure");
  }
  print_option("--keys", t->keys);
  print_option("--video-every", t->video_option);
}

// the command that goes on with this run
static void print_resume(const struct train *t) {
  print_train(t);
  print_option("--name", t->name);
  for (int i = 0; i < t->nsettings; i++) {
    if (starts_with(t->settings[i], "wire.port=") ||
        starts_with(t->settings[i], "wire.weights_port=")) {
      print_word(t->settings[i]);
    }
  }
  putchar('\n');
}

// the same training again, with the seed after this run's
static void print_next_seed(const struct train *t) {
  struct config cfg;
  config_defaults(&cfg);
  char *path = run_files_path(t->run, "config.yaml");
  char *demos = run_files_path(t->run, DEMOS_FILE), *start = run_files_path(t->run, START_FILE);
  const bool known = config_read_file(&cfg, path) == ERR_OK;
  print_train(t);
  // a resumed run was begun by another command
  print_option("--rule", t->resumed ? NULL : t->rule);
  print_option("--preset", t->resumed ? NULL : t->preset);
  print_option("--config", t->resumed ? path : t->config);
  print_option("--demos", t->resumed && fsio_exists(demos) ? demos : t->demos);
  print_option("--from", t->resumed && fsio_exists(start) ? start : t->from);
  for (int i = 0; i < t->nsettings; i++) {
    if (!starts_with(t->settings[i], "run.seed=")) {
      print_word(t->settings[i]);
    }
  }
  printf(" run.seed=%" PRId64 "\n", known ? cfg.run_seed + 1 : 1);
  free(demos);
  free(start);
  free(path);
}

static void print_steps(const struct train *t, const char *stopped) {
  const struct metrics *m = &t->status.last;
  if (isnan(m->steps)) {
    printf("\n%s; ", stopped);
  } else {
    printf("\n%s at %.0f of %.0f steps; ", stopped, m->steps, m->total_steps);
  }
}

static void print_stopped(const struct train *t) {
  if (!run_files_exist(t->run)) {
    printf("\nstopped before the run began; the same command starts it again\n");
    return;
  }
  print_steps(t, "stopped");
  printf("everything is saved. Resume with\n");
  print_resume(t);
}

void train_print_killed(const struct train *t) {
  if (!run_files_exist(t->run)) {
    printf("\nstopped before the run began; the same command starts it again\n");
  } else {
    print_steps(t, "stopped at once");
    printf("the last checkpoint is intact. Resume with\n");
    print_resume(t);
  }
  fflush(stdout);
}

// what the last evaluation says; a score or a success that has no meaning is left out
static void print_evaluation(const struct metrics *m) {
  if (isnan(m->eval_steps)) {
    return;
  }
  printf("evaluation: ");
  if (isnan(m->eval_distance)) {
    printf("return %.4g +- %.3g\n", m->eval_return, m->eval_ci);
    return;
  }
  if (!isnan(m->eval_score)) {
    printf("score %.2f +- %.2f (100 x final / initial distance), ", m->eval_score, m->eval_ci);
  }
  printf("distance %.3g", m->eval_distance);
  if (!isnan(m->eval_success)) {
    printf(", success %.0f %%", 100.0 * m->eval_success);
  }
  puts(isnan(m->eval_score) ? "; no score: episodes begin at the goal" : "");
}

// what held the run up, and what would change that
static void print_limit(const struct metrics *m) {
  char text[LIMIT_TEXT];
  limit_text(text, sizeof text, m);
  if (text[0] != '\0') {
    puts(text);
  }
}

static void print_files(const struct train *t) {
  const bool best = !isnan(t->status.last.eval_score);
  printf(
      "wrote\n  %s/policy.safetensors   the policy\n"
      "%s%s%s"
      "  %s/eval.csv             learning curve\n"
      "  %s/config.yaml          every setting\n",
      t->run, best ? "  " : "", best ? t->run : "",
      best ? "/best/                the policy of the best evaluation\n" : "", t->run, t->run);
  if (t->video_every != 0) {
    printf("  %s/videos/              what it did on the way\n", t->run);
  }
}

static void print_next(const struct train *t) {
  printf("next\n  ");
  commands_telos(stdout);
  printf(" eval");
  print_word(t->run);
  printf("\n  ");
  commands_play(stdout);
  print_word(t->run);
  putchar('\n');
  print_next_seed(t);
}

void train_print_result(const struct train *t) {
  const struct metrics *m = &t->status.last;
  if (t->exit_code == 75) {
    print_stopped(t);
  } else if (t->exit_code == 0) {
    putchar('\n');
    if (!isnan(m->steps)) {
      printf("%.0f steps, %.0f updates in %.0f s\n", m->steps, m->updates, m->seconds);
    }
    print_limit(m);
    print_evaluation(m);
    print_files(t);
    print_next(t);
  }
}
