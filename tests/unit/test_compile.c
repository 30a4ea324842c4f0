// test_compile.c - a model in a folder of its own is found with all it names, and a message names
// file, line and remedy.
#include "common/task/compile.h"

#include <criterion/criterion.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/task/mjcf.h"

// ---- files of a test ----

static char folder[4096], said[4096];

// a folder of the test's own
static void begin(void) {
  const char *tmp = getenv("TELOS_TEST_TMP");
  cr_assert(!tmp || fsio_mkdirs(tmp) == ERR_OK);
  snprintf(folder, sizeof folder, "%.4000s/test_compile_XXXXXX", tmp ? tmp : "/tmp");
  cr_assert(mkdtemp(folder));
}

static void end(void) {
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

static const char *place(const char *name) {
  static char path[8192];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

// a file of the test's folder, in a folder that may be new
static void put(const char *name, const char *text) {
  char path[8192];
  snprintf(path, sizeof path, "%s", place(name));
  *strrchr(path, '/') = '\0';
  cr_assert_eq(fsio_mkdirs(path), ERR_OK);
  cr_assert_eq(fsio_write_atomic(place(name), text, strlen(text)), ERR_OK);
}

// compiles; what was said is in said
static mjModel *compile(const char *name) {
  return compile_file(place(name), said, sizeof said);
}

static void expect_meshes(const char *name, int n) {
  mjModel *m = compile(name);
  cr_expect(m && m->nmesh == n, "%s: %d meshes; %s", name, m ? (int)m->nmesh : -1, said);
  cr_expect_str_empty(said);
  mj_deleteModel(m);
}

// refused, with all of these words
static void expect_refusal(const char *name, const char *const *words) {
  cr_assert_null(compile(name), "%s is accepted", name);
  for (; *words; words++) {
    cr_expect(strstr(said, *words) != NULL, "%s: no \"%s\" in\n%s", name, *words, said);
  }
}

#define REFUSED(name, ...) expect_refusal(name, (const char *const[]){__VA_ARGS__, NULL})

// ---- a robot with a mesh, in a folder of its own ----

static const char tetra[] =
    "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";

static const char arm[] =
    "<mujoco model='arm'>\n"
    "  <!-- <include file='nowhere.xml'/> -->\n"
    "  %s\n"
    "  <asset><mesh name='tetra' file='tetra.obj'/></asset>\n"
    "  <worldbody><body name='arm'><joint name='j' type='hinge' axis='0 0 1' damping='0.5'/>\n"
    "    <geom type='mesh' mesh='tetra'/></body></worldbody>\n"
    "</mujoco>\n";

static void put_arm(const char *name, const char *compiler) {
  char text[1024];
  snprintf(text, sizeof text, arm, compiler);
  put(name, text);
}

static void put_wrapper(const char *name, const char *before, const char *file, const char *after) {
  char text[9000];
  snprintf(text, sizeof text, "<mujoco model='w'>\n%s<include file=\"%s\"/>%s\n</mujoco>", before,
           file, after);
  put(name, text);
}

static void put_robot(void) {
  put("robot/assets/tetra.obj", tetra);
  put_arm("robot/arm.xml", "<compiler meshdir='assets'/>");
  put("robot/scene.xml",
      "<mujoco model='scene'><include file='arm.xml'/><worldbody><geom type='plane' "
      "size='1 1 0.1'/></worldbody></mujoco>");
}

// as the page has it; with the folder told behind, before; by a scene that includes the robot
Test(compile, a_robot_in_a_folder_of_its_own_keeps_its_meshes) {
  static const char there[] = "<compiler meshdir='robot/assets'/>";
  begin();
  put_robot();
  put_wrapper("documented.xml", "", "robot/arm.xml", "");
  put_wrapper("behind.xml", "", "robot/arm.xml", there);
  put_wrapper("before.xml", there, "robot/arm.xml", "");
  put_wrapper("scene.xml", "", "robot/scene.xml", "");
  put_wrapper("scene_behind.xml", "", "robot/scene.xml", there);
  put_wrapper("robot/beside.xml", "", "scene.xml", "");
  put_wrapper("inner/deep/wrapper.xml", "", "../../robot/scene.xml", "");
  put("long.xml", "<mujoco model='l'><include file='robot/scene.xml'>\n</include ></mujoco>");
  static const char *const forms[] = {"documented.xml",
                                      "behind.xml",
                                      "before.xml",
                                      "scene.xml",
                                      "scene_behind.xml",
                                      "robot/beside.xml",
                                      "inner/deep/wrapper.xml",
                                      "long.xml"};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    expect_meshes(forms[i], 1);
  }
  // from the working folder, too
  cr_assert_eq(chdir(folder), 0);
  mjModel *m = compile_file("documented.xml", said, sizeof said);
  cr_expect(m && m->nmesh == 1, "%s", said);
  mj_deleteModel(m);
  // an absolute path is one
  char path[8192];
  snprintf(path, sizeof path, "%s", place("robot/arm.xml"));
  put_wrapper("absolute.xml", "", path, "");
  expect_meshes("absolute.xml", 1);
  end();
}

// two robots, each with a folder of its own; the folder set by the file that includes; by none
Test(compile, every_name_is_from_the_file_that_has_it) {
  begin();
  put("a/assets/tetra.obj", tetra);
  put_arm("a/arm.xml", "<compiler meshdir='assets'/>");
  put("b/stl/other.obj", tetra);
  put("b/arm.xml",
      "<?xml version='1.0'?><mujoco><compiler meshdir=\"stl\" texturedir='stl'/><asset>"
      "<mesh name='other' file='other.obj'/><texture type='2d' builtin='flat' width='4' height='4' "
      "name='t'/></asset><worldbody><geom type='mesh' mesh='other'/></worldbody></mujoco>");
  put("two.xml",
      "<mujoco model='two'><include file='a/arm.xml'/><include file='b/arm.xml'/></mujoco>");
  expect_meshes("two.xml", 2);

  put_arm("c/bare.xml", "");
  put("c/main.xml",
      "<mujoco model='c'><compiler meshdir='../a/assets'/><include file='bare.xml'/></mujoco>");
  put_wrapper("outer.xml", "", "c/main.xml", "");
  expect_meshes("outer.xml", 1);

  put("d/tetra.obj", tetra);
  put_arm("d/arm.xml", "");
  put_wrapper("plain.xml", "", "d/arm.xml", "");
  expect_meshes("plain.xml", 1);

  // a path that is to be cut off
  put("e/assets/tetra.obj", tetra);
  put("e/arm.xml",
      "<mujoco model='e'><compiler meshdir='assets' strippath='true'/><asset>"
      "<mesh name='m' file='C/work/tetra.obj'/></asset><worldbody><geom type='mesh' mesh='m'/>"
      "</worldbody></mujoco>");
  put_wrapper("strip.xml", "", "e/arm.xml", "");
  expect_meshes("strip.xml", 1);
  end();
}

// A model that MuJoCo finds by itself stays what MuJoCo makes of it.
Test(compile, what_is_good_as_it_is_stays_so) {
  begin();
  put_robot();
  put("assets/tetra.obj",  // larger than the robot's own
      "v 0 0 0\nv 9 0 0\nv 0 9 0\nv 0 0 9\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n");
  put_wrapper("own.xml", "", "robot/arm.xml", "");
  mjModel *m = compile("own.xml");
  cr_assert(m, "%s", said);
  if (mj_version() < 300) {
    cr_expect_gt(m->stat.extent, 1, "MuJoCo 2 finds assets/ from the task's folder");
  }
  mj_deleteModel(m);
  end();
}

Test(compile, what_is_missing_is_named) {
  begin();
  put_arm("robot/arm.xml", "<compiler meshdir='assets'/>");
  put("robot/scene.xml", "<mujoco><include file='gone.xml'/></mujoco>");
  put_wrapper("mesh.xml", "", "robot/arm.xml", "");
  REFUSED(
      "mesh.xml", "robot/assets/tetra.obj",
      "robot/arm.xml names tetra.obj, which is neither in a <compiler meshdir=\"..\"> nor beside");
  put_wrapper("include.xml", "", "robot/scene.xml", "");
  REFUSED("include.xml", "robot/scene.xml includes gone.xml, which is neither there from its own");
  end();
}

// "line 0" of what is included is no help
Test(compile, a_message_names_file_and_line) {
  begin();
  put("robot.xml",
      "<mujoco model='robot'>\n<option/>\n<worldbody>\n<body>\n"
      "<joint type='hinge' nonsense='1'/><geom size='1'/>\n</body></worldbody></mujoco>");
  put("wrapper.xml",
      "<mujoco model='w'>\n<option/>\n<include\nfile='robot.xml'/>\n<custom>\n"
      "<numeric name='n' data='1'/>\n</custom>\n</mujoco>");
  REFUSED("wrapper.xml", "'nonsense'", "robot.xml line 5");
  put("robot.xml",
      "<mujoco model='robot'>\n<worldbody><body><joint/><geom size='1'/></body></worldbody>\n"
      "</mujoco>");
  put("wrapper.xml",
      "<mujoco model='w'>\n<include file='robot.xml'/>\n<option\n nonsense='1'/>\n</mujoco>");
  REFUSED("wrapper.xml", "'nonsense'", "line 3");
  end();
}

// what only MuJoCo 3 knows, or no MuJoCo: told with the remedy, alone or included
Test(compile, a_model_of_another_version_is_told_what_to_do) {
  static const char *const bodies[] = {"<option integrator='nonsense'/>", "<option nonsense='1'/>",
                                       "<nonsense/>"};
  static const char *const remedy =
      mjVERSION_HEADER < 300 ? "; this is MuJoCo 2.2.2, and a model written for MuJoCo 3 needs a "
                               "build against 3: ./deploy/run.sh --mujoco 3 (CONTRIBUTING.md)"
                             : "which has dropped some of what MuJoCo 2 knew";
  begin();
  put_wrapper("wrapper.xml", "", "robot.xml", "");
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    char text[256];
    snprintf(text, sizeof text, "<mujoco model='robot'>\n%s</mujoco>", bodies[i]);
    put("robot.xml", text);
    REFUSED("robot.xml", "nonsense", remedy);
    REFUSED("wrapper.xml", "nonsense", remedy, "robot.xml line 2");
    cr_expect_null(compile_text(text, strlen(text), said, sizeof said));
    cr_expect(strstr(said, remedy) != NULL, "%s", said);
  }
  put("robot.xml",
      "<mujoco><compiler autolimits='false'/><worldbody><body><joint range='0 1'/><geom size='1'/>"
      "</body></worldbody></mujoco>");
  REFUSED("wrapper.xml", "<compiler autolimits=\"true\"/> in a wrapper");
  put_wrapper("wrapper.xml", "", "robot.xml", "<compiler autolimits='true'/>");
  mjModel *m = compile("wrapper.xml");
  cr_expect(m, "%s", said);
  mj_deleteModel(m);
  end();
}

// a plugin that is not there is told; one that comes with the library is
Test(compile, plugins) {
  static const char text[] =
      "<mujoco model='p'><extension><plugin plugin='%s'><instance name='i'>"
      "<config key='ki' value='40'/></instance></plugin></extension><worldbody><body>"
      "<joint name='j' type='slide'/><geom size='0.1'/></body></worldbody><actuator>"
      "<plugin joint='j' plugin='%s' instance='i' actdim='1' ctrllimited='true' ctrlrange='-1 1'/>"
      "</actuator></mujoco>";
  char xml[1024];
  snprintf(xml, sizeof xml, text, "nobody.nothing", "nobody.nothing");
  cr_expect_null(compile_text(xml, strlen(xml), said, sizeof said));
  if (mj_version() < 300) {
    cr_expect(strstr(said, "needs a build against 3") != NULL, "%s", said);
    return;
  }
  cr_expect(strstr(said, "nobody.nothing not found") != NULL, "%s", said);
  cr_expect(strstr(said, "in the folder plugin/ beside MuJoCo's library") != NULL, "%s", said);
  snprintf(xml, sizeof xml, text, "mujoco.pid", "mujoco.pid");
  mjModel *m = compile_text(xml, strlen(xml), said, sizeof said);
  // a library that was built without them has none
  cr_expect(m || strstr(said, "mujoco.pid not found") != NULL, "%s", said);
  mj_deleteModel(m);
}

// ---- the text without includes ----

static struct mjcf *expand(const char *name) {
  char path[8192];
  snprintf(path, sizeof path, "%s", place(name));
  return mjcf_new(path, said, sizeof said);
}

Test(compile, text_that_is_not_well_formed_is_left_to_mujoco) {
  static const char *const bad[] = {
      "",
      "<",
      "<mujoco",
      "</mujoco>",
      "</a></b><mujoco><include file='in.xml'/></mujoco>",
      "<mujoco><include file='in.xml'/>",
      "<mujoco><include/></mujoco>",
      "<mujoco><include file/></mujoco>",
      "<mujoco><include file=in.xml/></mujoco>",
      "<mujoco><include file='in.xml/></mujoco>",
      "<mujoco><!-- <include file='in.xml'/> </mujoco>",
      "<mujoco><![CDATA[ <include file='in.xml'/> </mujoco>",
      "<include file='in.xml'/>",
      "<mujoco><include file='in.xml'/><include file='in.xml'/></mujoco>",
      "<mujoco><include file='main.xml'/></mujoco>",
      "<mujoco><include file='gone.xml'/></mujoco>",
      "<mujoco><include file=''/></mujoco>",
      "<mujoco><include file='.'/></mujoco>",
  };
  begin();
  put("in.xml", "<mujoco><option/></mujoco>");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    put("main.xml", bad[i]);
    cr_expect_null(expand("main.xml"), "%s", bad[i]);
    cr_expect_null(compile("main.xml"), "%s", bad[i]);
  }
  put("main.xml", "<mujoco><include file='in.xml'/></mujoco>");
  put("in.xml", "<mujoco><option></mujoco");
  cr_expect_null(expand("main.xml"));
  cr_expect_null(expand("nowhere.xml"));
  end();
}

Test(compile, every_line_of_the_text_has_an_origin) {
  begin();
  put("main.xml", "<!-- 1 -->\n<mujoco>\n<a>\n<include file='in.xml'/></a><b/>\n<c/>\n</mujoco>\n");
  put("in.xml", "\n\n<mujoco>\n<d/>\n<e x='>'/></mujoco>\n");
  struct mjcf *m = expand("main.xml");
  cr_assert(m);
  size_t n;
  const char *text = mjcf_text(m, &n);
  cr_assert_eq(n, strlen(text));
  cr_expect_null(strstr(text, "include"));
  static const struct {
    const char *words, *file;
    int line;
  } rows[] = {{"<!-- 1", "main.xml", 1}, {"<a>", "main.xml", 3},  {"<d/>", "in.xml", 4},
              {"<e ", "in.xml", 5},      {"<b/>", "main.xml", 4}, {"<c/>", "main.xml", 5}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int line = 1, origin = 0;
    const char *at = strstr(text, rows[i].words);
    cr_assert(at, "%s", rows[i].words);
    for (const char *p = text; p < at; p++) {
      line += *p == '\n';
    }
    const char *file = mjcf_origin(m, line, &origin);
    cr_assert(file);
    cr_expect_str_eq(file, rows[i].file, "%s", rows[i].words);
    cr_expect_eq(origin, rows[i].line, "%s: line %d", rows[i].words, origin);
  }
  int ignored;
  cr_expect_null(mjcf_origin(m, 0, &ignored));
  cr_expect_null(mjcf_origin(m, 1000, &ignored));
  mjcf_free(m);
  end();
}
