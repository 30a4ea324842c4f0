// test_play.c - telos play and --video-every: what is in the pictures, and what can go wrong.
//
// Most tests draw a small task of their own, in which nothing is green: green is the goal.
#include <criterion/criterion.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/events.h"
#include "tests/integration/fleet.h"
#include "tests/integration/small.h"

// an orange box that slides on a plane, seen from above; x is to the right, y up
static const char puck[] =
    "<mujoco model='puck'><compiler autolimits='false'/>"
    "<option timestep='0.02' gravity='0 0 0'/><size njmax='10' nconmax='5' nuser_sensor='1'/>"
    "<visual><quality shadowsize='256'/><global offwidth='400' offheight='200'/></visual>"
    "<custom><numeric name='telos.horizon' data='12'/><numeric name='telos.frame_skip' data='2'/>"
    "<numeric name='telos.goal' data='%s'/><numeric name='telos.success_radius' data='0.1'/>"
    "<numeric name='telos.action_noise' data='0.1'/>%s</custom>"
    "<worldbody><camera name='view' pos='0 0 3'/><camera name='far' pos='0 0 9'/>"
    "%s<body name='puck'><joint name='x' type='slide' axis='1 0 0'/>"
    "<joint name='y' type='slide' axis='0 1 0'/>"
    "<geom type='box' size='0.2 0.2 0.01' rgba='1 0.5 0 1'/></body></worldbody>"
    "<actuator><velocity name='x' joint='x' kv='200' ctrllimited='true' ctrlrange='-1 1'/>"
    "<velocity name='y' joint='y' kv='200' ctrllimited='true' ctrlrange='-1 1'/></actuator>"
    "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='obs.y' joint='y'/>%s</sensor>"
    "</mujoco>";

// the goal is read from joints: a ghost shows it
static const char *ghost_task(void) {
  const char *path = harness_path("ghost.xml");
  const char *text = harness_text(puck, "1.5 0", "", "",
                                  "<jointpos name='goal.x' joint='x'/>"
                                  "<jointpos name='goal.y' joint='y'/>");
  harness_write(path, text, strlen(text));
  return path;
}

// the goal is a position: a site of the same name shows it. As a task its site is elsewhere.
static const char *site_task(void) {
  const char *path = harness_path("site.xml");
  const char *text = harness_text(puck, "1.5 0 0", "",
                                  "<site name='goal.p' pos='0 9 0' size='0.2' rgba='0 1 0 1'/>",
                                  "<framepos name='goal.p' objtype='body' objname='puck'/>");
  harness_write(path, text, strlen(text));
  return path;
}

// the goal is read from joints by a hook, in units of half a metre
static const char *hook_task(void) {
  const char *path = harness_path("hook.xml");
  const char *text = harness_text(
      puck, "3 0",
      "<text name='telos.hook.goal.q' data='qpos'/><numeric name='telos.scale.goal.q' data='2'/>",
      "",
      "<user name='goal.q' objtype='body' objname='puck' dim='2' needstage='pos' "
      "datatype='real'/>");
  harness_write(path, text, strlen(text));
  return path;
}

static struct proc *start_play(const char *const *env, const char *const *args) {
  const char *argv[32] = {harness_program("telos"), "play"};
  for (int i = 0; args[i] != NULL; i++) {
    cr_assert(i < 28);
    argv[2 + i] = args[i];
  }
  return proc_start_argv(env, argv);
}

#define PLAY(...) start_play(NULL, (const char *[]){__VA_ARGS__, NULL})

// draws, and returns what it printed
static const char *drawn(struct proc *p) {
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  return proc_stdout(p);
}

// ---- pictures ----

struct image {
  int width, height;
  uint8_t *rgb;
};

static struct image read_png(const char *path) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  cr_assert(png_image_begin_read_from_file(&png, path), "%s: %s", path, png.message);
  png.format = PNG_FORMAT_RGB;
  struct image image = {(int)png.width, (int)png.height, calloc(1, PNG_IMAGE_SIZE(png))};
  cr_assert_not_null(image.rgb);
  cr_assert(png_image_finish_read(&png, NULL, image.rgb, 0, NULL), "%s: %s", path, png.message);
  return image;
}

// centre of the pixels of a colour, in shares of width and height; n of them
struct blob {
  double x, y;
  int n;
};

enum colour { GREEN, ORANGE };

static struct blob find(const char *path, enum colour colour) {
  struct image image = read_png(path);
  struct blob blob = {0};
  for (int y = 0; y < image.height; y++) {
    for (int x = 0; x < image.width; x++) {
      const uint8_t *p = image.rgb + 3 * (y * image.width + x);
      const int r = p[0], g = p[1], b = p[2];
      if (colour == GREEN ? g > r + 15 && g > b + 15 : r > g + 30 && g > b + 30) {
        blob.x += (x + 0.5) / image.width;
        blob.y += (y + 0.5) / image.height;
        blob.n++;
      }
    }
  }
  free(image.rgb);
  blob.x /= blob.n;
  blob.y /= blob.n;
  return blob;
}

static void expect_size(const char *path, int width, int height) {
  struct image image = read_png(path);
  cr_expect(image.width == width && image.height == height, "%s is %d x %d", path, image.width,
            image.height);
  free(image.rgb);
}

static uint32_t little(const uint8_t *p, int n) {
  uint32_t value = 0;
  for (int i = 0; i < n; i++) {
    value |= (uint32_t)p[i] << 8 * i;
  }
  return value;
}

// frames of an animated WebP (chunks ANMF of its RIFF container), its size and its time in all
static int webp_frames(const char *path, int *width, int *height, int *ms) {
  size_t n;
  const uint8_t *file = (const uint8_t *)harness_read(path, &n);
  cr_assert(n > 30 && memcmp(file, "RIFF", 4) == 0 && memcmp(file + 8, "WEBPVP8X", 8) == 0);
  cr_assert_eq(little(file + 4, 4) + 8, n);
  *width = 1 + (int)little(file + 24, 3);
  *height = 1 + (int)little(file + 27, 3);
  *ms = 0;
  int frames = 0;
  for (size_t at = 12; at + 8 <= n;
       at += 8 + little(file + at + 4, 4) + little(file + at + 4, 1) % 2) {
    if (memcmp(file + at, "ANMF", 4) == 0) {
      frames++;
      *ms += (int)little(file + at + 20, 3);
    }
  }
  return frames;
}

// ---- what is in a picture ----

Test(play, a_png_shows_scene_and_goal) {
  const char *out = harness_path("a.png"), *task = ghost_task();
  const char *text = drawn(PLAY(task, "--policy", "zero", "--frame", "0", "--out", out));
  cr_assert(strncmp(text, "episode 0: 12 steps, distance 1.500 to ", 39) == 0, "%s", text);
  cr_assert_not_null(strstr(text, harness_text("wrote %s (400 x 200)", out)), "%s", text);
  cr_expect_not(harness_exists(harness_text("%s.tmp", out)));
  expect_size(out, 400, 200);

  // the box is in the middle; 1.5 of 2.48 to the right of it is the goal
  const struct blob box = find(out, ORANGE), ghost = find(out, GREEN);
  cr_expect(box.n > 100 && ghost.n > 100, "%d %d", box.n, ghost.n);
  cr_expect_float_eq(box.x, 0.5, 0.01);
  cr_expect_float_eq(box.y, 0.5, 0.01);
  cr_expect_float_eq(ghost.x, 0.5 + 0.5 * 1.5 / 2.485, 0.01);
  cr_expect_float_eq(ghost.y, 0.5, 0.02);
}

// A goal that is a place is drawn without a site of its name, as a sphere; with one in a group that
// is not drawn otherwise, as a model's defaults may put it; and with one of air.
Test(play, a_place_is_drawn_whatever_its_site) {
  static const char *const sites[] = {"",
                                      "<site name='goal.p' group='4' size='0.2' rgba='0 1 0 1'/>",
                                      "<site name='goal.p' size='0.2' rgba='0 1 0 0'/>"};
  for (int i = 0; i < 3; i++) {
    const char *path = harness_path("place%d.xml", i), *out = harness_path("place%d.png", i);
    const char *text = harness_text(puck, "1.5 0.5 0", "", sites[i],
                                    "<framepos name='goal.p' objtype='xbody' objname='puck'/>");
    harness_write(path, text, strlen(text));
    struct proc *p = PLAY(path, "--policy", "zero", "--frame", "0", "--out", out);
    drawn(p);
    cr_expect_str_empty(proc_stderr(p));
    const struct blob goal = find(out, GREEN);
    cr_expect(goal.n > 3, "%s: %d", sites[i], goal.n);
    cr_expect_float_eq(goal.x, 0.5 + 0.5 * 1.5 / 2.485, 0.02);
    cr_expect_float_eq(goal.y, 0.5 - 0.5 * 0.5 / 1.243, 0.02);
  }
}

// What cannot be drawn is told in one line; what would be hidden altogether is shown.
Test(play, what_is_left_out_is_told) {
  const char *path = harness_path("speed.xml"), *out = harness_path("speed.png");
  // as the defaults of an included model may have it
  const char *text =
      harness_text(puck, "0.5", "</custom><default><geom group='3'/></default><custom>", "",
                   "<jointvel name='goal.v' joint='x'/>");
  harness_write(path, text, strlen(text));
  struct proc *p = PLAY(path, "--policy", "zero", "--frame", "0", "--out", out);
  drawn(p);
  cr_expect_eq(small_count(proc_stderr(p), "W "), 1, "%s", proc_stderr(p));
  cr_expect(strstr(proc_stderr(p), "\"goal.v\" of the goal is not drawn") != NULL);
  cr_expect_gt(find(out, ORANGE).n, 100);
}

// the camera that sees everything sees a goal that is far away, too
Test(play, the_default_camera_takes_in_the_goal) {
  const char *path = harness_path("away.xml"), *out = harness_path("away.png");
  char *text =
      (char *)harness_text(puck, "0 9 2", "", "<site name='goal.p' size='0.9' rgba='0 1 0 1'/>",
                           "<framepos name='goal.p' objtype='xbody' objname='puck'/>");
  memcpy(strstr(text, "name='view'"), "name='top_'", 11);
  harness_write(path, text, strlen(text));
  drawn(PLAY(path, "--policy", "zero", "--frame", "0", "--size", "320x240", "--out", out));
  cr_expect_gt(find(out, GREEN).n, 50);
  cr_expect_gt(find(out, ORANGE).n, 2);
  const char *tall = harness_path("tall.png");
  drawn(PLAY(path, "--policy", "zero", "--frame", "0", "--size", "120x320", "--out", tall));
  cr_expect_gt(find(tall, GREEN).n, 10);
}

// without a camera of its own, or with another one, at another size
Test(play, cameras_and_sizes) {
  const char *near = harness_path("near.png"), *far = harness_path("far.png"), *task = ghost_task();
  drawn(PLAY(task, "--policy", "zero", "--size", "320x240", "--out", near));
  drawn(PLAY(task, "--policy", "zero", "--size", "321x241", "--camera", "far", "--out", far));
  expect_size(near, 320, 240);
  expect_size(far, 321, 241);
  const int n = find(near, ORANGE).n, m = find(far, ORANGE).n;
  cr_expect(m > 10 && m < n / 4, "%d near, %d far", n, m);

  const char *own = harness_path("own.xml"), *text = harness_read(task, NULL);
  char *copy = (char *)harness_text("%s", text);
  memcpy(strstr(copy, "name='view'"), "name='top_'", 11);
  harness_write(own, copy, strlen(copy));
  const char *free_camera = harness_path("free.png");
  drawn(PLAY(own, "--policy", "zero", "--out", free_camera));
  cr_expect_gt(find(free_camera, ORANGE).n, 20);
}

// --goal moves ghosts and sites; a site may be anywhere in the model
Test(play, goals_move) {
  const char *tasks[] = {ghost_task(), site_task(), hook_task()};
  const char *left[] = {"-1,-0.5", "-1,-0.5,0", "-2,-1"};
  for (int i = 0; i < 3; i++) {
    const char *a = harness_path("drawn%d.png", i), *b = harness_path("given%d.png", i);
    drawn(PLAY(tasks[i], "--policy", "zero", "--frame", "0", "--out", a));
    const char *text =
        drawn(PLAY(tasks[i], "--policy", "zero", "--frame", "0", "--goal", left[i], "--out", b));
    cr_expect_not_null(strstr(text, i < 2 ? "distance 1.118 to" : "distance 2.236 to"), "%s", text);
    const struct blob right = find(a, GREEN), other = find(b, GREEN);
    cr_assert(right.n > 100 && other.n > 100, "task %d: %d %d", i, right.n, other.n);
    cr_expect_float_eq(right.x, 0.5 + 0.5 * 1.5 / 2.485, 0.01, "task %d: %g", i, right.x);
    cr_expect_float_eq(other.x, 0.5 - 0.5 * 1.0 / 2.485, 0.01, "task %d: %g", i, other.x);
    cr_expect_float_eq(other.y, 0.5 + 0.5 * 0.5 / 1.243, 0.03, "task %d: %g", i, other.y);
  }
}

// An episode that breaks off shows its last good step.
Test(play, an_unstable_episode_is_drawn_to_its_end) {
  static const char unstable[] =
      "<mujoco model='u'><option timestep='0.1'/><custom><numeric name='telos.horizon' data='50'/>"
      "<numeric name='telos.frame_skip' data='5'/><numeric name='telos.goal' data='0'/></custom>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' mass='1' rgba='1 .5 0 1'/>"
      "</body></worldbody><actuator><velocity joint='x' kv='300'/></actuator>"
      "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
      "</mujoco>";
  const char *task = harness_path("u.xml"), *out = harness_path("u.png");
  harness_write(task, unstable, sizeof unstable - 1);
  int steps = 0;
  const char *text = drawn(PLAY(task, "--size", "100x100", "--out", out));
  cr_assert_eq(sscanf(text, "episode 0: %d steps", &steps), 1, "%s", text);
  cr_expect(steps > 0 && steps < 50, "%d", steps);
  expect_size(out, 100, 100);
  drawn(PLAY(task, "--size", "100x100", "--out", harness_path("u.webp")));
}

// ---- formats ----

Test(play, an_animation_has_a_frame_a_step) {
  const char *task = ghost_task(), *a = harness_path("a.webp"), *b = harness_path("b.webp");
  drawn(PLAY(task, "--out", a));
  int width, height, ms;
  cr_expect_eq(webp_frames(a, &width, &height, &ms), 13);
  cr_expect(width == 400 && height == 200);
  cr_expect_eq(ms, 12 * 40 + 600);  // 0.04 s a step; the end stays for 0.6 s

  // twice the same, without a display as well as with the name of one
  const char *const env[] = {"DISPLAY=:99", NULL};
  drawn(start_play(env, (const char *[]){task, "--out", b, NULL}));
  harness_assert_same(a, b);

  // 10 frames a second of 0.04 s steps: at 0, 2 or 3, 5, .., and always the last one
  drawn(PLAY(task, "--fps", "10", "--episodes", "2", "--out", b));
  const int frames = webp_frames(b, &width, &height, &ms);
  cr_expect_eq(frames, 2 * 6, "%d", frames);
  drawn(PLAY(task, "--seed", "7", "--out", b));
  cr_expect_neq(harness_digest(a), harness_digest(b));
}

Test(play, a_folder_of_frames) {
  const char *task = ghost_task(), *folder = harness_path("frames");
  drawn(PLAY(task, "--out", harness_text("%s/", folder)));
  for (int i = 0; i < 13; i++) {
    cr_assert(harness_exists(harness_text("%s/frame_%05d.png", folder, i)), "%d", i);
  }
  cr_expect_not(harness_exists(harness_text("%s/frame_00013.png", folder)));
  cr_expect_not(harness_exists(harness_path("frames.tmp")));
  const char *last = harness_path("last.png"), *fifth = harness_path("fifth.png");
  drawn(PLAY(task, "--out", last));
  drawn(PLAY(task, "--out", fifth, "--frame", "5"));
  harness_assert_same(last, harness_text("%s/frame_00012.png", folder));
  harness_assert_same(fifth, harness_text("%s/frame_00005.png", folder));

  // what is there already stays
  small_assert_end(PLAY(task, "--out", harness_text("%s/", folder)), 64, "a folder in use",
                   (const char *[]){folder, "already", NULL});
  cr_expect(harness_exists(harness_text("%s/frame_00012.png", folder)));
}

static bool have_ffmpeg(void) {
  return system("command -v ffmpeg >/dev/null 2>&1") == 0;
}

Test(play, an_mp4_by_ffmpeg) {
  if (!have_ffmpeg()) {
    cr_skip_test("ffmpeg is not installed");
  }
  const char *out = harness_path("a.mp4");
  drawn(PLAY(ghost_task(), "--out", out));
  size_t n;
  const char *file = harness_read(out, &n);
  cr_expect(n > 1000 && memcmp(file + 4, "ftyp", 4) == 0);
  // faststart: the index stands before the pictures
  const char *index = memmem(file, n, "moov", 4), *pictures = memmem(file, n, "mdat", 4);
  cr_expect(index != NULL && pictures != NULL && index < pictures);
  cr_expect_not_null(memmem(file, n, "avc1", 4));
  cr_expect_not(harness_exists(harness_text("%s.tmp", out)));
}

// no ffmpeg in PATH, and one that fails in the middle
Test(play, ffmpeg_is_missing_or_fails) {
  const char *task = ghost_task(), *out = harness_path("a.mp4"), *bin = harness_path("bin");
  const char *const args[] = {task, "--out", out, NULL};
  cr_assert_eq(mkdir(bin, 0755), 0);
  const char *const empty[] = {harness_text("PATH=%s", bin), NULL};
  small_assert_end(start_play(empty, args), 78, "no ffmpeg",
                   (const char *[]){out, "ffmpeg", "not in PATH", "install it", NULL});
  cr_expect_not(harness_exists(harness_text("%s.tmp", out)));

  const char *fake = harness_text("%s/ffmpeg", bin);
  static const char script[] = "#!/bin/sh\necho first >&2\necho 'No space left here' >&2\nexit 1\n";
  harness_write(fake, script, sizeof script - 1);
  cr_assert_eq(chmod(fake, 0755), 0);
  small_assert_end(start_play(empty, args), 74, "a failing ffmpeg",
                   (const char *[]){out, "ffmpeg says: No space left here", NULL});
  cr_expect_not(harness_exists(out));
  cr_expect_not(harness_exists(harness_text("%s.tmp", out)));
}

// ---- what cannot be written ----

Test(play, paths_that_cannot_be_written) {
  const char *task = ghost_task();
  static const char *const names[] = {"nowhere/a.png", "nowhere/a.webp", "nowhere/a.mp4",
                                      "ghost.xml/a/"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    small_assert_end(PLAY(task, "--out", harness_path("%s", names[i])), 74, names[i],
                     (const char *[]){"/a.", "check the path", NULL});
  }
  // a file that outgrows its limit, as on a full disk
  static const char *const limited[] = {"a.png", "a.webp", "a/"};
  for (size_t i = 0; i < sizeof limited / sizeof *limited; i++) {
    const char *out = harness_path("%s", limited[i]);
    struct proc *p = proc_start(NULL, "sh", "-c",
                                harness_text("ulimit -f 1; exec %s play %s --size 400x400 --out %s",
                                             harness_program("telos"), task, out),
                                NULL);
    small_assert_end(p, 74, out, (const char *[]){"free some space", NULL});
    cr_expect_not(harness_exists(harness_path("a.png")));
    cr_expect_not(harness_exists(harness_path("a.webp")));
    cr_expect_not(harness_exists(harness_path("a.tmp")));
  }
}

Test(play, bad_arguments) {
  const char *task = ghost_task(), *out = harness_path("a.png");
  const char *script = harness_path("script.txt");
  harness_write(script, "1 0 5\n1 5\n", 10);
  const struct {
    const char *args[8];
    int code;
    const char *words[3];
  } bad[] = {
      {{NULL}, 64, {"which run or task"}},
      {{task, task}, 64, {"one run or task at a time"}},
      {{task, "run.seed=3"}, 64, {"run.seed=3", "--seed 3"}},
      {{task, "--out", "a.gif"}, 64, {"a.gif", ".webp"}},
      {{task, "--out", ".png"}, 64, {"expected a name"}},
      {{task, "--size", "640"}, 64, {"--size 640", "640x480"}},
      {{task, "--size", "63x64", "--out", out}, 64, {"--size 63x64"}},
      {{task, "--size", "99999x64"}, 64, {"--size 99999x64"}},
      {{task, "--size", "201x100", "--out", "a.mp4"}, 64, {"even"}},
      {{task, "--fps", "0"}, 64, {"--fps 0"}},
      {{task, "--fps", "nan"}, 64, {"--fps nan"}},
      {{task, "--episodes", "0"}, 64, {"--episodes 0"}},
      {{task, "--seed", "-1"}, 64, {"--seed -1"}},
      {{task, "--frame", "3"}, 64, {"--frame 3", "x.png"}},
      {{task, "--goal", "1"}, 64, {"--goal 1", "2 numbers"}},
      {{task, "--goal", "1,2,3"}, 64, {"--goal 1,2,3", "2 numbers"}},
      {{task, "--goal", "1,nan"}, 64, {"--goal 1,nan"}},
      {{task, "--camera", "side", "--out", out}, 78, {"--camera side", "view, far"}},
      {{task, "--task", "box2d"}, 64, {"is a task already"}},
      {{task, "--policy", "script"}, 64, {"--script"}},
      {{task, "--policy", "zero", "--script", script}, 64, {"exclude"}},
      {{task, "--script", script}, 78, {script, "line 2"}},
      {{task, "--script", "/nowhere.txt"}, 74, {"/nowhere.txt"}},
      {{task, "--policy", "/nowhere.safetensors"}, 74, {"/nowhere.safetensors"}},
      {{"/nowhere.safetensors"}, 74, {"/nowhere.safetensors"}},
      {{"no-such-task"}, 78, {"no-such-task"}},
      {{harness_folder()}, 74, {"policy.safetensors"}},
      {{task, "--what"}, 64, {"--what", "--help"}},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *words[4] = {bad[i].words[0], bad[i].words[1], bad[i].words[2]};
    small_assert_end(start_play(NULL, bad[i].args), bad[i].code,
                     bad[i].args[1] != NULL ? bad[i].args[1] : "one argument", words);
  }
  cr_expect_not(harness_exists(out));
  struct proc *help = PLAY("--help");
  cr_assert_eq(proc_wait_exit(help), 0);
  cr_expect(strncmp(proc_stdout(help), "Examples:\n", 10) == 0);
  // the program by itself says the same
  struct proc *own = proc_start(NULL, harness_program("telos-play"), "--help", NULL);
  cr_assert_eq(proc_wait_exit(own), 0);
  cr_expect_str_eq(proc_stdout(own), proc_stdout(help));
}

// telos by itself, as in an image without OpenGL
Test(play, a_build_without_telos_play_says_so) {
  const char *folder = harness_path("bin"), *telos = harness_text("%s/telos", folder);
  cr_assert_eq(mkdir(folder, 0755), 0);
  small_copy(harness_program("telos"), telos);
  struct proc *p = proc_start(NULL, telos, "play", "box2d", NULL);
  small_assert_end(p, 78, "play",
                   (const char *[]){"telos-play is not there", "libosmesa6-dev", NULL});
  p = proc_start(NULL, telos, "train", "box2d", "--video-every", "1000", NULL);
  small_assert_end(p, 78, "train", (const char *[]){"telos-play is not there", NULL});
  cr_expect_not(harness_exists(harness_path("bin/runs")));
}

// ---- who acts ----

// the box goes where the script says
Test(play, a_script_acts) {
  const char *script = harness_path("script.txt"), *out = harness_path("a.png");
  static const char up[] = "# x y steps\n0 0 2\n0 1 10\n";
  harness_write(script, up, sizeof up - 1);
  drawn(PLAY(ghost_task(), "--script", script, "--out", out));
  const struct blob box = find(out, ORANGE);
  cr_expect_float_eq(box.x, 0.5, 0.02, "%g", box.x);
  cr_expect(box.y < 0.38 && box.y > 0.3, "%g", box.y);  // 0.4 of 1.24 up, less the noise
}

// The episodes in the picture are those that telos eval measures.
Test(play, episodes_are_those_of_the_evaluation) {
  const char *run = small_reference(), *out = harness_path("a.png");
  struct proc *eval =
      proc_start(NULL, harness_program("telos"), "eval", run, "--episodes", "3", "--json", NULL);
  cr_assert_eq(proc_wait_exit(eval), 0);
  const char *at = strstr(proc_stdout(eval), "\"final_distance\": ");
  cr_assert_not_null(at);
  const double measured = strtod(at + 18, NULL);

  const char *text = drawn(PLAY(run, "--episodes", "3", "--size", "64x64", "--out", out));
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    const char *line = strstr(text, harness_text("episode %d: ", i));
    double distance;
    cr_assert(
        line != NULL && sscanf(line, "episode %*d: 100 steps, distance %*f to %lf", &distance) == 1,
        "%s", text);
    sum += distance;
  }
  // as printed, with three digits
  cr_expect_float_eq(sum / 3, measured, 0.0005, "%g and %g", sum / 3, measured);
}

// ---- videos of a training ----

// What TensorBoard has of the videos: so many, the last of them of this step and as large as it
// may be, an animated PNG: chunks acTL with the number of frames, and fcTL with the time of each.
static void expect_events(const char *videos, int images, int64_t step) {
  struct events e = events_read(videos);
  cr_assert(e.images == images && e.files == images && e.torn == 0, "%d images", e.images);
  if (images == 0) {
    return;
  }
  cr_assert_eq(e.image_step, step);
  png_image png = {.version = PNG_IMAGE_VERSION};
  cr_assert(png_image_begin_read_from_memory(&png, e.image, e.nimage), "%s", png.message);
  cr_assert(png.width > 160 && png.width <= 320, "%u", png.width);
  png.format = PNG_FORMAT_RGB;
  uint8_t *rgb = calloc(1, PNG_IMAGE_SIZE(png));
  cr_assert(png_image_finish_read(&png, NULL, rgb, 0, NULL), "%s", png.message);
  free(rgb);
  unsigned frames = 0, controls = 0, number = 0, ms = 0;
  for (size_t at = 8; at < e.nimage; at += 12 + png_get_uint_32(e.image + at)) {
    const uint8_t *name = e.image + at + 4, *data = name + 4;
    if (memcmp(name, "acTL", 4) == 0) {
      frames = png_get_uint_32(data);
    } else if (memcmp(name, "fcTL", 4) == 0 || memcmp(name, "fdAT", 4) == 0) {
      cr_assert_eq(png_get_uint_32(data), number++);
      const bool control = name[1] == 'c';
      ms += control ? 1000 * png_get_uint_16(data + 20) / png_get_uint_16(data + 22) : 0;
      controls += control;
    }
  }
  int width, height, webp_ms;
  webp_frames(harness_text("%s/step_%09ld.webp", videos, (long)step), &width, &height, &webp_ms);
  cr_assert(frames == controls && frames > 2 && frames < 70, "%u, %u", frames, controls);
  cr_assert(abs((int)ms - webp_ms) <= (int)frames, "%u and %d ms", ms, webp_ms);
  events_release(&e);
}

// telos train on the small task: runs are in puck/NAME, by the model
static struct proc *start_train(const char *name, const char *const *more) {
  struct fleet *f = fleet_new("unused", more);
  const char *argv[FLEET_SETTINGS + 12] = {
      harness_program("telos"), "train", ghost_task(), "--runs", harness_folder(), "--name", name};
  for (int i = 0; i < f->nsettings; i++) {
    argv[7 + i] = f->settings[i];
  }
  free(f);
  return proc_start_argv(NULL, argv);
}

// The first evaluation beyond each multiple, of the version that was evaluated; and the policy is
// the one that a training without videos gives.
Test(play, training_leaves_videos) {
  struct proc *with = start_train("with", (const char *[]){"--video-every", "4000", NULL});
  struct proc *without = start_train("without", NULL);
  cr_assert_eq(proc_wait_exit(with), 0, "%s", proc_stderr(with));
  cr_assert_eq(proc_wait_exit(without), 0);
  harness_assert_same(harness_path("puck/with/policy.safetensors"),
                      harness_path("puck/without/policy.safetensors"));
  const char *videos = harness_path("puck/with/videos");
  cr_expect(harness_exists(harness_text("%s/step_000004008.webp", videos)));
  expect_events(videos, 1, 4008);
  static const char *const absent[] = {"step_000002004.webp", "step_000006000.webp",
                                       "step_000004008.safetensors", "step_000004008.webp.tmp"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
    cr_expect_not(harness_exists(harness_text("%s/%s", videos, absent[i])), "%s", absent[i]);
  }
  cr_expect_not(harness_exists(harness_path("puck/without/videos")));
  cr_expect_eq(small_count(proc_stderr(with), "W "), 0, "%s", proc_stderr(with));

  // A policy that waits, as an interrupted run leaves one, is drawn when the run goes on; and a
  // video of the last policy is what telos play shows of the run.
  small_copy(harness_path("puck/with/policy.safetensors"),
             harness_text("%s/step_000006000.safetensors", videos));
  struct proc *again = start_train("with", (const char *[]){"--video-every", "4000", NULL});
  cr_assert_eq(proc_wait_exit(again), 0, "%s", proc_stderr(again));
  cr_expect_not(harness_exists(harness_text("%s/step_000006000.safetensors", videos)));
  const char *out = harness_path("last.webp");
  drawn(PLAY(harness_path("puck/with"), "--task", ghost_task(), "--out", out));
  harness_assert_same(out, harness_text("%s/step_000006000.webp", videos));
  expect_events(videos, 2, 6000);

  // and without TensorBoard
  small_copy(harness_path("puck/with/policy.safetensors"),
             harness_text("%s/step_000006000.safetensors", videos));
  again = start_train(
      "with", (const char *[]){"--video-every", "4000", "progress.tensorboard=false", NULL});
  cr_assert_eq(proc_wait_exit(again), 0, "%s", proc_stderr(again));
  cr_expect_not(harness_exists(harness_text("%s/step_000006000.safetensors", videos)));
  expect_events(videos, 2, 6000);
  harness_wait_family(NULL, "telos-play", 0);
}

// a video that cannot be written costs the videos, and one warning
Test(play, a_failing_video_does_not_end_a_training) {
  const char *videos = harness_path("puck/x/videos");
  cr_assert_eq(mkdir(harness_path("puck"), 0755), 0);
  cr_assert_eq(mkdir(harness_path("puck/x"), 0755), 0);
  cr_assert_eq(mkdir(videos, 0755), 0);
  cr_assert_eq(mkdir(harness_text("%s/step_000002004.webp.tmp", videos), 0755), 0);
  struct proc *p = start_train("x", (const char *[]){"--video-every", "2000", NULL});
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_eq(small_count(proc_stderr(p), "W telos: no more videos"), 1, "%s", proc_stderr(p));
  cr_expect(harness_exists(harness_path("puck/x/policy.safetensors")));
  // what was to be drawn is kept
  static const int steps[] = {2004, 4008, 6000};  // evaluations come at ends of episodes
  for (int i = 0; i < 3; i++) {
    cr_expect(harness_exists(harness_text("%s/step_%09d.safetensors", videos, steps[i])));
  }

  // a learner that cannot even keep the policy
  cr_assert_eq(mkdir(harness_path("puck/y"), 0755), 0);
  harness_write(harness_path("puck/y/videos"), "", 0);
  p = start_train("y", (const char *[]){"--video-every", "2000", NULL});
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_eq(small_count(proc_stderr(p), "W learner: training goes on without videos"), 1);
  harness_assert_same(harness_path("puck/x/policy.safetensors"),
                      harness_path("puck/y/policy.safetensors"));
}

// The end of a training waits for its last video; Ctrl-C then does without it.
Test(play, an_interrupt_at_the_end_leaves_the_result) {
  struct proc *p = start_train("x", (const char *[]){"--video-every", "6000", NULL});
  proc_wait_line(p, "drawing the last");
  proc_signal(p, SIGINT);
  cr_expect_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  cr_expect_not_null(strstr(proc_stdout(p), "evaluation: score"));
  cr_expect(harness_exists(harness_path("puck/x/policy.safetensors")));
  // it was either drawn in time or waits
  cr_expect_neq(harness_exists(harness_path("puck/x/videos/step_000006000.safetensors")),
                harness_exists(harness_path("puck/x/videos/step_000006000.webp")));
  harness_wait_family(NULL, "telos-play", 0);
}
