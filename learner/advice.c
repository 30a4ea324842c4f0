// advice.c - see the header.
#include "learner/advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/shell.h"
#include "proto/link.h"

enum { MAX_ENDPOINT = 400 };

struct command {
  FILE *out;
  char *text;
  size_t n;
};

static void add(struct command *c, const char *word) {
  fputc(' ', c->out);
  shell_quote(c->out, word);
}

// the program of this name beside ours
static void begin(struct command *c, const struct advice *a, const char *name) {
  char path[4096];
  const char *slash = strrchr(a->program, '/');
  const int folder = slash != NULL ? (int)(slash + 1 - a->program) : 0;
  snprintf(path, sizeof path, "%.*s%s", folder, a->program, name);
  *c = (struct command){.out = NULL};
  c->out = open_memstream(&c->text, &c->n);
  CHECK(c->out != NULL);
  shell_quote(c->out, path);
}

static void tell(struct command *c, const char *what) {
  CHECK(fclose(c->out) == 0);
  log_info("%s: %s", what, c->text);
  free(c->text);
}

// an endpoint that actors can connect to: who listens on all addresses has a name
static void reachable(char out[MAX_ENDPOINT], const char *endpoint) {
  char name[256] = "";
  const char *host = endpoint + strlen("tcp://"), *port = strrchr(endpoint, ':');
  const bool all = strncmp(host, "0.0.0.0:", 8) == 0 || strncmp(host, "[::]:", 5) == 0;
  if (all && gethostname(name, sizeof name - 1) == 0) {
    snprintf(out, MAX_ENDPOINT, "tcp://%s%s", name, port);
  } else {
    snprintf(out, MAX_ENDPOINT, "%s", endpoint);
  }
}

void advice_actors(const struct advice *a, const char *endpoint) {
  struct command c;
  char to[MAX_ENDPOINT], host[MAX_ENDPOINT];
  reachable(to, endpoint);
  const char *start = to + strlen("tcp://");
  snprintf(host, sizeof host, "%.*s", (int)(strrchr(to, ':') - start), start);
  begin(&c, a, "telos-actor");
  add(&c, "--connect");
  add(&c, to);
  if (a->keys != NULL) {
    add(&c, "--keys");
    add(&c, a->keys);
  } else if (a->insecure && !link_is_loopback(host)) {
    add(&c, "--insecure");
  }
  tell(&c, "actors are started with");
}

void advice_resume(const struct advice *a) {
  struct command c;
  begin(&c, a, "telos-learner");
  add(&c, "--task");
  add(&c, a->task);
  add(&c, "--run");
  add(&c, a->run);
  if (a->insecure) {
    add(&c, "--insecure");
  }
  if (a->keys != NULL) {
    add(&c, "--keys");
    add(&c, a->keys);
  }
  if (a->video_every != 0) {
    char every[24];
    snprintf(every, sizeof every, "%" PRIu64, a->video_every);
    add(&c, "--video-every");
    add(&c, every);
  }
  tell(&c, "stopped; resume with");
}

void advice_done(const struct advice *a) {
  struct command c;
  begin(&c, a, "telos");
  add(&c, "eval");
  add(&c, a->run);
  tell(&c, "done; evaluate the policy with");
}
