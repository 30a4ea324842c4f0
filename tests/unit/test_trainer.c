// test_trainer.c - the fold of trainer.h, in one process: the same result through stops and
// resumes, the exact ratio of updates to steps (eq. 1), evaluations owed across a stop.
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/run_files.h"
#include "learner/agent/scaling.h"
#include "learner/fold.h"
#include "learner/given.h"
#include "learner/ledger.h"
#include "learner/nn/gemm.h"
#include "learner/replay/batch.h"
#include "learner/replay/replay.h"
#include "learner/rules/updater.h"
#include "learner/rundir.h"
#include "learner/trainer.h"
#include "learner/worth/outcome.h"
#include "tests/unit/source.h"

enum { MAX_VERSIONS = 4096 };

struct bench {  // one life of a learner with one imagined actor
  struct config cfg;
  const char *task_file;  // below the source tree
  struct task *task;
  struct rundir run;
  struct trainer *trainer;
  struct ledger *ledger;
  struct rollout *rollout;
  struct dims dims;
  struct weights *weights[MAX_VERSIONS];  // by version
  pthread_mutex_t lock;
  pthread_cond_t event;
  int events;
  int commits;
  bool inexact;     // updates and steps broke eq. (1) at some commit
  double updates;   // at the start of this life
  bool no_figures;  // the rule's figures were not there though there were updates, or the reverse
  int issues[3];    // commits that issued no ticket, one, several
};

// ---- between trainer, replay and networks: the linker puts these there (tests.cmake) ----

enum err __real_updater_prepare(struct updater *u, const struct draws *draws);
enum err __wrap_updater_prepare(struct updater *u, const struct draws *draws);
void __real_replay_sample(const struct replay *r, struct batch *b, struct rng *rng);
void __wrap_replay_sample(const struct replay *r, struct batch *b, struct rng *rng);
void __real_outcome_loglik(struct outcome *m, float *loglik, const struct batch *b);
void __wrap_outcome_loglik(struct outcome *m, float *loglik, const struct batch *b);
const float *__real_mlp_forward(const struct mlp *net, struct mlp_tape *tape, int B);
const float *__wrap_mlp_forward(const struct mlp *net, struct mlp_tape *tape, int B);

void __real_rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index);
void __wrap_rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index);

enum { MAX_KEYS = 1024, STREAMS = RNG_PREFIT + 1 };
enum { MAX_NUMBERS = 16 * 2 };  // of one array of a minibatch of small_config

static int prepared;
static struct {
  bool on;
  struct updater *u;
  // the last minibatch, as replay gave it
  struct {
    float obs[MAX_NUMBERS], next_obs[MAX_NUMBERS], achieved[MAX_NUMBERS],
        next_achieved[MAX_NUMBERS], goal[MAX_NUMBERS];
  } raw;
  int desired;              // rows so far whose goal was box2d's own, to the bit
  int likelihoods, inputs;  // calls that have been looked at
  int changed;              // of them, those whose numbers were not the ones of replay
  int plain;                // forward passes whose rows were not the standardised ones
  float least, most;        // scales of goals, of the last preparation
} spy;

// how often a generator began, by stream and index; threads of an update count at once
static struct {
  atomic_bool on;
  atomic_int begun[STREAMS][MAX_KEYS];
  const float *_Atomic rows[MAX_KEYS];  // that RNG_BATCH drew, by index
} keys;

void __wrap_rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index) {
  __real_rng_init(r, seed, stream, index);
  if (atomic_load(&keys.on) && (int)stream < STREAMS && index < MAX_KEYS) {
    atomic_fetch_add(&keys.begun[stream][index], 1);
  }
}

enum err __wrap_updater_prepare(struct updater *u, const struct draws *draws) {
  prepared++;
  spy.u = u;
  const enum err err = __real_updater_prepare(u, draws);
  spy.least = INFINITY;
  spy.most = 0;
  for (int i = 0; i < u->scaling->goal; i++) {
    spy.least = fminf(spy.least, scaling_goal(u->scaling, i));
    spy.most = fmaxf(spy.most, scaling_goal(u->scaling, i));
  }
  return err;
}

void __wrap_replay_sample(const struct replay *r, struct batch *b, struct rng *rng) {
  struct rng want;
  for (uint64_t index = 0; atomic_load(&keys.on) && index < MAX_KEYS; index++) {
    __real_rng_init(&want, 0, RNG_BATCH, index);
    if (memcmp(&want, rng, sizeof want) == 0) {
      atomic_store(&keys.rows[index], b->obs);
    }
  }
  __real_replay_sample(r, b, rng);
  if (spy.on) {
    const size_t bytes = (size_t)b->B * 2 * sizeof(float);
    CHECK(bytes <= sizeof spy.raw.obs);
    memcpy(spy.raw.obs, b->obs, bytes);
    memcpy(spy.raw.next_obs, b->next_obs, bytes);
    memcpy(spy.raw.achieved, b->achieved, bytes);
    memcpy(spy.raw.next_achieved, b->next_achieved, bytes);
    memcpy(spy.raw.goal, b->goal, bytes);
    for (int i = 0; i < b->B; i++) {
      spy.desired += b->goal[2 * i] == 3.5f && b->goal[2 * i + 1] == 2.0f;
    }
  }
}

void __wrap_outcome_loglik(struct outcome *m, float *loglik, const struct batch *b) {
  if (spy.on) {
    const size_t bytes = (size_t)b->B * 2 * sizeof(float);
    spy.likelihoods++;
    spy.changed += memcmp(b->achieved, spy.raw.achieved, bytes) != 0 ||
                   memcmp(b->next_achieved, spy.raw.next_achieved, bytes) != 0 ||
                   memcmp(b->goal, spy.raw.goal, bytes) != 0;
  }
  __real_outcome_loglik(m, loglik, b);
}

// columns [at, at + 2) of the rows are this array, standardised by the scales from `from` on
static bool standardised(const float *rows, int width, int at, const float *raw, int from, int B) {
  const struct scaling *s = spy.u->scaling;
  bool same = true;
  for (int i = 0; i < B; i++) {
    for (int j = 0; j < 2; j++) {
      const float want = (raw[2 * i + j] - s->mean[from + j]) * s->inv[from + j];
      same &= rows[i * width + at + j] == want;
    }
  }
  return same;
}

const float *__wrap_mlp_forward(const struct mlp *net, struct mlp_tape *tape, int B) {
  if (spy.on) {
    const float *rows = mlp_input(tape);
    const int width = net->width[0];
    const struct net *outcome = spy.u->nets.at[spy.u->nets.n - 1];
    spy.inputs++;
    const bool state = standardised(rows, width, 0, spy.raw.obs, 0, B) ||
                       standardised(rows, width, 0, spy.raw.next_obs, 0, B);
    // after the state comes the goal, or the action of the outcome model
    const bool goal =
        net->theta == outcome->theta || standardised(rows, width, 2, spy.raw.goal, 2, B);
    spy.plain += !state || !goal;
  }
  return __real_mlp_forward(net, tape, B);
}

// ---- a life ----

static void on_notify(void *ctx) {
  struct bench *b = ctx;
  pthread_mutex_lock(&b->lock);
  b->events++;
  pthread_cond_signal(&b->event);
  pthread_mutex_unlock(&b->lock);
}

static void set(struct config *cfg, const char *assignment) {
  cr_assert_eq(config_set(cfg, assignment), ERR_OK);
}

static void small_config(struct config *cfg) {
  config_defaults(cfg);
  const char *const settings[] = {
      "run.steps=2500",       "net.hidden=8",
      "outcome.hidden=8",     "train.batch=16",
      "train.shards=1",       "eval.every=1000",
      "eval.episodes=3",      "train.warmup_steps=350",
      "ledger.window=400",    "train.updates_per_step=0.37",
      "checkpoint.every=700",
  };
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    set(cfg, settings[i]);
  }
}

static void open_life(struct bench *b, const char *folder) {
  cr_assert_eq(task_load(&b->task, source_path("%s", b->task_file)), ERR_OK);
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->event, NULL);
  b->dims = task_dims(b->task, (int)b->cfg.replay_hindsight_k);
  b->rollout = rollout_new(
      b->task, &(struct rollout_options){.least = 1, .random = 0.3, .repeat = 0.5, .hindsight = 4});
  cr_assert_eq(rundir_open(&b->run, folder, RESUME_AUTO, &b->cfg, b->task, "test"), ERR_OK);
  cr_assert_eq(
      trainer_new(&b->trainer, &b->cfg, b->task, &b->run, NULL, &(struct given){0}, on_notify, b),
      ERR_OK);
  const struct ledger_options opt = {.seed = (uint64_t)b->cfg.run_seed,
                                     .timeout_ms = 1000,
                                     .eval_episodes = (int)b->cfg.eval_episodes};
  const struct fold *fold = trainer_fold(b->trainer);
  b->ledger = ledger_new(&opt, fold);
  for (int i = 0; i < fold->nweights; i++) {
    b->weights[fold->weights[i]->version] = weights_ref(fold->weights[i]);
  }
  ledger_join(b->ledger, 0, 1, FOLD_MAX_OPEN);
  struct metrics m;
  double wait_s;
  trainer_metrics(b->trainer, &m, &wait_s);
  b->updates = m.updates;
  trainer_start(b->trainer);
}

static void close_life(struct bench *b) {
  trainer_free(b->trainer);
  ledger_free(b->ledger);
  rollout_free(b->rollout);
  rundir_close(&b->run);
  task_free(b->task);
  for (int i = 0; i < MAX_VERSIONS; i++) {
    weights_unref(b->weights[i]);
  }
  pthread_mutex_destroy(&b->lock);
  pthread_cond_destroy(&b->event);
}

// all that the imagined actor can do now
static void act(struct bench *b) {
  struct ticket t;
  while (ledger_assign(b->ledger, &t, 0, 0)) {
    struct episode *ep = episode_new(&b->dims);
    cr_assert_eq(rollout_run(b->rollout, ep, &t, b->weights[t.version], NULL), ERR_OK);
    episode_seal(ep);
    cr_assert_eq(ledger_answer(b->ledger, 0, &ep), LEDGER_ACCEPTED);
  }
  for (struct episode *ep; (ep = ledger_next(b->ledger)) != NULL;) {
    trainer_push(b->trainer, &ep);
  }
  struct episode *eps[8];
  uint64_t version;
  while (ledger_evaluated(b->ledger, eps, &version)) {
    struct evaluation e;
    evaluation_compute(&e, eps, (int)b->cfg.eval_episodes, b->task->success_radius,
                       b->task->success_counts);
    e.version = version;
    trainer_push_evaluation(b->trainer, &e);
    for (int64_t i = 0; i < b->cfg.eval_episodes; i++) {
      episode_free(eps[i]);
    }
  }
}

static void check_ratio(struct bench *b) {
  struct metrics m;
  double wait_s;
  trainer_metrics(b->trainer, &m, &wait_s);
  const double after = m.steps - (double)b->cfg.train_warmup_steps;
  b->inexact |= m.updates != (after > 0 ? floor(b->cfg.train_updates_per_step * after) : 0);
  // those of the rule that metrics.def has a column for, once this life has updated
  const double figures[] = {m.loss_q, m.loss_pi, m.alpha, m.q0, m.log_lik, m.nll, m.entropy};
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
    b->no_figures |= isnan(figures[i]) != (m.updates == b->updates);
  }
}

static struct trainer_event wait_event(struct bench *b) {
  struct trainer_event e;
  pthread_mutex_lock(&b->lock);
  while (b->events == 0) {
    pthread_cond_wait(&b->event, &b->lock);
  }
  b->events--;
  pthread_mutex_unlock(&b->lock);
  cr_assert(trainer_poll(b->trainer, &e));
  return e;
}

// lives until the run is finished, or has been stopped after so many commits of this life
static enum trainer_event_kind live(struct bench *b, const char *folder, int stop_after) {
  open_life(b, folder);
  enum trainer_event_kind end;
  bool stopping = false;
  do {
    act(b);
    const struct trainer_event e = wait_event(b);
    end = e.kind;
    if (e.kind == TRAINER_COMMITTED) {
      if (e.published != NULL) {
        b->weights[e.issue.version] = e.published;
      }
      // whoever keeps weights to send needs no older ones
      for (uint64_t v = 0; v < e.oldest; v++) {
        weights_unref(b->weights[v]);
        b->weights[v] = NULL;
      }
      ledger_committed(b->ledger, &e.issue);
      b->issues[e.issue.n < 2 ? e.issue.n : 2]++;
      if (e.evaluate) {
        cr_assert(ledger_evaluate(b->ledger, e.issue.version));
      }
      check_ratio(b);
      if (++b->commits >= stop_after && !stopping) {
        trainer_stop(b->trainer);
        stopping = true;
      }
    } else if (e.kind == TRAINER_COMPLETE) {
      ledger_finish(b->ledger);
    }
  } while (end == TRAINER_COMMITTED || end == TRAINER_COMPLETE);
  cr_assert_neq(end, TRAINER_FAILED);
  close_life(b);
  cr_assert_not(b->inexact, "eq. (1) holds at every commit");
  cr_assert_not(b->no_figures, "figures are there as soon as there are updates");
  return end;
}

static char *new_folder(void) {
  const char *tmp = getenv("TELOS_TEST_TMP");
  static char path[4096];
  cr_assert(tmp == NULL || fsio_mkdirs(tmp) == ERR_OK);
  snprintf(path, sizeof path, "%s/test_trainer_XXXXXX", tmp != NULL ? tmp : "/tmp");
  cr_assert_not_null(mkdtemp(path));
  return path;
}

struct file {
  void *data;
  size_t n;
};

static const char box2d[] = "actor/tasks/box2d.xml", short_episodes[] = "tests/tasks/short.xml";

// runs to the end in a folder, with a stop after every stop_after commits
static void train_in(const char *folder, const char *task, const struct config *cfg,
                     int stop_after) {
  cr_assert_eq(gemm_init(NET_BACKEND_AUTO, NET_PRECISION_F32), ERR_OK);
  log_set_level(LOG_WARN);
  int lives = 0, issues[3] = {0};
  prepared = 0;
  enum trainer_event_kind end;
  do {
    struct bench *b = must_alloc(1, sizeof *b);
    b->cfg = *cfg;
    b->task_file = task;
    end = live(b, folder, stop_after);
    cr_assert(++lives < 300);
    for (int i = 0; i < 3; i++) {
      issues[i] += b->issues[i];
    }
    free(b);
  } while (end == TRAINER_STOPPED);
  cr_assert_leq(prepared, 1, "prepared %d times in one run", prepared);
  cr_assert(stop_after > 1000 || lives > 2, "it was really stopped (%d lives)", lives);
  // the number of open tickets changes when the length of episodes does
  const bool varies = task == short_episodes;
  cr_assert_eq(issues[0] > 10, varies);
  cr_assert_eq(issues[2] > 10, varies);
}

// the bytes of the policy file; the folder is removed
static struct file take_policy(const char *folder) {
  struct file f;
  char *path = run_files_path(folder, "policy.safetensors");
  cr_assert_eq(fsio_read(&f.data, &f.n, path, 1 << 20), ERR_OK);
  free(path);
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
  return f;
}

static struct file train_task(const char *task, const struct config *cfg, int stop_after) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", new_folder());
  train_in(folder, task, cfg, stop_after);
  cr_assert_eq(prepared, 1);
  return take_policy(folder);
}

static struct file train(const struct config *cfg, int stop_after) {
  return train_task(box2d, cfg, stop_after);
}

static bool equal(const struct file *a, const struct file *b) {
  return a->n == b->n && memcmp(a->data, b->data, a->n) == 0;
}

Test(trainer, stops_and_resumes_change_nothing) {
  struct config cfg;
  small_config(&cfg);
  struct file straight = train(&cfg, INT32_MAX);
  // 25 episodes: stopped every 1st, 4th and 7th commit, in warm-up and after it
  const int every[] = {1, 4, 7};
  for (int i = 0; i < 3; i++) {
    struct file stopped = train(&cfg, every[i]);
    cr_assert(equal(&straight, &stopped), "stopped every %d commits", every[i]);
    free(stopped.data);
  }
  free(straight.data);
}

Test(trainer, stops_change_nothing_when_replay_is_full) {
  struct config cfg;
  small_config(&cfg);
  // the ring turns over twice, so that a resume rebuilds only what is still inside
  set(&cfg, "replay.capacity=1000");
  set(&cfg, "train.publish_every=300");
  struct file straight = train(&cfg, INT32_MAX), stopped = train(&cfg, 5);
  cr_assert(equal(&straight, &stopped));
  free(straight.data);
  free(stopped.data);
}

// episodes that end early: how many tickets are open, of which kind, is part of what a stop saves
Test(trainer, stops_change_nothing_when_lengths_vary) {
  struct config cfg;
  small_config(&cfg);
  set(&cfg, "train.publish_every=60");
  struct file straight = train_task(short_episodes, &cfg, INT32_MAX);
  const int every[] = {1, 7};
  for (int i = 0; i < 2; i++) {
    struct file stopped = train_task(short_episodes, &cfg, every[i]);
    cr_assert(equal(&straight, &stopped), "stopped every %d commits", every[i]);
    free(stopped.data);
  }
  free(straight.data);
}

// a finished run goes on when run.steps is raised, as if it had been that long from the start
Test(trainer, a_finished_run_can_be_continued) {
  struct config cfg;
  small_config(&cfg);
  struct file straight = train(&cfg, INT32_MAX);
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", new_folder());
  struct config shorter = cfg;
  set(&shorter, "run.steps=1300");
  train_in(folder, box2d, &shorter, INT32_MAX);
  train_in(folder, box2d, &cfg, INT32_MAX);
  struct file continued = take_policy(folder);
  cr_assert(equal(&straight, &continued));
  free(straight.data);
  free(continued.data);
}

Test(trainer, seed_and_settings_matter) {
  struct config cfg;
  small_config(&cfg);
  struct file base = train(&cfg, INT32_MAX);
  const char *const changes[] = {"run.seed=1", "agent.gamma=0.98", "ledger.window=500"};
  for (int i = 0; i < 3; i++) {
    struct config other = cfg;
    set(&other, changes[i]);
    struct file f = train(&other, INT32_MAX);
    cr_assert_not(equal(&base, &f), "%s", changes[i]);
    free(f.data);
  }
  free(base.data);
}

// what replay gives reaches the likelihood bit for bit, and networks only standardised
Test(trainer, likelihoods_see_raw_units_and_networks_standardised_ones) {
  struct config cfg;
  small_config(&cfg);
  set(&cfg, "run.steps=800");
  set(&cfg, "outcome.prefit=20");
  spy.on = true;
  struct file f = train(&cfg, INT32_MAX);
  spy.on = false;
  // the first fit, the preparation with an action drawn, then 166 updates: one pass of the outcome
  // model, two of the policy and six of critics
  cr_assert_eq(spy.likelihoods, 20 + 1 + 166);
  cr_assert_eq(spy.inputs, 20 + 2 + 166 * 9);
  cr_assert_eq(spy.changed, 0);
  cr_assert_eq(spy.plain, 0);
  cr_assert_gt(spy.desired, 300);
  // scales of metres, and not the identity
  cr_assert(spy.least > 0.2f && spy.most < 4 && spy.most != 1, "%g %g", (double)spy.least,
            (double)spy.most);
  free(f.data);
}

// The formula of trainer.h, and that of the noise: part i of batch u, of 4, has key 4 u + i.
Test(trainer, parts_of_a_minibatch_have_keys_of_their_own) {
  enum { PARTS = 4, ROWS = 16 / PARTS, OBS = 2, UPDATES = 18 };
  struct config cfg;
  small_config(&cfg);
  set(&cfg, "run.steps=400");
  set(&cfg, "train.shards=4");
  set(&cfg, "learner.threads=3");
  set(&cfg, "outcome.prefit=5");
  atomic_store(&keys.on, true);
  struct file f = train(&cfg, INT32_MAX);
  atomic_store(&keys.on, false);
  free(f.data);
  for (int k = 0; k < PARTS * UPDATES; k++) {
    // the preparation sees the first minibatch, too, and takes its noise from key 0
    cr_assert_eq(keys.begun[RNG_BATCH][k], k < PARTS ? 2 : 1, "key %d", k);
    cr_assert_eq(keys.begun[RNG_UPDATE][k], k == 0 ? 2 : 1, "key %d", k);
    cr_assert_eq(keys.begun[RNG_PREFIT][k], k < 5 * PARTS, "key %d", k);
    cr_assert_eq(keys.rows[k], keys.rows[0] + k % PARTS * ROWS * OBS, "key %d", k);
  }
  cr_assert_eq(keys.begun[RNG_BATCH][PARTS * UPDATES], 0);
  cr_assert_eq(keys.begun[RNG_UPDATE][PARTS * UPDATES], 0);
}

// no row has the goal of its rollout, or every row has: one fixed goal that does not vary at all
Test(trainer, hindsight_may_be_all_or_nothing) {
  const char *const share[] = {"replay.hindsight=0", "replay.hindsight=1"};
  for (int i = 0; i < 2; i++) {
    struct config cfg;
    small_config(&cfg);
    set(&cfg, "run.steps=2000");
    set(&cfg, share[i]);
    spy.desired = 0;
    spy.on = true;
    struct file f = train(&cfg, INT32_MAX);
    spy.on = false;
    cr_assert_eq(spy.desired > 0, i == 0);
    cr_assert(spy.least > 0.1f && spy.most < 4, "%s: %g %g", share[i], (double)spy.least,
              (double)spy.most);
    free(f.data);
  }
}
