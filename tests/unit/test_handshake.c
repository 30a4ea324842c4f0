// test_handshake.c - which ends of a handshake are the end of an actor, and what it says.
#include <criterion/criterion.h>
#include <string.h>

#include "actor/handshake.h"
#include "tests/unit/capture.h"

static const struct curve_actor keys = {.own = {.public_key = "PUBLIC"}, .name = "rack3"};

// what is said of an event; "" for nothing
static const char *judge(struct handshake *h, enum watch_event event,
                         const struct curve_actor *ours, enum err expected) {
  capture_begin();
  const enum err err = handshake_judge(h, event, "tcp://a:1", ours);
  const char *said = capture_end();
  cr_assert_eq(err, expected, "%d: %s", event, said);
  return said;
}

static bool has(const char *text, const char *word) {
  return strstr(text, word) != NULL;
}

Test(handshake, keys_that_do_not_fit) {
  struct handshake h = {.cut = 0};
  const char *said = judge(&h, WATCH_REFUSED, &keys, ERR_REFUSED);
  cr_assert(has(said, "tcp://a:1 does not allow our key rack3, PUBLIC"), "%s", said);
  said = judge(&h, WATCH_MECHANISM, &keys, ERR_CONFIG);
  cr_assert(has(said, "does not encrypt") && has(said, "--insecure"), "%s", said);
  said = judge(&h, WATCH_MECHANISM, NULL, ERR_CONFIG);
  cr_assert(has(said, "tcp://a:1 encrypts; start this actor with --keys"), "%s", said);
}

// what happens to a message of its own, or a network that has its day, is not the keys' fault
Test(handshake, several_cuts_in_a_row) {
  struct handshake h = {.cut = 0};
  for (int i = 1; i < HANDSHAKE_CUTS; i++) {
    cr_assert_str_empty(judge(&h, WATCH_CUT, &keys, ERR_OK));
  }
  const char *said = judge(&h, WATCH_CUT, &keys, ERR_CONFIG);
  cr_assert(has(said, "E ") && has(said, "learner.key is not its key"), "%s", said);
}

Test(handshake, cuts_after_a_sound_one_are_told_and_waited_out) {
  struct handshake h = {.cut = 0};
  for (int round = 0; round < 2; round++) {
    cr_assert_str_empty(judge(&h, WATCH_SUCCEEDED, &keys, ERR_OK));
    for (int i = 1; i < HANDSHAKE_CUTS; i++) {
      cr_assert_str_empty(judge(&h, i % 2 != 0 ? WATCH_CUT : WATCH_KEY, &keys, ERR_OK));
    }
    const char *said = judge(&h, WATCH_CUT, &keys, ERR_OK);
    cr_assert(has(said, "W ") && has(said, "learner.key anew"), "%s", said);
    cr_assert_str_empty(judge(&h, WATCH_CUT, &keys, ERR_OK), "once");
  }
}

Test(handshake, without_keys_cuts_are_told_once) {
  struct handshake h = {.cut = 0};
  for (int i = 1; i < HANDSHAKE_CUTS; i++) {
    cr_assert_str_empty(judge(&h, WATCH_CUT, NULL, ERR_OK));
  }
  cr_assert(has(judge(&h, WATCH_CUT, NULL, ERR_OK), "--keys FOLDER"));
  for (int i = 0; i < 3 * HANDSHAKE_CUTS; i++) {
    cr_assert_str_empty(judge(&h, WATCH_OTHER, NULL, ERR_OK));
  }
  cr_assert_str_empty(judge(&h, WATCH_SUCCEEDED, NULL, ERR_OK));
  for (int i = 0; i < 3 * HANDSHAKE_CUTS; i++) {
    cr_assert_str_empty(judge(&h, WATCH_CUT, NULL, ERR_OK), "a network that has its day");
  }
}
