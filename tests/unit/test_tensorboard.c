// test_tensorboard.c - rows as TensorBoard shows them, through lives of a run.
#include <criterion/criterion.h>
#include <stdio.h>

#include "learner/results.h"
#include "learner/tensorboard.h"
#include "tests/events.h"

static const char header[] = "steps,episodes,updates,version,ep_len,ep_return,loss_q,kl,seconds";
static char folder[] = "/tmp/telos-tensorboard-XXXXXX";
static struct config cfg;
static struct fold fold;

static void set_up(void) {
  cr_assert_not_null(mkdtemp(folder));
  config_defaults(&cfg);
  fold = (struct fold){0};
}

static void tear_down(void) {
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

TestSuite(tensorboard, .init = set_up, .fini = tear_down);

static struct tensorboard *begin(void) {
  const struct tensorboard_run run = {
      .folder = folder, .task = "ant", .cfg = &cfg, .fold = &fold, .progress_header = header};
  return tensorboard_open(&run);
}

static void write_rows(const char *name, const char *columns, const char *rows) {
  char path[128], text[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int n = snprintf(text, sizeof text, "%s\n%s", columns, rows);
  cr_assert_eq(fsio_write_atomic(path, text, (size_t)n), ERR_OK);
}

// an evaluation is owed no more, and has a row
static void evaluate(struct tensorboard *t, uint64_t steps) {
  char row[128];
  int i = 0;
  while (fold.owed[i].steps != steps) {
    i++;
  }
  for (fold.nowed--; i < fold.nowed; i++) {
    fold.owed[i].steps = fold.owed[i + 1].steps;
  }
  snprintf(row, sizeof row, "%d,9,5,%d,1,,,0.5,%d,0,1.0\n", (int)steps, (int)steps / 100,
           (int)steps / 10);
  tensorboard_evaluation(t, &fold, row);
}

static void owe(uint64_t steps) {
  fold.owed[fold.nowed++].steps = steps;
}

#define expect_curve(tag, text)                        \
  do {                                                 \
    struct events shown = events_read(folder);         \
    cr_assert_str_eq(events_curve(&shown, tag), text); \
    events_release(&shown);                            \
  } while (0)

Test(tensorboard, columns_have_their_tags) {
  struct tensorboard *t = begin();
  tensorboard_progress(t, "100,2,5,1,50,7.5,,0.25,0.000\n");
  tensorboard_progress(t, "200,4,105,2,40,8.5,0.125,0.5,2.000\n");
  owe(200);
  evaluate(t, 200);
  tensorboard_complete(t);
  tensorboard_sync(t);
  tensorboard_close(t);
  static const char *const curves[][2] = {{"time/total_timesteps", "100=100 200=200"},
                                          {"time/episodes", "100=2 200=4"},
                                          {"time/time_elapsed", "100=0 200=2"},
                                          {"time/fps", "200=100"},
                                          {"rollout/ep_len_mean", "100=50 200=40"},
                                          {"rollout/ep_rew_mean", "100=7.5 200=8.5"},
                                          {"train/n_updates", "100=5 200=105"},
                                          {"train/policy_version", "100=1 200=2"},
                                          {"train/critic_loss", "200=0.125"},
                                          {"train/kl", "100=0.25 200=0.5"},
                                          {"eval/score", "200=2"},
                                          {"eval/score_ci95", "200=1"},
                                          {"eval/success_rate", "200=0.5"},
                                          {"eval/mean_reward", "200=20"},
                                          {"eval/unstable", "200=0"},
                                          {"eval/final_distance", ""},
                                          {"eval/episodes", ""},
                                          {"eval/steps", ""}};
  for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
    expect_curve(curves[i][0], curves[i][1]);
  }
}

// Runs that differ in the seed alone are one group.
Test(tensorboard, settings) {
  char group[3][32];
  for (int i = 0; i < 3; i++) {
    cfg.run_seed = i;
    cfg.agent_tau = i == 2 ? 0.5 : 0.25;
    tensorboard_close(begin());
    struct events e = events_read(folder);
    cr_assert_not_null(strstr(e.text, "| setting | value |\n| --- | --- |\n| run.seed | "));
    cr_assert_not_null(strstr(e.text, "\n| net.hidden | [128, 128] |\n"));
    cr_assert_not_null(strstr(e.text, "\n| task | ant |\n"));
    Telos__Tb__Hparams *h = telos__tb__hparams__unpack(NULL, e.ncontent, e.content);
    const Telos__Tb__SessionStart *s = h->session_start_info;
    snprintf(group[i], sizeof group[i], "%s", s->group_name);
    for (size_t k = 0; k < s->n_hparams; k++) {
      const Telos__Tb__SettingValue *v = s->hparams[k]->value;
      if (strcmp(s->hparams[k]->key, "run.seed") == 0) {
        cr_assert(v->has_number_value && v->number_value == i);
      } else if (strcmp(s->hparams[k]->key, "agent.gamma") == 0) {
        cr_assert_str_eq(v->string_value, "auto");
      } else if (strcmp(s->hparams[k]->key, "net.standardize") == 0) {
        cr_assert(v->has_bool_value && v->bool_value);
      }
    }
    telos__tb__hparams__free_unpacked(h, NULL);
    events_release(&e);
  }
  cr_assert_str_eq(group[0], group[1]);
  cr_assert_str_neq(group[1], group[2]);
}

// Results come in any order, steps do not.
Test(tensorboard, evaluations_wait_for_those_before) {
  struct tensorboard *t = begin();
  owe(100);
  owe(200);
  owe(300);
  evaluate(t, 300);
  evaluate(t, 200);
  expect_curve("eval/score", "");
  evaluate(t, 100);
  expect_curve("eval/score", "100=1 200=2 300=3");
  owe(400);
  evaluate(t, 400);
  expect_curve("eval/score", "100=1 200=2 300=3 400=4");
  tensorboard_close(t);
}

// A checkpoint at 300 steps, which owes the evaluation of 200; that and more had been said.
Test(tensorboard, a_run_goes_on) {
  struct tensorboard *t = begin();
  for (int i = 1; i <= 5; i++) {
    char row[64];
    snprintf(row, sizeof row, "%d,2,5,1,50,,%d,,1.000\n", 100 * i, i);
    tensorboard_progress(t, row);
  }
  for (int i = 1; i <= 4; i++) {
    owe((uint64_t)(100 * i));
    evaluate(t, (uint64_t)(100 * i));
  }
  tensorboard_close(t);
  // what is left of the files when they are cut
  write_rows("progress.csv", header,
             "100,2,5,1,50,,1,,1.000\n200,2,5,1,50,,2,,2.000\n300,2,5,1,50,,3,,11.000\n");
  write_rows("eval.csv", RESULTS_HEADER,
             "100,9,5,1,1,,,0.5,10,0,1.0\n300,9,5,3,1,,,0.5,30,0,1.0\n");
  fold.steps = 300;
  fold.episodes = 6;
  owe(200);
  t = begin();
  expect_curve("train/critic_loss", "100=1 200=2 300=3");
  expect_curve("eval/score", "100=1");
  evaluate(t, 200);
  expect_curve("eval/score", "100=1 200=2 300=3");
  tensorboard_progress(t, "400,2,5,1,50,,4,,1.000\n");
  tensorboard_close(t);
  expect_curve("train/critic_loss", "100=1 200=2 300=3 400=4");

  // one that owes none
  fold.steps = 350;
  t = begin();
  expect_curve("train/critic_loss", "100=1 200=2 300=3");
  expect_curve("eval/score", "100=1 200=2 300=3");
  tensorboard_close(t);

  // rows that are said again are as old as they were
  struct events e = events_read(folder);
  cr_assert_eq(e.files, 3);
  double wall_s[4] = {0};
  for (int i = 0; i < e.n; i++) {
    if (strcmp(e.point[i].tag, "train/critic_loss") == 0) {
      wall_s[(int)e.point[i].value] = e.point[i].wall_s;
    }
  }
  cr_assert_float_eq(wall_s[3] - wall_s[2], 9.0, 1.0);
  events_release(&e);
}

// Without an earlier file, as when it was switched off, all rows are said; a new run has none.
Test(tensorboard, off_and_on) {
  cfg.progress_tensorboard = false;
  struct tensorboard *t = begin();
  cr_assert_null(t);
  tensorboard_progress(t, "100,2,5,1,50,,1,,1.000\n");
  tensorboard_complete(t);
  tensorboard_sync(t);
  tensorboard_close(t);
  cfg.progress_tensorboard = true;
  write_rows("progress.csv", header, "100,2,5,1,50,,1,,1.000\n200,2,5,1,50,,2,,2.000\n");
  write_rows("eval.csv", RESULTS_HEADER, "100,9,5,1,1,,,0.5,10,0,1.0\n");
  fold.steps = 200;
  fold.episodes = 2;
  tensorboard_close(begin());
  expect_curve("train/critic_loss", "100=1 200=2");
  expect_curve("eval/score", "100=1");
}
