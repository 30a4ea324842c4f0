// test_web.c - what probes are told of a trainer that is stuck, and of a learner that stops.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "learner/web.h"

static int status;
static char *said;

static void ask(const struct web *w, const char *path) {
  size_t n;
  struct http_answer a = {.status = 200};
  free(said);
  a.body = open_memstream(&said, &n);
  web_answer(w, &a, path);
  fclose(a.body);
  status = a.status;
}

Test(web, a_stuck_trainer_is_not_alive) {
  const struct web w = {.stuck = true};
  static const char *const paths[] = {"/healthz", "/livez"};
  for (int i = 0; i < 2; i++) {
    ask(&w, paths[i]);
    cr_assert_eq(status, 503);
    cr_assert_str_eq(said, "stuck: the trainer has work and makes no progress\n");
  }
}

Test(web, a_learner_that_stops_is_not_ready) {
  const struct web w = {.stopping = true};
  ask(&w, "/readyz");
  cr_assert_eq(status, 503);
  cr_assert_str_eq(said, "not ready: stopping\n");
}

Test(web, other_paths_are_not_found) {
  const struct web w = {0};
  static const char *const paths[] = {"", "/healthz/", "/etc/passwd", "/../healthz"};
  for (int i = 0; i < 4; i++) {
    ask(&w, paths[i]);
    cr_assert_eq(status, 404, "%s", paths[i]);
  }
}
