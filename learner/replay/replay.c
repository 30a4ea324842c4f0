// replay.c - two rings and a list of episodes.
//
// An episode takes T + 2 consecutive rows: one that begins with its desired goal, then its T + 1
// states. So everything about a transition is found from its row and its time alone: successor
// (row + 1), hindsight goals (row - t + j), rollout goal (row - t - 1).
//
// What leaves depends on the lengths of the episodes alone, never on positions in the rings: the
// oldest while steps + T > capacity or episodes + 1 > max_episodes. A learner that resumes with
// only the surviving episodes therefore goes on exactly as if it had never stopped. An episode
// longer than capacity stays, alone.
//
// The row ring is sized so that this rule always leaves room. Live rows after an insertion are at
// most capacity + 2 max_episodes; an episode that does not fit before the end of the ring starts
// at row 0 and wastes at most horizon + 1 rows there, once between oldest and newest.
// max_episodes is eight times what full-length episodes need: shorter ones fill capacity down to
// an eighth of the horizon on average.
//
// Rings are anonymous maps, not must_alloc: zero pages cost nothing before they are written, so a
// run pays for the transitions it has rather than for its capacity; large pages save a TLB miss
// per access of a random draw.
//
// A draw is bound by memory latency: a step record, two rows, a goal. replay_sample takes a chunk
// in three passes, each of which asks for the lines that the next one reads, so that the misses
// of a chunk overlap.
#include "learner/replay/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/ticket.h"
#include "learner/replay/batch.h"

enum {
  SAMPLE_CHUNK = 64,  // draws in flight: enough to hide the latency, few enough to stay in L1
  CACHE_LINE = 64,
};

// rows are numbered in 31 bits; the upper one marks the step into a true end
#define STEP_DONE 0x80000000u

struct step {
  uint32_t row;          // of state t, and STEP_DONE
  uint16_t t;            // time in its episode
  uint16_t hindsight[];  // (k) times in [t+1, T]
};

// an episode in the rings
struct span {
  uint32_t row;  // its first row, the one with the desired goal
  uint32_t T;
};

struct replay {
  struct dims dims;
  int64_t capacity;
  int64_t max_episodes;
  uint64_t threshold;  // a 32-bit draw below it takes a hindsight goal

  float *rows;  // (nrow x stride) obs | achieved | act | reward
  int64_t nrow, next_row;
  size_t stride;  // floats

  unsigned char *steps;  // (nstep) struct step, step_bytes each
  int64_t nstep, first_step, size;
  size_t step_bytes;

  struct span *spans;  // (max_episodes)
  int64_t first_span, episodes;
  uint64_t evicted;
};

// Zero memory that costs nothing until it is written. Nothing is reserved for it: capacity may be
// more than the machine has, when the run will not fill it (learner/memory.h).
static void *map_zero(int64_t n, size_t size) {
  size_t bytes;
  CHECK(!__builtin_mul_overflow((size_t)n, size, &bytes));
  void *p =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    check_out_of_memory("replay", bytes);
  }
  // a kernel without large pages refuses; only speed depends on it
  (void)madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

static void set_sizes(struct replay *r, const struct dims *dims, int64_t capacity) {
  r->dims = *dims;
  r->capacity = capacity;
  const int64_t horizon = dims->horizon;
  const int64_t full = (capacity + horizon - 1) / horizon;
  r->max_episodes = 8 * full > 16 ? 8 * full : 16;
  r->nstep = capacity > horizon ? capacity : horizon;
  r->nrow = r->nstep + 2 * r->max_episodes + horizon + 1;
  CHECK(r->nrow < (int64_t)STEP_DONE);

  r->stride = (size_t)dims->obs + (size_t)dims->goal + (size_t)dims->act + (size_t)dims->reward;
  r->step_bytes = sizeof(struct step) + sizeof(uint16_t) * (size_t)dims->hindsight;
  r->step_bytes = (r->step_bytes + 3) / 4 * 4;
}

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

uint64_t replay_bytes(const struct dims *dims, int64_t capacity, int64_t added) {
  struct replay r;
  set_sizes(&r, dims, capacity);
  // the last episode may end beyond what was asked for
  const int64_t episodes = (added + dims->horizon - 1) / dims->horizon;
  const int64_t steps = episodes * dims->horizon, rows = steps + 2 * episodes;
  return (uint64_t)smaller(rows, r.nrow) * r.stride * sizeof(float) +
         (uint64_t)smaller(steps, r.nstep) * r.step_bytes +
         (uint64_t)smaller(episodes, r.max_episodes) * sizeof(struct span);
}

struct replay *replay_new(const struct dims *dims, int64_t capacity, double hindsight) {
  CHECK(dims && capacity >= 1 && hindsight >= 0 && hindsight <= 1);
  CHECK(dims->obs >= 1 && dims->act >= 1 && dims->goal >= 1 - dims->reward);
  CHECK(dims->horizon >= 1 && dims->horizon <= DIMS_MAX_HORIZON);
  CHECK(dims->hindsight >= 0 && dims->hindsight <= DIMS_MAX_HINDSIGHT);
  CHECK(hindsight == 0 || dims->hindsight >= 1);
  struct replay *r = must_alloc(1, sizeof *r);
  r->threshold = (uint64_t)llround(ldexp(hindsight, 32));

  set_sizes(r, dims, capacity);
  r->rows = map_zero(r->nrow, r->stride * sizeof(float));
  r->steps = map_zero(r->nstep, r->step_bytes);
  r->spans = map_zero(r->max_episodes, sizeof(struct span));
  return r;
}

void replay_free(struct replay *r) {
  if (!r) {
    return;
  }
  munmap(r->rows, (size_t)r->nrow * r->stride * sizeof(float));
  munmap(r->steps, (size_t)r->nstep * r->step_bytes);
  munmap(r->spans, (size_t)r->max_episodes * sizeof(struct span));
  free(r);
}

// i < 2n -> its place in a ring of n
static int64_t wrap(int64_t i, int64_t n) {
  return i < n ? i : i - n;
}

static float *row_at(const struct replay *r, int64_t row) {
  return r->rows + (size_t)row * r->stride;
}

static struct step *step_at(const struct replay *r, int64_t i) {
  return (struct step *)(void *)(r->steps + (size_t)i * r->step_bytes);
}

static void evict_oldest(struct replay *r) {
  const int64_t T = r->spans[r->first_span].T;
  r->first_step = wrap(r->first_step + T, r->nstep);
  r->size -= T;
  r->first_span = wrap(r->first_span + 1, r->max_episodes);
  r->episodes--;
  r->evicted++;
}

// n consecutive free rows; the sizing argument above says that they exist, CHECK says so too
static int64_t take_rows(struct replay *r, int64_t n) {
  int64_t row = r->next_row;
  if (r->episodes == 0) {
    row = 0;
    CHECK(n <= r->nrow);
  } else {
    const int64_t oldest = r->spans[r->first_span].row;
    if (row > oldest && r->nrow - row < n) {
      row = 0;
    }
    CHECK(row + n <= (row > oldest ? r->nrow : oldest));
  }
  r->next_row = row + n;
  return row;
}

static void check_shape(const struct replay *r, const struct episode *ep) {
  CHECK(ep->dims.obs == r->dims.obs && ep->dims.act == r->dims.act);
  CHECK(ep->dims.goal == r->dims.goal && ep->dims.hindsight == r->dims.hindsight);
  CHECK(ep->dims.reward == r->dims.reward);
  CHECK(ep->T >= 1 && ep->T <= r->dims.horizon);
}

void replay_add(struct replay *r, const struct episode *ep) {
  CHECK(r && ep);
  check_shape(r, ep);
  const int64_t T = ep->T;
  while (r->episodes > 0 && (r->size + T > r->capacity || r->episodes + 1 > r->max_episodes)) {
    evict_oldest(r);
  }
  const int64_t first = take_rows(r, T + 2);
  const size_t obs = (size_t)r->dims.obs;
  const size_t goal = (size_t)r->dims.goal;
  const size_t act = (size_t)r->dims.act;
  const size_t k = (size_t)r->dims.hindsight, reward = (size_t)r->dims.reward;

  // states, after the row of the desired goal and the ticket's seed; the last one has no action and
  // no reward
  memcpy(row_at(r, first), ep->desired, goal * sizeof(float));
  memcpy(row_at(r, first) + goal, &ep->ticket.seed, sizeof ep->ticket.seed);
  float *row = row_at(r, first + 1);
  for (size_t t = 0; t <= (size_t)T; t++, row += r->stride) {
    memcpy(row, ep->obs + t * obs, obs * sizeof(float));
    memcpy(row + obs, ep->achieved + t * goal, goal * sizeof(float));
    if (t < (size_t)T) {
      memcpy(row + obs + goal, ep->act + t * act, act * sizeof(float));
      memcpy(row + obs + goal + act, ep->reward + t * reward, reward * sizeof(float));
    }
  }

  // steps
  int64_t at = wrap(r->first_step + r->size, r->nstep);
  for (int64_t t = 0; t < T; t++) {
    struct step *step = step_at(r, at);
    step->row = (uint32_t)(first + 1 + t) | (ep->terminated && t == T - 1 ? STEP_DONE : 0);
    step->t = (uint16_t)t;
    memcpy(step->hindsight, ep->hindsight + (size_t)t * k, k * sizeof(uint16_t));
    at = wrap(at + 1, r->nstep);
  }

  const int64_t last = wrap(r->first_span + r->episodes, r->max_episodes);
  r->spans[last] = (struct span){.row = (uint32_t)first, .T = (uint32_t)T};
  r->episodes++;
  r->size += T;
}

static void prefetch(const void *p, size_t bytes) {
  const char *end = (const char *)p + bytes;
  const char *line = (const char *)p - (uintptr_t)p % CACHE_LINE;
  for (; line < end; line += CACHE_LINE) {
    __builtin_prefetch(line);
  }
}

// the goal of a draw: one of the k hindsight times, else the rollout's; one 32-bit word decides
// both which kind and which time, uniform to one part in 2^26
static const float *pick_goal(const struct replay *r, const struct step *step, uint32_t choice,
                              uint64_t threshold) {
  const int64_t start = (int64_t)(step->row & ~STEP_DONE) - step->t;
  if (choice >= threshold) {
    return row_at(r, start - 1);
  }
  const uint64_t i = (uint64_t)choice * (uint64_t)r->dims.hindsight / threshold;
  return row_at(r, start + step->hindsight[i]) + r->dims.obs;
}

// of the family that the run is in, the task of this transition
static int member_of(const struct replay *r, const struct step *step, int members) {
  const int64_t start = (int64_t)(step->row & ~STEP_DONE) - step->t;
  uint64_t seed;
  memcpy(&seed, row_at(r, start - 1) + r->dims.goal, sizeof seed);
  return ticket_member(seed, members);
}

// which transitions, and which goals they get
struct choice {
  uint64_t threshold;  // a draw below it takes a hindsight goal
  int members;         // tasks of a family; 0: transitions of all
  int member;          // of this one, when there are members
};

static const struct step *draw_step(const struct replay *r, const struct choice *choice,
                                    struct rng *rng) {
  const struct step *step;
  do {
    const int64_t number = rng_below(rng, (uint32_t)r->size);
    step = step_at(r, wrap(r->first_step + number, r->nstep));
  } while (choice->members > 0 && member_of(r, step, choice->members) != choice->member);
  return step;
}

// rows [first, first + n) of the batch, n <= SAMPLE_CHUNK
static void sample_chunk(const struct replay *r, struct batch *b, struct rng *rng,
                         const struct choice *from, int first, int n) {
  const struct step *step[SAMPLE_CHUNK];
  uint32_t choice[SAMPLE_CHUNK];
  const float *row[SAMPLE_CHUNK];
  const float *goal[SAMPLE_CHUNK];
  const size_t nobs = (size_t)r->dims.obs * sizeof(float);
  const size_t ngoal = (size_t)r->dims.goal * sizeof(float);
  const size_t nact = (size_t)r->dims.act * sizeof(float);
  const size_t nreward = (size_t)r->dims.reward * sizeof(float);

  // draw step numbers, counted from the oldest; ask for their records
  for (int i = 0; i < n; i++) {
    step[i] = draw_step(r, from, rng);
    choice[i] = rng_u32(rng);
    prefetch(step[i], r->step_bytes);
  }
  // find rows and goals; ask for them
  for (int i = 0; i < n; i++) {
    row[i] = row_at(r, step[i]->row & ~STEP_DONE);
    goal[i] = pick_goal(r, step[i], choice[i], from->threshold);
    b->done[first + i] = step[i]->row & STEP_DONE ? 1.0f : 0.0f;
    prefetch(row[i], r->stride * sizeof(float) + nobs + ngoal);
    prefetch(goal[i], ngoal);
  }
  // copy
  for (int i = 0; i < n; i++) {
    const size_t at = (size_t)(first + i);
    const float *s = row[i];
    const float *next = s + r->stride;
    memcpy(b->obs + at * (size_t)r->dims.obs, s, nobs);
    memcpy(b->achieved + at * (size_t)r->dims.goal, s + r->dims.obs, ngoal);
    const float *act = s + r->dims.obs + r->dims.goal;
    memcpy(b->act + at * (size_t)r->dims.act, act, nact);
    memcpy(b->reward + at * (size_t)r->dims.reward, act + r->dims.act, nreward);
    memcpy(b->next_obs + at * (size_t)r->dims.obs, next, nobs);
    memcpy(b->next_achieved + at * (size_t)r->dims.goal, next + r->dims.obs, ngoal);
    memcpy(b->goal + at * (size_t)r->dims.goal, goal[i], ngoal);
  }
}

static void sample(const struct replay *r, struct batch *b, struct rng *rng,
                   const struct choice *choice) {
  CHECK(r && b && rng && r->size > 0);
  for (int first = 0; first < b->B; first += SAMPLE_CHUNK) {
    const int left = b->B - first;
    sample_chunk(r, b, rng, choice, first, left < SAMPLE_CHUNK ? left : SAMPLE_CHUNK);
  }
}

void replay_sample(const struct replay *r, struct batch *b, struct rng *rng) {
  sample(r, b, rng, &(struct choice){.threshold = r->threshold});
}

void replay_sample_plain(const struct replay *r, struct batch *b, struct rng *rng) {
  sample(r, b, rng, &(struct choice){.threshold = 0});
}

int replay_draw_member(const struct replay *r, int members, struct rng *rng) {
  CHECK(r && r->size > 0 && members >= 1);
  return member_of(r, draw_step(r, &(struct choice){.members = 0}, rng), members);
}

void replay_sample_member(const struct replay *r, struct batch *b, int members, int member,
                          struct rng *rng) {
  sample(r, b, rng,
         &(struct choice){.threshold = r->threshold, .members = members, .member = member});
}

bool replay_has_member(const struct replay *r, int members, int member) {
  for (int64_t i = 0; i < r->episodes; i++) {
    const struct span *span = &r->spans[wrap(r->first_span + i, r->max_episodes)];
    uint64_t seed;
    memcpy(&seed, row_at(r, span->row) + r->dims.goal, sizeof seed);
    if (ticket_member(seed, members) == member) {
      return true;
    }
  }
  return false;
}

int64_t replay_size(const struct replay *r) {
  return r->size;
}

int64_t replay_episodes(const struct replay *r) {
  return r->episodes;
}

uint64_t replay_evicted(const struct replay *r) {
  return r->evicted;
}
