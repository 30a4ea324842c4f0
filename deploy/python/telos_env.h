// telos_env.h - tasks and policies of Telos in another program: the library libtelos-env.
//
//   struct telos_env     n simulations of one task (rows), stepped together on some threads
//   struct telos_policy  a trained policy, as actors follow it without exploring
//
// A row is what an actor simulates: an episode of seed s is that of a ticket with seed s, given the
// same actions. So every result is a function of the seeds, the actions and the goals, and of
// neither the rows beside it nor the number of threads.
//
// Arrays are row-major. Those of struct telos_env_state are the library's, the same ones from load
// to free, overwritten by the next reset or step. An env is used by one thread at a time; a policy
// may be used by several at once.
//
// Errors: a function that can fail gives NULL or -1, and telos_env_error the reason. Nothing is
// printed, and bad input ends no process; a process ends, with a line on its standard error, when
// memory is out, or when a caller breaks what is written here (NULL where it is not allowed).
//
// The library is loaded with the MuJoCo that it was built with, and sets MuJoCo's handlers of
// errors and warnings, of which a process has one each.
#ifndef TELOS_ENV_H
#define TELOS_ENV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TELOS_API __attribute__((visibility("default")))

// Of this header; telos_env_abi gives that of the library that was found.
enum { TELOS_ENV_ABI = 1, TELOS_ENV_MAX_ROWS = 65535, TELOS_ENV_MAX_THREADS = 256 };

struct telos_env;
struct telos_policy;

struct telos_env_info {
  const char *name;       // of the task; borrowed from the env
  int n;                  // rows
  int obs, act, goal;     // numbers; goal is 0 for a task of rewards alone
  int horizon;            // steps until an episode is cut
  int has_reward;         // the task has rewards of its own
  double success_radius;  // goal units; 0: success is not defined
  double step_seconds;    // simulated time of a step
};

// What the last reset or step of each row gave.
struct telos_env_state {
  const float *obs;                 // (n x obs)
  const float *achieved, *desired;  // (n x goal)
  const float *reward;              // (n) the task's own; 0 after a reset, or when it has none
  const unsigned char *terminated;  // (n) left the range of an alive.* sensor
  const unsigned char *truncated;   // (n) at the horizon, or unstable
  const unsigned char *unstable;    // (n) the step led to no state: the others are as before it
  const unsigned char *was_reset;   // (n) this is the first state of an episode
};

struct telos_policy_info {
  const char *task;    // that it was trained on; NULL: the file does not say; borrowed
  int obs, act, goal;  // numbers
  int members;         // tasks of its family; 0: none
};

TELOS_API int telos_env_abi(void);

// Why the last call on this thread failed: the mistake and the remedy, a line each. "": it did not.
// Valid until the next call on this thread.
TELOS_API const char *telos_env_error(void);

// What the last call on this thread has to say although it did not fail; "": nothing. Likewise.
TELOS_API const char *telos_env_warning(void);

// Calls each(ctx, name) for the tasks that telos_env_load finds by name, sorted.
TELOS_API void telos_env_list(void (*each)(void *ctx, const char *name), void *ctx);

// task: a name, or a path when it has a '/' or ends in .xml. 1 <= n <= TELOS_ENV_MAX_ROWS; threads,
// with the caller's: 1 .. TELOS_ENV_MAX_THREADS. NULL: an error. Reset before the first step. Free
// with telos_env_free.
TELOS_API struct telos_env *telos_env_load(const char *task, int n, int threads);
TELOS_API void telos_env_free(struct telos_env *env);  // NULL is allowed

TELOS_API struct telos_env_info telos_env_info(const struct telos_env *env);
TELOS_API struct telos_env_state telos_env_state(const struct telos_env *env);

// From the next reset on, what telos.random.* draws is that of this task of a family; negative:
// each reset draws its own, as it is at first.
TELOS_API void telos_env_set_member(struct telos_env *env, int member);

// Begins an episode in each row that which (n; NULL: all) marks. seeds (n): NULL goes on with each
// row's seed, of which every reset takes the next episode; at first the seed is the row's number.
// goals (n x goal): in place of the goals that are drawn; NULL: none. -1: a row found no state that
// the task's rules allow, or a goal is not finite; rows that failed are over.
TELOS_API int telos_env_reset(struct telos_env *env, const unsigned char *which,
                              const uint64_t *seeds, const float *goals);

// One step in each row, by actions (n x act), clipped to [-1, 1]. A row whose episode is over is
// reset instead, and takes no action (Gymnasium calls this NEXT_STEP). -1: as telos_env_reset, or
// an action is not a number, and then no row has moved.
TELOS_API int telos_env_step(struct telos_env *env, const float *actions);

// Euclidean distances (rows) of achieved and desired (rows x goal); over the numbers that success
// counts when counted is not 0. The task has a goal.
TELOS_API void telos_env_distance(const struct telos_env *env, double *distance,
                                  const float *achieved, const float *desired, size_t rows,
                                  int counted);

// what: a run's folder, or a policy file. checkpoint: which policy of a run, "best", "last" or the
// steps of a checkpoint; NULL: the last. NULL: an error. Free with telos_policy_free.
TELOS_API struct telos_policy *telos_policy_load(const char *what, const char *checkpoint);
TELOS_API void telos_policy_free(struct telos_policy *policy);  // NULL is allowed

TELOS_API struct telos_policy_info telos_policy_info(const struct telos_policy *policy);

// What the file says of itself under a key, such as "steps" or "seed"; NULL: nothing. Borrowed.
TELOS_API const char *telos_policy_meta(const struct telos_policy *policy, const char *key);

// actions (rows x act) in [-1, 1], tanh of the mean, for obs (rows x obs) and desired (rows x goal;
// NULL when goal is 0). member: of a policy of a family, and of no other. -1: there is no such
// member.
TELOS_API int telos_policy_act(const struct telos_policy *policy, float *actions, const float *obs,
                               const float *desired, size_t rows, int member);

#ifdef __cplusplus
}
#endif

#endif
