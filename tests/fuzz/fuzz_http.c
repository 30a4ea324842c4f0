// fuzz_http.c - any bytes as what a client sends to the HTTP port.
//
// What comes back, if anything does, is an answer of HTTP; a body is given for the one path that
// there is, and the server answers the next client.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "proto/http.h"

enum { MAX_ANSWER = 4096, TURNS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(void *ctx, struct http_answer *a, const char *path) {
  (void)ctx;
  a->status = strcmp(path, "/healthz") == 0 ? 200 : 404;
  fputs(a->status == 200 ? "alive\n" : "not found\n", a->body);
}

// The bytes from a client who then sends no more; the length of what it gets in so many turns of
// the loop, or until the server closes.
static size_t ask(char *out, struct http *h, uv_loop_t *loop, const uint8_t *data, size_t size) {
  int end[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end) == 0);
  const ssize_t sent = size > 0 ? send(end[0], data, size, MSG_NOSIGNAL) : 0;
  CHECK(sent >= 0 && shutdown(end[0], SHUT_WR) == 0);
  http_adopt(h, end[1]);
  size_t n = 0;
  for (int i = 0; i < TURNS && n < MAX_ANSWER; i++) {
    const ssize_t got = recv(end[0], out + n, MAX_ANSWER - n, 0);
    if (got == 0) {
      break;
    }
    n += got > 0 ? (size_t)got : 0;
    uv_run(loop, UV_RUN_NOWAIT);
  }
  close(end[0]);
  uv_run(loop, UV_RUN_NOWAIT);
  return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uv_loop_t loop;
  static struct http *h;
  if (h == NULL) {
    CHECK(uv_loop_init(&loop) == 0);
    CHECK(http_open(&h, &loop, "127.0.0.1", 0, "fuzz", answer, NULL) == ERR_OK);
  }
  static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n", start[] = "HTTP/1.";
  static char out[MAX_ANSWER + 1];
  size_t n = ask(out, h, &loop, data, size < 65536 ? size : 65536);
  CHECK(n == 0 || (n > strlen(start) && memcmp(out, start, strlen(start)) == 0));
  n = ask(out, h, &loop, (const uint8_t *)request, strlen(request));
  CHECK(n > 6 && memcmp(out + n - 6, "alive\n", 6) == 0);
  return 0;
}
