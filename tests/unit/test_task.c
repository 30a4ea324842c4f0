// test_task.c - loading a task: what it reads, what it refuses and how it says so.
#include "common/task/task.h"

#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/log.h"
#include "tests/unit/source.h"

// ---- what was logged ----

static int log_fd = -1;
static char logged[65536];

static void capture_start(void) {
  log_fd = memfd_create("log", 0);
  cr_assert(log_fd >= 0);
  log_set_file(log_fd);
}

// the lines since capture_start; returns how many
static int capture_stop(void) {
  log_set_file(-1);
  ssize_t n = pread(log_fd, logged, sizeof logged - 1, 0);
  close(log_fd);
  logged[n > 0 ? n : 0] = '\0';
  int lines = 0;
  for (const char *p = logged; *p; p++) {
    lines += *p == '\n';
  }
  return lines;
}

// ---- a small model that follows the convention, and ways to break it ----

static const char good[] =
    "<mujoco model='tiny'>\n"
    "<compiler autolimits='false'/>\n"
    "<option timestep='0.01'/>\n"
    "<size njmax='20' nconmax='5'/>\n"
    "<custom>\n"
    "<numeric name='telos.horizon' data='50'/>\n"
    "<numeric name='telos.frame_skip' data='4'/>\n"
    "<numeric name='telos.action_scale' data='1 3'/>\n"
    "<numeric name='telos.action_noise' data='0.1'/>\n"
    "<numeric name='telos.reset_noise' data='0.5'/>\n"
    "<numeric name='telos.goal_low' data='-1 -2'/>\n"
    "<numeric name='telos.goal_high' data='1 -2'/>\n"
    "<numeric name='telos.success_radius' data='0.25'/>\n"
    "<numeric name='someone.elses' data='7'/>\n"
    "<text name='telos.action_mode' data='ctrl'/>\n"
    "</custom>\n"
    "<worldbody><body><joint name='x' type='slide' axis='1 0 0'/>"
    "<joint name='y' type='slide' axis='0 1 0'/><geom name='ball' size='0.1' mass='1'/></body>"
    "</worldbody>\n"
    "<actuator><motor name='mx' joint='x'/><motor name='my' joint='y'/></actuator>\n"
    "<sensor><jointpos name='goal.x' joint='x'/><jointpos name='obs.x' joint='x'/>"
    "<framepos name='obs.ball' objtype='geom' objname='ball'/><jointvel name='vy' joint='y'/>"
    "<jointpos name='goal.y' joint='y'/></sensor>\n"
    "<keyframe><key name='start' qpos='0.5 -0.5'/></keyframe>\n"
    "</mujoco>\n";

// good with the first occurrence of from replaced by to; free with free()
static char *broken(const char *from, const char *to) {
  const char *at = strstr(good, from);
  cr_assert(at, "the model has no \"%s\"", from);
  char *text = NULL;
  cr_assert(asprintf(&text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)) > 0);
  return text;
}

static enum err load_text(struct task **task, const char *text) {
  return task_from_xml(task, text, strlen(text), "test");
}

Test(task, box2d_is_what_its_sheet_says) {
  struct task *t = source_task("box2d");
  cr_expect_str_eq(t->name, "box2d");
  cr_expect(t->obs == 2 && t->act == 2 && t->goal == 2);
  cr_expect(t->horizon == 100 && t->frame_skip == 10);
  cr_expect(t->action.mode == TASK_CTRL && t->action.naxis == 0);
  cr_expect(t->action.scale[0] == 2 && t->action.scale[1] == 2);
  cr_expect(t->action.noise == 0.2 && t->success_radius == 0.6);
  cr_expect(t->target.base == TASK_GOAL_PLAIN && t->target.hole_low == NULL);
  cr_expect(t->target.low[0] == 3.5 && t->target.low[1] == 2);
  cr_expect(t->target.high[0] == 3.5 && t->target.high[1] == 2);
  cr_expect(t->model->key_qpos[0] == -3.5 && t->model->key_qpos[1] == -2);
  cr_expect_not(t->has_reward);
  cr_expect_eq(t->digest, XXH3_64bits(t->mjb, t->mjb_size));
  const struct dims d = task_dims(t, 4);
  cr_expect(d.obs == 2 && d.act == 2 && d.goal == 2 && d.horizon == 100 && d.hindsight == 4);
  task_free(t);
}

Test(task, convention_is_read_in_file_order) {
  struct task *t = NULL;
  cr_assert_eq(load_text(&t, good), ERR_OK);
  cr_expect_str_eq(t->name, "tiny");
  cr_expect(t->obs == 4 && t->act == 2 && t->goal == 2 && t->horizon == 50 && t->frame_skip == 4);
  const struct task_sensors *obs = &t->sensors[TASK_OBS], *goal = &t->sensors[TASK_GOAL];
  cr_expect(obs->n == 2 && obs->id[0] == 1 && obs->id[1] == 2);
  cr_expect(goal->n == 2 && goal->id[0] == 0 && goal->id[1] == 4);
  cr_expect(obs->adr[0] == 1 && obs->adr[1] == 2 && obs->adr[3] == 4 && goal->adr[1] == 6);
  cr_expect(obs->scale[0] == 1 && obs->scale[3] == 1);
  cr_expect(t->action.scale[0] == 1 && t->action.scale[1] == 3);
  cr_expect(t->reset_noise[0] == 0.5 && t->reset_noise[1] == 0.5);
  cr_expect(t->target.low[0] == -1 && t->target.high[0] == 1);
  cr_expect(t->target.low[1] == -2 && t->target.high[1] == -2);
  cr_expect(t->success_counts[0] && t->success_counts[1]);
  task_free(t);
}

Test(task, optional_elements_have_their_defaults) {
  static const char minimal[] =
      "<mujoco model='m'><custom><numeric name='telos.horizon' data='1'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='1'/></custom>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='1'/></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<jointpos name='goal.x' joint='x'/></sensor></mujoco>";
  struct task *t = NULL;
  cr_assert_eq(load_text(&t, minimal), ERR_OK);
  cr_expect(t->action.scale[0] == 1 && t->action.offset[0] == 0 && t->action.noise == 0);
  cr_expect(t->reset_noise[0] == 0 && t->reset_velocity_noise[0] == 0);
  cr_expect(t->reset_velocity_normal[0] == 0 && t->max_overlap == TASK_NO_LIMIT);
  cr_expect(t->success_radius == 0 && t->target.low[0] == 1 && t->target.high[0] == 1);
  cr_expect(t->target.min_distance == 0 && t->target.napart == 0);
  cr_expect(!t->has_hooks && !t->has_reward && t->reward_alive == 0 && t->control_cost == 0);
  task_free(t);
}

// An actuator with a range is covered by [-1, 1], unless the task says otherwise.
Test(task, actions_cover_the_control_ranges) {
  char *text = broken("<numeric name='telos.action_scale' data='1 3'/>\n", "");
  char *at = strstr(text, "<motor name='mx' joint='x'/>");
  char *limited = NULL;
  cr_assert(asprintf(&limited,
                     "%.*s<motor name='mx' joint='x' ctrllimited='true' "
                     "ctrlrange='0 5'/>%s",
                     (int)(at - text), text, at + strlen("<motor name='mx' joint='x'/>")) > 0);
  struct task *t = NULL;
  cr_assert_eq(load_text(&t, limited), ERR_OK);
  cr_expect(t->action.scale[0] == 2.5 && t->action.offset[0] == 2.5);
  cr_expect(t->action.scale[1] == 1 && t->action.offset[1] == 0);
  task_free(t);
  free(limited);
  free(text);
}

Test(task, numbers_and_actions_have_names) {
  struct task *t = NULL;
  char name[32];
  cr_assert_eq(load_text(&t, good), ERR_OK);
  static const char *const obs[] = {"obs.x", "obs.ball[0]", "obs.ball[1]", "obs.ball[2]"};
  for (int i = 0; i < t->obs; i++) {
    task_number_name(name, sizeof name, t, TASK_OBS, i);
    cr_expect_str_eq(name, obs[i]);
  }
  task_number_name(name, sizeof name, t, TASK_GOAL, 1);
  cr_expect_str_eq(name, "goal.y");
  task_action_name(name, sizeof name, t, 1);
  cr_expect_str_eq(name, "my");
  task_action_name(name, 2, t, 1);
  cr_expect_str_eq(name, "m");
  task_free(t);
}

// The table is still empty while it is drawn: at the start, where goal_distance forbids a goal.
Test(task, rules_for_goals_do_not_stop_their_table_from_being_drawn) {
  static const char text[] =
      "<mujoco model='m'><custom><numeric name='telos.horizon' data='40'/>"
      "<numeric name='telos.frame_skip' data='5'/><numeric name='telos.goal_distance' data='1e-3'/>"
      "</custom><asset><hfield name='telos.goal_table' nrow='5' ncol='1' size='1 1 1 1'/></asset>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' "
      "mass='1'/></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<jointpos name='goal.x' joint='x'/></sensor></mujoco>";
  struct task *t = NULL;
  setenv("XDG_CACHE_HOME", "", 1);
  setenv("HOME", "", 1);
  cr_assert_eq(load_text(&t, text), ERR_OK);
  for (int i = 0; i < t->target.table_rows; i++) {
    cr_expect(fabsf(t->target.table[i]) > 1e-3f, "row %d is %g", i, (double)t->target.table[i]);
  }
  task_free(t);
}

// one broken variant per rule: what is replaced, by what, and what the one line must hold
static const struct {
  const char *from, *to, *expect;
} variants[] = {
    {"model='tiny'", "model='../tiny'", "<mujoco model=\"../tiny\">: expected a name"},
    {"model='tiny'", "", "expected a name of 1 to 63 letters"},
    {"timestep='0.01'", "timestep='100'", "<option timestep=\"100\">: expected seconds"},
    {"<option timestep='0.01'/>", "<option><flag sensornoise='enable'/></option>",
     "sensornoise"},  // MuJoCo 3 refuses it by itself
    {"telos.horizon' data='50'", "telos.horizon' data='0'", "\"telos.horizon\" is 0; expected"},
    {"telos.horizon' data='50'", "telos.horizon' data='65536'", "\"telos.horizon\" is 65536"},
    {"telos.horizon' data='50'", "telos.horizon' data='10.5'", "is 10.5; expected a whole number"},
    {"telos.horizon' data='50'", "telos.horizon' data='5 5'", "has 2 values; expected one"},
    {"telos.horizon' data='50'", "telos.horizon' data='1e300'",
     "\"telos.horizon\": value 0 is 1e+300; expected a finite number"},
    {"<numeric name='telos.horizon' data='50'/>", "",
     "\"telos.horizon\" is missing; expected a whole number in [1, 65535]"},
    {"<numeric name='telos.frame_skip' data='4'/>", "", "\"telos.frame_skip\" is missing"},
    {"telos.frame_skip' data='4'", "telos.frame_skip' data='10001'", "\"telos.frame_skip\" is"},
    {"telos.action_scale' data='1 3'", "telos.action_scale' data='1 2 3'",
     "\"telos.action_scale\" has 3 values; expected one, or one for each of 2 actions"},
    {"telos.action_scale' data='1 3'", "telos.action_scale' data='1 0'",
     "\"telos.action_scale\": value 1 is 0; expected a positive number"},
    {"telos.action_scale' data='1 3'", "telos.action_scale' data='-1'", "expected a positive"},
    {"telos.action_noise' data='0.1'", "telos.action_noise' data='-0.1'",
     "\"telos.action_noise\" is -0.1; expected a number in [0, 100]"},
    {"telos.reset_noise' data='0.5'", "telos.reset_noise' data='1 2 3'",
     "one for each of 2 position coordinates (nq)"},
    {"telos.reset_noise' data='0.5'", "telos.reset_noise' data='-1'", "a non-negative number"},
    {"telos.success_radius' data='0.25'", "telos.success_radius' data='-1'",
     "\"telos.success_radius\" is -1"},
    {"<numeric name='telos.goal_low' data='-1 -2'/>", "",
     "numeric \"telos.goal_low\" is missing; \"telos.goal_high\" needs it"},
    {"<numeric name='telos.goal_low' data='-1 -2'/>\n<numeric name='telos.goal_high' data='1 -2'/>",
     "", "the goal is missing; expected numeric \"telos.goal\""},
    {"<numeric name='someone.elses' data='7'/>", "<numeric name='telos.goal' data='0 0'/>",
     "the goal is given twice"},
    {"telos.goal_low' data='-1 -2'", "telos.goal_low' data='-1 -2 -3'",
     "\"telos.goal_low\" has 3 values; the sensors \"goal.*\" have 2"},
    {"telos.goal_low' data='-1 -2'", "telos.goal_low' data='-1 -1'",
     "\"telos.goal_low\": value 1 is -1, above telos.goal_high's -2"},
    {"telos.success_radius", "telos.sucess_radius",
     "numeric \"telos.sucess_radius\" is unknown; the nearest name is \"telos.success_radius\""},
    {"telos.action_mode", "telos.acton_mode",
     "text \"telos.acton_mode\" is unknown; the nearest name is \"telos.action_mode\""},
    {"<text name='telos.action_mode' data='ctrl'/>", "<text name='telos.goal' data='x'/>",
     "\"telos.goal\" is a <text>; expected a <numeric>"},
    {"data='ctrl'", "data='torque'",
     "text \"telos.action_mode\" is \"torque\"; expected ctrl, mocap or mocap_relative"},
    {"<actuator><motor name='mx' joint='x'/><motor name='my' joint='y'/></actuator>", "<!-- -->",
     "the model has 0 actuators; expected 1 to 4096"},
    {"<jointpos name='obs.x' joint='x'/>",
     "<user name='obs.x' objtype='geom' objname='ball' needstage='pos' dim='1' datatype='real'/>",
     "sensor \"obs.x\" is a user sensor"},
    {"<jointpos name='obs.x' joint='x'/>",
     "<user name='obs.x' objtype='geom' objname='ball' needstage='pos' dim='5000' "
     "datatype='real'/>",
     "to 5000 numbers; expected at most 4096"},
    {"qpos='0.5 -0.5'", "qpos='1e200 0'", "the first <key> has a position or velocity"},
    {"qpos='0.5 -0.5'", "qpos='1 2 3'", "cannot compile it"},
    {"<jointvel name='vy'", "<jointvel name='obs.x'", "repeated name"},
    {"</sensor>", "", "cannot compile it"},
    {"joint='y'/></actuator>", "joint='nowhere'/></actuator>", "nowhere"},
    {"<compiler", "<compilr", "compilr"},
};

Test(task, every_broken_variant_is_refused_by_name) {
  for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
    char *text = broken(variants[i].from, variants[i].to);
    struct task *task = NULL;
    capture_start();
    const enum err err = load_text(&task, text);
    const int lines = capture_stop();
    cr_expect_eq(err, ERR_CONFIG, "variant %zu (%s)", i, variants[i].expect);
    cr_expect_null(task);
    cr_expect(lines >= 1 && strstr(logged, " task test: ") != NULL, "variant %zu", i);
    cr_expect(strstr(logged, variants[i].expect) != NULL, "variant %zu: expected \"%s\" in:\n%s", i,
              variants[i].expect, logged);
    free(text);
  }
}

Test(task, sensors_are_required) {
  static const char *const prefix[2] = {"obs.", "goal."};
  for (int i = 0; i < 2; i++) {
    char *text = strdup(good);
    for (char *p; (p = strstr(strstr(text, "<sensor>"), prefix[i]));) {
      *p = 'x';
    }
    struct task *task = NULL;
    capture_start();
    cr_expect_eq(load_text(&task, text), ERR_CONFIG);
    capture_stop();
    char expect[64];
    snprintf(expect, sizeof expect, "no sensor is named \"%s*\"", prefix[i]);
    cr_expect(strstr(logged, expect), "%s", logged);
    free(text);
  }
}

Test(task, all_mistakes_are_told_at_once) {
  static const char bad[] =
      "<mujoco model='a b'><custom><numeric name='telos.horizn' data='10'/>"
      "<numeric name='telos.frame_skip' data='0.5'/></custom>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='1'/></body></worldbody></mujoco>";
  struct task *task = NULL;
  capture_start();
  cr_expect_eq(load_text(&task, bad), ERR_CONFIG);
  const int lines = capture_stop();
  // name, unknown horizn, missing horizon, frame_skip, obs, goal, actuators
  cr_expect_eq(lines, 7, "%s", logged);
  cr_expect(strstr(logged, "\"telos.horizn\" is unknown; the nearest name is \"telos.horizon\""));
}

Test(task, compiler_text_is_one_line) {
  struct task *task = NULL;
  capture_start();
  cr_expect_eq(load_text(&task, "<mujoco>\n\n<worldbody>"), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1, "%s", logged);
  capture_start();
  cr_expect_eq(task_from_xml(&task, "", 0, "test"), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1, "%s", logged);
}

// A stack in <size> that suffices for the default state but not for the contacts of the keyframe:
// MuJoCo calls its fatal error handler. Later versions size their memory by themselves.
Test(task, fatal_errors_of_the_engine_are_caught) {
  static const char small_stack[] =
      "<mujoco model='m'><size njmax='40' nconmax='20' nstack='230'/>"
      "<custom><numeric name='telos.horizon' data='1'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='1'/></custom>"
      "<worldbody><geom type='plane' size='1 1 1'/><body pos='0 0 9'><freejoint/>"
      "<geom type='box' size='.1 .1 .1'/><body><joint name='x' type='slide'/>"
      "<geom pos='0 0 1' size='.1'/></body></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<jointpos name='goal.x' joint='x'/></sensor>"
      "<keyframe><key qpos='0 0 0.09 1 0 0 0 0'/></keyframe></mujoco>";
  if (mj_version() >= 230) {
    return;
  }
  struct task *task = NULL;
  capture_start();
  cr_expect_eq(load_text(&task, small_stack), ERR_CONFIG);
  capture_stop();
  cr_expect(strstr(logged, "MuJoCo cannot simulate the first <key>: "), "%s", logged);
  cr_expect_eq(load_text(&task, good), ERR_OK);
  task_free(task);
}

Test(task, mjb_round_trip) {
  struct task *a = source_task("box2d"), *b = NULL;
  cr_assert_eq(task_from_mjb(&b, a->mjb, a->mjb_size), ERR_OK);
  cr_expect_eq(a->digest, b->digest);
  cr_expect(a->mjb_size == b->mjb_size && memcmp(a->mjb, b->mjb, a->mjb_size) == 0);
  cr_expect_str_eq(a->name, b->name);
  cr_expect(a->obs == b->obs && a->goal == b->goal && a->horizon == b->horizon);
  cr_expect(b->target.low[1] == 2 && b->action.noise == 0.2);
  task_free(a);
  task_free(b);
}

static void write_file(const char *folder, const char *name, const void *data, size_t n) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, "%s", path);
}

// Files beside the task are needed where it is compiled, and nowhere else.
Test(task, meshes_and_textures_travel_inside_the_compiled_model) {
  static const char tetrahedron[] =
      "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";
  // 2 x 2 pixels of red and green
  static const unsigned char png[] = {
      137, 80,  78, 71,  13,  10, 26,  10,  0,   0,   0,   13,  73,  72,  68, 82, 0,  0,   0,
      2,   0,   0,  0,   2,   8,  2,   0,   0,   0,   253, 212, 154, 115, 0,  0,  0,  17,  73,
      68,  65,  84, 120, 218, 99, 248, 207, 192, 192, 240, 31,  140, 128, 24, 0,  29, 240, 3,
      253, 174, 63, 226, 56,  0,  0,   0,   0,   73,  69,  78,  68,  174, 66, 96, 130};
  static const char xml[] =
      "<mujoco model='m'><custom><numeric name='telos.horizon' data='5'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='1'/></custom>"
      "<asset><mesh name='tet' file='tet.obj' scale='0.1 0.1 0.1'/>"
      "<texture name='skin' type='2d' file='skin.png'/><material name='skin' "
      "texture='skin'/></asset>"
      "<worldbody><body><joint name='x' type='slide'/>"
      "<geom type='mesh' mesh='tet' material='skin'/></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<jointpos name='goal.x' joint='x'/></sensor></mujoco>";
  char folder[] = "/tmp/telos-mesh-XXXXXX", path[300];
  static const char *const names[] = {"tet.obj", "skin.png", "task.xml"};
  cr_assert_not_null(mkdtemp(folder));
  write_file(folder, names[0], tetrahedron, sizeof tetrahedron - 1);
  write_file(folder, names[1], png, sizeof png);
  write_file(folder, names[2], xml, sizeof xml - 1);
  snprintf(path, sizeof path, "%s/task.xml", folder);
  struct task *here = NULL, *there = NULL;
  const enum err err = task_load(&here, path);
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
  cr_assert_eq(err, ERR_OK);
  cr_assert_eq(task_from_mjb(&there, here->mjb, here->mjb_size), ERR_OK);
  const mjModel *m = there->model;
  cr_expect_eq(there->digest, here->digest);
  cr_expect(m->nmesh == 1 && m->nmeshvert >= 4 && m->nmeshface == 4);
  cr_expect(m->ntex == 1 && m->ntexdata >= 12 && m->tex_width[0] == 2);
  task_free(here);
  task_free(there);
}

// 13,500 x 13,500 x 3 bytes of texture
Test(task, a_model_that_is_too_large_is_told_with_its_size) {
  static const char xml[] =
      "<mujoco model='m'><custom><numeric name='telos.horizon' data='5'/>"
      "<numeric name='telos.frame_skip' data='1'/><numeric name='telos.goal' data='1'/></custom>"
      "<asset><texture name='t' type='2d' builtin='flat' rgb1='1 0 0' width='13500' "
      "height='13500'/></asset>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='1'/></body></worldbody>"
      "<actuator><motor joint='x'/></actuator><sensor><jointpos name='obs.x' joint='x'/>"
      "<jointpos name='goal.x' joint='x'/></sensor></mujoco>";
  struct task *task = NULL;
  capture_start();
  cr_expect_eq(load_text(&task, xml), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1, "%s", logged);
  cr_expect(strstr(logged, "has 522 MiB; expected at most 512") && strstr(logged, "discardvisual"),
            "%s", logged);
}

Test(task, damaged_mjb_is_refused) {
  struct task *a = source_task("box2d"), *b = NULL;
  const size_t n = a->mjb_size;
  unsigned char *bytes = malloc(n + 8);
  memset(bytes, 0, n + 8);
  memcpy(bytes, a->mjb, n);
  const size_t cut[] = {0, 3, 15, 16, 100, n / 2, n - 1, n + 8};
  for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
    capture_start();
    cr_expect_eq(task_from_mjb(&b, bytes, cut[i]), ERR_FORMAT, "%zu bytes", cut[i]);
    cr_expect(capture_stop() >= 1);
  }
  // one byte of the sizes or the references behind them: never accepted as another model
  for (size_t i = 16; i < 16 + 4 * 60; i += 4) {
    struct task *c = NULL;
    bytes[i] ^= 1;
    capture_start();
    if (task_from_mjb(&c, bytes, n) == ERR_OK) {
      cr_expect_neq(c->digest, a->digest);
      task_free(c);
    }
    capture_stop();
    bytes[i] ^= 1;
  }
  // the layout of another version
  bytes[8] ^= 1;
  capture_start();
  cr_expect_eq(task_from_mjb(&b, bytes, n), ERR_FORMAT);
  capture_stop();
  cr_expect(strstr(logged, "need the same MuJoCo version"), "%s", logged);
  cr_expect_null(b);
  free(bytes);
  task_free(a);
}

// The digest identifies runs: it must not depend on the process that compiled the model. A child
// with a different heap and environment sends its own.
Test(task, digest_is_the_same_in_another_process) {
  struct task *a = source_task("box2d"), *b = source_task("box2d");
  cr_expect_eq(a->digest, b->digest);
  int fds[2];
  cr_assert_eq(pipe(fds), 0);
  char path[4200], self[4200];
  snprintf(path, sizeof path, "%s", source_path("actor/tasks/box2d.xml"));
  const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
  cr_assert(len > 0);
  self[len] = '\0';
  const pid_t child = fork();
  if (child == 0) {
    char fd[16];
    snprintf(fd, sizeof fd, "%d", fds[1]);
    setenv("TEST_TASK_DIGEST_FD", fd, 1);
    setenv("TEST_TASK_DIGEST_OF", path, 1);
    setenv("MALLOC_PERTURB_", "90", 1);
    execl(self, self, (char *)NULL);
    _exit(1);
  }
  close(fds[1]);
  uint64_t digest = 0;
  cr_expect_eq(read(fds[0], &digest, sizeof digest), (ssize_t)sizeof digest);
  close(fds[0]);
  waitpid(child, NULL, 0);
  cr_expect_eq(digest, a->digest);
  task_free(a);
  task_free(b);
}

// in the child of the test above: answers before Criterion starts
static void __attribute__((constructor)) answer_digest(void) {
  const char *fd = getenv("TEST_TASK_DIGEST_FD");
  if (!fd) {
    return;
  }
  // other contents of the heap than in the parent
  void *junk[200];
  for (size_t i = 0; i < 200; i++) {
    junk[i] = malloc(64 + i * 97);
    memset(junk[i], (int)(i * 37 + 11), 64 + i * 97);
  }
  for (int i = 0; i < 200; i++) {
    free(junk[i]);
  }
  struct task *task = NULL;
  if (task_load(&task, getenv("TEST_TASK_DIGEST_OF")) != ERR_OK ||
      write((int)strtol(fd, NULL, 10), &task->digest, sizeof task->digest) != sizeof task->digest) {
    _exit(1);
  }
  _exit(0);
}

Test(task, found_by_name_in_the_task_path) {
  char path[4300];
  struct task *task = NULL;
  snprintf(path, sizeof path, "/nonexistent:%s", source_path("actor/tasks"));
  setenv("TELOS_TASK_PATH", path, 1);
  cr_assert_eq(task_load(&task, "box2d"), ERR_OK);
  task_free(task);
  task = NULL;
  capture_start();
  cr_expect_eq(task_load(&task, "box3d"), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1);
  cr_expect(strstr(logged, "task box3d: not found in /nonexistent, ") && strstr(logged, "box2d"),
            "%s", logged);
  capture_start();
  cr_expect_eq(task_load(&task, "./none.xml"), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1);
  cr_expect(strstr(logged, "task ./none.xml: cannot be read: No such file"), "%s", logged);
  capture_start();
  cr_expect_eq(task_load(&task, ""), ERR_CONFIG);
  cr_expect_eq(capture_stop(), 1);
  cr_expect_null(task);
}
