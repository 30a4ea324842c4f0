// trainer.c - one loop: wait for the next item, fold it in, tell what happened.
//
// Everything that decides the result is in struct fold, the networks and replay, and changes only
// in commit(); queues, metrics and events around it carry nothing back into it. Evaluation results
// are recorded but never influence training.
#include "learner/trainer.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/cpu.h"
#include "common/base/crew.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/queue.h"
#include "common/base/ram.h"
#include "common/base/rng.h"
#include "common/config/bundle.h"
#include "common/demos.h"
#include "common/run_files.h"
#include "learner/agent/heads.h"
#include "learner/along.h"
#include "learner/checkpoint.h"
#include "learner/export.h"
#include "learner/fold.h"
#include "learner/given.h"
#include "learner/manifest.h"
#include "learner/memory.h"
#include "learner/progress.h"
#include "learner/recent.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/replay/segments.h"
#include "learner/results.h"
#include "learner/rules/rule.h"
#include "learner/rules/rules.h"
#include "learner/rules/updater.h"
#include "learner/team.h"
#include "learner/tensorboard.h"

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

  struct fold fold;
  struct crew *crew;  // threads of an update, this one included
  struct updater *updater;
  struct replay *replay;
  struct replay *demos;  // NULL: none
  uint64_t replay_base;  // episodes that had left replay before this life
  struct batch *batch;
  struct segments *segments;
  struct results *results;
  struct recent recent;  // training episodes
  struct progress *progress_file;
  struct tensorboard *tensorboard;  // NULL: off

  pthread_t thread;
  bool started;
  bool saved;            // the run's folder knows that there is a checkpoint
  uint64_t video_every;  // env steps; 0: no videos
  struct queue *in, *out;
  atomic_bool stop;
  atomic_bool busy;
  _Atomic uint64_t progress;

  pthread_mutex_t lock;  // of the three below
  struct metrics metrics;
  double wait_s, waits_since;  // ended waits; when the present one began, 0: none
};

// The policy as it is now, as the version that comes next.
static struct weights *snapshot(const struct trainer *t) {
  const uint64_t version = t->fold.version + 1;
  int width[MLP_MAX_LAYERS + 1];
  const int nlayer = updater_layers(t->updater, width);
  float *theta = must_alloc(mlp_nparam(width, nlayer), sizeof *theta);
  updater_publish(t->updater, theta);
  float *along = along_new(t->cfg, &t->dims, t->updater, t->replay, version, t->fold.updates > 0);
  struct weights *w =
      weights_new_along(version, width, nlayer, theta, along, along_size(t->cfg, &t->dims));
  free(along);
  free(theta);
  return w;
}

// ---- files ----

static struct export_origin origin(const struct trainer *t) {
  return (struct export_origin){t->cfg, t->task, config_rule_name(t->cfg)};
}

static enum err write_policy(const struct trainer *t) {
  const struct export_origin from = origin(t);
  return export_policy(t->run->path, POLICY_FILE, fold_newest(&t->fold), &from, t->fold.steps);
}

// before: steps of the evaluation before the last one
static void write_video_policy(struct trainer *t, const struct weights *w, uint64_t before) {
  const struct export_origin from = origin(t);
  if (export_wants_video(t->fold.last.steps, before, t->video_every) &&
      !export_video(t->run->path, w, &from, t->fold.last.steps)) {
    t->video_every = 0;
  }
}

// all that updates change; returns how many
static int list_tensors(struct trainer *t, struct st_tensor tensors[MAX_TENSORS]) {
  const int n = updater_tensors(t->updater, tensors, MAX_TENSORS);
  CHECK(n <= MAX_TENSORS);
  return n;
}

static enum err write_checkpoint_policy(void *ctx, const char *folder) {
  const struct trainer *t = ctx;
  const struct export_origin from = origin(t);
  return export_policy(folder, POLICY_FILE, fold_newest(&t->fold), &from, t->fold.steps);
}

static enum err save(struct trainer *t) {
  tensorboard_sync(t->tensorboard);
  struct st_tensor tensors[MAX_TENSORS];
  struct checkpoint c = {
      .run = t->run->run,
      .task_digest = t->task->digest,
      .fold = &t->fold,
      .tensors = tensors,
      .ntensors = list_tensors(t, tensors),
      .also = write_checkpoint_policy,
      .ctx = t,
  };
  segments_forget(t->segments, t->replay_base + replay_evicted(t->replay));
  struct segment_position oldest;
  enum err err = segments_sync(t->segments, &c.position);
  if (err != ERR_OK || (err = progress_sync(t->progress_file)) != ERR_OK ||
      (err = checkpoint_write(t->run->path, &c, (int)t->cfg->checkpoint_keep)) != ERR_OK ||
      (err = checkpoint_oldest_needed(t->run->path, &oldest)) != ERR_OK) {
    return err;
  }
  segments_remove(t->segments, &oldest);
  if (!t->saved && (err = manifest_set_saved(t->run->path)) != ERR_OK) {
    return err;
  }
  t->saved = true;
  return write_policy(t);
}

// ---- the fold ----

static uint64_t updates_due(const struct trainer *t) {
  const double after = (double)t->fold.steps - (double)t->cfg->train_warmup_steps;
  return after > 0.0 ? (uint64_t)floor(t->cfg->train_updates_per_step * after) : 0;  // eq. (1)
}

static void publish_figures(struct trainer *t) {
  const struct rule *rule = t->updater->rule;
  pthread_mutex_lock(&t->lock);
  fold_figures(&t->metrics, &t->fold);
  for (int i = 0; i < rule->nfigure; i++) {
    metrics_set(&t->metrics, rule->figure[i].name, t->fold.figure[i]);
  }
  pthread_mutex_unlock(&t->lock);
}

struct minibatch {
  struct trainer *t;
  enum rng_stream stream;
  uint64_t index;
};

// rows [first, first + n) of b from one of the two; in a family (members above 0), of one task
static void sample_rows(const struct replay *from, const struct batch *b, const struct dims *dims,
                        int first, int n, enum rng_stream stream, int members, struct rng *rng) {
  if (n == 0) {
    return;
  }
  struct batch rows = batch_rows(b, dims, first, n);
  if (stream == RNG_SCALING) {
    replay_sample_plain(from, &rows, rng);
  } else if (members > 0) {
    replay_sample_member(from, &rows, members, replay_draw_member(from, members, rng), rng);
  } else {
    replay_sample(from, &rows, rng);
  }
}

// the rows of one part of a minibatch, which a thread draws
static void draw_rows(void *ctx, int i) {
  const struct minibatch *m = ctx;
  const struct trainer *t = m->t;
  const int n = t->updater->nshard, rows = t->batch->B / n;
  struct batch part = batch_rows(t->batch, &t->dims, i * rows, rows);
  struct rng rng;
  rng_init(&rng, (uint64_t)t->cfg->run_seed, m->stream, m->index * (uint64_t)n + (uint64_t)i);
  const int shown = t->demos ? (int)lround(t->cfg->demos_share * rows) : 0;
  for (int k = 0; k < rows && t->demos; k++) {
    part.demo[k] = k < shown ? 1.0f : 0.0f;
  }
  sample_rows(t->demos, &part, &t->dims, 0, shown, m->stream, 0, &rng);
  sample_rows(t->replay, &part, &t->dims, shown, rows - shown, m->stream,
              (int)t->cfg->context_members, &rng);
  if (t->cfg->explore_heads > 1) {
    rng_init(&rng, (uint64_t)t->cfg->run_seed, RNG_HEADS, m->index * (uint64_t)n + (uint64_t)i);
    heads_assign(&part, &t->dims, (int)t->cfg->explore_heads, &rng);
  }
}

// see struct draws of learner/replay/batch.h
static const struct batch *draw_batch(void *ctx, enum rng_stream stream, uint64_t index) {
  struct trainer *t = ctx;
  struct minibatch m = {.t = t, .stream = stream, .index = index};
  crew_run(t->crew, draw_rows, &m, t->updater->nshard);
  return t->batch;
}

static enum err update(struct trainer *t) {
  struct fold *f = &t->fold;
  const uint64_t due = updates_due(t);
  const bool any = f->updates < due;
  if (any && f->updates == 0) {
    const struct draws draws = {.draw = draw_batch, .ctx = t};
    const enum err err = updater_prepare(t->updater, &draws);
    if (err != ERR_OK) {
      return err;
    }
  }
  while (f->updates < due) {
    const struct batch *b = draw_batch(t, RNG_BATCH, f->updates);
    const enum err err = updater_update(t->updater, b, f->updates);
    if (err != ERR_OK) {
      return err;
    }
    f->updates++;
    atomic_fetch_add_explicit(&t->progress, 1, memory_order_relaxed);
  }
  for (int i = 0; any && i < f->plan.nfigure; i++) {
    f->figure[i] = (double)updater_figure(t->updater, i);
  }
  publish_figures(t);
  return ERR_OK;
}

static void emit(struct trainer *t, struct trainer_event event) {
  struct trainer_event *e = must_alloc(1, sizeof *e);
  *e = event;
  queue_push(t->out, e);
  t->notify(t->ctx);
}

static enum err add_progress(struct trainer *t) {
  const struct recent_figures recent = recent_means(&t->recent, replay_episodes(t->replay));
  const enum err err = progress_add(t->progress_file, &t->fold, &recent);
  if (err == ERR_OK) {
    tensorboard_progress(t->tensorboard, progress_row(t->progress_file));
  }
  return err;
}

static enum err commit(struct trainer *t, const struct episode *ep) {
  struct fold *f = &t->fold;
  CHECK(ep->ticket.id == f->next);
  enum err err = segments_append(t->segments, ep);
  if (err != ERR_OK) {
    return err;
  }
  const uint64_t before = f->steps;
  replay_add(t->replay, ep);
  recent_add(&t->recent, ep, t->task);
  fold_add(f, ep->T);
  err = update(t);
  if (err != ERR_OK) {
    return err;
  }
  struct trainer_event event = {.kind = TRAINER_COMMITTED};
  if (fold_publishes(f)) {
    fold_publish(f, snapshot(t));
    event.published = weights_ref(fold_newest(f));
  }
  event.issue = fold_commit(f);
  event.evaluate = fold_evaluates(f);
  event.oldest = fold_oldest(f);
  if (progress_due(t->progress_file, f, before)) {
    err = add_progress(t);
  }
  if (err == ERR_OK && fold_saves(f)) {
    err = save(t);
  }
  if (err != ERR_OK) {
    weights_unref(event.published);
    return err;
  }
  emit(t, event);
  return ERR_OK;
}

static enum err record_evaluation(struct trainer *t, const struct evaluation *e) {
  const uint64_t before = t->fold.last.steps;
  struct weights *evaluated = weights_ref(fold_weights(&t->fold, e->version));
  fold_evaluated(&t->fold, e);
  const enum err err = results_add(t->results, &t->fold.last, evaluated);
  tensorboard_evaluation(t->tensorboard, &t->fold, results_row(t->results, t->fold.last.steps));
  write_video_policy(t, evaluated, before);
  weights_unref(evaluated);
  char text[EVALUATION_TEXT];
  evaluation_text(text, sizeof text, e);
  log_info("evaluation of version %" PRIu64 " (%" PRIu64 " steps): %s", e->version,
           t->fold.last.steps, text);
  evaluation_parts_text(text, sizeof text, e);
  if (text[0] != '\0') {
    log_info("final distance by part of the goal: %s", text);
  }
  publish_figures(t);
  return err;
}

// ---- the thread ----

static struct item *wait_item(struct trainer *t) {
  atomic_store(&t->busy, false);
  pthread_mutex_lock(&t->lock);
  t->waits_since = now_s();
  pthread_mutex_unlock(&t->lock);
  struct item *item = queue_wait(t->in);
  atomic_store(&t->busy, true);
  pthread_mutex_lock(&t->lock);
  t->wait_s += now_s() - t->waits_since;
  t->waits_since = 0.0;
  pthread_mutex_unlock(&t->lock);
  return item;
}

static void item_free(struct item *item) {
  episode_free(item->episode);
  free(item);
}

// One item of the queue; false ends the thread.
static bool handle_item(struct trainer *t, const struct item *item) {
  enum err err = ERR_OK;
  if (atomic_load(&t->stop)) {
    err = save(t);
    emit(t, (struct trainer_event){.kind = err == ERR_OK ? TRAINER_STOPPED : TRAINER_FAILED,
                                   .err = err});
    return false;
  }
  if (item->kind == ITEM_EPISODE && !fold_complete(&t->fold)) {
    err = commit(t, item->episode);
    if (err == ERR_OK && fold_complete(&t->fold)) {
      emit(t, (struct trainer_event){.kind = TRAINER_COMPLETE});
    }
  } else if (item->kind == ITEM_EVALUATION) {
    err = record_evaluation(t, &item->evaluation);
  }
  if (err == ERR_OK && fold_complete(&t->fold) && t->fold.nowed == 0) {
    tensorboard_complete(t->tensorboard);
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
    more = handle_item(t, item);
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
  recent_add(&t->recent, ep, t->task);
  return ERR_OK;
}

// without goals there is nothing to replace in hindsight
static double hindsight_share(const struct trainer *t) {
  return t->dims.goal > 0 ? t->cfg->replay_hindsight : 0;
}

static void take_demos(struct trainer *t, const struct demos *demos) {
  t->demos = replay_new(&t->dims, demos->steps, hindsight_share(t));
  for (int i = 0; i < demos->n; i++) {
    replay_add(t->demos, demos->ep[i]);
  }
}

static void reset_replay(struct trainer *t) {
  replay_free(t->replay);
  t->replay = replay_new(&t->dims, t->cfg->replay_capacity, hindsight_share(t));
  recent_clear(&t->recent);
}

static enum err accept_checkpoint(void *ctx, const struct checkpoint *c, struct fault *fault) {
  struct trainer *t = ctx;
  reset_replay(t);
  t->replay_base = c->position.first;
  return segments_read(t->run->path, t->run->run, &t->dims, &c->position, add_episode, t, fault);
}

static enum err restore(struct trainer *t) {
  struct st_tensor tensors[MAX_TENSORS];
  struct checkpoint c = {.run = t->run->run,
                         .task_digest = t->task->digest,
                         .fold = &t->fold,
                         .tensors = tensors,
                         .ntensors = list_tensors(t, tensors)};
  int found = 0;
  enum err err = ERR_OK;
  if (!t->run->fresh) {
    err = checkpoint_read(t->run->path, &c, &found, accept_checkpoint, t);
  }
  if (err == ERR_OK && found) {
    log_info("resuming at %" PRIu64 " of %" PRId64 " steps", t->fold.steps, t->cfg->run_steps);
  } else if (err == ERR_OK && t->run->saved) {
    return rundir_refuse(t->run->path, "checkpoints/step_*");
  } else if (err == ERR_OK) {
    reset_replay(t);
    fold_publish(&t->fold, snapshot(t));
  }
  if (err == ERR_OK) {
    err = segments_open(&t->segments, t->run->path, t->run->run, &t->dims, &c.position);
  }
  if (err == ERR_OK) {
    const struct export_origin from = origin(t);
    err = results_open(&t->results, t->run->path, &t->fold, &from);
  }
  if (err == ERR_OK) {
    err = progress_open(&t->progress_file, t->run->path, &t->fold, t->updater->rule,
                        (uint64_t)t->cfg->progress_every);
  }
  // what may change in a resumed run stays as it was until it does go on
  if (err == ERR_OK) {
    err = rundir_keep_settings(t->run, t->cfg);
  }
  // of a finished run all is said
  if (err == ERR_OK && (!fold_complete(&t->fold) || t->fold.nowed > 0)) {
    t->tensorboard = tensorboard_open(
        &(struct tensorboard_run){.folder = t->run->path,
                                  .task = t->task->name,
                                  .cfg = t->cfg,
                                  .fold = &t->fold,
                                  .progress_header = progress_header(t->progress_file)});
  }
  // a finished run has its policy, whatever happened to the file since
  return err == ERR_OK && fold_complete(&t->fold) ? write_policy(t) : err;
}

// How many threads compute updates, told once; and what keeps them from being more.
static int crew_size(struct trainer *t, const struct team *team) {
  const struct config *cfg = t->cfg;
  const int parts = team_parts(team, cfg), cores = cpu_cores();
  const int wanted = updater_threads(cfg, parts, cores);
  const int n = memory_threads(cfg, &t->dims, wanted, ram_space());
  struct config unbound = *cfg;
  unbound.learner_threads = 0;
  t->metrics.update_bound = n < updater_threads(&unbound, parts, cores)     ? METRICS_BOUND_THREADS
                            : n < updater_threads(&unbound, INT_MAX, cores) ? METRICS_BOUND_SHARDS
                                                                            : METRICS_BOUND_CORES;
  log_info("updates by %d thread%s (train.shards=%d, %d cores)", n, n == 1 ? "" : "s",
           updater_shards(cfg), cores);
  if (n < wanted) {
    log_info("%d threads would do, but `ulimit -v` leaves no room for more than %d", wanted, n);
  }
  if (cfg->learner_threads > parts) {
    log_warn("learner.threads=%" PRId64
             ": more than %d have nothing to do, since a minibatch has so many parts here "
             "(train.shards)",
             cfg->learner_threads, parts);
  }
  return n;
}

enum err trainer_new(struct trainer **out, const struct config *cfg, const struct task *task,
                     const struct rundir *run, struct team *team, const struct given *given,
                     void (*notify)(void *ctx), void *ctx) {
  struct trainer *t = must_alloc(1, sizeof *t);
  t->cfg = cfg;
  t->task = task;
  t->run = run;
  t->saved = run->saved;
  t->dims = task_dims(task, (int)cfg->replay_hindsight_k);
  t->notify = notify;
  t->ctx = ctx;
  pthread_mutex_init(&t->lock, NULL);
  metrics_clear(&t->metrics);
  fold_init(&t->fold, &(struct fold_plan){.window = (uint64_t)cfg->ledger_window,
                                          .warmup = (uint64_t)cfg->train_warmup_steps,
                                          .horizon = (uint64_t)task->horizon,
                                          .steps = (uint64_t)cfg->run_steps,
                                          .publish_every = (uint64_t)cfg->train_publish_every,
                                          .eval_every = (uint64_t)cfg->eval_every,
                                          .checkpoint_every = (uint64_t)cfg->checkpoint_every,
                                          .nfigure = rules_of(cfg)->nfigure});
  const size_t room = (size_t)fold_room(&t->fold);
  t->in = queue_new(room + QUEUE_SLACK);
  t->out = queue_new(2 * room + QUEUE_SLACK);
  t->crew = crew_new(crew_size(t, team));
  t->updater = team_updater(team, cfg, &t->dims, t->crew);
  t->batch = batch_new(&t->dims, (int)cfg->train_batch);
  if (given && given->demos) {
    take_demos(t, given->demos);
  }
  if (given && given->start.weights) {
    updater_start(t->updater, given->start.weights->data);
  }
  const enum err err = restore(t);
  if (err != ERR_OK) {
    trainer_free(t);
    return err;
  }
  publish_figures(t);
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
  segments_close(t->segments);
  results_free(t->results);
  tensorboard_close(t->tensorboard);
  progress_close(t->progress_file);
  batch_free(t->batch);
  replay_free(t->replay);
  replay_free(t->demos);
  updater_free(t->updater);
  crew_free(t->crew);
  fold_release(&t->fold);
  pthread_mutex_destroy(&t->lock);
  free(t);
}

void trainer_set_videos(struct trainer *t, uint64_t every) {
  CHECK(!t->started);
  t->video_every = every;
}

void trainer_start(struct trainer *t) {
  must_thread(&t->thread, thread_main, t);
  t->started = true;
}

const struct fold *trainer_fold(const struct trainer *t) {
  return &t->fold;
}

bool trainer_complete(const struct trainer *t) {
  return fold_complete(&t->fold);
}

void trainer_metrics(struct trainer *t, struct metrics *m, double *wait_s) {
  pthread_mutex_lock(&t->lock);
  *m = t->metrics;
  *wait_s = t->wait_s + (t->waits_since > 0.0 ? now_s() - t->waits_since : 0.0);
  pthread_mutex_unlock(&t->lock);
}

uint64_t trainer_progress(const struct trainer *t, bool *busy) {
  *busy = atomic_load(&t->busy);
  return atomic_load_explicit(&t->progress, memory_order_relaxed);
}
