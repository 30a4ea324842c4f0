// main.c - telos-play: runs episodes and draws them. The program behind `telos play`, and the only
// one that links OpenGL.
//
// Episodes are those of the run's evaluations: rollout_run on the same tickets, with a hook that
// draws. Frames are drawn as the steps happen; each is held back until the next one is due, so that
// an episode that has to be run again (rollout.h) leaves no frame behind.
#include <math.h>
#include <mujoco/mujoco.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "actor/rollout.h"
#include "actor/script.h"
#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/process.h"
#include "common/evaluation.h"
#include "common/task/env.h"
#include "deploy/play/acting.h"
#include "deploy/play/film.h"
#include "deploy/play/picture.h"
#include "deploy/play/play_args.h"
#include "deploy/play/scene.h"

enum {
  DEFAULT_SIDE = 480,   // pixels of the longer side, at most
  COMPACT_WIDTH = 320,  // up to this width: one narrow column of text
  QUIET_PRIORITY = 10,  // of a program that works beside a training
};

static const double default_fps = 25.0,
                    hold_s = 0.6;  // how long the last frame of an episode stays

// ---- drawing ----

struct show {
  const struct play_args *a;
  const struct acting *acting;
  struct scene *scene;
  struct picture *picture;
  struct film *film;  // NULL: nobody asked for it
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
  const struct task *task = s->acting->source.task;
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
    if (s->film != NULL) {
      film_add(s->film, s->rgb, times);
    }
  }
  s->held = false;
}

static bool frame_due(const struct show *s, int t, bool last) {
  if (picture_is_still(s->a->out)) {
    return s->a->has_frame ? t == s->a->frame || (last && t < s->a->frame) : last;
  }
  return last || t >= (int)lround(s->next / (s->fps * s->dt));
}

static void draw_step(void *ctx, struct env *env, const struct episode *ep, int t) {
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
  const struct task *task = s->acting->source.task;
  if (s->acting->by == ACTING_BY_SCRIPT) {
    script_action(s->acting->script, action, task, env_data(env), t);
  } else {
    memset(action, 0, (size_t)task->act * sizeof *action);
  }
}

// ---- episodes ----

static void print_episode(const struct show *s, const struct episode *ep) {
  const struct task *task = s->acting->source.task;
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
  const struct acting *c = s->acting;
  const struct weights *w = c->source.policy.weights;
  const struct ticket ticket = {.id = (uint64_t)s->episode,
                                .seed = ticket_eval_seed(c->seed, (uint64_t)s->episode),
                                .version = w != NULL ? w->version : 0,
                                .kind = c->by == ACTING_BY_RANDOM ? TICKET_WARMUP : TICKET_EVAL};
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
  const struct task *task = s->acting->source.task;
  const struct rollout_options opt = {.hindsight = 1};
  const struct dims dims = task_dims(task, opt.hindsight);
  const bool own = s->acting->by == ACTING_BY_ZERO || s->acting->by == ACTING_BY_SCRIPT;
  const struct rollout_hooks hooks = {
      .observe = draw_step, .act = own ? act : NULL, .ctx = s, .desired = s->acting->goal};
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
  const mjModel *m = s->acting->source.task->model;
  const double w = fmax(1, m->vis.global.offwidth), h = fmax(1, m->vis.global.offheight);
  const double scale = fmin(1.0, DEFAULT_SIDE / fmax(w, h));
  s->width = (int)fmax(SCENE_MIN_SIZE, 2 * round(scale * w / 2));
  s->height = (int)fmax(SCENE_MIN_SIZE, 2 * round(scale * h / 2));
}

// env steps that a policy was trained for; 0: it does not tell
static uint64_t steps_of(const struct policy_file *policy) {
  const char *text = policy_file_meta(policy, "steps");
  uint64_t steps = 0;
  return text != NULL && number_parse_uint(&steps, text) ? steps : 0;
}

static enum err play(const struct play_args *a, const struct acting *c) {
  const struct task *task = c->source.task;
  struct show s = {.a = a, .acting = c};
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
    if (a->events != NULL) {
      s.film = film_new(s.width, s.height, s.fps, s.fps * s.dt * task->horizon * a->episodes);
    }
    err = run_episodes(&s);
  }
  if (err == ERR_OK && stopped == 0) {
    err = picture_finish(s.picture);
  }
  if (err == ERR_OK && stopped == 0 && s.film != NULL) {
    film_write(s.film, a->events, steps_of(&c->source.policy));
  }
  if (err == ERR_OK && stopped == 0) {
    printf("wrote %s (%d x %d)\n", a->out, s.width, s.height);
  }
  film_free(s.film);
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
  struct play_args a = {.out = "play.webp", .episodes = 1, .fps = default_fps};
  struct acting acting = {0};
  err = play_args_parse(&a, argc, argv);
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
  if ((err = acting_open(&acting, &a)) == ERR_OK) {
    err = play(&a, &acting);
  }
  acting_release(&acting);
  if (stopped != 0) {
    raise(stopped);
  }
  return err_exit_code(err);
}
