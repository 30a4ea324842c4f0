// test_task_box2d.c - Box 2D in its four variants: geometry, noise, starts and goals.
//
// Figures are those of the task's sheet, or of the kinematic rule below, which the task stands for.
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "common/task/task.h"
#include "tests/unit/source.h"

static struct task *task;
static struct env *env;
static struct rng reset_rng, dynamics;

static void begin(const char *name) {
  task = source_task(name);
  cr_assert_str_eq(task->name, name);
  env = env_new(task);
}

static void end(void) {
  env_free(env);
  task_free(task);
}

static void start(uint64_t seed, float *goal) {
  rng_init(&reset_rng, seed, RNG_RESET, 0);
  rng_init(&dynamics, seed, RNG_DYNAMICS, 0);
  cr_assert_eq(env_reset(env, goal, &reset_rng), ERR_OK);
}

struct point {
  double x, y;
};

static struct point position(void) {
  float obs[2], achieved[2];
  env_observe(env, obs, achieved);
  cr_assert(isfinite(obs[0]) && isfinite(obs[1]));
  cr_assert(obs[0] == achieved[0] && obs[1] == achieved[1]);
  return (struct point){(double)obs[0], (double)obs[1]};
}

static double distance(struct point p, double x, double y) {
  return hypot(p.x - x, p.y - y);
}

// how far out, by the larger coordinate: the obstacle ends at 2.5 for the disc's centre
static double ring(struct point p) {
  return fmax(fabs(p.x), fabs(p.y));
}

// One step, and where it ends. Between two observations at most one physics step of 0.02 lies
// behind the first contact, which begins at 2.51 from the axes: nothing is ever deeper than 2.49.
// At the rim likewise 4.02.
static struct point step(const float *a) {
  struct env_step ignored;
  cr_assert_eq(env_step(env, a, &dynamics, &ignored), ERR_OK);
  const struct point p = position();
  cr_assert(ring(p) > 2.49 && ring(p) <= 4.021, "at (%g, %g)", p.x, p.y);
  return p;
}

// the action that goes straight to (x, y)
static void go(float *a, struct point p, double x, double y, double size) {
  a[0] = (float)fmax(-1, fmin(1, (x - p.x) / size));
  a[1] = (float)fmax(-1, fmin(1, (y - p.y) / size));
}

// the fixed variants: step size, horizon, steps that the way-points take, distance in the end of
// uniform random actions by the kinematic rule
static const struct fixed {
  const char *name;
  double size;
  int horizon;
  double way_steps, random_distance;
} fixed[2] = {{"box2d", 0.2, 100, 62, 7.85}, {"box2d-fine", 0.025, 800, 486, 8.03}};

static const char *const drawn[2] = {"box2d-random", "box2d-fine-random"};

// ---- the fixed variants ----

Test(task_box2d, fixed_variants_are_as_published) {
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    cr_expect(task->obs == 2 && task->goal == 2 && task->act == 2);
    cr_expect_eq(task->horizon, fixed[i].horizon);
    cr_expect_eq(task->success_radius, 0.6);
    cr_expect_eq(task->action.noise, 0.2);
    float goal[2];
    for (uint64_t seed = 0; seed < 3; seed++) {
      start(seed, goal);
      const struct point p = position();
      cr_expect(goal[0] == 3.5f && goal[1] == 2.0f && p.x == -3.5 && p.y == -2.0);
    }
    end();
  }
}

// full action in the open moves by the step size, along each axis and both ways
Test(task_box2d, a_step_has_its_size) {
  static const float ways[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    task->action.noise = 0;
    for (int w = 0; w < 4; w++) {
      float goal[2];
      start(1, goal);
      const struct point p = position(), q = step(ways[w]);
      cr_expect_float_eq(q.x - p.x, fixed[i].size * (double)ways[w][0], 1e-6);
      cr_expect_float_eq(q.y - p.y, fixed[i].size * (double)ways[w][1], 1e-6);
    }
    end();
  }
}

// moving straight at the goal without noise ends at the obstacle, 6.01 from it
Test(task_box2d, greedy_gets_stuck) {
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    task->action.noise = 0;
    float goal[2], a[2];
    start(1, goal);
    struct point p = position();
    for (int t = 0; t < task->horizon; t++) {
      go(a, p, 3.5, 2, fixed[i].size);
      p = step(a);
    }
    cr_expect_float_eq(distance(p, 3.5, 2), 6.01, 0.02, "%s", task->name);
    end();
  }
}

// around the obstacle by three way-points, under the task's own noise: never later than 75 steps,
// or the horizon, and on average when the sheet says
Test(task_box2d, waypoints_succeed) {
  static const double way[3][2] = {{-3.2, 3.2}, {2.9, 3.2}, {3.5, 2}};
  enum { EPISODES = 20 };
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    const int limit = i == 0 ? 75 : task->horizon;
    double sum = 0;
    for (uint64_t seed = 0; seed < EPISODES; seed++) {
      float goal[2], a[2];
      start(seed, goal);
      struct point p = position();
      int t = 0;
      for (int next = 0; t < limit && distance(p, 3.5, 2) >= task->success_radius; t++) {
        next += next < 2 && distance(p, way[next][0], way[next][1]) < 0.4;
        go(a, p, way[next][0], way[next][1], fixed[i].size);
        p = step(a);
      }
      cr_expect_lt(t, limit, "%s seed %d", task->name, (int)seed);
      sum += t;
    }
    cr_expect_float_eq(sum / EPISODES, fixed[i].way_steps, 0.03 * fixed[i].way_steps,
                       "%s: %g steps", task->name, sum / EPISODES);
    end();
  }
}

// Uniform random actions in the task's own noise. The final distance deviates by 0.66 and 0.37:
// three errors of a mean of 400 and 100.
Test(task_box2d, random_actions_lead_nowhere) {
  static const int episodes[2] = {400, 100};
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    double sum = 0;
    for (int e = 0; e < episodes[i]; e++) {
      struct rng rng;
      rng_init(&rng, (uint64_t)e, RNG_TEST, 0);
      float goal[2], a[2];
      start((uint64_t)e, goal);
      struct point p = position();
      for (int t = 0; t < task->horizon; t++) {
        rng_fill_uniform(&rng, a, 2, -1, 1);
        p = step(a);
      }
      cr_expect_geq(distance(p, 3.5, 2), task->success_radius);
      sum += distance(p, 3.5, 2);
    }
    cr_expect_float_eq(sum / episodes[i], fixed[i].random_distance, 0.11, "%s: %g", task->name,
                       sum / episodes[i]);
    end();
  }
}

// The kinematic rule: move by size x a; an offending coordinate stops 0.01 outside the face that it
// crosses; the arena ends at 4.
static struct point kinematic(struct point p, const float *a, double size) {
  const double from[2] = {p.x, p.y};
  double to[2];
  for (int i = 0; i < 2; i++) {
    to[i] = fmax(-4, fmin(4, from[i] + size * fmax(-1, fmin(1, (double)a[i]))));
  }
  for (int i = 0; i < 2; i++) {
    const int j = 1 - i;
    const bool beside = fabs(from[i]) >= 2.5 - 0.011;
    const bool within = fmin(from[j], to[j]) < 2.5 && fmax(from[j], to[j]) > -2.5;
    if (beside && within && fabs(to[i]) < 2.51) {
      to[i] = from[i] > 0 ? 2.51 : -2.51;
    }
  }
  return (struct point){to[0], to[1]};
}

// mean disagreement of one step over states that random walks visit, walls and corners included
Test(task_box2d, agrees_with_the_kinematic_rule) {
  static const double limit[2] = {0.01, 0.0003};
  for (int i = 0; i < 2; i++) {
    begin(fixed[i].name);
    task->action.noise = 0;
    struct rng rng;
    rng_init(&rng, 7, RNG_TEST, 0);
    double sum = 0;
    int n = 0, walls = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
      float goal[2], a[2] = {0, 0};
      start(seed, goal);
      struct point p = position();
      for (int t = 0; t < task->horizon; t++, n++) {
        // held for as long as it takes to get about 0.6 far
        if (t % (task->horizon / 25) == 0) {
          rng_fill_uniform(&rng, a, 2, -1.5f, 1.5f);
        }
        const struct point expected = kinematic(p, a, fixed[i].size);
        p = step(a);
        walls += ring(p) < 2.52 || ring(p) > 3.99;
        sum += distance(p, expected.x, expected.y);
      }
    }
    cr_expect_lt(sum / n, limit[i], "%s: %g", task->name, sum / n);
    cr_expect_gt(walls, n / 20, "walls are reached");
    end();
  }
}

// ---- starts and goals that are drawn ----

// Points uniform on the ring between 2.5 and 4, in nine cells that the lines at -2.5 and 2.5 make.
struct spread {
  int cell[3][3];
  double ring;
};

static void add(struct spread *s, double x, double y) {
  s->cell[y < -2.5 ? 0 : y > 2.5 ? 2 : 1][x < -2.5 ? 0 : x > 2.5 ? 2 : 1]++;
  s->ring += fmax(fabs(x), fabs(y));
}

// Of the ring's area 39 a corner has 1.5^2, a side 1.5 x 5. Counts within 4.5 deviations; the mean
// of the larger coordinate, which deviates by 0.43, likewise. low: where the ring begins.
static void expect_ring(const struct spread *s, int n, double low, const char *what) {
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      const int corners = (i != 1) + (j != 1);
      const double p = corners == 2 ? 2.25 / 39 : corners == 1 ? 7.5 / 39 : 0;
      cr_expect_float_eq(s->cell[i][j], n * p, 4.5 * sqrt(n * p * (1 - p)) + 1e-9,
                         "%s %s: %d of %d in cell %d %d", task->name, what, s->cell[i][j], n, i, j);
    }
  }
  const double mean = 2.0 / 3 * (64 - pow(low, 3)) / (16 - low * low);
  cr_expect_float_eq(s->ring / n, mean, 4.5 * 0.43 / sqrt(n), "%s %s: mean %g", task->name, what,
                     s->ring / n);
}

Test(task_box2d, random_variants_draw_starts_and_goals_on_the_ring) {
  enum { RESETS = 2000 };
  for (int i = 0; i < 2; i++) {
    begin(drawn[i]);
    cr_expect_eq(task->horizon, fixed[i].horizon);
    struct spread starts = {0}, goals = {0};
    double products = 0;
    for (uint64_t seed = 0; seed < RESETS; seed++) {
      float goal[2];
      start(seed, goal);
      const struct point p = position();
      // contact begins at 2.51; nothing is drawn beyond the arena
      cr_assert(ring(p) >= 2.51 - 1e-6 && ring(p) <= 4, "start (%g, %g)", p.x, p.y);
      const struct point g = {(double)goal[0], (double)goal[1]};
      cr_assert(ring(g) >= 2.5 && ring(g) <= 4, "goal (%g, %g)", g.x, g.y);
      add(&starts, p.x, p.y);
      add(&goals, g.x, g.y);
      products += p.x * g.x;
    }
    expect_ring(&starts, RESETS, 2.51, "starts");
    expect_ring(&goals, RESETS, 2.5, "goals");
    // a coordinate deviates by 2.7, so the mean product of independent ones by 7.3 / sqrt(n)
    cr_expect_float_eq(products / RESETS, 0, 4.5 * 7.3 / sqrt(RESETS));
    end();
  }
}

// the drawn variants move as the fixed ones do: same physics, noise and step size
Test(task_box2d, random_variants_move_alike) {
  enum { STEPS = 40 };
  for (int i = 0; i < 2; i++) {
    static double path[2][STEPS][2];
    for (int k = 0; k < 2; k++) {
      begin(k ? drawn[i] : fixed[i].name);
      float goal[2], a[2];
      start(3, goal);
      env_data(env)->qpos[0] = -3.5;
      env_data(env)->qpos[1] = -2;
      env_refresh(env);
      rng_init(&dynamics, 3, RNG_DYNAMICS, 0);
      struct point p = position();
      for (int t = 0; t < STEPS; t++) {
        go(a, p, 3.5, 2, fixed[i].size);
        p = step(a);
        path[k][t][0] = p.x;
        path[k][t][1] = p.y;
      }
      end();
    }
    cr_expect_eq(memcmp(path[0], path[1], sizeof path[0]), 0, "%s", drawn[i]);
  }
}
