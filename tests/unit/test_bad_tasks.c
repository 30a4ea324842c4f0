// test_bad_tasks.c - every file of tests/bad_tasks is refused, for its own mistakes and no others.
//
// A file says itself which lines it expects:  <!-- expect: numeric "telos.horizon" is missing -->
// Each must be part of a line of the log, each line of the log must hold one, and there are as many
// lines as expectations, so nothing is told twice and nothing that is not so. A file without room
// for a comment has its line in the table below.
//
// What MuJoCo itself refuses, its versions word differently:  A || B  is one or the other. A line
// that comes from some versions only is "allow:" instead of "expect:", and what MuJoCo 3 takes for
// granted is "expect of MuJoCo 2:"; a file that then expects nothing is only loaded.
#include <criterion/criterion.h>
#include <dirent.h>
#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fsio.h"
#include "common/task/task.h"
#include "tests/unit/capture.h"
#include "tests/unit/source.h"

enum { MAX_EXPECT = 32, MAX_TEXT = 256, LEAST_FILES = 100 };

struct expected {
  char text[MAX_EXPECT][MAX_TEXT];
  bool optional[MAX_EXPECT];
  int n, required;
};

static const struct {
  const char *file, *expect;
} without_comment[] = {
    {"empty.xml", "cannot compile it"},
    {"blank.xml", "cannot compile it"},
};

static const char *corpus(void) {
  return source_path("tests/bad_tasks");
}

static int is_xml(const struct dirent *entry) {
  const size_t n = strlen(entry->d_name);
  return n > 4 && strcmp(entry->d_name + n - 4, ".xml") == 0;
}

static void add(struct expected *e, const char *text, size_t n, bool optional, const char *name) {
  cr_assert(n > 0 && n < MAX_TEXT && e->n < MAX_EXPECT, "%s: too much is expected", name);
  memcpy(e->text[e->n], text, n);
  e->text[e->n][n] = '\0';
  e->optional[e->n++] = optional;
  e->required += !optional;
}

// what stands between "<!-- KEYWORD: " and " -->", wherever that is
static int read_keyword(struct expected *e, const char *text, const char *keyword, bool optional,
                        const char *name) {
  static const char close[] = " -->";
  char open[64];
  int found = 0;
  const size_t n = (size_t)snprintf(open, sizeof open, "<!-- %s: ", keyword);
  for (const char *p = text; (p = strstr(p, open)) != NULL; found++) {
    p += n;
    const char *stop = strstr(p, close);
    cr_assert_not_null(stop, "%s: a comment does not end", name);
    if (e) {
      add(e, p, (size_t)(stop - p), optional, name);
    }
    p = stop;
  }
  return found;
}

static void read_expected(struct expected *e, const char *path, const char *name) {
  void *bytes = NULL;
  size_t size = 0;
  cr_assert_eq(fsio_read(&bytes, &size, path, 1 << 20), ERR_OK, "%s", path);
  char *text = calloc(size + 1, 1);
  for (size_t i = 0; i < size; i++) {
    text[i] = ((const char *)bytes)[i] ? ((const char *)bytes)[i] : ' ';
  }
  *e = (struct expected){.n = 0};
  int found = read_keyword(e, text, "expect", false, name);
  found += read_keyword(mj_version() < 300 ? e : NULL, text, "expect of MuJoCo 2", false, name);
  read_keyword(e, text, "allow", true, name);
  for (size_t i = 0; i < sizeof without_comment / sizeof without_comment[0]; i++) {
    if (strcmp(name, without_comment[i].file) == 0) {
      add(e, without_comment[i].expect, strlen(without_comment[i].expect), false, name);
      found++;
    }
  }
  cr_assert(found > 0, "%s expects nothing", name);
  free(text);
  free(bytes);
}

// whether one of the texts between " || " is part of the line
static bool meets(const char *text, const char *line, size_t n) {
  static const char or [] = " || ";
  for (;;) {
    const char *next = strstr(text, or);
    const size_t len = next ? (size_t)(next - text) : strlen(text);
    if (memmem(line, n, text, len)) {
      return true;
    }
    if (!next) {
      return false;
    }
    text = next + sizeof or -1;
  }
}

// matches each line of the log with an expectation that no other line has taken
static void compare(const struct expected *e, const char *log, const char *name) {
  bool met[MAX_EXPECT] = {false};
  for (const char *line = log; *line;) {
    const size_t n = strcspn(line, "\n");
    int i = 0;
    while (i < e->n && (met[i] || !meets(e->text[i], line, n))) {
      i++;
    }
    cr_expect(i < e->n, "%s: nobody expected\n  %.*s", name, (int)n, line);
    if (i < e->n) {
      met[i] = true;
    }
    line += n + (line[n] == '\n');
  }
  for (int i = 0; i < e->n; i++) {
    cr_expect(met[i] || e->optional[i], "%s: no line has \"%s\" in\n%s", name, e->text[i], log);
  }
}

Test(bad_tasks, each_is_refused_for_its_own_mistakes) {
  struct dirent **entries = NULL;
  const int n = scandir(corpus(), &entries, is_xml, alphasort);
  cr_assert_geq(n, LEAST_FILES, "%s has %d files", corpus(), n);
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", corpus(), name);
    struct expected e;
    read_expected(&e, path, name);
    struct task *task = NULL;
    capture_begin();
    const enum err err = task_load(&task, path);
    const char *log = capture_end();
    const enum err expected = e.required > 0 ? ERR_CONFIG : ERR_OK;
    cr_expect_eq(err, expected, "%s: %s", name, err_name(err));
    cr_expect_eq(task == NULL, err != ERR_OK, "%s", name);
    task_free(task);
    compare(&e, log, name);
    free(entries[i]);
  }
  free(entries);
}
