// test_task_verb.c - telos task: list, show and check, as a user runs them.
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

// a task of one slider; its extra elements and its horizon come between the parts
static const char *const model[3] = {
    "<!-- A slider: it goes where it is told. Nothing more is said. -->\n"
    "<mujoco model='slider'>",
    "<custom><numeric name='telos.horizon' data='",
    "'/>"
    "<numeric name='telos.frame_skip' data='2'/><numeric name='telos.goal_low' data='-1'/>"
    "<numeric name='telos.goal_high' data='1'/></custom><worldbody><body>"
    "<joint name='x' type='slide' axis='1 0 0' damping='1'/><geom size='0.1'/></body></worldbody>"
    "<actuator><motor name='push' joint='x'/></actuator><sensor>"
    "<jointpos name='obs.x' joint='x'/><jointvel name='obs.v' joint='x'/>"
    "<jointpos name='goal.x' joint='x'/></sensor></mujoco>\n"};

static const char *write_model(const char *name, const char *extra, const char *horizon) {
  const char *path = harness_path("%s.xml", name);
  const char *text = harness_text("%s%s%s%s%s", model[0], extra, model[1], horizon, model[2]);
  harness_write(path, text, strlen(text));
  return path;
}

// the exit code of telos task with these arguments; NULL ends them
static int run(struct proc **p, const char *const *env, const char *a, const char *b,
               const char *c) {
  const char *argv[] = {harness_program("telos"), "task", a, b, c, NULL};
  *p = proc_start_argv(env, argv);
  return proc_wait_exit(*p);
}

static json_t *parse(struct proc *p) {
  json_error_t error;
  json_t *root = json_loads(proc_stdout(p), 0, &error);
  cr_assert_not_null(root, "line %d: %s\n%s", error.line, error.text, proc_stdout(p));
  return root;
}

static const char *string(const json_t *object, const char *key) {
  const char *value = json_string_value(json_object_get(object, key));
  cr_assert_not_null(value, "%s", key);
  return value;
}

static const json_t *find(const json_t *list, const char *name) {
  size_t i;
  const json_t *row;
  json_array_foreach(list, i, row) {
    if (strcmp(string(row, "name"), name) == 0) {
      return row;
    }
  }
  cr_assert(false, "%s is not listed", name);
  return NULL;
}

Test(task_verb, list_has_every_task_and_says_what_is_missing) {
  write_model("slider", "", "10");
  write_model("wrapper", "<include file='nowhere.xml'/>", "10");
  const char *const env[] = {harness_text("TELOS_TASK_PATH=%s", harness_folder()), NULL};
  struct proc *p;
  cr_assert_eq(run(&p, env, "list", NULL, NULL), 0, "%s", proc_stderr(p));
  cr_expect_str_empty(proc_stderr(p));
  const char *text = proc_stdout(p);
  cr_expect(strstr(text, harness_folder()) != NULL, "%s", text);
  cr_expect(strstr(text, "\n  box2d ") != NULL, "%s", text);
  cr_expect(strstr(text, "box     A slider: it goes where it is told\n") != NULL, "%s", text);
  cr_expect(strstr(text, "\n  wrapper              cannot be loaded: MuJoCo cannot compile it: "),
            "%s", text);

  cr_assert_eq(run(&p, env, "list", "--json", NULL), 0);
  json_t *list = parse(p);
  const json_t *slider = find(list, "slider"), *wrapper = find(list, "wrapper");
  cr_expect_str_eq(string(slider, "file"), harness_path("slider.xml"));
  cr_expect_eq(json_integer_value(json_object_get(slider, "obs")), 2);
  cr_expect_eq(json_integer_value(json_object_get(slider, "horizon")), 10);
  cr_expect(strstr(string(wrapper, "error"), "nowhere.xml") != NULL);
  cr_expect_str_eq(string(find(list, "box2d"), "kind"), "fixed");
  json_decref(list);
}

// a pipe gets titles whole; a row of a terminal is no wider than that
Test(task_verb, titles_are_cut_for_terminals_alone) {
  struct proc *p;
  cr_assert_eq(run(&p, NULL, "list", NULL, NULL), 0);
  cr_expect_not_null(strstr(proc_stdout(p),
                            "the outcome of the paper's comparison: at (5, 5), in a "
                            "pose"),
                     "%s", proc_stdout(p));
  static const int columns[] = {80, 100, 200};
  for (int i = 0; i < 3; i++) {
    p = proc_start(NULL, "script", "-qec",
                   harness_text("stty cols %d; %s task list", columns[i], harness_program("telos")),
                   "/dev/null", NULL);
    cr_assert_eq(proc_wait_exit(p), 0);
    char *text = strdup(strstr(proc_stdout(p), "what it asks\r\n")), *rest = text;
    size_t widest = 0;
    for (const char *row; (row = strsep(&rest, "\r\n")) != NULL;) {
      widest = strlen(row) > widest ? strlen(row) : widest;
    }
    cr_expect(widest <= (size_t)columns[i] && (i == 2 || widest > (size_t)columns[i] - 20), "%zu",
              widest);
    free(text);
  }
}

Test(task_verb, show_names_every_number) {
  struct proc *p;
  cr_assert_eq(run(&p, NULL, "show", write_model("slider", "", "10"), NULL), 0);
  static const char *const words[] = {"observation  2 numbers",
                                      "  1          obs.v\n",
                                      "goal         1 number, uniform",
                                      "  0          goal.x                        -1 to 1\n",
                                      "  0          push                          ctrl = a\n",
                                      "0.002 s x 2 = 0.004 s a step (250 Hz); 10 steps = 0.04 s",
                                      "default state (there is no <key>)",
                                      "us a step",
                                      "MuJoCo "};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    cr_expect(strstr(proc_stdout(p), words[i]) != NULL, "no \"%s\" in\n%s", words[i],
              proc_stdout(p));
  }
}

Test(task_verb, show_in_json_is_the_same_task_every_time) {
  char digest[2][32];
  for (int i = 0; i < 2; i++) {
    struct proc *p;
    cr_assert_eq(run(&p, NULL, "show", "box2d", "--json"), 0, "%s", proc_stderr(p));
    json_t *root = parse(p);
    snprintf(digest[i], sizeof digest[i], "%s", string(root, "digest"));
    const json_t *obs = json_object_get(root, "observation");
    cr_expect_eq(json_array_size(obs), 2);
    cr_expect_str_eq(string(json_array_get(obs, 1), "name"), "obs.y");
    const json_t *goal = json_object_get(root, "goal");
    cr_expect_str_eq(string(goal, "kind"), "fixed");
    cr_expect_float_eq(json_number_value(json_array_get(json_object_get(goal, "low"), 0)), 3.5, 0);
    const json_t *act = json_object_get(json_object_get(root, "action"), "numbers");
    cr_expect_float_eq(json_number_value(json_object_get(json_array_get(act, 0), "scale")), 2, 0);
    cr_expect(json_number_value(json_object_get(root, "step_us")) > 0);
    cr_expect(json_number_value(json_object_get(root, "reset_us")) > 0);
    cr_expect(json_is_null(json_object_get(root, "reward")));
    json_decref(root);
  }
  cr_expect_str_eq(digest[0], digest[1]);
}

Test(task_verb, check_tells_all_mistakes_of_all_files) {
  const char *good = write_model("good", "", "10");
  const char *bad =
      write_model("bad", "<custom><numeric name='telos.hroizon' data='1'/></custom>", "0");
  struct proc *p;
  cr_expect_eq(run(&p, NULL, "check", good, NULL), 0, "%s", proc_stderr(p));
  cr_expect_str_eq(proc_stdout(p), harness_text("%s: good\n", good));
  cr_expect_str_empty(proc_stderr(p));

  cr_expect_eq(run(&p, NULL, "check", bad, good), 78);
  cr_expect_str_eq(proc_stdout(p), harness_text("%s: good\n", good));
  cr_expect_eq(small_count(proc_stderr(p), "E telos: task "), 2, "%s", proc_stderr(p));
  cr_expect(strstr(proc_stderr(p), "the nearest name is \"telos.horizon\"") != NULL);
  cr_expect(strstr(proc_stderr(p), "\"telos.horizon\" is 0; expected") != NULL);

  cr_expect_eq(run(&p, NULL, "check", "nowhere.xml", NULL), 78);
  cr_expect_eq(run(&p, NULL, "show", "nowhere", NULL), 78);
}

// A task that keeps the convention, and is no good: warnings of check, show and its JSON, and all
// of them say that the file is right.
Test(task_verb, what_a_trial_shows_is_a_warning) {
  static const char line[] = "10 of 10 episodes of random actions become unstable";
  const char *text =
      harness_text("%s%s%s%s%s", model[0], "<option timestep='0.01'/>", model[1], "50", model[2]);
  // a spring too stiff for the timestep
  const char *at = strstr(text, "damping='1'");
  const char *whole =
      harness_text("%.*sstiffness='450000'%s", (int)(at - text), text, at + strlen("damping='1'"));
  const char *path = harness_path("stiff.xml");
  harness_write(path, whole, strlen(whole));
  struct proc *p;
  cr_assert_eq(run(&p, NULL, "check", path, NULL), 0, "%s", proc_stderr(p));
  cr_expect_str_eq(proc_stdout(p), harness_text("%s: good\n", path));
  cr_expect(strncmp(proc_stderr(p), "W telos: task ", 14) == 0, "%s", proc_stderr(p));
  cr_expect(strstr(proc_stderr(p), line) != NULL, "%s", proc_stderr(p));
  cr_expect_eq(small_count(proc_stderr(p), "W "), 1, "%s", proc_stderr(p));

  cr_assert_eq(run(&p, NULL, "show", path, NULL), 0, "%s", proc_stderr(p));
  cr_expect(strstr(proc_stdout(p), harness_text("\nwarning      %s", line)) != NULL, "%s",
            proc_stdout(p));
  cr_expect(strstr(proc_stdout(p), "us a step") != NULL, "a cost is measured");
  cr_expect_str_empty(proc_stderr(p));

  cr_assert_eq(run(&p, NULL, "show", path, "--json"), 0, "%s", proc_stderr(p));
  json_t *root = parse(p);
  const json_t *warnings = json_object_get(root, "warnings");
  cr_assert_eq(json_array_size(warnings), 1);
  cr_expect(strstr(json_string_value(json_array_get(warnings, 0)), line) != NULL);
  json_decref(root);
}

// which frame a sensor reads, how the goal is drawn, and what is not
Test(task_verb, show_says_what_is_read_and_what_is_drawn) {
  static const char extra[] =
      "<worldbody><body name='pole' pos='0 0 1'><joint name='j' type='hinge' axis='0 1 0'/>"
      "<geom type='capsule' fromto='0 0 0 0 0 1' size='0.05'/><geom group='4' size='0.1'/>"
      "<site name='tip' pos='0 0 1'/></body></worldbody><sensor>"
      "<framepos name='obs.a' objtype='body' objname='pole'/>"
      "<framepos name='obs.b' objtype='xbody' objname='pole'/>"
      "<framepos name='obs.c' objtype='site' objname='tip' reftype='xbody' "
      "refname='pole'/></sensor>";
  static const char *const words[] = {
      "obs.a[0..2]                   inertial frame of pole\n",
      "obs.b[0..2]                   frame of pole\n",
      "obs.c[0..2]                   site tip, seen from frame of pole\n",
      "  sensor     goal.x                        drawn as a ghost\n",
      "not drawn    1 geom, 0 sites, 0 tendons: of groups 3 to 5\n",
  };
  struct proc *p;
  cr_assert_eq(run(&p, NULL, "show", write_model("frames", extra, "10"), NULL), 0);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    cr_expect(strstr(proc_stdout(p), words[i]) != NULL, "no \"%s\" in\n%s", words[i],
              proc_stdout(p));
  }
}

Test(task_verb, wrong_command_lines) {
  static const char *const lines[][3] = {{NULL, NULL, NULL},           {"show", NULL, NULL},
                                         {"check", NULL, NULL},        {"list", "box2d", NULL},
                                         {"show", "box2d", "box2d"},   {"shw", "box2d", NULL},
                                         {"list", "--nonsense", NULL}, {"check", "--json", "x"}};
  static const char *const none[] = {NULL};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct proc *p;
    cr_expect_eq(run(&p, NULL, lines[i][0], lines[i][1], lines[i][2]), 64, "line %zu", i);
    small_assert_end(p, 64, "telos task", none);
  }
}
