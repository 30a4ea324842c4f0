// ledger.h - tickets: issue, reorder, in-order commit, re-issue, audit.
//
// Pure logic: no sockets, no clock (now_ms is an argument), no threads. One owner.
//
//   ticket k        seed = f(run seed, k); its version and kind are fixed when it is issued
//   issue           how many tickets, of which kind and version, and when, is the fold's to decide:
//                   those that are open at the start, and with each commit none or several
//   life            open -> assigned to an actor -> answered -> final -> taken -> committed
//   commit          strictly in the order of ids; whoever answered, whenever
//   identity        an actor is its name, a number that the caller gives at ledger_join: who leaves
//                   and joins again under the same name, at whatever index, is the same actor and
//                   cannot confirm its own earlier answer
//   re-issue        a lost actor or a timeout makes its tickets assignable again; an answer that
//                   arrives late is as good as any other, and so is one from an actor that the
//                   ticket was never assigned to (sent again after a reconnect). Who let it time
//                   out is, among several actors, the last to get it again: after one more timeout
//   audit           a deterministic share of training tickets (rng stream RNG_AUDIT) is final only
//                   when two DIFFERENT actors gave equal digests. When digests disagree, more
//                   actors are asked until two agree. Too few actors: the ticket waits
//                   (audit_waiting). Evaluations are not audited
//   faulty          who disagreed with the two that agree, then or later. It is reported once, if
//                   it is still here; it gets no more tickets, its answers are LEDGER_UNKNOWN, and
//                   everything of its own that is neither taken nor confirmed by an audit is
//                   dropped and issued again
//   exactly once    the first final answer of an id commits; later ones are compared by digest
//                   with it and dropped; remembered are 4 x as many commits as tickets can be open
//   evaluation      batches of tickets with a fixed seed list (seed, index) at a stated version;
//                   handed out in issue order among training tickets, collected separately, never
//                   waited for by training. A resumed run issues its pending ones again
//
// Consequences, proved by tests/unit/test_ledger.c over random schedules: the committed sequence
// of (id, seed, version) does not depend on actors, delays, losses, duplicates or crashes; with
// every ticket audited, neither do the committed digests, as long as wrong answers do not agree
// with each other; and as long as enough actors stay (one; two where there are audits), it never
// stops.
//
// Cost: ledger_wants is O(1). ledger_assign and ledger_answer are O(1) as a rule and O(open +
// evaluation tickets) at worst, which is also the cost of leave, expire, finish and counts. Only
// ledger_new allocates.
// Misuse (an index without a join, a commit without a take) aborts through CHECK.
#ifndef LEARNER_LEDGER_H
#define LEARNER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/episode.h"

struct fold;
struct fold_issue;
struct ledger;

enum {
  LEDGER_MAX_ACTORS = 4096,
  LEDGER_MAX_ANSWERS = 8,  // kept while they all disagree; then the oldest makes room
};

struct ledger_options {
  uint64_t seed;       // run seed
  double audit;        // share in [0, 1]
  int64_t timeout_ms;  // assigned tickets are assignable again after this
  int eval_episodes;   // tickets of one evaluation, at least 1
};

// Goes on where the fold stands, fresh or resumed: its open tickets are open here, the evaluations
// that it owes are issued; when it is complete, there are no training tickets. The fold is read in
// this call alone.
struct ledger *ledger_new(const struct ledger_options *opt, const struct fold *fold);
void ledger_free(struct ledger *l);  // NULL is allowed

// Actors by a small index that the caller chooses, 0 <= actor < LEDGER_MAX_ACTORS, free now.
// name: who it is, across leaving and joining again; no two actors that are here share one.
// slots: how many tickets it may hold at once, at least 1. It holds a ticket until it answers it,
// the ticket times out, or the ticket becomes final by answers of others.
void ledger_join(struct ledger *l, int actor, uint64_t name, int slots);
// Gone (lost, bye or refused): its assigned tickets are assignable again. The index may be reused
// by a newcomer only after this. Answers it gave stay, unless it was found faulty.
void ledger_leave(struct ledger *l, int actor);

// The next ticket for this actor, oldest first, or false: nothing for it now. An audited ticket is
// not given to an actor that has answered or holds it.
bool ledger_assign(struct ledger *l, struct ticket *out, int actor, int64_t now_ms);

// How many tickets this actor holds.
int ledger_held(const struct ledger *l, int actor);

// Whether any ticket needs an actor now: while none does, ledger_assign has nothing for anyone.
bool ledger_wants(const struct ledger *l);

// Make tickets assigned longer than timeout_ms assignable again. Returns how many assignments
// ended.
int ledger_expire(struct ledger *l, int64_t now_ms);

enum ledger_verdict {
  LEDGER_ACCEPTED,   // kept; it may or may not be final yet
  LEDGER_DUPLICATE,  // agrees with the final answer, or with this actor's own: dropped
  LEDGER_UNKNOWN,    // no such open or remembered ticket, or seed, version or kind differ, or the
                     // actor was found faulty: dropped
  LEDGER_MISMATCH,   // disagrees with the final answer, or with this actor's own: dropped. Faulty
                     // for certain only if ledger_faulty says so: without an audit either may be
};

// An answer, a sealed episode. Takes *ep (and NULLs it) when LEDGER_ACCEPTED, else leaves it to the
// caller.
enum ledger_verdict ledger_answer(struct ledger *l, int actor, struct episode **ep);

// An actor found faulty that was not reported yet, or -1; call it after every ledger_answer. The
// caller refuses it and calls ledger_leave.
int ledger_faulty(struct ledger *l);

// The next episode in commit order when it is final, else NULL; the caller owns it. Each id is
// returned once; all that are open can be out before ledger_committed.
struct episode *ledger_next(struct ledger *l);

// The fold of the oldest episode taken by ledger_next is done: its ticket is committed, and what
// the fold issues (versions never fall) is open.
void ledger_committed(struct ledger *l, const struct fold_issue *issue);

// No more training tickets: open ones are dropped, except taken ones, which still commit.
// Evaluations go on.
void ledger_finish(struct ledger *l);

// Issue an evaluation of version. False when FOLD_MAX_EVALS are pending.
bool ledger_evaluate(struct ledger *l, uint64_t version);
// The oldest pending evaluation when it is complete: fills eps (eval_episodes pointers, in index
// order, the caller's to free) and its version; it is pending no more. Evaluations are returned in
// the order of ledger_evaluate. False when the oldest is not complete.
bool ledger_evaluated(struct ledger *l, struct episode **eps, uint64_t *version);
int ledger_evals_pending(const struct ledger *l);

struct ledger_counts {
  int open;                // training tickets issued and not committed
  int assigned, answered;  // of those: held by an actor; with an answer kept or taken
  int audit_waiting;       // of those: audits that need an actor who is not here
  uint64_t reissued;       // assignments and answers that ended without a result
  uint64_t duplicates;     // verdicts LEDGER_DUPLICATE
  uint64_t mismatches;     // verdicts LEDGER_MISMATCH and answers that lost an audit
  uint64_t audits;         // audited tickets made final
};
struct ledger_counts ledger_counts(const struct ledger *l);

#endif
