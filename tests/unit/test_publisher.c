// test_publisher.c - which versions of the policy a learner can still send.
#include <criterion/criterion.h>

#include "learner/publisher.h"
#include "proto/wire.h"

enum { RUN = 9 };

static struct publisher *publisher;
static struct wire_decoder *decoder;

static void set_up(void) {
  publisher = publisher_new(RUN);
  decoder = wire_decoder_new(NULL, 1 << 20);
}

static void tear_down(void) {
  publisher_free(publisher);
  publisher_free(NULL);
  wire_decoder_free(decoder);
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
