// scene.c - mjv_updateScene on a copy of the state, in which the goal's sites are moved, and the
// ghost's geoms and the goal's spheres added behind it.
//
// The simulation is only read: everything that drawing needs brought up to date is brought up to
// date in the copy. The ghost is a second state: the episode's first one with the goal's
// coordinates on top. Only bodies that these coordinates move are drawn of it; the rest of the
// model would stand in the picture twice.
//
// OSMesa gets a few pixels to draw on, since MuJoCo draws into a framebuffer object of its own, of
// the size of the picture. That size is the model's (visual/global), so a shallow copy of the model
// with another size in it is what MuJoCo is shown. In that copy the goal's sites are in a group
// that is drawn, whatever the defaults of an included model say of sites.
#include "deploy/play/scene.h"

#include <GL/osmesa.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/task/drawn.h"
#include "common/task/mj.h"
#include "common/task/task.h"

enum {
  SMALL_PIXELS = 320,   // up to this width: small letters (MuJoCo 2 has none: it takes the next)
  LARGE_PIXELS = 1000,  // beyond it: large ones
  GL_PIXELS = 16,       // of OSMesa's own buffer
  SPARE_GEOMS = 2000,   // for tendons, lights and the like
};

static const float ghost_rgba[4] = {0.20f, 0.75f, 0.35f, 0.35f};
static const float ghost_size = 1.02f;  // so that it covers, evenly, a body that has arrived
static const float sphere_rgba[4] = {0.20f, 0.75f, 0.35f, 0.8f};
static const double sphere_size = 0.03,  // of the extent of what is seen
    goal_margin = 0.1;                   // around a goal, for the camera that sees everything

// a coordinate that the goal fixes: qpos[qpos] = factor x desired[goal]
struct goal_joint {
  int qpos, goal;
  double factor;
};

// a site, or a sphere, that stands at desired[goal .. goal + n)
struct goal_place {
  int site;  // -1: a sphere
  int sensor, goal, n;
  mjtNum at[3];
};

struct scene {
  const struct task *task;
  mjModel model;     // shallow copy of the task's, but for these two
  int *site_group;   // (nsite)
  float *site_rgba;  // (nsite x 4)
  int width, height;
  OSMesaContext gl;
  uint8_t pixels[GL_PIXELS * GL_PIXELS * 4];
  mjData *shown, *ghost;
  mjvScene scene;
  mjrContext context;
  mjvCamera camera;
  double reach;  // of what the camera sees, from its middle
  mjvOption option, ghost_option;
  struct goal_joint *joints;
  int njoint;
  struct goal_place *places;
  int nplace;
  float *desired;     // (goal)
  bool *ghost_moves;  // (nbody) by the goal's coordinates
  uint8_t *flipped;   // (height x width x 3) as OpenGL gives it
  const mjData *source;
  const char *names, *values;
};

// ---- the goal ----

static void mark_moving(struct scene *s, int qpos) {
  const mjModel *m = s->task->model;
  for (int j = 0; j < m->njnt; j++) {
    const int next = j + 1 < m->njnt ? m->jnt_qposadr[j + 1] : m->nq;
    if (qpos >= m->jnt_qposadr[j] && qpos < next) {
      s->ghost_moves[m->jnt_bodyid[j]] = true;
    }
  }
}

// a site of the goal is drawn: its group is, and it is not of air
static void show_site(struct scene *s, int site) {
  s->site_group[site] = 0;
  if (s->site_rgba[4 * site + 3] <= 0) {
    memcpy(s->site_rgba + 4 * site, sphere_rgba, sizeof sphere_rgba);
  }
}

// which coordinates, sites and spheres show the goal
static void find_goal(struct scene *s) {
  const struct task *task = s->task;
  const mjModel *m = task->model;
  const struct task_sensors *sensors = &task->sensors[TASK_GOAL];
  s->joints = must_alloc((size_t)task->goal + 1, sizeof *s->joints);
  s->places = must_alloc((size_t)sensors->n + 1, sizeof *s->places);
  s->ghost_moves = must_alloc((size_t)m->nbody, sizeof *s->ghost_moves);
  for (int i = 0, goal = 0; i < sensors->n; i++) {
    const int id = sensors->id[i], dim = m->sensor_dim[id];
    const struct drawn_goal shown = drawn_goal_of(task, i);
    for (int k = 0; k < dim && shown.qpos >= 0; k++) {
      const double scale = sensors->scale[goal + k];
      if (scale != 0.0) {
        s->joints[s->njoint++] = (struct goal_joint){shown.qpos + k, goal + k, 1.0 / scale};
        mark_moving(s, shown.qpos + k);
      }
    }
    if (shown.site >= 0 || shown.sphere) {
      s->places[s->nplace++] = (struct goal_place){shown.site, id, goal, dim, {0, 0, 0}};
    }
    if (shown.site >= 0) {
      show_site(s, shown.site);
    }
    if (shown.nothing) {
      log_warn("task %s: \"%s\" of the goal is not drawn: it reads neither a place nor joints",
               task->name, m->names + m->name_sensoradr[id]);
    }
    goal += dim;
  }
  // bodies come after their parents
  for (int b = 1; b < m->nbody; b++) {
    s->ghost_moves[b] = s->ghost_moves[b] || s->ghost_moves[m->body_parentid[b]];
  }
}

// What moves is drawn, and so is a ghost: bodies whose shapes are in hidden groups, all of them,
// are shown in these.
static void show_hidden(struct scene *s) {
  const mjModel *m = s->task->model;
  bool *moves = must_alloc((size_t)m->nbody, sizeof *moves);
  for (int b = 1; b < m->nbody; b++) {
    moves[b] = m->body_weldid[b] != 0;
  }
  if (!drawn_any(m, moves)) {
    memset(s->option.geomgroup, 1, sizeof s->option.geomgroup);
  }
  s->ghost_option = s->option;
  if (!drawn_any(m, s->ghost_moves)) {
    memset(s->ghost_option.geomgroup, 1, sizeof s->ghost_option.geomgroup);
  }
  free(moves);
}

// position and orientation of an object that sensors may refer to; false when there is none
static bool frame_of(const mjData *d, int type, int id, const mjtNum **pos, const mjtNum **mat) {
  switch (id >= 0 ? type : mjOBJ_UNKNOWN) {
    case mjOBJ_BODY:
      *pos = d->xipos + 3 * id;
      *mat = d->ximat + 9 * id;
      return true;
    case mjOBJ_XBODY:
      *pos = d->xpos + 3 * id;
      *mat = d->xmat + 9 * id;
      return true;
    case mjOBJ_GEOM:
      *pos = d->geom_xpos + 3 * id;
      *mat = d->geom_xmat + 9 * id;
      return true;
    case mjOBJ_SITE:
      *pos = d->site_xpos + 3 * id;
      *mat = d->site_xmat + 9 * id;
      return true;
    case mjOBJ_CAMERA:
      *pos = d->cam_xpos + 3 * id;
      *mat = d->cam_xmat + 9 * id;
      return true;
    default:
      return false;
  }
}

// where the goal's sites and spheres stand at the state d; what the goal does not say of a place is
// the site's own, or that of what the sensor reads
static void find_places(const struct scene *s, const mjData *d) {
  const mjModel *m = s->task->model;
  for (int i = 0; i < s->nplace; i++) {
    struct goal_place *g = &s->places[i];
    mjtNum *out = g->at;
    mju_copy3(out,
              g->site >= 0 ? d->site_xpos + 3 * g->site : d->sensordata + m->sensor_adr[g->sensor]);
    for (int k = 0; k < g->n; k++) {
      const double scale = s->task->sensors[TASK_GOAL].scale[g->goal + k];
      out[k] = scale != 0.0 ? (double)s->desired[g->goal + k] / scale : out[k];
    }
    const mjtNum *pos, *mat;
    if (g->n == 3 &&
        frame_of(d, m->sensor_reftype[g->sensor], m->sensor_refid[g->sensor], &pos, &mat)) {
      mjtNum local[3];
      mju_copy3(local, out);
      mju_mulMatVec(out, mat, local, 3, 3);
      mju_addTo3(out, pos);
    }
  }
}

static void place_sites(const struct scene *s, mjData *d) {
  find_places(s, d);
  for (int i = 0; i < s->nplace; i++) {
    if (s->places[i].site >= 0) {
      mju_copy3(d->site_xpos + 3 * s->places[i].site, s->places[i].at);
    }
  }
}

// The view of everything: a ball around the model, from where MuJoCo looks at it.
struct view {
  mjtNum centre[3];
  double radius;
  bool enough;  // what MuJoCo's own distance shows
};

// makes the ball hold this place, with a margin
static void include(struct view *v, const mjvCamera *camera, double half_angle,
                    const mjtNum at[3]) {
  const double turn = camera->azimuth * mjPI / 180, tilt = camera->elevation * mjPI / 180;
  const mjtNum ahead[3] = {cos(tilt) * cos(turn), cos(tilt) * sin(turn), sin(tilt)};
  mjtNum way[3], eye[3];
  mju_addScl3(eye, camera->lookat, ahead, -camera->distance);
  mju_sub3(way, at, eye);
  v->enough =
      v->enough && mju_dot3(way, ahead) > mju_norm3(way) * cos((1 - goal_margin) * half_angle);
  mju_sub3(way, at, v->centre);
  const double distance = mju_norm3(way), wanted = distance + goal_margin * v->radius;
  if (wanted > v->radius) {
    const double wider = (v->radius + wanted) / 2;
    mju_addToScl3(v->centre, way, (wider - v->radius) / distance);
    v->radius = wider;
  }
}

// the whole model and the goal in sight of the free camera
static void look_at_goal(struct scene *s) {
  const mjModel *m = s->task->model;
  const double upright = tan(m->vis.global.fovy * mjPI / 360);
  const double half_angle = atan(upright * fmin(1, (double)s->width / s->height));
  s->reach = m->stat.extent;
  if (s->camera.type != mjCAMERA_FREE) {
    return;
  }
  mjv_defaultFreeCamera(m, &s->camera);
  struct view v = {.radius = m->stat.extent, .enough = true};
  mju_copy3(v.centre, m->stat.center);
  for (int i = 0; i < s->nplace; i++) {
    include(&v, &s->camera, half_angle, s->places[i].at);
  }
  for (int b = 1; b < m->nbody; b++) {
    if (s->ghost_moves[b]) {
      include(&v, &s->camera, half_angle, s->ghost->xipos + 3 * b);
    }
  }
  if (!v.enough) {
    mju_copy3(s->camera.lookat, v.centre);
    s->camera.distance = v.radius / sin(half_angle);
    s->reach = v.radius;
    // the far end of the view, in extents of the model
    s->model.vis.map.zfar =
        (float)fmax(m->vis.map.zfar, 2 * (s->camera.distance + v.radius) / m->stat.extent);
  }
}

void scene_set_goal(struct scene *s, const struct mjData_ *d, const float *desired) {
  const mjModel *m = s->task->model;
  memcpy(s->desired, desired, (size_t)s->task->goal * sizeof *desired);
  mj_copyData(s->ghost, m, d);
  for (int i = 0; i < s->njoint; i++) {
    const struct goal_joint *j = &s->joints[i];
    s->ghost->qpos[j->qpos] = j->factor * (double)desired[j->goal];
  }
  mj_normalizeQuat(m, s->ghost->qpos);
  mj_kinematics(m, s->ghost);
  find_places(s, d);
  look_at_goal(s);
}

// ---- drawing ----

// the ghost's geoms, in green; what else mjv_addGeoms gave is taken back
static void add_ghost(struct scene *s) {
  const mjModel *m = s->task->model;
  mjvScene *scene = &s->scene;
  int kept = scene->ngeom;
  mjvPerturb perturb;
  mjv_defaultPerturb(&perturb);
  const int first = kept;
  mjv_addGeoms(m, s->ghost, &s->ghost_option, &perturb, mjCAT_DYNAMIC, scene);
  for (int i = first; i < scene->ngeom; i++) {
    mjvGeom *g = &scene->geoms[i];
    if (g->objtype == mjOBJ_GEOM && s->ghost_moves[m->geom_bodyid[g->objid]]) {
      memcpy(g->rgba, ghost_rgba, sizeof ghost_rgba);
      mj_strip_texture(g);
      for (int k = 0; k < 3; k++) {
        g->size[k] *= ghost_size;  // of primitive shapes; meshes have theirs in the model
      }
      g->reflectance = 0;
      scene->geoms[kept++] = *g;
    }
  }
  scene->ngeom = kept;
}

static void add_spheres(struct scene *s) {
  const mjtNum size = sphere_size * s->reach;
  for (int i = 0; i < s->nplace && s->scene.ngeom < s->scene.maxgeom; i++) {
    if (s->places[i].site < 0) {
      mjvGeom *g = &s->scene.geoms[s->scene.ngeom++];
      mjv_initGeom(g, mjGEOM_SPHERE, (mjtNum[]){size, size, size}, s->places[i].at, NULL,
                   sphere_rgba);
      g->category = mjCAT_DECOR;
    }
  }
}

static void render(void *ctx) {
  struct scene *s = ctx;
  const mjModel *m = s->task->model;
  mj_copyData(s->shown, m, s->source);
  mj_kinematics(m, s->shown);
  mj_comPos(m, s->shown);
  mj_camlight(m, s->shown);
  mj_tendon(m, s->shown);
  place_sites(s, s->shown);
  mjv_updateScene(&s->model, s->shown, &s->option, NULL, &s->camera, mjCAT_ALL, &s->scene);
  if (s->njoint > 0) {
    add_ghost(s);
  }
  add_spheres(s);
  const mjrRect view = {0, 0, s->width, s->height};
  mjr_render(view, &s->scene, &s->context);
  mjr_overlay(mjFONT_NORMAL, mjGRID_TOPLEFT, view, s->names, s->values, &s->context);
  mjr_readPixels(s->flipped, NULL, view, &s->context);
}

enum err scene_draw(struct scene *s, uint8_t *rgb, const struct mjData_ *d, const char *names,
                    const char *values) {
  char text[512];
  s->source = d;
  s->names = names;
  s->values = values;
  if (!mj_try(render, s, text, sizeof text)) {
    log_error("task %s cannot be drawn: MuJoCo says: %s", s->task->name, text);
    return ERR_CONFIG;
  }
  const size_t row = 3 * (size_t)s->width;
  for (int y = 0; y < s->height; y++) {
    memcpy(rgb + (size_t)y * row, s->flipped + (size_t)(s->height - 1 - y) * row, row);
  }
  return ERR_OK;
}

// ---- life ----

static enum err find_camera(struct scene *s, const char *name) {
  const mjModel *m = s->task->model;
  const int id = mj_name2id(m, mjOBJ_CAMERA, name != NULL ? name : "view");
  if (id >= 0) {
    s->camera.type = mjCAMERA_FIXED;
    s->camera.fixedcamid = id;
    return ERR_OK;
  }
  if (name == NULL) {
    mjv_defaultFreeCamera(m, &s->camera);
    return ERR_OK;
  }
  char known[512] = "";
  for (int i = 0; i < m->ncam; i++) {
    const char *camera = m->names + m->name_camadr[i];
    if (camera[0] != '\0' && strlen(known) + strlen(camera) + 3 < sizeof known) {
      snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
               known[0] != '\0' ? ", " : "", camera);
    }
  }
  log_error("--camera %s: task %s has no such camera; it has %s", name, s->task->name,
            known[0] != '\0' ? known : "none with a name");
  return ERR_CONFIG;
}

static void make_context(void *ctx) {
  struct scene *s = ctx;
  s->model.vis.global.offwidth = s->width;
  s->model.vis.global.offheight = s->height;
  const int font = s->width <= SMALL_PIXELS   ? mjFONTSCALE_50
                   : s->width <= LARGE_PIXELS ? mjFONTSCALE_100
                                              : mjFONTSCALE_150;
  // a tendon is drawn as segments between what it touches
  mjv_makeScene(&s->model, &s->scene,
                2 * s->model.ngeom + s->model.nsite + 2 * s->model.nwrap + SPARE_GEOMS);
  mjr_makeContext(&s->model, &s->context, font);
  mjr_setBuffer(mjFB_OFFSCREEN, &s->context);
}

static enum err open_context(struct scene *s) {
  char text[512];
  s->gl = OSMesaCreateContextExt(OSMESA_RGBA, 24, 8, 0, NULL);
  if (s->gl == NULL ||
      !OSMesaMakeCurrent(s->gl, s->pixels, GL_UNSIGNED_BYTE, GL_PIXELS, GL_PIXELS)) {
    log_error("OSMesa gives no OpenGL context; is the package libosmesa6 whole?");
    return ERR_CONFIG;
  }
  if (!mj_try(make_context, s, text, sizeof text)) {
    log_error("MuJoCo cannot draw with OSMesa: %s", text);
    return ERR_CONFIG;
  }
  if (s->context.currentBuffer != mjFB_OFFSCREEN || s->context.offWidth != s->width ||
      s->context.offHeight != s->height) {
    log_error("OSMesa has no picture of %d x %d pixels for MuJoCo; give a smaller --size", s->width,
              s->height);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

enum err scene_new(struct scene **out, const struct task *task, const struct scene_options *opt) {
  struct scene *s = must_alloc(1, sizeof *s);
  s->task = task;
  s->model = *task->model;
  s->site_group = must_alloc((size_t)s->model.nsite + 1, sizeof *s->site_group);
  s->site_rgba = must_alloc(4 * (size_t)s->model.nsite + 1, sizeof *s->site_rgba);
  memcpy(s->site_group, s->model.site_group, (size_t)s->model.nsite * sizeof *s->site_group);
  memcpy(s->site_rgba, s->model.site_rgba, 4 * (size_t)s->model.nsite * sizeof *s->site_rgba);
  s->model.site_group = s->site_group;
  s->model.site_rgba = s->site_rgba;
  s->width = opt->width;
  s->height = opt->height;
  mjv_defaultCamera(&s->camera);
  mjv_defaultOption(&s->option);
  mjv_defaultScene(&s->scene);
  mjr_defaultContext(&s->context);
  enum err err = find_camera(s, opt->camera);
  if (err == ERR_OK) {
    err = open_context(s);
  }
  if (err != ERR_OK) {
    scene_free(s);
    return err;
  }
  s->shown = mj_makeData(task->model);
  s->ghost = mj_makeData(task->model);
  CHECK(s->shown != NULL && s->ghost != NULL);
  s->desired = must_alloc((size_t)task->goal + 1, sizeof *s->desired);
  s->flipped = must_alloc((size_t)s->width * (size_t)s->height, 3);
  find_goal(s);
  show_hidden(s);
  *out = s;
  return ERR_OK;
}

void scene_free(struct scene *s) {
  if (s == NULL) {
    return;
  }
  mjr_freeContext(&s->context);
  mjv_freeScene(&s->scene);
  if (s->gl != NULL) {
    OSMesaDestroyContext(s->gl);
  }
  mj_deleteData(s->shown);
  mj_deleteData(s->ghost);
  free(s->site_group);
  free(s->site_rgba);
  free(s->joints);
  free(s->places);
  free(s->ghost_moves);
  free(s->desired);
  free(s->flipped);
  free(s);
}
