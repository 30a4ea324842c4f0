// attached.c - see attached.h.
#include "actor/attached.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum { MAX_LINE = 256 };

// A line without its newline, a byte at a time: what follows is for the loop. False: there is none.
static bool read_line(char line[MAX_LINE], int fd) {
  for (size_t n = 0; n < MAX_LINE;) {
    const ssize_t got = read(fd, line + n, 1);
    if (got == 1 && line[n] == '\n') {
      line[n] = '\0';
      return true;
    }
    if (got == 1) {
      n++;
    } else if (got == 0 || errno != EINTR) {
      return false;
    }
  }
  return false;
}

// One of the keys as a certificate would have it, so that it is checked like one.
static bool parse(struct keyfile *out, const char *public_key, const char *secret_key) {
  char text[MAX_LINE + 64];
  struct keyfile_fault fault;
  int n = snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n", public_key);
  if (secret_key != NULL) {
    n += snprintf(text + n, sizeof text - (size_t)n, "    secret-key = \"%s\"\n", secret_key);
  }
  const bool good = keyfile_parse(out, &fault, text, (size_t)n);
  explicit_bzero(text, sizeof text);
  return good;
}

enum err attached_read_keys(struct curve_actor *keys, bool *given, int fd) {
  char line[MAX_LINE], learner[KEY_TEXT], own[KEY_TEXT], secret[KEY_TEXT];
  char rest;
  bool good = read_line(line, fd);
  *given = good && strcmp(line, "none") != 0;
  if (*given) {
    good = sscanf(line, "keys %40s %40s %40s%c", learner, own, secret, &rest) == 3 &&
           parse(&keys->learner, learner, NULL) && parse(&keys->own, own, secret);
    snprintf(keys->name, sizeof keys->name, "actor");
    explicit_bzero(secret, sizeof secret);
  }
  explicit_bzero(line, sizeof line);
  if (!good) {
    log_error("--attached: standard input has no line of keys; it is for telos train --hosts");
    return ERR_FORMAT;
  }
  return ERR_OK;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)handle;
  (void)suggested;
  static char passed_over[256];
  *buf = uv_buf_init(passed_over, sizeof passed_over);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  (void)buf;
  struct attached *a = stream->data;
  if (n < 0) {
    CHECK(uv_read_stop(stream) == 0);
    a->ended(a->ctx);
  }
}

void attached_watch(struct attached *a, uv_loop_t *loop, int fd, void (*ended)(void *ctx),
                    void *ctx) {
  a->ended = ended;
  a->ctx = ctx;
  a->pipe.data = a;
  CHECK(uv_pipe_init(loop, &a->pipe, 0) == 0);
  if (uv_pipe_open(&a->pipe, fd) != 0 ||
      uv_read_start((uv_stream_t *)&a->pipe, on_alloc, on_read) != 0) {
    // a file, perhaps: it has no end that could be waited for
    log_debug("--attached: standard input cannot be watched");
  }
}
