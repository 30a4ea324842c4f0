// test_download.c - a model that comes in pieces.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "actor/download.h"
#include "common/base/log.h"
#include "tests/unit/source.h"

static struct download d;

static void tear_down(void) {
  download_release(&d);
}

TestSuite(download, .fini = tear_down);

static struct wire_model_piece piece_of(uint64_t digest, uint32_t i, const void *model,
                                        size_t size) {
  const size_t at = (size_t)i * WIRE_PIECE, left = size - at;
  return (struct wire_model_piece){.task_digest = digest,
                                   .piece = i,
                                   .data = (const char *)model + at,
                                   .n = left < WIRE_PIECE ? left : WIRE_PIECE};
}

Test(download, a_task_comes_out) {
  struct task *task = source_task("ant"), *copy;
  uint32_t pieces = 0;
  download_begin(&d, task->digest, task->mjb_size);
  while (!download_is_complete(&d)) {
    const struct wire_model_request next = download_next(&d);
    cr_assert(next.task_digest == task->digest && next.piece == pieces);
    const struct wire_model_piece piece =
        piece_of(task->digest, next.piece, task->mjb, task->mjb_size);
    cr_assert(download_take(&d, &piece));
    cr_assert_not(download_take(&d, &piece), "once");
    pieces++;
  }
  cr_assert_eq(pieces, (task->mjb_size + WIRE_PIECE - 1) / WIRE_PIECE);
  cr_assert_eq(download_task(&d, &copy), ERR_OK);
  cr_assert_eq(copy->digest, task->digest);
  cr_assert_eq(copy->obs, task->obs);
  cr_assert_null(d.bytes, "its memory is given back");
  task_free(copy);
  task_free(task);
}

Test(download, only_the_piece_that_is_due) {
  enum { SIZE = 2 * WIRE_PIECE + 100 };
  unsigned char *model = calloc(1, SIZE);
  download_begin(&d, 7, SIZE);
  struct wire_model_piece piece = piece_of(7, 1, model, SIZE);
  cr_assert_not(download_take(&d, &piece), "the second before the first");
  piece = piece_of(8, 0, model, SIZE);
  cr_assert_not(download_take(&d, &piece), "of another task");
  piece = piece_of(7, 0, model, SIZE);
  piece.n--;
  cr_assert_not(download_take(&d, &piece), "too short");
  piece.n++;
  cr_assert(download_take(&d, &piece));
  cr_assert_eq(d.have, (size_t)WIRE_PIECE);
  // the connection is lost: it goes on where it was
  download_begin(&d, 7, SIZE);
  cr_assert_eq(download_next(&d).piece, 1);
  piece = piece_of(7, 1, model, SIZE);
  cr_assert(download_take(&d, &piece));
  piece = piece_of(7, 2, model, SIZE);
  cr_assert_eq(piece.n, 100);
  cr_assert(download_take(&d, &piece));
  cr_assert(download_is_complete(&d));
  // another learner has another model
  download_begin(&d, 9, SIZE);
  cr_assert_not(download_is_complete(&d));
  cr_assert_eq(download_next(&d).piece, 0);
  free(model);
}

Test(download, bytes_that_are_no_model) {
  log_set_level(LOG_ERROR - 1);
  struct task *task = source_task("box2d"), *copy;
  unsigned char *bytes = malloc(task->mjb_size);
  memcpy(bytes, task->mjb, task->mjb_size);
  // damaged: no model at all
  bytes[task->mjb_size / 2] ^= 0x40;
  for (int wrong_digest = 0; wrong_digest <= 1; wrong_digest++) {
    const uint64_t digest = task->digest ^ (uint64_t)wrong_digest;
    const unsigned char *model = wrong_digest ? task->mjb : bytes;
    download_begin(&d, digest, task->mjb_size);
    while (!download_is_complete(&d)) {
      const struct wire_model_piece piece =
          piece_of(digest, download_next(&d).piece, model, task->mjb_size);
      cr_assert(download_take(&d, &piece));
    }
    cr_assert_eq(download_task(&d, &copy), ERR_CONFIG);
    cr_assert_null(copy);
  }
  free(bytes);
  task_free(task);
}
