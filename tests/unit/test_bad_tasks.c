// test_bad_tasks.c - every file of tests/bad_tasks is refused, for its own mistakes and no others.
//
// A file says itself which lines it expects:  <!-- expect: numeric "telos.horizon" is missing -->
// Each must be part of a line of the log, each line of the log must hold one, and there are as many
// lines as expectations, so nothing is told twice and nothing that is not so. A file without room
// for a comment has its line in the table below.
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsio.h"
#include "common/task.h"
#include "tests/unit/capture.h"

enum { MAX_EXPECT = 32, MAX_TEXT = 256, LEAST_FILES = 100 };

struct expected {
  char text[MAX_EXPECT][MAX_TEXT];
  int n;
};

static const struct {
  const char *file, *expect;
} without_comment[] = {
    {"empty.xml", "cannot compile it"},
    {"blank.xml", "cannot compile it"},
};

static const char *corpus(void) {
  static char path[4096];
  const char *root = getenv("TELOS_SOURCE");
  snprintf(path, sizeof path, "%s/tests/bad_tasks", root ? root : ".");
  return path;
}

static int is_xml(const struct dirent *entry) {
  const size_t n = strlen(entry->d_name);
  return n > 4 && strcmp(entry->d_name + n - 4, ".xml") == 0;
}

// the bytes between "<!-- expect: " and " -->", wherever they stand
static void read_expected(struct expected *e, const char *path, const char *name) {
  static const char open[] = "<!-- expect: ", close[] = " -->";
  void *bytes = NULL;
  size_t size = 0;
  cr_assert_eq(fsio_read(&bytes, &size, path, 1 << 20), ERR_OK, "%s", path);
  e->n = 0;
  const char *p = bytes, *end = p + size;
  while ((p = memmem(p, (size_t)(end - p), open, sizeof open - 1)) != NULL) {
    p += sizeof open - 1;
    const char *stop = memmem(p, (size_t)(end - p), close, sizeof close - 1);
    cr_assert(stop && stop - p < MAX_TEXT && e->n < MAX_EXPECT, "%s: a comment does not end", name);
    snprintf(e->text[e->n++], MAX_TEXT, "%.*s", (int)(stop - p), p);
    p = stop;
  }
  free(bytes);
  for (size_t i = 0; i < sizeof without_comment / sizeof without_comment[0]; i++) {
    if (strcmp(name, without_comment[i].file) == 0) {
      snprintf(e->text[e->n++], MAX_TEXT, "%s", without_comment[i].expect);
    }
  }
  cr_assert(e->n > 0, "%s expects nothing", name);
}

// matches each line of the log with an expectation that no other line has taken
static void compare(const struct expected *e, const char *log, const char *name) {
  bool met[MAX_EXPECT] = {false};
  for (const char *line = log; *line;) {
    const size_t n = strcspn(line, "\n");
    int i = 0;
    while (i < e->n && (met[i] || !memmem(line, n, e->text[i], strlen(e->text[i])))) {
      i++;
    }
    cr_expect(i < e->n, "%s: nobody expected\n  %.*s", name, (int)n, line);
    if (i < e->n) {
      met[i] = true;
    }
    line += n + (line[n] == '\n');
  }
  for (int i = 0; i < e->n; i++) {
    cr_expect(met[i], "%s: no line has \"%s\" in\n%s", name, e->text[i], log);
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
    cr_expect_eq(err, ERR_CONFIG, "%s: %s", name, err_name(err));
    cr_expect_null(task, "%s", name);
    task_free(task);
    compare(&e, log, name);
    free(entries[i]);
  }
  free(entries);
}
