// plot.c - telos plot: a script and its data for gnuplot, which draws to a temporary name.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "deploy/launch/plot_data.h"
#include "deploy/launch/verbs.h"

static const char help[] =
    "Examples:\n"
    "  telos plot runs/box2d/NAME                  curves.svg: its learning curve\n"
    "  telos plot sweeps/default --out a.png       all runs of a sweep\n"
    "\n"
    "Usage: telos plot RUN|FOLDER .. [options]\n"
    "\n"
    "Draws score by env steps, or by seconds of training. Runs that differ in their seed\n"
    "alone are one line, their mean, in a band from the least to the most of them, as far\n"
    "as all of them reach.\n"
    "\n"
    "  --x steps|seconds  what the score is drawn by (default steps)\n"
    "  --out FILE         x.svg or x.png (default curves.svg)\n"
    "  --help\n"
    "\n"
    "Needs the gnuplot program (apt-get install gnuplot-nox).\n"
    "Exit codes: 0 drawn, 64 usage, 74 I/O error, 78 nothing to draw, or no gnuplot.\n";

// colours that people tell apart whatever they see (Okabe and Ito 2008)
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#56b4e9", "#e69f00", "#000000", "#f0e442"};

struct arguments {
  const char *out;
  bool png, seconds;
};

// ---- the script ----

// a string of gnuplot, in which nothing but its own quote means anything
static void put_string(FILE *f, const char *text) {
  fputc('\'', f);
  for (; *text != '\0'; text++) {
    fputs(*text == '\'' ? "''" : (const char[]){*text == '\n' ? ' ' : *text, '\0'}, f);
  }
  fputc('\'', f);
}

// x, mean, least, most: a row at each evaluation of the series' longest run, as far as all its runs
// reach, since a mean of fewer would jump where one ends
static void put_data(FILE *f, const struct plot_series *s, int number) {
  const struct plot_curve *grid = &s->curves[0];
  for (int i = 1; i < s->ncurve; i++) {
    grid = s->curves[i].n > grid->n ? &s->curves[i] : grid;
  }
  fprintf(f, "$series%d << end\n", number);
  for (int i = 0; i < grid->n; i++) {
    const struct plot_point p = plot_data_at(s, grid->x[i]);
    if (p.n == s->ncurve) {
      fprintf(f, "%.9g %.9g %.9g %.9g\n", grid->x[i], p.mean, p.least, p.most);
    }
  }
  fputs("end\n", f);
}

static void put_script(FILE *f, const struct plot_data *d, const struct arguments *a,
                       const char *temporary) {
  fprintf(f, "set terminal %s noenhanced\nset output ",
          a->png ? "pngcairo size 1350,900 font 'sans,18'"
                 : "svg size 900,600 background '#ffffff' font 'sans,13'");
  put_string(f, temporary);
  fprintf(f,
          "\nset border 3\nset tics nomirror\nset grid lc rgb '#dddddd'\nset xrange [0:*]\n"
          "set key above left Left reverse\nset xlabel '%s'\nset ylabel '%s'\n",
          a->seconds ? "seconds of training" : "env steps",
          d->rewards ? "return" : "score: 100 x final / initial distance");
  if (!d->rewards) {
    fputs("set yrange [0:*]\n", f);
  }
  for (int i = 0; i < d->n; i++) {
    put_data(f, &d->series[i], i);
  }
  fputs("plot ", f);
  for (int i = 0; i < d->n; i++) {
    const char *colour = colours[(size_t)i % (sizeof colours / sizeof *colours)];
    if (d->series[i].ncurve > 1) {
      fprintf(f,
              "$series%d using 1:3:4 with filledcurves fs transparent solid 0.15 lc rgb '%s' "
              "notitle, ",
              i, colour);
    }
    fprintf(f, "$series%d using 1:2 with linespoints pt 7 ps 0.4 lw 2 lc rgb '%s' title ", i,
            colour);
    char *title = NULL;
    const int k = d->series[i].ncurve;
    CHECK(asprintf(&title, "%s (%d seed%s)", d->series[i].label, k, k == 1 ? "" : "s") >= 0);
    put_string(f, title);
    free(title);
    fputs(i + 1 < d->n ? ", " : "\n", f);
  }
}

// ---- gnuplot ----

// Its last line, which says what went wrong, of what it wrote to log.
static void tell_fault(int log, const char *path) {
  char text[2048] = "";
  const ssize_t n = pread(log, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  for (size_t end = strlen(text); end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' ');) {
    text[--end] = '\0';
  }
  const char *line = strrchr(text, '\n');
  line = line != NULL ? line + 1 : text;
  log_error("cannot draw %s: gnuplot says: %s", path, line[0] != '\0' ? line : "nothing");
}

// Runs gnuplot on the script.
static enum err run_gnuplot(int script, const char *path) {
  char program[] = "gnuplot", *argv[] = {program, NULL};
  const int log = memfd_create("gnuplot", MFD_CLOEXEC);
  CHECK(log >= 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
  pid_t pid;
  int status = 0;
  const int result = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  enum err err = ERR_OK;
  if (result != 0) {
    log_error("telos plot needs the gnuplot program: %s; install it (apt-get install gnuplot-nox)",
              result == ENOENT ? "it is not in PATH" : strerror(result));
    err = ERR_CONFIG;
  } else {
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      tell_fault(log, path);
      err = ERR_IO;
    }
  }
  close(log);
  return err;
}

// gnuplot would write to its standard output where it cannot make the file
static enum err create(const char *temporary, const char *path) {
  const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    log_error("cannot write %s: %s", path, strerror(errno));
    return ERR_IO;
  }
  close(fd);
  return ERR_OK;
}

// Puts the picture in its place if it has its end: gnuplot does not tell of a full disk.
static enum err finish(const char *temporary, const struct arguments *a) {
  static const char ends[][8] = {"</svg>", "IEND"};
  char tail[16] = "";
  const int fd = open(temporary, O_RDONLY | O_CLOEXEC);
  const off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
  const off_t from = size > (off_t)sizeof tail ? size - (off_t)sizeof tail : 0;
  const ssize_t n = fd >= 0 ? pread(fd, tail, sizeof tail, from) : -1;
  if (fd >= 0) {
    close(fd);
  }
  if (n < 0 || memmem(tail, (size_t)n, ends[a->png], strlen(ends[a->png])) == NULL) {
    log_error("cannot write %s: it is cut off; is the disk full?", a->out);
    return ERR_IO;
  }
  if (rename(temporary, a->out) != 0) {
    log_error("cannot write %s: %s", a->out, strerror(errno));
    return ERR_IO;
  }
  return ERR_OK;
}

static enum err draw(const struct plot_data *d, const struct arguments *a) {
  char temporary[PATH_MAX + 8];
  snprintf(temporary, sizeof temporary, "%.*s.tmp", PATH_MAX, a->out);
  const int script = memfd_create("script", MFD_CLOEXEC);
  CHECK(script >= 0);
  FILE *f = fdopen(script, "w+");
  CHECK(f != NULL);
  put_script(f, d, a, temporary);
  CHECK(fflush(f) == 0 && lseek(script, 0, SEEK_SET) == 0);
  enum err err = create(temporary, a->out);
  if (err == ERR_OK && (err = run_gnuplot(script, a->out)) == ERR_OK) {
    err = finish(temporary, a);
  }
  fclose(f);
  if (err != ERR_OK) {
    unlink(temporary);
  } else {
    printf("%s\n", a->out);
  }
  return err;
}

// ---- the command line ----

static enum err check_arguments(struct arguments *a, const char *x) {
  const char *dot = strrchr(a->out, '.');
  a->png = dot != NULL && strcmp(dot, ".png") == 0;
  if (!a->png && (dot == NULL || strcmp(dot, ".svg") != 0)) {
    log_error("--out %s: expected a name that ends in .svg or .png", a->out);
    return ERR_USAGE;
  }
  a->seconds = strcmp(x, "seconds") == 0;
  if (!a->seconds && strcmp(x, "steps") != 0) {
    log_error("--x %s: expected steps or seconds", x);
    return ERR_USAGE;
  }
  return ERR_OK;
}

int verb_plot(int argc, char **argv) {
  static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                          {"x", required_argument, NULL, 'x'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct arguments a = {.out = "curves.svg"};
  const char *x = "steps";
  opterr = 0;  // one line in our own words
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'o':
        a.out = optarg;
        break;
      case 'x':
        x = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        return 0;
      default:
        options_complain(c, options, argv, "telos plot", NULL);
        return err_exit_code(ERR_USAGE);
    }
  }
  if (optind == argc) {
    log_error("telos plot: which runs? give their folders (telos plot --help)");
    return err_exit_code(ERR_USAGE);
  }
  struct run_list runs = {0};
  struct plot_data data = {0};
  enum err err = check_arguments(&a, x);
  if (err == ERR_OK && (err = run_list_read(&runs, argv + optind, argc - optind)) == ERR_OK &&
      (err = plot_data_read(&data, &runs, a.seconds)) == ERR_OK) {
    err = draw(&data, &a);
  }
  plot_data_release(&data);
  run_list_release(&runs);
  return err_exit_code(err);
}
