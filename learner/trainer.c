// trainer.c - one loop: wait for the next item, fold it in, tell what happened.
//
// Everything that decides the result is in struct fold and changes only in commit(); queues,
// figures and events around it carry nothing back into it. Evaluation results are recorded but
// never influence training.
#include "learner/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/base/queue.h"
#include "common/base/rng.h"
#include "common/nn/policy_file.h"
#include "common/run_files.h"
#include "learner/checkpoint.h"
#include "learner/odac.h"
#include "learner/replay.h"
#include "learner/scaling.h"
#include "learner/segments.h"

enum { MAX_TENSORS = 64, QUEUE_SLACK = 64 };

struct item {
  enum { ITEM_EPISODE, ITEM_EVALUATION, ITEM_STOP } kind;
  struct episode *episode;
  struct evaluation evaluation;
};

struct trainer {
  const struct config *cfg;
  const struct task *task;
  const struct rundir *run;
  struct dims dims;
  void (*notify)(void *ctx);
  void *ctx;

  struct fold fold;    // what a commit changes, beside networks and replay
  uint64_t *versions;  // ticket id names versions[id % window]
  struct odac *odac;
  struct scaling *scaling;  // of what the networks see; the identity before the first update
  struct replay *replay;
  uint64_t replay_base;  // episodes that had left replay before this life
  struct batch *batch;
  struct segments *segments;
  struct weights **weights;  // versions still named, oldest first
  int nweights, max_weights;
  uint64_t *window_versions;  // versions in window order, for the ledger and checkpoints

  pthread_t thread;
  bool started;
  uint64_t video_every;  // env steps; 0: no videos
  struct queue *in, *out;
  atomic_bool stop;
  atomic_bool busy;
  _Atomic uint64_t progress;

  pthread_mutex_t lock;  // figures below
  struct metrics metrics;
  double wait_s;
};

static double now_s(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

// ---- versions of the policy ----

static bool version_named(const struct trainer *t, uint64_t version) {
  const struct fold *f = &t->fold;
  // versions never fall from one ticket to the next, so the first open ticket names the oldest
  if (version >= t->versions[f->next % (uint64_t)t->cfg->ledger_window]) {
    return true;
  }
  for (int i = 0; i < f->nevals; i++) {
    if (f->evals[i].version == version) {
      return true;
    }
  }
  return false;
}

static void drop_unnamed_weights(struct trainer *t) {
  int kept = 0;
  for (int i = 0; i < t->nweights; i++) {
    if (version_named(t, t->weights[i]->version)) {
      t->weights[kept++] = t->weights[i];
    } else {
      weights_unref(t->weights[i]);
    }
  }
  t->nweights = kept;
}

// takes over one reference
static void keep_weights(struct trainer *t, struct weights *w) {
  drop_unnamed_weights(t);
  CHECK(t->nweights < t->max_weights);
  t->weights[t->nweights++] = w;
}

static struct weights *snapshot(const struct trainer *t) {
  const struct mlp *net = odac_policy(t->odac);
  float *theta = must_alloc(net->nparam, sizeof *theta);
  memcpy(theta, net->theta, net->nparam * sizeof *theta);
  scaling_fold(t->scaling, theta, net->width[1]);
  struct weights *w = weights_new(t->fold.version, net->width, net->nlayer, theta);
  free(theta);
  return w;
}

// ---- files ----

// w, which was the policy after so many steps, to a file of the run's folder
static enum err write_weights(const struct trainer *t, const char *name, const struct weights *w,
                              uint64_t at_steps) {
  char digest[17], seed[24], steps[24];
  snprintf(digest, sizeof digest, "%016" PRIx64, t->task->digest);
  snprintf(seed, sizeof seed, "%" PRId64, t->cfg->run_seed);
  snprintf(steps, sizeof steps, "%" PRIu64, at_steps);
  const struct st_meta meta[] = {
      {"format", "pt"},        {"algorithm", "odac"},   {"telos", TELOS_VERSION},
      {"task", t->task->name}, {"task_digest", digest}, {"seed", seed},
      {"steps", steps},
  };
  char *path = run_files_path(t->run->path, name);
  const enum err err = policy_file_write(path, w, t->dims.obs, t->dims.goal, t->dims.act, meta,
                                         (int)(sizeof meta / sizeof *meta));
  free(path);
  return err;
}

static enum err write_policy(const struct trainer *t) {
  const struct weights *w = t->weights[t->nweights - 1];
  CHECK(w->version == t->fold.version);
  return write_weights(t, "policy.safetensors", w, t->fold.steps);
}

// The policy that was evaluated after so many steps, when that is the first evaluation beyond a
// multiple of video_every. The one before is part of the fold, so a resumed run writes the same.
static void write_video_policy(struct trainer *t, uint64_t version, uint64_t steps) {
  const uint64_t every = t->video_every;
  const double last = t->fold.last_eval[0];
  const uint64_t before = isnan(last) ? 0 : (uint64_t)last;
  if (every == 0 || steps / every <= before / every) {
    return;
  }
  int i = 0;
  while (i < t->nweights && t->weights[i]->version != version) {
    i++;
  }
  CHECK(i < t->nweights);
  char name[64];
  snprintf(name, sizeof name, "videos/step_%09" PRIu64 ".safetensors", steps);
  char *folder = run_files_path(t->run->path, "videos");
  if (fsio_mkdirs(folder) != ERR_OK || write_weights(t, name, t->weights[i], steps) != ERR_OK) {
    log_warn("training goes on without videos");
    t->video_every = 0;
  }
  free(folder);
}

// all that updates change; returns how many
static int list_tensors(struct trainer *t, struct st_tensor tensors[MAX_TENSORS]) {
  const int n = odac_tensors(t->odac, tensors, MAX_TENSORS);
  CHECK(n <= MAX_TENSORS - SCALING_TENSORS);
  return n + scaling_tensors(t->scaling, tensors + n, MAX_TENSORS - n);
}

static void window_in_order(struct trainer *t) {
  const uint64_t window = (uint64_t)t->cfg->ledger_window;
  for (uint64_t i = 0; i < window; i++) {
    t->window_versions[i] = t->versions[(t->fold.next + i) % window];
  }
}

static enum err save(struct trainer *t) {
  struct st_tensor tensors[MAX_TENSORS];
  window_in_order(t);
  drop_unnamed_weights(t);
  struct checkpoint c = {
      .run = t->run->run,
      .task_digest = t->task->digest,
      .fold = t->fold,
      .window = (int)t->cfg->ledger_window,
      .versions = t->window_versions,
      .weights = t->weights,
      .nweights = t->nweights,
      .tensors = tensors,
      .ntensors = list_tensors(t, tensors),
  };
  segments_forget(t->segments, t->replay_base + replay_evicted(t->replay));
  struct segment_position oldest;
  enum err err = segments_sync(t->segments, &c.position);
  if (err != ERR_OK ||
      (err = checkpoint_write(t->run->path, &c, (int)t->cfg->checkpoint_keep)) != ERR_OK ||
      (err = checkpoint_oldest_needed(t->run->path, &oldest)) != ERR_OK) {
    return err;
  }
  segments_remove(t->segments, &oldest);
  return write_policy(t);
}

// ---- the fold ----

static uint64_t updates_due(const struct trainer *t) {
  const double after = (double)t->fold.steps - (double)t->cfg->train_warmup_steps;
  return after > 0.0 ? (uint64_t)floor(t->cfg->train_updates_per_step * after) : 0;  // eq. (1)
}

static void publish_figures(struct trainer *t, const struct odac_stats *s) {
  const struct fold *f = &t->fold;
  pthread_mutex_lock(&t->lock);
  struct metrics *m = &t->metrics;
  m->steps = (double)f->steps;
  m->total_steps = (double)t->cfg->run_steps;
  m->episodes = (double)f->episodes;
  m->updates = (double)f->updates;
  m->version = (double)f->version;
  if (s != NULL) {
    m->loss_q = s->loss_q;
    m->loss_pi = s->loss_pi;
    m->alpha = s->alpha;
    m->q0 = s->q0;
    m->log_lik = s->log_lik;
    m->nll = s->nll;
    m->entropy = s->entropy;
  }
  m->eval_steps = f->last_eval[0];
  m->eval_distance = f->last_eval[1];
  m->eval_score = f->last_eval[2];
  m->eval_ci = f->last_eval[3];
  m->eval_success = f->last_eval[4];
  pthread_mutex_unlock(&t->lock);
}

static enum err update(struct trainer *t) {
  struct fold *f = &t->fold;
  const uint64_t due = updates_due(t);
  struct odac_stats stats;
  const bool any = f->updates < due;
  if (f->updates == 0 && any && t->cfg->net_standardize) {
    scaling_measure(t->scaling, t->replay, t->batch, (uint64_t)t->cfg->run_seed);
  }
  while (f->updates < due) {
    struct rng rng;
    rng_init(&rng, (uint64_t)t->cfg->run_seed, RNG_BATCH, f->updates);
    replay_sample(t->replay, t->batch, &rng);
    if (t->cfg->net_standardize) {
      scaling_apply(t->scaling, t->batch);
    }
    const enum err err = odac_update(t->odac, &stats, t->batch, f->updates);
    if (err != ERR_OK) {
      return err;
    }
    f->updates++;
    atomic_fetch_add_explicit(&t->progress, 1, memory_order_relaxed);
  }
  publish_figures(t, any ? &stats : NULL);
  return ERR_OK;
}

static bool training_complete(const struct trainer *t) {
  return t->fold.steps >= (uint64_t)t->cfg->run_steps;
}

// a new version after publish_every commits, and at the end, once there is something to publish
static struct weights *publish(struct trainer *t) {
  struct fold *f = &t->fold;
  f->since_publish++;
  const bool due =
      f->since_publish >= (uint64_t)t->cfg->train_publish_every || training_complete(t);
  if (!due || f->updates == 0) {
    return NULL;
  }
  f->since_publish = 0;
  f->version++;
  struct weights *w = snapshot(t);
  keep_weights(t, w);
  return weights_ref(w);
}

// whether an evaluation of the newest version is due; one is always due at the end
static bool evaluation_due(struct trainer *t) {
  struct fold *f = &t->fold;
  const uint64_t every = (uint64_t)t->cfg->eval_every;
  bool due = training_complete(t);
  if (every > 0 && f->steps >= f->next_eval_steps) {
    f->next_eval_steps = (f->steps / every + 1) * every;
    due = true;
  }
  // a fleet too slow to evaluate as often as asked skips evaluations, but never the last
  if (!due || (f->nevals >= CHECKPOINT_MAX_EVALS - 1 && !training_complete(t))) {
    return false;
  }
  f->evals[f->nevals].version = f->version;
  f->evals[f->nevals++].steps = f->steps;
  return true;
}

static enum err save_if_due(struct trainer *t) {
  struct fold *f = &t->fold;
  const uint64_t every = (uint64_t)t->cfg->checkpoint_every;
  const bool due = f->steps >= f->next_checkpoint_steps;
  if (due) {
    f->next_checkpoint_steps = (f->steps / every + 1) * every;
  }
  return due || training_complete(t) ? save(t) : ERR_OK;
}

static void emit(struct trainer *t, struct trainer_event event) {
  struct trainer_event *e = must_alloc(1, sizeof *e);
  *e = event;
  queue_push(t->out, e);
  t->notify(t->ctx);
}

static enum err commit(struct trainer *t, const struct episode *ep) {
  struct fold *f = &t->fold;
  CHECK(ep->ticket.id == f->next);
  enum err err = segments_append(t->segments, ep);
  if (err != ERR_OK) {
    return err;
  }
  replay_add(t->replay, ep);
  f->steps += (uint64_t)ep->T;
  f->episodes++;
  err = update(t);
  if (err != ERR_OK) {
    return err;
  }
  struct trainer_event event = {.kind = TRAINER_COMMITTED};
  event.published = publish(t);
  // the ticket that is issued now takes the place of the one that was committed
  t->versions[f->next % (uint64_t)t->cfg->ledger_window] = f->version;
  f->next++;
  event.version = f->version;
  event.evaluate = evaluation_due(t);
  err = save_if_due(t);
  if (err != ERR_OK) {
    weights_unref(event.published);
    return err;
  }
  emit(t, event);
  return ERR_OK;
}

static void record_evaluation(struct trainer *t, const struct evaluation *e) {
  struct fold *f = &t->fold;
  int i = 0;
  while (i < f->nevals && f->evals[i].version != e->version) {
    i++;
  }
  CHECK(i < f->nevals);
  const uint64_t steps = f->evals[i].steps;
  write_video_policy(t, e->version, steps);
  f->nevals--;
  memmove(&f->evals[i], &f->evals[i + 1], (size_t)(f->nevals - i) * sizeof f->evals[0]);
  const double figures[] = {(double)steps, e->distance, e->score, e->ci, e->success};
  memcpy(f->last_eval, figures, sizeof f->last_eval);
  char unstable[64] = "";
  if (e->unstable > 0) {
    snprintf(unstable, sizeof unstable, " (%d of %d episodes unstable)", e->unstable, e->n);
  }
  log_info("evaluation of version %" PRIu64 " (%" PRIu64
           " steps): distance %.4g, score %.3f +- %.3f, success %.3g over %d episodes%s",
           e->version, steps, e->distance, e->score, e->ci, e->success, e->n, unstable);
  publish_figures(t, NULL);
}

// ---- the thread ----

static struct item *wait_item(struct trainer *t) {
  atomic_store(&t->busy, false);
  const double start = now_s();
  struct item *item = queue_wait(t->in);
  const double waited = now_s() - start;
  atomic_store(&t->busy, true);
  pthread_mutex_lock(&t->lock);
  t->wait_s += waited;
  pthread_mutex_unlock(&t->lock);
  return item;
}

static void item_free(struct item *item) {
  episode_free(item->episode);
  free(item);
}

// one item; false ends the thread
static bool work(struct trainer *t, const struct item *item) {
  enum err err = ERR_OK;
  if (atomic_load(&t->stop)) {
    err = save(t);
    emit(t, (struct trainer_event){.kind = err == ERR_OK ? TRAINER_STOPPED : TRAINER_FAILED,
                                   .err = err});
    return false;
  }
  if (item->kind == ITEM_EPISODE && !training_complete(t)) {
    err = commit(t, item->episode);
    if (err == ERR_OK && training_complete(t)) {
      emit(t, (struct trainer_event){.kind = TRAINER_COMPLETE});
    }
  } else if (item->kind == ITEM_EVALUATION) {
    record_evaluation(t, &item->evaluation);
  }
  if (err == ERR_OK && training_complete(t) && t->fold.nevals == 0) {
    err = save(t);
    if (err == ERR_OK) {
      emit(t, (struct trainer_event){.kind = TRAINER_FINISHED});
      return false;
    }
  }
  if (err != ERR_OK) {
    emit(t, (struct trainer_event){.kind = TRAINER_FAILED, .err = err});
  }
  return err == ERR_OK;
}

static void *thread_main(void *arg) {
  struct trainer *t = arg;
  bool more = true;
  while (more) {
    struct item *item = wait_item(t);
    if (item == NULL) {
      break;
    }
    more = work(t, item);
    item_free(item);
  }
  atomic_store(&t->busy, false);
  return NULL;
}

static void push(struct trainer *t, struct item item) {
  struct item *copy = must_alloc(1, sizeof *copy);
  *copy = item;
  queue_push(t->in, copy);
}

void trainer_push(struct trainer *t, struct episode **ep) {
  push(t, (struct item){.kind = ITEM_EPISODE, .episode = *ep});
  *ep = NULL;
}

void trainer_push_evaluation(struct trainer *t, const struct evaluation *result) {
  push(t, (struct item){.kind = ITEM_EVALUATION, .evaluation = *result});
}

void trainer_stop(struct trainer *t) {
  atomic_store(&t->stop, true);
  push(t, (struct item){.kind = ITEM_STOP});  // wakes it when there is nothing else
}

bool trainer_poll(struct trainer *t, struct trainer_event *event) {
  struct trainer_event *e = queue_pop(t->out);
  if (e == NULL) {
    return false;
  }
  *event = *e;
  free(e);
  return true;
}

// ---- restore ----

static enum err add_episode(void *ctx, const struct episode *ep) {
  struct trainer *t = ctx;
  replay_add(t->replay, ep);
  return ERR_OK;
}

static void reset_replay(struct trainer *t) {
  replay_free(t->replay);
  t->replay = replay_new(&t->dims, t->cfg->replay_capacity, t->cfg->replay_hindsight);
}

static enum err accept_checkpoint(void *ctx, const struct checkpoint *c) {
  struct trainer *t = ctx;
  reset_replay(t);
  t->replay_base = c->position.first;
  return segments_read(t->run->path, t->run->run, &t->dims, &c->position, add_episode, t);
}

static void restore_fold(struct trainer *t, struct checkpoint *c) {
  struct fold *f = &t->fold;
  *f = c->fold;
  const uint64_t window = (uint64_t)t->cfg->ledger_window;
  for (uint64_t i = 0; i < window; i++) {
    t->versions[(f->next + i) % window] = c->versions[i];
  }
  for (int i = 0; i < c->nweights; i++) {
    keep_weights(t, weights_ref(c->weights[i]));
  }
}

static void fresh_fold(struct trainer *t) {
  struct fold *f = &t->fold;
  for (size_t i = 0; i < sizeof f->last_eval / sizeof *f->last_eval; i++) {
    f->last_eval[i] = NAN;
  }
  f->version = 1;
  f->next_eval_steps = (uint64_t)t->cfg->eval_every;
  f->next_checkpoint_steps = (uint64_t)t->cfg->checkpoint_every;
  for (int64_t i = 0; i < t->cfg->ledger_window; i++) {
    t->versions[i] = f->version;
  }
  keep_weights(t, snapshot(t));
}

static enum err restore(struct trainer *t) {
  struct st_tensor tensors[MAX_TENSORS];
  struct checkpoint c = {.run = t->run->run,
                         .task_digest = t->task->digest,
                         .window = (int)t->cfg->ledger_window,
                         .tensors = tensors,
                         .ntensors = list_tensors(t, tensors)};
  int found = 0;
  enum err err = ERR_OK;
  if (!t->run->fresh) {
    err = checkpoint_read(t->run->path, &c, &found, accept_checkpoint, t);
  }
  if (err == ERR_OK && found) {
    restore_fold(t, &c);
    log_info("resuming at %" PRIu64 " of %" PRId64 " steps", t->fold.steps, t->cfg->run_steps);
  } else if (err == ERR_OK) {
    reset_replay(t);
    fresh_fold(t);
  }
  if (err == ERR_OK) {
    err = segments_open(&t->segments, t->run->path, t->run->run, &t->dims, &c.position);
  }
  if (found) {
    checkpoint_release(&c);
  }
  // a finished run has its policy, whatever happened to the file since
  return err == ERR_OK && training_complete(t) ? write_policy(t) : err;
}

enum err trainer_new(struct trainer **out, const struct config *cfg, const struct task *task,
                     const struct rundir *run, void (*notify)(void *ctx), void *ctx) {
  struct trainer *t = must_alloc(1, sizeof *t);
  const size_t window = (size_t)cfg->ledger_window;
  t->cfg = cfg;
  t->task = task;
  t->run = run;
  t->dims = task_dims(task, (int)cfg->replay_hindsight_k);
  t->notify = notify;
  t->ctx = ctx;
  pthread_mutex_init(&t->lock, NULL);
  metrics_clear(&t->metrics);
  t->versions = must_alloc(window, sizeof *t->versions);
  t->window_versions = must_alloc(window, sizeof *t->window_versions);
  t->max_weights = (int)window + CHECKPOINT_MAX_EVALS + 2;
  t->weights = must_alloc((size_t)t->max_weights, sizeof(struct weights *));
  t->in = queue_new(window + QUEUE_SLACK);
  t->out = queue_new(2 * window + QUEUE_SLACK);
  t->odac = odac_new(cfg, &t->dims);
  t->scaling = scaling_new(&t->dims);
  t->batch = batch_new(&t->dims, (int)cfg->train_batch);
  const enum err err = restore(t);
  if (err != ERR_OK) {
    trainer_free(t);
    return err;
  }
  publish_figures(t, NULL);
  *out = t;
  return ERR_OK;
}

void trainer_free(struct trainer *t) {
  if (t == NULL) {
    return;
  }
  queue_close(t->in);
  if (t->started) {
    atomic_store(&t->stop, true);
    pthread_join(t->thread, NULL);
  }
  for (struct item *item; (item = queue_pop(t->in)) != NULL;) {
    item_free(item);
  }
  for (struct trainer_event event; trainer_poll(t, &event);) {
    weights_unref(event.published);
  }
  queue_free(t->in);
  queue_free(t->out);
  for (int i = 0; i < t->nweights; i++) {
    weights_unref(t->weights[i]);
  }
  free(t->weights);
  segments_close(t->segments);
  batch_free(t->batch);
  replay_free(t->replay);
  odac_free(t->odac);
  scaling_free(t->scaling);
  free(t->versions);
  free(t->window_versions);
  pthread_mutex_destroy(&t->lock);
  free(t);
}

void trainer_set_videos(struct trainer *t, uint64_t every) {
  CHECK(!t->started);
  t->video_every = every;
}

void trainer_start(struct trainer *t) {
  CHECK(pthread_create(&t->thread, NULL, thread_main, t) == 0);
  t->started = true;
}

uint64_t trainer_next(const struct trainer *t) {
  return t->fold.next;
}

const uint64_t *trainer_versions(const struct trainer *t) {
  window_in_order((struct trainer *)t);
  return t->window_versions;
}

int trainer_weights(const struct trainer *t, struct weights **out, int max) {
  for (int i = 0; i < t->nweights && i < max; i++) {
    out[i] = weights_ref(t->weights[i]);
  }
  return t->nweights;
}

int trainer_pending(const struct trainer *t, uint64_t *versions, int max) {
  for (int i = 0; i < t->fold.nevals && i < max; i++) {
    versions[i] = t->fold.evals[i].version;
  }
  return t->fold.nevals;
}

bool trainer_complete(const struct trainer *t) {
  return training_complete(t);
}

void trainer_metrics(struct trainer *t, struct metrics *m, double *wait_s) {
  pthread_mutex_lock(&t->lock);
  *m = t->metrics;
  *wait_s = t->wait_s;
  pthread_mutex_unlock(&t->lock);
}

uint64_t trainer_progress(const struct trainer *t, bool *busy) {
  *busy = atomic_load(&t->busy);
  return atomic_load_explicit(&t->progress, memory_order_relaxed);
}
