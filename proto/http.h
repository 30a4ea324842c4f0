// http.h - a small read-only HTTP server inside a libuv loop: libmicrohttpd, without a thread.
//
//   GET and HEAD of the paths that a handler knows; other methods get 405, other paths 404
//
// It answers from the loop, so that an answer shows that the loop turns. A client that is slow, or
// many of them, cost memory up to a fixed limit and their own connection, never the loop.
// Loop thread only.
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "common/base/err.h"

enum {
  HTTP_MAX_ADDRESS = 63,
  HTTP_MAX_URL = 96,
  HTTP_MAX_CONNECTIONS = 64,
  HTTP_IDLE_S = 10,                   // after which a connection is closed
  HTTP_CONNECTION_BYTES = 16 * 1024,  // of a request's line and headers, and of our headers
};

struct http;

// What is sent back. A handler writes the body, and changes what does not fit.
struct http_answer {
  int status;        // 200
  const char *type;  // "text/plain; charset=utf-8"; static text
  FILE *body;
};

// path: as asked for, without what follows a question mark.
typedef void http_handler(void *ctx, struct http_answer *answer, const char *path);

// Listens on address, which is one of this machine's in digits, or localhost; port 0: the system
// chooses. setting names both in messages ("http.bind and http.port"). ERR_UNAVAILABLE: the port is
// in use. ERR_CONFIG: the address is none.
NODISCARD enum err http_open(struct http **out, uv_loop_t *loop, const char *address, int port,
                             const char *setting, http_handler *handler, void *ctx);

// http://ADDRESS:PORT, as it was bound, into url (HTTP_MAX_URL bytes).
void http_url(const struct http *h, char *url);

// A connection that somebody else has accepted; for tests.
void http_adopt(struct http *h, int fd);

// Ends all connections. The memory goes when the loop has run once more. NULL is allowed.
void http_close(struct http *h);

#endif
