// test_task_gym.c - the reward tasks against the published definitions of Gymnasium's v4
// environments: bodies, observation, reward, end and reset.
//
// Figures of the bodies were measured on the models of Gymnasium 0.29.1 with MuJoCo 2.2.2; they are
// the same with 3.1.6. Rewards and ends are those of its documentation and sources, computed here
// again from positions and controls.
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/task/env.h"
#include "tests/unit/source.h"

enum { MAX_OBS = 376, MAX_ACT = 17, MAX_JOINTS = 18, MAX_SOLIDS = 18 };

struct joint {
  double low, high;  // degrees; both 0: not limited
  double stiffness, damping, armature;
};

struct motor {
  int joint;
  double gear;  // N m at control 1
};

struct solid {
  double radius, half;  // m; half 0: a sphere
  double friction;      // sliding
};

struct known {
  const char *name;
  int obs, act, frame_skip;
  double timestep;  // s
  int integrator, solver, iterations;
  double mass;                // kg, of all bodies
  double potential, kinetic;  // J, in the state of generic_state
  double lowest;              // m, see lowest_points
  double friction[3];         // of the floor
  double solimp[3];           // of contacts
  double margin;              // m
  bool meet;                  // bodies touch one another
  double speed_weight, alive, cost, ctrl;
  double noise, velocity_noise, velocity_normal;
  int hidden;   // first coordinates that are not observed
  double clip;  // of observed velocities; 0: none
  bool planar;  // the root is three joints x, z, pitch
  const struct joint *joint;
  const struct motor *motor;
  const struct solid *solid;
  int njoint, nmotor, nsolid;
};

#define COUNT(a) (int)(sizeof(a) / sizeof(a)[0])
#define LISTS(j, u, s) \
  .joint = j, .motor = u, .solid = s, .njoint = COUNT(j), .nmotor = COUNT(u), .nsolid = COUNT(s)

#define RAD (180 / 3.14159265358979323846)
#define FREE \
  { 0, 0, 0, 0, 0 }

static const struct joint cheetah_joint[] = {
    FREE,
    FREE,
    FREE,
    {-0.52 * RAD, 1.05 * RAD, 240, 6, 0.1},
    {-0.785 * RAD, 0.785 * RAD, 180, 4.5, 0.1},
    {-0.4 * RAD, 0.785 * RAD, 120, 3, 0.1},
    {-1 * RAD, 0.7 * RAD, 180, 4.5, 0.1},
    {-1.2 * RAD, 0.87 * RAD, 120, 3, 0.1},
    {-0.5 * RAD, 0.5 * RAD, 60, 1.5, 0.1},
};
static const struct motor cheetah_motor[] = {{3, 120}, {4, 90}, {5, 60},
                                             {6, 120}, {7, 60}, {8, 30}};
static const struct solid cheetah_solid[] = {
    {0.046, 0.5, 0.4},   {0.046, 0.15, 0.4},  {0.046, 0.145, 0.4}, {0.046, 0.15, 0.4},
    {0.046, 0.094, 0.4}, {0.046, 0.133, 0.4}, {0.046, 0.106, 0.4}, {0.046, 0.07, 0.4}};

static const struct joint hopper_joint[] = {
    FREE, FREE, FREE, {-150, 0, 0, 1, 1}, {-150, 0, 0, 1, 1}, {-45, 45, 0, 1, 1}};
static const struct motor hopper_motor[] = {{3, 200}, {4, 200}, {5, 200}};
static const struct solid hopper_solid[] = {
    {0.05, 0.2, 0.9}, {0.05, 0.225, 0.9}, {0.04, 0.25, 0.9}, {0.06, 0.195, 2}};

static const struct joint walker_joint[] = {FREE,
                                            FREE,
                                            FREE,
                                            {-150, 0, 0, 0.1, 0.01},
                                            {-150, 0, 0, 0.1, 0.01},
                                            {-45, 45, 0, 0.1, 0.01},
                                            {-150, 0, 0, 0.1, 0.01},
                                            {-150, 0, 0, 0.1, 0.01},
                                            {-45, 45, 0, 0.1, 0.01}};
static const struct motor walker_motor[] = {{3, 100}, {4, 100}, {5, 100},
                                            {6, 100}, {7, 100}, {8, 100}};
static const struct solid walker_solid[] = {{0.05, 0.2, 0.9}, {0.05, 0.225, 0.9}, {0.04, 0.25, 0.9},
                                            {0.06, 0.1, 0.9}, {0.05, 0.225, 0.9}, {0.04, 0.25, 0.9},
                                            {0.06, 0.1, 1.9}};

#define HIP \
  { -30, 30, 0, 1, 1 }
static const struct joint ant_joint[] = {FREE,
                                         HIP,
                                         {30, 70, 0, 1, 1},
                                         HIP,
                                         {-70, -30, 0, 1, 1},
                                         HIP,
                                         {-70, -30, 0, 1, 1},
                                         HIP,
                                         {30, 70, 0, 1, 1}};
// the fourth leg's motors come first
static const struct motor ant_motor[] = {{7, 150}, {8, 150}, {1, 150}, {2, 150},
                                         {3, 150}, {4, 150}, {5, 150}, {6, 150}};
#define NEAR \
  { 0.08, 0.1 * 1.4142135623730951, 1 }
#define FAR \
  { 0.08, 0.2 * 1.4142135623730951, 1 }
static const struct solid ant_solid[] = {{0.25, 0, 1}, NEAR, NEAR, FAR,  NEAR, NEAR, FAR,
                                         NEAR,         NEAR, FAR,  NEAR, NEAR, FAR};

static const struct joint humanoid_joint[] = {
    FREE,
    {-45, 45, 20, 5, 0.02},    // waist z
    {-75, 30, 10, 5, 0.02},    // waist y
    {-35, 35, 10, 5, 0.02},    // waist x
    {-25, 5, 10, 5, 0.01},     // right hip x
    {-60, 35, 10, 5, 0.01},    // right hip z
    {-110, 20, 20, 5, 0.008},  // right hip y
    {-160, -2, 0, 1, 0.006},   // right knee
    {-25, 5, 10, 5, 0.01},     // left hip x
    {-60, 35, 10, 5, 0.01},    // left hip z
    {-110, 20, 20, 5, 0.01},   // left hip y
    {-160, -2, 1, 1, 0.006},   // left knee
    {-85, 60, 1, 1, 0.0068},   // right shoulder 1
    {-85, 60, 1, 1, 0.0051},   // right shoulder 2
    {-90, 50, 0, 1, 0.0028},   // right elbow
    {-60, 85, 1, 1, 0.0068},   // left shoulder 1
    {-60, 85, 1, 1, 0.0051},   // left shoulder 2
    {-90, 50, 0, 1, 0.0028},   // left elbow
};
// waist y comes before waist z
static const struct motor humanoid_motor[] = {
    {2, 100},  {1, 100},  {3, 100}, {4, 100}, {5, 100}, {6, 300}, {7, 200}, {8, 100}, {9, 100},
    {10, 300}, {11, 200}, {12, 25}, {13, 25}, {14, 25}, {15, 25}, {16, 25}, {17, 25}};
#define THIGH \
  { 0.06, 0.17007351351694948, 1 }  // hypot(0.01, 0.34) / 2
#define ARM(radius) \
  { radius, 0.13856406460551018, 1 }  // 0.08 sqrt(3)
static const struct solid humanoid_solid[] = {
    {0.07, 0.07, 1},  {0.09, 0, 1},  {0.06, 0.06, 1}, {0.06, 0.06, 1},  {0.09, 0.07, 1}, THIGH,
    {0.049, 0.15, 1}, {0.075, 0, 1}, THIGH,           {0.049, 0.15, 1}, {0.075, 0, 1},   ARM(0.04),
    ARM(0.031),       {0.04, 0, 1},  ARM(0.04),       ARM(0.031),       {0.04, 0, 1}};

static const struct known tasks[] = {
    {.name = "half-cheetah",
     .obs = 17,
     .act = 6,
     .frame_skip = 5,
     .timestep = 0.01,
     .integrator = mjINT_EULER,
     .solver = mjSOL_NEWTON,
     .iterations = 100,
     .mass = 14,
     .potential = 90.2982693818884,
     .kinetic = 5.95570622808982,
     .lowest = 12.5023366015297,
     .friction = {0.4, 0.1, 0.1},
     .solimp = {0, 0.8, 0.01},
     .speed_weight = 1,
     .cost = 0.1,
     .ctrl = 1,
     .noise = 0.1,
     .velocity_normal = 0.1,
     .hidden = 1,
     .planar = true,
     LISTS(cheetah_joint, cheetah_motor, cheetah_solid)},
    {.name = "hopper",
     .obs = 11,
     .act = 3,
     .frame_skip = 4,
     .timestep = 0.002,
     .integrator = mjINT_RK4,
     .solver = mjSOL_NEWTON,
     .iterations = 100,
     .mass = 15.820013405927,
     .potential = 106.691398559746,
     .kinetic = 9.59385501515187,
     .lowest = 3.20549191379311,
     .friction = {1, 0.005, 0.0001},
     .solimp = {0.8, 0.8, 0.01},
     .margin = 0.001,
     .meet = true,
     .speed_weight = 1,
     .alive = 1,
     .cost = 0.001,
     .ctrl = 1,
     .noise = 0.005,
     .velocity_noise = 0.005,
     .hidden = 1,
     .clip = 10,
     .planar = true,
     LISTS(hopper_joint, hopper_motor, hopper_solid)},
    {.name = "walker2d",
     .obs = 17,
     .act = 6,
     .frame_skip = 4,
     .timestep = 0.002,
     .integrator = mjINT_RK4,
     .solver = mjSOL_NEWTON,
     .iterations = 100,
     .mass = 23.6771366325551,
     .potential = 157.823675694413,
     .kinetic = 23.8599500402578,
     .lowest = 8.36773875067602,
     .friction = {0.7, 0.1, 0.1},
     .solimp = {0.9, 0.95, 0.001},
     .speed_weight = 1,
     .alive = 1,
     .cost = 0.001,
     .ctrl = 1,
     .noise = 0.005,
     .velocity_noise = 0.005,
     .hidden = 1,
     .clip = 10,
     .planar = true,
     LISTS(walker_joint, walker_motor, walker_solid)},
    {.name = "ant-forward",
     .obs = 27,
     .act = 8,
     .frame_skip = 5,
     .timestep = 0.01,
     .integrator = mjINT_RK4,
     .solver = mjSOL_NEWTON,
     .iterations = 100,
     .mass = 0.910880082707392,
     .potential = 6.77854455993112,
     .kinetic = 2.71279482577504,
     .lowest = 61.2281137396278,
     .friction = {1, 0.5, 0.5},
     .solimp = {0.9, 0.95, 0.001},
     .margin = 0.01,
     .speed_weight = 1,
     .alive = 1,
     .cost = 0.5,
     .ctrl = 1,
     .noise = 0.1,
     .velocity_normal = 0.1,
     .hidden = 2,
     LISTS(ant_joint, ant_motor, ant_solid)},
    {.name = "humanoid",
     .obs = 376,
     .act = 17,
     .frame_skip = 5,
     .timestep = 0.003,
     .integrator = mjINT_RK4,
     .solver = mjSOL_PGS,
     .iterations = 50,
     .mass = 42.1160304921299,
     .potential = 405.226638088271,
     .kinetic = 53.7344095441958,
     .lowest = 150.438069068823,
     .friction = {1, 0.1, 0.1},
     .solimp = {0.9, 0.95, 0.001},
     .margin = 0.001,
     .meet = true,
     .speed_weight = 1.25,
     .alive = 5,
     .cost = 0.1,
     .ctrl = 0.4,
     .noise = 0.01,
     .velocity_noise = 0.01,
     .hidden = 2,
     LISTS(humanoid_joint, humanoid_motor, humanoid_solid)},
};

enum { CHEETAH, HOPPER, WALKER, ANT, HUMANOID, NTASK };

// ---- one task and one simulation of it ----

struct scene {
  const struct known *known;
  struct task *task;
  mjModel *m;
  struct env *env;
  mjData *d;
  struct rng reset, dynamics, rng;
};

static void reset_scene(struct scene *s) {
  float none[1];
  cr_assert_eq(env_reset(s->env, none, &s->reset), ERR_OK);
}

static void open_scene(struct scene *s, int task) {
  memset(s, 0, sizeof *s);
  s->known = &tasks[task];
  s->task = source_task(s->known->name);
  s->m = s->task->model;
  s->env = env_new(s->task);
  s->d = env_data(s->env);
  rng_init(&s->reset, 1, RNG_RESET, 0);
  rng_init(&s->dynamics, 1, RNG_DYNAMICS, 0);
  rng_init(&s->rng, 1, RNG_TEST, 0);
  reset_scene(s);
}

static void close_scene(struct scene *s) {
  env_free(s->env);
  task_free(s->task);
}

// No weight, no contact, no limit: what rests stays exactly where it is, what flies keeps its
// speed.
static void remove_forces(struct scene *s) {
  s->m->opt.gravity[2] = 0;
  s->m->opt.disableflags |= mjDSBL_CONTACT | mjDSBL_LIMIT;
}

// the start, at rest
static void rest(struct scene *s) {
  mj_resetDataKeyframe(s->m, s->d, 0);
  env_refresh(s->env);
}

static struct env_step step(struct scene *s, const float *act) {
  struct env_step out;
  cr_assert_eq(env_step(s->env, act, &s->dynamics, &out), ERR_OK);
  return out;
}

static struct env_step idle(struct scene *s) {
  const float still[MAX_ACT] = {0};
  return step(s, still);
}

static void random_action(struct scene *s, float *act, float reach) {
  rng_fill_uniform(&s->rng, act, (size_t)s->known->act, -reach, reach);
}

// every coordinate and every velocity another one
static void generic_state(const mjModel *m, mjData *d) {
  mj_resetData(m, d);
  for (int i = 0; i < m->nq; i++) {
    d->qpos[i] += 0.1 * sin(i + 1);
  }
  mj_normalizeQuat(m, d->qpos);
  for (int i = 0; i < m->nv; i++) {
    d->qvel[i] = cos(i + 1);
  }
}

// ---- the definitions ----

static float clipped(double x, double clip) {
  return (float)(clip > 0 ? fmax(-clip, fmin(clip, x)) : x);
}

// positions without the hidden ones, then velocities: all of the observation but the humanoid's,
// of which it is the beginning
static int expected_obs(const struct scene *s, float *obs) {
  int n = 0;
  for (int i = s->known->hidden; i < s->m->nq; i++) {
    obs[n++] = (float)s->d->qpos[i];
  }
  for (int i = 0; i < s->m->nv; i++) {
    obs[n++] = clipped(s->d->qvel[i], s->known->clip);
  }
  return n;
}

static void expect_obs(const struct scene *s) {
  float got[MAX_OBS], expected[MAX_OBS];
  env_observe(s->env, got, NULL);
  const int n = expected_obs(s, expected);
  cr_assert(n <= s->known->obs);
  for (int i = 0; i < n; i++) {
    cr_expect_eq(got[i], expected[i], "%s: number %d is %g instead of %g", s->known->name, i,
                 (double)got[i], (double)expected[i]);
  }
}

// x of the root, or of the whole humanoid's centre of mass
static double place(const struct scene *s, mjData *scratch) {
  if (s->known != &tasks[HUMANOID]) {
    return s->d->qpos[0];
  }
  mju_copy(scratch->qpos, s->d->qpos, s->m->nq);
  mj_kinematics(s->m, scratch);
  double sum = 0, mass = 0;
  for (int i = 0; i < s->m->nbody; i++) {
    sum += s->m->body_mass[i] * scratch->xipos[3 * i];
    mass += s->m->body_mass[i];
  }
  return sum / mass;
}

static double expected_reward(const struct scene *s, const float *act, double moved) {
  double effort = 0;
  for (int i = 0; i < s->known->act; i++) {
    effort += pow(s->known->ctrl * fmax(-1, fmin(1, (double)act[i])), 2);
  }
  const double seconds = s->known->timestep * s->known->frame_skip;
  return s->known->speed_weight * moved / seconds + s->known->alive - s->known->cost * effort;
}

static bool within(double x, double low, double high) {
  return x > low && x < high;
}

static bool expected_end(const struct scene *s) {
  const double *q = s->d->qpos, *v = s->d->qvel;
  bool healthy = true;
  if (s->known == &tasks[HOPPER]) {
    healthy = q[1] > 0.7 && within(q[2], -0.2, 0.2);
    for (int i = 2; i < 6; i++) {
      healthy = healthy && within(q[i], -100, 100);
    }
    for (int i = 0; i < 6; i++) {
      healthy = healthy && within(v[i], -100, 100);
    }
  } else if (s->known == &tasks[WALKER]) {
    healthy = within(q[1], 0.8, 2) && within(q[2], -1, 1);
  } else if (s->known == &tasks[ANT]) {
    healthy = q[2] >= 0.2 && q[2] <= 1;
  } else if (s->known == &tasks[HUMANOID]) {
    healthy = within(q[2], 1, 2);
  }
  return !healthy;
}

// one float rounding of a number of this size
static double rounding(double x) {
  return (double)FLT_EPSILON * (1 + fabs(x));
}

// ---- tests ----

Test(gym, dimensions_and_times_are_the_published_ones) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    const struct known *w = s.known;
    cr_expect_str_eq(s.task->name, w->name);
    cr_expect_eq(s.task->obs, w->obs);
    cr_expect_eq(s.task->act, w->act);
    cr_expect_eq(s.task->goal, 0);
    cr_expect(s.task->has_reward);
    cr_expect_eq(s.task->horizon, 1000);
    cr_expect_eq(s.task->frame_skip, w->frame_skip);
    cr_expect_eq(s.m->opt.timestep, w->timestep);
    cr_expect_eq((int)s.m->opt.integrator, w->integrator);
    cr_expect_eq((int)s.m->opt.solver, w->solver);
    cr_expect_eq(s.m->opt.iterations, w->iterations);
    cr_expect_eq(s.m->opt.cone, mjCONE_PYRAMIDAL);
    cr_expect(mj_name2id(s.m, mjOBJ_CAMERA, "view") >= 0);
    close_scene(&s);
  }
}

// Height of each solid's lowest point, times 1, 2, .. in file order, summed: it places them all.
static double lowest_points(const mjModel *m, const mjData *d) {
  double sum = 0;
  for (int g = 0, n = 0; g < m->ngeom; g++) {
    if (m->geom_type[g] != mjGEOM_PLANE) {
      const double half = m->geom_type[g] == mjGEOM_CAPSULE ? m->geom_size[3 * g + 1] : 0;
      const double end = d->geom_xpos[3 * g + 2] - half * fabs(d->geom_xmat[9 * g + 8]);
      sum += ++n * (end - m->geom_size[3 * g]);
    }
  }
  return sum;
}

static void expect_close(double x, double expected, const char *name) {
  cr_expect_float_eq(x, expected, 1e-12 * expected, "%s: %.15g instead of %.15g", name, x,
                     expected);
}

// Energies of a state in which everything is bent and everything moves depend on each mass,
// inertia, length, axis, spring and armature.
Test(gym, bodies_are_the_published_ones) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    generic_state(s.m, s.d);
    s.m->opt.enableflags |= mjENBL_ENERGY;
    mj_forward(s.m, s.d);
    expect_close(s.m->body_subtreemass[0], s.known->mass, s.known->name);
    expect_close(s.d->energy[0], s.known->potential, s.known->name);
    expect_close(s.d->energy[1], s.known->kinetic, s.known->name);
    expect_close(lowest_points(s.m, s.d), s.known->lowest, s.known->name);
    close_scene(&s);
  }
}

Test(gym, joints_and_motors_are_the_published_ones) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    cr_assert_eq((int)s.m->njnt, s.known->njoint);
    for (int i = 0; i < s.known->njoint; i++) {
      const struct joint *j = &s.known->joint[i];
      const int dof = s.m->jnt_dofadr[i];
      const bool limited = j->low < j->high;
      cr_expect_eq(s.m->jnt_limited[i] != 0, limited, "%s %d", s.known->name, i);
      cr_expect(!limited || fabs(s.m->jnt_range[2 * i] * RAD - j->low) < 1e-9);
      cr_expect(!limited || fabs(s.m->jnt_range[2 * i + 1] * RAD - j->high) < 1e-9);
      cr_expect_eq(s.m->jnt_stiffness[i], j->stiffness, "%s %d", s.known->name, i);
      cr_expect_eq(s.m->dof_damping[dof], j->damping, "%s %d", s.known->name, i);
      cr_expect_eq(s.m->dof_armature[dof], j->armature, "%s %d", s.known->name, i);
    }
    cr_assert_eq((int)s.m->nu, s.known->nmotor);
    for (int i = 0; i < s.known->nmotor; i++) {
      cr_expect_eq(s.m->actuator_trnid[2 * i], s.known->motor[i].joint, "%s %d", s.known->name, i);
      cr_expect_eq(s.m->actuator_gear[6 * i], s.known->motor[i].gear, "%s %d", s.known->name, i);
      cr_expect(s.m->actuator_ctrllimited[i]);
      cr_expect_eq(s.m->actuator_ctrlrange[2 * i], -s.known->ctrl);
      cr_expect_eq(s.m->actuator_ctrlrange[2 * i + 1], s.known->ctrl);
    }
    close_scene(&s);
  }
}

static void expect_floor(const struct scene *s, int g) {
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(s->m->geom_friction[3 * g + i], s->known->friction[i], "%s", s->known->name);
  }
  cr_expect_eq(s->m->geom_condim[g], 3);
  cr_expect_eq(s->m->geom_pos[3 * g + 2], 0);
  // the margin of a pair is the larger of both in older versions, the sum in newer ones
  cr_expect_eq(s->m->geom_margin[g], 0);
}

static void expect_solid(const struct scene *s, int g, const struct solid *solid) {
  const char *name = s->known->name;
  cr_expect_eq(s->m->geom_type[g], solid->half > 0 ? mjGEOM_CAPSULE : mjGEOM_SPHERE);
  cr_expect_float_eq(s->m->geom_size[3 * g], solid->radius, 1e-12, "%s %d", name, g);
  cr_expect(solid->half == 0 || fabs(s->m->geom_size[3 * g + 1] - solid->half) < 1e-12, "%s %d",
            name, g);
  cr_expect_eq(s->m->geom_friction[3 * g], solid->friction, "%s %d", name, g);
  cr_expect_eq(s->m->geom_margin[g], s->known->margin, "%s %d", name, g);
  cr_expect_eq(s->m->geom_condim[g], s->known->meet ? 1 : 3, "%s %d", name, g);
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(s->m->geom_solimp[mjNIMP * g + i], s->known->solimp[i], "%s %d", name, g);
  }
  cr_expect(s->m->geom_solref[mjNREF * g] == 0.02 && s->m->geom_solref[mjNREF * g + 1] == 1);
}

static bool may_touch(const mjModel *m, int a, int b) {
  return (m->geom_contype[a] & m->geom_conaffinity[b]) ||
         (m->geom_contype[b] & m->geom_conaffinity[a]);
}

Test(gym, contacts_are_the_published_ones) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    int floor = -1, n = 0, solid[MAX_SOLIDS];
    for (int g = 0; g < s.m->ngeom; g++) {
      if (s.m->geom_type[g] == mjGEOM_PLANE) {
        cr_assert(floor < 0);
        floor = g;
      } else if (s.m->geom_contype[g] || s.m->geom_conaffinity[g]) {
        cr_assert(n < s.known->nsolid);
        expect_solid(&s, g, &s.known->solid[n]);
        solid[n++] = g;
      }
    }
    cr_assert(floor >= 0);
    cr_assert_eq(n, s.known->nsolid);
    expect_floor(&s, floor);
    for (int i = 0; i < n; i++) {
      cr_expect(may_touch(s.m, floor, solid[i]));
      cr_expect_eq(may_touch(s.m, solid[0], solid[i]), s.known->meet);
    }
    close_scene(&s);
  }
}

// each number at its place, in a state where no two are equal, and velocities clipped
Test(gym, observation_has_the_published_layout) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    expect_obs(&s);
    generic_state(s.m, s.d);
    for (int i = 0; i < s.m->nv; i++) {
      s.d->qvel[i] *= 30;
    }
    env_refresh(s.env);
    expect_obs(&s);
    float obs[MAX_OBS];
    env_observe(s.env, obs, NULL);
    // cos(4) * 30 = -19.6, cos(5) * 30 = 8.5
    const int v = (int)s.m->nq - s.known->hidden;
    cr_expect_eq(obs[v + 3], s.known->clip > 0 ? -10.0f : (float)(30 * cos(4)));
    cr_expect_eq(obs[v + 4], (float)(30 * cos(5)));
    idle(&s);
    expect_obs(&s);
    close_scene(&s);
  }
}

// Reward, end and observation of every step: from written states, and on random episodes, with
// actions that reach beyond [-1, 1].
Test(gym, reward_is_the_published_one) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    mjData *scratch = mj_makeData(s.m);
    int ends = 0;
    for (int t = 0; t < 120; t++) {
      float act[MAX_ACT];
      if (t == 60) {
        generic_state(s.m, s.d);
        env_refresh(s.env);
      } else if (t % 30 == 0) {
        reset_scene(&s);
      }
      random_action(&s, act, 1.5f);
      const double before = place(&s, scratch);
      const struct env_step got = step(&s, act);
      const double expected = expected_reward(&s, act, place(&s, scratch) - before);
      cr_assert_float_eq((double)got.reward, expected, rounding(expected), "%s step %d: %.9g, %.9g",
                         s.known->name, t, (double)got.reward, expected);
      cr_assert_eq(got.terminated, expected_end(&s), "%s step %d", s.known->name, t);
      ends += got.terminated;
      expect_obs(&s);
    }
    cr_expect(k != CHEETAH || ends == 0);
    mj_deleteData(scratch);
    close_scene(&s);
  }
}

// With nothing that brakes, a body thrown at 2 m/s earns that speed: 2 w + alive; and controls
// cost their squares.
Test(gym, reward_of_a_thrown_body) {
  static const double thrown[NTASK] = {2, 3, 3, 3, 7.5};
  // at full control, of which nothing but the cost is left when no motor pulls
  static const double cost[NTASK] = {6 * 0.1, 3 * 0.001, 6 * 0.001, 8 * 0.5, 17 * 0.16 * 0.1};
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    float full[MAX_ACT];
    open_scene(&s, k);
    remove_forces(&s);
    rest(&s);
    s.d->qvel[0] = 2;
    env_refresh(s.env);
    cr_expect_float_eq((double)idle(&s).reward, thrown[k], rounding(thrown[k]), "%s",
                       s.known->name);
    s.m->opt.disableflags |= mjDSBL_ACTUATION;
    for (int i = 0; i < s.known->act; i++) {
      full[i] = i % 2 ? -2 : 1;
    }
    cr_expect_float_eq((double)step(&s, full).reward, thrown[k] - cost[k], rounding(8), "%s",
                       s.known->name);
    close_scene(&s);
  }
}

// Number i of qpos, or of qvel behind it, is x: does a step from there end the episode?
static bool ends_at(struct scene *s, int i, double x) {
  rest(s);
  mjtNum *number = i < s->m->nq ? s->d->qpos + i : s->d->qvel + i - s->m->nq;
  *number = x;
  env_refresh(s->env);
  return idle(s).terminated;
}

// open interval: its ends end the episode, the numbers next to them do not
static void expect_open(struct scene *s, int i, double low, double high) {
  cr_expect(ends_at(s, i, low), "%s %d at %g", s->known->name, i, low);
  cr_expect_not(ends_at(s, i, nextafter(low, high)), "%s %d above %g", s->known->name, i, low);
  cr_expect(ends_at(s, i, high), "%s %d at %g", s->known->name, i, high);
  cr_expect_not(ends_at(s, i, nextafter(high, low)), "%s %d below %g", s->known->name, i, high);
}

Test(gym, hopper_ends_at_the_published_ranges) {
  struct scene s;
  open_scene(&s, HOPPER);
  remove_forces(&s);
  cr_expect(ends_at(&s, 1, 0.7));
  cr_expect_not(ends_at(&s, 1, nextafter(0.7, 1)));
  cr_expect_not(ends_at(&s, 1, 1e6), "there is no highest height");
  cr_expect_not(ends_at(&s, 0, -1e4), "x is free");
  expect_open(&s, 2, -0.2, 0.2);
  for (int i = 3; i < 6; i++) {
    expect_open(&s, i, -100, 100);
  }
  // velocities: x and z keep theirs (a fast fall ends by its height), the joints' dampers take some
  for (int i = 6; i < 8; i++) {
    cr_expect(ends_at(&s, i, 100.001));
    cr_expect_not(ends_at(&s, i, 99.999));
  }
  cr_expect(ends_at(&s, 6, -100.001));
  cr_expect_not(ends_at(&s, 6, -99.999));
  for (int i = 9; i < 12; i++) {
    cr_expect(ends_at(&s, i, 150) && ends_at(&s, i, -150), "velocity %d", i);
  }
  close_scene(&s);
}

Test(gym, others_end_at_the_published_ranges) {
  struct scene s;
  open_scene(&s, WALKER);
  remove_forces(&s);
  expect_open(&s, 1, 0.8, 2);
  expect_open(&s, 2, -1, 1);
  cr_expect_not(ends_at(&s, 3, 200), "only height and pitch count");
  cr_expect_not(ends_at(&s, 9, 200), "only height and pitch count");
  close_scene(&s);

  open_scene(&s, HUMANOID);
  remove_forces(&s);
  expect_open(&s, 2, 1, 2);
  close_scene(&s);

  // the ant's interval is closed
  open_scene(&s, ANT);
  remove_forces(&s);
  cr_expect_not(ends_at(&s, 2, 0.2));
  cr_expect(ends_at(&s, 2, nextafter(0.2, 0)));
  cr_expect_not(ends_at(&s, 2, 1));
  cr_expect(ends_at(&s, 2, nextafter(1, 2)));
  close_scene(&s);

  // nothing ends the cheetah's run
  open_scene(&s, CHEETAH);
  remove_forces(&s);
  cr_expect_not(ends_at(&s, 1, -0.5));
  cr_expect_not(ends_at(&s, 1, 50));
  cr_expect_not(ends_at(&s, 2, 3.14));
  close_scene(&s);
}

// left to itself, every figure that can fall does; the ant lies still and the cheetah crouches
Test(gym, a_fall_ends_the_episode) {
  static const bool falls[NTASK] = {[HOPPER] = true, [WALKER] = true, [HUMANOID] = true};
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    cr_expect_not(idle(&s).terminated, "%s ends as soon as it starts", s.known->name);
    int t = 1;
    while (t < 300 && !idle(&s).terminated) {
      t++;
    }
    cr_expect_eq(t < 300, falls[k], "%s after %d steps", s.known->name, t);
    close_scene(&s);
  }
  // lying on the floor
  for (int k = HOPPER; k <= WALKER; k++) {
    struct scene s;
    open_scene(&s, k);
    s.d->qpos[1] = 0.06;
    s.d->qpos[2] = 1.5707963;
    env_refresh(s.env);
    cr_expect(idle(&s).terminated, "%s", s.known->name);
    close_scene(&s);
  }
}

struct spread {
  double low, high, sum, square;
};

static void add(struct spread *p, double x) {
  p->low = fmin(p->low, x);
  p->high = fmax(p->high, x);
  p->sum += x;
  p->square += x * x;
}

enum { DRAWS = 2000 };

// mean and deviation within four standard errors, and all of a uniform inside its range with its
// ends nearly reached
static void expect_spread(const struct spread *p, double uniform, double normal, const char *name,
                          int i) {
  const double sd = uniform > 0 ? uniform / sqrt(3) : normal;
  cr_expect_float_eq(p->sum / DRAWS, 0, 4 * sd / sqrt(DRAWS), "%s %d mean", name, i);
  cr_expect_float_eq(sqrt(p->square / DRAWS), sd, 4 * sd / sqrt(2 * DRAWS), "%s %d", name, i);
  if (uniform > 0) {
    cr_expect(p->low >= -uniform && p->low < -0.99 * uniform, "%s %d low", name, i);
    cr_expect(p->high <= uniform && p->high > 0.99 * uniform, "%s %d high", name, i);
  } else {
    // 1 in 16,000 of 2,000 normals is beyond 4 sd, 5 of them beyond 3
    cr_expect(p->low < -2.5 * normal && p->high > 2.5 * normal, "%s %d is no normal", name, i);
  }
}

Test(gym, reset_has_the_published_spread) {
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    static struct spread q[64], v[64];
    open_scene(&s, k);
    memset(q, 0, sizeof q);
    memset(v, 0, sizeof v);
    for (int draw = 0; draw < DRAWS; draw++) {
      reset_scene(&s);
      for (int i = 0; i < s.m->nq; i++) {
        add(&q[i], s.d->qpos[i] - s.m->qpos0[i]);
      }
      for (int i = 0; i < s.m->nv; i++) {
        add(&v[i], s.d->qvel[i]);
      }
      cr_assert(s.known->planar || fabs(mju_norm(s.d->qpos + 3, 4) - 1) < 1e-12);
    }
    for (int i = 0; i < s.m->nq; i++) {
      // a quaternion is made whole after the noise, which couples its numbers
      if (s.known->planar || i < 3 || i > 6) {
        expect_spread(&q[i], s.known->noise, 0, s.known->name, i);
      } else if (i > 3) {
        const double widest = s.known->noise / (1 - s.known->noise);
        cr_expect(q[i].low >= -widest && q[i].low < -0.9 * s.known->noise);
        cr_expect(q[i].high <= widest && q[i].high > 0.9 * s.known->noise);
      }
    }
    for (int i = 0; i < s.m->nv; i++) {
      expect_spread(&v[i], s.known->velocity_noise, s.known->velocity_normal, s.known->name, i);
    }
    close_scene(&s);
  }
}

Test(gym, start_is_the_published_one) {
  static const double height[NTASK] = {0, 1.25, 1.25, 0.75, 1.4};
  for (int k = 0; k < NTASK; k++) {
    struct scene s;
    open_scene(&s, k);
    rest(&s);
    for (int i = 0; i < s.m->nq; i++) {
      const bool up = i == (s.known->planar ? 1 : 2), real = !s.known->planar && i == 3;
      cr_expect_eq(s.d->qpos[i], up ? height[k] : real ? 1 : 0, "%s %d", s.known->name, i);
    }
    // the cheetah's z counts from 0.7
    cr_expect_float_eq(s.d->xpos[3 * 1 + 2], k == CHEETAH ? 0.7 : height[k], 1e-15);
    close_scene(&s);
  }
}

// ---- the humanoid's other 331 numbers ----

enum { CINERT = 45, CVEL = CINERT + 140, QFRC = CVEL + 84, CFRC = QFRC + 23, BODIES = 14 };

// Mass, mass times offset from the centre of the whole, inertia about that centre; and velocities
// at it. Thrown without turning, all bodies have the same velocity; turned as a whole, w and w x r.
Test(gym, humanoid_inertias_and_velocities) {
  struct scene s;
  open_scene(&s, HUMANOID);
  rest(&s);
  mju_copy3(s.d->qvel, (mjtNum[]){1, 2, -3});
  mju_copy3(s.d->qvel + 3, (mjtNum[]){0.5, -0.25, 0.75});
  env_refresh(s.env);
  float obs[MAX_OBS];
  env_observe(s.env, obs, NULL);
  const mjtNum *centre = s.d->subtree_com + 3;
  mjtNum offset[3], turned[3];
  mju_sub3(offset, centre, s.d->xpos + 3);
  mju_cross(turned, s.d->qvel + 3, offset);
  mju_addTo3(turned, s.d->qvel);
  for (int i = 0; i < BODIES; i++) {
    const float *inertia = obs + CINERT + 10 * i, *velocity = obs + CVEL + 6 * i;
    cr_expect_float_eq((double)inertia[9], s.m->body_mass[i], rounding(s.m->body_mass[i]));
    // the trace of an inertia moved by r: that of its own and 2 m r^2
    mjtNum r[3];
    mju_sub3(r, s.d->xipos + 3 * i, centre);
    const mjtNum *own = s.m->body_inertia + 3 * i;
    const double trace = own[0] + own[1] + own[2] + 2 * s.m->body_mass[i] * mju_dot3(r, r);
    cr_expect_float_eq((double)inertia[0] + (double)inertia[1] + (double)inertia[2], trace,
                       3 * rounding(trace));
    for (int j = 0; j < 3; j++) {
      cr_expect_float_eq((double)inertia[6 + j], s.m->body_mass[i] * r[j], rounding(1), "body %d",
                         i);
      const double w = i ? s.d->qvel[3 + j] : 0, v = i ? turned[j] : 0;
      cr_expect_float_eq((double)velocity[j], w, rounding(w), "body %d", i);
      cr_expect_float_eq((double)velocity[3 + j], v, rounding(v), "body %d", i);
    }
  }
  close_scene(&s);
}

// A motor's force is gear times control at its own degree of freedom; before the first step, none.
Test(gym, humanoid_actuator_forces) {
  struct scene s;
  open_scene(&s, HUMANOID);
  float obs[MAX_OBS], act[MAX_ACT];
  env_observe(s.env, obs, NULL);
  for (int i = 0; i < 23; i++) {
    cr_expect_eq(obs[QFRC + i], 0);
  }
  random_action(&s, act, 1);
  step(&s, act);
  env_observe(s.env, obs, NULL);
  double expected[23] = {0};
  for (int i = 0; i < s.known->nmotor; i++) {
    // joint j > 0 moves degree of freedom j + 5
    expected[s.known->motor[i].joint + 5] = s.known->motor[i].gear * 0.4 * (double)act[i];
  }
  for (int i = 0; i < 23; i++) {
    cr_expect_float_eq((double)obs[QFRC + i], expected[i], rounding(expected[i]), "%d", i);
  }
  close_scene(&s);
}

// Forces from outside: none in flight; lying still, the floor carries the weight, the sum of all
// bodies' vertical forces. Each row is torque, then force.
Test(gym, humanoid_external_forces) {
  struct scene s;
  open_scene(&s, HUMANOID);
  float obs[MAX_OBS];
  idle(&s);
  env_observe(s.env, obs, NULL);
  for (int i = 0; i < 6 * BODIES; i++) {
    cr_expect_eq(obs[CFRC + i], 0);
  }
  double upward = 0;
  for (int t = 0; t < 400; t++) {
    idle(&s);
    env_observe(s.env, obs, NULL);
    for (int i = 1; i < BODIES && t >= 300; i++) {
      upward += (double)obs[CFRC + 6 * i + 5] / 100;
    }
  }
  // the mean of 1.5 s; a part in 2,000 is left for slow sinking
  const double weight = 9.81 * s.known->mass;
  cr_expect_float_eq(upward, weight, weight / 2000, "%g instead of %g", upward, weight);
  reset_scene(&s);
  env_observe(s.env, obs, NULL);
  for (int i = 0; i < 6 * BODIES; i++) {
    cr_expect_eq(obs[CFRC + i], 0, "number %d is left from the episode before", i);
  }
  close_scene(&s);
}

// Forces are those of the last physics step, all else is of the state that it led to; two
// simulations of the test's own show both.
Test(gym, humanoid_numbers_are_those_of_the_right_moment) {
  struct scene s;
  open_scene(&s, HUMANOID);
  mjData *last = mj_makeData(s.m), *now = mj_makeData(s.m);
  float obs[MAX_OBS], act[MAX_ACT];
  bool touched = false;
  for (int t = 0; t < 60; t++) {
    random_action(&s, act, 1);
    mj_copyData(last, s.m, s.d);
    for (int i = 0; i < s.known->act; i++) {
      last->ctrl[i] = 0.4 * (double)act[i];
    }
    for (int i = 0; i < s.known->frame_skip; i++) {
      mj_step(s.m, last);
    }
    mj_rnePostConstraint(s.m, last);
    step(&s, act);
    env_observe(s.env, obs, NULL);
    mj_resetData(s.m, now);
    mju_copy(now->qpos, s.d->qpos, s.m->nq);
    mju_copy(now->qvel, s.d->qvel, s.m->nv);
    mj_forward(s.m, now);
    for (int i = 0; i < 140; i++) {
      cr_assert_eq(obs[CINERT + i], (float)now->cinert[i], "cinert %d, step %d", i, t);
    }
    for (int i = 0; i < 84; i++) {
      cr_assert_eq(obs[CVEL + i], (float)now->cvel[i], "cvel %d, step %d", i, t);
      cr_assert_eq(obs[CFRC + i], (float)last->cfrc_ext[i], "cfrc_ext %d, step %d", i, t);
      touched = touched || last->cfrc_ext[i] != 0;
    }
  }
  cr_expect(touched);
  mj_deleteData(last);
  mj_deleteData(now);
  close_scene(&s);
}
