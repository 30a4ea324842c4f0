// outcome_fit.c - the outcome model alone, before a rule begins. In a file of its own: what the
// model is given here is watched by tests/unit/test_trainer.c, as all calls from outside of it.
#include "common/base/log.h"
#include "learner/agent/net.h"
#include "learner/nn/rows.h"
#include "learner/replay/batch.h"
#include "learner/worth/outcome.h"

enum err outcome_fit(struct outcome *m, const struct draws *draws, uint64_t steps, float *l) {
  struct net *net = outcome_net(m);
  for (uint64_t i = 0; i < steps && !net->constant; i++) {
    const struct batch *b = draws->draw(draws->ctx, RNG_PREFIT, i);
    outcome_loglik(m, l, b);
    const float loss = (float)outcome_loss(m, b);
    if (!rows_finite(&loss, 1) || !rows_finite(net->grad, net->n)) {
      log_error(
          "step %llu of the outcome model alone is not finite; %s or look for unbounded "
          "observations",
          (unsigned long long)i, net->remedy);
      return ERR_NUMERIC;
    }
    net_step(net);
  }
  return ERR_OK;
}
