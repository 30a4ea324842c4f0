// test_mj.c - MuJoCo's fatal errors and warnings, and models in and out of memory.
#include "common/task/mj.h"

#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/capture.h"

static const char ball[] =
    "<mujoco model='ball'><worldbody><geom type='plane' size='1 1 1'/>"
    "<body pos='0 0 0.09'><freejoint/><geom size='0.1'/></body></worldbody></mujoco>";

static mjModel *load(const char *xml) {
  char text[256];
  mjModel *m = mj_load_text("", xml, strlen(xml), text, sizeof text);
  cr_assert_not_null(m, "%s", text);
  cr_assert_str_eq(text, "");
  return m;
}

static void do_nothing(void *ctx) {
  ++*(int *)ctx;
}

static void warn(void *ctx) {
  (void)ctx;
  mju_warning("first");
  mju_warning("two\n  lines  ");
}

static void fail(void *ctx) {
  (void)ctx;
  mju_error("over\nand out");
}

Test(mj, what_returns_returns) {
  char text[64] = "old";
  int calls = 0;
  cr_expect(mj_try(do_nothing, &calls, text, sizeof text));
  cr_expect_eq(calls, 1);
  cr_expect_str_eq(text, "");
  capture_begin();
  const bool back = mj_try(warn, NULL, text, sizeof text);
  const char *logged = capture_end();
  cr_expect(back);
  cr_expect_str_eq(logged, "");
  cr_expect_str_eq(text, "two lines");
}

Test(mj, fatal_error_comes_back_with_its_text) {
  char text[64], little[5];
  for (int i = 0; i < 3; i++) {
    cr_expect(!mj_try(fail, NULL, text, sizeof text));
    cr_expect_str_eq(text, "over and out");
  }
  cr_expect(!mj_try(fail, NULL, little, sizeof little));
  cr_expect_str_eq(little, "over");
}

Test(mj, outside_of_mj_try_warnings_are_lines) {
  char text[64];
  int calls = 0;
  cr_expect(mj_try(do_nothing, &calls, text, sizeof text));
  capture_begin();
  warn(NULL);
  const char *logged = capture_end();
  cr_expect(strstr(logged, "MuJoCo: first (further"), "%s", logged);
  cr_expect(!strstr(logged, "lines"), "%s", logged);
}

Test(mj, outside_of_mj_try_a_fatal_error_aborts, .signal = SIGABRT) {
  char text[64];
  int calls = 0;
  cr_expect(mj_try(do_nothing, &calls, text, sizeof text));
  fail(NULL);
}

struct nested {
  bool inner;
  char text[64];
  bool go_on;
};

static void try_inside(void *ctx) {
  struct nested *n = ctx;
  n->inner = mj_try(fail, NULL, n->text, sizeof n->text);
  if (n->go_on) {
    mju_error("outer");
  }
}

Test(mj, nested) {
  for (int go_on = 0; go_on < 2; go_on++) {
    struct nested n = {.inner = true, .go_on = go_on != 0};
    char text[64];
    cr_expect_eq(mj_try(try_inside, &n, text, sizeof text), go_on == 0);
    cr_expect(!n.inner);
    cr_expect_str_eq(n.text, "over and out");
    cr_expect_str_eq(text, go_on ? "outer" : "");
  }
}

// ---- a fatal error in the middle of the engine ----

struct sim {
  const mjModel *m;
  mjData *d;
};

static void step(void *ctx) {
  struct sim *s = ctx;
  s->d = mj_makeData(s->m);
  mj_step(s->m, s->d);
}

static void fatal_control(const mjModel *m, mjData *d) {
  (void)m;
  (void)d;
  mju_error("control");
}

static void try_steps(const mjModel *m, bool expect) {
  char text[64];
  struct sim s = {.m = m};
  cr_expect_eq(mj_try(step, &s, text, sizeof text), expect);
  cr_expect_str_eq(text, expect ? "" : "control");
  cr_expect_not_null(s.d);
  mj_deleteData(s.d);
}

Test(mj, fatal_error_in_a_step) {
  mjModel *m = load(ball);
  try_steps(m, true);
  mjcb_control = fatal_control;
  for (int i = 0; i < 10; i++) {
    try_steps(m, false);
  }
  mjcb_control = NULL;
  try_steps(m, true);
  mj_deleteModel(m);
}

static void *many_failures(void *ctx) {
  intptr_t wrong = 0;
  for (int i = 0; i < 1000; i++) {
    char text[64];
    struct nested n = {.inner = true, .go_on = i % 2 != 0};
    const bool back = mj_try(try_inside, &n, text, sizeof text);
    wrong += back == n.go_on || n.inner || strcmp(text, n.go_on ? "outer" : "") != 0;
  }
  (void)ctx;
  return (void *)wrong;
}

Test(mj, every_thread_has_its_own) {
  pthread_t thread[4];
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(pthread_create(&thread[i], NULL, many_failures, NULL), 0);
  }
  for (int i = 0; i < 4; i++) {
    void *wrong = NULL;
    pthread_join(thread[i], &wrong);
    cr_expect_null(wrong);
  }
}

// ---- models ----

Test(mj, what_cannot_be_loaded_has_a_reason) {
  static const char *const bad[] = {
      " ", "<mujoco>", "<mujoco><worldbody><body><freejoint/></body></worldbody></mujoco>",
      "<mujoco><size nuserdata='2000000000'/><worldbody><bad/></worldbody></mujoco>"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[256] = "";
    cr_expect_null(mj_load_text("", bad[i], strlen(bad[i]), text, sizeof text));
    cr_expect(text[0] != '\0' && !strchr(text, '\n'), "%s: %s", bad[i], text);
  }
  char text[256] = "";
  cr_expect_null(mj_load_xml("/nonexistent.xml", text, sizeof text));
  cr_expect(text[0] != '\0');
}

Test(mj, compiled_model_comes_back) {
  char text[256];
  mjModel *m = load(ball);
  size_t n = 0, again_n = 0;
  void *mjb = mj_save_mjb(m, &n);
  cr_assert_not_null(mjb);
  mjModel *copy = mj_load_mjb(mjb, n, text, sizeof text);
  cr_assert_not_null(copy, "%s", text);
  void *again = mj_save_mjb(copy, &again_n);
  cr_expect(again_n == n && memcmp(again, mjb, n) == 0);
  free(again);
  mj_deleteModel(copy);
  mj_deleteModel(m);

  // each number of the header says that this is another version
  for (size_t i = 0; i < 4; i++) {
    ((unsigned char *)mjb)[4 * i] ^= 1;
    cr_expect_null(mj_load_mjb(mjb, n, text, sizeof text));
    cr_expect(strstr(text, "the same MuJoCo version"), "%s", text);
    ((unsigned char *)mjb)[4 * i] ^= 1;
  }
  // every length but the right one
  for (size_t len = 0; len < n; len += len < 1000 ? 1 : 97) {
    cr_expect_null(mj_load_mjb(mjb, len, text, sizeof text), "%zu bytes", len);
    cr_expect(text[0] != '\0');
  }
  free(mjb);
}

Test(mj, controls_have_the_names_of_actuators) {
  mjModel *m = load(
      "<mujoco><worldbody><body><joint name='x' axis='1 0 0'/><geom size='1'/></body></worldbody>"
      "<actuator><motor joint='x'/><position name='servo' joint='x'/></actuator></mujoco>");
  cr_expect_null(mj_control_name(m, 0));
  cr_expect_str_eq(mj_control_name(m, 1), "servo");
  mj_deleteModel(m);
}

// Later versions have no such noise, and refuse the flag.
Test(mj, sensor_noise_is_seen) {
  mjModel *m = load(ball);
  cr_expect(!mj_has_sensor_noise(m));
  mj_deleteModel(m);
  if (mj_version() < 300) {
    m = load("<mujoco><option><flag sensornoise='enable'/></option></mujoco>");
    cr_expect(mj_has_sensor_noise(m));
    mj_deleteModel(m);
  }
}
