// test_commands.c - what `telos train` prints to be typed next: each line is given to a real shell
// as it was printed, with names and folders that a shell would take apart.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

#define SLIDER                                                                                   \
  "<custom><numeric name='telos.horizon' data='20'/>"                                            \
  "<numeric name='telos.frame_skip' data='2'/><numeric name='telos.goal_low' data='-1'/>"        \
  "<numeric name='telos.goal_high' data='1'/></custom><worldbody><body>"                         \
  "<joint name='x' type='slide' axis='1 0 0' damping='1'/><geom size='0.1'/></body></worldbody>" \
  "<actuator><motor name='push' joint='x'/></actuator><sensor>"                                  \
  "<jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor></mujoco>\n"

// a task of another name than its file's
static const char *task_file(void) {
  static const char text[] = "<mujoco model='slider'>" SLIDER;
  const char *folder = harness_path("my models"), *file = harness_text("%s/box 2.xml", folder);
  (void)mkdir(folder, 0755);
  harness_write(file, text, sizeof text - 1);
  return file;
}

static const char *const small[] = {"run.steps=2000",
                                    "train.warmup_steps=500",
                                    "net.hidden=[16,16]",
                                    "outcome.hidden=16",
                                    "train.batch=32",
                                    "eval.every=500",
                                    "eval.episodes=5",
                                    "checkpoint.every=500",
                                    "status.every=0.1",
                                    "wire.heartbeat=200",
                                    NULL};

// telos train with the options and settings, each up to a NULL
static struct proc *train(const char *task, const char *const *options,
                          const char *const *settings) {
  const char *argv[64] = {harness_program("telos"), "train", task};
  int n = 3;
  for (int i = 0; options[i] != NULL; i++) {
    argv[n++] = options[i];
  }
  for (int i = 0; small[i] != NULL; i++) {
    argv[n++] = small[i];
  }
  for (int i = 0; settings[i] != NULL; i++) {
    argv[n++] = settings[i];
  }
  return proc_start_argv(NULL, argv);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

// line k, from 0, behind the line with this text, without the blanks before it
static const char *line_behind(const char *out, const char *text, int k) {
  const char *at = strstr(out, text);
  cr_assert_not_null(at, "no %s in\n%s", text, out);
  for (k += text[strlen(text) - 1] != '\n', at += strlen(text); k > 0; k--) {
    at = strchr(at, '\n') + 1;
  }
  at += strspn(at, " ");
  return harness_text("%.*s", (int)strcspn(at, "\n"), at);
}

static const char *run_line(const char *line) {
  struct proc *p = proc_start(NULL, "sh", "-c", line, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s\n%s", line, proc_stderr(p));
  return proc_stdout(p);
}

static bool has(const char *text, const char *part) {
  return strstr(text, part) != NULL;
}

// how often a line says how to resume
static int hints(struct proc *p) {
  int n = 0;
  const char *const texts[] = {proc_stdout(p), proc_stderr(p)};
  for (int i = 0; i < 2; i++) {
    for (const char *at = texts[i]; (at = strcasestr(at, "resume with")) != NULL; at++) {
      n++;
    }
  }
  return n;
}

Test(commands, an_interrupted_run_goes_on_as_printed) {
  const char *runs = harness_path("my runs"), *task = task_file();
  const char *const options[] = {"--runs", runs,        "--name", "a b/it's",   "--actors",
                                 "1",      "--threads", "1",      "--insecure", NULL};
  const char *const open[] = {"wire.bind=0.0.0.0", "train.updates_per_step=8", "run.seed=3", NULL};
  struct proc *p = train(task, options, open);
  const char *run = harness_text("%s/slider/a b/it's", runs);
  fleet_wait_checkpoint(p, run, 1000);
  proc_signal(p, SIGINT);
  cr_assert_eq(proc_wait_exit(p), 75, "%s", proc_stderr(p));
  cr_expect_eq(hints(p), 1, "%s%s", proc_stdout(p), proc_stderr(p));
  const char *line = line_behind(proc_stdout(p), "Resume with", 0);
  cr_expect(has(line, "--actors 1") && has(line, "--threads 1") && has(line, "--insecure"), "%s",
            line);
  cr_expect(has(run_line(line), "\n2000 steps, 12000 updates"));
  cr_expect(has(harness_read(harness_text("%s/log.txt", run), NULL), "resuming at"));

  // it came to what a run without a stop comes to
  const char *const whole[] = {"--runs", runs, "--name", "whole", NULL};
  p = train(task, whole, LIST("train.updates_per_step=8", "run.seed=3"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  harness_assert_same(harness_text("%s/policy.safetensors", run),
                      harness_text("%s/slider/whole/policy.safetensors", runs));
}

Test(commands, a_port_that_was_given_is_given_again) {
  const char *const options[] = {"--runs", harness_folder(), "--name", "x", NULL};
  struct proc *p = train("box2d", options, LIST("wire.port=0", "train.updates_per_step=8"));
  fleet_wait_checkpoint(p, harness_path("box2d/x"), 1000);
  proc_signal(p, SIGINT);
  cr_assert_eq(proc_wait_exit(p), 75);
  const char *line = line_behind(proc_stdout(p), "Resume with", 0);
  cr_expect(has(line, " wire.port=0"), "%s", line);
  cr_expect_not(has(line, "updates_per_step"), "%s", line);
}

// Ctrl-C twice: everything ends at once, and the way on is told all the same
Test(commands, a_killed_run_goes_on_as_printed) {
  const char *const options[] = {"--runs", harness_folder(), "--name", "x y", NULL};
  struct proc *p = train("box2d", options, LIST("train.updates_per_step=8"));
  fleet_wait_checkpoint(p, harness_path("box2d/x y"), 500);
  pid_t learner;
  cr_assert_eq(harness_family(p, "telos-learner", &learner, 1), 1);
  cr_assert_eq(kill(learner, SIGSTOP), 0);
  proc_signal(p, SIGINT);
  proc_wait_line(p, "once more to stop now");
  proc_signal(p, SIGINT);
  cr_assert_eq(proc_wait_exit(p), 130);
  cr_expect_eq(hints(p), 1, "%s%s", proc_stdout(p), proc_stderr(p));
  cr_expect(has(proc_stdout(p), "\nstopped at once"), "%s", proc_stdout(p));
  cr_expect(has(run_line(line_behind(proc_stdout(p), "Resume with", 0)), "\n2000 steps"));
}

// the next lines of a run: evaluate it, see it, and the same again with the next seed
Test(commands, what_comes_next_runs_as_printed) {
  const char *runs = harness_path("my runs"), *task = task_file();
  const char *const options[] = {"--runs", runs, "--name", "first one", "--actors", "1", NULL};
  const char *const settings[] = {"run.seed=3", "agent.gamma=0.95", NULL};
  struct proc *p = train(task, options, settings);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *out = proc_stdout(p);
  cr_expect(has(run_line(line_behind(out, "\nnext\n", 0)), "on task slider, 5 episodes"));
  cr_expect(has(line_behind(out, "\nnext\n", 1), " play '"), "%s", out);

  const char *again = line_behind(out, "\nnext\n", 2);
  cr_expect(has(again, "--actors 1") && has(again, "agent.gamma=0.95") && has(again, "run.seed=4"),
            "%s", again);
  cr_expect_not(has(again, "run.seed=3"), "%s", again);
  out = run_line(again);
  const char *config = harness_text("%s/config.yaml", line_behind(out, "\nnext\n", 0));
  // ".. eval '<run>'"
  const char *quote = strchr(config, '\'');
  cr_assert_not_null(quote);
  const char *run = harness_text("%.*s", (int)strcspn(quote + 1, "'"), quote + 1);
  const char *yaml = harness_read(harness_text("%s/config.yaml", run), NULL);
  cr_expect(has(yaml, "  seed: 4\n") && has(yaml, "  steps: 2000\n") && has(yaml, "gamma: 0.95\n"),
            "%s", yaml);
  cr_expect(has(line_behind(out, "\nnext\n", 2), "run.seed=5"), "%s", out);
}

// A resumed run was begun by another command: its own settings are kept, not the defaults.
Test(commands, the_next_seed_of_a_resumed_run_keeps_its_settings) {
  const char *const options[] = {"--runs", harness_folder(), "--name", "x", NULL};
  struct proc *p = train("box2d", options, LIST("run.seed=7", "agent.gamma=0.95"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  p = proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs", harness_folder(),
                 "--name", "x", "run.steps=2500", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *again = line_behind(proc_stdout(p), "\nnext\n", 2);
  cr_expect(has(again, "--config ") && has(again, "run.seed=8"), "%s", again);
  const char *out = run_line(again);
  cr_expect(has(out, "\n2500 steps, 2000 updates"), "%s", out);

  // a run that has ended already still says where everything is
  p = proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs", harness_folder(),
                 "--name", "x", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect(has(proc_stdout(p), "policy.safetensors") && has(proc_stdout(p), "run.seed=8"), "%s",
            proc_stdout(p));
}

// the folder of a run bears the model's name, wherever the file is and whatever it is called
Test(commands, a_run_is_named_by_its_model) {
  static const char *const heads[] = {
      "<mujoco model='slider'>",
      "<?xml version=\"1.0\"?>\n<!-- <mujoco model='no'> -->\n<!DOCTYPE mujoco>\n<mujoco\n"
      "  model = \"slider\" >"};
  for (int i = 0; i < 2; i++) {
    const char *file = harness_path("scene%d.xml", i), *name = harness_text("n%d", i);
    const char *text = harness_text("%s%s", heads[i], SLIDER);
    harness_write(file, text, strlen(text));
    const char *const options[] = {"--runs", harness_path("runs"), "--name", name, NULL};
    struct proc *p = train(file, options, LIST("run.steps=600"));
    cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
    cr_expect(harness_exists(harness_path("runs/slider/%s/policy.safetensors", name)), "%s",
              heads[i]);
    cr_expect_not(harness_exists(harness_path("runs/scene%d", i)));
  }
}

Test(commands, names_stay_in_the_folder_of_runs) {
  static const char *const bad[] = {"../zz", "..", ".",  "a/../../b", "/tmp/x",
                                    "",      "a/", "//", "a//b",      "./a"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *const options[] = {"--runs", harness_path("runs"), "--name", bad[i], NULL};
    struct proc *p = train("box2d", options, LIST("run.seed=1"));
    cr_expect_eq(proc_wait_exit(p), 64, "%s", bad[i]);
    cr_expect(has(proc_stderr(p), "--name "), "%s", proc_stderr(p));
  }
  cr_expect_not(harness_exists(harness_path("runs")) || harness_exists(harness_path("zz")));
}

// the folder of a run where a task is expected
Test(commands, a_run_in_place_of_a_task_is_told_how_to_go_on) {
  const char *const options[] = {"--runs", harness_path("my runs"), "--name", "a/b c", NULL};
  struct proc *p = train("box2d", options, LIST("run.steps=600"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  p = proc_start(NULL, harness_program("telos"), "train", harness_path("my runs/box2d/a/b c"),
                 NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
  const char *command = strstr(proc_stderr(p), "to go on with it: ");
  cr_assert_not_null(command, "%s", proc_stderr(p));
  command += strlen("to go on with it: ");
  const char *line = harness_text("%.*s run.steps=700", (int)strcspn(command, "\n"), command);
  cr_expect(has(run_line(line), "\n700 steps"), "%s", line);
}

// ---- a build without telos-play, in a repository ----

// a repository in the test's folder, whose run.sh says what it was asked for
static const char *fake_repository(void) {
  const char *root = harness_path("repo");
  static const char script[] = "#!/bin/sh\necho \"run.sh: $*\"\n";
  run_line(
      harness_text("mkdir -p %s/deploy %s/build/release/bin && cd %s/build/release/bin && "
                   "cp -r $TELOS_BIN/telos $TELOS_BIN/telos-learner $TELOS_BIN/telos-actor "
                   "$TELOS_BIN/tasks .",
                   root, root, root));
  const char *path = harness_text("%s/deploy/run.sh", root);
  harness_write(path, script, sizeof script - 1);
  cr_assert_eq(chmod(path, 0755), 0);
  return root;
}

Test(commands, without_a_player_play_is_the_scripts) {
  const char *root = fake_repository();
  const char *telos = "./build/release/bin/telos";
  struct proc *p =
      proc_start(NULL, "sh", "-c", harness_text("cd %s && %s play --help", root, telos), NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_eq(strncmp(proc_stdout(p), "Examples:\n", 10), 0);
  p = proc_start(NULL, "sh", "-c", harness_text("cd %s && %s play box2d", root, telos), NULL);
  cr_assert_eq(proc_wait_exit(p), 78);
  cr_expect(has(proc_stderr(p), "./deploy/run.sh play"), "%s", proc_stderr(p));
  p = proc_start(NULL, "sh", "-c",
                 harness_text("cd %s && %s train box2d --video-every 10", root, telos), NULL);
  cr_assert_eq(proc_wait_exit(p), 78);
  cr_expect(has(proc_stderr(p), "./deploy/run.sh train .. --video-every N"), "%s", proc_stderr(p));

  const char *out = run_line(harness_text(
      "cd %s && %s train box2d --name x run.steps=600 train.warmup_steps=500 net.hidden=16 "
      "outcome.hidden=16 train.batch=32 eval.episodes=2",
      root, telos));
  const char *play = line_behind(out, "\nnext\n", 1);
  cr_expect_str_eq(play, "./deploy/run.sh play runs/box2d/x");
  cr_expect_str_eq(run_line(harness_text("cd %s && %s", root, play)),
                   "run.sh: play runs/box2d/x\n");
  cr_expect(has(run_line(harness_text("cd %s && %s", root, line_behind(out, "\nnext\n", 0))),
                "on task box2d"));
}
