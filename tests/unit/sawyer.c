// sawyer.c - see sawyer.h. Watching physics steps plays a control step as five of one physics step
// each, of which only the first moves the set-point: the same positions, bit for bit.
#include "tests/unit/sawyer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/script.h"
#include "tests/unit/source.h"

// ---- running ----

void sawyer_open(struct sawyer *s, const char *name) {
  s->task = source_task(name);
  cr_assert_str_eq(s->task->name, name);
  s->env = env_new(s->task);
  s->d = env_data(s->env);
  sawyer_reset(s, 0);
}

void sawyer_close(struct sawyer *s) {
  env_free(s->env);
  task_free(s->task);
}

void sawyer_reset(struct sawyer *s, uint64_t seed) {
  struct rng reset;
  rng_init(&reset, seed, RNG_RESET, 0);
  rng_init(&s->dynamics, seed, RNG_DYNAMICS, 0);
  cr_assert_eq(env_reset(s->env, s->goal, &reset), ERR_OK);
}

void sawyer_place(struct sawyer *s, const double *p, double q) {
  sawyer_reset(s, 0);
  mju_copy3(s->d->qpos, p);
  mju_copy3(s->d->mocap_pos, p);
  s->d->qpos[SAWYER_JOINT] = q;
  env_refresh(s->env);
}

void sawyer_step(struct sawyer *s, const float *act) {
  struct env_step out;
  float obs[6], achieved[6];
  cr_assert_eq(env_step(s->env, act, &s->dynamics, &out), ERR_OK);
  env_observe(s->env, obs, achieved);
  for (int i = 0; i < 6; i++) {
    cr_assert(isfinite(obs[i]) && obs[i] == achieved[i]);
  }
  cr_assert(out.reward == 0 && !out.terminated);
}

void sawyer_watch(struct sawyer *s, const float *act, void (*visit)(struct sawyer *s)) {
  const int steps = s->task->frame_skip;
  const double lead = s->task->action.lead;
  const float hold[4] = {0, 0, 0, act[3]};
  s->task->frame_skip = 1;
  for (int i = 0; i < steps; i++) {
    sawyer_step(s, i == 0 ? act : hold);
    s->task->action.lead = TASK_NO_LIMIT;
    visit(s);
  }
  s->task->action.lead = lead;
  s->task->frame_skip = steps;
}

void sawyer_go(struct sawyer *s, double x, double y, double z, float grip, int steps) {
  const double target[3] = {x, y, z};
  float act[4] = {0, 0, 0, grip};
  for (int t = 0; t < steps; t++) {
    for (int i = 0; i < 3; i++) {
      act[i] = (float)mju_clip((target[i] - s->d->mocap_pos[i]) / 0.01, -1, 1);
    }
    sawyer_step(s, act);
  }
}

double sawyer_distance(struct sawyer *s, int first) {
  float obs[6], achieved[6];
  double sum = 0;
  env_observe(s->env, obs, achieved);
  for (int i = first; i < 6; i++) {
    sum += pow((double)achieved[i] - (double)s->goal[i], 2);
  }
  return sqrt(sum);
}

// sum of all of MuJoCo's warnings since the reset: bad states, full buffers
static int warnings(const struct sawyer *s) {
  int sum = 0;
  for (int i = 0; i < mjNWARNING; i++) {
    sum += s->d->warning[i].number;
  }
  return sum;
}

void sawyer_check_script(const char *name) {
  struct sawyer s;
  struct script *script;
  float act[4];
  sawyer_open(&s, name);
  cr_assert_eq(script_read(&script, source_path("tests/scripts/%s.txt", name), 4), ERR_OK);
  const int steps = script_steps(script);
  cr_expect_leq(steps, s.task->horizon);
  sawyer_reset(&s, 0);
  for (int t = 0; t < steps; t++) {
    script_action(script, act, s.task, s.d, t);
    sawyer_step(&s, act);
  }
  cr_expect_lt(sawyer_distance(&s, 0), 0.01, "%g", sawyer_distance(&s, 0));
  cr_expect_lt(sawyer_distance(&s, 3), s.task->success_radius);
  cr_expect_eq(warnings(&s), 0);
  script_free(script);
  sawyer_close(&s);
}

void sawyer_draw_held(struct rng *rng, float *act, int *left) {
  if ((*left)-- > 0) {
    return;
  }
  *left = (int)rng_below(rng, 40);
  for (int i = 0; i < 3; i++) {
    act[i] = (float)rng_below(rng, 3) - 1.0f;
  }
  act[3] = (float)rng_below(rng, 2) * 2.0f - 1.0f;
}

// ---- overlap ----

static bool touches(const mjModel *m, int geom) {
  return m->geom_contype[geom] != 0;
}

static bool on_hand(const mjModel *m, int geom) {
  return m->body_rootid[m->geom_bodyid[geom]] == mj_name2id(m, mjOBJ_BODY, "hand");
}

// signed distance of a point from a box
static double box_distance(const mjModel *m, const mjData *d, int box, const double *point) {
  double offset[3], local[3], outside = 0, inside = -1;
  mju_sub3(offset, point, d->geom_xpos + 3 * box);
  mju_mulMatTVec(local, d->geom_xmat + 9 * box, offset, 3, 3);
  for (int i = 0; i < 3; i++) {
    const double x = fabs(local[i]) - m->geom_size[3 * box + i];
    outside += x > 0 ? x * x : 0;
    inside = fmax(inside, x);
  }
  return outside > 0 ? sqrt(outside) : inside;
}

// a sphere or capsule in a box, by points on its axis 3 mm apart or less
static double depth_round(const mjModel *m, const mjData *d, int thing, int box) {
  enum { POINTS = 40 };
  const double radius = m->geom_size[3 * thing];
  const double half = m->geom_type[thing] == mjGEOM_CAPSULE ? m->geom_size[3 * thing + 1] : 0;
  const double *frame = d->geom_xmat + 9 * thing;
  double deepest = 0;
  for (int k = 0; k <= POINTS; k++) {
    const double along = half * (2.0 * k / POINTS - 1);
    const double axis[3] = {frame[2], frame[5], frame[8]};
    double point[3];
    mju_addScl3(point, d->geom_xpos + 3 * thing, axis, along);
    deepest = fmax(deepest, radius - box_distance(m, d, box, point));
  }
  return deepest;
}

// all boxes are parallel: the hand does not turn, and what does has none
static double depth_box(const mjModel *m, const mjData *d, int a, int b) {
  double shallowest = 1;
  for (int i = 0; i < 3; i++) {
    const double apart = fabs(d->geom_xpos[3 * a + i] - d->geom_xpos[3 * b + i]);
    shallowest = fmin(shallowest, m->geom_size[3 * a + i] + m->geom_size[3 * b + i] - apart);
  }
  return fmax(shallowest, 0);
}

// thing in a box of the hand [m]
static double depth(const mjModel *m, const mjData *d, int thing, int box) {
  switch (m->geom_type[thing]) {
    case mjGEOM_PLANE:
      return fmax(0, m->geom_size[3 * box + 2] - d->geom_xpos[3 * box + 2]);
    case mjGEOM_BOX:
      return depth_box(m, d, thing, box);
    default:
      if (mju_dist3(d->geom_xpos + 3 * thing, d->geom_xpos + 3 * box) >
          m->geom_rbound[thing] + m->geom_rbound[box]) {
        return 0;
      }
      return depth_round(m, d, thing, box);
  }
}

// half of the thickness of the thinner one; the table has no end
static double half_thickness(const mjModel *m, int thing, int box) {
  const mjtNum *a = m->geom_size + 3 * thing, *b = m->geom_size + 3 * box;
  const double finger = fmin(b[0], fmin(b[1], b[2]));
  switch (m->geom_type[thing]) {
    case mjGEOM_PLANE:
      return finger;
    case mjGEOM_BOX:
      return fmin(finger, fmin(a[0], fmin(a[1], a[2])));
    default:
      return a[0];
  }
}

double sawyer_overlap(const struct sawyer *s, bool relative) {
  const mjModel *m = s->task->model;
  double deepest = 0;
  for (int box = 0; box < m->ngeom; box++) {
    for (int thing = 0; on_hand(m, box) && touches(m, box) && thing < m->ngeom; thing++) {
      if (touches(m, thing) && !on_hand(m, thing)) {
        const double half = relative ? half_thickness(m, thing, box) : 1;
        deepest = fmax(deepest, depth(m, s->d, thing, box) / half);
      }
    }
  }
  return deepest;
}

// ---- checks of both tasks ----

void sawyer_check_sheet(struct sawyer *s, const float *g) {
  const struct task *task = s->task;
  cr_expect(task->obs == 6 && task->goal == 6 && task->act == 4);
  cr_expect(task->horizon == 100 && task->frame_skip == 5);
  cr_expect_eq(task->model->opt.timestep, 0.0025);
  cr_expect_eq(task->success_radius, 0.05);
  for (int i = 0; i < 6; i++) {
    cr_expect_eq(s->goal[i], g[i]);
    cr_expect_eq(task->success_counts[i], i >= 3);
  }
  // nothing moves by itself but for the hand, which settles 0.37 mm below its set-point
  const float still[4] = {0, 0, 0, -1};
  const double before[3] = {0, 0.4, 0.2};
  const double q = s->d->qpos[SAWYER_JOINT];
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(s->d->qpos[i], before[i]);
    cr_expect_eq(s->d->mocap_pos[i], before[i]);
  }
  for (int t = 0; t < task->horizon; t++) {
    sawyer_step(s, still);
  }
  cr_expect_lt(mju_dist3(s->d->qpos, before), 0.001);
  cr_expect_float_eq(s->d->qpos[SAWYER_JOINT], q, 1e-6);
  sawyer_reset(s, 0);
}

static double deepest, lowest, highest;

static void watch_walls(struct sawyer *s) {
  const double q = s->d->qpos[SAWYER_JOINT];
  deepest = fmax(deepest, sawyer_overlap(s, true));
  lowest = fmin(lowest, q);
  highest = fmax(highest, q);
}

static void play_held(struct sawyer *s, int episode) {
  struct rng rng;
  float act[4];
  // the first 16 go on as they begin
  int left = episode < 16 ? s->task->horizon : 0;
  rng_init(&rng, (uint64_t)episode, RNG_TEST, 0);
  for (int i = 0; i < 4; i++) {
    act[i] = episode >> i & 1 ? 1.0f : -1.0f;
  }
  for (int t = 0; t < s->task->horizon; t++) {
    sawyer_draw_held(&rng, act, &left);
    sawyer_watch(s, act, watch_walls);
  }
}

// A random outcome with the hand near the handle as the state; seed goes on to the one after it.
// Few outcomes overlap although the task forbids it, see sawyer_check_goals: not states to start
// from.
static void place_near(struct sawyer *s, struct sawyer_joint joint, uint64_t *seed) {
  double p[3], handle[3];
  do {
    sawyer_reset(s, (*seed)++);
    for (int i = 0; i < 3; i++) {
      p[i] = (double)s->goal[i];
      handle[i] = (double)s->goal[3 + i];
    }
    sawyer_place(s, p, joint.of(s->goal + 3));
  } while (mju_dist3(p, handle) > 0.15 || sawyer_overlap(s, false) > 0.0021);
}

void sawyer_check_walls(const char *name, struct sawyer_joint joint) {
  struct sawyer s;
  uint64_t seed = 0;
  int moved = 0;
  sawyer_open(&s, name);
  deepest = 0;
  lowest = highest = s.d->qpos[SAWYER_JOINT];
  for (int episode = 0; episode < 200; episode++) {
    if (episode < 16) {
      sawyer_reset(&s, 0);
    } else {
      place_near(&s, joint, &seed);
    }
    const double q = s.d->qpos[SAWYER_JOINT];
    play_held(&s, episode);
    moved += fabs(s.d->qpos[SAWYER_JOINT] - q) > 0.01;
    cr_expect_eq(warnings(&s), 0, "%s: episode %d", name, episode);
  }
  cr_expect_lt(deepest, 1, "%g of half a thickness", deepest);
  cr_expect(lowest > joint.low && highest < joint.high, "joint at %g .. %g", lowest, highest);
  cr_expect_gt(moved, 40, "only %d episodes move anything", moved);
  sawyer_close(&s);
}

// The outcome of this seed becomes the state. It is what the sensors read with the hand where it
// says and the joint at some q in its range. Returns how deep things are in each other.
static double pose_goal(struct sawyer *s, uint64_t seed, struct sawyer_joint joint) {
  float goal[6], obs[6], achieved[6];
  sawyer_reset(s, seed);
  memcpy(goal, s->goal, sizeof goal);
  const double p[3] = {(double)goal[0], (double)goal[1], (double)goal[2]};
  const double q = joint.of(goal + 3);
  cr_assert(q > joint.goal_low - 1e-6 && q < joint.goal_high + 1e-6);
  sawyer_place(s, p, q);
  env_observe(s->env, obs, achieved);
  for (int i = 0; i < 6; i++) {
    cr_assert_float_eq(achieved[i], goal[i], 1e-6, "seed %d, number %d", (int)seed, i);
  }
  return sawyer_overlap(s, false);
}

// MuJoCo's closed forms miss some deep overlaps. Of 20,000 outcomes of the window it let pass 4
// (2.2.2) and 98 (3.3.7) with a rod of the handle or the sash right through a box of the hand, far
// from its edges, and it calls what is 2 mm deep less than 1. Without the rule 14 % overlap.
void sawyer_check_goals(const char *name, struct sawyer_joint joint) {
  static const double low[3] = {-0.2, 0.45, 0.05}, high[3] = {0.2, 0.75, 0.3};
  double nearest[3] = {1, 1, 1}, farthest[3] = {-1, -1, -1};
  struct sawyer s;
  int missed = 0, overlapping = 0;
  sawyer_open(&s, name);
  for (uint64_t seed = 0; seed < 400; seed++) {
    missed += pose_goal(&s, seed, joint) > 0.0021;
    for (int i = 0; i < 3; i++) {
      const double x = s.d->qpos[i];
      cr_assert(x > low[i] - 1e-6 && x < high[i] + 1e-6);
      nearest[i] = fmin(nearest[i], x);
      farthest[i] = fmax(farthest[i], x);
    }
  }
  for (int i = 0; i < 3; i++) {
    cr_expect(nearest[i] < low[i] + 0.01 && farthest[i] > high[i] - 0.01);
  }
  s.task->max_overlap = TASK_NO_LIMIT;
  for (uint64_t seed = 0; seed < 400; seed++) {
    overlapping += pose_goal(&s, seed, joint) > 0.0021;
  }
  cr_expect_leq(missed, 4, "%d of 400 outcomes overlap", missed);
  cr_expect_geq(overlapping, 12, "%d of 400 outcomes overlap", overlapping);
  sawyer_close(&s);
}

void sawyer_check_random_episodes(const char *name) {
  struct sawyer s;
  float act[4];
  double longest = 0;
  sawyer_open(&s, name);
  const struct task_action *a = &s.task->action;
  for (uint64_t seed = 0; seed < 200; seed++) {
    struct rng rng;
    rng_init(&rng, seed, RNG_TEST, 0);
    sawyer_reset(&s, seed);
    for (int t = 0; t < s.task->horizon; t++) {
      rng_fill_uniform(&rng, act, 4, -1, 1);
      const mjtNum hand[3] = {s.d->xpos[3 * a->hand], s.d->xpos[3 * a->hand + 1],
                              s.d->xpos[3 * a->hand + 2]};
      sawyer_step(&s, act);
      longest = fmax(longest, mju_dist3(s.d->mocap_pos, hand));
      for (int i = 0; i < 3; i++) {
        cr_assert(s.d->mocap_pos[i] >= a->low[i] && s.d->mocap_pos[i] <= a->high[i]);
      }
    }
    cr_expect_eq(warnings(&s), 0, "%s: episode %d", name, (int)seed);
  }
  cr_expect_lt(longest, 0.06 + 1e-9);
  sawyer_close(&s);
}
