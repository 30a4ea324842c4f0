// status.c - the block is drawn into one buffer and written at once, so that it never flickers;
// every line is cut to the terminal's width, since a wrapped line would break the redraw.
#include "deploy/launch/status.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/config/limit.h"

enum { BLOCK_LINES = 7, LIMIT_LINES = 2, MAX_COLUMNS = 240, BAR = 30 };

struct canvas {
  char text[BLOCK_LINES * (MAX_COLUMNS + 16) + 64];
  size_t used;
  int columns;
};

static int terminal_columns(void) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return 80;
  }
  return size.ws_col < MAX_COLUMNS ? size.ws_col : MAX_COLUMNS;
}

__attribute__((format(printf, 2, 3))) static void put_line(struct canvas *c, const char *format,
                                                           ...) {
  char line[MAX_COLUMNS + 1];
  va_list args;
  va_start(args, format);
  vsnprintf(line, (size_t)c->columns, format, args);
  va_end(args);
  // return, clear to the end, text
  c->used += (size_t)snprintf(c->text + c->used, sizeof c->text - c->used, "\r\033[K%s\n", line);
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
    put_line(c, "no evaluation yet");
    return;
  }
  if (isnan(m->eval_distance)) {
    put_line(c, "evaluation at %.0f steps: return %.4g +- %.3g", m->eval_steps, m->eval_return,
             m->eval_ci);
    return;
  }
  char score[64] = "no score", success[32] = "";
  if (!isnan(m->eval_score)) {
    snprintf(score, sizeof score, "score %.2f +- %.2f", m->eval_score, m->eval_ci);
  }
  if (!isnan(m->eval_success)) {
    snprintf(success, sizeof success, "   success %.0f %%", 100.0 * m->eval_success);
  }
  put_line(c, "evaluation at %.0f steps: %s   distance %.3g%s", m->eval_steps, score,
           m->eval_distance, success);
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
    put_line(c, "%.*s", (int)n, rest);
    rest += n + (rest[n] == ' ');
  }
}

static void draw(struct status *s) {
  const struct metrics *m = &s->last;
  struct canvas c = {.columns = terminal_columns()};
  if (s->drawn) {
    c.used = (size_t)snprintf(c.text, sizeof c.text, "\033[%dA", BLOCK_LINES);
  }
  const double share = m->total_steps > 0.0 ? fmin(1.0, m->steps / m->total_steps) : 0.0;
  char bar[BAR + 1], left[32];
  for (int i = 0; i < BAR; i++) {
    bar[i] = i < (int)(share * BAR + 0.5) ? '#' : '.';
  }
  bar[BAR] = '\0';
  eta(left, sizeof left, m);
  put_line(&c, "%s", s->title);
  put_line(&c, "[%s] %.0f of %.0f steps  %3.0f %%  ETA %s", bar, m->steps, m->total_steps,
           100.0 * share, left);
  put_line(
      &c, "env %s steps/s   updates %s/s   actors %s of %d   window %s %%   learner waits %s %%",
      NUM(m->steps_per_s, "%.0f"), NUM(m->updates_per_s, "%.0f"), NUM(m->actors, "%.0f"),
      s->actors_wanted, NUM(100.0 * m->window_use, "%.0f"), NUM(100.0 * m->learner_wait, "%.0f"));
  draw_limit(&c, m);
  draw_evaluation(&c, m);
  put_line(&c, "Q loss %s   policy %s   outcome %s   alpha %s   q0 %s   entropy %s",
           NUM(m->loss_q, "%.3g"), NUM(m->loss_pi, "%.3g"), NUM(m->nll, "%.3g"),
           NUM(m->alpha, "%.3g"), NUM(m->q0, "%.3g"), NUM(m->entropy, "%.3g"));
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
