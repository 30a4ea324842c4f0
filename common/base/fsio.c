// fsio.c - POSIX calls with one logged line per failure.
//
// Errors are logged here and nowhere above: only here are both the path and errno known. A write
// that fails for lack of space also says how much was wanted. Names are never followed through
// links where something is created or removed by us (path.tmp, folders of checkpoints).
#include "common/base/fsio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum { READ_CHUNK = 65536 };

// logs "cannot <verb> <path>: <reason>", and what helps where that is one thing
static enum err fail(const char *verb, const char *path) {
  const char *remedy = errno == ENOENT || errno == ENOTDIR || errno == EISDIR ? "; check the path"
                       : errno == EACCES || errno == EPERM || errno == EROFS
                           ? "; check the permissions of it and its folder"
                           : "";
  log_error("cannot %s %s: %s%s", verb, path, strerror(errno), remedy);
  return ERR_IO;
}

// the path in out; a path that does not fit fails like any other
static enum err join(char out[PATH_MAX], const char *path, const char *suffix) {
  int n = snprintf(out, PATH_MAX, "%s%s", path, suffix);
  if (n < 0 || n >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return fail("use", path);
  }
  return ERR_OK;
}

enum err fsio_write_all(int fd, const void *data, size_t n, const char *name) {
  const char *p = data;
  size_t left = n;
  while (left > 0) {
    ssize_t k = write(fd, p, left);
    if (k < 0 && errno == EINTR) {
      continue;
    }
    if (k < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
      log_error("cannot write %s: %s (%zu bytes wanted); free some space", name, strerror(errno),
                n);
      return ERR_IO;
    }
    if (k < 0) {
      return fail("write", name);
    }
    p += k;
    left -= (size_t)k;
  }
  return ERR_OK;
}

enum err fsio_sync_dir(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return fail("open folder", path);
  }
  enum err err = fsync(fd) == 0 ? ERR_OK : fail("sync folder", path);
  close(fd);
  return err;
}

// fsync of the folder that holds path
static enum err sync_parent(const char *path) {
  char dir[PATH_MAX];
  enum err err = join(dir, path, "");
  if (err != ERR_OK) {
    return err;
  }
  char *slash = strrchr(dir, '/');
  if (slash == NULL) {
    return fsio_sync_dir(".");
  }
  slash[slash == dir ? 1 : 0] = '\0';
  return fsio_sync_dir(dir);
}

// a new file of n bytes, on the disk when this returns
static enum err write_synced(const char *path, const void *data, size_t n) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) {
    return fail("create", path);
  }
  enum err err = fsio_write_all(fd, data, n, path);
  if (err == ERR_OK && fsync(fd) != 0) {
    err = fail("sync", path);
  }
  if (close(fd) != 0 && err == ERR_OK) {
    err = fail("close", path);
  }
  if (err != ERR_OK) {
    unlink(path);
  }
  return err;
}

enum err fsio_write_atomic(const char *path, const void *data, size_t n) {
  char temporary[PATH_MAX];
  enum err err = join(temporary, path, ".tmp");
  if (err != ERR_OK) {
    return err;
  }
  err = write_synced(temporary, data, n);
  if (err != ERR_OK) {
    return err;
  }
  if (rename(temporary, path) != 0) {
    err = fail("replace", path);
    unlink(temporary);
    return err;
  }
  return sync_parent(path);
}

static enum err too_large(const char *path, size_t max_bytes) {
  log_error("%s is larger than the %zu bytes allowed; is it the right file?", path, max_bytes);
  return ERR_FORMAT;
}

// all bytes of fd in *data; the buffer grows from capacity up to max_bytes. It always has one byte
// more: the end's NUL, and until then the room in which a byte too many shows itself.
static enum err read_all(void **data, size_t *n, int fd, size_t capacity, const char *path,
                         size_t max_bytes) {
  char *buffer = must_alloc(capacity + 1, 1);
  size_t used = 0;
  enum err err = ERR_OK;
  for (;;) {
    ssize_t k = read(fd, buffer + used, capacity + 1 - used);
    if (k < 0 && errno == EINTR) {
      continue;
    }
    if (k <= 0) {
      err = k == 0 ? ERR_OK : fail("read", path);
      break;
    }
    used += (size_t)k;
    if (used <= capacity) {
      continue;
    }
    if (capacity >= max_bytes) {
      err = too_large(path, max_bytes);
      break;
    }
    capacity = capacity > max_bytes / 2 ? max_bytes : capacity * 2;
    char *larger = must_alloc(capacity + 1, 1);
    memcpy(larger, buffer, used);
    free(buffer);
    buffer = larger;
  }
  if (err != ERR_OK) {
    free(buffer);
    return err;
  }
  buffer[used] = '\0';
  *data = buffer;
  *n = used;
  return ERR_OK;
}

enum err fsio_read(void **data, size_t *n, const char *path, size_t max_bytes) {
  CHECK(max_bytes < SIZE_MAX / 4);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail("open", path);
  }
  struct stat st;
  if (fstat(fd, &st) != 0) {
    enum err err = fail("read", path);
    close(fd);
    return err;
  }

  // the size is known for files, not for pipes (--config <(...))
  size_t capacity = READ_CHUNK < max_bytes ? READ_CHUNK : max_bytes;
  if (S_ISREG(st.st_mode) && st.st_size > 0) {
    if ((uint64_t)st.st_size > max_bytes) {
      close(fd);
      return too_large(path, max_bytes);
    }
    capacity = (size_t)st.st_size;
  }

  enum err err = read_all(data, n, fd, capacity, path, max_bytes);
  close(fd);
  return err;
}

enum err fsio_mkdirs(const char *path) {
  CHECK(path[0] != '\0');
  char prefix[PATH_MAX];
  enum err err = join(prefix, path, "");
  if (err != ERR_OK) {
    return err;
  }
  // each prefix that ends before a slash, then the whole; a folder that exists is fine, and what
  // exists but is no folder fails at the next step or below
  for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(prefix, 0755) != 0 && errno != EEXIST) {
      return fail("create folder", prefix);
    }
    *slash = '/';
  }
  if (mkdir(prefix, 0755) != 0 && errno != EEXIST) {
    return fail("create folder", path);
  }
  struct stat st;
  if (stat(path, &st) != 0) {
    return fail("create folder", path);
  }
  if (!S_ISDIR(st.st_mode)) {
    errno = ENOTDIR;
    return fail("create folder", path);
  }
  return ERR_OK;
}

static enum err remove_entries(int dir_fd, const char *path);

// one entry of an open folder, with all below it
static enum err remove_entry(int dir_fd, const char *name) {
  if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) {
    return ERR_OK;
  }
  // Linux answers EISDIR, POSIX says EPERM
  if (errno != EISDIR && errno != EPERM) {
    return fail("remove", name);
  }
  int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return fail("remove", name);
  }
  enum err err = remove_entries(fd, name);
  if (err == ERR_OK && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0) {
    err = fail("remove", name);
  }
  return err;
}

// everything inside an open folder, which is closed
static enum err remove_entries(int dir_fd, const char *path) {
  DIR *dir = fdopendir(dir_fd);
  if (dir == NULL) {
    close(dir_fd);
    return fail("list", path);
  }
  enum err err = ERR_OK;
  struct dirent *entry;
  while (err == ERR_OK && (entry = readdir(dir)) != NULL) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      err = remove_entry(dirfd(dir), entry->d_name);
    }
  }
  closedir(dir);
  return err;
}

enum err fsio_remove_tree(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return errno == ENOENT ? ERR_OK : fail("remove", path);
  }
  enum err err = remove_entries(fd, path);
  if (err == ERR_OK && rmdir(path) != 0) {
    err = fail("remove", path);
  }
  return err;
}

bool fsio_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0;
}

bool fsio_takes_line(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}
