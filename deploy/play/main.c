// main.c - telos-play: runs episodes and draws them. The program behind `telos play`, and the only
// one that links OpenGL.
//
// Episodes are those of the run's evaluations: rollout_run on the same tickets, with a hook that
// looks on. Frames are drawn as the steps happen; each is held back until the next one is due, so
// that an episode that has to be run again (rollout.h) leaves no frame behind.
#include <getopt.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "actor/rollout.h"
#include "actor/script.h"
#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/process.h"
#include "common/evaluation.h"
#include "common/task/env.h"
#include "deploy/launch/policy_source.h"
#include "deploy/play/picture.h"
#include "deploy/play/scene.h"

enum {
  DEFAULT_SIDE = 480,   // pixels of the longer side, at most
  COMPACT_WIDTH = 320,  // up to this width: one narrow column of text
  MAX_EPISODES = 1000,  // of one picture
  QUIET_PRIORITY = 10,  // of a program that works beside a training
};

static const double default_fps = 25.0,
                    hold_s = 0.6;  // how long the last frame of an episode stays

static const char help[] =
    "Examples:\n"
    "  telos play runs/box2d/NAME                      play.webp: what its policy does\n"
    "  telos play runs/box2d/NAME --episodes 3 --out three.mp4\n"
    "  telos play box2d --policy zero --out start.png --frame 0\n"
    "  telos play fetch-push --script moves.txt --camera view --size 640x480\n"
    "\n"
    "Usage: telos play RUN|FILE|TASK [options]\n"
    "\n"
    "Draws episodes without a display. Of a run (its folder) or a policy file they are the\n"
    "run's own evaluation episodes, in their order. The goal is drawn in green.\n"
    "\n"
    "  --out PATH          x.webp (animated), x.mp4 (needs ffmpeg), x.png (one frame), or\n"
    "                      folder/ (all frames as PNGs); default play.webp\n"
    "  --episodes N        one after the other (default 1); an x.png shows the last one\n"
    "  --frame T           step that an x.png shows (default: the last)\n"
    "  --size WxH          pixels (default: the model's proportions, up to 480)\n"
    "  --fps F             frames a second of simulated time, at most one a step\n"
    "                      (default 25)\n"
    "  --camera NAME       of the model (default: \"view\", else one that sees everything)\n"
    "  --goal X,Y,..       in place of the episode's own goal\n"
    "  --seed S            of the episodes (default: the run's, else 0)\n"
    "  --policy WHAT       random (default for a TASK), zero, script, or a policy file\n"
    "  --script FILE       set-points: rows of one number per action, then how many steps\n"
    "  --task NAME|FILE    default: the task named in the policy file\n"
    "\n"
    "Exit codes: 0 drawn, 64 usage, 74 cannot write, 78 bad task, policy or script, or a\n"
    "program or OpenGL that is missing.\n";

// ---- arguments ----

enum actor { BY_POLICY, BY_RANDOM, BY_ZERO, BY_SCRIPT };

struct arguments {
  const char *what, *task, *policy, *script, *goal, *camera, *out;
  int width, height;  // 0: not given
  int episodes, frame;
  double fps;
  bool has_seed, has_frame;
  uint64_t seed;
  long parent;  // 0: none
};

static bool parse_size(struct arguments *a, const char *text) {
  int n = 0;
  if (sscanf(text, "%5dx%5d%n", &a->width, &a->height, &n) != 2 || text[n] != '\0' ||
      a->width < SCENE_MIN_SIZE || a->width > SCENE_MAX_SIZE || a->height < SCENE_MIN_SIZE ||
      a->height > SCENE_MAX_SIZE) {
    log_error("--size %s: expected WIDTHxHEIGHT, each from %d to %d, for instance 640x480", text,
              SCENE_MIN_SIZE, SCENE_MAX_SIZE);
    return false;
  }
  return true;
}

static bool parse_fps(double *out, const char *text) {
  if (!number_parse_real(out, text) || !(*out >= 0.1 && *out <= 1000.0)) {
    log_error("--fps %s: expected a number from 0.1 to 1000", text);
    return false;
  }
  return true;
}

// one option; false: told what is wrong
static bool take_option(struct arguments *a, int c, const char *value) {
  uint64_t number = 0;
  bool good = true;
  switch (c) {
    case 't':
      a->task = value;
      break;
    case 'p':
      a->policy = value;
      break;
    case 'S':
      a->script = value;
      break;
    case 'g':
      a->goal = value;
      break;
    case 'c':
      a->camera = value;
      break;
    case 'o':
      a->out = value;
      break;
    case 'z':
      return parse_size(a, value);
    case 'f':
      return parse_fps(&a->fps, value);
    case 's':
      a->has_seed = true;
      return number_option(&a->seed, "--seed", value, 0, UINT64_MAX) == ERR_OK;
    case 'n':
      good = number_option(&number, "--episodes", value, 1, MAX_EPISODES) == ERR_OK;
      a->episodes = (int)number;
      break;
    case 'F':
      good = number_option(&number, "--frame", value, 0, DIMS_MAX_HORIZON) == ERR_OK;
      a->frame = (int)number;
      a->has_frame = true;
      break;
    default:
      good = number_option(&number, "--parent", value, 1, INT32_MAX) == ERR_OK;
      a->parent = (long)number;
      break;
  }
  return good;
}

static enum err check_arguments(const struct arguments *a) {
  if (a->has_frame && !picture_is_still(a->out)) {
    log_error("--frame %d is for one picture; give it a name with --out x.png", a->frame);
    return ERR_USAGE;
  }
  const bool scripted = a->policy != NULL && strcmp(a->policy, "script") == 0;
  if (scripted && a->script == NULL) {
    log_error("--policy script: which one? give its file with --script");
    return ERR_USAGE;
  }
  if (a->script != NULL && a->policy != NULL && !scripted) {
    log_error("--policy %s and --script exclude each other", a->policy);
    return ERR_USAGE;
  }
  return ERR_OK;
}

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"task", required_argument, NULL, 't'},   {"policy", required_argument, NULL, 'p'},
      {"script", required_argument, NULL, 'S'}, {"goal", required_argument, NULL, 'g'},
      {"camera", required_argument, NULL, 'c'}, {"out", required_argument, NULL, 'o'},
      {"size", required_argument, NULL, 'z'},   {"fps", required_argument, NULL, 'f'},
      {"seed", required_argument, NULL, 's'},   {"episodes", required_argument, NULL, 'n'},
      {"frame", required_argument, NULL, 'F'},  {"parent", required_argument, NULL, 'P'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'h') {
      fputs(help, stdout);
      exit(0);
    }
    if (c == '?' || c == ':') {
      options_complain(c, options, argv, "telos play", NULL);
      return ERR_USAGE;
    }
    if (!take_option(a, c, optarg)) {
      return ERR_USAGE;
    }
  }
  if (optind != argc - 1) {
    log_error("which run or task? telos play runs/box2d/NAME (telos play --help)");
    return ERR_USAGE;
  }
  a->what = argv[optind];
  return check_arguments(a);
}

// ---- who acts on which task ----

struct cast {
  struct policy_source source;  // policy and task
  enum actor actor;
  struct script *script;
  float *goal;  // (goal) or NULL
  uint64_t seed;
};

// A run's folder or a policy file; all else is a task. A folder in our way, without a policy in it,
// may share its name with a bundled task.
static bool names_policy(const char *what) {
  struct stat st;
  if (stat(what, &st) != 0) {
    const size_t n = strlen(what);
    return n > 12 && strcmp(what + n - 12, ".safetensors") == 0;
  }
  if (!S_ISDIR(st.st_mode)) {
    const size_t n = strlen(what);
    return n < 4 || strcmp(what + n - 4, ".xml") != 0;
  }
  char path[4200];
  snprintf(path, sizeof path, "%.4096s/policy.safetensors", what);
  return strchr(what, '/') != NULL || fsio_exists(path);
}

static enum err parse_goal(struct cast *c, const char *text) {
  const int n = c->source.task->goal;
  c->goal = must_alloc((size_t)n + 1, sizeof *c->goal);
  const char *p = text;
  int i = 0;
  for (size_t length; i < n; i++, p += length + 1) {
    double x;
    length = strcspn(p, ",");
    if (!number_parse_part(&x, p, length) || !(fabs(x) <= 1e9) ||
        p[length] != (i + 1 < n ? ',' : '\0')) {
      break;
    }
    c->goal[i] = (float)x;
  }
  if (n == 0 || i < n) {
    log_error("--goal %s: task %s has goals of %d numbers; expected so many, with commas between",
              text, c->source.task->name, n);
    return ERR_USAGE;
  }
  return ERR_OK;
}

static enum err find_cast(struct cast *c, const struct arguments *a) {
  const char *policy = a->script != NULL ? "script" : a->policy;
  const bool run = names_policy(a->what);
  c->actor = policy == NULL                  ? (run ? BY_POLICY : BY_RANDOM)
             : strcmp(policy, "random") == 0 ? BY_RANDOM
             : strcmp(policy, "zero") == 0   ? BY_ZERO
             : strcmp(policy, "script") == 0 ? BY_SCRIPT
                                             : BY_POLICY;
  enum err err;
  if (run) {
    err = policy_source_open(&c->source, a->what, a->task);
  } else if (a->task != NULL) {
    log_error("%s is a task already; --task goes with a run or a policy file", a->what);
    err = ERR_USAGE;
  } else if (c->actor != BY_POLICY) {
    err = task_load(&c->source.task, a->what);
  } else {
    err = policy_source_open(&c->source, policy, a->what);
  }
  // another policy on the task of a run
  if (err == ERR_OK && run && policy != NULL && c->actor == BY_POLICY) {
    struct policy_source other;
    err = policy_source_open(&other, policy, a->task != NULL ? a->task : c->source.task->name);
    policy_source_release(&c->source);
    c->source = other;
  }
  if (err == ERR_OK && c->actor == BY_SCRIPT) {
    err = script_read(&c->script, a->script, c->source.task->act);
  }
  if (err == ERR_OK && a->goal != NULL) {
    err = parse_goal(c, a->goal);
  }
  c->seed = a->has_seed ? a->seed : c->source.seed;
  return err;
}

static void release_cast(struct cast *c) {
  policy_source_release(&c->source);
  script_free(c->script);
  free(c->goal);
}

// ---- looking on ----

struct show {
  const struct arguments *a;
  const struct cast *cast;
  struct scene *scene;
  struct picture *picture;
  int width, height;
  double dt, fps;  // s of a step; frames a second, at most 1 / dt
  uint8_t *rgb;
  bool held;          // rgb is a frame that picture does not have yet
  int episode, next;  // frame of this episode that is due next
  int end;            // the step at which this episode breaks off; -1: not known
  double reward;      // return so far
  enum err err;
};

static volatile sig_atomic_t stopped;

static void on_stop(int signum) {
  stopped = signum;
}

// the columns of text
static void describe(const struct show *s, char *names, char *values, size_t n,
                     const struct episode *ep, int t) {
  const struct task *task = s->cast->source.task;
  const bool compact = s->width <= COMPACT_WIDTH;
  struct {
    const char *name;
    char value[80];
  } rows[6];
  int k = 0;
  if (!compact) {
    rows[k].name = "task";
    snprintf(rows[k++].value, sizeof rows->value, "%s", task->name);
  }
  if (s->a->episodes > 1) {
    rows[k].name = "episode";
    snprintf(rows[k++].value, sizeof rows->value, "%d / %d", s->episode + 1, s->a->episodes);
  }
  rows[k].name = "step";
  snprintf(rows[k++].value, sizeof rows->value, "%d / %d", t, task->horizon);
  if (task->goal > 0) {
    rows[k].name = compact ? "dist" : "distance";
    snprintf(rows[k++].value, sizeof rows->value, "%.3f", evaluation_distance(ep, t, NULL));
  }
  if (task->has_reward) {
    rows[k].name = "return";
    snprintf(rows[k++].value, sizeof rows->value, "%.1f", s->reward);
  }
  if (task->success_radius > 0.0) {
    const bool yes = evaluation_distance(ep, t, task->success_counts) < task->success_radius;
    rows[k].name = "success";
    snprintf(rows[k++].value, sizeof rows->value, "%s", yes ? "yes" : "no");
  }
  size_t a = 0, b = 0;
  for (int i = 0; i < k; i++) {
    const char *end = i + 1 < k ? "\n" : "";
    if (compact) {
      a += (size_t)snprintf(names + a, n - a, "%s %s%s", rows[i].name, rows[i].value, end);
    } else {
      a += (size_t)snprintf(names + a, n - a, "%s%s", rows[i].name, end);
      b += (size_t)snprintf(values + b, n - b, "%s%s", rows[i].value, end);
    }
  }
  values[b] = '\0';
}

static void release_held(struct show *s, int times) {
  if (s->held && s->err == ERR_OK) {
    s->err = picture_add(s->picture, s->rgb, times);
  }
  s->held = false;
}

static bool frame_due(const struct show *s, int t, bool last) {
  if (picture_is_still(s->a->out)) {
    return s->a->has_frame ? t == s->a->frame || (last && t < s->a->frame) : last;
  }
  return last || t >= (int)lround(s->next / (s->fps * s->dt));
}

static void look(void *ctx, struct env *env, const struct episode *ep, int t) {
  struct show *s = ctx;
  if (s->err != ERR_OK || stopped != 0) {
    return;
  }
  if (t == 0) {
    s->held = false;  // of an attempt that came to nothing
    s->next = 0;
    s->reward = 0.0;
    scene_set_goal(s->scene, env_data(env), ep->desired);
  } else if (ep->dims.reward) {
    s->reward += (double)ep->reward[t - 1];
  }
  const bool last = ep->terminated || t == ep->dims.horizon || t == s->end;
  if (!frame_due(s, t, last)) {
    return;
  }
  char names[512], values[512];
  describe(s, names, values, sizeof names, ep, t);
  release_held(s, 1);
  if (s->err == ERR_OK) {
    s->err = scene_draw(s->scene, s->rgb, env_data(env), names, values);
    s->held = true;
    s->next++;
  }
}

static void act(void *ctx, float *action, struct env *env, int t) {
  const struct show *s = ctx;
  const struct task *task = s->cast->source.task;
  if (s->cast->actor == BY_SCRIPT) {
    script_action(s->cast->script, action, task, env_data(env), t);
  } else {
    memset(action, 0, (size_t)task->act * sizeof *action);
  }
}

// ---- episodes ----

static void print_episode(const struct show *s, const struct episode *ep) {
  const struct task *task = s->cast->source.task;
  printf("episode %d: %d steps", s->episode, ep->T);
  if (task->goal > 0) {
    printf(", distance %.3f to %.3f", evaluation_distance(ep, 0, NULL),
           evaluation_distance(ep, ep->T, NULL));
  }
  if (task->has_reward) {
    printf(", return %.1f", s->reward);
  }
  if (task->success_radius > 0.0) {
    const bool yes = evaluation_distance(ep, ep->T, task->success_counts) < task->success_radius;
    printf(", success %s", yes ? "yes" : "no");
  }
  putchar('\n');
}

// episode s->episode, drawn
static enum err run_episode(struct show *s, struct rollout *rollout, struct episode *ep) {
  const struct cast *c = s->cast;
  const struct weights *w = c->source.policy.weights;
  const struct ticket ticket = {.id = (uint64_t)s->episode,
                                .seed = ticket_eval_seed(c->seed, (uint64_t)s->episode),
                                .version = w != NULL ? w->version : 0,
                                .kind = c->actor == BY_RANDOM ? TICKET_WARMUP : TICKET_EVAL};
  s->end = -1;
  enum err err = rollout_run(rollout, ep, &ticket, w, NULL);
  // one that broke off before the frame that is wanted shows its last step
  if (err == ERR_OK && s->err == ERR_OK && stopped == 0 && !s->held) {
    s->end = ep->T;
    err = rollout_run(rollout, ep, &ticket, w, NULL);
  }
  return s->err == ERR_OK ? err : s->err;
}

static enum err run_episodes(struct show *s) {
  const struct task *task = s->cast->source.task;
  const struct rollout_options opt = {.hindsight = 1};
  const struct dims dims = task_dims(task, opt.hindsight);
  const bool own = s->cast->actor == BY_ZERO || s->cast->actor == BY_SCRIPT;
  const struct rollout_hooks hooks = {
      .observe = look, .act = own ? act : NULL, .ctx = s, .desired = s->cast->goal};
  struct rollout *rollout = rollout_new(task, &opt);
  struct episode *ep = episode_new(&dims);
  rollout_set_hooks(rollout, &hooks);
  while (s->episode < s->a->episodes && s->err == ERR_OK && stopped == 0) {
    s->err = run_episode(s, rollout, ep);
    // the end stays in sight for a while
    release_held(s, (int)ceil(hold_s * s->fps));
    if (s->err == ERR_OK && stopped == 0) {
      print_episode(s, ep);
    }
    s->episode++;
  }
  episode_free(ep);
  rollout_free(rollout);
  return s->err;
}

// the model's proportions, in even numbers of pixels
static void choose_size(struct show *s) {
  s->width = s->a->width;
  s->height = s->a->height;
  if (s->width != 0) {
    return;
  }
  const mjModel *m = s->cast->source.task->model;
  const double w = fmax(1, m->vis.global.offwidth), h = fmax(1, m->vis.global.offheight);
  const double scale = fmin(1.0, DEFAULT_SIDE / fmax(w, h));
  s->width = (int)fmax(SCENE_MIN_SIZE, 2 * round(scale * w / 2));
  s->height = (int)fmax(SCENE_MIN_SIZE, 2 * round(scale * h / 2));
}

static enum err play(const struct arguments *a, const struct cast *c) {
  const struct task *task = c->source.task;
  struct show s = {.a = a, .cast = c};
  choose_size(&s);
  s.dt = task->model->opt.timestep * task->frame_skip;
  s.fps = fmin(a->fps, 1.0 / s.dt);
  const struct scene_options opt = {.width = s.width, .height = s.height, .camera = a->camera};
  enum err err = picture_open(&s.picture, a->out, s.width, s.height, s.fps);
  if (err == ERR_OK) {
    err = scene_new(&s.scene, task, &opt);
  }
  if (err == ERR_OK) {
    s.rgb = must_alloc((size_t)s.width * (size_t)s.height, 3);
    err = run_episodes(&s);
  }
  if (err == ERR_OK && stopped == 0) {
    err = picture_finish(s.picture);
  }
  if (err == ERR_OK && stopped == 0) {
    printf("wrote %s (%d x %d)\n", a->out, s.width, s.height);
  }
  picture_free(s.picture);
  scene_free(s.scene);
  free(s.rgb);
  return err;
}

// ---- process ----

// Mesa keeps some memory to its end. Looked for by name by the leak checker, if there is one.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libOSMesa\nleak:libLLVM\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
  return "print_suppressions=0";
}

// first request: remove what is unfinished, then end as if we had not been told how
static void catch_stop(int signum) {
  const struct sigaction action = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
  CHECK(sigaction(signum, &action, NULL) == 0);
}

int main(int argc, char **argv) {
  // before anything that the compiler may have vectorised
  enum err err = cpu_require();
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  log_set_name("play");
  struct arguments a = {.out = "play.webp", .episodes = 1, .fps = default_fps};
  struct cast cast = {0};
  err = parse_arguments(&a, argc, argv);
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  process_ignore_sigpipe();
  signal(SIGXFSZ, SIG_IGN);  // a file that outgrows `ulimit -f` is an I/O error like any other
  if (a.parent != 0) {
    // beside a training: end with it, and leave the processors to it
    if ((err = process_follow_parent(a.parent)) != ERR_OK) {
      return err_exit_code(err);
    }
    (void)setpriority(PRIO_PROCESS, 0, QUIET_PRIORITY);
    setenv("LP_NUM_THREADS", "0", 1);
  }
  catch_stop(SIGINT);
  catch_stop(SIGTERM);
  if ((err = find_cast(&cast, &a)) == ERR_OK) {
    err = play(&a, &cast);
  }
  release_cast(&cast);
  if (stopped != 0) {
    raise(stopped);
  }
  return err_exit_code(err);
}
