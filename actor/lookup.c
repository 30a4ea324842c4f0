// lookup.c - a detached thread a question; what both sides know of lives until both have let it go.
#include "actor/lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "common/base/check.h"

enum { MAX_HOST = 255 };

struct lookup {
  atomic_int holders;  // who asked, and the thread
  atomic_int state;    // published last
  int turn;
  char host[MAX_HOST + 1];
  char address[LOOKUP_ADDRESS];
  const char *why;
};

static void let_go(struct lookup *l) {
  if (atomic_fetch_sub(&l->holders, 1) == 1) {
    free(l);
  }
}

static void write_address(struct lookup *l, const struct addrinfo *a) {
  char digits[INET6_ADDRSTRLEN] = "";
  if (a->ai_family == AF_INET) {
    CHECK(uv_ip4_name((const struct sockaddr_in *)(const void *)a->ai_addr, digits,
                      sizeof digits) == 0);
    snprintf(l->address, sizeof l->address, "%s", digits);
  } else {
    CHECK(uv_ip6_name((const struct sockaddr_in6 *)(const void *)a->ai_addr, digits,
                      sizeof digits) == 0);
    snprintf(l->address, sizeof l->address, "[%s]", digits);
  }
}

// Address i of the list, those of IPv4 first; NULL: it has fewer.
static const struct addrinfo *pick(const struct addrinfo *list, int i) {
  static const int families[] = {AF_INET, AF_INET6};
  for (int f = 0; f < 2; f++) {
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
      if (a->ai_family == families[f] && i-- == 0) {
        return a;
      }
    }
  }
  return NULL;
}

static void *ask(void *arg) {
  struct lookup *l = arg;
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *list = NULL;
  const int error = getaddrinfo(l->host, NULL, &hints, &list);
  int n = 0;
  while (error == 0 && pick(list, n) != NULL) {
    n++;
  }
  enum lookup_state state = LOOKUP_UNKNOWN;
  if (n > 0) {
    write_address(l, pick(list, l->turn % n));
    state = LOOKUP_FOUND;
  } else {
    l->why = error != 0 ? gai_strerror(error) : "the name has no address";
  }
  if (list != NULL) {
    freeaddrinfo(list);
  }
  atomic_store(&l->state, state);
  let_go(l);
  return NULL;
}

// digits need no resolver, and localhost is no name for one either
static bool is_address(struct lookup *l) {
  struct sockaddr_in v4;
  if (strcmp(l->host, "localhost") == 0) {
    snprintf(l->address, sizeof l->address, "127.0.0.1");
    return true;
  }
  if (l->host[0] == '[' || uv_ip4_addr(l->host, 0, &v4) == 0) {
    snprintf(l->address, sizeof l->address, "%.*s", LOOKUP_ADDRESS - 1, l->host);
    return true;
  }
  return false;
}

struct lookup *lookup_start(const char *host, int turn) {
  struct lookup *l = must_alloc(1, sizeof *l);
  snprintf(l->host, sizeof l->host, "%s", host);
  l->turn = turn;
  atomic_init(&l->holders, 1);
  atomic_init(&l->state, LOOKUP_PENDING);
  if (is_address(l)) {
    atomic_store(&l->state, LOOKUP_FOUND);
    return l;
  }
  pthread_t thread;
  pthread_attr_t attr;
  CHECK(pthread_attr_init(&attr) == 0);
  CHECK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
  atomic_store(&l->holders, 2);
  // the thread has the mask of this one, and signals are for others
  sigset_t all, old;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
  const bool started = pthread_create(&thread, &attr, ask, l) == 0;
  CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
  if (!started) {
    // too many threads, for this moment
    atomic_store(&l->holders, 1);
    l->why = "no thread to ask with";
    atomic_store(&l->state, LOOKUP_UNKNOWN);
  }
  CHECK(pthread_attr_destroy(&attr) == 0);
  return l;
}

enum lookup_state lookup_poll(const struct lookup *l, char *address, const char **why) {
  const enum lookup_state state = (enum lookup_state)atomic_load(&l->state);
  if (state == LOOKUP_FOUND) {
    snprintf(address, LOOKUP_ADDRESS, "%s", l->address);
  } else if (state == LOOKUP_UNKNOWN) {
    *why = l->why;
  }
  return state;
}

void lookup_drop(struct lookup *l) {
  if (l != NULL) {
    let_go(l);
  }
}
