// http.c - libmicrohttpd keeps an epoll of its own sockets; the loop watches that one.
//
// A timer turns it when it asks for that, at least once a second: idle connections come to an end.
#include "proto/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum { TURN_MS = 1000, TURNS = 16, MAX_LOG = 256 };

struct http {
  struct MHD_Daemon *daemon;
  uv_poll_t poll;
  uv_timer_t timer;
  http_handler *handler;
  void *ctx;
  int open_handles;
  char url[HTTP_MAX_URL];
};

static void on_timer(uv_timer_t *timer);

// A few turns at most for what is at hand: the rest of the loop waits for nothing but these.
static void turn(struct http *h) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  for (int i = 0; i < TURNS && wait == 0; i++) {
    if (MHD_run(h->daemon) != MHD_YES) {
      log_debug("http: a turn failed");
    }
    if (MHD_get_timeout(h->daemon, &wait) != MHD_YES) {
      wait = TURN_MS;
    }
  }
  CHECK(uv_timer_start(&h->timer, on_timer, wait < TURN_MS ? wait : TURN_MS, 0) == 0);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  turn(poll->data);
}

static void on_timer(uv_timer_t *timer) {
  turn(timer->data);
}

// its complaints are about clients, and their fault
__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *format,
                                                         va_list ap) {
  (void)ctx;
  char line[MAX_LOG];
  vsnprintf(line, sizeof line, format, ap);
  line[strcspn(line, "\n")] = '\0';
  log_debug("http: %s", line);
}

// ---- answers ----

static enum MHD_Result send_body(struct MHD_Connection *connection, const struct http_answer *a,
                                 char *body, size_t n) {
  struct MHD_Response *response = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
  CHECK(response != NULL);
  // what is seen is of this moment, and nobody else's page may build on it
  CHECK(MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type) == MHD_YES);
  CHECK(MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES);
  CHECK(MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES);
  if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    CHECK(MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES);
  }
  const enum MHD_Result result = MHD_queue_response(connection, (unsigned)a->status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **request) {
  (void)version, (void)data;
  static char seen;
  struct http *h = ctx;
  // the first call has the headers alone; what a client sends beyond them is passed over
  if (*request == NULL || *data_size > 0) {
    *request = &seen;
    *data_size = 0;
    return MHD_YES;
  }
  char *body = NULL;
  size_t n = 0;
  struct http_answer a = {.status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8"};
  a.body = open_memstream(&body, &n);
  CHECK(a.body != NULL);
  if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
    h->handler(h->ctx, &a, path);
  } else {
    a.status = MHD_HTTP_METHOD_NOT_ALLOWED;
    fputs("GET and HEAD alone\n", a.body);
  }
  CHECK(fclose(a.body) == 0);
  return send_body(connection, &a, body, n);
}

// ---- life ----

static enum err parse_address(struct sockaddr_storage *out, const char *address, int port,
                              const char *setting) {
  if (strcmp(address, "localhost") == 0) {
    address = "127.0.0.1";
  }
  memset(out, 0, sizeof *out);
  if (uv_ip4_addr(address, port, (struct sockaddr_in *)out) != 0 &&
      uv_ip6_addr(address, port, (struct sockaddr_in6 *)out) != 0) {
    log_error("%s: '%s' is no address; expected digits, for example 127.0.0.1 or ::1", setting,
              address);
    return ERR_CONFIG;
  }
  return ERR_OK;
}

// The system's own word of what went wrong is better than the library's, and its port is ours to
// choose: so the socket is made here.
static enum err listen_on(int *fd, struct sockaddr_storage *address, const char *name, int port,
                          const char *setting) {
  const socklen_t n = address->ss_family == AF_INET ? (socklen_t)sizeof(struct sockaddr_in)
                                                    : (socklen_t)sizeof(struct sockaddr_in6);
  const int yes = 1;
  *fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (*fd >= 0 && setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
      bind(*fd, (struct sockaddr *)address, n) == 0 && listen(*fd, HTTP_MAX_CONNECTIONS) == 0) {
    socklen_t size = sizeof *address;
    CHECK(getsockname(*fd, (struct sockaddr *)address, &size) == 0);
    return ERR_OK;
  }
  const int why = errno;
  if (*fd >= 0) {
    close(*fd);
  }
  if (why == EADDRINUSE) {
    log_error("port %d is in use; stop the program that holds it, or choose another by %s", port,
              setting);
    return ERR_UNAVAILABLE;
  }
  log_error("%s: cannot listen on %s, port %d: %s; choose an address of this machine", setting,
            name, port, strerror(why));
  return ERR_CONFIG;
}

static void write_url(struct http *h, const struct sockaddr_storage *address) {
  char host[INET6_ADDRSTRLEN];
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *a = (const struct sockaddr_in *)address;
    CHECK(uv_ip4_name(a, host, sizeof host) == 0);
    snprintf(h->url, sizeof h->url, "http://%s:%d", host, ntohs(a->sin_port));
  } else {
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)address;
    CHECK(uv_ip6_name(a, host, sizeof host) == 0);
    snprintf(h->url, sizeof h->url, "http://[%s]:%d", host, ntohs(a->sin6_port));
  }
}

enum err http_open(struct http **out, uv_loop_t *loop, const char *address, int port,
                   const char *setting, http_handler *handler, void *ctx) {
  struct sockaddr_storage bound;
  int fd = -1;
  *out = NULL;
  enum err err = parse_address(&bound, address, port, setting);
  if (err == ERR_OK) {
    err = listen_on(&fd, &bound, address, port, setting);
  }
  if (err != ERR_OK) {
    return err;
  }
  struct http *h = must_alloc(1, sizeof *h);
  h->handler = handler;
  h->ctx = ctx;
  write_url(h, &bound);
  h->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER,
      on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)HTTP_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_END);
  CHECK(h->daemon != NULL);
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  CHECK(info != NULL);
  h->poll.data = h->timer.data = h;
  CHECK(uv_poll_init(loop, &h->poll, info->epoll_fd) == 0);
  CHECK(uv_timer_init(loop, &h->timer) == 0);
  CHECK(uv_poll_start(&h->poll, UV_READABLE, on_readable) == 0);
  h->open_handles = 2;
  turn(h);
  *out = h;
  return ERR_OK;
}

void http_url(const struct http *h, char *url) {
  snprintf(url, HTTP_MAX_URL, "%s", h->url);
}

void http_adopt(struct http *h, int fd) {
  struct sockaddr_in nobody = {.sin_family = AF_INET};
  CHECK(MHD_add_connection(h->daemon, fd, (struct sockaddr *)&nobody, sizeof nobody) == MHD_YES);
  turn(h);
}

static void on_closed(uv_handle_t *handle) {
  struct http *h = handle->data;
  if (--h->open_handles == 0) {
    free(h);
  }
}

void http_close(struct http *h) {
  if (h == NULL) {
    return;
  }
  CHECK(uv_poll_stop(&h->poll) == 0);
  MHD_stop_daemon(h->daemon);
  uv_close((uv_handle_t *)&h->poll, on_closed);
  uv_close((uv_handle_t *)&h->timer, on_closed);
}
