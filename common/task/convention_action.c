// convention_action.c - what actions mean: controls, or the set-point of a mocap body and controls.
#include "common/task/convention_action.h"

#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/task/checker.h"
#include "common/task/task.h"

// Values of a numeric for each action. In a mocap mode one number, or one an axis, is about the
// axes alone: metres a step say nothing of an actuator. True when the actuators have theirs, too.
static bool read_per_action(struct checker *c, const char *name, enum sign sign, double absent,
                            double **values) {
  const struct task *t = c->task;
  const int naxis = t->action.naxis;
  const int id = mj_name2id(c->m, mjOBJ_NUMERIC, name);
  const int n = id < 0 ? 0 : c->m->numeric_size[id];
  if (naxis == 0 || t->act == naxis || (n != 1 && n != naxis)) {
    *values = checker_vector(c, name, t->act, "actions", sign, absent);
    return id >= 0;
  }
  double *axes = checker_vector(c, name, naxis, "axes", sign, absent);
  *values = must_alloc((size_t)t->act, sizeof **values);
  for (int i = 0; i < t->act; i++) {
    (*values)[i] = i < naxis ? axes[i] : absent;
  }
  free(axes);
  return false;
}

// actuators without a scale or offset of their own cover their ctrlrange
static void read_action_scale(struct checker *c) {
  const mjModel *m = c->m;
  struct task_action *a = &c->task->action;
  const bool scaled = read_per_action(c, "telos.action_scale", POSITIVE, 1, &a->scale);
  const bool moved = read_per_action(c, "telos.action_offset", ANY_SIGN, 0, &a->offset);
  if (a->mode != TASK_CTRL && !checker_given(c, "telos.action_scale")) {
    checker_mistake(c,
                    "numeric \"telos.action_scale\" is missing; mocap modes need metres per step");
  }
  for (int i = 0; i < m->nu && !scaled && !moved; i++) {
    if (m->actuator_ctrllimited[i]) {
      const double low = m->actuator_ctrlrange[2 * i], high = m->actuator_ctrlrange[2 * i + 1];
      a->scale[a->naxis + i] = (high - low) / 2;
      a->offset[a->naxis + i] = (high + low) / 2;
    }
  }
}

static void read_mocap_axes(struct checker *c) {
  struct task_action *a = &c->task->action;
  const char *axes = checker_text(c, "telos.mocap_axes");
  axes = axes ? axes : "xyz";
  bool good = axes[0] != '\0';
  for (const char *p = axes; *p && good; p++) {
    good = *p >= 'x' && *p <= 'z' && !strchr(p + 1, *p) && a->naxis < 3;
    if (good) {
      a->axis[a->naxis++] = *p - 'x';
    }
  }
  if (!good) {
    a->naxis = 3;
    checker_mistake(
        c, "text \"telos.mocap_axes\" is \"%.40s\"; expected some of x, y, z, each once", axes);
  }
}

static void read_mocap(struct checker *c) {
  static const char *const limit[2] = {"telos.mocap_low", "telos.mocap_high"};
  struct task_action *a = &c->task->action;
  const int mocap = checker_body(c, "telos.mocap_body", "a mocap body, which actions move");
  const int hand = checker_body(c, "telos.hand", "the body that follows the mocap body");
  if (mocap >= 0) {
    a->mocap = c->m->body_mocapid[mocap];
    if (a->mocap < 0) {
      checker_mistake(
          c, "text \"telos.mocap_body\": body \"%s\" is not a mocap body; expected mocap=\"true\"",
          mj_id2name(c->m, mjOBJ_BODY, mocap));
      a->mocap = 0;
    }
  }
  a->hand = hand > 0 ? hand : 0;
  if (hand >= 0 && hand == mocap) {
    checker_mistake(
        c, "text \"telos.hand\" names the mocap body itself; expected the body that follows it");
  }
  read_mocap_axes(c);
  double *low, *high;
  if (checker_range(c, limit, 3, "set-points", &low, &high) == 1) {
    memcpy(a->low, low, sizeof a->low);
    memcpy(a->high, high, sizeof a->high);
  }
  free(low);
  free(high);
  a->lead = checker_scalar(c, "telos.mocap_lead", 1e-6, CHECKER_MAX_NUMBER, TASK_NO_LIMIT);
  if (a->mode == TASK_MOCAP_RELATIVE && checker_given(c, "telos.mocap_lead")) {
    checker_mistake(
        c, "\"telos.mocap_lead\" is not used: mocap_relative starts from the hand at every step");
  }
}

void convention_read_action(struct checker *c) {
  static const char *const modes[] = {
      [TASK_CTRL] = "ctrl", [TASK_MOCAP] = "mocap", [TASK_MOCAP_RELATIVE] = "mocap_relative"};
  static const char *const mocap_names[] = {"telos.mocap_body", "telos.hand",
                                            "telos.mocap_axes", "telos.mocap_low",
                                            "telos.mocap_high", "telos.mocap_lead"};
  struct task *t = c->task;
  struct task_action *a = &t->action;
  const char *mode = checker_text(c, "telos.action_mode");
  a->lead = TASK_NO_LIMIT;
  for (int i = 0; i < 3; i++) {
    a->low[i] = -TASK_NO_LIMIT;
    a->high[i] = TASK_NO_LIMIT;
    if (mode && strcmp(mode, modes[i]) == 0) {
      a->mode = (enum task_action_mode)i;
      mode = NULL;
    }
  }
  if (mode) {
    checker_mistake(
        c, "text \"telos.action_mode\" is \"%.40s\"; expected ctrl, mocap or mocap_relative", mode);
  } else if (a->mode == TASK_CTRL) {
    checker_unused(c, mocap_names, 6, "\"telos.action_mode\" is ctrl");
  } else {
    read_mocap(c);
  }
  t->act = (int)c->m->nu + a->naxis;
  if (t->act < 1 && c->m->nmocap > 0) {
    int mocap = 0;
    while (c->m->body_mocapid[mocap] < 0) {
      mocap++;
    }
    const char *name = mj_id2name(c->m, mjOBJ_BODY, mocap);
    checker_mistake(c,
                    "the model has 0 actuators; expected 1 to %d, or text \"telos.action_mode\" "
                    "mocap or mocap_relative, with which actions move a mocap body such as \"%s\"",
                    DIMS_MAX_WIDTH, name ? name : "");
  } else if (t->act < 1 || t->act > DIMS_MAX_WIDTH) {
    checker_mistake(c, "the model has %d actuators; expected 1 to %d", (int)c->m->nu,
                    DIMS_MAX_WIDTH);
  }
  read_action_scale(c);
  a->noise = checker_scalar(c, "telos.action_noise", 0, 100, 0);
}
