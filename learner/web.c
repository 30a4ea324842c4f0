// web.c - a line a path.
#include "learner/web.h"

#include <string.h>

static void say_progress(const struct web *w, FILE *out) {
  struct metrics m;
  double wait_s;
  trainer_metrics(w->trainer, &m, &wait_s);
  const int actors = fleet_size(w->fleet);
  if (actors == 0 && !w->stopping) {
    fprintf(out, "waits for actors: telos-actor --connect %s; ", w->endpoint);
  } else {
    fprintf(out, "%d actor%s; ", actors, actors == 1 ? "" : "s");
  }
  fprintf(out, "%.0f of %.0f env steps, %.0f updates\n", m.steps, m.total_steps, m.updates);
}

static void answer_alive(const struct web *w, struct http_answer *a) {
  if (w->stuck) {
    a->status = 503;
    fputs("stuck: the trainer has work and makes no progress\n", a->body);
    return;
  }
  fputs("alive: ", a->body);
  say_progress(w, a->body);
}

static void answer_ready(const struct web *w, struct http_answer *a) {
  if (w->stopping) {
    a->status = 503;
    fputs("not ready: stopping\n", a->body);
    return;
  }
  fputs("ready: ", a->body);
  say_progress(w, a->body);
}

void web_answer(const struct web *w, struct http_answer *a, const char *path) {
  if (strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0) {
    answer_alive(w, a);
  } else if (strcmp(path, "/readyz") == 0) {
    answer_ready(w, a);
  } else {
    a->status = 404;
    fputs("not found; there are /healthz and /readyz\n", a->body);
  }
}
