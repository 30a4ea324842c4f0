// Tests of common/demos.h: what is written is read; a file that is cut, changed, or of something
// else is refused with a line that names it.
#include "common/demos.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/rng.h"
#include "tests/unit/capture.h"

enum { N = 3, K = 4, TASK = 0x1234 };

static const struct dims WRITTEN = {
    .obs = 3, .act = 2, .goal = 2, .horizon = 8, .hindsight = 1, .reward = 1};
static const struct dims READ = {
    .obs = 3, .act = 2, .goal = 2, .horizon = 8, .hindsight = K, .reward = 1};

static struct episode *random_episode(uint64_t i) {
  struct episode *ep = episode_new(&WRITTEN);
  struct rng rng;
  rng_init(&rng, 1, RNG_TEST, i);
  ep->T = 4 + (int)i;
  ep->terminated = i == 1;
  ep->ticket = (struct ticket){.id = i, .seed = 100 + i, .kind = TICKET_WARMUP};
  const size_t T = (size_t)ep->T;
  rng_fill_normal(&rng, ep->obs, (T + 1) * 3);
  rng_fill_normal(&rng, ep->achieved, (T + 1) * 2);
  rng_fill_normal(&rng, ep->desired, 2);
  rng_fill_normal(&rng, ep->reward, T);
  rng_fill_uniform(&rng, ep->act, T * 2, -1, 1);
  episode_hindsight(ep);
  return ep;
}

static const char *path(void) {
  static char text[64];
  snprintf(text, sizeof text, "/tmp/test_demos.%d.tfrecord", (int)getpid());
  return text;
}

static void write_file(struct episode *ep[N]) {
  for (uint64_t i = 0; i < N; i++) {
    ep[i] = random_episode(i);
  }
  cr_assert_eq(demos_write(path(), ep, N, TASK), ERR_OK);
}

static void free_all(struct episode *ep[N]) {
  for (int i = 0; i < N; i++) {
    episode_free(ep[i]);
  }
  unlink(path());
}

Test(demos, what_is_written_is_read) {
  struct episode *ep[N];
  struct demos *d;
  write_file(ep);
  cr_assert_eq(demos_read(&d, path(), &READ, TASK), ERR_OK);
  cr_assert_eq(d->n, N);
  cr_assert_eq(d->steps, 4 + 5 + 6);
  cr_assert_eq(strlen(d->digest), 16);
  for (int i = 0; i < N; i++) {
    const struct episode *a = ep[i], *b = d->ep[i];
    const size_t T = (size_t)a->T;
    cr_assert(b->T == a->T && b->terminated == a->terminated && b->ticket.seed == a->ticket.seed);
    cr_assert_arr_eq(b->obs, a->obs, (T + 1) * 3 * sizeof(float));
    cr_assert_arr_eq(b->achieved, a->achieved, (T + 1) * 2 * sizeof(float));
    cr_assert_arr_eq(b->desired, a->desired, 2 * sizeof(float));
    cr_assert_arr_eq(b->act, a->act, T * 2 * sizeof(float));
    cr_assert_arr_eq(b->reward, a->reward, T * sizeof(float));
    // as many indices as the run has, those of the ticket's seed
    struct episode *again = episode_new(&READ);
    again->T = a->T;
    again->ticket = a->ticket;
    episode_hindsight(again);
    cr_assert_arr_eq(b->hindsight, again->hindsight, T * K * sizeof(uint16_t));
    cr_assert_null(episode_fault(b));
    episode_free(again);
  }
  demos_free(d);
  demos_free(NULL);
  free_all(ep);
}

// the same episodes are the same bytes, and so the same digest; others are not
Test(demos, a_digest_is_that_of_the_episodes) {
  struct episode *ep[N];
  struct demos *a, *b;
  write_file(ep);
  cr_assert_eq(demos_read(&a, path(), &READ, TASK), ERR_OK);
  cr_assert_eq(demos_write(path(), ep, N, TASK), ERR_OK);
  cr_assert_eq(demos_read(&b, path(), &READ, TASK), ERR_OK);
  cr_assert_str_eq(a->digest, b->digest);
  demos_free(b);
  ep[2]->act[1] = 0.125f;
  cr_assert_eq(demos_write(path(), ep, N, TASK), ERR_OK);
  cr_assert_eq(demos_read(&b, path(), &READ, TASK), ERR_OK);
  cr_assert_str_neq(a->digest, b->digest);
  demos_free(a);
  demos_free(b);
  free_all(ep);
}

static void expect_refused(enum err want, const struct dims *dims, const char *words) {
  struct demos *d;
  capture_begin();
  const enum err err = demos_read(&d, path(), dims, TASK);
  const char *line = capture_end();
  cr_assert_eq(err, want, "%s", line);
  cr_assert(strstr(line, path()) && strstr(line, words), "%s: %s", words, line);
}

Test(demos, a_damaged_file_is_refused_wherever_it_is_damaged) {
  struct episode *ep[N];
  void *bytes;
  size_t n;
  write_file(ep);
  cr_assert_eq(fsio_read(&bytes, &n, path(), 1 << 20), ERR_OK);
  unsigned char *data = bytes;
  for (size_t i = 0; i < n; i += 3) {
    data[i] ^= 0x10;
    cr_assert_eq(fsio_write_atomic(path(), data, n), ERR_OK);
    expect_refused(ERR_FORMAT, &READ, "record");
    data[i] ^= 0x10;
  }
  for (size_t cut = 0; cut < n; cut += 7) {
    cr_assert_eq(fsio_write_atomic(path(), data, cut), ERR_OK);
    struct demos *d;
    capture_begin();
    const enum err err = demos_read(&d, path(), &READ, TASK);
    capture_end();
    // a file that ends behind a record is one with fewer episodes; its digest tells
    cr_assert(err == ERR_FORMAT || (err == ERR_OK && d->n < N), "%zu", cut);
    if (err == ERR_OK) {
      demos_free(d);
    }
  }
  free(bytes);
  free_all(ep);
}

Test(demos, a_file_of_something_else_is_refused) {
  struct episode *ep[N];
  struct demos *d;
  write_file(ep);
  struct dims other = READ;
  other.obs = 4;
  expect_refused(ERR_CONFIG, &other, "the task needs 1, 4,");
  capture_begin();
  cr_assert_eq(demos_read(&d, path(), &READ, TASK + 1), ERR_OK);
  cr_assert(strstr(capture_end(), "another version of the task"));
  demos_free(d);
  cr_assert_eq(fsio_write_atomic(path(), "obs,act\n1,2\n", 12), ERR_OK);
  expect_refused(ERR_FORMAT, &READ, "byte 0");
  free_all(ep);
  expect_refused(ERR_IO, &READ, "No such file");
}
