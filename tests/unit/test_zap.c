// test_zap.c - what libzmq asks about a connection, and what nobody should ask.
#include <criterion/criterion.h>
#include <string.h>
#include <zmq.h>

#include "proto/zap.h"

static const unsigned char key[32] = {0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b};

// A sound request: how each test begins.
static void sound(struct zap_frame f[ZAP_FRAMES]) {
  static const char *const text[] = {"1.0", "id", ZAP_DOMAIN, "10.0.0.7", "", "CURVE"};
  for (int i = 0; i < ZAP_FRAMES - 1; i++) {
    f[i] = (struct zap_frame){text[i], strlen(text[i])};
  }
  f[ZAP_FRAMES - 1] = (struct zap_frame){key, sizeof key};
}

Test(zap, a_sound_request) {
  struct zap_frame f[ZAP_FRAMES];
  struct zap_request r;
  char expected[KEY_TEXT];
  sound(f);
  cr_assert_null(zap_parse(&r, f, ZAP_FRAMES));
  cr_assert_not_null(zmq_z85_encode(expected, key, sizeof key));
  cr_assert_str_eq(r.key, expected);
  cr_assert_str_eq(r.address, "10.0.0.7");
}

Test(zap, addresses_are_printable_and_short) {
  struct zap_frame f[ZAP_FRAMES];
  struct zap_request r;
  char lengthy[200];
  sound(f);
  f[3] = (struct zap_frame){"a\n\033[2J", 6};
  cr_assert_null(zap_parse(&r, f, ZAP_FRAMES));
  cr_assert_str_eq(r.address, "a??[2J");
  memset(lengthy, 'x', sizeof lengthy);
  f[3] = (struct zap_frame){lengthy, sizeof lengthy};
  cr_assert_null(zap_parse(&r, f, ZAP_FRAMES));
  cr_assert_eq(strlen(r.address), ZAP_MAX_ADDRESS);
}

Test(zap, requests_that_are_none) {
  static char many[ZAP_MAX_ID + 1];
  static const struct {
    int frame;
    struct zap_frame value;
    const char *what;
  } cases[] = {
      {0, {"1.1", 3}, "version"},   {0, {"1.0 ", 4}, "version"},
      {0, {"", 0}, "version"},      {1, {many, sizeof many}, "request id"},
      {2, {"", 0}, "domain"},       {2, {"other", 5}, "domain"},
      {2, {"telosx", 6}, "domain"}, {5, {"NULL", 4}, "CURVE"},
      {5, {"PLAIN", 5}, "CURVE"},   {6, {key, 31}, "CURVE"},
      {6, {many, 33}, "CURVE"},     {6, {"", 0}, "CURVE"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct zap_frame f[ZAP_FRAMES];
    struct zap_request r = {.key = "as it was"};
    sound(f);
    f[cases[i].frame] = cases[i].value;
    const char *what = zap_parse(&r, f, ZAP_FRAMES);
    cr_assert(what != NULL && strstr(what, cases[i].what) != NULL, "%zu: %s", i, what);
    cr_assert_str_eq(r.key, "as it was");
  }
  struct zap_frame f[ZAP_FRAMES];
  struct zap_request r;
  sound(f);
  for (int n = 0; n < ZAP_FRAMES; n++) {
    cr_assert_not_null(zap_parse(&r, f, n));
  }
  cr_assert_not_null(zap_parse(&r, f, ZAP_FRAMES + 1));
}

static bool allow_seven(void *ctx, const struct zap_request *request) {
  int *asked = ctx;
  ++*asked;
  return strcmp(request->address, "10.0.0.7") == 0;
}

// Sends n of the frames, has them answered, and returns the answer's frames in text.
static void ask(void *req, void *rep, const struct zap_frame *f, int n, char answer[6][64],
                int *asked) {
  for (int i = 0; i < n; i++) {
    cr_assert_geq(zmq_send(req, f[i].data, f[i].n, i < n - 1 ? ZMQ_SNDMORE : 0), 0);
  }
  zmq_pollitem_t item = {rep, 0, ZMQ_POLLIN, 0};
  cr_assert_eq(zmq_poll(&item, 1, 60000), 1);
  zap_answer(rep, allow_seven, asked);
  for (int i = 0; i < 6; i++) {
    int more = 0;
    size_t size = sizeof more;
    const int got = zmq_recv(req, answer[i], 63, 0);
    cr_assert_geq(got, 0);
    answer[i][got] = '\0';
    cr_assert_eq(zmq_getsockopt(req, ZMQ_RCVMORE, &more, &size), 0);
    cr_assert_eq(more, i < 5);
  }
}

Test(zap, every_request_is_answered) {
  struct zap_frame f[ZAP_FRAMES + 2];
  char answer[6][64], text[KEY_TEXT];
  int asked = 0;
  void *zmq = zmq_ctx_new();
  void *rep = zmq_socket(zmq, ZMQ_REP), *req = zmq_socket(zmq, ZMQ_REQ);
  cr_assert(zmq_bind(rep, ZAP_ENDPOINT) == 0 && zmq_connect(req, ZAP_ENDPOINT) == 0);
  cr_assert_not_null(zmq_z85_encode(text, key, sizeof key));

  sound(f);
  ask(req, rep, f, ZAP_FRAMES, answer, &asked);
  cr_assert_eq(asked, 1);
  static const char *const yes[] = {"1.0", "id", "200", "OK"};
  for (int i = 0; i < 4; i++) {
    cr_assert_str_eq(answer[i], yes[i]);
  }
  cr_assert_str_eq(answer[4], text, "the user id is the key");
  cr_assert_str_empty(answer[5]);

  // another address, which the callback does not like: no user id
  f[3] = (struct zap_frame){"10.0.0.8", 8};
  ask(req, rep, f, ZAP_FRAMES, answer, &asked);
  cr_assert_eq(asked, 2);
  cr_assert_str_eq(answer[2], "400");
  cr_assert_str_empty(answer[4]);

  // what is no request is refused without a question: too few frames, too many, another domain
  f[3] = (struct zap_frame){"10.0.0.7", 8};
  for (int n = 1; n <= ZAP_FRAMES + 2; n++) {
    f[ZAP_FRAMES] = f[ZAP_FRAMES + 1] = (struct zap_frame){"x", 1};
    if (n != ZAP_FRAMES) {
      ask(req, rep, f, n, answer, &asked);
      cr_assert_str_eq(answer[2], "400");
    }
  }
  f[2] = (struct zap_frame){"", 0};
  ask(req, rep, f, ZAP_FRAMES, answer, &asked);
  cr_assert_str_eq(answer[2], "400");
  cr_assert_eq(asked, 2);
  zmq_close(req);
  zmq_close(rep);
  zmq_ctx_term(zmq);
}
