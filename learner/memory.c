// memory.c - sums of sizes. Each part asks the module that will allocate it, where that can tell.
//
// Networks are counted as a policy, two critics and the one that the rule has beside them. Of each
// trained one there are parameters, gradient and two moments; each critic has a target beside it; a
// checkpoint encodes all of it once more. Each shard, a part of a minibatch, has gradients of its
// own and rows to work in.
//
// Addresses are another matter: a thread reserves far more of them than it ever touches, which
// counts under `ulimit -v` alone. Where OpenBLAS finds none for its buffer it waits for ever.
#include "learner/memory.h"

#include <inttypes.h>

#include "common/base/log.h"
#include "common/base/ram.h"
#include "common/config/table.h"
#include "common/nn/mlp_shape.h"
#include "learner/agent/side.h"
#include "learner/along.h"
#include "learner/fold.h"
#include "learner/nn/gemm.h"
#include "learner/replay/replay.h"
#include "learner/rules/updater.h"

// Addresses, measured: 8 MB of stack, 64 MB for malloc, which looks for twice that, and 134 MB of
// OpenBLAS a thread; libraries and the other threads of the program.
static const uint64_t THREAD_SPACE = 220000000, PROGRAM_SPACE = 300000000;

// of oneDNN, a thread: kernels of the shapes that it met, and room for factors
static const uint64_t THREAD_KERNELS = 2000000;

static const double comfortable = 0.8;  // share of the limit that may be used without a warning

struct size {
  uint64_t parameters, units;  // floats; activations of one row
};

// a network from so many inputs to so many outputs
static struct size network(int in, const struct widths *hidden, int out) {
  int width[CONFIG_WIDTHS + 2];
  const int nlayer = config_layers(width, in, hidden, out);
  uint64_t units = 0;
  for (int i = 0; i <= nlayer; i++) {
    units += (uint64_t)width[i];
  }
  return (struct size){mlp_nparam(width, nlayer), units};
}

// of a network that sees states: observations, goals and side inputs
static int inputs(const struct config *cfg, const struct dims *dims) {
  const struct side side = {
      .plain = dims->obs + dims->goal,
      .heads = (int)cfg->explore_heads,
      .numbers = cfg->context_members > 0 ? (int)cfg->context_size : 0,
  };
  return side.plain + side_columns(&side);
}

// the one that a rule has beside policy and critics
static struct size rule_network(const struct config *cfg, const struct dims *dims) {
  const int seen = inputs(cfg, dims);
  switch (cfg->train_rule) {
    case TRAIN_RULE_ODAC:
    case TRAIN_RULE_UVD:
      return network(dims->obs + dims->act, &cfg->outcome_hidden, 2 * dims->goal);
    case TRAIN_RULE_IRL:
      return network(seen + dims->act, &cfg->adversary_hidden, 1);
    case TRAIN_RULE_DISCERN:
      return network(dims->goal, &cfg->discern_hidden, (int)cfg->discern_embedding);
    case TRAIN_RULE_DRIVE:  // a model; the prior and the value are as large as two critics
      return network(seen + dims->act, &cfg->drive_hidden, dims->obs + 2);
    case TRAIN_RULE_SAC:
    case TRAIN_RULE_MPO:
    case TRAIN_RULE_CLONE:
    case TRAIN_RULE_BETA:  // its network of values is as large as a second critic
      break;
  }
  return (struct size){0};
}

// open when episodes have full length: each holds an episode and names a version
static uint64_t widest(const struct widths *hidden) {
  int most = 0;
  for (int i = 0; i < hidden->n; i++) {
    most = hidden->v[i] > most ? hidden->v[i] : most;
  }
  return (uint64_t)most;
}

static uint64_t open_tickets(const struct config *cfg, const struct dims *dims) {
  return (uint64_t)fold_open_tickets((uint64_t)cfg->ledger_window, (uint64_t)dims->horizon, 1);
}

void memory_estimate(struct memory *out, const struct config *cfg, const struct dims *dims) {
  enum { TRAINED = 4, CRITICS = 2, NETWORKS = 6 };
  const int seen = inputs(cfg, dims);
  const struct size policy = network(seen, &cfg->net_hidden, 2 * dims->act);
  const struct size critic = network(seen + dims->act, &cfg->net_hidden, 1);
  const struct size own = rule_network(cfg, dims);
  const struct size worth =
      cfg->worth_reward == WORTH_REWARD_OUTCOME
          ? network(dims->obs + dims->act, &cfg->outcome_hidden, 2 * dims->goal)
          : (struct size){0};
  const uint64_t trained =
      policy.parameters + CRITICS * critic.parameters + own.parameters + worth.parameters;
  const uint64_t parameters = TRAINED * trained + CRITICS * critic.parameters;
  const uint64_t versions =
      (open_tickets(cfg, dims) + FOLD_MAX_EVALS) * (policy.parameters + along_size(cfg, dims));
  // drive keeps prior and model of each step that it looks ahead
  const uint64_t ahead = cfg->train_rule == TRAIN_RULE_DRIVE ? 2 * (uint64_t)cfg->drive_steps : 0;
  const uint64_t rows = (uint64_t)cfg->train_batch * (NETWORKS + ahead) *
                        (policy.units > critic.units ? policy.units : critic.units);
  const uint64_t checkpoint = parameters + versions;
  // all shards together have as many rows again as the whole minibatch
  const uint64_t shards = (uint64_t)updater_shards(cfg);
  const uint64_t scratch = NETWORKS * gemm_layer_scratch((int)widest(&cfg->net_hidden));
  const uint64_t columns = CRITICS * (uint64_t)cfg->net_hidden.v[0] * (uint64_t)dims->act;
  out->networks = sizeof(float) * (parameters + shards * trained + versions + checkpoint +
                                   4 * rows + (shards + 1) * (scratch + columns)) +
                  shards * THREAD_KERNELS;
  if (cfg->net_precision == NET_PRECISION_BF16) {
    out->networks += sizeof(uint16_t) * (trained + CRITICS * critic.parameters);
  }

  const uint64_t waiting = open_tickets(cfg, dims) + 2 * (uint64_t)cfg->eval_episodes;
  out->episodes = waiting * episode_bytes(dims, dims->horizon);
  out->replay = replay_bytes(dims, cfg->replay_capacity, cfg->run_steps);
}

static uint64_t total(const struct memory *m) {
  return m->replay + m->episodes + m->networks;
}

// 123456 -> 120000
static int64_t round_down(int64_t n) {
  int64_t unit = 1;
  while (n / unit >= 100) {
    unit *= 10;
  }
  return n / unit * unit;
}

int64_t memory_largest_capacity(const struct config *cfg, const struct dims *dims, uint64_t limit) {
  struct config trial = *cfg;
  struct memory m;
  int64_t low = 0, high = cfg->replay_capacity + 1;  // low fits, high does not
  while (high - low > 1) {
    trial.replay_capacity = low + (high - low) / 2;
    memory_estimate(&m, &trial, dims);
    if (total(&m) <= limit) {
      low = trial.replay_capacity;
    } else {
      high = trial.replay_capacity;
    }
  }
  return round_down(low);
}

// ---- addresses ----

// addresses for a run with so many threads
static uint64_t space_of(const struct config *cfg, const struct dims *dims, int threads) {
  struct memory m;
  memory_estimate(&m, cfg, dims);
  return PROGRAM_SPACE + total(&m) + (uint64_t)threads * THREAD_SPACE;
}

int memory_threads(const struct config *cfg, const struct dims *dims, int wanted, uint64_t space) {
  int n = wanted;
  while (n > 1 && cfg->learner_threads == 0 && space_of(cfg, dims, n) > space) {
    n--;
  }
  return n;
}

enum err memory_check_space(const struct config *cfg, const struct dims *dims, int threads,
                            uint64_t space) {
  const uint64_t needed = space_of(cfg, dims, threads);
  if (needed <= space) {
    return ERR_OK;
  }
  char want[RAM_TEXT], have[RAM_TEXT];
  ram_format(want, needed);
  ram_format(have, space);
  log_error(
      "this run will take %s of addresses with %d threads for updates, and `ulimit -v` grants %s; "
      "raise that limit, or lower %s",
      want, threads, have, threads > 1 ? "learner.threads" : "replay.capacity or net.hidden");
  return ERR_CONFIG;
}

// ---- memory ----

// the sums as text
struct words {
  char all[RAM_TEXT], limit[RAM_TEXT], replay[RAM_TEXT], episodes[RAM_TEXT], networks[RAM_TEXT];
};

static struct words in_words(const struct memory *m, uint64_t limit) {
  struct words w;
  ram_format(w.all, total(m));
  ram_format(w.limit, limit);
  ram_format(w.replay, m->replay);
  ram_format(w.episodes, m->episodes);
  ram_format(w.networks, m->networks);
  return w;
}

enum err memory_check(const struct config *cfg, const struct dims *dims, uint64_t limit) {
  struct memory m;
  memory_estimate(&m, cfg, dims);
  if (total(&m) <= limit) {
    return ERR_OK;
  }
  const struct words w = in_words(&m, limit);
  const int64_t capacity = memory_largest_capacity(cfg, dims, limit);
  if ((double)capacity >= config_rows[CONFIG_ROW_replay_capacity].min &&
      capacity >= cfg->train_batch && capacity >= cfg->train_warmup_steps) {
    log_error("replay.capacity = %" PRId64
              " will take %s of memory in all, and %s are there; at "
              "most replay.capacity=%" PRId64 " fits",
              cfg->replay_capacity, w.all, w.limit, capacity);
  } else {
    log_error(
        "this run will take %s of memory (episodes %s, networks %s), and %s are there; lower "
        "net.hidden, ledger.window or eval.episodes",
        w.all, w.episodes, w.networks, w.limit);
  }
  return ERR_CONFIG;
}

void memory_tell(const struct config *cfg, const struct dims *dims, uint64_t limit) {
  const uint64_t easy = (uint64_t)(comfortable * (double)limit);
  struct memory m;
  memory_estimate(&m, cfg, dims);
  const struct words w = in_words(&m, limit);
  log_info("memory: about %s of %s (replay %s, episodes %s, networks %s)", w.all, w.limit, w.replay,
           w.episodes, w.networks);
  if (total(&m) > easy) {
    log_warn("memory: little is left for actors and the system; replay.capacity=%" PRId64
             " would leave a fifth",
             memory_largest_capacity(cfg, dims, easy));
  }
}
