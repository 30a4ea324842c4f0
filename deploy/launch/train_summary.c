// train_summary.c - the last lines of `telos train`: what came out, where it is, what to do next.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/run_files.h"
#include "deploy/launch/train.h"
#include "deploy/launch/verbs.h"

static void print_stopped(const struct train *t, const char *telos) {
  const struct metrics *m = &t->status.last;
  if (!run_files_exist(t->run)) {
    printf("\nstopped before the run began; the same command starts it again\n");
    return;
  }
  // the run's folder holds its settings
  if (m->steps == m->steps) {
    printf("\nstopped at %.0f of %.0f steps; ", m->steps, m->total_steps);
  } else {
    printf("\nstopped; ");
  }
  printf("everything is saved. Resume with\n  %s train %s --name %s", telos, t->task,
         strrchr(t->run, '/') + 1);
  if (t->runs != NULL) {
    printf(" --runs %s", t->runs);
  }
  if (t->video_every != 0) {
    printf(" --video-every %" PRIu64, t->video_every);
  }
  putchar('\n');
}

void train_print_result(const struct train *t) {
  const struct metrics *m = &t->status.last;
  const char *dir = verbs_program_dir();
  char here[PATH_MAX], telos[PATH_MAX + 16];
  const size_t n = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
  const bool below = n > 0 && strncmp(dir, here, n) == 0 && dir[n] == '/';
  snprintf(telos, sizeof telos, "%s%s/telos", below ? "." : "", below ? dir + n : dir);
  if (t->exit_code == 75) {
    print_stopped(t, telos);
  } else if (t->exit_code == 0 && m->eval_score == m->eval_score) {
    printf("\n%.0f steps, %.0f updates in %.0f s\n", m->steps, m->updates, m->seconds);
    printf(
        "evaluation: score %.2f +- %.2f (100 x final / initial distance), distance %.3g, "
        "success %.0f %%\n",
        m->eval_score, m->eval_ci, m->eval_distance, 100.0 * m->eval_success);
    printf(
        "wrote\n  %s/policy.safetensors   the policy\n"
        "  %s/progress.csv         learning curve\n"
        "  %s/config.yaml          every setting\n",
        t->run, t->run, t->run);
    if (t->video_every != 0) {
      printf("  %s/videos/              what it did on the way\n", t->run);
    }
    // a task that is a file has to be named again
    const bool file = strchr(t->task, '/') != NULL || strstr(t->task, ".xml") != NULL;
    char task[PATH_MAX + 16] = "";
    if (file) {
      snprintf(task, sizeof task, " --task %s", t->task);
    }
    printf("next\n  %s eval %s%s\n  %s play %s%s\n  %s train %s run.seed=1\n", telos, t->run, task,
           telos, t->run, task, telos, t->task);
  }
}
