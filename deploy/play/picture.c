// picture.c - one table of formats; each has an open, an add, a finish and a drop.
//
// PNG and WebP are encoded into memory and written at once by fsio_write_atomic. An MP4 is written
// by ffmpeg to a temporary name, with our frames on its standard input and its complaints in a
// file that has no name; a folder of frames is filled under a temporary name.
#include "deploy/play/picture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "deploy/play/png_bytes.h"

enum { WEBP_QUALITY = 80, WEBP_EFFORT = 3, MAX_NAME = PATH_MAX - 32 };

struct format {
  const char *suffix;
  enum err (*open)(struct picture *p);
  enum err (*add)(struct picture *p, const uint8_t *rgb, int times);
  enum err (*finish)(struct picture *p);
  void (*drop)(struct picture *p);  // what finish has not taken
};

struct picture {
  const struct format *format;
  char path[PATH_MAX], temporary[PATH_MAX];  // without a slash at the end
  int width, height;
  double fps;
  int n;         // frame times so far
  int nfile;     // folder: PNGs so far
  uint8_t *rgb;  // png: the last frame
  WebPAnimEncoder *webp;
  WebPConfig webp_config;
  pid_t ffmpeg;        // 0: none
  int to_ffmpeg, log;  // its standard input; its standard error, a memory file
};

// An empty file under the temporary name: what is wrong with the path shows before anything is
// drawn.
static enum err create(const struct picture *p) {
  const int fd = open(p->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) {
    log_error("cannot create %s: %s; check the path and its permissions", p->temporary,
              strerror(errno));
    return ERR_IO;
  }
  close(fd);
  return ERR_OK;
}

// the same for what is written by fsio_write_atomic
static enum err probe(const struct picture *p) {
  const enum err err = create(p);
  if (err == ERR_OK) {
    unlink(p->temporary);
  }
  return err;
}

// ---- PNG ----

static enum err write_png(const struct picture *p, const char *path, const uint8_t *rgb) {
  struct png_bytes png = {0};
  png_bytes_write(&png, rgb, p->width, p->height);
  const enum err err = fsio_write_atomic(path, png.data, png.n);
  free(png.data);
  return err;
}

static enum err png_open(struct picture *p) {
  p->rgb = must_alloc((size_t)p->width * (size_t)p->height, 3);
  return probe(p);
}

static enum err png_add(struct picture *p, const uint8_t *rgb, int times) {
  (void)times;
  memcpy(p->rgb, rgb, (size_t)p->width * (size_t)p->height * 3);
  return ERR_OK;
}

static enum err png_finish(struct picture *p) {
  return write_png(p, p->path, p->rgb);
}

static void png_drop(struct picture *p) {
  free(p->rgb);
}

// ---- a folder of PNGs ----

// true when nothing, or an empty folder, has this name
static bool is_free(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) {
    return true;
  }
  DIR *dir = opendir(path);
  if (dir == NULL) {
    return false;
  }
  bool empty = true;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    empty = empty && entry->d_name[0] == '.';
  }
  closedir(dir);
  return empty;
}

static enum err frames_open(struct picture *p) {
  enum err err = ERR_USAGE;
  if (is_free(p->path)) {
    err = fsio_remove_tree(p->temporary);  // of a run that was killed
    err = err == ERR_OK ? fsio_mkdirs(p->temporary) : err;
  } else {
    log_error("%s is there already; remove it, or give another folder with --out", p->path);
  }
  if (err != ERR_OK) {
    p->temporary[0] = '\0';  // not ours
  }
  return err;
}

static enum err frames_add(struct picture *p, const uint8_t *rgb, int times) {
  (void)times;
  char name[PATH_MAX + 32];
  snprintf(name, sizeof name, "%s/frame_%05d.png", p->temporary, p->nfile++);
  return write_png(p, name, rgb);
}

static enum err frames_finish(struct picture *p) {
  if (rename(p->temporary, p->path) != 0) {
    log_error("cannot make folder %s: %s", p->path, strerror(errno));
    return ERR_IO;
  }
  p->temporary[0] = '\0';
  return ERR_OK;
}

static void frames_drop(struct picture *p) {
  if (p->temporary[0] != '\0' && fsio_remove_tree(p->temporary) != ERR_OK) {
    log_warn("%s is left behind", p->temporary);
  }
}

// ---- animated WebP ----

static enum err webp_fault(const struct picture *p, const char *what) {
  log_error("%s: libwebp cannot encode this: %s", p->path, what);
  return ERR_FORMAT;
}

static int webp_time(const struct picture *p, int frame) {
  return (int)(frame * 1000.0 / p->fps + 0.5);
}

static enum err webp_open(struct picture *p) {
  WebPAnimEncoderOptions options;
  CHECK(WebPAnimEncoderOptionsInit(&options) && WebPConfigInit(&p->webp_config));
  p->webp_config.quality = WEBP_QUALITY;
  p->webp_config.method = WEBP_EFFORT;
  p->webp = WebPAnimEncoderNew(p->width, p->height, &options);
  return p->webp != NULL ? probe(p) : webp_fault(p, "the size of the picture");
}

static enum err webp_add(struct picture *p, const uint8_t *rgb, int times) {
  (void)times;  // the next frame's time tells
  WebPPicture frame;
  CHECK(WebPPictureInit(&frame));
  frame.width = p->width;
  frame.height = p->height;
  frame.use_argb = 1;
  enum err err = ERR_OK;
  if (!WebPPictureImportRGB(&frame, rgb, 3 * p->width) ||
      !WebPAnimEncoderAdd(p->webp, &frame, webp_time(p, p->n), &p->webp_config)) {
    err = webp_fault(p, WebPAnimEncoderGetError(p->webp));
  }
  WebPPictureFree(&frame);
  return err;
}

static enum err webp_finish(struct picture *p) {
  WebPData data;
  WebPDataInit(&data);
  if (!WebPAnimEncoderAdd(p->webp, NULL, webp_time(p, p->n), NULL) ||
      !WebPAnimEncoderAssemble(p->webp, &data)) {
    return webp_fault(p, WebPAnimEncoderGetError(p->webp));
  }
  const enum err err = fsio_write_atomic(p->path, data.bytes, data.size);
  WebPDataClear(&data);
  return err;
}

static void webp_drop(struct picture *p) {
  WebPAnimEncoderDelete(p->webp);
}

// ---- MP4 ----

// ffmpeg's last line, which says what went wrong
static enum err ffmpeg_fault(struct picture *p) {
  char text[2048] = "";
  const off_t end = lseek(p->log, 0, SEEK_END);
  const off_t start = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
  const ssize_t n = pread(p->log, text, sizeof text - 1, start);
  text[n > 0 ? n : 0] = '\0';
  for (size_t len = strlen(text); len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r');) {
    text[--len] = '\0';
  }
  const char *line = strrchr(text, '\n');
  line = line != NULL ? line + 1 : text;
  log_error("cannot write %s: ffmpeg says: %s", p->path,
            line[0] != '\0' ? line : "nothing, but it ended early");
  return ERR_IO;
}

static enum err start_ffmpeg(struct picture *p, int input) {
  char size[32], rate[32];
  snprintf(size, sizeof size, "%dx%d", p->width, p->height);
  snprintf(rate, sizeof rate, "%.6g", p->fps);
  const char *const args[] = {
      "ffmpeg",     "-nostdin", "-loglevel", "error",      "-y",       "-f",      "rawvideo",
      "-pix_fmt",   "rgb24",    "-s",        size,         "-r",       rate,      "-i",
      "pipe:0",     "-an",      "-c:v",      "libx264",    "-pix_fmt", "yuv420p", "-movflags",
      "+faststart", "-f",       "mp4",       p->temporary, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, p->log, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, p->log, STDERR_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int result = posix_spawnp(&p->ffmpeg, args[0], &actions, &attributes,
                                  (char *const *)(uintptr_t)args, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (result == 0) {
    return ERR_OK;
  }
  p->ffmpeg = 0;
  log_error(
      "%s needs the ffmpeg program: %s; install it (apt-get install ffmpeg), or write a .webp",
      p->path, result == ENOENT ? "it is not in PATH" : strerror(result));
  return ERR_CONFIG;
}

static enum err mp4_open(struct picture *p) {
  if (p->width % 2 != 0 || p->height % 2 != 0) {
    log_error("--size %dx%d: an MP4 has even sizes only", p->width, p->height);
    return ERR_USAGE;
  }
  enum err err = create(p);
  if (err != ERR_OK) {
    return err;
  }
  int ends[2];
  p->log = memfd_create("ffmpeg", MFD_CLOEXEC);
  if (p->log < 0 || pipe2(ends, O_CLOEXEC) != 0) {
    log_error("cannot start ffmpeg: %s", strerror(errno));
    return ERR_IO;
  }
  err = start_ffmpeg(p, ends[0]);
  close(ends[0]);
  p->to_ffmpeg = ends[1];
  return err;
}

// n bytes to ffmpeg
static enum err mp4_write(struct picture *p, const uint8_t *bytes, size_t n) {
  for (size_t done = 0; done < n;) {
    const ssize_t k = write(p->to_ffmpeg, bytes + done, n - done);
    if (k < 0 && errno != EINTR) {
      // it has ended; once it is gone its reason is complete
      waitpid(p->ffmpeg, NULL, 0);
      p->ffmpeg = 0;
      return ffmpeg_fault(p);
    }
    done += k > 0 ? (size_t)k : 0;
  }
  return ERR_OK;
}

static enum err mp4_add(struct picture *p, const uint8_t *rgb, int times) {
  enum err err = ERR_OK;
  for (int i = 0; i < times && err == ERR_OK; i++) {
    err = mp4_write(p, rgb, (size_t)p->width * (size_t)p->height * 3);
  }
  return err;
}

static enum err mp4_finish(struct picture *p) {
  int status;
  close(p->to_ffmpeg);
  p->to_ffmpeg = -1;
  const pid_t ended = waitpid(p->ffmpeg, &status, 0);
  p->ffmpeg = 0;
  if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return ffmpeg_fault(p);
  }
  if (rename(p->temporary, p->path) != 0) {
    log_error("cannot make %s: %s", p->path, strerror(errno));
    return ERR_IO;
  }
  p->temporary[0] = '\0';
  return ERR_OK;
}

static void mp4_drop(struct picture *p) {
  if (p->to_ffmpeg >= 0) {
    close(p->to_ffmpeg);
  }
  if (p->ffmpeg != 0) {
    kill(p->ffmpeg, SIGKILL);
    waitpid(p->ffmpeg, NULL, 0);
  }
  if (p->log >= 0) {
    close(p->log);
  }
  if (p->temporary[0] != '\0') {
    unlink(p->temporary);
  }
}

// ---- all ----

static const struct format formats[] = {
    {"/", frames_open, frames_add, frames_finish, frames_drop},
    {".png", png_open, png_add, png_finish, png_drop},
    {".webp", webp_open, webp_add, webp_finish, webp_drop},
    {".mp4", mp4_open, mp4_add, mp4_finish, mp4_drop},
};

static const struct format *find_format(const char *path) {
  const size_t n = strlen(path);
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    const size_t k = strlen(formats[i].suffix);
    if (n > k && strcmp(path + n - k, formats[i].suffix) == 0) {
      return &formats[i];
    }
  }
  return NULL;
}

bool picture_is_still(const char *path) {
  const struct format *f = find_format(path);
  return f != NULL && f->open == png_open;
}

enum err picture_open(struct picture **out, const char *path, int width, int height, double fps) {
  const struct format *format = find_format(path);
  CHECK(width > 0 && height > 0 && fps > 0);
  if (format == NULL) {
    log_error(
        "--out %s: expected a name that ends in .png, .webp, .mp4, or '/' for a folder of"
        " PNGs",
        path);
    return ERR_USAGE;
  }
  if (strlen(path) > MAX_NAME) {
    log_error("--out: the path is longer than %d bytes", MAX_NAME);
    return ERR_USAGE;
  }
  struct picture *p = must_alloc(1, sizeof *p);
  p->format = format;
  p->width = width;
  p->height = height;
  p->fps = fps;
  p->to_ffmpeg = p->log = -1;
  snprintf(p->path, sizeof p->path, "%s", path);
  for (size_t n = strlen(p->path); n > 1 && p->path[n - 1] == '/';) {
    p->path[--n] = '\0';
  }
  snprintf(p->temporary, sizeof p->temporary, "%.*s.tmp", MAX_NAME, p->path);
  const enum err err = format->open(p);
  if (err != ERR_OK) {
    picture_free(p);
    return err;
  }
  *out = p;
  return ERR_OK;
}

enum err picture_add(struct picture *p, const uint8_t *rgb, int times) {
  CHECK(times >= 1);
  const enum err err = p->format->add(p, rgb, times);
  p->n += err == ERR_OK ? times : 0;
  return err;
}

enum err picture_finish(struct picture *p) {
  CHECK(p->n > 0);
  return p->format->finish(p);
}

void picture_free(struct picture *p) {
  if (p != NULL) {
    p->format->drop(p);
    free(p);
  }
}
