// test_export.c - telos export: the exported C is compiled, as C99 and as C++, and has to give the
// actor's own bits; a program that has it and MuJoCo alone has to run telos's own episode; and
// every mistake is told in a line that leaves no file.
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/rng.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"
#include "common/task/env.h"
#include "tests/integration/harness.h"

enum { MAX_NUMBERS = 512, ROWS = 200 };

static struct task *load_task(const char *name) {
  struct task *task;
  const char *path =
      strchr(name, '/') != NULL ? name : harness_text("%s/tasks/%s.xml", getenv("TELOS_BIN"), name);
  cr_assert_eq(task_load(&task, path), ERR_OK);
  return task;
}

// ---- policies ----

// A random policy of a task with these hidden layers as <name>.safetensors; the weights, one
// reference of which is the caller's.
static struct weights *write_policy(const char *name, const struct task *task, const int *hidden,
                                    int nhidden) {
  int width[MLP_MAX_LAYERS + 1] = {task->obs + task->goal};
  for (int i = 0; i < nhidden; i++) {
    width[i + 1] = hidden[i];
  }
  width[nhidden + 1] = 2 * task->act;
  const size_t n = mlp_nparam(width, nhidden + 1);
  float *theta = must_alloc(n, sizeof *theta);
  struct rng rng;
  rng_init(&rng, 7, RNG_TEST, (uint64_t)nhidden);
  rng_fill_uniform(&rng, theta, n, -0.5f, 0.5f);
  theta[0] = 1.0e-41f;  // a subnormal number has to come back, too
  theta[1] = -0.0f;
  struct weights *w = weights_new(1, width, nhidden + 1, theta);
  free(theta);
  char digest[17];
  snprintf(digest, sizeof digest, "%016" PRIx64, task->digest);
  const struct st_meta meta[] = {{"task", task->name}, {"task_digest", digest}};
  cr_assert_eq(policy_file_write(harness_path("%s.safetensors", name), w, task->obs, task->goal,
                                 task->act, meta, 2),
               ERR_OK);
  return w;
}

static const char *export_to(const char *name, const char *format, const char *task) {
  const char *out = harness_path("%s.%s", name, format);
  struct proc *p =
      proc_start(NULL, harness_program("telos"), "export", harness_path("%s.safetensors", name),
                 "--format", format, "--out", out, "--task", task, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stdout(p), out) != NULL, "%s", proc_stdout(p));
  return out;
}

static void compile(const char *const *argv) {
  struct proc *p = proc_start_argv(NULL, argv);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
}

// the exported file as a library; language: "c" in C99, or "c++"
static void *load(const char *file, const char *language, const char *flags) {
  const char *library = harness_text("%s.%s%s.so", file, language, flags);
  const bool c = strcmp(language, "c") == 0;
  const char *const argv[] = {c ? "cc" : "c++",
                              "-x",
                              language,
                              c ? "-std=c99" : "-std=c++11",
                              "-Wall",
                              "-Wextra",
                              "-pedantic",
                              "-Werror",
                              flags,
                              "-shared",
                              "-fPIC",
                              "-o",
                              library,
                              file,
                              "-lm",
                              NULL};
  compile(argv);
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  cr_assert(handle != NULL, "%s", dlerror());
  return handle;
}

typedef void action_fn(float *action, const float *observation, const float *goal);
typedef void control_fn(double *ctrl, const float *action);
typedef void set_point_fn(double *point, const double *hand, const float *action);

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  cr_assert(found != NULL, "%s is missing", name);
  return found;
}

// ---- the network ----

static void expect_same_bits(action_fn *act, const struct task *task, const struct weights *w) {
  float x[MAX_NUMBERS], head[MAX_NUMBERS], ours[MAX_NUMBERS], theirs[MAX_NUMBERS];
  float *scratch = must_alloc(rowmlp_scratch(w->width, w->nlayer), sizeof *scratch);
  struct rng rng;
  rng_init(&rng, 8, RNG_TEST, 0);
  for (int row = 0; row < ROWS; row++) {
    rng_fill_normal(&rng, x, (size_t)(task->obs + task->goal));
    // some are large: their action is at the end of its range
    for (int i = 0; row % 8 == 0 && i < task->obs; i++) {
      x[i] *= 50;
    }
    rowmlp_forward(head, w->data, w->width, w->nlayer, x, NULL, scratch);
    policy_act(ours, head, NULL, task->act);
    act(theirs, x, x + task->obs);
    for (int i = 0; i < task->act; i++) {
      cr_assert_eq(memcmp(&ours[i], &theirs[i], sizeof *ours), 0, "row %d, action %d: %.9g, %.9g",
                   row, i, (double)ours[i], (double)theirs[i]);
    }
  }
  free(scratch);
}

static void check_network(const char *name, const char *task_name, const int *hidden, int n) {
  struct task *task = load_task(task_name);
  struct weights *w = write_policy(name, task, hidden, n);
  const char *file = export_to(name, "c", task_name);
  static const char *const builds[][2] = {
      {"c", "-O0"}, {"c", "-O3"}, {"c", "-march=native"}, {"c++", "-O2"}};
  for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
    void *library = load(file, builds[i][0], builds[i][1]);
    expect_same_bits((action_fn *)symbol(library, "policy_action"), task, w);
    dlclose(library);
  }
  weights_unref(w);
  task_free(task);
}

// layers of one number, of a whole number of lanes and of others; without a goal; without a layer
Test(export, c_gives_the_bits_of_the_actor) {
  check_network("box2d", "box2d", (const int[]){24, 8, 1, 17}, 4);
  check_network("plain", "box2d", NULL, 0);
  check_network("forward", "ant-forward", (const int[]){32, 32}, 2);
}

// ---- control ----

// the mocap body of a task that moves a set-point goes where the exported function says
static void check_set_point(const char *task_name) {
  struct task *task = load_task(task_name);
  cr_assert(task->action.naxis > 0 && !task->action.tether.apart);
  weights_unref(write_policy(task_name, task, (const int[]){16}, 1));
  void *library = load(export_to(task_name, "c", task_name), "c", "-O2");
  set_point_fn *set_point = (set_point_fn *)symbol(library, "policy_set_point");
  control_fn *control = (control_fn *)symbol(library, "policy_control");
  struct env *env = env_new(task);
  struct rng reset, dynamics, rng;
  rng_init(&reset, 1, RNG_RESET, 0);
  rng_init(&dynamics, 1, RNG_DYNAMICS, 0);
  rng_init(&rng, 1, RNG_TEST, 0);
  float desired[MAX_NUMBERS], action[MAX_NUMBERS];
  double ctrl[MAX_NUMBERS];
  cr_assert_eq(env_reset(env, desired, &reset), ERR_OK);
  mjData *d = env_data(env);
  cr_assert_eq(task->action.noise, 0);
  for (int t = 0; t < 50; t++) {
    rng_fill_uniform(&rng, action, (size_t)task->act, -1, 1);
    double point[3], hand[3];
    memcpy(point, d->mocap_pos + 3 * task->action.mocap, sizeof point);
    memcpy(hand, d->xpos + 3 * task->action.hand, sizeof hand);
    set_point(point, hand, action);
    control(ctrl, action);
    struct env_step step;
    cr_assert_eq(env_step(env, action, &dynamics, &step), ERR_OK);
    for (int i = 0; i < 3; i++) {
      cr_assert_float_eq(point[i], d->mocap_pos[3 * task->action.mocap + i], 1e-12);
    }
    for (int i = 0; i < task->act - task->action.naxis; i++) {
      cr_assert_eq(ctrl[i], d->ctrl[i]);
    }
  }
  env_free(env);
  dlclose(library);
  task_free(task);
}

Test(export, c_moves_a_set_point) {
  check_set_point("sawyer-push");
  check_set_point("sawyer-faucet");
}

// ---- the example ----

// scales, offsets, sensors of several stages; nothing is random
static const char reacher[] =
    "<mujoco model=\"reacher\">\n"
    "  <custom>\n"
    "    <numeric name=\"telos.horizon\" data=\"40\"/>\n"
    "    <numeric name=\"telos.frame_skip\" data=\"5\"/>\n"
    "    <numeric name=\"telos.action_scale\" data=\"0.7 0.3\"/>\n"
    "    <numeric name=\"telos.action_offset\" data=\"0.05 -0.1\"/>\n"
    "    <numeric name=\"telos.scale.obs.speed\" data=\"0.1\"/>\n"
    "    <numeric name=\"telos.goal\" data=\"0.3 0.2 0\"/>\n"
    "    <numeric name=\"telos.success_radius\" data=\"0.05\"/>\n"
    "  </custom>\n"
    "  <worldbody>\n"
    "    <body name=\"upper\"><joint name=\"a\" axis=\"0 0 1\" damping=\"0.1\"/>\n"
    "      <geom type=\"capsule\" size=\"0.02\" fromto=\"0 0 0 0.3 0 0\" contype=\"0\"/>\n"
    "      <body name=\"lower\" pos=\"0.3 0 0\"><joint name=\"b\" axis=\"0 0 1\" "
    "damping=\"0.1\"/>\n"
    "        <geom type=\"capsule\" size=\"0.02\" fromto=\"0 0 0 0.3 0 0\" contype=\"0\"/>\n"
    "        <site name=\"tip\" pos=\"0.3 0 0\"/></body></body>\n"
    "  </worldbody>\n"
    "  <actuator><motor name=\"a\" joint=\"a\"/><motor name=\"b\" joint=\"b\"/></actuator>\n"
    "  <sensor>\n"
    "    <jointpos name=\"obs.a\" joint=\"a\"/><jointpos name=\"obs.b\" joint=\"b\"/>\n"
    "    <framelinvel name=\"obs.speed\" objtype=\"site\" objname=\"tip\"/>\n"
    "    <framepos name=\"goal.tip\" objtype=\"site\" objname=\"tip\"/>\n"
    "  </sensor>\n"
    "  <keyframe><key qpos=\"0.4 -0.9\"/></keyframe>\n"
    "</mujoco>\n";

// the rows that the example prints for an episode of telos
static void expect_rows(const char *text, const struct episode *ep, const struct task *task) {
  const char *p = text;
  for (int t = 0; t < ep->T; t++) {
    char *end;
    const double time = strtod(p, &end);
    cr_assert_float_eq(time, t * 0.01, 1e-6);
    for (int i = 0; i < task->goal; i++) {
      const double x = strtod(end, &end);
      cr_assert_float_eq(x, ep->achieved[t * task->goal + i], 1e-6, "step %d: %g", t, x);
    }
    // actions are functions of all that was observed before
    for (int i = 0; i < task->act; i++) {
      const float a = strtof(end, &end);
      cr_assert_eq(a, ep->act[t * task->act + i], "step %d: %.9g", t, (double)a);
    }
    cr_assert_eq(*end, '\n');
    p = end + 1;
  }
  cr_assert_eq(*p, '\0', "more rows than the episode has steps: %s", p);
}

Test(export, a_program_with_mujoco_alone_runs_the_same_episode) {
  const char *model = harness_path("reacher.xml");
  harness_write(model, reacher, sizeof reacher - 1);
  struct task *task = load_task(model);
  struct weights *w = write_policy("policy", task, (const int[]){24, 24}, 2);
  const char *file = export_to("policy", "c", model), *program = harness_path("run_policy");
  const char *mujoco = getenv("TELOS_MUJOCO_LIBRARY"), *include = getenv("TELOS_MUJOCO_INCLUDE");
  cr_assert(mujoco != NULL && include != NULL);
  const char *const argv[] = {
      "cc",
      "-std=c99",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-O2",
      harness_text("-I%s", harness_folder()),
      harness_text("-isystem%s", include),
      harness_text("-Wl,-rpath,%.*s", (int)(strrchr(mujoco, '/') - mujoco), mujoco),
      harness_text("%s/deploy/export/run_policy.c", getenv("TELOS_SOURCE")),
      file,
      mujoco,
      "-lm",
      "-o",
      program,
      NULL};
  compile(argv);
  struct proc *p = proc_start(NULL, program, model, "0.3", "0.2", "0", NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));

  const struct rollout_options opt = {.hindsight = 1};
  const struct dims dims = task_dims(task, opt.hindsight);
  struct rollout *rollout = rollout_new(task, &opt);
  struct episode *ep = episode_new(&dims);
  const struct ticket ticket = {.version = 1, .kind = TICKET_EVAL};
  cr_assert_eq(rollout_run(rollout, ep, &ticket, w, NULL), ERR_OK);
  cr_assert_eq(ep->T, 40);
  expect_rows(proc_stdout(p), ep, task);
  p = proc_start(NULL, program, model, NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
  p = proc_start(NULL, program, harness_path("none.xml"), "0", "0", "0", NULL);
  cr_assert_eq(proc_wait_exit(p), 78);
  episode_free(ep);
  rollout_free(rollout);
  weights_unref(w);
  task_free(task);
}

// ---- files ----

Test(export, equal_policies_are_equal_files) {
  static const char *const formats[] = {"c", "npz", "onnx"};
  struct task *task = load_task("box2d");
  weights_unref(write_policy("one", task, (const int[]){8}, 1));
  weights_unref(write_policy("two", task, (const int[]){8}, 1));
  for (int i = 0; i < 3; i++) {
    harness_assert_same(export_to("one", formats[i], "box2d"),
                        export_to("two", formats[i], "box2d"));
  }
  // beside the policy, when nothing else is said
  struct proc *p = proc_start(NULL, harness_program("telos"), "export",
                              harness_path("one.safetensors"), "--format", "onnx", NULL);
  unlink(harness_path("one.onnx"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  harness_assert_same(harness_path("one.onnx"), harness_path("two.onnx"));
  task_free(task);
}

static void expect_refused(int code, const char *words, const char *what, const char *format,
                           const char *out) {
  struct proc *p = proc_start(NULL, harness_program("telos"), "export", what, "--format", format,
                              "--out", out, NULL);
  cr_assert_eq(proc_wait_exit(p), code, "%s", proc_stderr(p));
  cr_assert(strstr(proc_stderr(p), words) != NULL, "%s: %s", words, proc_stderr(p));
  cr_assert(strchr(proc_stderr(p), '\n')[1] == '\0', "one line: %s", proc_stderr(p));
  cr_assert_not(harness_exists(out));
  cr_assert_not(harness_exists(harness_text("%s.tmp", out)));
}

Test(export, a_mistake_is_told) {
  struct task *task = load_task("box2d");
  weights_unref(write_policy("good", task, (const int[]){8}, 1));
  task_free(task);
  const char *good = harness_path("good.safetensors"), *bad = harness_path("bad.safetensors");
  const char *out = harness_path("out.c");
  harness_write(bad, "garbage", 7);
  expect_refused(64, "expected onnx, c or npz", good, "pdf", out);
  expect_refused(65, "bad.safetensors", bad, "c", out);
  expect_refused(74, "none", harness_path("none"), "c", out);
  expect_refused(74, "folder", good, "c", harness_path("folder/out.c"));
  struct proc *p = proc_start(NULL, harness_program("telos"), "export", good, NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
  p = proc_start(NULL, harness_program("telos"), "export", "--format", "c", NULL);
  cr_assert_eq(proc_wait_exit(p), 64);
  // a disk that is full: no file may become larger than that
  p = proc_start(NULL, "/bin/sh", "-c", "ulimit -f 1; trap '' XFSZ; exec \"$@\"", "sh",
                 harness_program("telos"), "export", good, "--format", "c", "--out", out, NULL);
  cr_assert_eq(proc_wait_exit(p), 74, "%s", proc_stderr(p));
  cr_assert_not(harness_exists(out));
  cr_assert_not(harness_exists(harness_text("%s.tmp", out)));
}
