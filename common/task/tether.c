// tether.c - reads MuJoCo's equality, and (1) of tether.h.
//
// Python environments of such models overwrite the equality's data at reset, so that the hand is at
// the mocap body. Keeping the offset instead needs no change of the model, which travels compiled.
#include "common/task/tether.h"

#include <mujoco/mujoco.h>

#include "common/task/mj.h"
#include "common/task/task.h"

// lengths [m] and angles [rad] that are none: what kinematics leaves of a pose written by hand
static const double no_length = 1e-6, no_gap = 1e-3, no_angle = 1e-2;

// the anchors and the turn of equality e, whose sides are the mocap body and the hand; mocap_first:
// in this order
static void read_data(struct tether *t, const mjModel *m, int e, bool mocap_first) {
  const mjtNum *data = m->eq_data + (size_t)e * mjNEQDATA;
  t->exists = true;
  t->turns = m->eq_type[e] == mjEQ_WELD;
  // of a weld the second body's anchor comes first
  const mjtNum *first = t->turns ? data + 3 : data, *second = t->turns ? data : data + 3;
  mju_copy3(t->body_at, mocap_first ? first : second);
  mju_copy3(t->hand_at, mocap_first ? second : first);
  if (t->turns && mocap_first) {
    mju_copy4(t->turn, data + 6);
  } else if (t->turns) {
    mju_negQuat(t->turn, data + 6);
  }
}

static void find_equality(struct tether *t, const mjModel *m, int body, int hand) {
  for (int e = 0; e < m->neq && !t->exists; e++) {
    const int a = m->eq_obj1id[e], b = m->eq_obj2id[e];
    if ((m->eq_type[e] == mjEQ_CONNECT || m->eq_type[e] == mjEQ_WELD) && mj_joins_bodies(m, e) &&
        ((a == body && b == hand) || (a == hand && b == body))) {
      read_data(t, m, e, a == body);
    }
  }
}

static bool same_numbers(const mjtNum *a, const mjtNum *b, int n) {
  bool same = true;
  for (int i = 0; i < n; i++) {
    same = same && a[i] == b[i];
  }
  return same;
}

// true when a key says where the mocap body is
static bool has_key(const mjModel *m, int body) {
  const int mocap = m->body_mocapid[body];
  return m->nkey > 0 && (!same_numbers(m->key_mpos + 3 * mocap, m->body_pos + 3 * body, 3) ||
                         !same_numbers(m->key_mquat + 4 * mocap, m->body_quat + 4 * body, 4));
}

void tether_read(struct task_action *action, const mjModel *m, const mjData *d) {
  struct tether *t = &action->tether;
  int body = 0;
  while (m->body_mocapid[body] != action->mocap) {
    body++;
  }
  *t = (struct tether){.turn = {1, 0, 0, 0}};
  find_equality(t, m, body, action->hand);
  t->apart = mju_norm3(t->body_at) > no_length || mju_norm3(t->hand_at) > no_length;
  if (!t->exists || has_key(m, body)) {
    return;
  }
  double pos[3], quat[4], turn[3];
  tether_place(pos, quat, action, d);
  mju_subQuat(turn, quat, d->mocap_quat + 4 * action->mocap);
  t->follows =
      mju_dist3(pos, d->mocap_pos + 3 * action->mocap) > no_gap || mju_norm3(turn) > no_angle;
}

void tether_place(double pos[3], double quat[4], const struct task_action *action,
                  const mjData *d) {
  const struct tether *t = &action->tether;
  const int hand = action->hand;
  mjtNum at[3], back[4];
  mju_copy4(quat, d->mocap_quat + 4 * action->mocap);
  if (t->turns) {
    mju_negQuat(back, t->turn);
    mju_mulQuat(quat, d->xquat + 4 * hand, back);
    mju_normalize4(quat);
  }
  mju_mulMatVec(pos, d->xmat + 9 * hand, t->hand_at, 3, 3);
  mju_addTo3(pos, d->xpos + 3 * hand);
  mju_rotVecQuat(at, t->body_at, quat);
  mju_subFrom3(pos, at);
}

void tether_offset(double offset[3], const struct task_action *action, const mjData *d) {
  const struct tether *t = &action->tether;
  mjtNum at[3];
  mju_mulMatVec(offset, d->xmat + 9 * action->hand, t->hand_at, 3, 3);
  mju_rotVecQuat(at, t->body_at, d->mocap_quat + 4 * action->mocap);
  mju_subFrom3(offset, at);
}

void tether_set_point(double point[3], const struct task_action *action, const mjData *d) {
  mju_copy3(point, d->mocap_pos + 3 * action->mocap);
  if (action->tether.apart) {
    double offset[3];
    tether_offset(offset, action, d);
    mju_subFrom3(point, offset);
  }
}
