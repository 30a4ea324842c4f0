// lookup.c - libzmq looks names up itself and says nothing of what it finds, so this is done again
// when nobody answered.
#include "proto/lookup.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/bounded.h"
#include "common/base/check.h"

struct query {
  char host[256];
  int result;  // of getaddrinfo
};

static void ask(void *ctx) {
  struct query *q = ctx;
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  q->result = getaddrinfo(q->host, NULL, &hints, &found);
  if (q->result == 0) {
    freeaddrinfo(found);
  }
}

bool lookup_host(char *out, size_t n, const char *host, int ms) {
  struct query *q = must_alloc(1, sizeof *q);
  const size_t bracket = host[0] == '[';
  snprintf(q->host, sizeof q->host, "%.*s", (int)strcspn(host + bracket, "]"), host + bracket);
  if (!bounded_run(ask, q, ms)) {
    snprintf(out, n, "the look-up of host %s gets no answer", host);
    return false;  // q is the thread's
  }
  const int result = q->result;
  free(q);
  if (result != 0) {
    snprintf(out, n, "host %s is not known (%s)", host, gai_strerror(result));
  }
  return result == 0;
}
