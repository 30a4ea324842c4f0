// backup.c - the backup of a minibatch.
#include "learner/rules/backup.h"

#include "common/base/check.h"

void backup_outcome(const struct backup_rows *out, const float *cl, const float *V,
                    const float *done, const struct backup_options *opt, int n) {
  CHECK(out && out->y && cl && V && opt && n >= 0);
  const struct backup_constants c = backup_prepare(opt);
  for (int i = 0; i < n; i++) {
    const struct backup backup = backup_transition(cl[i], V[i], done && done[i] != 0, &c);
    out->y[i] = (float)backup.y;
    if (out->q0) {
      out->q0[i] = (float)backup.q0;
    }
    if (out->kl) {
      out->kl[i] = (float)backup.kl;
    }
  }
}

void backup_reward(float *y, const float *r, const float *V, const float *done, double gamma,
                   int n) {
  for (int i = 0; i < n; i++) {
    y[i] = (float)((double)r[i] + gamma * (1 - (double)done[i]) * (double)V[i]);
  }
}

void backup_best(float *y, const float *r, const float *V, const float *done, double gamma, int n) {
  for (int i = 0; i < n; i++) {
    const float later = (float)(gamma * (1 - (double)done[i]) * (double)V[i]);
    // a number that went wrong on either side stays, so that it is found
    y[i] = r[i] > later || isnan(r[i]) ? r[i] : later;
  }
}
