// mj.c - MuJoCo's handlers, and loading and saving of models on every version.
//
// A fatal error leaves MuJoCo by longjmp to the mj_try that the thread armed. That is sound while
// the frames between are C: nothing waits there to be cleaned up but memory, which is lost. It is
// so for all that simulates or reads MJB (mj_makeData, mj_step, mj_loadModel and what they call):
// in the libraries 2.2.2, 3.3.7 and 3.12.0 none of these functions has an unwinding action, only
// those of XML, virtual files and mjSpec have. mj_loadXML is C++, but its compiler catches the
// errors of the C code it calls by a handler of its own, one a thread, that comes before ours. A
// fatal error elsewhere in mj_loadXML would skip destructors: memory lost, again.
//
// MJB files begin with four numbers or more that say which layout this is, then all sizes, then the
// arrays. The four are compared with what this MuJoCo writes for a model of our own. MuJoCo 2
// trusts the rest, so the sizes are checked here; 3 checks them, and the end of the file, by
// itself. After reading, the model is saved again and must give the same bytes.
#include "common/task/mj.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <mujoco/mjxmacro.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum {
  MAX_LINE = 512,
  MJB_HEADER = 4 * sizeof(int),
};

// ---- handlers ----

// Not changed after setjmp, so that it is whole after the jump.
struct guard {
  jmp_buf jump;
  char *text;
  size_t n;
  struct guard *outer;
};

static _Thread_local struct guard *innermost;
static _Atomic bool warned;

// copies text on one line: messages of MuJoCo span several
static void one_line(char *dst, size_t n, const char *src) {
  size_t len = 0;
  for (; *src && len + 1 < n; src++) {
    const bool blank = (unsigned char)*src <= ' ';
    if (blank && (len == 0 || dst[len - 1] == ' ')) {
      continue;
    }
    dst[len++] = blank ? ' ' : *src;
  }
  while (len > 0 && dst[len - 1] == ' ') {
    len--;
  }
  dst[len] = '\0';
}

static void on_error(const char *text) {
  if (innermost) {
    one_line(innermost->text, innermost->n, text);
    longjmp(innermost->jump, 1);
  }
  char line[MAX_LINE];
  one_line(line, sizeof line, text);
  log_set_sink(NULL);  // nobody would read what it keeps
  log_error("MuJoCo: %s; this cannot be recovered", line);
  abort();
}

static void on_warning(const char *text) {
  if (innermost) {
    one_line(innermost->text, innermost->n, text);
    return;
  }
  char line[MAX_LINE];
  one_line(line, sizeof line, text);
  mj_pass_warning(line);
}

void mj_pass_warning(const char *text) {
  if (text[0] && !atomic_exchange(&warned, true)) {
    log_warn("MuJoCo: %s (further warnings at level debug)", text);
  } else if (text[0]) {
    log_debug("MuJoCo: %s", text);
  }
}

static void install_handlers(void) {
  mju_user_error = on_error;
  mju_user_warning = on_warning;
  // headers of one version and the library of another would disagree on where fields are
  CHECK(mj_version() == mjVERSION_HEADER);
}

bool mj_try(void (*fn)(void *ctx), void *ctx, char *text, size_t n) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install_handlers);
  struct guard guard = {.text = text, .n = n, .outer = innermost};
  text[0] = '\0';
  innermost = &guard;
  const bool back = setjmp(guard.jump) != 0;
  if (!back) {
    fn(ctx);
  }
  innermost = guard.outer;
  return !back;
}

// ---- plugins ----

#if mjVERSION_HEADER >= 300
static int is_library(const struct dirent *entry) {
  const size_t n = strlen(entry->d_name);
  return n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

static void call_load_plugin(void *ctx) {
  mj_loadPluginLibrary(ctx);
}

// Those in plugin/ beside the library, in order of their names: a compiled model has the numbers
// that plugins are given as they come, and these must be equal in every process.
static void load_plugins(void) {
  Dl_info library;
  char folder[4096], text[MAX_LINE];
  struct dirent **entry = NULL;
  if (!dladdr((void *)(uintptr_t)mj_step, &library) || !library.dli_fname) {
    return;
  }
  const char *slash = strrchr(library.dli_fname, '/');
  snprintf(folder, sizeof folder, "%.*splugin", slash ? (int)(slash + 1 - library.dli_fname) : 0,
           library.dli_fname);
  const int n = scandir(folder, &entry, is_library, alphasort);
  for (int i = 0; i < n; i++) {
    char path[sizeof folder + sizeof entry[i]->d_name];
    snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
    if (!mj_try(call_load_plugin, path, text, sizeof text)) {
      log_warn("MuJoCo cannot load the plugins of %s: %s", path, text);
    }
    free(entry[i]);
  }
  free(entry);
}
#else
static void load_plugins(void) {
}  // 2.2.2 has none
#endif

// before the first model of the process
static void ensure_plugins(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load_plugins);
}

// ---- loading ----

// a virtual file system that holds one file
static mjVFS *vfs_new(const char *name, const void *data, size_t n) {
  mjVFS *vfs = must_alloc(1, sizeof *vfs);
  mj_defaultVFS(vfs);
#if mjVERSION_HEADER >= 313
  CHECK(mj_addBufferVFS(vfs, name, data, (int)n) == 0);
#else
  CHECK(mj_makeEmptyFileVFS(vfs, name, (int)n) == 0);
  memcpy(vfs->filedata[0], data, n);
#endif
  return vfs;
}

static void vfs_free(mjVFS *vfs) {
  mj_deleteVFS(vfs);
  free(vfs);
}

struct load {
  const char *path;
  const mjVFS *vfs;
  char said[1024];  // by the XML reader or the compiler
  mjModel *model;
};

static void call_load_xml(void *ctx) {
  struct load *load = ctx;
  load->model = mj_loadXML(load->path, load->vfs, load->said, sizeof load->said);
}

static void call_load_mjb(void *ctx) {
  struct load *load = ctx;
  load->model = mj_loadModel(load->path, load->vfs);
}

static mjModel *compile(const char *path, const mjVFS *vfs, char *text, size_t n) {
  struct load load = {.path = path, .vfs = vfs};
  ensure_plugins();
  mj_try(call_load_xml, &load, text, n);
  if (load.said[0]) {
    one_line(text, n, load.said);
  } else if (!load.model && !text[0]) {
    snprintf(text, n, "no reason given");
  }
  return load.model;
}

mjModel *mj_load_xml(const char *path, char *text, size_t n) {
  return compile(path, NULL, text, n);
}

mjModel *mj_load_text(const char *path, const char *xml, size_t size, char *text, size_t n) {
  static const char name[] = "task.xml";  // MuJoCo 2 has room for 100 letters
  CHECK(size > 0 && size <= INT_MAX);
  const char *slash = strrchr(path, '/');
  const size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
  char *place = must_alloc(folder + sizeof name, 1);
  memcpy(place, path, folder);
  memcpy(place + folder, name, sizeof name);
  mjVFS *vfs = vfs_new(name, xml, size);
  mjModel *model = compile(place, vfs, text, n);
  vfs_free(vfs);
  free(place);
  return model;
}

// ---- MJB ----

void *mj_save_mjb(const mjModel *model, size_t *size) {
  const long long n = (long long)mj_sizeModel(model);
  // MuJoCo 2 counts in int: what does not fit there is negative, or more than that
  *size = n < 1 ? (size_t)INT_MAX : (size_t)n;
  if (*size > MJ_MAX_MJB) {
    return NULL;
  }
  void *bytes = must_alloc(1, *size);
  mj_saveModel(model, NULL, bytes, (int)n);
  return bytes;
}

// true when the bytes begin as what this MuJoCo writes
static bool header_fits(const void *mjb, size_t size) {
  static const char empty[] = "<mujoco/>";
  char text[MAX_LINE];
  if (size < MJB_HEADER || size > MJ_MAX_MJB) {
    return false;
  }
  mjModel *m = mj_load_text("", empty, sizeof empty - 1, text, sizeof text);
  CHECK(m);
  size_t own_size;
  void *own = mj_save_mjb(m, &own_size);
  mj_deleteModel(m);
  CHECK(own && own_size >= MJB_HEADER);
  const bool fits = memcmp(own, mjb, MJB_HEADER) == 0;
  free(own);
  return fits;
}

// True when the sizes that follow the header add up to all bytes. MuJoCo 2 would find out while it
// reads, in a fatal error that loses the memory it had allocated; 3 checks by itself.
static bool sizes_fit(const void *mjb, size_t size) {
#if mjVERSION_HEADER < 300
  const char *at = (const char *)mjb + MJB_HEADER;
  const char *end = (const char *)mjb + size;
  mjModel sizes = {0};
#define X(name)                                    \
  if ((size_t)(end - at) < sizeof(int)) {          \
    return false;                                  \
  }                                                \
  memcpy(&sizes.name, at, sizeof(int));            \
  at += sizeof(int);                               \
  if (sizes.name < 0 || sizes.name > MJ_MAX_MJB) { \
    return false;                                  \
  }
  MJMODEL_INTS
#undef X
  return (size_t)mj_sizeModel(&sizes) == size;
#else
  return mjb && size > 0;
#endif
}

mjModel *mj_load_mjb(const void *mjb, size_t size, char *text, size_t n) {
  static const char path[] = "task.mjb";
  if (!header_fits(mjb, size)) {
    snprintf(text, n,
             "not a compiled model of MuJoCo %s; learner and actor need the same MuJoCo version",
             mj_versionString());
    return NULL;
  }
  if (!sizes_fit(mjb, size)) {
    snprintf(text, n, "damaged: they are not as many as their sizes add up to");
    return NULL;
  }
  struct load load = {.path = path, .vfs = vfs_new(path, mjb, size)};
  mj_try(call_load_mjb, &load, load.said, sizeof load.said);
  vfs_free((mjVFS *)load.vfs);
  if (!load.model) {
    snprintf(text, n, "damaged: %s", load.said[0] ? load.said : "MuJoCo refused them");
    return NULL;
  }
  size_t again_size = 0;
  void *again = mj_save_mjb(load.model, &again_size);
  if (!again || again_size != size || memcmp(again, mjb, size) != 0) {
    snprintf(text, n, "damaged: saving the model again gives other bytes");
    mj_deleteModel(load.model);
    load.model = NULL;
  }
  free(again);
  return load.model;
}

bool mj_has_sensor_noise(const mjModel *model) {
#if mjVERSION_HEADER < 314
  return (model->opt.enableflags & mjENBL_SENSORNOISE) != 0;
#else
  (void)model;  // the flag is gone
  return false;
#endif
}

bool mj_joins_bodies(const mjModel *model, int equality) {
#if mjVERSION_HEADER < 300
  return model->eq_active[equality];
#elif mjVERSION_HEADER < 320
  return model->eq_active0[equality];
#else
  return model->eq_active0[equality] && model->eq_objtype[equality] == mjOBJ_BODY;
#endif
}

const char *mj_control_name(const mjModel *model, int control) {
#if mjVERSION_HEADER >= 3012000
  // an actuator may have several controls
  for (int i = 0; i < model->nactuator; i++) {
    const int offset = control - model->actuator_ctrladr[i];
    if (offset >= 0 && offset < model->actuator_ctrlnum[i]) {
      return mj_id2name(model, mjOBJ_ACTUATOR, i);
    }
  }
  return NULL;
#else
  return mj_id2name(model, mjOBJ_ACTUATOR, control);
#endif
}

void mj_strip_texture(mjvGeom *geom) {
#if mjVERSION_HEADER >= 300
  geom->matid = -1;
#endif
#if mjVERSION_HEADER < 300 || mjVERSION_HEADER >= 3012000
  geom->texid = -1;
#endif
}
