// pool.h - the rollout threads, and the tickets that this actor holds.
//
// Life of a ticket: waiting (for its weights) -> started (queued, or at a rollout thread) ->
// answered (encoded as a frame; kept until the learner acknowledges it). A ticket's episode is the
// same whenever it is computed: after a reconnection to the same run, answers are sent again, and
// rollouts go on.
//
// The loop thread calls everything. A rollout thread owns a job from its start to its result; tasks
// and weights are shared, and only read.
#ifndef ACTOR_POOL_H
#define ACTOR_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor/rollout.h"
#include "common/base/err.h"
#include "common/ticket.h"

struct desk;
struct pool;

// wake(ctx) is called on a rollout thread when a result is there for pool_collect. The desk is told
// which versions the tickets name.
struct pool *pool_new(int threads, struct desk *desk, void (*wake)(void *ctx), void *ctx);

// Ends the threads; call pool_forget_all before. False when one does not come to the end of its
// episode: it still uses the pool, the task and the desk's weights, so none of them may be freed.
bool pool_free(struct pool *p);

int pool_slots(const struct pool *p);  // tickets that it wants to hold

// After each welcome: of what run the tickets are that come next, and how they are answered. The
// first call starts the threads; task (borrowed) is the same in all calls.
// Same run, same options: what no thread has begun is given back, since the learner issues it
// again, perhaps to others; whether it has our answers is unknown, so all are sent again. Else
// everything is given back, and the desk's weights are dropped.
void pool_set_run(struct pool *p, uint64_t run, const struct task *task,
                  const struct rollout_options *opt, int64_t now_ms);

// A ticket: starts it when it needs no weights, or when they are here. One that is held already was
// issued again, so its answer, if there is one, is sent again. False: there is no room for it.
bool pool_take(struct pool *p, const struct ticket *t);

// Starts the tickets that wait for these weights (borrowed).
void pool_start(struct pool *p, struct weights *w);

// Takes the results of the rollout threads. An error is that of a rollout (logged): every other
// actor would meet it as well.
NODISCARD enum err pool_collect(struct pool *p);

// Hands over the answers that are not sent yet, until send returns false.
void pool_send(struct pool *p, bool (*send)(void *ctx, const void *frame, size_t n), void *ctx);

// The learner has settled this ticket.
void pool_settle(struct pool *p, uint64_t id, enum ticket_kind kind);

// Gives back all tickets. Those at a rollout thread end without being answered.
void pool_forget_all(struct pool *p);

// No rollout thread works on a ticket, and none is held.
bool pool_is_empty(const struct pool *p);

// Has every busy thread made a step within limit_ms? When that turns to no, it is logged.
bool pool_is_sound(struct pool *p, int64_t now_ms, int64_t limit_ms);

uint64_t pool_steps(const struct pool *p);    // env steps done
uint64_t pool_busy_ms(const struct pool *p);  // CPU time of the rollout threads

#endif
