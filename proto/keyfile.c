// keyfile.c - a strict reader of the few lines that a certificate has, and its writer.
//
// The reader takes what CZMQ's own takes where it matters: comments, quotes of both kinds, other
// sections. What CZMQ would silently read as something else (a key that stands twice, a wrong
// indentation) is refused: a key that is not the one people see in the file must not be used.
#include "proto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"

enum { INDENT = 4, KEY_BYTES = 32, TEXT_BYTES = 1024 };

// ---- one line ----

struct line {
  int depth;
  const char *name, *value;  // name NULL: an empty line; value NULL: a section
  size_t name_size, value_size;
};

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("$-_@.&+/", c) != NULL);
}

static size_t count(const char *at, const char *end, char c) {
  size_t n = 0;
  while (at + n < end && at[n] == c) {
    n++;
  }
  return n;
}

static bool is_rest_empty(const char *at, const char *end) {
  at += count(at, end, ' ');
  return at == end || *at == '#';
}

// What stands behind "=". NULL: it is sound.
static const char *split_value(struct line *out, const char *at, const char *end) {
  at += count(at, end, ' ');
  if (at < end && (*at == '"' || *at == '\'')) {
    const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
    if (close == NULL || !is_rest_empty(close + 1, end)) {
      return "a quoted value that does not end with its quote";
    }
    out->value = at + 1;
    out->value_size = (size_t)(close - at - 1);
    return NULL;
  }
  // without quotes it ends at a comment, which is why keys are written with them
  const char *stop = at;
  while (stop < end && *stop != '#') {
    stop++;
  }
  while (stop > at && stop[-1] == ' ') {
    stop--;
  }
  out->value = at;
  out->value_size = (size_t)(stop - at);
  return NULL;
}

// NULL: it is sound.
static const char *split_line(struct line *out, const char *at, const char *end) {
  *out = (struct line){0};
  if (at < end && end[-1] == '\r') {
    end--;
  }
  const size_t indent = count(at, end, ' ');
  if (is_rest_empty(at, end)) {
    return NULL;
  }
  if (indent % INDENT != 0) {
    return "an indentation that is no multiple of four spaces";
  }
  out->depth = (int)(indent / INDENT);
  at += indent;
  out->name = at;
  while (at < end && is_name_char(*at)) {
    at++;
  }
  out->name_size = (size_t)(at - out->name);
  if (out->name_size > 0 && is_rest_empty(at, end)) {
    return NULL;
  }
  at += count(at, end, ' ');
  if (out->name_size == 0 || at == end || *at != '=') {
    return "expected a section, or name = \"value\"";
  }
  return split_value(out, at + 1, end);
}

// ---- the whole text ----

static bool is(const char *text, size_t n, const char *word) {
  return strlen(word) == n && memcmp(text, word, n) == 0;
}

static const char *take_key(char out[KEY_TEXT], const struct line *l) {
  unsigned char bytes[KEY_BYTES];
  if (out[0] != '\0') {
    return "a key that stands twice";
  }
  if (l->value == NULL || l->value_size != KEY_TEXT - 1) {
    return "a key that has not 40 characters";
  }
  memcpy(out, l->value, KEY_TEXT - 1);
  out[KEY_TEXT - 1] = '\0';
  const bool good = strlen(out) == KEY_TEXT - 1 && zmq_z85_decode(bytes, out) != NULL;
  explicit_bzero(bytes, sizeof bytes);
  return good ? NULL : "a key with characters that Z85 has not";
}

// What holds for the keys of a text as a whole.
static const char *check_keys(const struct keyfile *k) {
  char derived[KEY_TEXT];
  if (k->public_key[0] == '\0') {
    return "it has no public-key in a section curve";
  }
  if (k->secret_key[0] != '\0' &&
      (zmq_curve_public(derived, k->secret_key) != 0 || strcmp(derived, k->public_key) != 0)) {
    return "its secret-key and public-key are no pair";
  }
  return NULL;
}

bool keyfile_parse(struct keyfile *out, struct keyfile_fault *fault, const char *text, size_t n) {
  struct keyfile k = {{0}, {0}};
  const char *what = NULL, *const end = text + n;
  bool in_curve = false;
  int line = 0, deepest = 0;  // depth that the next line may have
  for (const char *at = text; at < end && what == NULL;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline != NULL ? newline : end;
    struct line l;
    line++;
    what = split_line(&l, at, stop);
    at = newline != NULL ? newline + 1 : end;
    if (what != NULL || l.name == NULL) {
      continue;
    }
    if (l.depth > deepest) {
      what = "an indentation below nothing";
    } else if (l.depth == 0) {
      in_curve = l.value == NULL && is(l.name, l.name_size, "curve");
    } else if (l.depth == 1 && in_curve && is(l.name, l.name_size, "public-key")) {
      what = take_key(k.public_key, &l);
    } else if (l.depth == 1 && in_curve && is(l.name, l.name_size, "secret-key")) {
      what = take_key(k.secret_key, &l);
    }
    deepest = l.depth + 1;
  }
  if (what == NULL) {
    line = 0;
    what = check_keys(&k);
  }
  if (what == NULL) {
    *out = k;
  } else {
    *fault = (struct keyfile_fault){line, what};
  }
  keyfile_wipe(&k);
  return what == NULL;
}

void keyfile_generate(struct keyfile *out) {
  CHECK(zmq_curve_keypair(out->public_key, out->secret_key) == 0);
}

void keyfile_wipe(struct keyfile *k) {
  if (k != NULL) {
    explicit_bzero(k, sizeof *k);
  }
}

// ---- reading ----

// A secret that others may read is none any more. NULL: it is one.
static const char *check_mode(mode_t mode) {
  if ((mode & S_IRWXO) != 0) {
    return "everybody on this machine may use it";
  }
  return (mode & S_IWGRP) != 0 ? "its group may write it" : NULL;
}

// The file's text, at most KEYFILE_MAX_BYTES, into out; its size, or -1 (logged).
static ssize_t read_text(char out[KEYFILE_MAX_BYTES + 1], const char *path, bool secret) {
  struct stat st;
  ssize_t n = -1, got = 0;
  // a pipe in its place must not stop us
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &st) != 0) {
    log_error("cannot read the key file %s: %s; `telos keys` makes keys", path, strerror(errno));
  } else if (!S_ISREG(st.st_mode)) {
    log_error("%s is no file; expected a key file (telos keys --help)", path);
  } else if (secret && check_mode(st.st_mode) != NULL) {
    log_error("the secret key %s has mode %04o: %s; chmod 600 it, or mount it as 0440", path,
              (unsigned)st.st_mode & 07777, check_mode(st.st_mode));
  } else {
    n = 0;
    while (n <= KEYFILE_MAX_BYTES &&
           (got = read(fd, out + n, (size_t)(KEYFILE_MAX_BYTES + 1 - n))) > 0) {
      n += got;
    }
    if (got < 0 || n > KEYFILE_MAX_BYTES) {
      log_error("cannot read the key file %s: %s", path,
                got < 0 ? strerror(errno) : "it is larger than any key file");
      n = -1;
    }
  }
  if (fd >= 0) {
    close(fd);
  }
  return n;
}

static enum err read_file(struct keyfile *out, const char *path, bool secret) {
  char text[KEYFILE_MAX_BYTES + 1];
  struct keyfile_fault fault = {0, NULL};
  struct keyfile k;
  bool good = false;
  const ssize_t n = read_text(text, path, secret);
  if (n >= 0) {
    good = keyfile_parse(&k, &fault, text, (size_t)n);
    if (good && secret && k.secret_key[0] == '\0') {
      fault.what = "it has no secret-key";
      good = false;
    }
    if (!good && fault.line > 0) {
      log_error("%s:%d: %s; is it a key file of telos keys, CZMQ or pyzmq?", path, fault.line,
                fault.what);
    } else if (!good) {
      log_error("%s: %s; is it a key file of telos keys, CZMQ or pyzmq?", path, fault.what);
    }
  }
  explicit_bzero(text, sizeof text);
  if (good) {
    *out = k;
    if (!secret) {
      explicit_bzero(out->secret_key, sizeof out->secret_key);
    }
    keyfile_wipe(&k);
  }
  return good ? ERR_OK : ERR_CONFIG;
}

enum err keyfile_read_public(struct keyfile *out, const char *path) {
  return read_file(out, path, false);
}

enum err keyfile_read_secret(struct keyfile *out, const char *path) {
  return read_file(out, path, true);
}

// ---- writing ----

static size_t format(char text[TEXT_BYTES], const struct keyfile *k, const char *name,
                     bool secret) {
  const int n =
      snprintf(text, TEXT_BYTES,
               "#   ZeroMQ CURVE %s certificate, made by telos keys\n"
               "#   %s\n"
               "\n"
               "metadata\n"
               "    name = \"%s\"\n"
               "curve\n"
               "    public-key = \"%s\"\n"
               "%s%s%s",
               secret ? "**Secret**" : "public",
               secret ? "Whoever reads this file can act as its owner. Do not change its mode."
                      : "It may be shown to anybody; hand it over so that nobody can exchange it.",
               name, k->public_key, secret ? "    secret-key = \"" : "",
               secret ? k->secret_key : "", secret ? "\"\n" : "");
  CHECK(n > 0 && n < TEXT_BYTES);
  return (size_t)n;
}

enum err keyfile_create(const char *path, const struct keyfile *k, const char *name, bool secret) {
  char text[TEXT_BYTES];
  const mode_t mode = secret ? 0600 : 0644;
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0 && errno == EEXIST) {
    log_error("%s is there already; remove it, or take another name", path);
    return ERR_CONFIG;
  }
  if (fd < 0) {
    log_error("cannot write %s: %s", path, strerror(errno));
    return ERR_IO;
  }
  const size_t n = format(text, k, name, secret);
  // whatever the umask takes away
  enum err err = fsio_write_all(fd, text, n, path);
  explicit_bzero(text, sizeof text);
  if (err == ERR_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
    log_error("cannot write %s: %s", path, strerror(errno));
    err = ERR_IO;
  }
  close(fd);
  if (err != ERR_OK) {
    unlink(path);
  }
  return err;
}

enum err keyfile_replace_public(const char *path, const struct keyfile *k, const char *name) {
  char text[TEXT_BYTES];
  const size_t n = format(text, k, name, false);
  return fsio_write_atomic(path, text, n);
}
