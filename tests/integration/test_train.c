// test_train.c - the programs as a person meets them: telos train on a pipe and on a terminal, how
// it is stopped and resumed, telos eval, telos config, --help and --version.
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/config/metrics.h"
#include "tests/integration/fleet.h"
#include "tests/integration/harness.h"

enum { MAX_SCREEN = 1 << 20, ROWS = 24 };

// telos train in the test's folder; more: NULL-terminated
static struct proc *start_train(const char *name, const char *const *more) {
  struct fleet *f = fleet_new("unused", more);
  const char *argv[FLEET_SETTINGS + 10] = {harness_program("telos"), "train",  "box2d", "--runs",
                                           harness_folder(),         "--name", name};
  for (int i = 0; i < f->nsettings; i++) {
    argv[7 + i] = f->settings[i];
  }
  free(f);
  return proc_start_argv(NULL, argv);
}

static const char *policy_of(const char *name) {
  return harness_path("box2d/%s/policy.safetensors", name);
}

static void check_no_children(void) {
  harness_wait_family(NULL, "telos-learner", 0);
  harness_wait_family(NULL, "telos-actor", 0);
}

// the value behind "key": in a JSON text
static double json_value(const char *json, const char *key) {
  const char *at = strstr(json, harness_text("\"%s\": ", key));
  cr_assert_not_null(at, "%s in %s", key, json);
  return strtod(at + strlen(key) + 4, NULL);
}

Test(train, end_to_end_and_eval) {
  struct proc *p = start_train("x", NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  static const char *const files[] = {
      "policy.safetensors", "config.yaml", "manifest.json", "progress.csv", "log.txt",
      "checkpoints",        "replay"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    cr_assert(harness_exists(harness_path("box2d/x/%s", files[i])), "%s", files[i]);
  }

  // nothing but progress lines before the result, and what they tell is what happened
  char *out = (char *)proc_stdout(p);
  char *result = strstr(out, "\n\n6000 steps, 5000 updates in ");
  cr_assert_not_null(result, "%s", out);
  *result = '\0';
  struct metrics m;
  const char *last = "";
  double steps = 0.0;
  for (char *save, *line = strtok_r(out, "\n", &save); line != NULL;
       line = strtok_r(NULL, "\n", &save)) {
    cr_assert(metrics_parse(&m, line), "%s", line);
    cr_assert_geq(m.steps, steps);
    steps = m.steps;
    last = line;
  }
  cr_assert_eq(m.steps, 6000.0);
  cr_assert_eq(m.updates, 5000.0);
  cr_assert_eq(m.eval_steps, 6000.0);

  // the last lines name the score, the files and what to do next
  result += 2;
  cr_assert_not_null(strstr(result, "evaluation: score "), "%s", result);
  cr_assert_not_null(strstr(result, policy_of("x")), "%s", result);
  cr_assert_not_null(strstr(result, harness_text(" eval %s", harness_path("box2d/x"))));

  // telos eval gives the figures of the training's last evaluation, every time
  const char *json = NULL;
  for (int i = 0; i < 2; i++) {
    struct proc *e =
        proc_start(NULL, harness_program("telos"), "eval", harness_path("box2d/x"), "--json", NULL);
    cr_assert_eq(proc_wait_exit(e), 0);
    cr_assert(json == NULL || strcmp(json, proc_stdout(e)) == 0, "%s", proc_stdout(e));
    json = proc_stdout(e);
  }
  cr_assert_eq(json_value(json, "episodes"), 5.0);
  const char *figures = harness_text(
      "eval_steps=6000 eval_distance=%.4f eval_score=%.3f eval_ci=%.3f eval_success=%.3f",
      json_value(json, "final_distance"), json_value(json, "score"), json_value(json, "score_ci95"),
      json_value(json, "success"));
  cr_assert_not_null(strstr(last, figures), "%s\nin\n%s", figures, last);

  // and as text
  struct proc *e =
      proc_start(NULL, harness_program("telos"), "eval", policy_of("x"), "--episodes", "5", NULL);
  cr_assert_eq(proc_wait_exit(e), 0);
  cr_assert_not_null(
      strstr(proc_stdout(e), harness_text("score     %.3f +- %.3f", json_value(json, "score"),
                                          json_value(json, "score_ci95"))));
  check_no_children();
}

// A goal that is where every episode begins, and no radius of success: neither a score nor a share
// of successes has a meaning. All else is there, and no place prints or keeps "nan".
Test(train, a_goal_at_the_start_has_no_score) {
  static const char model[] =
      "<mujoco model='still'><custom><numeric name='telos.horizon' data='20'/>"
      "<numeric name='telos.frame_skip' data='5'/><numeric name='telos.goal' data='0 0'/></custom>"
      "<worldbody><body><joint name='x' type='slide' axis='1 0 0' damping='1'/>"
      "<joint name='y' type='slide' axis='0 1 0' damping='1'/><geom size='0.1'/></body></worldbody>"
      "<actuator><motor joint='x' ctrllimited='true' ctrlrange='-5 5'/></actuator><sensor>"
      "<jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/>"
      "<jointpos name='goal.y' joint='y'/></sensor></mujoco>";
  const char *task = harness_path("still.xml");
  harness_write(task, model, sizeof model - 1);
  const char *run = harness_path("still/x");
  // begun, and resumed from a checkpoint that holds such an evaluation
  for (int i = 0; i < 2; i++) {
    struct proc *p = proc_start(
        NULL, harness_program("telos"), "train", task, "--runs", harness_folder(), "--name", "x",
        "train.warmup_steps=500", "net.hidden=16", "outcome.hidden=16", "train.batch=32",
        "eval.every=500", "eval.episodes=4", i == 0 ? "run.steps=1200" : "run.steps=1400", NULL);
    cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
    const char *out = strstr(proc_stdout(p), "\nevaluation: distance ");
    cr_assert_not_null(out, "%s", proc_stdout(p));
    cr_expect_not_null(strstr(out, "no score: episodes begin at the goal\nwrote\n"), "%s", out);
    cr_expect_not_null(strstr(out, "\nnext\n"), "%s", out);
    cr_expect_null(strstr(proc_stdout(p), "nan"), "%s", proc_stdout(p));
    cr_expect_null(strstr(out, "success"), "%s", out);
    cr_expect_null(strstr(proc_stderr(p), " nan"), "%s", proc_stderr(p));
  }
  const char *log = harness_read(harness_text("%s/log.txt", run), NULL);
  cr_expect_not_null(strstr(log, "no score (the initial distance is 0) over 4 episodes"), "%s",
                     log);
  cr_expect_not_null(strstr(log, "final distance by part of the goal: goal.x "), "%s", log);
  static const char *const files[] = {"log.txt", "progress.csv", "manifest.json"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    cr_expect_null(strstr(harness_read(harness_text("%s/%s", run, files[i]), NULL), "nan"), "%s",
                   files[i]);
  }

  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", run, "--task", task, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_not_null(strstr(proc_stdout(p), "distance  initial 0, final "), "%s", proc_stdout(p));
  cr_expect_not_null(strstr(proc_stdout(p), "score     none"), "%s", proc_stdout(p));
  cr_expect_not_null(strstr(proc_stdout(p), "of goal.y"), "%s", proc_stdout(p));
  cr_expect_null(strstr(proc_stdout(p), "nan"), "%s", proc_stdout(p));
  p = proc_start(NULL, harness_program("telos"), "eval", run, "--task", task, "--json", NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_expect_not_null(strstr(proc_stdout(p), "\"score\": null,"), "%s", proc_stdout(p));
  cr_expect_not_null(strstr(proc_stdout(p), "\"success\": null,"), "%s", proc_stdout(p));
  cr_expect_not_null(strstr(proc_stdout(p), "\"name\": \"goal.y\""), "%s", proc_stdout(p));
}

// An episode that the simulation cut short is counted, in text and in JSON.
Test(train, eval_counts_unstable_episodes) {
  const char *task = harness_path("wild.xml");
  static const char model[] =
      // a spring too stiff for the timestep: what moves it grows by the factor 2 a physics step
      "<mujoco model='wild'><option timestep='0.01'/><custom>"
      "<numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' data='5'/>"
      "<numeric name='telos.goal' data='1'/></custom><worldbody><body>"
      "<joint name='x' type='slide' axis='1 0 0' stiffness='45000'/>"
      "<geom type='box' size='0.1 0.1 0.1' mass='1'/></body></worldbody>"
      "<actuator><motor joint='x' ctrllimited='true' ctrlrange='-5 5'/></actuator><sensor>"
      "<jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor></mujoco>";
  harness_write(task, model, sizeof model - 1);
  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", "--random", "--task", task,
                              "--episodes", "6", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_not_null(strstr(proc_stdout(p), "unstable  6 of 6 episodes were cut"), "%s",
                     proc_stdout(p));
  p = proc_start(NULL, harness_program("telos"), "eval", "--random", "--task", task, "--episodes",
                 "6", "--json", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_eq(json_value(proc_stdout(p), "unstable"), 6.0);
}

// ---- on a terminal ----

struct terminal {
  pid_t pid;
  int fd;
  char *screen;  // all that was written, NUL-terminated
  size_t n;
};

static unsigned short columns = 100;

static struct terminal open_terminal(const char *const *argv) {
  struct terminal t = {.screen = calloc(1, MAX_SCREEN)};
  cr_assert_not_null(t.screen);
  const struct winsize size = {.ws_col = columns, .ws_row = ROWS};
  fflush(NULL);
  t.pid = forkpty(&t.fd, NULL, NULL, &size);
  cr_assert_geq(t.pid, 0);
  if (t.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TERM", "xterm", 1);
    execv(argv[0], (char *const *)argv);
    _exit(127);
  }
  return t;
}

// reads what comes until text is on the screen (true) or the program has closed the terminal
static bool read_terminal(struct terminal *t, const char *text) {
  for (int i = 0; i < FLEET_POLLS; i++) {
    if (text != NULL && strstr(t->screen, text) != NULL) {
      return true;
    }
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (poll(&p, 1, FLEET_POLL_MS) > 0) {
      const ssize_t n = read(t->fd, t->screen + t->n, MAX_SCREEN - 1 - t->n);
      if (n <= 0) {
        return false;
      }
      t->n += (size_t)n;
    }
  }
  cr_assert_fail("the terminal hangs; it shows\n%s", t->screen);
  return false;
}

static int close_terminal(struct terminal *t) {
  int status;
  cr_assert_eq(waitpid(t->pid, &status, 0), t->pid);
  close(t->fd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int count(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
    n++;
  }
  return n;
}

static struct terminal train_on_terminal(const char *name, const char *const *more) {
  struct fleet *f = fleet_new("unused", more);
  const char *argv[FLEET_SETTINGS + 10] = {harness_program("telos"), "train",  "box2d", "--runs",
                                           harness_folder(),         "--name", name};
  for (int i = 0; i < f->nsettings; i++) {
    argv[7 + i] = f->settings[i];
  }
  free(f);
  return open_terminal(argv);
}

// No line of the block is wider than the terminal: that would break the redrawing. Its fields are
// whole: what does not fit is left out.
static void check_widths(const char *screen) {
  const char start[] = "\r\033[K";
  for (const char *at = screen; (at = strstr(at, start)) != NULL;) {
    at += sizeof start - 1;
    const size_t wide = strcspn(at, "\r\n");
    size_t shown = 0;  // colours take no room
    for (size_t i = 0; i < wide; i++) {
      if (at[i] == '\033') {
        i += strcspn(at + i, "m");
      } else {
        shown++;
      }
    }
    cr_assert_lt(shown, columns, "%.200s", at);
  }
}

// what is shown on a terminal of so many columns: rates and score with their units, whole
static void check_columns(unsigned short n, const char *name) {
  columns = n;
  struct terminal t = train_on_terminal(name, NULL);
  read_terminal(&t, NULL);
  cr_assert_eq(close_terminal(&t), 0, "%s", t.screen);
  check_widths(t.screen);
  static const char *const parts[] = {"of 6000 steps",      "100 %", " steps/s",
                                      "evaluation: score ", " +- ",  "Q loss "};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    cr_assert_gt(count(t.screen, parts[i]), 0, "%s is not in\n%s", parts[i], t.screen);
  }
  free(t.screen);
}

Test(train, narrow_terminals_leave_out_what_matters_least) {
  check_columns(80, "wide");
  check_columns(40, "narrow");
}

Test(train, no_colour_where_none_is_wanted) {
  struct terminal t = train_on_terminal("colours", NULL);
  read_terminal(&t, NULL);
  cr_assert_eq(close_terminal(&t), 0);
  cr_assert_gt(count(t.screen, "\033[1m"), 0);
  free(t.screen);
  setenv("NO_COLOR", "1", 1);
  t = train_on_terminal("plain", NULL);
  read_terminal(&t, NULL);
  cr_assert_eq(close_terminal(&t), 0);
  cr_assert_eq(count(t.screen, "\033[1m") + count(t.screen, "\033[32m"), 0);
  free(t.screen);
  unsetenv("NO_COLOR");
}

Test(train, terminal_shows_one_block) {
  struct terminal t = train_on_terminal("x", NULL);
  read_terminal(&t, NULL);
  cr_assert_eq(close_terminal(&t), 0, "%s", t.screen);
  // seven lines, drawn again in place
  cr_assert_gt(count(t.screen, "\033[7A"), 3, "%s", t.screen);
  cr_assert_eq(count(t.screen, "progress steps="), 0);
  static const char *const parts[] = {
      "telos train box2d",  "of 6000 steps", "100 %",         "ETA ",    "env ",
      " steps/s",           "updates ",      "actors 2 of 2", "window ", "learner waits ",
      "evaluation: score ", "at 6000 steps", "finished",      "Q loss ", "policy ",
      "outcome ",           "alpha "};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    cr_assert_gt(count(t.screen, parts[i]), 0, "%s is not in\n%s", parts[i], t.screen);
  }
  check_widths(t.screen);
  const char *last = strstr(t.screen, "6000 steps, 5000 updates in ");
  cr_assert_not_null(last, "%s", t.screen);
  cr_assert(strstr(last, " the limit: ") != NULL && strstr(last, " % busy") != NULL, "%s", last);
  free(t.screen);
  check_no_children();
}

// Ctrl-C on a terminal, once: all is saved, and the command that is printed goes on to the same end
Test(train, interrupted_once_resumes_by_the_printed_command) {
  const char *const slow[] = {"train.updates_per_step=8", NULL};
  cr_assert_eq(proc_wait_exit(start_train("reference", slow)), 0);
  struct terminal t = train_on_terminal("x", slow);
  cr_assert(read_terminal(&t, "evaluation of version"), "%s", t.screen);
  cr_assert_eq(write(t.fd, "\003", 1), 1);
  read_terminal(&t, NULL);
  cr_assert_eq(close_terminal(&t), 75, "%s", t.screen);
  check_no_children();

  char *command = strstr(t.screen, "Resume with\r\n");
  cr_assert_not_null(command, "%s", t.screen);
  command += strlen("Resume with\r\n");
  command[strcspn(command, "\r\n")] = '\0';
  struct proc *p = proc_start(NULL, "sh", "-c", command, NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_assert_not_null(strstr(proc_stderr(p), "resuming at"));
  harness_assert_same(policy_of("reference"), policy_of("x"));
  free(t.screen);
}

Test(train, interrupted_twice_stops_at_once) {
  const char *const slow[] = {"train.updates_per_step=8", NULL};
  cr_assert_eq(proc_wait_exit(start_train("reference", slow)), 0);
  struct proc *p = start_train("x", slow);
  struct metrics m;
  fleet_wait_steps(p, 1100.0, &m);
  // a learner that cannot follow the first one
  pid_t learner;
  cr_assert_eq(harness_family(p, "telos-learner", &learner, 1), 1);
  cr_assert_eq(kill(learner, SIGSTOP), 0);
  proc_signal_group(p, SIGINT);
  proc_wait_line(p, "once more to stop now");
  proc_signal_group(p, SIGINT);
  cr_assert_eq(proc_wait_exit(p), 130);
  check_no_children();
  p = start_train("x", slow);
  cr_assert_eq(proc_wait_exit(p), 0);
  harness_assert_same(policy_of("reference"), policy_of("x"));
}

Test(train, killed_leaves_no_process) {
  const char *const slow[] = {"train.updates_per_step=8", NULL};
  struct proc *p = start_train("x", slow);
  struct metrics m;
  fleet_wait_steps(p, 1100.0, &m);
  cr_assert_eq(harness_family(p, "telos-learner", NULL, 0), 1);
  cr_assert_eq(harness_family(p, "telos-actor", NULL, 0), 2);
  proc_signal(p, SIGKILL);
  cr_assert_eq(proc_wait_exit(p), -SIGKILL);
  check_no_children();
}

// ---- the rest of the commands ----

static const char *output_of(const char *const *argv) {
  struct proc *p = proc_start_argv(NULL, argv);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", argv[0]);
  return proc_stdout(p);
}

static void check_mentions(const char *text, const char *const *words) {
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert_not_null(strstr(text, words[i]), "%s is not in\n%s", words[i], text);
  }
}

Test(train, versions) {
  static const char *const words[] = {"mujoco ", "libzmq ", "libuv ", "cpu ", NULL};
  // telos computes nothing itself; an actor uses a kernel of its own
  static const struct {
    const char *program, *kernel;
  } programs[] = {{"telos", NULL},
                  {"telos-learner", "OpenBLAS "},
                  {"telos-actor", "row kernel AVX2/FMA"},
                  {"telos-play", NULL}};
  for (int i = 0; i < 4; i++) {
    if (!harness_exists(harness_program(programs[i].program))) {
      continue;  // telos-play needs more packages
    }
    const char *const argv[] = {harness_program(programs[i].program), "--version", NULL};
    const char *text = output_of(argv);
    cr_assert_eq(strncmp(text, programs[i].program, strlen(programs[i].program)), 0, "%s", text);
    check_mentions(text, words);
    const char *kernel = strstr(text, "\nkernel   ");
    cr_assert_eq(kernel != NULL, programs[i].kernel != NULL, "%s", text);
    cr_assert(kernel == NULL || strstr(kernel, programs[i].kernel) != NULL, "%s", text);
  }
  const char *const verb[] = {harness_program("telos"), "version", NULL};
  const char *const option[] = {harness_program("telos"), "--version", NULL};
  cr_assert_str_eq(output_of(verb), output_of(option));
}

Test(train, help) {
  static const struct {
    const char *program, *verb;
    const char *words[12];
  } helps[] = {
      {"telos", NULL, {"telos train box2d", "eval RUN", "config", "version"}},
      {"telos", "train", {"--actors", "--threads", "--name", "--config", "--resume", "Ctrl-C"}},
      {"telos", "eval", {"--task", "--episodes", "--seed", "--json"}},
      {"telos", "config", {"--config", "--markdown", "TELOS_GROUP_NAME", "agent.gamma"}},
      {"telos-learner",
       NULL,
       {"--task", "--run", "--config", "--resume", "--insecure", "--parent", "Exit codes"}},
      {"telos-actor", NULL, {"--connect", "--threads", "--name", "--parent", "Exit codes"}},
  };
  for (size_t i = 0; i < sizeof helps / sizeof *helps; i++) {
    const char *program = harness_program(helps[i].program);
    const char *const argv[] = {program, helps[i].verb != NULL ? helps[i].verb : "--help",
                                helps[i].verb != NULL ? "--help" : NULL, NULL};
    const char *text = output_of(argv);
    // examples come first
    cr_assert_eq(strncmp(text, "Examples:\n", 10), 0, "%s", text);
    check_mentions(text, helps[i].words);
  }
}

Test(train, config_reads_back_what_it_prints) {
  const char *telos = harness_program("telos");
  const char *const first[] = {telos,
                               "config",
                               "agent.gamma=0.98",
                               "net.hidden=8,9",
                               "run.seed=7",
                               "odac.bias_init=false",
                               "run.steps=1e5",
                               NULL};
  const char *text = output_of(first);
  const char *path = harness_path("settings.yaml");
  harness_write(path, text, strlen(text));
  const char *const again[] = {telos, "config", "--config", path, NULL};
  cr_assert_str_eq(text, output_of(again));
  const char *const defaults[] = {telos, "config", NULL};
  cr_assert_str_neq(text, output_of(defaults));

  const char *const markdown[] = {telos, "config", "--markdown", NULL};
  static const char *const rows[] = {"### odac\n", "| setting | default |", "| `agent.gamma` | `",
                                     "| `status.every` |", NULL};
  check_mentions(output_of(markdown), rows);
}

// telos help VERB is telos VERB --help
Test(train, help_of_a_verb) {
  static const char *const verbs[] = {"train", "eval", "play", "task", "config"};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    const char *const asked[] = {harness_program("telos"), "help", verbs[i], NULL};
    const char *const own[] = {harness_program("telos"), verbs[i], "--help", NULL};
    cr_expect_str_eq(output_of(asked), output_of(own), "%s", verbs[i]);
  }
}

Test(train, unknown_verb) {
  struct proc *p = proc_start(NULL, harness_program("telos"), "trian", "box2d", NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
  cr_assert_not_null(strstr(proc_stderr(p), "unknown verb 'trian'; did you mean train?"));
  p = proc_start(NULL, harness_program("telos"), NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
}

// what chance gives: nothing to train, the same figures every time; return where there are rewards
Test(train, eval_of_random_actions) {
  const char *text[2];
  for (int i = 0; i < 2; i++) {
    struct proc *p = proc_start(NULL, harness_program("telos"), "eval", "--random", "--task",
                                "fetch-push", "--json", NULL);
    cr_assert_eq(proc_wait_exit(p), 0);
    text[i] = proc_stdout(p);
  }
  cr_assert_str_eq(text[0], text[1]);
  cr_expect_float_eq(json_value(text[0], "initial_distance"), 0.1581, 1e-3);
  cr_expect_gt(json_value(text[0], "score"), 90.0);
  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", "--random", "--task",
                              "hopper", "--episodes", "5", NULL);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_expect_not_null(strstr(proc_stdout(p), "\nreturn "), "%s", proc_stdout(p));
  cr_expect_null(strstr(proc_stdout(p), "score"), "a task without a goal has no score");
}

// actors that end right after each start are given up, and with the last of them the run stops,
// saved
Test(train, actors_that_only_fall_are_given_up) {
  const char *bin = harness_path("bin"), *actor = harness_path("bin/telos-actor");
  struct proc *copy =
      proc_start(NULL, "cp", "-r", harness_text("%s", getenv("TELOS_BIN")), bin, NULL);
  cr_assert_eq(proc_wait_exit(copy), 0, "%s", proc_stderr(copy));
  harness_write(actor, "#!/bin/sh\nexit 3\n", 17);
  struct proc *p = proc_start(NULL, harness_path("bin/telos"), "train", "box2d", "--runs",
                              harness_path("runs"), "--name", "a", "--actors", "2", NULL);
  cr_assert_eq(proc_wait_exit(p), 3, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stderr(p), "right after each start, and is not started again; 0 left"),
            "%s", proc_stderr(p));
}

// help that cannot be printed is an error like any other output
Test(train, help_that_is_lost_is_an_error) {
  static const char *const words[] = {"--help",        "train --help", "sweep --help",
                                      "record --help", "eval --help",  "rules"};
  if (access("/dev/full", W_OK) != 0) {
    cr_skip_test("there is no /dev/full here");
  }
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    struct proc *p =
        proc_start(NULL, "sh", "-c",
                   harness_text("exec %s %s >/dev/full", harness_program("telos"), words[i]), NULL);
    cr_assert_eq(proc_wait_exit(p), 74, "%s", words[i]);
    cr_assert(strstr(proc_stderr(p), "cannot write standard output"), "%s", proc_stderr(p));
  }
}
