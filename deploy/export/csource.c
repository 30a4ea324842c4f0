// csource.c - tables first, then code that is the same for every policy.
//
// Numbers are decimal with digits enough to come back as they were (9 for float, 17 for double):
// hexadecimal ones are no C++ before 2017. Every string goes through put_string, for names of
// sensors are whatever the model's author liked.
#include "deploy/export/csource.h"

#include <mujoco/mujoco.h>
#include <string.h>

enum { FLOATS_A_LINE = 6 };

// ---- pieces ----

// a string of C, or 0. Octal escapes have three digits, so no digit behind one belongs to it; '?'
// could begin a trigraph, and a backslash would continue a comment.
static void put_string(FILE *out, const char *text) {
  if (text == NULL) {
    fputc('0', out);
    return;
  }
  fputc('"', out);
  for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
    if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\' || *p == '?') {
      fprintf(out, "\\%03o", *p);
    } else {
      fputc(*p, out);
    }
  }
  fputc('"', out);
}

static void put_lines(FILE *out, const char *const *lines, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fputs(lines[i], out);
    fputc('\n', out);
  }
}

#define PUT_LINES(out, lines) put_lines(out, lines, sizeof(lines) / sizeof *(lines))

static void put_doubles(FILE *out, const char *name, const double *x, int n) {
  fprintf(out, "const double %s[] = {", name);
  for (int i = 0; i < n; i++) {
    fprintf(out, "%s%.17e", i > 0 ? ", " : "", x[i]);
  }
  fputs("};\n", out);
}

static void put_tensor(FILE *out, const char *name, const struct st_tensor *t) {
  const float *x = t->data;
  const size_t n = st_bytes(t) / sizeof *x;
  fprintf(out, "static const float %s[] = {", name);
  for (size_t i = 0; i < n; i++) {
    fprintf(out, "%s%.8ef,", i % FLOATS_A_LINE == 0 ? "\n    " : " ", (double)x[i]);
  }
  fputs("\n};\n", out);
}

// ---- head: what every file that uses the policy sees ----

static void put_head(FILE *out, const struct sheet *s) {
  static const char *const about[] = {
      "//",
      "// Compile it as C99 or C++ and link it with -lm. Another file that uses it has",
      "//   #define POLICY_DECLARE",
      "//   #include \"policy.c\"",
      "// which gives the declarations alone.",
      "//",
      "// At every control step, POLICY_FRAME_SKIP physics steps apart:",
      "//   observation[i] = (float)(reading * policy_observation[i].scale): of a sensor, in its",
      "//                    unit; the goal likewise, of what is to be reached",
      "//   policy_action(action, observation, goal);      action[i] is in [-1, 1]",
      "//   policy_control(ctrl, action);                  what actuators get",
  };
  fputs("// A policy of telos " TELOS_VERSION " for task ", out);
  put_string(out, s->task->name);
  fputs(".\n", out);
  PUT_LINES(out, about);
  if (s->task->action.mode != TASK_CTRL) {
    fputs("//   policy_set_point(point, hand, action);         where the hand is asked to be\n",
          out);
  }
  fprintf(out, "// An action becomes control: %s.\n", sheet_rule(s->task));
}

static void put_declarations(FILE *out, const struct sheet *s) {
  const struct task *task = s->task;
  static const char *const numbers[] = {
      "struct policy_number {",
      "  const char *name;    // of the number",
      "  const char *sensor;  // of the model that reads it",
      "  int index;           // of the number in the sensor",
      "  const char *unit;    // of the reading; \"\": none, or not known",
      "  const char *hook;    // 0: a sensor of MuJoCo; else telos computes it, under this name",
      "  double scale;        // factor of the reading",
      "};",
      "extern const struct policy_number policy_observation[];  // POLICY_OBS, then an empty one",
      "extern const struct policy_number policy_goal[];         // POLICY_GOAL, then an empty one",
      "extern const char *const policy_action_name[];           // POLICY_ACT",
      "extern const double policy_scale[], policy_offset[];     // POLICY_ACT",
      "extern const double policy_timestep, policy_control_hz;  // s, 1/s",
      "",
      "// action (POLICY_ACT), observation (POLICY_OBS), goal (POLICY_GOAL; 0 when there is none)",
      "void policy_action(float *action, const float *observation, const float *goal);",
      "",
      "// ctrl (POLICY_CTRL)",
      "void policy_control(double *ctrl, const float *action);",
  };
  static const char *const mocap[] = {
      "",
      "// point (3): where the hand was asked to be, becomes where it is asked to be; hand (3):",
      "// where it is. What a tether adds, when POLICY_TETHER is 1, is left to the caller.",
      "void policy_set_point(double *point, const double *hand, const float *action);",
      "extern const char *const policy_mocap, *const policy_hand;  // bodies of the model",
  };
  fputs("#ifndef POLICY_DECLARATIONS\n#define POLICY_DECLARATIONS\n\n", out);
  fputs("#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", out);
  const struct {
    const char *name, *words;
    int value;
  } sizes[] = {
      {"OBS", "numbers of an observation", task->obs},
      {"GOAL", "numbers of a goal", task->goal},
      {"ACT", "numbers of an action", task->act},
      {"AXES", "of them, the first move the set-point along so many axes", task->action.naxis},
      {"CTRL", "the others are for actuators, in the model's order",
       task->act - task->action.naxis},
      {"FRAME_SKIP", "physics steps a control step", task->frame_skip},
      {"HORIZON", "control steps of an episode in training", task->horizon},
      {"TETHER", "1: the mocap body is held apart from the hand", task->action.tether.apart},
  };
  const size_t n = sizeof sizes / sizeof *sizes;
  fputs("enum {\n", out);
  for (size_t i = 0; i < n; i++) {
    fprintf(out, "  // %s\n  POLICY_%s = %d%s\n", sizes[i].words, sizes[i].name, sizes[i].value,
            i + 1 < n ? "," : "");
  }
  fputs("};\n\n", out);
  PUT_LINES(out, numbers);
  if (task->action.mode != TASK_CTRL) {
    PUT_LINES(out, mocap);
  }
  fputs("\n#ifdef __cplusplus\n}\n#endif\n#endif\n\n", out);
}

// ---- tables ----

static void put_numbers(FILE *out, const char *name, const struct task *task, enum task_role role) {
  fprintf(out, "const struct policy_number %s[] = {\n", name);
  for (int i = 0; i < task->sensors[role].width; i++) {
    const struct sheet_number n = sheet_number(task, role, i);
    fputs("    {", out);
    put_string(out, n.name);
    fputs(", ", out);
    put_string(out, n.sensor);
    fprintf(out, ", %d, ", n.index);
    put_string(out, n.unit);
    fputs(", ", out);
    put_string(out, n.hook);
    fprintf(out, ", %.17e},\n", n.scale);
  }
  fputs("    {0, 0, 0, 0, 0, 0},\n};\n", out);
}

static void put_tables(FILE *out, const struct sheet *s) {
  const struct task *task = s->task;
  const struct task_action *a = &task->action;
  put_numbers(out, "policy_observation", task, TASK_OBS);
  put_numbers(out, "policy_goal", task, TASK_GOAL);
  fputs("const char *const policy_action_name[] = {\n", out);
  for (int i = 0; i < task->act; i++) {
    char name[SHEET_NAME];
    task_action_name(name, sizeof name, task, i);
    fputs("    ", out);
    put_string(out, name);
    fputs(",\n", out);
  }
  fputs("};\n", out);
  put_doubles(out, "policy_scale", a->scale, task->act);
  put_doubles(out, "policy_offset", a->offset, task->act);
  fprintf(out, "const double policy_timestep = %.17e;\nconst double policy_control_hz = %.17e;\n",
          task->model->opt.timestep, sheet_control_hz(task));
  if (a->mode != TASK_CTRL) {
    int mocap = 0;
    while (task->model->body_mocapid[mocap] != a->mocap) {
      mocap++;
    }
    fputs("const char *const policy_mocap = ", out);
    put_string(out, mj_id2name(task->model, mjOBJ_BODY, mocap));
    fputs(";\nconst char *const policy_hand = ", out);
    put_string(out, mj_id2name(task->model, mjOBJ_BODY, a->hand));
    fputs(";\n", out);
  }
  fputc('\n', out);
}

// ---- network ----

// all but the standard deviations, which a policy that does not explore has no use for
static void put_network(FILE *out, const struct sheet *s) {
  static const char *const layer[] = {
      "",
      "// y (n_out) = W (n_out x n_in) x + b, through max(0, .) for a hidden layer. Eight sums",
      "// side by side, then a tree of them: the order in which telos sums.",
      "static void policy_layer(float *y, const float *W, const float *b, const float *x,",
      "                         int n_in, int n_out, int hidden) {",
      "  for (int i = 0; i < n_out; i++, W += n_in) {",
      "    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};",
      "    for (int j = 0; j < n_in; j += 8) {",
      "      for (int k = 0; k < 8; k++) {",
      "        v[k] = j + k < n_in ? fmaf(W[j + k], x[j + k], v[k]) : v[k] + 0.0f;",
      "      }",
      "    }",
      "    const float z =",
      "        (((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))) + b[i];",
      "    y[i] = hidden && 0.0f > z ? 0.0f : z;",
      "  }",
      "}",
      "",
  };
  const int n = s->ntensor - 2;  // the last two are those of log_std
  char name[32];
  for (int i = 0; i < n; i++) {
    snprintf(name, sizeof name, "policy_%c%d", i % 2 == 0 ? 'W' : 'b', i / 2);
    put_tensor(out, name, &s->tensor[i]);
  }
  PUT_LINES(out, layer);
  int widest = s->task->obs + s->task->goal;
  for (int i = 0; i < n; i += 2) {
    const int width = (int)s->tensor[i].shape[0];
    widest = width > widest ? width : widest;
  }
  fprintf(out,
          "void policy_action(float *action, const float *observation, const float *goal) {\n"
          "  float x[%d], y[%d];\n"
          "  for (int i = 0; i < POLICY_OBS; i++) {\n    x[i] = observation[i];\n  }\n"
          "  for (int i = 0; i < POLICY_GOAL; i++) {\n    x[POLICY_OBS + i] = goal[i];\n  }\n",
          widest, widest);
  for (int i = 0; i < n; i += 2) {
    const char in = i % 4 == 0 ? 'x' : 'y', to = i % 4 == 0 ? 'y' : 'x';
    const int64_t *shape = s->tensor[i].shape;
    fprintf(out, "  policy_layer(%c, policy_W%d, policy_b%d, %c, %d, %d, %d);\n", to, i / 2, i / 2,
            in, (int)shape[1], (int)shape[0], i + 2 < n);
  }
  fprintf(out,
          "  for (int i = 0; i < POLICY_ACT; i++) {\n"
          "    const float u = %c[i], t = expf(-2.0f * fabsf(u));\n"
          "    action[i] = copysignf((1.0f - t) / (1.0f + t), u);\n  }\n}\n\n",
          (n / 2) % 2 == 1 ? 'y' : 'x');
}

// ---- control ----

static void put_control(FILE *out, const struct sheet *s) {
  static const char *const control[] = {
      "void policy_control(double *ctrl, const float *action) {",
      "  for (int i = 0; i < POLICY_CTRL; i++) {",
      "    const int k = POLICY_AXES + i;",
      "    // volatile: rounded before it is added, whatever the compiler would fuse",
      "    const volatile double moved = policy_scale[k] * action[k];",
      "    ctrl[i] = policy_offset[k] + moved;",
      "  }",
      "}",
  };
  static const char *const set_point[] = {
      "  for (int i = 0; i < POLICY_AXES; i++) {",
      "    const volatile double moved = policy_scale[i] * action[i];",
      "    point[axis[i]] += moved + policy_offset[i];",
      "  }",
      "  double length = 0;",
      "  for (int i = 0; i < 3; i++) {",
      "    point[i] = point[i] < low[i] ? low[i] : point[i] > high[i] ? high[i] : point[i];",
      "    length += (point[i] - hand[i]) * (point[i] - hand[i]);",
      "  }",
      "  length = sqrt(length);",
      "  for (int i = 0; i < 3 && length > lead; i++) {",
      "    point[i] = hand[i] + (point[i] - hand[i]) * (lead / length);",
      "  }",
      "}",
  };
  const struct task_action *a = &s->task->action;
  PUT_LINES(out, control);
  if (a->mode == TASK_CTRL) {
    return;
  }
  fputs("\nvoid policy_set_point(double *point, const double *hand, const float *action) {\n", out);
  fprintf(out, "  static const int axis[3] = {%d, %d, %d};\n", a->axis[0], a->axis[1], a->axis[2]);
  fprintf(out, "  static const double low[3] = {%.17e, %.17e, %.17e};\n", a->low[0], a->low[1],
          a->low[2]);
  fprintf(out, "  static const double high[3] = {%.17e, %.17e, %.17e};\n", a->high[0], a->high[1],
          a->high[2]);
  fprintf(out, "  const double lead = %.17e;\n", a->lead);
  if (a->mode == TASK_MOCAP_RELATIVE) {
    fputs("  for (int i = 0; i < 3; i++) {\n    point[i] = hand[i];\n  }\n", out);
  }
  PUT_LINES(out, set_point);
}

void csource_write(FILE *out, const struct sheet *s) {
  put_head(out, s);
  put_declarations(out, s);
  fputs("#ifndef POLICY_DECLARE\n#include <math.h>\n\n", out);
  put_tables(out, s);
  put_network(out, s);
  put_control(out, s);
  fputs("#endif\n", out);
}
