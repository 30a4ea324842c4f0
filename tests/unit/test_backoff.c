// test_backoff.c - the delay doubles up to its limit, with jitter, and begins anew after a success.
#include <criterion/criterion.h>

#include "actor/backoff.h"
#include "proto/link.h"

Test(backoff, doubles_up_to_its_limit) {
  struct backoff b;
  backoff_init(&b, 42);
  for (int round = 0; round < 2; round++) {
    int64_t mean = LINK_RETRY_MS;
    for (int i = 0; i < 12; i++) {
      const int64_t delay = backoff_next_ms(&b);
      cr_expect(delay >= mean / 2 && delay < mean / 2 + mean, "attempt %d: %lld of %lld", i,
                (long long)delay, (long long)mean);
      mean = 2 * mean < LINK_RETRY_MAX_MS ? 2 * mean : LINK_RETRY_MAX_MS;
    }
    cr_expect_eq(mean, LINK_RETRY_MAX_MS);
    backoff_succeeded(&b);
  }
}

Test(backoff, a_fleet_does_not_come_back_at_once) {
  enum { FLEET = 64, PARTS = 4 };
  int in[PARTS] = {0};
  for (uint64_t i = 0; i < FLEET; i++) {
    struct backoff b;
    // as far apart as names of actors, which are random
    backoff_init(&b, (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
    in[(backoff_next_ms(&b) - LINK_RETRY_MS / 2) * PARTS / LINK_RETRY_MS]++;
  }
  for (int i = 0; i < PARTS; i++) {
    cr_expect(in[i] > 0, "nobody in part %d", i);
  }
}

Test(backoff, any_seed_will_do) {
  struct backoff b;
  backoff_init(&b, 0);
  const uint64_t before = b.jitter;
  backoff_next_ms(&b);
  cr_expect(before != 0 && b.jitter != before, "there is jitter");
}
