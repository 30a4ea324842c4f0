// randomise.c - one row a kind, then the numbers of each.
#include "common/task/randomise.h"

#include <mujoco/mujoco.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/task/checker.h"
#include "common/task/task.h"

const struct randomise_kind randomise_kinds[TASK_RANDOM_KINDS] = {
    [TASK_RANDOM_MASS] = {"telos.random.mass.", "mass of", "body", mjOBJ_BODY},
    [TASK_RANDOM_FRICTION] = {"telos.random.friction.", "friction of", "geom", mjOBJ_GEOM},
    [TASK_RANDOM_DAMPING] = {"telos.random.damping.", "damping of", "joint", mjOBJ_JOINT},
    [TASK_RANDOM_GAIN] = {"telos.random.gain.", "gain of", "actuator", mjOBJ_ACTUATOR},
};

void randomise_words(char *out, size_t n, const struct task *task, const struct task_random *r) {
  const struct randomise_kind *kind = &randomise_kinds[r->kind];
  snprintf(out, n, "%s %s %s", kind->what, kind->element,
           mj_id2name(task->model, kind->object, r->id));
}

// ---- reading ----

static void read_one(struct checker *c, enum task_random_kind kind, const char *name) {
  struct task *t = c->task;
  const int id =
      mj_name2id(c->m, randomise_kinds[kind].object, name + strlen(randomise_kinds[kind].prefix));
  int n;
  const double *range = checker_numeric(c, name, &n);
  if (id < 0 || !range) {
    return;  // told already
  }
  if (n != 2 || !(range[0] > 0 && range[0] <= range[1])) {
    checker_mistake(c, "numeric \"%s\": expected two factors, 0 < low <= high, such as 0.5 2",
                    name);
    return;
  }
  t->random[t->nrandom++] = (struct task_random){kind, id, range[0], range[1]};
}

void randomise_read(struct checker *c) {
  c->task->random = must_alloc((size_t)c->m->nnumeric + 1, sizeof *c->task->random);
  for (int i = 0; i < c->m->nnumeric; i++) {
    const char *name = mj_id2name(c->m, mjOBJ_NUMERIC, i);
    for (int kind = 0; name && kind < TASK_RANDOM_KINDS; kind++) {
      if (strncmp(name, randomise_kinds[kind].prefix, strlen(randomise_kinds[kind].prefix)) == 0) {
        read_one(c, (enum task_random_kind)kind, name);
      }
    }
  }
}

// ---- drawing ----

// to (n) = factor from
static void scale(mjtNum *to, const mjtNum *from, int n, double factor) {
  for (int i = 0; i < n; i++) {
    to[i] = factor * from[i];
  }
}

static int joint_dofs(const mjModel *m, int joint) {
  return m->jnt_type[joint] == mjJNT_FREE ? 6 : m->jnt_type[joint] == mjJNT_BALL ? 3 : 1;
}

static void apply(mjModel *m, const mjModel *own, const struct task_random *r, double factor) {
  const int id = r->id;
  switch (r->kind) {
    case TASK_RANDOM_MASS:
      scale(m->body_mass + id, own->body_mass + id, 1, factor);
      scale(m->body_inertia + 3 * id, own->body_inertia + 3 * id, 3, factor);
      break;
    case TASK_RANDOM_FRICTION:
      scale(m->geom_friction + 3 * id, own->geom_friction + 3 * id, 3, factor);
      break;
    case TASK_RANDOM_DAMPING: {
      const int dof = own->jnt_dofadr[id];
      scale(m->dof_damping + dof, own->dof_damping + dof, joint_dofs(own, id), factor);
      break;
    }
    case TASK_RANDOM_GAIN:
      scale(m->actuator_gainprm + mjNGAIN * id, own->actuator_gainprm + mjNGAIN * id, mjNGAIN,
            factor);
      scale(m->actuator_biasprm + mjNBIAS * id, own->actuator_biasprm + mjNBIAS * id, mjNBIAS,
            factor);
      break;
    case TASK_RANDOM_KINDS:
      break;
  }
}

void randomise(struct mjModel_ *m, struct mjData_ *d, const struct task *task, struct rng *rng) {
  bool mass = false;
  for (int i = 0; i < task->nrandom; i++) {
    const struct task_random *r = &task->random[i];
    apply(m, task->model, r, r->low + (r->high - r->low) * (double)rng_float(rng));
    mass = mass || r->kind == TASK_RANDOM_MASS;
  }
  if (mass) {
    mj_setConst(m, d);  // what MuJoCo derives from masses
  }
}
