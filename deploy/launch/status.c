// status.c - the block is drawn into one buffer and written at once, so that it never flickers.
//
// A wrapped line would break the redraw. So a line is a list of fields, of which the least
// important are left out until the rest fits the terminal; words alone are cut.
#include "deploy/launch/status.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/config/limit.h"

enum { BLOCK_LINES = 7, LIMIT_LINES = 2, MAX_COLUMNS = 240, BAR = 30, FIELDS = 6, FIELD = 64 };

struct canvas {
  char text[BLOCK_LINES * (MAX_COLUMNS + 32) + 64];
  size_t used;
  int columns;
  bool colour;
};

// a part of a line; those of the highest rank are left out first
struct field {
  int rank;
  char text[FIELD];
};

static int terminal_columns(void) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return 80;
  }
  return size.ws_col < MAX_COLUMNS ? size.ws_col : MAX_COLUMNS;
}

// style: an SGR code such as "1" for bold
static void put_text(struct canvas *c, const char *style, const char *text) {
  char line[MAX_COLUMNS + 1];
  snprintf(line, (size_t)c->columns, "%s", text);
  const bool styled = c->colour && style != NULL;
  // return, clear to the end, text
  c->used += (size_t)snprintf(c->text + c->used, sizeof c->text - c->used,
                              styled ? "\r\033[K\033[%sm%s\033[0m\n" : "\r\033[K%s%s\n",
                              styled ? style : "", line);
}

// n fields in their order, with a gap between them, as many as fit
static void put_fields(struct canvas *c, const char *style, const struct field *fields, int n) {
  char line[FIELDS * (FIELD + 3)];
  bool left_out[FIELDS] = {false};
  for (;;) {
    size_t used = 0;
    int last = -1;
    line[0] = '\0';
    for (int i = 0; i < n; i++) {
      if (!left_out[i] && fields[i].text[0] != '\0') {
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used > 0 ? "   " : "",
                                 fields[i].text);
        last = last < 0 || fields[i].rank > fields[last].rank ? i : last;
      }
    }
    if (used < (size_t)c->columns || last < 0 || fields[last].rank == 0) {
      put_text(c, style, line);
      return;
    }
    left_out[last] = true;
  }
}

__attribute__((format(printf, 2, 3))) static struct field field(int rank, const char *format, ...) {
  struct field f = {.rank = rank};
  va_list args;
  va_start(args, format);
  vsnprintf(f.text, sizeof f.text, format, args);
  va_end(args);
  return f;
}

static const char *number(char *out, size_t n, double x, const char *format) {
  if (isnan(x)) {
    snprintf(out, n, "-");
  } else {
    // every format here is one of this file's own literals
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out, n, format, x);
#pragma GCC diagnostic pop
  }
  return out;
}

#define NUM(x, format) number((char[32]){0}, 32, (x), (format))

static void eta(char *out, size_t n, const struct metrics *m) {
  const double left = m->total_steps - m->steps;
  if (!(m->steps_per_s > 0.0)) {
    snprintf(out, n, "-:--");
    return;
  }
  const long seconds = (long)(left / m->steps_per_s + 0.5);
  if (seconds >= 3600) {
    snprintf(out, n, "%ld:%02ld:%02ld", seconds / 3600, seconds / 60 % 60, seconds % 60);
  } else {
    snprintf(out, n, "%ld:%02ld", seconds / 60, seconds % 60);
  }
}

// a score or a success that has no meaning is left out
static void draw_evaluation(struct canvas *c, const struct metrics *m) {
  if (isnan(m->eval_steps)) {
    put_text(c, NULL, "no evaluation yet");
    return;
  }
  struct field f[4] = {field(0, "evaluation: no score"), field(1, "%s", ""),
                       field(3, "distance %.3g", m->eval_distance),
                       field(2, "at %.0f steps", m->eval_steps)};
  if (isnan(m->eval_distance)) {
    f[0] = field(0, "evaluation: return %.4g +- %.3g", m->eval_return, m->eval_ci);
    f[2] = field(3, "%s", "");
  } else if (!isnan(m->eval_score)) {
    f[0] = field(0, "evaluation: score %.2f +- %.2f", m->eval_score, m->eval_ci);
  }
  if (!isnan(m->eval_success)) {
    f[1] = field(1, "success %.0f %%", 100.0 * m->eval_success);
  }
  put_fields(c, NULL, f, 4);
}

// What limits, in LIMIT_LINES lines broken at words; what does not fit is cut.
static void draw_limit(struct canvas *c, const struct metrics *m) {
  char text[LIMIT_TEXT];
  limit_text(text, sizeof text, m);
  const char *rest = text;
  for (int i = 0; i < LIMIT_LINES; i++) {
    const size_t room = (size_t)c->columns - 1;
    size_t n = strlen(rest);
    if (n > room && i + 1 < LIMIT_LINES) {
      n = room;
      while (n > 0 && rest[n] != ' ') {
        n--;
      }
    }
    char line[LIMIT_TEXT];
    snprintf(line, sizeof line, "%.*s", (int)n, rest);
    put_text(c, "2", line);
    rest += n + (rest[n] == ' ');
  }
}

static void draw_steps(struct canvas *c, const struct metrics *m) {
  const bool done = m->steps >= m->total_steps;
  const double share = m->total_steps > 0.0 ? fmin(1.0, m->steps / m->total_steps) : 0.0;
  char bar[BAR + 1], left[32];
  for (int i = 0; i < BAR; i++) {
    bar[i] = i < (int)(share * BAR + 0.5) ? '#' : '.';
  }
  bar[BAR] = '\0';
  eta(left, sizeof left, m);
  put_fields(c, done ? "32" : NULL,
             (struct field[]){field(3, "[%s]", bar),
                              field(1, "%.0f of %.0f steps", m->steps, m->total_steps),
                              field(0, "%.0f %%", 100.0 * share),
                              done ? field(2, "done") : field(2, "ETA %s", left)},
             4);
}

// rates while there are any; before and after, words
static void draw_rates(struct canvas *c, const struct metrics *m, int actors_wanted) {
  if (m->steps >= m->total_steps) {
    put_text(c, NULL,
             m->actors > 0 ? "all steps are done; evaluations come to their end" : "finished");
    return;
  }
  if (!(m->actors > 0) && !(m->steps_per_s > 0.0)) {
    put_text(c, NULL, m->steps > 0.0 ? "waits for actors" : "the actors are starting");
    return;
  }
  put_fields(
      c, NULL,
      (struct field[]){field(0, "env %s steps/s", NUM(m->steps_per_s, "%.0f")),
                       field(2, "updates %s/s", NUM(m->updates_per_s, "%.0f")),
                       field(1, "actors %s of %d", NUM(m->actors, "%.0f"), actors_wanted),
                       field(4, "window %s %%", NUM(100.0 * m->window_use, "%.0f")),
                       field(3, "learner waits %s %%", NUM(100.0 * m->learner_wait, "%.0f"))},
      5);
}

static void draw(struct status *s) {
  const struct metrics *m = &s->last;
  struct canvas c = {.columns = terminal_columns(), .colour = s->colour};
  if (s->drawn) {
    c.used = (size_t)snprintf(c.text, sizeof c.text, "\033[%dA", BLOCK_LINES);
  }
  put_text(&c, "1", s->title);
  draw_steps(&c, m);
  draw_rates(&c, m, s->actors_wanted);
  draw_limit(&c, m);
  draw_evaluation(&c, m);
  put_fields(&c, NULL,
             (struct field[]){field(0, "Q loss %s", NUM(m->loss_q, "%.3g")),
                              field(1, "policy %s", NUM(m->loss_pi, "%.3g")),
                              field(5, "outcome %s", NUM(m->nll, "%.3g")),
                              field(2, "alpha %s", NUM(m->alpha, "%.3g")),
                              field(4, "q0 %s", NUM(m->q0, "%.3g")),
                              field(3, "entropy %s", NUM(m->entropy, "%.3g"))},
             6);
  s->drawn = true;
  if (fwrite(c.text, 1, c.used, stdout) != c.used || fflush(stdout) != 0) {
    clearerr(stdout);
  }
}

void status_init(struct status *s, const char *title, int actors_wanted) {
  *s = (struct status){.actors_wanted = actors_wanted};
  snprintf(s->title, sizeof s->title, "%s", title);
  const char *term = getenv("TERM");
  s->terminal = isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
  const char *no_colour = getenv("NO_COLOR");
  s->colour = no_colour == NULL || no_colour[0] == '\0';
  metrics_clear(&s->last);
}

void status_progress(struct status *s, const char *line) {
  if (!metrics_parse(&s->last, line)) {
    return;
  }
  if (s->terminal) {
    draw(s);
  } else {
    printf("%s\n", line);
    if (fflush(stdout) != 0) {
      clearerr(stdout);
    }
  }
}

void status_log(struct status *s, const char *line) {
  if (s->drawn) {
    // clear the block, let the line scroll by, draw again below it
    fprintf(stdout, "\033[%dA\r\033[J", BLOCK_LINES);
    fflush(stdout);
    s->drawn = false;
    fprintf(stderr, "%s\n", line);
    draw(s);
  } else {
    fprintf(stderr, "%s\n", line);
  }
}

void status_end(struct status *s) {
  s->drawn = false;
}
