// sheet.h - what an exported policy tells of itself, whatever the format: which numbers it takes,
// in which units and with which factors, how often it acts, and how an action becomes control.
//
// A number of an observation or a goal is (float)(reading x scale), where the reading is that of a
// sensor of the model, in the unit. MuJoCo has no units of its own: they are those of its
// documentation, metres, radians, seconds, kilograms. A sensor of a kind that has none, or that is
// a hook of telos, has the unit "".
#ifndef EXPORT_SHEET_H
#define EXPORT_SHEET_H

#include <jansson.h>

#include "common/nn/policy_file.h"
#include "common/task/task.h"

enum { SHEET_NAME = 128 };

struct sheet_number {
  char name[SHEET_NAME];  // "obs.pos[2]", or "obs.x" for a sensor of one number
  const char *sensor;     // of the model, borrowed
  int index;              // of the number in the sensor
  const char *unit;       // static
  const char *hook;       // that computes it, static; NULL: MuJoCo does
  double scale;
};

// All borrowed, but for json.
struct sheet {
  const struct task *task;
  const struct policy_file *policy;
  struct st_tensor tensor[POLICY_FILE_TENSORS];  // windows on the policy's weights
  int ntensor;
  json_t *json;  // the whole sheet
};

// Release with sheet_release. The task has the policy's widths.
void sheet_init(struct sheet *s, const struct task *task, const struct policy_file *policy);
void sheet_release(struct sheet *s);

// Number i of a role.
struct sheet_number sheet_number(const struct task *task, enum task_role role, int i);

// How an action in [-1, 1] becomes control, in one sentence; static.
const char *sheet_rule(const struct task *task);

double sheet_control_hz(const struct task *task);

// The whole sheet as JSON in ASCII; free with free().
char *sheet_text(const struct sheet *s);

#endif
