// exposition.c - numbers first, then what has labels.
#include "learner/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/config/limit.h"
#include "proto/version.h"

void histogram_add(struct histogram *h, uint64_t value) {
  int i = 0;
  while (i < EXPOSITION_BUCKETS - 1 && value > (i == 0 ? 0 : 1ULL << (i - 1))) {
    i++;
  }
  h->bucket[i]++;
  h->sum += (double)value;
}

static void write_number(FILE *out, double x) {
  if (isfinite(x)) {
    fprintf(out, "%.15g\n", x);
  } else {
    fputs(isnan(x) ? "NaN\n" : x > 0 ? "+Inf\n" : "-Inf\n", out);
  }
}

static void write_head(FILE *out, const char *kind, const char *name, const char *help) {
  fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void write_label(FILE *out, const char *text) {
  for (const char *c = text; *c != '\0'; c++) {
    if (*c == '\\' || *c == '"') {
      fputc('\\', out);
    }
    fputs(*c == '\n' ? "\\n" : (const char[]){*c, '\0'}, out);
  }
}

static void write_histogram(FILE *out, const char *name, const char *help,
                            const struct histogram *h) {
  write_head(out, "histogram", name, help);
  uint64_t below = 0;
  for (int i = 0; i < EXPOSITION_BUCKETS; i++) {
    below += h->bucket[i];
    if (i < EXPOSITION_BUCKETS - 1) {
      fprintf(out, "%s_bucket{le=\"%llu\"} %" PRIu64 "\n", name, i == 0 ? 0 : 1ULL << (i - 1),
              below);
    } else {
      fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    }
  }
  fprintf(out, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name, h->sum, name, below);
}

// ---- actors ----

static double actor_threads(const struct scrape *s, const struct peer *p) {
  (void)s;
  return p->threads;
}

static double actor_silence(const struct scrape *s, const struct peer *p) {
  return 1e-3 * (double)(s->now_ms - p->last_seen_ms);
}

static double actor_busy(const struct scrape *s, const struct peer *p) {
  (void)s;
  return 1e-3 * (double)p->busy_ms;
}

static double actor_steps(const struct scrape *s, const struct peer *p) {
  (void)s;
  return (double)p->steps;
}

static void write_actors(const struct scrape *s, FILE *out) {
  static const struct {
    const char *kind, *name, *help;
    double (*value)(const struct scrape *s, const struct peer *p);
  } series[] = {
      {"gauge", "telos_actor_rollout_threads", "Rollout threads of an actor.", actor_threads},
      {"gauge", "telos_actor_silence_seconds", "Since its last message.", actor_silence},
      {"counter", "telos_actor_busy_seconds_total", "CPU time of its rollouts.", actor_busy},
      {"counter", "telos_actor_env_steps_total", "Env steps that it has done.", actor_steps},
  };
  const struct peers *peers = &s->fleet->peers;
  for (size_t k = 0; k < sizeof series / sizeof *series; k++) {
    write_head(out, series[k].kind, series[k].name, series[k].help);
    for (int i = 0; i < peers->highest && i < EXPOSITION_MAX_ACTORS; i++) {
      if (peers->peer[i].used) {
        // names are the actors' own choice, and may be equal; indices are not
        fprintf(out, "%s{index=\"%d\",actor=\"", series[k].name, i);
        write_label(out, peers->peer[i].name);
        fputs("\"} ", out);
        write_number(out, series[k].value(s, &peers->peer[i]));
      }
    }
  }
}

void exposition_write(const struct scrape *s, FILE *out) {
  write_head(out, "gauge", "telos_build_info", "Always 1; what is running.");
  fprintf(out, "telos_build_info{version=\"%s\",build=\"", TELOS_VERSION);
  write_label(out, version_build());
  fputs("\"} 1\n", out);
  write_head(out, "gauge", "telos_run_info", "Always 1; what it trains.");
  fputs("telos_run_info{task=\"", out);
  write_label(out, s->task);
  fprintf(out, "\",seed=\"%" PRId64 "\"} 1\n", s->cfg->run_seed);
#define S(kind, name, help, value)     \
  write_head(out, #kind, #name, help); \
  fputs(#name " ", out);               \
  write_number(out, (double)(value));
#include "learner/series.def"
#undef S
  write_head(out, "gauge", "telos_limit", "1 for the side that holds training up.");
  static const char *const sides[] = {"learner", "actors", "window"};
  for (int i = 0; i < 3; i++) {
    fprintf(out, "telos_limit{side=\"%s\"} %d\n", sides[i], s->line.limit == i);
  }
  write_histogram(out, "telos_policy_lag_versions",
                  "Versions between the policy of a committed episode and the newest one.",
                  &s->count->lag);
  write_histogram(out, "telos_episode_length_steps", "Env steps of committed episodes.",
                  &s->count->length);
  write_actors(s, out);
}
