// test_pool.c - the tickets that an actor holds, through its rollout threads and back.
#include <criterion/criterion.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "actor/desk.h"
#include "actor/pool.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/task/task.h"
#include "proto/wire.h"
#include "tests/unit/source.h"

enum { THREADS = 2, RUN = 77, POLL_MS = 1, MAX_POLLS = 60000 };

static struct task *task;
static struct desk *desk;
static struct pool *pool;
static struct wire_decoder *decoder;
static struct weights *weights;
static atomic_int wakes;

static const struct rollout_options plain = {.random = 0.2, .repeat = 0.3, .hindsight = 4};

static void wake(void *ctx) {
  atomic_fetch_add((atomic_int *)ctx, 1);
}

static void set_up(void) {
  task = source_task("box2d");
  desk = desk_new();
  pool = pool_new(THREADS, desk, wake, &wakes);
  const struct dims dims = task_dims(task, plain.hindsight);
  decoder = wire_decoder_new(&dims, 1 << 20);
  const int width[3] = {4, 8, 4};
  float data[4 * 8 + 8 + 8 * 4 + 4];
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, 0);
  rng_fill_uniform(&rng, data, sizeof data / sizeof *data, -0.3f, 0.3f);
  weights = weights_new(1, width, 2, data);
}

static void tear_down(void) {
  pool_forget_all(pool);
  cr_assert(pool_free(pool));
  desk_free(desk);
  weights_unref(weights);
  wire_decoder_free(decoder);
  task_free(task);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

static struct ticket ticket_of(uint64_t id, enum ticket_kind kind) {
  return (struct ticket){.id = id, .seed = 31 * id + 5, .version = 1, .kind = kind};
}

static void take(uint64_t id, enum ticket_kind kind) {
  const struct ticket t = ticket_of(id, kind);
  cr_assert(pool_take(pool, &t));
}

// answers that were handed over, by their tickets
struct sent {
  int n, most;
  struct ticket tickets[64];
  uint64_t digests[64], run;
};

static bool note(void *ctx, const void *frame, size_t n) {
  struct sent *s = ctx;
  struct wire_msg msg;
  if (s->n == s->most) {
    return false;
  }
  cr_assert_eq(wire_decode(decoder, &msg, frame, n), ERR_OK, "%s", wire_fault(decoder));
  cr_assert_eq(msg.type, WIRE_EPISODE);
  s->run = msg.episode.run;
  s->digests[s->n] = msg.episode.episode->digest;
  s->tickets[s->n++] = msg.episode.episode->ticket;
  episode_free(msg.episode.episode);
  return true;
}

// waits until n answers were handed over, at most `most`
static struct sent collect(int n, int most) {
  struct sent s = {.most = most};
  for (int i = 0; i < MAX_POLLS && s.n < n; i++) {
    cr_assert_eq(pool_collect(pool), ERR_OK);
    pool_send(pool, note, &s);
    poll(NULL, 0, POLL_MS);
  }
  cr_assert_eq(s.n, n);
  return s;
}

static void settle_all(const struct sent *s) {
  for (int i = 0; i < s->n; i++) {
    pool_settle(pool, s->tickets[i].id, s->tickets[i].kind);
  }
}

Test(pool, answers_are_the_episodes_of_their_tickets) {
  pool_set_run(pool, RUN, task, &plain, 0);
  weights_ref(weights);
  desk_put(desk, weights);
  static const enum ticket_kind kinds[] = {TICKET_WARMUP, TICKET_TRAIN, TICKET_EVAL};
  for (uint64_t id = 0; id < 12; id++) {
    take(id, kinds[id % 3]);
  }
  const struct sent s = collect(12, 64);
  cr_assert_eq(s.run, RUN);
  cr_assert_geq(atomic_load(&wakes), 12);
  struct rollout *r = rollout_new(task, &plain);
  const struct dims dims = task_dims(task, plain.hindsight);
  struct episode *ep = episode_new(&dims);
  for (int i = 0; i < s.n; i++) {
    cr_assert_eq(rollout_run(r, ep, &s.tickets[i], weights, NULL), ERR_OK);
    cr_assert_eq(s.digests[i], episode_seal(ep), "ticket %d", (int)s.tickets[i].id);
  }
  cr_assert_eq(pool_steps(pool), 12u * (uint64_t)task->horizon);
  episode_free(ep);
  rollout_free(r);
  // an answer is handed over once, and kept until it is settled
  struct sent again = {.most = 64};
  pool_send(pool, note, &again);
  cr_assert_eq(again.n, 0);
  cr_assert_not(pool_is_empty(pool));
  settle_all(&s);
  cr_assert(pool_is_empty(pool));
}

Test(pool, a_ticket_waits_for_its_weights) {
  pool_set_run(pool, RUN, task, &plain, 0);
  take(0, TICKET_TRAIN);
  take(1, TICKET_WARMUP);
  struct sent s = collect(1, 64);
  cr_assert_eq(s.tickets[0].id, 1, "a warm-up needs none");
  cr_assert_eq(desk_ask(desk, 0, 1), 1);
  weights_ref(weights);
  cr_assert(desk_put(desk, weights));
  pool_start(pool, weights);
  s = collect(1, 64);
  cr_assert_eq(s.tickets[0].id, 0);
  // the answered one names its weights no longer: two newer ones push them out
  for (uint64_t v = 2; v <= 3; v++) {
    desk_put(desk, weights_new(v, weights->width, 2, weights->data));
  }
  cr_assert_null(desk_name(desk, 1));
  desk_unname(desk, 1);
}

Test(pool, what_was_not_taken_comes_again) {
  pool_set_run(pool, RUN, task, &plain, 0);
  for (uint64_t id = 0; id < 4; id++) {
    take(id, TICKET_WARMUP);
  }
  // one a time: the other side's queue is full
  struct sent all = {.n = 0};
  for (int i = 0; i < 4; i++) {
    const struct sent s = collect(1, 1);
    all.tickets[all.n++] = s.tickets[0];
  }
  // issued again: the answer did not arrive
  take(2, TICKET_WARMUP);
  const struct sent s = collect(1, 64);
  cr_assert_eq(s.tickets[0].id, 2);
  // back at the same run, nobody knows what arrived
  pool_set_run(pool, RUN, task, &plain, 0);
  const struct sent again = collect(4, 64);
  settle_all(&again);
  cr_assert(pool_is_empty(pool));
}

Test(pool, another_run_or_other_options_forget_all) {
  pool_set_run(pool, RUN, task, &plain, 0);
  take(0, TICKET_WARMUP);
  take(1, TICKET_TRAIN);
  collect(1, 64);
  pool_set_run(pool, RUN + 1, task, &plain, 0);
  cr_assert(pool_is_empty(pool));
  cr_assert_eq(desk_ask(desk, 0, 1), 0, "nobody waits for its weights");
  take(0, TICKET_WARMUP);
  struct sent s = collect(1, 64);
  cr_assert_eq(s.run, RUN + 1);
  const uint64_t before = s.digests[0];
  const struct rollout_options other = {.random = 1, .repeat = 0.3, .hindsight = 4};
  pool_set_run(pool, RUN + 1, task, &other, 0);
  cr_assert(pool_is_empty(pool));
  // what is new is run with the new options
  weights_ref(weights);
  desk_put(desk, weights);
  take(0, TICKET_TRAIN);
  s = collect(1, 64);
  cr_assert_neq(s.digests[0], before);
  struct rollout *r = rollout_new(task, &other);
  const struct dims dims = task_dims(task, other.hindsight);
  struct episode *ep = episode_new(&dims);
  cr_assert_eq(rollout_run(r, ep, &s.tickets[0], weights, NULL), ERR_OK);
  cr_assert_eq(s.digests[0], episode_seal(ep));
  episode_free(ep);
  rollout_free(r);
}

Test(pool, a_ticket_of_the_same_number_replaces_the_one_before) {
  pool_set_run(pool, RUN, task, &plain, 0);
  take(3, TICKET_TRAIN);
  const struct ticket t = {.id = 3, .seed = 999, .version = 1, .kind = TICKET_TRAIN};
  cr_assert(pool_take(pool, &t));
  weights_ref(weights);
  desk_put(desk, weights);
  pool_start(pool, weights);
  const struct sent s = collect(1, 64);
  cr_assert_eq(s.tickets[0].seed, 999);
  settle_all(&s);
  cr_assert(pool_is_empty(pool));
}

Test(pool, a_flood_of_tickets_is_bounded) {
  pool_set_run(pool, RUN, task, &plain, 0);
  int taken = 0;
  for (uint64_t id = 0; id < 1000; id++) {
    const struct ticket t = ticket_of(id, TICKET_TRAIN);
    taken += pool_take(pool, &t);
  }
  cr_assert_eq(taken, 8 * pool_slots(pool));
  // and there is room again when they are gone
  pool_forget_all(pool);
  cr_assert(pool_is_empty(pool));
  take(0, TICKET_WARMUP);
  collect(1, 64);
}

Test(pool, an_impossible_simulation_is_an_error) {
  static const char xml[] =
      "<mujoco model='u'><option timestep='0.1'/>"
      "<custom><numeric name='telos.horizon' data='50'/><numeric name='telos.frame_skip' "
      "data='50'/>"
      "<numeric name='telos.reset_noise' data='0.5'/><numeric name='telos.goal' data='0'/></custom>"
      "<worldbody><body><joint name='x' type='slide'/><geom size='0.1' "
      "mass='1'/></body></worldbody>"
      "<actuator><velocity joint='x' kv='100'/></actuator>"
      "<sensor><jointpos name='obs.x' joint='x'/><jointpos name='goal.x' joint='x'/></sensor>"
      "</mujoco>";
  log_set_level(LOG_ERROR);
  struct task *unstable;
  cr_assert_eq(task_from_xml(&unstable, xml, sizeof xml - 1, "test"), ERR_OK);
  pool_set_run(pool, RUN, unstable, &plain, 0);
  take(0, TICKET_WARMUP);
  enum err err = ERR_OK;
  for (int i = 0; i < MAX_POLLS && err == ERR_OK; i++) {
    poll(NULL, 0, POLL_MS);
    err = pool_collect(pool);
  }
  cr_assert_eq(err, ERR_NUMERIC);
  pool_forget_all(pool);
  cr_assert(pool_is_empty(pool));
  // the threads end before the task does
  cr_assert(pool_free(pool));
  task_free(unstable);
  pool = pool_new(THREADS, desk, wake, &wakes);
}

Test(pool, idle_threads_are_sound) {
  pool_set_run(pool, RUN, task, &plain, 1000);
  cr_assert(pool_is_sound(pool, 1000000, 10), "nobody holds a ticket");
  take(0, TICKET_WARMUP);
  const struct sent s = collect(1, 64);
  settle_all(&s);
  cr_assert(pool_is_sound(pool, 2000000, 10));
}
