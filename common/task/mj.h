// mj.h - the one place that knows how MuJoCo's versions differ, and its process-wide handlers.
//
// Telos builds on MuJoCo 2.2.2 and 3.x. What a version names, lays out or checks differently is
// behind these functions: its fatal errors, its virtual files, its compiled form (MJB) and flags.
// The plugins that come with a library of 3.x are there with the first model, as in its Python.
//
// MuJoCo reports a fatal error through one handler a process, and ends the process when that
// handler returns. Ours goes back to the innermost mj_try of the same thread instead; outside of
// one it logs the error and aborts. Warnings inside mj_try are kept for its text; elsewhere they
// become log lines. Whatever calls MuJoCo with a model that nobody has tried yet belongs in mj_try;
// the functions below use it themselves. Any thread may call any of them.
//
// MuJoCo has names like mj_step and mj_loadXML; ours are mj_try and those with two underscores.
#ifndef COMMON_TASK_MJ_H
#define COMMON_TASK_MJ_H

#include <stdbool.h>
#include <stddef.h>

struct mjModel_;
struct mjvGeom_;

enum { MJ_MAX_MJB = 512 << 20 };  // bytes of a compiled model

// Calls fn(ctx). True when it returned: text (n bytes) has MuJoCo's last warning meanwhile, or "".
// False when MuJoCo hit a fatal error: text has it, on one line. What fn had allocated by then is
// lost unless ctx holds it, and an mjData it used is good for mj_deleteData alone. fn holds no lock
// while it calls MuJoCo. May be nested.
bool mj_try(void (*fn)(void *ctx), void *ctx, char *text, size_t n);

// Logs a warning that mj_try kept, as those outside of it are: the first one at level warn, later
// ones at debug, since an unstable simulation warns in every episode. "": nothing.
void mj_pass_warning(const char *text);

// Compiles an MJCF file; what it includes is found beside it. NULL: text (n bytes) has the reason.
// Else text has the warnings, or "". Free with mj_deleteModel.
struct mjModel_ *mj_load_xml(const char *path, char *text, size_t n);

// The same from 1 <= size <= INT_MAX bytes of MJCF text that stand for the file at path: what it
// names is found from there. "": the working folder.
struct mjModel_ *mj_load_text(const char *path, const char *xml, size_t size, char *text, size_t n);

// A model from size bytes of MJB. NULL: text has the reason, which is another MuJoCo version or
// damage. Checked against damage, not against a model made to do harm.
struct mjModel_ *mj_load_mjb(const void *mjb, size_t size, char *text, size_t n);

// The model as MJB. The bytes hold no padding, time or address, so that one file compiles to equal
// bytes in every process; *size is their number. NULL when that is more than MJ_MAX_MJB. Free with
// free().
void *mj_save_mjb(const struct mjModel_ *model, size_t *size);

// Whether sensors read with noise that MuJoCo draws from a generator of the whole process.
bool mj_has_sensor_noise(const struct mjModel_ *model);

// Whether an equality (a connect or weld) holds two bodies together from the start, rather than two
// sites or nothing.
bool mj_joins_bodies(const struct mjModel_ *model, int equality);

// The name of the actuator that ctrl[control] drives; NULL when it has none.
const char *mj_control_name(const struct mjModel_ *model, int control);

// Takes the texture off a geom of a scene, so that it is drawn in its plain colour.
void mj_strip_texture(struct mjvGeom_ *geom);

#endif
