// test_script.c - scripts: rows and their mistakes, and set-points turned into actions.
#include "actor/script.h"

#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/task/task.h"
#include "tests/unit/capture.h"

static struct script *parse(const char *text, int act) {
  struct script *s = NULL;
  cr_assert_eq(script_parse(&s, text, strlen(text), "a.txt", act), ERR_OK);
  return s;
}

// the message of a text that is refused
static const char *refusal(const char *text, size_t n, int act) {
  struct script *s = NULL;
  capture_begin();
  const enum err err = script_parse(&s, text, n, "a.txt", act);
  const char *message = capture_end();
  cr_assert_eq(err, ERR_CONFIG, "%s", text);
  cr_assert_null(s);
  cr_assert_eq(strchr(message, '\n'), message + strlen(message) - 1, "one line: %s", message);
  return message;
}

// a new file that holds text
static void write_file(char path[32], const char *text) {
  snprintf(path, 32, "/tmp/test_script_XXXXXX");
  const int fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  const ssize_t n = write(fd, text, strlen(text));
  cr_assert_eq(n, (ssize_t)strlen(text));
  close(fd);
}

Test(script, rows_are_held_and_the_last_goes_on) {
  static const double scale[2] = {2, 2};
  const struct task task = {.act = 2, .action = {.scale = (double *)(uintptr_t)scale}};
  const mjData d = {0};
  struct script *s = parse("# x y steps\n\n  0.5 -1 2  # slow\r\n\t1e-1\t3\t1\n-7 .25 1", 2);
  cr_expect_eq(script_steps(s), 4);
  static const float expected[6][2] = {{0.5f, -1},  {0.5f, -1},  {0.1f, 1},
                                       {-1, 0.25f}, {-1, 0.25f}, {-1, 0.25f}};
  for (int t = 0; t < 6; t++) {
    float a[2];
    script_action(s, a, &task, &d, t);
    // no mocap axes: numbers are actions as they are, cut to [-1, 1], whatever the scale
    cr_expect(a[0] == expected[t][0] && a[1] == expected[t][1], "step %d: %g %g", t, (double)a[0],
              (double)a[1]);
  }
  script_free(s);
}

static const char hand_xml[] =
    "<mujoco><worldbody><body name='m' mocap='true'/><body name='n' mocap='true'/>"
    "<body name='h'><geom size='0.1'/><freejoint/></body></worldbody></mujoco>";

// targets on the axes that the task lists, from the set-point or from the hand
Test(script, mocap_axes_are_targets) {
  char path[32], error[200];
  write_file(path, hand_xml);
  mjModel *m = mj_loadXML(path, NULL, error, sizeof error);
  remove(path);
  cr_assert_not_null(m, "%s", error);
  mjData *d = mj_makeData(m);
  static const double point[3] = {0.1, 0.2, 0.3}, hand[3] = {1, 2, 3};
  memcpy(d->mocap_pos + 3, point, sizeof point);
  memcpy(d->qpos, hand, sizeof hand);
  mj_kinematics(m, d);

  static const double scale[3] = {0.5, 0.25, 1};
  struct task task = {.act = 3,
                      .action = {.mode = TASK_MOCAP,
                                 .naxis = 2,
                                 .axis = {0, 2},
                                 .mocap = 1,
                                 .hand = 3,
                                 .scale = (double *)(uintptr_t)scale}};
  struct script *s = parse("0.2 0.25 -0.5 10", 3);
  float a[3];
  script_action(s, a, &task, d, 0);
  cr_expect_float_eq(a[0], 0.2, 1e-6);   // (0.2 - 0.1) / 0.5
  cr_expect_float_eq(a[1], -0.2, 1e-6);  // (0.25 - 0.3) / 0.25
  cr_expect_eq(a[2], -0.5f);

  task.action.mode = TASK_MOCAP_RELATIVE;
  d->mocap_pos[3] = 100;  // plays no part
  script_action(s, a, &task, d, 9);
  cr_expect_eq(a[0], -1.0f);  // (0.2 - 1) / 0.5, cut
  cr_expect_eq(a[1], -1.0f);
  cr_expect_eq(a[2], -0.5f);
  script_free(s);

  s = parse("1.25 3.1 0 10", 3);
  script_action(s, a, &task, d, 0);
  cr_expect_float_eq(a[0], 0.5, 1e-6);
  cr_expect_float_eq(a[1], 0.4, 1e-6);
  script_free(s);
  mj_deleteData(d);
  mj_deleteModel(m);
}

Test(script, mistakes_name_file_and_line) {
  static const struct {
    const char *text, *line, *what;
  } bad[] = {
      {"1 2 3\n1 2\n", "line 2", "too few"},
      {"1 2 3 4\n", "line 1", "too many"},
      {"\n\n1 2 0\n", "line 3", "at least 1"},
      {"1 2 1.5\n", "line 1", "whole"},
      {"1 2 65535\n1 2 1\n", "line 2", "65535 in all"},
      {"1 2 1e300\n", "line 1", "not a row of numbers"},
      {"1 two 3\n", "line 1", "not a row of numbers"},
      {"1 2x 3\n", "line 1", "not a row of numbers"},
      {"1,2,3\n", "line 1", "not a row of numbers"},
      {"nan 2 3\n", "line 1", "not a row of numbers"},
      {"1 inf 3\n", "line 1", "not a row of numbers"},
      {"# nothing\n\n", "a.txt", "no row"},
      {"", "a.txt", "no row"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *message = refusal(bad[i].text, strlen(bad[i].text), 2);
    cr_expect(strstr(message, "a.txt") && strstr(message, bad[i].line) &&
                  strstr(message, bad[i].what) && strstr(message, "expected 2 numbers"),
              "%s gave %s", bad[i].text, message);
  }
  cr_expect_not_null(strstr(refusal("1 2 3\0", 6, 2), "not a text file"));
}

Test(script, too_many_rows_and_missing_files_are_refused) {
  static char text[4097 * 4 + 1];
  for (int i = 0; i < 4097; i++) {
    memcpy(text + 4 * i, "0 1\n", 4);
  }
  cr_expect_not_null(strstr(refusal(text, sizeof text - 1, 1), "line 4097: more than 4096 rows"));
  text[4096 * 4] = '\0';
  struct script *s = parse(text, 1);
  cr_expect_eq(script_steps(s), 4096);
  script_free(s);

  capture_begin();
  const enum err err = script_read(&s, "/nowhere/a.txt", 1);
  const char *message = capture_end();
  cr_expect_eq(err, ERR_IO);
  cr_expect_not_null(strstr(message, "/nowhere/a.txt"), "%s", message);
}

Test(script, a_file_reads_as_its_text) {
  char path[32];
  write_file(path, "# one\n0.25 7\n");
  struct script *s = NULL;
  const enum err err = script_read(&s, path, 1);
  remove(path);
  cr_assert_eq(err, ERR_OK);
  cr_expect_eq(script_steps(s), 7);
  script_free(s);
}
