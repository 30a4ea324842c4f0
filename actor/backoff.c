// backoff.c - a xorshift generator: nothing that is computed depends on these numbers.
#include "actor/backoff.h"

#include "proto/link.h"

void backoff_init(struct backoff *b, uint64_t seed) {
  *b = (struct backoff){.jitter = seed != 0 ? seed : 1};
}

void backoff_succeeded(struct backoff *b) {
  b->losses = 0;
}

int64_t backoff_next_ms(struct backoff *b) {
  b->jitter ^= b->jitter << 13;
  b->jitter ^= b->jitter >> 7;
  b->jitter ^= b->jitter << 17;
  int64_t delay = LINK_RETRY_MS;
  for (int i = 0; i < b->losses && delay < LINK_RETRY_MAX_MS; i++) {
    delay *= 2;
  }
  delay = delay < LINK_RETRY_MAX_MS ? delay : LINK_RETRY_MAX_MS;
  b->losses++;
  return delay / 2 + (int64_t)(b->jitter % (uint64_t)delay);
}
