// bench_scale.c - steps and updates a second of the whole machine by learner and rollout threads,
// beside a model made of parts that are measured in the same run, and what that model says of
// fleets that this machine cannot run.
//
//   bench_scale [learner threads [rollout threads [env steps]]]
//               default: cores that the process may use, at most 8, for both; 200,000
//
// On fetch-push, with the default settings and with --preset fleet, each as it is (the learner
// limits) and with hardly any updates (the actors do). Threads go by powers of two up to the
// number given. Before each cell every part is measured for a moment, so that what else the machine
// does meets both; the model takes medians of all these rounds:
//
//   r   CPU seconds a step of one thread's rollouts with nothing around them
//   c   CPU seconds a step of wire and commit in the learner: decode, check, answer, log, replay
//   U   seconds of an update with its minibatch on L threads, by the wall clock, alone
//   W   seconds of CPU that the same takes
//
// With n updates a step, A rollout threads, K open tickets and C cores for all,
//   seconds a step = max(r / min(A, K), n U + c, (r + n W + c) / C)                       (1)
// and the largest of the three is the limit: actors (or the window, when K < A), learner, cores.
// Not in the model: publication, checkpoints (none fall into a cell), sockets.
//
// The fleets predicted have a core for each rollout thread beside those of the learner, so the
// third term is left out, and their U is that of one thread divided by L times the parallel
// efficiency of two threads here, which is an assumption.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/config/config.h"
#include "common/task/task.h"
#include "learner/fold.h"
#include "learner/nn/gemm.h"
#include "learner/replay/replay.h"
#include "learner/replay/segments.h"
#include "proto/wire.h"
#include "tests/bench/bench.h"
#include "tests/bench/frames.h"
#include "tests/bench/machine.h"
#include "tests/bench/training.h"

enum { PRESETS = 2, MAX_COUNTS = 8, MAX_POINTS = 32, MAX_ROUNDS = 1024, MAX_CELLS = MAX_ROUNDS };

static const double cell_s = 3, part_s = 0.3;
static const double few = 0.001;  // updates a step, so that the actors limit

static const struct {
  const char *name, *option;
} presets[PRESETS] = {{"default", ""}, {"fleet", "--preset fleet"}};

static const int fleet_cores[] = {4, 16}, fleet_threads[] = {16, 64, 512};

// ---- parts ----

// An update with some settings on some threads.
struct point {
  int preset, shards, threads;
  struct training *training;
  double wall[MAX_ROUNDS], cpu[MAX_ROUNDS];  // U, W
};

static struct config config[PRESETS];
static struct dims dims;
static struct point point[MAX_POINTS];
static int npoint, nround;
static double rollout[MAX_ROUNDS], commit[MAX_ROUNDS];  // r, c

// median of what the rounds gave so far
static double middle(const double *x) {
  double copy[MAX_ROUNDS];
  const int n = nround - (nround % 2 == 0);
  for (int i = 0; i < n; i++) {
    copy[i] = x[i];
  }
  return bench_median(copy, n);
}

static struct point *find_point(int preset, int shards, int threads) {
  for (int i = 0; i < npoint; i++) {
    struct point *p = &point[i];
    if (p->preset == preset && p->shards == shards && p->threads == threads) {
      return p;
    }
  }
  return NULL;
}

static void add_point(int preset, int shards, int threads) {
  if (find_point(preset, shards, threads) != NULL) {
    return;
  }
  CHECK(npoint < MAX_POINTS);
  struct config cfg = config[preset];
  cfg.train_shards = shards;
  struct point *p = &point[npoint++];
  p->preset = preset;
  p->shards = shards;
  p->threads = threads;
  p->training = training_new(&cfg, &dims, threads);
}

// parts of a minibatch, so that each of so many cores has work
static int shards_for(int preset, int cores) {
  const int shards = (int)config[preset].train_shards;
  return shards > cores ? shards : cores;
}

static double measure_commit(const struct frames *f, struct replay *replay,
                             struct wire_decoder *decoder) {
  char folder[] = "/tmp/bench_scale_XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  struct segments *segments;
  const struct segment_position start = {.first = 0};
  CHECK(segments_open(&segments, folder, 1, &f->dims, &start) == ERR_OK);
  const double seconds = frames_ingest(f, replay, segments, decoder);
  segments_close(segments);
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  return seconds / FRAMES / f->dims.horizon;
}

struct ingest {
  struct frames *frames;
  struct replay *replay;
  struct wire_decoder *decoder;
};

static void measure_parts(const struct ingest *in) {
  static uint64_t episodes = 5;
  CHECK(nround < MAX_ROUNDS);
  rollout[nround] = machine_bare_cpu(episodes);
  episodes = 1 + (uint64_t)(part_s / rollout[nround] / dims.horizon);
  commit[nround] = measure_commit(in->frames, in->replay, in->decoder);
  for (int i = 0; i < npoint; i++) {
    struct point *p = &point[i];
    p->wall[nround] = 1 / training_rate(p->training, part_s, &p->cpu[nround]);
  }
  nround++;
}

// ---- the model ----

struct load {
  double updates_per_step, update_s, update_cpu_s;
  int actors;
  double cores;  // for all; INFINITY: each thread has one
  int64_t window;
};

struct forecast {
  double steps_per_s;
  const char *limit;
};

// eq. (1)
static struct forecast predict(const struct load *l) {
  const double r = middle(rollout), c = middle(commit);
  const int open = fold_open_tickets((uint64_t)l->window, (uint64_t)dims.horizon, 1);
  const double acting = r / (l->actors < open ? l->actors : open);
  const double learning = l->updates_per_step * l->update_s + c;
  const double all = (r + l->updates_per_step * l->update_cpu_s + c) / l->cores;
  const double most = fmax(acting, fmax(learning, all));
  const char *limit = most == learning   ? "learner"
                      : most == all      ? "cores"
                      : l->actors > open ? "window"
                                         : "actors";
  return (struct forecast){1 / most, limit};
}

// ---- cells ----

struct cell {
  int preset, learners, actors;
  double updates_per_step;
  struct machine_result measured;
};

static struct cell cell[MAX_CELLS];
static int ncell;

static struct forecast predict_cell(const struct cell *c) {
  const struct config *cfg = &config[c->preset];
  const struct point *p = find_point(c->preset, (int)cfg->train_shards, c->learners);
  const struct load load = {.updates_per_step = c->updates_per_step,
                            .update_s = middle(p->wall),
                            .update_cpu_s = middle(p->cpu),
                            .actors = c->actors,
                            .cores = cpu_cores(),
                            .window = cfg->ledger_window};
  return predict(&load);
}

static void measure_cell(struct cell *c) {
  const double warmup = (double)config[c->preset].train_warmup_steps;
  char settings[512];
  // without what comes once, before the first update, and at checkpoints
  snprintf(settings, sizeof settings,
           "%s learner.threads=%d train.updates_per_step=%.17g run.steps=%.0f outcome.prefit=0 "
           "eval.every=0 checkpoint.every=1e12",
           presets[c->preset].option, c->learners, c->updates_per_step,
           warmup + ceil(cell_s * predict_cell(c).steps_per_s));
  c->measured = machine_train(c->actors, warmup, settings);
}

// 1, 2, 4 .. and most; returns how many
static int list_counts(int count[MAX_COUNTS], int most) {
  int n = 0;
  for (int i = 1; i < most && n < MAX_COUNTS - 1; i *= 2) {
    count[n++] = i;
  }
  count[n++] = most;
  return n;
}

static void list_cells(int most_learners, int most_actors) {
  int learners[MAX_COUNTS], actors[MAX_COUNTS];
  const int nlearners = list_counts(learners, most_learners);
  const int nactors = list_counts(actors, most_actors);
  for (int p = 0; p < PRESETS; p++) {
    for (int i = 0; i < nlearners; i++) {
      add_point(p, (int)config[p].train_shards, learners[i]);
    }
    for (int k = 0; k < (int)(sizeof fleet_cores / sizeof *fleet_cores); k++) {
      add_point(p, shards_for(p, fleet_cores[k]), 1);
      add_point(p, shards_for(p, fleet_cores[k]), 2);
    }
    for (int f = 0; f < 2; f++) {
      const double n = f == 0 ? config[p].train_updates_per_step : few;
      for (int i = 0; i < nlearners * nactors; i++) {
        CHECK(ncell < MAX_CELLS);
        cell[ncell++] = (struct cell){.preset = p,
                                      .learners = learners[i / nactors],
                                      .actors = actors[i % nactors],
                                      .updates_per_step = n};
      }
    }
  }
}

// ---- the report ----

static void print_parts(void) {
  printf("\nParts, medians of %d rounds:\n\n", nround);
  printf("- a rollout thread: %.1f us a step, %.0f steps/s\n", 1e6 * middle(rollout),
         1 / middle(rollout));
  printf("- wire and commit: %.2f us a step\n\n", 1e6 * middle(commit));
  printf("| update, settings | batch | parts | threads | ms | CPU ms | efficiency |\n");
  printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  for (int i = 0; i < npoint; i++) {
    const struct point *p = &point[i], *one = find_point(p->preset, p->shards, 1);
    const double ms = 1e3 * middle(p->wall);
    printf("| %s | %d | %d | %d | %.2f | %.2f | %.2f |\n", presets[p->preset].name,
           (int)config[p->preset].train_batch, p->shards, p->threads, ms, 1e3 * middle(p->cpu),
           1e3 * middle(one->wall) / ms / p->threads);
  }
}

static void print_cells(void) {
  printf("\nMeasured, %d cores for both sides, and the model:\n\n", cpu_cores());
  printf(
      "| settings | updates a step | learner threads | rollout threads | steps/s | updates/s | "
      "learner waits | model: steps/s | limit | error |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  double error[MAX_CELLS], worst = 0;
  for (int i = 0; i < ncell; i++) {
    const struct cell *c = &cell[i];
    const struct forecast f = predict_cell(c);
    const double off = f.steps_per_s / c->measured.steps_per_s - 1;
    printf("| %s | %g | %d | %d | %.0f | %.1f | %.0f %% | %.0f | %s | %+.0f %% |\n",
           presets[c->preset].name, c->updates_per_step, c->learners, c->actors,
           c->measured.steps_per_s, c->measured.updates_per_s, 100 * c->measured.wait,
           f.steps_per_s, f.limit, 100 * off);
    error[i] = fabs(off);
    worst = fmax(worst, error[i]);
  }
  const double median = bench_median(error, ncell - (ncell % 2 == 0));
  printf("\nError of the model: median %.0f %%, at most %.0f %%.\n", 100 * median, 100 * worst);
}

// A learner with so many cores, each of them a thread, and fleets of all sizes.
static void print_fleet(int preset, int cores, double run_steps) {
  const struct config *cfg = &config[preset];
  const int shards = shards_for(preset, cores);
  const double one = middle(find_point(preset, shards, 1)->wall);
  const double efficiency = one / middle(find_point(preset, shards, 2)->wall) / 2;
  struct load load = {.updates_per_step = cfg->train_updates_per_step,
                      .update_s = one / (cores * efficiency),
                      .cores = INFINITY,
                      .window = cfg->ledger_window};
  const double learner = load.updates_per_step * load.update_s + middle(commit);
  printf("| %s | %d | %d | %.2f | %.2f |", presets[preset].name, cores, shards, efficiency,
         1e3 * load.update_s);
  double most = 0;
  for (size_t i = 0; i < sizeof fleet_threads / sizeof *fleet_threads; i++) {
    load.actors = fleet_threads[i];
    const struct forecast f = predict(&load);
    most = f.steps_per_s;
    printf(" %.0f (%s) |", f.steps_per_s, f.limit);
  }
  printf(" %.0f | %.0f s |", ceil(middle(rollout) / learner), run_steps / most);
  for (size_t i = 0; i < sizeof fleet_threads / sizeof *fleet_threads; i++) {
    // updates a step at which the learner is as fast as all these threads
    const double n = (middle(rollout) / fleet_threads[i] - middle(commit)) / load.update_s;
    n > 0 ? printf(" %.2g |", n) : printf(" none |");
  }
  printf("\n");
}

static void print_predictions(double run_steps) {
  printf(
      "\n**Predictions, not measurements**: a core for each thread, and a learner of as many "
      "threads as cores, at the parallel efficiency that two threads have here (an assumption); "
      "rollout threads need open tickets, of which the default `ledger.window` gives %d.\n\n",
      fold_open_tickets((uint64_t)config[0].ledger_window, (uint64_t)dims.horizon, 1));
  printf(
      "| settings | learner cores | `train.shards` | efficiency | update, ms | steps/s (limit): 16 "
      "rollout threads | 64 | 512 | threads that keep the learner busy | %.0f steps take | 16 "
      "threads are all of use up to, updates a step | 64 | 512 |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
      run_steps);
  for (int p = 0; p < PRESETS; p++) {
    for (size_t i = 0; i < sizeof fleet_cores / sizeof *fleet_cores; i++) {
      print_fleet(p, fleet_cores[i], run_steps);
    }
  }
}

// ---- main ----

static struct ingest ingest_new(void) {
  // a replay that is nearly empty: memory that was touched before costs less
  return (struct ingest){.frames = frames_new(&dims),
                         .replay = replay_new(&dims, (int64_t)FRAMES * dims.horizon, 0.8),
                         .decoder = wire_decoder_new(&dims, 64 << 20)};
}

static void ingest_release(struct ingest *in) {
  wire_decoder_free(in->decoder);
  replay_free(in->replay);
  frames_free(in->frames);
}

// argument i as a number, at least 1
static double argument(int argc, char **argv, int i, double otherwise) {
  return argc > i ? fmax(1, strtod(argv[i], NULL)) : otherwise;
}

int main(int argc, char **argv) {
  const int cores = cpu_cores() < 8 ? cpu_cores() : 8;
  const int learners = (int)argument(argc, argv, 1, cores);
  const int actors = (int)argument(argc, argv, 2, cores);
  CHECK(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32) == ERR_OK);
  const struct task *task = machine_open("fetch-push");
  if (task == NULL) {
    return 1;
  }
  for (int p = 0; p < PRESETS; p++) {
    config_defaults(&config[p]);
  }
  CHECK(config_preset(&config[1], "fleet") == ERR_OK);
  dims = task_dims(task, (int)config[0].replay_hindsight_k);
  struct ingest ingest = ingest_new();
  list_cells(learners, actors);
  printf("%s, %s, %s, %d cores\n", task->name, cpu_model(), gemm_kernel(), cpu_cores());
  measure_parts(&ingest);
  nround = 0;  // that one was to get warm
  for (int i = 0; i < ncell; i++) {
    measure_parts(&ingest);
    measure_cell(&cell[i]);
    fprintf(stderr, "%d of %d cells\n", i + 1, ncell);
  }
  print_parts();
  print_cells();
  print_predictions(argument(argc, argv, 3, 200000));
  for (int i = 0; i < npoint; i++) {
    training_free(point[i].training);
  }
  ingest_release(&ingest);
  machine_close();
  return 0;
}
