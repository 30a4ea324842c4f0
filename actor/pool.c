// pool.c - jobs between the loop and the rollout threads.
//
// A job is the loop's, except between start and result: then it is one rollout thread's, or lies in
// a queue. `held` lists the jobs whose answers somebody waits for. A job that is given back while a
// thread has it leaves the list as cancelled, and is freed when it comes back.
//
// The rollout thread also encodes the answer, so that the loop only sends bytes.
#include "actor/pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actor/desk.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/now.h"
#include "common/base/queue.h"
#include "common/task/task.h"
#include "proto/wire.h"

enum {
  SLOTS_PER_THREAD = 2,  // one to work on, one to go on with
  JOBS_PER_SLOT = 8,     // bound of what a learner can make us hold
  JOIN_NS = 100000000,   // for threads that have nothing left to do
};

enum job_state { JOB_WAITING, JOB_STARTED, JOB_ANSWERED };

struct job {
  struct ticket ticket;
  uint64_t run;
  struct rollout_options opt;
  struct weights *weights;  // one reference; NULL: a warm-up, or none yet
  atomic_bool cancelled;    // nobody waits for the result
  // the result
  enum err err;
  void *frame;
  size_t frame_size;
  // the loop's alone
  enum job_state state;
  bool names_version;  // the desk was told so
  bool sent;
};

struct thread {
  struct pool *pool;
  pthread_t id;
  _Atomic uint64_t steps;   // env steps done
  _Atomic uint64_t turns;   // odd while it works on a job
  _Atomic uint64_t cpu_ns;  // its CPU time at the end of its last job
  uint64_t seen;            // loop: steps + turns when they last changed ..
  int64_t seen_ms;          // .. and when that was
};

struct pool {
  struct desk *desk;
  void (*wake)(void *ctx);
  void *ctx;
  const struct task *task;  // NULL before the first pool_set_run
  uint64_t run;
  struct rollout_options opt;
  struct thread *threads;
  int nthreads;
  bool running;  // the threads were started
  bool stuck;    // a thread that makes no steps has been logged
  struct queue *started, *results;
  struct job **held;
  int nheld;
  int njobs, max_jobs;  // held and cancelled
};

// ---- rollout threads ----

// what a thread works with
struct tools {
  struct rollout *rollout;
  struct rollout_options opt;  // of rollout
  struct wire_encoder *encoder;
};

static void run_job(struct tools *tools, struct job *job, struct thread *t) {
  const struct task *task = t->pool->task;
  // another run may explore differently
  if (tools->rollout == NULL || !rollout_same_options(&tools->opt, &job->opt)) {
    rollout_free(tools->rollout);
    tools->opt = job->opt;
    tools->rollout = rollout_new(task, &job->opt);
  }
  const struct dims dims = task_dims(task, job->opt.hindsight);
  struct episode *ep = episode_new(&dims);
  job->err = rollout_run(tools->rollout, ep, &job->ticket, job->weights, &t->steps);
  if (job->err == ERR_OK) {
    episode_seal(ep);
    const struct wire_msg msg = {.type = WIRE_EPISODE, .episode = {job->run, ep}};
    const void *frame = wire_encode(tools->encoder, &job->frame_size, &msg);
    job->frame = must_alloc(job->frame_size, 1);
    memcpy(job->frame, frame, job->frame_size);
  }
  episode_free(ep);
}

static void *thread_main(void *arg) {
  struct thread *t = arg;
  struct pool *p = t->pool;
  struct tools tools = {.encoder = wire_encoder_new()};
  for (struct job *job; (job = queue_wait(p->started)) != NULL;) {
    atomic_fetch_add_explicit(&t->turns, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      run_job(&tools, job, t);
      atomic_store_explicit(&t->cpu_ns, (uint64_t)(1e9 * now_cpu_s()), memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&t->turns, 1, memory_order_relaxed);
    queue_push(p->results, job);
    p->wake(p->ctx);
  }
  rollout_free(tools.rollout);
  wire_encoder_free(tools.encoder);
  return NULL;
}

static void start_threads(struct pool *p, int64_t now_ms) {
  for (int i = 0; i < p->nthreads; i++) {
    struct thread *t = &p->threads[i];
    t->pool = p;
    t->seen_ms = now_ms;
    must_thread(&t->id, thread_main, t);
  }
  p->running = true;
}

// ---- life ----

struct pool *pool_new(int threads, struct desk *desk, void (*wake)(void *ctx), void *ctx) {
  struct pool *p = must_alloc(1, sizeof *p);
  p->desk = desk;
  p->wake = wake;
  p->ctx = ctx;
  p->nthreads = threads;
  p->threads = must_alloc((size_t)threads, sizeof *p->threads);
  p->max_jobs = JOBS_PER_SLOT * pool_slots(p);
  p->held = must_alloc((size_t)p->max_jobs, sizeof(struct job *));
  p->started = queue_new((size_t)p->max_jobs);
  p->results = queue_new((size_t)p->max_jobs);
  return p;
}

static void job_free(struct pool *p, struct job *job) {
  weights_unref(job->weights);
  free(job->frame);
  free(job);
  p->njobs--;
}

static bool join_threads(struct pool *p) {
  struct timespec deadline;
  CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
  deadline.tv_nsec += JOIN_NS;
  if (deadline.tv_nsec >= 1000000000) {
    deadline.tv_sec++;
    deadline.tv_nsec -= 1000000000;
  }
  bool all = true;
  for (int i = 0; p->running && i < p->nthreads; i++) {
    all = pthread_timedjoin_np(p->threads[i].id, NULL, &deadline) == 0 && all;
  }
  return all;
}

bool pool_free(struct pool *p) {
  queue_close(p->started);
  if (!join_threads(p)) {
    log_debug("a rollout thread is left in its episode");
    return false;
  }
  for (struct job *job; (job = queue_pop(p->results)) != NULL;) {
    job_free(p, job);
  }
  queue_free(p->started);
  queue_free(p->results);
  free(p->held);
  free(p->threads);
  free(p);
  return true;
}

int pool_slots(const struct pool *p) {
  return SLOTS_PER_THREAD * p->nthreads;
}

// ---- jobs ----

static void unname(struct pool *p, struct job *job) {
  if (job->names_version) {
    job->names_version = false;
    desk_unname(p->desk, job->ticket.version);
  }
}

// Takes held[i] off the list. One that a rollout thread has comes back among the results.
static void forget(struct pool *p, int i) {
  struct job *job = p->held[i];
  p->held[i] = p->held[--p->nheld];
  unname(p, job);
  if (job->state == JOB_STARTED) {
    atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
  } else {
    job_free(p, job);
  }
}

static int find_ticket(const struct pool *p, uint64_t id, enum ticket_kind kind) {
  for (int i = 0; i < p->nheld; i++) {
    if (p->held[i]->ticket.id == id && p->held[i]->ticket.kind == kind) {
      return i;
    }
  }
  return -1;
}

static void start(struct pool *p, struct job *job, struct weights *w) {
  job->weights = w != NULL ? weights_ref(w) : NULL;
  job->state = JOB_STARTED;
  queue_push(p->started, job);
}

bool pool_take(struct pool *p, const struct ticket *t) {
  const int i = find_ticket(p, t->id, t->kind);
  if (i >= 0 && p->held[i]->ticket.seed == t->seed && p->held[i]->ticket.version == t->version) {
    p->held[i]->sent = false;
    return true;
  }
  if (i >= 0) {
    forget(p, i);
  }
  if (p->njobs >= p->max_jobs) {
    return false;
  }
  struct job *job = must_alloc(1, sizeof *job);
  job->ticket = *t;
  job->run = p->run;
  job->opt = p->opt;
  p->held[p->nheld++] = job;
  p->njobs++;
  if (t->kind == TICKET_WARMUP) {
    start(p, job, NULL);
    return true;
  }
  struct weights *w = desk_name(p->desk, t->version);
  job->names_version = true;
  if (w != NULL) {
    start(p, job, w);
  }
  return true;
}

void pool_start(struct pool *p, struct weights *w) {
  for (int i = 0; i < p->nheld; i++) {
    struct job *job = p->held[i];
    if (job->state == JOB_WAITING && job->ticket.version == w->version) {
      start(p, job, w);
    }
  }
}

enum err pool_collect(struct pool *p) {
  for (struct job *job; (job = queue_pop(p->results)) != NULL;) {
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      job_free(p, job);
      continue;
    }
    // back from its thread
    job->state = JOB_ANSWERED;
    weights_unref(job->weights);
    job->weights = NULL;
    unname(p, job);
    if (job->err != ERR_OK) {
      return job->err;
    }
  }
  return ERR_OK;
}

void pool_send(struct pool *p, bool (*send)(void *ctx, const void *frame, size_t n), void *ctx) {
  for (int i = 0; i < p->nheld; i++) {
    struct job *job = p->held[i];
    if (job->state == JOB_ANSWERED && !job->sent) {
      if (!send(ctx, job->frame, job->frame_size)) {
        return;
      }
      job->sent = true;
    }
  }
}

void pool_settle(struct pool *p, uint64_t id, enum ticket_kind kind) {
  const int i = find_ticket(p, id, kind);
  if (i >= 0) {
    forget(p, i);
  }
}

// Takes what no thread has begun out of the queue: it waits again.
static void unstart(struct pool *p) {
  for (struct job *job; (job = queue_pop(p->started)) != NULL;) {
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
      job_free(p, job);
    } else {
      job->state = JOB_WAITING;
    }
  }
}

static void recall(struct pool *p) {
  unstart(p);
  for (int i = p->nheld - 1; i >= 0; i--) {
    if (p->held[i]->state == JOB_WAITING) {
      forget(p, i);
    } else {
      p->held[i]->sent = false;
    }
  }
}

void pool_forget_all(struct pool *p) {
  unstart(p);
  while (p->nheld > 0) {
    forget(p, p->nheld - 1);
  }
}

void pool_set_run(struct pool *p, uint64_t run, const struct task *task,
                  const struct rollout_options *opt, int64_t now_ms) {
  CHECK(p->task == NULL || p->task == task);
  if (run == p->run && rollout_same_options(opt, &p->opt)) {
    recall(p);
  } else {
    pool_forget_all(p);
    desk_clear(p->desk);
  }
  p->run = run;
  p->task = task;
  p->opt = *opt;
  if (!p->running) {
    start_threads(p, now_ms);
  }
}

bool pool_is_empty(const struct pool *p) {
  return p->njobs == 0;
}

// ---- what the threads do ----

bool pool_is_sound(struct pool *p, int64_t now_ms, int64_t limit_ms) {
  bool sound = true;
  for (int i = 0; p->running && i < p->nthreads; i++) {
    struct thread *t = &p->threads[i];
    const uint64_t turns = atomic_load_explicit(&t->turns, memory_order_relaxed);
    const uint64_t seen = turns + atomic_load_explicit(&t->steps, memory_order_relaxed);
    if (turns % 2 == 0 || seen != t->seen) {
      t->seen = seen;
      t->seen_ms = now_ms;
    }
    sound = sound && now_ms - t->seen_ms <= limit_ms;
  }
  if (!sound && !p->stuck) {
    log_warn("a rollout thread has made no step for %" PRId64
             " ms; heartbeats stop until it does, its tickets go to others",
             limit_ms);
  }
  p->stuck = !sound;
  return sound;
}

uint64_t pool_steps(const struct pool *p) {
  uint64_t steps = 0;
  for (int i = 0; i < p->nthreads; i++) {
    steps += atomic_load_explicit(&p->threads[i].steps, memory_order_relaxed);
  }
  return steps;
}

uint64_t pool_busy_ms(const struct pool *p) {
  uint64_t ns = 0;
  for (int i = 0; i < p->nthreads; i++) {
    ns += atomic_load_explicit(&p->threads[i].cpu_ns, memory_order_relaxed);
  }
  return ns / 1000000;
}
