// mjcf.c - a scanner of XML tags that knows two elements, <include> and <compiler>, and which
// attributes are file names.
//
// Two passes over the same files in the same order. The first reads them, follows includes, and
// keeps the folders that each file sets; the second writes everything out, with the children of
// the root in place of the <include>, without the folders, and with file names that need none.
// What is not understood is copied as it is: whether it is right MJCF is for MuJoCo to say.
#include "common/task/mjcf.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"

enum {
  MAX_FILES = 256,
  MAX_DEPTH = 32,        // of includes in includes
  MAX_BYTES = 64 << 20,  // of all text
  MAX_PATH = 4096,
};

enum folder { MESHES, TEXTURES, ASSETS, NFOLDER };

static const char *const folder_attribute[NFOLDER] = {"meshdir", "texturedir", "assetdir"};

struct slice {
  const char *at;
  size_t n;
};

struct source {
  char *path;    // from the first file's folder
  char *folder;  // of it, "" or with a '/' at its end
  char *text;
  size_t n;
  int parent;           // the file that includes it, -1: none
  char *set[NFOLDER];   // as the file sets them, NULL: it does not
  struct slice inside;  // what stands in place of its <include>
};

// from this line of the text on, lines are those of a file from one of its own on
struct stretch {
  int line, source, origin;
};

struct mjcf {
  char root[MAX_PATH];  // folder of the first file, "" or with a '/' at its end
  struct source source[MAX_FILES];
  int nsource;
  bool strip;  // strippath is set somewhere
  char *text;
  size_t n, room;
  bool full;  // the text would have more than MAX_BYTES
  int line;   // that the next byte of text is on
  struct stretch *stretch;
  int nstretch, room_stretch;
  int next;  // second pass: the source of the next <include>
  char *reason;
  size_t nreason;
};

// ---- tags ----

struct tag {
  struct slice all;   // from '<' to '>'
  struct slice name;  // without '/'
  const char *attributes;
  bool closes, empty;  // </name>, <name/>
};

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool equals(struct slice s, const char *word) {
  return s.n == strlen(word) && strncasecmp(s.at, word, s.n) == 0;
}

// behind the next occurrence of mark from p on; NULL: there is none
static const char *behind(const char *p, const char *end, const char *mark) {
  const char *found = memmem(p, (size_t)(end - p), mark, strlen(mark));
  return found ? found + strlen(mark) : NULL;
}

// The first tag from p on that is an element's. 0: there is none; -1: not well formed.
static int next_tag(struct tag *tag, const char *p, const char *end) {
  static const char *const other[][2] = {
      {"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}};
  while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
    size_t kind = 0;
    while (kind < 4 && ((size_t)(end - p) < strlen(other[kind][0]) ||
                        memcmp(p, other[kind][0], strlen(other[kind][0])) != 0)) {
      kind++;
    }
    if (kind == 4) {
      break;
    }
    p = behind(p + strlen(other[kind][0]), end, other[kind][1]);
    if (!p) {
      return -1;
    }
  }
  if (!p) {
    return 0;
  }
  *tag = (struct tag){.all.at = p++};
  tag->closes = p < end && *p == '/';
  p += tag->closes;
  tag->name.at = p;
  while (p < end && !is_blank(*p) && *p != '/' && *p != '>') {
    p++;
  }
  tag->name.n = (size_t)(p - tag->name.at);
  tag->attributes = p;
  for (char quote = 0; p < end && (quote || *p != '>'); p++) {
    if (*p == '"' || *p == '\'') {
      quote = !quote ? *p : quote == *p ? 0 : quote;
    }
  }
  if (p == end) {
    return -1;
  }
  tag->empty = p[-1] == '/';
  tag->all.n = (size_t)(p + 1 - tag->all.at);
  return 1;
}

// The attribute at *at or later, its place moved behind it; whole is from its name to its quote.
static bool next_attribute(const char **at, const struct tag *tag, struct slice *name,
                           struct slice *value, struct slice *whole) {
  const char *p = *at, *end = tag->all.at + tag->all.n - 1;
  while (p < end && (is_blank(*p) || *p == '/')) {
    p++;
  }
  name->at = p;
  while (p < end && !is_blank(*p) && *p != '=') {
    p++;
  }
  name->n = (size_t)(p - name->at);
  while (p < end && (is_blank(*p) || *p == '=')) {
    p++;
  }
  if (name->n == 0 || p >= end || (*p != '"' && *p != '\'')) {
    return false;
  }
  const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
  if (!close) {
    return false;
  }
  *value = (struct slice){p + 1, (size_t)(close - p - 1)};
  *whole = (struct slice){name->at, (size_t)(close + 1 - name->at)};
  *at = close + 1;
  return true;
}

static bool attribute(struct slice *value, const struct tag *tag, const char *wanted) {
  const char *at = tag->attributes;
  struct slice name, whole;
  while (next_attribute(&at, tag, &name, value, &whole)) {
    if (equals(name, wanted)) {
      return true;
    }
  }
  return false;
}

// ---- paths ----

static bool is_file(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

// folder, inner folder (NULL: none) and name as one path from the first file's folder; an absolute
// part stands for itself. True when a file is there.
static bool join(char path[MAX_PATH], const struct mjcf *m, const char *folder, const char *inner,
                 struct slice name) {
  char full[2 * MAX_PATH];
  const bool absolute = name.n > 0 && name.at[0] == '/';
  inner = inner && inner[0] && !absolute ? inner : "";
  const bool away = absolute || inner[0] == '/';
  const int n =
      snprintf(path, MAX_PATH, "%s%s%s%.*s", away ? "" : folder, inner,
               inner[0] && inner[strlen(inner) - 1] != '/' ? "/" : "", (int)name.n, name.at);
  if (n < 0 || n >= MAX_PATH) {
    path[0] = '\0';
    return false;
  }
  snprintf(full, sizeof full, "%s%s", path[0] == '/' ? "" : m->root, path);
  return is_file(full);
}

// the folder that a file sets for this kind of asset
static const char *folder_of(const struct source *s, enum folder kind) {
  return s->set[kind] ? s->set[kind] : s->set[ASSETS];
}

// Where a file that source i names is. False: nowhere; then path is the likeliest.
static bool find_asset(char path[MAX_PATH], const struct mjcf *m, int i, enum folder kind,
                       struct slice name) {
  char likeliest[MAX_PATH] = "";
  if (m->strip) {
    const char *slash = memrchr(name.at, '/', name.n);
    name.n -= slash ? (size_t)(slash + 1 - name.at) : 0;
    name.at = slash ? slash + 1 : name.at;
  }
  for (int k = i; k >= 0; k = m->source[k].parent) {
    const char *set = folder_of(&m->source[k], kind);
    if (set && join(path, m, m->source[k].folder, set, name)) {
      return true;
    }
    if (set && !likeliest[0]) {
      snprintf(likeliest, sizeof likeliest, "%s", path);
    }
  }
  for (int k = m->nsource - 1; k >= 0; k--) {
    const char *set = folder_of(&m->source[k], kind);
    // MuJoCo's own way: the folder that one file sets, from that of the first
    if (set && (join(path, m, m->source[k].folder, set, name) || join(path, m, "", set, name))) {
      return true;
    }
  }
  if (join(path, m, m->source[i].folder, NULL, name) || join(path, m, "", NULL, name)) {
    return true;
  }
  if (likeliest[0]) {
    snprintf(path, MAX_PATH, "%s", likeliest);
  }
  return false;
}

// ---- first pass: reading ----

static char *copy_of(const char *at, size_t n) {
  char *s = must_alloc(n + 1, 1);
  memcpy(s, at, n);
  return s;
}

static void keep_folders(struct mjcf *m, struct source *s, const struct tag *tag) {
  struct slice value;
  for (int kind = 0; kind < NFOLDER; kind++) {
    if (attribute(&value, tag, folder_attribute[kind])) {
      free(s->set[kind]);
      s->set[kind] = copy_of(value.at, value.n);
    }
  }
  m->strip = m->strip || (attribute(&value, tag, "strippath") && equals(value, "true"));
}

static bool read_source(struct mjcf *m, const char *path, int parent, int depth);

// the file that an <include> of source i names
static bool follow(struct mjcf *m, int i, const struct tag *tag, int depth) {
  struct slice name;
  char path[MAX_PATH];
  if (!attribute(&name, tag, "file")) {
    return false;
  }
  const struct source *s = &m->source[i];
  if (join(path, m, s->folder, NULL, name) || join(path, m, "", NULL, name)) {
    return read_source(m, path, i, depth + 1);
  }
  snprintf(m->reason, m->nreason,
           "; %s includes %.*s, which is neither there from its own folder "
           "nor from the task's",
           s->path, (int)name.n, name.at);
  return false;
}

// Follows the includes of source i, and finds what is inside its root. False: not well formed, or
// an include goes nowhere.
static bool scan(struct mjcf *m, int i, int depth) {
  struct tag tag;
  int level = 0;
  struct source *s = &m->source[i];
  const char *p = s->text, *end = p + s->n;
  for (; next_tag(&tag, p, end) == 1; p = tag.all.at + tag.all.n) {
    if (tag.closes && level <= 1) {
      s->inside.n = level == 1 ? (size_t)(tag.all.at - s->inside.at) : 0;
      return level == 1;
    }
    if (tag.closes) {
      level--;
      continue;
    }
    if (level == 0) {
      s->inside.at = tag.all.at + tag.all.n;
      if (tag.empty || equals(tag.name, "include")) {
        return false;
      }
    } else if (equals(tag.name, "compiler")) {
      keep_folders(m, s, &tag);
    } else if (equals(tag.name, "include") && !follow(m, i, &tag, depth)) {
      return false;
    }
    level += !tag.empty;
  }
  return false;
}

static bool read_source(struct mjcf *m, const char *path, int parent, int depth) {
  char full[2 * MAX_PATH];
  void *text = NULL;
  size_t n = 0, total = 0;
  for (int i = 0; i < m->nsource; i++) {
    total += m->source[i].n;
    if (strcmp(m->source[i].path, path) == 0) {
      return false;  // included twice, which MuJoCo refuses
    }
  }
  snprintf(full, sizeof full, "%s%s", path[0] == '/' ? "" : m->root, path);
  if (m->nsource == MAX_FILES || depth > MAX_DEPTH || !is_file(full) ||
      fsio_read(&text, &n, full, MAX_BYTES - total) != ERR_OK) {
    return false;
  }
  const char *slash = strrchr(path, '/');
  m->source[m->nsource] = (struct source){
      .path = must_strdup(path),
      .folder = copy_of(path, slash ? (size_t)(slash + 1 - path) : 0),
      .text = text,
      .n = n,
      .parent = parent,
  };
  return scan(m, m->nsource++, depth);
}

// ---- second pass: writing ----

static void put(struct mjcf *m, const char *at, size_t n) {
  if (m->n + n > MAX_BYTES) {
    m->full = true;
    return;
  }
  if (m->n + n + 1 > m->room) {
    m->room = 2 * m->room + n + 65536;
    m->text = must_realloc(m->text, m->room, 1);
  }
  memcpy(m->text + m->n, at, n);
  m->n += n;
  m->text[m->n] = '\0';
  for (size_t i = 0; i < n; i++) {
    m->line += at[i] == '\n';
  }
}

// what follows is at this place of source i
static void put_stretch(struct mjcf *m, int i, const char *at) {
  int origin = 1;
  for (const char *p = m->source[i].text; p < at; p++) {
    origin += *p == '\n';
  }
  if (m->nstretch == m->room_stretch) {
    m->room_stretch = 2 * m->room_stretch + 16;
    m->stretch = must_realloc(m->stretch, (size_t)m->room_stretch, sizeof *m->stretch);
  }
  m->stretch[m->nstretch++] = (struct stretch){m->line, i, origin};
}

// the kind of folder in which this attribute of this element names a file; NFOLDER: it does not
static enum folder folder_kind(struct slice element, struct slice name) {
  static const char *const meshes[] = {"mesh", "hfield", "skin", "flexcomp"};
  if (equals(element, "texture")) {
    return name.n >= 4 && strncasecmp(name.at, "file", 4) == 0 ? TEXTURES : NFOLDER;
  }
  for (size_t i = 0; i < sizeof meshes / sizeof meshes[0]; i++) {
    if (equals(element, meshes[i]) && equals(name, "file")) {
      return MESHES;
    }
  }
  return NFOLDER;
}

// the tag with paths in place of names, and without the folders that these were in
static void put_tag(struct mjcf *m, int i, const struct tag *tag) {
  const char *done = tag->all.at, *at = tag->attributes;
  const bool compiler = equals(tag->name, "compiler");
  struct slice name, value, whole;
  while (next_attribute(&at, tag, &name, &value, &whole)) {
    bool drop = compiler && equals(name, "strippath");
    for (int kind = 0; kind < NFOLDER && compiler; kind++) {
      drop = drop || equals(name, folder_attribute[kind]);
    }
    const enum folder kind = folder_kind(tag->name, name);
    if (drop) {
      put(m, done, (size_t)(whole.at - done));
      done = at;
    } else if (kind != NFOLDER) {
      char path[MAX_PATH];
      if (!find_asset(path, m, i, kind, value) && !m->reason[0]) {
        snprintf(m->reason, m->nreason,
                 "; %s names %.*s, which is neither in a <compiler %s=\"..\"> nor beside it",
                 m->source[i].path, (int)value.n, value.at, folder_attribute[kind]);
      }
      put(m, done, (size_t)(value.at - done));
      put(m, path, strlen(path));
      done = value.at + value.n;
    }
  }
  put(m, done, (size_t)(tag->all.at + tag->all.n - done));
}

static void put_source(struct mjcf *m, int i, struct slice part) {
  const char *p = part.at, *end = part.at + part.n;
  struct tag tag;
  put_stretch(m, i, p);
  while (next_tag(&tag, p, end) == 1) {
    put(m, p, (size_t)(tag.all.at - p));
    p = tag.all.at + tag.all.n;
    if (!equals(tag.name, "include")) {
      put_tag(m, i, &tag);
      continue;
    }
    if (tag.closes) {
      continue;
    }
    // on lines of its own, so that every line has one origin
    const int next = ++m->next;
    put(m, "\n", 1);
    put_source(m, next, m->source[next].inside);
    put(m, "\n", 1);
    put_stretch(m, i, p);
  }
  put(m, p, (size_t)(end - p));
}

// ---- life ----

struct mjcf *mjcf_new(const char *path, char *reason, size_t n) {
  struct mjcf *m = must_alloc(1, sizeof *m);
  const char *slash = strrchr(path, '/');
  const size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
  reason[0] = '\0';
  m->reason = reason;
  m->nreason = n;
  m->line = 1;
  if (folder >= sizeof m->root) {
    mjcf_free(m);
    return NULL;
  }
  memcpy(m->root, path, folder);
  if (!read_source(m, path + folder, -1, 0) || m->nsource == 1) {
    mjcf_free(m);
    return NULL;
  }
  // what stands behind the root has no includes that were followed
  const struct source *first = &m->source[0];
  const char *close = first->inside.at + first->inside.n;
  put_source(m, 0, (struct slice){first->text, (size_t)(close - first->text)});
  put(m, close, (size_t)(first->text + first->n - close));
  if (m->full) {
    mjcf_free(m);
    return NULL;
  }
  return m;
}

void mjcf_free(struct mjcf *m) {
  if (!m) {
    return;
  }
  for (int i = 0; i < m->nsource; i++) {
    struct source *s = &m->source[i];
    free(s->path);
    free(s->folder);
    free(s->text);
    for (int kind = 0; kind < NFOLDER; kind++) {
      free(s->set[kind]);
    }
  }
  free(m->text);
  free(m->stretch);
  free(m);
}

const char *mjcf_text(const struct mjcf *m, size_t *n) {
  *n = m->n;
  return m->text;
}

const char *mjcf_origin(const struct mjcf *m, int line, int *origin) {
  if (line < 1 || line > m->line) {
    return NULL;
  }
  int k = m->nstretch - 1;
  while (k > 0 && m->stretch[k].line > line) {
    k--;
  }
  *origin = m->stretch[k].origin + line - m->stretch[k].line;
  return m->source[m->stretch[k].source].path;
}
