// bench_scale.c - steps and updates a second of the whole machine by learner and rollout threads,
// beside a model made of parts that are measured in the same run, and what that model says of
// fleets that this machine cannot run.
//
//   bench_scale [learner threads [rollout threads [env steps]]]
//               default: cores that the process may use, at most 4, for both; 200,000
//
// On fetch-push, with the default settings and with --preset fleet, each as it is (the learner
// limits) and with hardly any updates (the actors do). Threads go by powers of two up to the
// number given. Right before each run of a cell every part is measured for a moment, so that what
// else the machine does meets both, and model and run are compared; three rounds, medians. Parts,
// by the wall clock but for c:
//
//   r     seconds a step of one thread's rollouts with nothing around them
//   c     seconds of CPU a step of wire and commit in the learner: decode, check, log, replay
//   U(L)  seconds of an update with its minibatch on L threads
//
// With n updates a step, A rollout threads, K open tickets and C cores for all,
//   seconds a step = max(r / min(A, K), n U(L) + c, (r + n U(1) + c) / C)                 (1)
// and the largest of the three is the limit: actors (or the window, when K < A), learner, cores.
// Not in the model: publication, sockets, checkpoints (none falls into a run).
//
// The fleets predicted have a core for each rollout thread beside those of the learner, so the
// third term is left out, and their U(L) is U(1) / (L e), where e is the parallel efficiency of two
// threads here: an assumption.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/fsio.h"
#include "common/config/bundle.h"
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

enum { PRESETS = 2, MAX_COUNTS = 8, MAX_POINTS = 32, ROUNDS = 3, MAX_CELLS = 256 };
enum { MAX_LOOKS = ROUNDS * MAX_CELLS };

static const double cell_s = 2, part_s = 0.2;
static const double few = 0.001;  // updates a step, so that the actors limit

static const struct {
  const char *name, *option;
} presets[PRESETS] = {{"default", ""}, {"fleet", "--preset fleet"}};

// what is predicted
enum { LEARNERS = 2, FLEETS = 3 };

static const int fleet_cores[LEARNERS] = {4, 16}, fleet_threads[FLEETS] = {16, 64, 512};

// ---- parts ----

// An update with some settings on some threads.
struct point {
  int preset, shards, threads;
  struct training *training;
  double update[MAX_LOOKS];  // U
};

static struct config config[PRESETS];
static struct dims dims;
static struct point point[MAX_POINTS];
static int npoint, nlook;
static double rollout[MAX_LOOKS], commit[MAX_LOOKS];  // r, c

// what was seen by one look at the parts, or the median of all
enum { MEDIAN = -1 };

static double seen(const double *x, int look) {
  if (look != MEDIAN) {
    return x[look];
  }
  double copy[MAX_LOOKS];
  memcpy(copy, x, (size_t)nlook * sizeof *x);
  return bench_median(copy, nlook);
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
  CHECK(nlook < MAX_LOOKS);
  rollout[nlook] = 1 / machine_bare(1, episodes);
  episodes = 1 + (uint64_t)(part_s / rollout[nlook] / dims.horizon);
  commit[nlook] = measure_commit(in->frames, in->replay, in->decoder);
  for (int i = 0; i < npoint; i++) {
    point[i].update[nlook] = 1 / training_rate(point[i].training, part_s);
  }
  nlook++;
}

// ---- the model ----

struct load {
  double rollout_s, commit_s;     // r, c
  double update_s, update_one_s;  // U(L), U(1)
  double updates_per_step;
  int actors;
  double cores;  // for all; INFINITY: each thread has one
  int open;      // tickets
};

struct forecast {
  double steps_per_s;
  const char *limit;
};

// eq. (1)
static struct forecast predict(const struct load *l) {
  const double acting = l->rollout_s / (l->actors < l->open ? l->actors : l->open);
  const double learning = l->updates_per_step * l->update_s + l->commit_s;
  const double all =
      (l->rollout_s + l->updates_per_step * l->update_one_s + l->commit_s) / l->cores;
  const double most = fmax(acting, fmax(learning, all));
  const char *limit = most == learning      ? "learner"
                      : most == all         ? "cores"
                      : l->actors > l->open ? "window"
                                            : "actors";
  return (struct forecast){1 / most, limit};
}

static int open_tickets(int preset) {
  return fold_open_tickets((uint64_t)config[preset].ledger_window, (uint64_t)dims.horizon, 1);
}

// ---- cells ----

struct cell {
  int preset, learners, actors;
  double updates_per_step;
  double steps_per_s[ROUNDS], updates_per_s[ROUNDS], wait[ROUNDS], model[ROUNDS], error[ROUNDS];
};

static struct cell cell[MAX_CELLS];
static int ncell;

static struct forecast predict_cell(const struct cell *c, int look) {
  const int shards = (int)config[c->preset].train_shards;
  const struct load load = {
      .rollout_s = seen(rollout, look),
      .commit_s = seen(commit, look),
      .update_s = seen(find_point(c->preset, shards, c->learners)->update, look),
      .update_one_s = seen(find_point(c->preset, shards, 1)->update, look),
      .updates_per_step = c->updates_per_step,
      .actors = c->actors,
      .cores = cpu_cores(),
      .open = open_tickets(c->preset)};
  return predict(&load);
}

// Compares with the last look at the parts.
static void measure_cell(struct cell *c, int round) {
  const double warmup = (double)config[c->preset].train_warmup_steps;
  const double model = predict_cell(c, nlook - 1).steps_per_s;
  char settings[512];
  // without what comes once, before the first update, and at checkpoints
  snprintf(settings, sizeof settings,
           "%s learner.threads=%d train.updates_per_step=%.17g run.steps=%.0f outcome.prefit=0 "
           "eval.every=0 checkpoint.every=1e12",
           presets[c->preset].option, c->learners, c->updates_per_step,
           warmup + ceil(cell_s * model));
  const struct machine_result is = machine_train(c->actors, warmup, settings);
  c->steps_per_s[round] = is.steps_per_s;
  c->updates_per_s[round] = is.updates_per_s;
  c->wait[round] = is.wait;
  c->model[round] = model;
  c->error[round] = model / is.steps_per_s - 1;
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
    for (int k = 0; k < LEARNERS; k++) {
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

static double parallel_efficiency(int preset, int shards, int threads) {
  const struct point *one = find_point(preset, shards, 1), *p = find_point(preset, shards, threads);
  double ratio[MAX_LOOKS];
  for (int i = 0; i < nlook; i++) {
    ratio[i] = one->update[i] / p->update[i] / threads;
  }
  return seen(ratio, MEDIAN);
}

static void print_parts(void) {
  const double r = seen(rollout, MEDIAN);
  printf(
      "\nA rollout thread alone: %.0f us a step, %.0f steps/s. Wire and commit: %.2f us a "
      "step.\n\n",
      1e6 * r, 1 / r, 1e6 * seen(commit, MEDIAN));
  printf(
      "| update alone: settings | `train.batch` | `train.shards` | threads | ms | efficiency |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  for (int i = 0; i < npoint; i++) {
    const struct point *p = &point[i];
    printf("| %s | %d | %d | %d | %.2f | %.2f |\n", presets[p->preset].name,
           (int)config[p->preset].train_batch, p->shards, p->threads, 1e3 * seen(p->update, MEDIAN),
           parallel_efficiency(p->preset, p->shards, p->threads));
  }
}

static void print_cells(double run_steps) {
  printf("\nMeasured, and the model; learner and actor share %d cores:\n\n", cpu_cores());
  printf(
      "| settings | updates a step | learner threads | rollout threads | steps/s | updates/s | "
      "learner waits | %.0f steps take | model: steps/s | limit | error |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
      run_steps);
  double error[MAX_CELLS], worst = 0;
  for (int i = 0; i < ncell; i++) {
    struct cell *c = &cell[i];
    const double steps_per_s = bench_median(c->steps_per_s, ROUNDS);
    const double off = bench_median(c->error, ROUNDS);
    printf("| %s | %g | %d | %d | %.0f | %.1f | %.0f %% | %.0f s | %.0f | %s | %+.0f %% |\n",
           presets[c->preset].name, c->updates_per_step, c->learners, c->actors, steps_per_s,
           bench_median(c->updates_per_s, ROUNDS), 100 * bench_median(c->wait, ROUNDS),
           run_steps / steps_per_s, bench_median(c->model, ROUNDS), predict_cell(c, MEDIAN).limit,
           100 * off);
    error[i] = fabs(off);
    worst = fmax(worst, error[i]);
  }
  printf("\nError of the model: median %.0f %%, at most %.0f %%.\n",
         100 * bench_median(error, ncell), 100 * worst);
}

// A learner with so many cores, each of them a thread, and a core for each rollout thread.
static struct load fleet_load(int preset, int cores) {
  const int shards = shards_for(preset, cores);
  return (struct load){.rollout_s = seen(rollout, MEDIAN),
                       .commit_s = seen(commit, MEDIAN),
                       .update_s = seen(find_point(preset, shards, 1)->update, MEDIAN) /
                                   (cores * parallel_efficiency(preset, shards, 2)),
                       .updates_per_step = config[preset].train_updates_per_step,
                       .cores = INFINITY,
                       .open = open_tickets(preset)};
}

static void print_rates(int preset, int cores, double run_steps) {
  struct load l = fleet_load(preset, cores);
  const int shards = shards_for(preset, cores);
  printf("| %s | %d | %d | %.2f | %.2f |", presets[preset].name, cores, shards,
         parallel_efficiency(preset, shards, 2), 1e3 * l.update_s);
  for (int i = 0; i < FLEETS; i++) {
    l.actors = fleet_threads[i];
    const struct forecast f = predict(&l);
    printf(" %.0f (%s) |", f.steps_per_s, f.limit);
  }
  printf(" %.0f | %.0f s |\n", ceil(l.rollout_s / (l.updates_per_step * l.update_s + l.commit_s)),
         run_steps / predict(&l).steps_per_s);
}

// updates a step at which the learner is just as fast as so many rollout threads
static void print_balance(int preset, int cores) {
  const struct load l = fleet_load(preset, cores);
  printf("| %s | %d |", presets[preset].name, cores);
  for (int i = 0; i < FLEETS; i++) {
    const double n = (l.rollout_s / fleet_threads[i] - l.commit_s) / l.update_s;
    printf(n > 0 ? " %.2g |" : " none |", n);
  }
  printf("\n");
}

static void print_predictions(double run_steps) {
  printf(
      "\n**Predictions, not measurements**: a core for each thread, and a learner of as many "
      "threads as cores, with the parallel efficiency that two threads have here, which is an "
      "assumption.\n\n"
      "| settings | learner cores | `train.shards` | efficiency | update, ms | 16 rollout threads: "
      "steps/s (limit) | 64 | 512 | threads that keep the learner busy | %.0f steps take, with 512 "
      "|\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
      run_steps);
  for (int i = 0; i < PRESETS * LEARNERS; i++) {
    print_rates(i / LEARNERS, fleet_cores[i % LEARNERS], run_steps);
  }
  printf(
      "\nUpdates a step up to which so many rollout threads are all of use, also a prediction; "
      "more "
      "of them than %d need a `ledger.window` above the default:\n\n"
      "| minibatch as in | learner cores | 16 | 64 | 512 |\n| --- | --- | --- | --- | --- |\n",
      open_tickets(0));
  for (int i = 0; i < PRESETS * LEARNERS; i++) {
    print_balance(i / LEARNERS, fleet_cores[i % LEARNERS]);
  }
}

// ---- main ----

static struct ingest ingest_new(void) {
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
  const int cores = cpu_cores() < 4 ? cpu_cores() : 4;
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
  nlook = 0;  // that one was to get warm
  for (int i = 0; i < ROUNDS * ncell; i++) {
    measure_parts(&ingest);
    measure_cell(&cell[i % ncell], i / ncell);
    fprintf(stderr, "%d of %d runs\n", i + 1, ROUNDS * ncell);
  }
  const double run_steps = argument(argc, argv, 3, 200000);
  print_parts();
  print_cells(run_steps);
  print_predictions(run_steps);
  for (int i = 0; i < npoint; i++) {
    training_free(point[i].training);
  }
  ingest_release(&ingest);
  machine_close();
  return 0;
}
