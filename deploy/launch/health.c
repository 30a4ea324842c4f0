// health.c - telos health: one HTTP request with a deadline, for images that have no curl.
//
// HTTP/1.0, so that the answer ends with the connection: no library is needed to read it, and the
// one that could (libcurl) brings more into an image than all of telos.
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "deploy/launch/verbs.h"

enum { MAX_HOST = 255, MAX_PORT = 5, MAX_ANSWER = 4096, MAX_TIMEOUT_S = 3600, NOT_WELL = 1 };

#define DEFAULT_ADDRESS "127.0.0.1:9155"

static const char help[] =
    "Examples:\n"
    "  telos health                                 is the program in this container alive?\n"
    "  telos health --ready http://127.0.0.1:43127\n"
    "\n"
    "Usage: telos health [--ready] [--timeout SECONDS] [URL]\n"
    "\n"
    "Asks a learner (http.port) or an actor (--http) whether it is alive: whether its loop\n"
    "and the side that works make progress. --ready asks whether it does what it is for: a\n"
    "learner, whether actors can connect; an actor, whether a learner has welcomed it.\n"
    "Prints the answer. URL is http://HOST:PORT or HOST:PORT; default: " DEFAULT_ADDRESS
    ".\n"
    "--timeout: seconds for the answer; default: 5.\n"
    "Exit codes: 0 yes, 1 no, 64 usage, 69 nobody answers.\n";

struct address {
  char host[MAX_HOST + 1], port[MAX_PORT + 1];
};

// [http://]HOST:PORT[/]
static enum err parse_url(struct address *a, const char *text) {
  static const char scheme[] = "http://";
  const char *host = strncmp(text, scheme, strlen(scheme)) == 0 ? text + strlen(scheme) : text;
  const size_t all = strcspn(host, "/");
  const char *colon = memrchr(host, ':', all);
  if (colon != NULL && colon > host && colon - host <= MAX_HOST) {
    size_t n = (size_t)(colon - host);
    const size_t digits = all - n - 1;
    if (host[0] == '[' && host[n - 1] == ']') {
      host++;
      n -= 2;
    }
    if (digits >= 1 && digits <= MAX_PORT && strspn(colon + 1, "0123456789") == digits &&
        (colon[1 + digits] == '\0' || strcmp(colon + 1 + digits, "/") == 0)) {
      snprintf(a->host, sizeof a->host, "%.*s", (int)n, host);
      snprintf(a->port, sizeof a->port, "%.*s", (int)digits, colon + 1);
      return ERR_OK;
    }
  }
  log_error("%s: expected http://HOST:PORT, as the program that is asked says when it starts",
            text);
  return ERR_USAGE;
}

// Waits for the socket; false: the deadline is over.
static bool wait_for(int fd, short events, double deadline_s) {
  const double left_s = deadline_s - now_s();
  struct pollfd p = {.fd = fd, .events = events};
  return left_s > 0.0 && poll(&p, 1, (int)(1000.0 * left_s) + 1) == 1;
}

// A connected socket, or -1 and errno.
static int connect_to(const struct addrinfo *to, double deadline_s) {
  const int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  int error = 0;
  socklen_t n = sizeof error;
  if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      error = !wait_for(fd, POLLOUT, deadline_s)                      ? ETIMEDOUT
              : getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 ? errno
                                                                      : error;
    }
  }
  if (error != 0) {
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

// The whole answer, at most MAX_ANSWER bytes of it, NUL-terminated. False and errno: none came.
static bool exchange(char *answer, int fd, const char *request, double deadline_s) {
  if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request)) {
    return false;
  }
  size_t n = 0;
  while (n < MAX_ANSWER) {
    if (!wait_for(fd, POLLIN, deadline_s)) {
      errno = ETIMEDOUT;
      return false;
    }
    const ssize_t got = recv(fd, answer + n, MAX_ANSWER - n, 0);
    if (got < 0) {
      return false;
    }
    if (got == 0) {
      break;
    }
    n += (size_t)got;
  }
  answer[n] = '\0';
  return true;
}

// The exit code. Prints what was said.
static int judge(const char *answer, const char *url) {
  int status = 0;
  const char *body = strstr(answer, "\r\n\r\n");
  if (sscanf(answer, "HTTP/1.%*1[01] %d", &status) != 1 || body == NULL) {
    log_error("%s: what answers there is not telos; check host and port", url);
    return err_exit_code(ERR_UNAVAILABLE);
  }
  fputs(body + 4, stdout);
  return status == 200 ? 0 : NOT_WELL;
}

static int ask(const struct address *a, const char *url, const char *path, double timeout_s) {
  const double deadline_s = now_s() + timeout_s;
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  const int unknown = getaddrinfo(a->host, a->port, &hints, &found);
  if (unknown != 0) {
    log_error("%s: %s; check the name", url, gai_strerror(unknown));
    return err_exit_code(ERR_UNAVAILABLE);
  }
  char request[MAX_HOST + 128], answer[MAX_ANSWER + 1];
  snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, a->host);
  int fd = -1;
  for (const struct addrinfo *to = found; to != NULL && fd < 0; to = to->ai_next) {
    fd = connect_to(to, deadline_s);
  }
  const bool answered = fd >= 0 && exchange(answer, fd, request, deadline_s);
  const int why = errno;
  freeaddrinfo(found);
  if (fd >= 0) {
    close(fd);
  }
  if (!answered) {
    log_error("%s: %s; is the program running, with http.port or --http?", url, strerror(why));
    return err_exit_code(ERR_UNAVAILABLE);
  }
  return judge(answer, url);
}

int verb_health(int argc, char **argv) {
  static const struct option options[] = {{"ready", no_argument, NULL, 'r'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  const char *path = "/healthz", *url = DEFAULT_ADDRESS;
  uint64_t timeout_s = 5;
  struct address address;
  enum err err = ERR_OK;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'r':
        path = "/readyz";
        break;
      case 't':
        err = number_option(&timeout_s, "--timeout", optarg, 1, MAX_TIMEOUT_S);
        break;
      case 'h':
        fputs(help, stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos health", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  if (err == ERR_OK && optind + 1 < argc) {
    log_error("%s: unexpected argument; see telos health --help", argv[optind + 1]);
    err = ERR_USAGE;
  }
  if (err == ERR_OK && optind < argc) {
    url = argv[optind];
  }
  if (err == ERR_OK) {
    err = parse_url(&address, url);
  }
  return err == ERR_OK ? ask(&address, url, path, (double)timeout_s) : err_exit_code(err);
}
