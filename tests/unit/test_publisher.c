// test_publisher.c - which versions of the policy a learner can still send, and its model.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "learner/publisher.h"
#include "proto/wire.h"
#include "tests/unit/source.h"

enum { RUN = 9 };

static struct task *task;
static struct publisher *publisher;
static struct wire_decoder *decoder;

static void set_up(void) {
  task = source_task("box2d");
  publisher = publisher_new(RUN, task);
  decoder = wire_decoder_new(NULL, WIRE_FIRST_MESSAGE);
}

static void tear_down(void) {
  publisher_free(publisher);
  publisher_free(NULL);
  wire_decoder_free(decoder);
  task_free(task);
}

TestSuite(publisher, .init = set_up, .fini = tear_down);

static zmq_msg_t *add(uint64_t version) {
  const int width[] = {2, 1};
  const float data[3] = {(float)version, 1, 2};
  struct weights *w = weights_new(version, width, 1, data);
  zmq_msg_t *frame = publisher_add(publisher, w);
  weights_unref(w);
  return frame;
}

// the frame says these weights
static void assert_holds(zmq_msg_t *frame, uint64_t version) {
  struct wire_msg msg;
  cr_assert_not_null(frame);
  cr_assert_eq(wire_decode(decoder, &msg, zmq_msg_data(frame), zmq_msg_size(frame)), ERR_OK);
  cr_assert_eq(msg.type, WIRE_WEIGHTS);
  cr_assert_eq(msg.weights.run, RUN);
  cr_assert_eq(msg.weights.weights->version, version);
  cr_assert_eq(msg.weights.weights->data[0], (float)version);
  wire_drop(&msg);
}

Test(publisher, frames_hold_their_versions) {
  cr_assert_null(publisher_newest(publisher));
  // more than its first room
  for (uint64_t v = 1; v <= 40; v++) {
    assert_holds(add(v), v);
  }
  for (uint64_t v = 1; v <= 40; v++) {
    assert_holds(publisher_find(publisher, v), v);
  }
  assert_holds(publisher_newest(publisher), 40);
  cr_assert_null(publisher_find(publisher, 41));
  cr_assert_null(publisher_find(publisher, 0));
}

Test(publisher, forgets_what_no_ticket_names) {
  for (uint64_t v = 3; v <= 9; v++) {
    add(v);
  }
  publisher_forget(publisher, 6);
  cr_assert_null(publisher_find(publisher, 5));
  assert_holds(publisher_find(publisher, 6), 6);
  assert_holds(publisher_find(publisher, 9), 9);
  // newcomers get the newest, whatever tickets name
  publisher_forget(publisher, UINT64_MAX);
  cr_assert_null(publisher_find(publisher, 8));
  assert_holds(publisher_newest(publisher), 9);
  add(10);
  publisher_forget(publisher, 10);
  cr_assert_null(publisher_find(publisher, 9));
}

// Whoever asks for each piece in turn has the model, however large it is.
Test(publisher, pieces_make_the_model) {
  // 3 whole pieces and a bit; no model has such bytes, but they are only copied
  struct task large = {.digest = 77, .mjb_size = 3 * (size_t)WIRE_PIECE + 5};
  large.mjb = malloc(large.mjb_size);
  unsigned char *bytes = large.mjb, *copy = malloc(large.mjb_size);
  for (size_t i = 0; i < large.mjb_size; i++) {
    bytes[i] = (unsigned char)(i * 2654435761u >> 13);
  }
  struct publisher *p = publisher_new(RUN, &large);
  for (int round = 0; round < 2; round++) {
    memset(copy, 0, large.mjb_size);
    for (uint32_t i = 0; i < 4; i++) {
      const struct wire_model_request request = {.task_digest = 77, .piece = i};
      zmq_msg_t *frame = publisher_piece(p, &request);
      struct wire_msg msg;
      cr_assert_not_null(frame);
      cr_assert_eq(wire_decode(decoder, &msg, zmq_msg_data(frame), zmq_msg_size(frame)), ERR_OK);
      cr_assert(msg.type == WIRE_MODEL_PIECE && msg.model_piece.piece == i &&
                msg.model_piece.task_digest == 77);
      cr_assert_eq(msg.model_piece.n, i < 3 ? (size_t)WIRE_PIECE : 5u);
      memcpy(copy + (size_t)i * WIRE_PIECE, msg.model_piece.data, msg.model_piece.n);
    }
    cr_assert_eq(memcmp(copy, bytes, large.mjb_size), 0);
  }
  cr_assert_null(publisher_piece(p, &(struct wire_model_request){.task_digest = 77, .piece = 4}));
  cr_assert_null(publisher_piece(p, &(struct wire_model_request){77, UINT32_MAX}));
  cr_assert_null(publisher_piece(p, &(struct wire_model_request){.task_digest = 78}));
  publisher_free(p);
  free(large.mjb);
  free(copy);
}
