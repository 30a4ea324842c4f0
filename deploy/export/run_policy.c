// run_policy.c - an exported policy in a program of one's own: MuJoCo and the C library, no telos.
//
//   telos export runs/box2d/NAME --format c --out policy.c
//   cc -O2 -I. deploy/export/run_policy.c policy.c -lmujoco -lm -o run_policy
//   ./run_policy build/release/bin/tasks/box2d.xml 3.5 2
//
// (-I: the folder that has policy.c.) Runs one episode from the model's first key, towards the goal
// that is given: its numbers in the units of policy_goal, before their scales. Prints a row a
// control step: time, what the goal's sensors read, the action.
//
// Actions have no noise here, and nothing is drawn: an episode of telos in which nothing is random
// is the same to the last bit.
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_DECLARE
#include <policy.c>

// exit codes of sysexits.h, as telos has them
enum { USAGE = 64, CONFIG = 78 };

static int fail(int code, const char *what, const char *words) {
  fprintf(stderr, "run_policy: %s%s\n", what, words);
  return code;
}

static mjModel *load(const char *path) {
  char error[500] = "";
  const size_t n = strlen(path);
  mjModel *m = n > 4 && strcmp(path + n - 4, ".mjb") == 0
                   ? mj_loadModel(path, NULL)
                   : mj_loadXML(path, NULL, error, sizeof error);
  if (m == NULL) {
    fprintf(stderr, "run_policy: cannot load %s: %s\n", path, error);
  }
  return m;
}

// Where a number of the policy is in sensordata; -1: the model does not have it.
static int find(const mjModel *m, const struct policy_number *number) {
  const int id = number->hook == NULL ? mj_name2id(m, mjOBJ_SENSOR, number->sensor) : -1;
  if (id < 0 || number->index >= m->sensor_dim[id]) {
    fprintf(stderr, "run_policy: %s: %s\n", number->name,
            number->hook != NULL ? "telos computes it by a hook, which this example does not have"
                                 : "no such sensor; is it the model that the policy is for?");
    return -1;
  }
  return m->sensor_adr[id] + number->index;
}

// Sensors at the state that a step has led to: mj_step leaves those of the state before.
static void sense(const mjModel *m, mjData *d) {
  int forward = 0;
  for (int i = 0; i < m->nsensor; i++) {
    forward = forward || m->sensor_needstage[i] == mjSTAGE_ACC;
  }
  if (forward) {
    mj_forward(m, d);
    return;
  }
  mj_kinematics(m, d);
  mj_comPos(m, d);
  mj_camlight(m, d);
  mj_tendon(m, d);
  mj_transmission(m, d);
  mj_sensorPos(m, d);
  mj_fwdVelocity(m, d);
  mj_sensorVel(m, d);
}

static void print_row(const mjData *d, const int *goal_at, const float *action) {
  printf("%.6g", d->time);
  for (int i = 0; i < POLICY_GOAL; i++) {
    printf(" %.9g", d->sensordata[goal_at[i]]);
  }
  for (int i = 0; i < POLICY_ACT; i++) {
    printf(" %.9g", action[i]);
  }
  printf("\n");
}

static void run(const mjModel *m, mjData *d, const int *obs_at, const int *goal_at,
                const float *goal) {
  float observation[POLICY_OBS], action[POLICY_ACT];
  for (int t = 0; t < POLICY_HORIZON; t++) {
    sense(m, d);
    for (int i = 0; i < POLICY_OBS; i++) {
      observation[i] = (float)(d->sensordata[obs_at[i]] * policy_observation[i].scale);
    }
    policy_action(action, observation, goal);
    print_row(d, goal_at, action);
    policy_control(d->ctrl, action);
    for (int i = 0; i < POLICY_FRAME_SKIP; i++) {
      mj_step(m, d);
    }
  }
}

int main(int argc, char **argv) {
  int obs_at[POLICY_OBS + 1], goal_at[POLICY_GOAL + 1];
  float goal[POLICY_GOAL + 1];
  if (argc != 2 + POLICY_GOAL) {
    fprintf(stderr, "usage: run_policy MODEL, then the %d numbers of a goal\n", POLICY_GOAL);
    return USAGE;
  }
  if (POLICY_AXES > 0) {
    return fail(CONFIG, "the policy moves a set-point: this example has only actuators", "");
  }
  mjModel *m = load(argv[1]);
  if (m == NULL) {
    return CONFIG;
  }
  int good = m->nu == POLICY_CTRL;
  if (!good) {
    fail(CONFIG, argv[1], " has another number of actuators than the policy");
  }
  for (int i = 0; good && i < POLICY_OBS; i++) {
    good = (obs_at[i] = find(m, &policy_observation[i])) >= 0;
  }
  for (int i = 0; good && i < POLICY_GOAL; i++) {
    good = (goal_at[i] = find(m, &policy_goal[i])) >= 0;
    goal[i] = (float)(strtod(argv[2 + i], NULL) * policy_goal[i].scale);
  }
  mjData *d = mj_makeData(m);
  if (m->nkey > 0) {
    mj_resetDataKeyframe(m, d, 0);
  }
  if (good) {
    run(m, d, obs_at, goal_at, goal);
  }
  mj_deleteData(d);
  mj_deleteModel(m);
  return good ? 0 : CONFIG;
}
