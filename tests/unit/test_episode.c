// test_episode.c - layout of an episode, every fault that must be found, its content and digest.
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/rng.h"
#include "common/episode.h"

static const struct dims DIMS = {
    .obs = 5, .act = 3, .goal = 2, .horizon = 37, .hindsight = 4, .reward = 1};

// A sound episode with every number drawn from seed.
static struct episode *sound(const struct dims *dims, int T, uint64_t seed) {
  struct rng r;
  rng_init(&r, seed, RNG_TEST, 0);
  struct episode *ep = episode_new(dims);
  ep->ticket = (struct ticket){.id = 11, .seed = rng_u64(&r), .version = 3, .kind = TICKET_TRAIN};
  ep->T = T;
  ep->terminated = true;
  rng_fill_normal(&r, ep->obs, (size_t)(T + 1) * (size_t)dims->obs);
  rng_fill_uniform(&r, ep->act, (size_t)T * (size_t)dims->act, -1, 1);
  rng_fill_normal(&r, ep->achieved, (size_t)(T + 1) * (size_t)dims->goal);
  rng_fill_normal(&r, ep->desired, (size_t)dims->goal);
  rng_fill_normal(&r, ep->reward, (size_t)T * (size_t)dims->reward);
  for (int t = 0; t < T; t++) {
    for (int i = 0; i < dims->hindsight; i++) {
      ep->hindsight[t * dims->hindsight + i] =
          (uint16_t)((uint32_t)t + 1 + rng_below(&r, (uint32_t)(T - t)));
    }
  }
  return ep;
}

Test(episode, arrays_are_zeroed_and_apart) {
  struct episode *ep = episode_new(&DIMS);
  size_t n[6] = {38 * 5 * 4, 37 * 3 * 4, 38 * 2 * 4, 2 * 4, 37 * 4, 37 * 4 * 2};
  unsigned char *at[6] = {(void *)ep->obs,     (void *)ep->act,    (void *)ep->achieved,
                          (void *)ep->desired, (void *)ep->reward, (void *)ep->hindsight};
  for (int a = 0; a < 6; a++) {
    cr_assert_eq((uintptr_t)at[a] % sizeof(float), 0);
    for (size_t i = 0; i < n[a]; i++) {
      cr_assert_eq(at[a][i], 0);
    }
    memset(at[a], a + 1, n[a]);
  }
  // writing one array leaves the others and the head as they are
  for (int a = 0; a < 6; a++) {
    for (size_t i = 0; i < n[a]; i++) {
      cr_assert_eq(at[a][i], a + 1);
    }
  }
  cr_assert_eq(memcmp(&ep->dims, &DIMS, sizeof DIMS), 0);
  episode_free(ep);
  episode_free(NULL);
}

Test(episode, sound_one_has_no_fault) {
  for (int T = 1; T <= DIMS.horizon; T++) {
    struct episode *ep = sound(&DIMS, T, (uint64_t)T);
    cr_assert_null(episode_fault(ep), "T %d: %s", T, episode_fault(ep));
    episode_free(ep);
  }
}

Test(episode, limits_are_inside) {
  struct episode *ep = sound(&DIMS, 20, 1);
  ep->obs[0] = 3.40282347e38f;
  ep->achieved[1] = -3.40282347e38f;
  ep->obs[3] = -0.0f;
  ep->desired[0] = 1e-45f;
  ep->act[0] = 1;
  ep->act[1] = -1;
  ep->hindsight[0] = 1;
  ep->hindsight[1] = 20;
  cr_assert_null(episode_fault(ep));
  episode_free(ep);
}

// Plants x at position i of an array; the fault must be found there and gone after.
static void planted(struct episode *ep, float *array, size_t n, float x) {
  for (size_t i = 0; i < n; i++) {
    float was = array[i];
    array[i] = x;
    cr_assert_not_null(episode_fault(ep), "value %g at %zu of %zu", (double)x, i, n);
    array[i] = was;
  }
  cr_assert_null(episode_fault(ep));
}

Test(episode, every_bad_number_is_found) {
  int T = 29;  // no multiple of a vector's width
  struct episode *ep = sound(&DIMS, T, 2);
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int b = 0; b < 4; b++) {
    planted(ep, ep->obs, (size_t)(T + 1) * 5, bad[b]);
    planted(ep, ep->act, (size_t)T * 3, bad[b]);
    planted(ep, ep->achieved, (size_t)(T + 1) * 2, bad[b]);
    planted(ep, ep->desired, 2, bad[b]);
    planted(ep, ep->reward, (size_t)T, bad[b]);
  }
  planted(ep, ep->act, (size_t)T * 3, nextafterf(1, 2));
  planted(ep, ep->act, (size_t)T * 3, nextafterf(-1, -2));
  // what lies beyond T is nobody's
  ep->obs[(T + 1) * 5] = NAN;
  ep->act[T * 3] = 7;
  ep->hindsight[T * 4] = 65535;
  cr_assert_null(episode_fault(ep));
  episode_free(ep);
}

Test(episode, every_bad_index_is_found) {
  int T = 13;
  struct episode *ep = sound(&DIMS, T, 3);
  for (int t = 0; t < T; t++) {
    for (int i = 0; i < 4; i++) {
      uint16_t *index = &ep->hindsight[t * 4 + i], was = *index;
      const int bad[] = {0, t, T + 1, 65535};
      for (int b = 0; b < 4; b++) {
        *index = (uint16_t)bad[b];
        cr_assert_str_eq(episode_fault(ep), "hindsight index outside [t+1, T]");
      }
      *index = was;
    }
  }
  cr_assert_null(episode_fault(ep));
  episode_free(ep);
}

Test(episode, length_outside_horizon_is_found) {
  struct episode *ep = sound(&DIMS, 5, 4);
  const int bad[] = {0, -1, 38, INT32_MAX, INT32_MIN};
  for (int b = 0; b < 5; b++) {
    ep->T = bad[b];
    cr_assert_str_eq(episode_fault(ep), "episode length outside 1..horizon");
  }
  episode_free(ep);
}

Test(episode, an_unstable_one_was_cut) {
  struct episode *ep = sound(&DIMS, 36, 4);
  ep->unstable = true;
  cr_assert_str_eq(episode_fault(ep), "unstable episode that was not cut", "it has terminated");
  ep->terminated = false;
  cr_assert_null(episode_fault(ep));
  episode_free(ep);
  ep = sound(&DIMS, 37, 4);
  ep->terminated = false;
  ep->unstable = true;
  cr_assert_str_eq(episode_fault(ep), "unstable episode that was not cut", "it is whole");
  episode_free(ep);
}

// ---- content ----

// The content of sound(&DIMS, 9, 5), put together by hand; returns its size.
static size_t content_by_hand(unsigned char *bytes, const struct episode *ep) {
  const uint64_t head[7] = {11, ep->ticket.seed, 3, TICKET_TRAIN, 9, 1, 0};
  const struct {
    const void *data;
    size_t n;
  } parts[] = {{head, sizeof head},        {ep->obs, 10 * 5 * 4}, {ep->act, 9 * 3 * 4},
               {ep->achieved, 10 * 2 * 4}, {ep->desired, 2 * 4},  {ep->reward, 9 * 4},
               {ep->hindsight, 9 * 4 * 2}};
  size_t n = 0;
  for (int i = 0; i < 7; i++) {
    memcpy(bytes + n, parts[i].data, parts[i].n);
    n += parts[i].n;
  }
  return n;
}

Test(episode, content_is_the_numbers_one_after_the_other) {
  struct episode *ep = sound(&DIMS, 9, 5);
  unsigned char bytes[4096];
  const size_t n = content_by_hand(bytes, ep);
  cr_assert_eq(episode_bytes(&DIMS, 9), n);
  cr_assert_eq(ep->bytes, 0, "not sealed yet");
  cr_assert_eq(episode_seal(ep), XXH3_64bits(bytes, n));
  cr_assert_eq(ep->digest, XXH3_64bits(bytes, n));
  cr_assert_eq(ep->bytes, n);
  cr_assert_arr_eq(ep->content, bytes, n);
  cr_assert_eq(ep->room, 9);
  episode_free(ep);
}

// the arrays move together; what they hold stays
Test(episode, sealing_changes_no_number) {
  for (int T = 1; T <= DIMS.horizon; T++) {
    struct episode *ep = sound(&DIMS, T, (uint64_t)T), *same = sound(&DIMS, T, (uint64_t)T);
    for (int again = 0; again < 2; again++) {
      const uint64_t digest = episode_seal(ep);
      cr_assert_eq(digest, XXH3_64bits(ep->content, ep->bytes));
      cr_assert_arr_eq(ep->obs, same->obs, (size_t)(T + 1) * 5 * 4);
      cr_assert_arr_eq(ep->act, same->act, (size_t)T * 3 * 4);
      cr_assert_arr_eq(ep->achieved, same->achieved, (size_t)(T + 1) * 2 * 4);
      cr_assert_arr_eq(ep->desired, same->desired, 2 * 4);
      cr_assert_arr_eq(ep->reward, same->reward, (size_t)T * 4);
      cr_assert_arr_eq(ep->hindsight, same->hindsight, (size_t)T * 4 * 2);
    }
    episode_free(ep);
    episode_free(same);
  }
}

Test(episode, what_was_sealed_reads_back) {
  for (int T = 1; T <= DIMS.horizon; T++) {
    struct episode *ep = sound(&DIMS, T, (uint64_t)T);
    ep->terminated = T % 2 == 0;
    ep->unstable = T % 2 == 1 && T < DIMS.horizon;
    episode_seal(ep);
    const char *fault = "none";
    struct episode *got = episode_read(&fault, &DIMS, ep->content, ep->bytes, ep->digest);
    cr_assert_not_null(got, "%s", fault);
    cr_assert_null(fault);
    cr_assert_eq(got->T, T);
    cr_assert_eq(got->terminated, ep->terminated);
    cr_assert_eq(got->unstable, ep->unstable);
    cr_assert_eq(memcmp(&got->dims, &DIMS, sizeof DIMS), 0);
    cr_assert_eq(got->ticket.id, 11);
    cr_assert_eq(got->ticket.seed, ep->ticket.seed);
    cr_assert_eq(got->ticket.version, 3);
    cr_assert_eq(got->ticket.kind, TICKET_TRAIN);
    cr_assert_arr_eq(got->act, ep->act, (size_t)T * 3 * 4);
    cr_assert_arr_eq(got->hindsight, ep->hindsight, (size_t)T * 4 * 2);
    // sealed as it is
    cr_assert_eq(got->bytes, ep->bytes);
    cr_assert_eq(got->digest, ep->digest);
    cr_assert_arr_eq(got->content, ep->content, ep->bytes);
    cr_assert_eq(episode_seal(got), ep->digest);
    episode_free(got);
    episode_free(ep);
  }
}

static void expect_fault(const struct dims *dims, const struct episode *ep, size_t n,
                         uint64_t digest, const char *want) {
  const char *fault = NULL;
  // a copy of exactly n bytes, so that a sanitizer sees reads beyond
  unsigned char *copy = malloc(n > 0 ? n : 1);
  memcpy(copy, ep->content, n);
  cr_assert_null(episode_read(&fault, dims, copy, n, digest), "expected: %s", want);
  cr_assert_str_eq(fault, want);
  free(copy);
}

Test(episode, bytes_that_are_no_episode_are_refused) {
  struct episode *ep = sound(&DIMS, 9, 5);
  episode_seal(ep);
  for (size_t n = 0; n < ep->bytes; n++) {
    expect_fault(&DIMS, ep, n, ep->digest, "episode of a wrong shape");
  }
  expect_fault(&DIMS, ep, ep->bytes, ep->digest + 1, "digest of the episode is wrong");
  struct dims other = DIMS;
  other.obs++;
  expect_fault(&other, ep, ep->bytes, ep->digest, "episode of a wrong shape");
  other = DIMS;
  other.horizon = 8;
  expect_fault(&other, ep, ep->bytes, ep->digest, "episode length outside 1..horizon");
  // what the digest confirms is checked all the same
  ep->hindsight[35] = 10;
  episode_seal(ep);
  expect_fault(&DIMS, ep, ep->bytes, ep->digest, "hindsight index outside [t+1, T]");
  ep->hindsight[35] = 9;
  ep->obs[49] = NAN;
  episode_seal(ep);
  expect_fault(&DIMS, ep, ep->bytes, ep->digest, "observation is not finite");
  episode_free(ep);
}

Test(episode, digest_depends_on_content_alone) {
  int T = 9;
  struct dims longer = DIMS;
  longer.horizon = 100;
  struct episode *a = sound(&DIMS, T, 6), *b = sound(&longer, T, 6);
  a->obs[(T + 1) * 5] = 1;
  cr_assert_eq(episode_seal(a), episode_seal(b));
  episode_free(b);
  // any byte of any part changes it
  uint64_t digest = episode_seal(a);
  struct {
    unsigned char *data;
    size_t n;
  } parts[] = {{(void *)a->obs, 10 * 5 * 4},      {(void *)a->act, 9 * 3 * 4},
               {(void *)a->achieved, 10 * 2 * 4}, {(void *)a->desired, 2 * 4},
               {(void *)a->reward, 9 * 4},        {(void *)a->hindsight, 9 * 4 * 2},
               {(void *)&a->ticket.id, 8},        {(void *)&a->ticket.seed, 8},
               {(void *)&a->ticket.version, 8},   {(void *)&a->ticket.kind, 1}};
  for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
    for (size_t i = 0; i < parts[p].n; i++) {
      parts[p].data[i] ^= 0x10;
      cr_assert_neq(episode_seal(a), digest, "part %zu byte %zu", p, i);
      parts[p].data[i] ^= 0x10;
    }
  }
  a->terminated = false;
  cr_assert_neq(episode_seal(a), digest);
  a->terminated = true;
  a->unstable = true;
  cr_assert_neq(episode_seal(a), digest);
  a->unstable = false;
  cr_assert_eq(episode_seal(a), digest);
  a->T = T - 1;
  cr_assert_neq(episode_seal(a), digest);
  episode_free(a);
}

// the longest episode of the widest sizes, with rewards and without
Test(episode, the_widest_sizes_fit) {
  for (int reward = 0; reward <= 1; reward++) {
    const struct dims dims = {.obs = DIMS_MAX_WIDTH,
                              .act = DIMS_MAX_WIDTH,
                              .goal = DIMS_MAX_WIDTH,
                              .horizon = 1000,
                              .hindsight = DIMS_MAX_HINDSIGHT,
                              .reward = reward};
    struct episode *ep = sound(&dims, 1000, 7);
    episode_seal(ep);
    cr_assert_eq(ep->bytes,
                 7 * 8 + (1001u * 4096 * 2 + 1000u * 4096 + 4096 + 1000u * (unsigned)reward) * 4 +
                     1000u * 64 * 2);
    const char *fault;
    struct episode *got = episode_read(&fault, &dims, ep->content, ep->bytes, ep->digest);
    cr_assert_not_null(got);
    episode_free(got);
    episode_free(ep);
  }
}
