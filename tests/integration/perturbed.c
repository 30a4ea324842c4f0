// perturbed.c - an actor that is wrong in one bit, for the test of the audit.
//
// Linked with actor/main.c and --wrap=rollout_run: every episode is computed honestly and then the
// lowest bit of one action is flipped. The episode stays valid in every respect (finite, actions
// in [-1, 1]), so only a comparison of digests with another actor's answer can find it.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "actor/rollout.h"

enum err __real_rollout_run(struct rollout *r, struct episode *ep, const struct ticket *ticket,
                            const struct weights *w, _Atomic uint64_t *steps);
enum err __wrap_rollout_run(struct rollout *r, struct episode *ep, const struct ticket *ticket,
                            const struct weights *w, _Atomic uint64_t *steps);

enum err __wrap_rollout_run(struct rollout *r, struct episode *ep, const struct ticket *ticket,
                            const struct weights *w, _Atomic uint64_t *steps) {
  enum err err = __real_rollout_run(r, ep, ticket, w, steps);
  if (err != ERR_OK) {
    return err;
  }

  // the first action of the middle step; at the ends of the range the flip goes inwards
  float *action = ep->act + (size_t)(ep->T / 2) * (size_t)ep->dims.act;
  if (fabsf(*action) >= 1.0f) {
    *action = nextafterf(*action, 0.0f);
  } else {
    uint32_t bits;
    memcpy(&bits, action, sizeof bits);
    bits ^= 1;
    memcpy(action, &bits, sizeof bits);
  }
  return ERR_OK;
}
