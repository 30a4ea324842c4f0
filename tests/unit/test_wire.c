// test_wire.c - every message there and back, and every way in which a frame can be wrong.
#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/rng.h"
#include "proto/wire.h"
#include "proto/wire_scan.h"

enum { MAX_FRAME = 2 << 20, LAST_TYPE = WIRE_MODEL_PIECE, NTYPES = LAST_TYPE - WIRE_HELLO + 1 };

static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 12, .hindsight = 4};
static const int WIDTH[4] = {5, 6, 7, 4};

static struct wire_encoder *encoder;
static struct wire_decoder *decoder;

static void set_up(void) {
  encoder = wire_encoder_new();
  decoder = wire_decoder_new(&DIMS, MAX_FRAME);
}

static void tear_down(void) {
  wire_encoder_free(encoder);
  wire_decoder_free(decoder);
  wire_encoder_free(NULL);
  wire_decoder_free(NULL);
}

TestSuite(wire, .init = set_up, .fini = tear_down);

static struct episode *make_episode(const struct dims *dims, int T) {
  struct rng r;
  rng_init(&r, 1, RNG_TEST, 0);
  struct episode *ep = episode_new(dims);
  ep->ticket = (struct ticket){.id = 300, .seed = 77, .version = 5, .kind = TICKET_TRAIN};
  ep->T = T;
  ep->terminated = true;
  rng_fill_normal(&r, ep->obs, (size_t)(T + 1) * (size_t)dims->obs);
  rng_fill_uniform(&r, ep->act, (size_t)T * (size_t)dims->act, -1, 1);
  rng_fill_normal(&r, ep->achieved, (size_t)(T + 1) * (size_t)dims->goal);
  rng_fill_normal(&r, ep->desired, (size_t)dims->goal);
  rng_fill_normal(&r, ep->reward, (size_t)T * (size_t)dims->reward);
  for (int i = 0; i < T * dims->hindsight; i++) {
    ep->hindsight[i] = (uint16_t)T;
  }
  return ep;
}

static struct weights *make_weights(uint64_t version) {
  float data[5 * 6 + 6 + 6 * 7 + 7 + 7 * 4 + 4];
  struct rng r;
  rng_init(&r, version, RNG_TEST, 1);
  rng_fill_normal(&r, data, sizeof data / sizeof *data);
  return weights_new(version, WIDTH, 3, data);
}

static const struct ticket TICKETS[3] = {
    {.id = 0, .seed = 0, .version = 1, .kind = TICKET_WARMUP},
    {.id = 1, .seed = UINT64_MAX, .version = UINT64_MAX, .kind = TICKET_TRAIN},
    {.id = UINT64_MAX, .seed = 5, .version = 900, .kind = TICKET_EVAL}};

// A message of each type; episodes and weights in it are released by release().
static struct wire_msg sample(enum wire_type type) {
  struct wire_msg m = {.type = type};
  switch (type) {
    case WIRE_HELLO:
      m.hello = (struct wire_hello){.build = "0.1.0",
                                    .cpu = "a cpu @ 2 GHz",
                                    .name = "host:42",
                                    .mujoco_version = 222,
                                    .actor = 0xfeedfacecafebeef,
                                    .slots = 8,
                                    .threads = 4,
                                    .task_digest = 3};
      break;
    case WIRE_WELCOME:
      m.welcome = (struct wire_welcome){.run = 9,
                                        .task_digest = 12,
                                        .model_bytes = 12345678,
                                        .weights_port = 5556,
                                        .settings = {.random = 0.3,
                                                     .repeat = 0.7,
                                                     .hindsight = 5,
                                                     .members = 7,
                                                     .heartbeat = 900,
                                                     .patience = 50000,
                                                     .max_message = 1 << 20}};
      break;
    case WIRE_MODEL_REQUEST:
      m.model_request = (struct wire_model_request){.task_digest = 12, .piece = 3};
      break;
    case WIRE_MODEL_PIECE:
      m.model_piece =
          (struct wire_model_piece){.task_digest = 12, .piece = 3, .data = "model\0bytes", .n = 11};
      break;
    case WIRE_REFUSE:
      m.refuse = (struct wire_text){.code = WIRE_REFUSE_TASK, .reason = "another task"};
      break;
    case WIRE_GRANT:
      m.grant = (struct wire_grant){.run = 9, .tickets = TICKETS, .n = 3};
      break;
    case WIRE_EPISODE:
      m.episode = (struct wire_episode){.run = 9, .episode = make_episode(&DIMS, 7)};
      episode_seal(m.episode.episode);
      break;
    case WIRE_ACK:
      m.ack = (struct wire_ack){.id = 4, .kind = TICKET_EVAL};
      break;
    case WIRE_HEARTBEAT:
      m.heartbeat = (struct wire_heartbeat){.run = 9, .progress = 1000000, .busy = 777};
      break;
    case WIRE_BYE:
      m.bye = (struct wire_text){.code = WIRE_BYE_DRAINING, .reason = ""};
      break;
    case WIRE_WEIGHTS_REQUEST:
      m.weights_request = 17;
      break;
    case WIRE_WEIGHTS:
      m.weights = (struct wire_weights){.run = 9, .weights = make_weights(17)};
      break;
  }
  return m;
}

static void release(struct wire_msg *m) {
  wire_drop(m);
}

// A copy of the encoded message, exactly n bytes, so that a sanitizer sees reads beyond.
static unsigned char *encoded(size_t *n, const struct wire_msg *m) {
  const void *frame = wire_encode(encoder, n, m);
  unsigned char *copy = malloc(*n);
  memcpy(copy, frame, *n);
  return copy;
}

static enum err decode(struct wire_msg *out, const void *frame, size_t n) {
  return wire_decode(decoder, out, frame, n);
}

static void refused(const void *frame, size_t n, const char *fault) {
  struct wire_msg out;
  cr_assert_eq(decode(&out, frame, n), ERR_FORMAT, "expected: %s", fault);
  cr_assert_str_eq(wire_fault(decoder), fault);
}

// Encodes *m and expects the decoder to name this fault.
static void refused_msg(const struct wire_msg *m, const char *fault) {
  size_t n;
  unsigned char *frame = encoded(&n, m);
  refused(frame, n, fault);
  free(frame);
}

// ---- round trips ----

Test(wire, hello_there_and_back) {
  struct wire_msg m = sample(WIRE_HELLO), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_HELLO);
  cr_assert_str_eq(out.hello.build, "0.1.0");
  cr_assert_str_eq(out.hello.cpu, "a cpu @ 2 GHz");
  cr_assert_str_eq(out.hello.name, "host:42");
  cr_assert_eq(out.hello.mujoco_version, 222);
  cr_assert_eq(out.hello.actor, 0xfeedfacecafebeef);
  cr_assert_eq(out.hello.slots, 8);
  cr_assert_eq(out.hello.threads, 4);
  cr_assert_eq(out.hello.task_digest, 3);
}

Test(wire, welcome_there_and_back) {
  struct wire_msg m = sample(WIRE_WELCOME), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.welcome.run, 9);
  cr_assert_eq(out.welcome.task_digest, 12);
  cr_assert_eq(out.welcome.model_bytes, 12345678);
  cr_assert_eq(out.welcome.weights_port, 5556);
  const struct wire_settings *got = &out.welcome.settings, *want = &m.welcome.settings;
  cr_assert(got->none == want->none && got->least == want->least);
  cr_assert(got->random == want->random && got->repeat == want->repeat);
  cr_assert(got->hindsight == want->hindsight && got->members == want->members);
  cr_assert(got->heartbeat == want->heartbeat && got->patience == want->patience);
  cr_assert_eq(got->max_message, want->max_message);
  // no exploration at all is a setting, too
  m.welcome.settings.random = m.welcome.settings.repeat = 0;
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert(out.welcome.settings.random == 0 && out.welcome.settings.repeat == 0);
}

Test(wire, pieces_of_a_model_there_and_back) {
  struct wire_msg m = sample(WIRE_MODEL_REQUEST), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.model_request.task_digest, 12);
  cr_assert_eq(out.model_request.piece, 3);
  // the largest piece is what an actor takes before it knows the settings
  char *data = malloc(WIRE_PIECE);
  memset(data, 'm', WIRE_PIECE);
  m = (struct wire_msg){.type = WIRE_MODEL_PIECE,
                        .model_piece = {.task_digest = UINT64_MAX, UINT32_MAX, data, WIRE_PIECE}};
  frame = wire_encode(encoder, &n, &m);
  cr_assert_leq(n, (size_t)WIRE_FIRST_MESSAGE);
  cr_assert_eq(decode(&out, frame, n), ERR_OK, "%s", wire_fault(decoder));
  cr_assert_eq(out.model_piece.task_digest, UINT64_MAX);
  cr_assert_eq(out.model_piece.piece, UINT32_MAX);
  cr_assert_eq(out.model_piece.n, (size_t)WIRE_PIECE);
  cr_assert_eq(memcmp(out.model_piece.data, data, WIRE_PIECE), 0);
  free(data);
}

Test(wire, small_messages_there_and_back) {
  size_t n;
  const void *frame;
  struct wire_msg out, m = sample(WIRE_REFUSE);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_REFUSE);
  cr_assert_eq(out.refuse.code, WIRE_REFUSE_TASK);
  cr_assert_str_eq(out.refuse.reason, "another task");
  m = sample(WIRE_ACK);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_ACK);
  cr_assert_eq(out.ack.id, 4);
  cr_assert_eq(out.ack.kind, TICKET_EVAL);
  m = sample(WIRE_HEARTBEAT);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_HEARTBEAT);
  cr_assert_eq(out.heartbeat.run, 9);
  cr_assert_eq(out.heartbeat.progress, 1000000);
  cr_assert_eq(out.heartbeat.busy, 777);
  m = sample(WIRE_BYE);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_BYE);
  cr_assert_eq(out.bye.code, WIRE_BYE_DRAINING);
  cr_assert_str_eq(out.bye.reason, "");
  m = sample(WIRE_WEIGHTS_REQUEST);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.type, WIRE_WEIGHTS_REQUEST);
  cr_assert_eq(out.weights_request, 17);
}

static bool same_bytes(const void *a, const void *b, size_t n) {
  return memcmp(a, b, n) == 0;
}

static void same_ticket(const struct ticket *a, const struct ticket *b) {
  cr_assert_eq(a->id, b->id);
  cr_assert_eq(a->seed, b->seed);
  cr_assert_eq(a->version, b->version);
  cr_assert_eq(a->kind, b->kind);
}

Test(wire, grant_there_and_back) {
  struct wire_msg m = sample(WIRE_GRANT), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  cr_assert_eq(out.grant.run, 9);
  cr_assert_eq(out.grant.n, 3);
  for (int i = 0; i < 3; i++) {
    same_ticket(&out.grant.tickets[i], &TICKETS[i]);
  }
  // the largest grant fits
  struct ticket *many = calloc(WIRE_MAX_TICKETS, sizeof *many);
  for (int i = 0; i < WIRE_MAX_TICKETS; i++) {
    many[i] = (struct ticket){.id = (uint64_t)i, .seed = 1, .version = 1, .kind = TICKET_TRAIN};
  }
  m.grant.tickets = many;
  m.grant.n = WIRE_MAX_TICKETS;
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK, "%s", wire_fault(decoder));
  cr_assert_eq(out.grant.n, WIRE_MAX_TICKETS);
  same_ticket(&out.grant.tickets[4095], &many[4095]);
  free(many);
}

Test(wire, episode_there_and_back) {
  for (int T = 1; T <= DIMS.horizon; T++) {
    struct episode *ep = make_episode(&DIMS, T);
    ep->terminated = T % 2 == 0;
    ep->unstable = T % 2 == 1 && T < DIMS.horizon;
    struct wire_msg out, m = {.type = WIRE_EPISODE, .episode = {.run = 9, .episode = ep}};
    episode_seal(ep);
    size_t n;
    const void *frame = wire_encode(encoder, &n, &m);
    cr_assert_eq(decode(&out, frame, n), ERR_OK, "%s", wire_fault(decoder));
    const struct episode *got = out.episode.episode;
    cr_assert_eq(out.episode.run, 9);
    cr_assert_eq(got->digest, ep->digest);
    cr_assert_eq(got->T, T);
    cr_assert_eq(got->terminated, ep->terminated);
    cr_assert_eq(got->unstable, ep->unstable);
    same_ticket(&got->ticket, &ep->ticket);
    size_t steps = (size_t)T;
    cr_assert(same_bytes(got->obs, ep->obs, (steps + 1) * 3 * 4));
    cr_assert(same_bytes(got->act, ep->act, steps * 2 * 4));
    cr_assert(same_bytes(got->achieved, ep->achieved, (steps + 1) * 2 * 4));
    cr_assert(same_bytes(got->desired, ep->desired, 2 * 4));
    cr_assert(same_bytes(got->hindsight, ep->hindsight, steps * 4 * 2));
    release(&out);
    episode_free(ep);
  }
}

// a task that has rewards and no goal
Test(wire, rewards_there_and_back) {
  const struct dims dims = {.obs = 3, .act = 2, .horizon = 12, .hindsight = 4, .reward = 1};
  struct wire_decoder *own = wire_decoder_new(&dims, MAX_FRAME);
  struct episode *ep = make_episode(&dims, 9);
  struct wire_msg out, m = {.type = WIRE_EPISODE, .episode = {.run = 9, .episode = ep}};
  episode_seal(ep);
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(wire_decode(own, &out, frame, n), ERR_OK, "%s", wire_fault(own));
  cr_assert(same_bytes(out.episode.episode->reward, ep->reward, 9 * 4));
  cr_assert(same_bytes(out.episode.episode->obs, ep->obs, 10 * 3 * 4));
  release(&out);
  // and one without rewards does not pass for one with them
  cr_assert_eq(wire_decode(decoder, &out, frame, n), ERR_FORMAT);
  ep->reward[8] = NAN;
  episode_seal(ep);
  frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(wire_decode(own, &out, frame, n), ERR_FORMAT);
  cr_assert_str_eq(wire_fault(own), "reward is not finite");
  episode_free(ep);
  wire_decoder_free(own);
}

Test(wire, weights_there_and_back) {
  struct wire_msg m = sample(WIRE_WEIGHTS), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK, "%s", wire_fault(decoder));
  const struct weights *a = m.weights.weights, *b = out.weights.weights;
  cr_assert_eq(out.weights.run, 9);
  cr_assert_eq(b->version, 17);
  cr_assert_eq(b->nlayer, 3);
  cr_assert_eq(memcmp(b->width, WIDTH, sizeof WIDTH), 0);
  cr_assert_eq(b->n, a->n);
  cr_assert_eq(b->digest, a->digest);
  cr_assert(same_bytes(a->data, b->data, a->n * sizeof(float)));
  release(&m);
  release(&out);
}

// heads, contexts and goals go along behind the parameters: whole ones, behind three numbers
Test(wire, heads_and_goals_go_along_with_weights) {
  struct weights *bare = make_weights(3);
  const int width1 = bare->width[1];
  for (int k = 0; k < 4 * (3 + 3 * width1 + 7); k++) {
    const int heads = k % 2 + 1, members = k / 2 % 2;
    const size_t n = (size_t)(k / 4), width = (size_t)width1;
    const size_t before = 3 + (size_t)(heads - 1 + 2 * members) * width;
    float along[96];
    cr_assert_leq(n, 96);
    for (int i = 0; i < 96; i++) {
      along[i] = (float)i;
    }
    along[0] = (float)heads;
    along[1] = (float)members;
    along[2] = 0.5f;
    struct weights *w = weights_new_along(3, bare->width, bare->nlayer, bare->data, along, n);
    struct wire_msg m = {.type = WIRE_WEIGHTS, .weights = {9, w}}, out;
    size_t bytes;
    const void *frame = wire_encode(encoder, &bytes, &m);
    cr_assert_leq(bytes, wire_weights_bytes(bare->width, bare->nlayer, n));
    const bool whole = n == 0 || (n >= before && (n - before) % (size_t)DIMS.goal == 0);
    cr_assert_eq(decode(&out, frame, bytes), whole ? ERR_OK : ERR_FORMAT, "%zu", n);
    if (whole) {
      const struct weights *b = out.weights.weights;
      const struct weights_along got = weights_along(b, DIMS.goal);
      cr_assert_eq(got.heads, n == 0 ? 1 : heads);
      cr_assert_eq(got.ngoal, n == 0 ? 0 : (int)((n - before) / (size_t)DIMS.goal));
      cr_assert(n == 0 || got.share == 0.5f);
      cr_assert(b->digest == w->digest && b->nparam == bare->n && b->n == bare->n + n);
      cr_assert_eq(got.members, n == 0 ? 0 : members);
      cr_assert(n == 0 || heads == 1 || got.heads_shift[0] == 3);
      cr_assert(n == 0 || got.mean[0] == 3 + (heads - 1) * width1 || members == 0);
      cr_assert(n == 0 || got.sample - got.mean == members * width1);
      cr_assert(got.ngoal == 0 || (got.goals[0] == before && got.goals[1] == before + 1));
      release(&out);
    } else {
      cr_assert_str_eq(wire_fault(decoder), "weights of a wrong shape");
    }
    weights_unref(w);
  }
  weights_unref(bare);
}

// neither half a head, nor more than there can be, nor a share that is none
Test(wire, what_goes_along_is_in_range) {
  struct weights *bare = make_weights(3);
  const float bad[][3] = {{0, 0, 0.5f},  {-1, 0, 0.5f}, {17, 0, 0.5f}, {1e30f, 0, 0},
                          {1, 0, -0.1f}, {1, 0, 1.5f},  {1, -1, 0},    {1, 65, 0}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    struct weights *w = weights_new_along(3, bare->width, bare->nlayer, bare->data, bad[k], 3);
    struct wire_msg m = {.type = WIRE_WEIGHTS, .weights = {9, w}}, out;
    size_t bytes;
    const void *frame = wire_encode(encoder, &bytes, &m);
    cr_assert_eq(decode(&out, frame, bytes), ERR_FORMAT, "%zu", k);
    weights_unref(w);
  }
  weights_unref(bare);
}

// ---- damaged frames ----

Test(wire, truncated_anywhere_is_never_the_message) {
  for (int type = WIRE_HELLO; type <= LAST_TYPE; type++) {
    struct wire_msg m = sample((enum wire_type)type);
    size_t n;
    unsigned char *whole = encoded(&n, &m);
    for (size_t cut = 0; cut < n; cut++) {
      unsigned char *frame = malloc(cut ? cut : 1);
      memcpy(frame, whole, cut);
      struct wire_msg out;
      // only at the envelope's own field borders is the rest well-formed, and then it has no body
      cr_assert_eq(decode(&out, frame, cut), ERR_FORMAT, "type %d cut at %zu", type, cut);
      free(frame);
    }
    free(whole);
    release(&m);
  }
}

// Flips each bit of a message; returns how many flips still decode.
static int flips_that_decode(enum wire_type type) {
  struct wire_msg m = sample(type);
  size_t n;
  unsigned char *frame = encoded(&n, &m);
  int decoded = 0;
  for (size_t bit = 0; bit < n * 8; bit++) {
    frame[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    struct wire_msg out;
    enum err err = decode(&out, frame, n);
    // a changed protocol number does not pass for a peer of another version
    cr_assert(err == ERR_OK || err == ERR_FORMAT, "type %d, bit %zu", type, bit);
    if (err == ERR_OK) {
      decoded++;
      release(&out);
    }
    frame[bit / 8] ^= (unsigned char)(1u << (bit % 8));
  }
  free(frame);
  release(&m);
  return decoded;
}

Test(wire, a_flipped_bit_is_found) {
  for (int type = WIRE_HELLO; type <= LAST_TYPE; type++) {
    if (type != WIRE_EPISODE) {
      cr_assert_eq(flips_that_decode((enum wire_type)type), 0, "type %d", type);
    }
  }
  // the digest covers all of an episode but the run id (64 bits)
  cr_assert_leq(flips_that_decode(WIRE_EPISODE), 64);
}

Test(wire, random_bytes_never_crash) {
  struct rng r;
  rng_init(&r, 5, RNG_TEST, 0);
  for (int i = 0; i < 20000; i++) {
    unsigned char frame[64];
    size_t n = rng_below(&r, sizeof frame + 1);
    for (size_t b = 0; b < n; b++) {
      frame[b] = (unsigned char)rng_u32(&r);
    }
    // half of them look like an envelope of ours
    if (n >= 4 && i % 2) {
      frame[0] = 1 << 3;
      frame[1] = WIRE_PROTOCOL;
      frame[2] = (unsigned char)((2 + rng_below(&r, NTYPES)) << 3 | 2);
      frame[3] = (unsigned char)(n - 4);
    }
    struct wire_msg out;
    if (decode(&out, frame, n) == ERR_OK) {
      release(&out);
    }
  }
}

Test(wire, frame_over_the_limit_is_refused) {
  struct wire_msg m = sample(WIRE_EPISODE), out;
  size_t n;
  const void *frame = wire_encode(encoder, &n, &m);
  struct wire_decoder *small = wire_decoder_new(&DIMS, n - 1);
  cr_assert_eq(wire_decode(small, &out, frame, n), ERR_FORMAT);
  cr_assert_str_eq(wire_fault(small), "message is too large");
  wire_decoder_free(small);
  small = wire_decoder_new(&DIMS, n);
  cr_assert_eq(wire_decode(small, &out, frame, n), ERR_OK);
  wire_decoder_free(small);
  release(&out);
  release(&m);
}

// ---- frames built by hand ----

struct build {
  unsigned char at[1 << 16];
  size_t n;
};

static void put_varint(struct build *b, uint64_t v) {
  while (v >= 0x80) {
    b->at[b->n++] = (unsigned char)(v | 0x80);
    v >>= 7;
  }
  b->at[b->n++] = (unsigned char)v;
}

static void put_number(struct build *b, int field, uint64_t v) {
  put_varint(b, (uint64_t)field << 3);
  put_varint(b, v);
}

static void put_fixed(struct build *b, int field, uint64_t v) {
  put_varint(b, (uint64_t)field << 3 | 1);
  memcpy(b->at + b->n, &v, 8);
  b->n += 8;
}

static void put_bytes(struct build *b, int field, const void *data, size_t n) {
  put_varint(b, (uint64_t)field << 3 | 2);
  put_varint(b, n);
  memcpy(b->at + b->n, data, n);
  b->n += n;
}

// The envelope with a right check at its end; valid until the next call.
static const struct build *sealed(const struct build *b) {
  static struct build whole;
  whole = *b;
  whole.n += WIRE_CHECK_BYTES;
  wire_seal(whole.at, whole.n);
  return &whole;
}

// The sealed envelope is refused for this reason.
static void refused_sealed(const struct build *b, const char *fault) {
  const struct build *whole = sealed(b);
  refused(whole->at, whole->n, fault);
}

static enum err decode_sealed(struct wire_msg *out, const struct build *b) {
  const struct build *whole = sealed(b);
  return decode(out, whole->at, whole->n);
}

// The body in an envelope of the protocol, expected to be refused for this reason.
static void refused_body(int type, const struct build *body, const char *fault) {
  static struct build frame;
  frame.n = 0;
  put_number(&frame, 1, WIRE_PROTOCOL);
  put_bytes(&frame, type, body->at, body->n);
  if (type == WIRE_EPISODE) {
    refused(frame.at, frame.n, fault);
  } else {
    refused_sealed(&frame, fault);
  }
}

Test(wire, another_protocol_is_told_apart) {
  struct build b = {.n = 0};
  put_number(&b, 1, WIRE_PROTOCOL + 1);
  // a hello with a field from the future
  struct build body = {.n = 0};
  put_number(&body, 25, 1);
  put_bytes(&b, WIRE_HELLO, body.at, body.n);
  put_bytes(&b, 99, "new", 3);
  struct wire_msg out;
  cr_assert_eq(decode_sealed(&out, &b), ERR_REFUSED);
  cr_assert_eq(out.type, WIRE_HELLO);
  cr_assert_eq(wire_peer_protocol(decoder), WIRE_PROTOCOL + 1);
  cr_assert_str_eq(wire_fault(decoder), "another protocol version");
  // without its check it is damage, but for the first protocol, which had none
  refused(b.at, b.n, "check of the message is wrong");
  b.at[1] = 1;
  cr_assert_eq(decode(&out, b.at, b.n), ERR_REFUSED);
  cr_assert_eq(wire_peer_protocol(decoder), 1);
  // larger than 32 bits
  b.n = 0;
  put_number(&b, 1, UINT64_C(1) << 32 | WIRE_PROTOCOL);
  put_bytes(&b, WIRE_HELLO, body.at, 0);
  cr_assert_eq(decode_sealed(&out, &b), ERR_REFUSED);
  cr_assert_eq(wire_peer_protocol(decoder), UINT32_MAX);
  // without a number, or empty
  b.n = 0;
  put_bytes(&b, WIRE_HELLO, body.at, 0);
  refused(b.at, b.n, "no protocol number");
  refused("", 0, "no protocol number");
}

Test(wire, envelope_that_breaks_the_schema) {
  struct build b = {.n = 0}, empty = {.n = 0};
  put_number(&b, 1, WIRE_PROTOCOL);
  refused_sealed(&b, "no message in the envelope");
  // two bodies, equal or different
  struct build ack = {.n = 0};
  put_number(&ack, 2, TICKET_TRAIN);
  put_bytes(&b, WIRE_ACK, ack.at, ack.n);
  struct wire_msg out;
  cr_assert_eq(decode_sealed(&out, &b), ERR_OK);
  put_bytes(&b, WIRE_ACK, ack.at, ack.n);
  refused_sealed(&b, "field given twice");
  b.n -= ack.n + 2;
  put_bytes(&b, WIRE_HEARTBEAT, empty.at, 0);
  refused_sealed(&b, "field given twice");
  // unknown fields, outside and inside; the largest number
  b.n -= 2;
  put_number(&b, 14, 1);
  refused_sealed(&b, "unknown field");
  put_number(&ack, 536870911, 1);
  refused_body(WIRE_ACK, &ack, "unknown field");
  // a field given twice inside
  ack.n = 0;
  put_number(&ack, 2, TICKET_TRAIN);
  put_number(&ack, 2, TICKET_TRAIN);
  refused_body(WIRE_ACK, &ack, "field given twice");
  // another wire type than the schema's
  ack.n = 0;
  put_fixed(&ack, 2, TICKET_TRAIN);
  refused_body(WIRE_ACK, &ack, "field of a wrong type");
  b.n = 0;
  put_number(&b, 1, WIRE_PROTOCOL);
  put_number(&b, WIRE_ACK, 1);
  refused_sealed(&b, "field of a wrong type");
  // groups, and wire types that do not exist
  b.n = 0;
  put_number(&b, 1, WIRE_PROTOCOL);
  put_varint(&b, 3 << 3 | 3);
  refused(b.at, b.n, "truncated or malformed message");
  b.at[b.n - 1] = 3 << 3 | 7;
  refused(b.at, b.n, "truncated or malformed message");
  // a varint that does not end
  b.n = 2;
  for (int i = 0; i < 12; i++) {
    b.at[b.n++] = 0xff;
  }
  refused(b.at, b.n, "truncated or malformed message");
  // a length that would wrap around
  b.n = 2;
  put_varint(&b, WIRE_ACK << 3 | 2);
  put_varint(&b, UINT64_MAX);
  refused(b.at, b.n, "truncated or malformed message");
}

Test(wire, text_that_must_not_be_printed) {
  struct wire_msg m = sample(WIRE_REFUSE);
  const char *bad[] = {"two\nlines", "bell\a", "\033[2Jclear", "del\x7f"};
  for (int i = 0; i < 4; i++) {
    m.refuse.reason = bad[i];
    refused_msg(&m, "text is too long or holds control characters");
  }
  struct build body = {.n = 0};
  put_number(&body, 1, WIRE_REFUSE_TASK);
  put_bytes(&body, 2, "ab\0cd", 5);
  refused_body(WIRE_REFUSE, &body, "text holds a NUL byte");
  // at the limit, and one over
  char *text = calloc(1, WIRE_MAX_TEXT + 2);
  memset(text, 'x', WIRE_MAX_TEXT);
  m.refuse.reason = text;
  size_t n;
  struct wire_msg out;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  text[WIRE_MAX_TEXT] = 'x';
  refused_msg(&m, "text is too long or holds control characters");
  struct wire_msg bye = {.type = WIRE_BYE, .bye = {.code = WIRE_BYE_DONE, .reason = text}};
  refused_msg(&bye, "text is too long or holds control characters");
  struct wire_msg h = sample(WIRE_HELLO);
  h.hello.name = text;
  refused_msg(&h, "text is too long or holds control characters");
  free(text);
}

Test(wire, values_out_of_range) {
  struct wire_msg m = sample(WIRE_HELLO);
  m.hello.slots = 0;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m.hello.slots = WIRE_MAX_TICKETS + 1;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m = sample(WIRE_HELLO);
  m.hello.actor = 0;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m = sample(WIRE_HELLO);
  m.hello.mujoco_version = 0;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m = sample(WIRE_HELLO);
  m.hello.threads = 0;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m.hello.threads = m.hello.slots + 1;
  refused_msg(&m, "hello without version, actor, slots or threads");
  m = sample(WIRE_WELCOME);
  m.welcome.run = 0;
  refused_msg(&m, "welcome without run, task or port");
  m = sample(WIRE_WELCOME);
  m.welcome.task_digest = 0;
  refused_msg(&m, "welcome without run, task or port");
  const uint32_t ports[] = {0, 65536, UINT32_MAX};
  for (int i = 0; i < 3; i++) {
    m = sample(WIRE_WELCOME);
    m.welcome.weights_port = ports[i];
    refused_msg(&m, "welcome without run, task or port");
  }
  const uint64_t sizes[] = {0, (UINT64_C(512) << 20) + 1, UINT64_MAX};
  for (int i = 0; i < 3; i++) {
    m = sample(WIRE_WELCOME);
    m.welcome.model_bytes = sizes[i];
    refused_msg(&m, "size of the model is out of range");
  }
  m = sample(WIRE_MODEL_REQUEST);
  m.model_request.task_digest = 0;
  refused_msg(&m, "no task in a message about its model");
  m = sample(WIRE_MODEL_PIECE);
  m.model_piece.task_digest = 0;
  refused_msg(&m, "no task in a message about its model");
  m = sample(WIRE_REFUSE);
  const uint32_t codes[] = {0, WIRE_REFUSE_KEY + 1, UINT32_MAX};
  for (int i = 0; i < 3; i++) {
    m.refuse.code = codes[i];
    refused_msg(&m, "unknown code");
  }
  m = sample(WIRE_BYE);
  m.bye.code = 0;
  refused_msg(&m, "unknown code");
  m.bye.code = WIRE_BYE_DRAINING + 1;
  refused_msg(&m, "unknown code");
  m = sample(WIRE_WEIGHTS_REQUEST);
  m.weights_request = 0;
  refused_msg(&m, "no version of the weights");
  m = sample(WIRE_ACK);
  m.ack.kind = (enum ticket_kind)4;
  refused_msg(&m, "ticket of an unknown kind");
}

// the ranges of common/config/config.def, whoever sends a welcome
Test(wire, settings_out_of_range) {
  static const struct wire_settings good = {0.3, 0.2, 0.3, 0.5, 4, 2, 1000, 60000, 1 << 26};
  enum { BAD = 19 };
  struct wire_settings bad[BAD];
  for (int i = 0; i < BAD; i++) {
    bad[i] = good;
  }
  bad[0].random = -0.01;
  bad[1].random = 1.01;
  bad[2].random = NAN;
  bad[3].repeat = -1;
  bad[4].repeat = INFINITY;
  bad[5].repeat = NAN;
  bad[6].hindsight = 0;
  bad[7].hindsight = 65;
  bad[8].heartbeat = 0;
  bad[9].heartbeat = UINT32_MAX;
  bad[10].patience = 0;
  bad[11].patience = UINT32_MAX;
  bad[12].max_message = 0;
  bad[13].max_message = UINT32_MAX;
  bad[14].none = 1.01;
  bad[15].none = NAN;
  bad[16].least = -0.01;
  bad[17].least = NAN;
  bad[18].members = 65;
  struct wire_msg m = sample(WIRE_WELCOME);
  for (int i = 0; i < BAD; i++) {
    m.welcome.settings = bad[i];
    refused_msg(&m, "settings are out of range");
  }
  // a welcome without any
  struct build body = {.n = 0};
  put_fixed(&body, 1, 9);
  put_fixed(&body, 2, 12);
  put_number(&body, 3, 1000);
  put_number(&body, 4, 5556);
  refused_body(WIRE_WELCOME, &body, "settings are out of range");
}

Test(wire, pieces_out_of_range) {
  static struct build body;
  put_fixed(&body, 1, 12);
  refused_body(WIRE_MODEL_PIECE, &body, "piece of the model of a wrong size");
  unsigned char *frame = calloc(1, WIRE_PIECE + 100);
  struct build head = {.n = 0};
  // one byte more than a piece has
  put_number(&head, 1, WIRE_PROTOCOL);
  put_varint(&head, WIRE_MODEL_PIECE << 3 | 2);
  put_varint(&head, 9 + 4 + WIRE_PIECE + 1);
  put_fixed(&head, 1, 12);
  put_varint(&head, 3 << 3 | 2);
  put_varint(&head, WIRE_PIECE + 1);
  memcpy(frame, head.at, head.n);
  const size_t n = head.n + WIRE_PIECE + 1 + WIRE_CHECK_BYTES;
  wire_seal(frame, n);
  refused(frame, n, "piece of the model of a wrong size");
  free(frame);
}

Test(wire, grants_out_of_range) {
  struct ticket ticket = TICKETS[0];
  struct wire_msg m = {.type = WIRE_GRANT, .grant = {.run = 1, .tickets = &ticket, .n = 1}};
  for (int kind = 0; kind <= 4; kind += 4) {
    ticket.kind = (enum ticket_kind)kind;
    refused_msg(&m, "ticket of an unknown kind");
  }
  struct build body = {.n = 0};
  put_fixed(&body, 1, 9);
  refused_body(WIRE_GRANT, &body, "grant without tickets");
  // one ticket too many, each as small as can be
  const unsigned char small[] = {2 << 3, TICKET_TRAIN};
  for (int i = 0; i < WIRE_MAX_TICKETS + 1; i++) {
    put_bytes(&body, 2, small, sizeof small);
  }
  refused_body(WIRE_GRANT, &body, "too many tickets");
}

// ---- episodes ----

// The sample with one thing changed and the digest made right again.
static void refused_episode(struct episode *ep, const char *fault) {
  struct wire_msg m = {.type = WIRE_EPISODE, .episode = {.run = 9, .episode = ep}};
  episode_seal(ep);
  refused_msg(&m, fault);
}

Test(wire, episode_content_is_checked) {
  struct episode *ep = make_episode(&DIMS, 7);
  ep->obs[8 * 3 - 1] = NAN;
  refused_episode(ep, "observation is not finite");
  ep->obs[8 * 3 - 1] = 0;
  ep->act[0] = 1.5f;
  refused_episode(ep, "action outside [-1, 1]");
  ep->act[0] = 0;
  ep->achieved[3] = INFINITY;
  refused_episode(ep, "achieved goal is not finite");
  ep->achieved[3] = 0;
  ep->desired[1] = -INFINITY;
  refused_episode(ep, "desired goal is not finite");
  ep->desired[1] = 0;
  ep->hindsight[0] = 0;
  refused_episode(ep, "hindsight index outside [t+1, T]");
  ep->hindsight[0] = 8;
  refused_episode(ep, "hindsight index outside [t+1, T]");
  ep->hindsight[0] = 7;
  ep->ticket.kind = (enum ticket_kind)0;
  refused_episode(ep, "ticket of an unknown kind");
  ep->ticket.kind = TICKET_EVAL;
  struct wire_msg m = {.type = WIRE_EPISODE, .episode = {.run = 9, .episode = ep}};
  ep->digest = episode_seal(ep) + 1;
  refused_msg(&m, "digest of the episode is wrong");
  episode_free(ep);
}

Test(wire, episode_shape_is_checked) {
  // each size one more than the run's, then one less
  for (int which = 0; which < 4; which++) {
    for (int by = -1; by <= 1; by += 2) {
      struct dims other = DIMS;
      int *field[4] = {&other.obs, &other.act, &other.goal, &other.hindsight};
      *field[which] += by;
      struct episode *ep = make_episode(&other, 7);
      refused_episode(ep, "episode of a wrong shape");
      episode_free(ep);
    }
  }
  struct dims longer = DIMS;
  longer.horizon = 1000;
  struct episode *ep = make_episode(&longer, 1000);
  refused_episode(ep, "episode length outside 1..horizon");
  episode_free(ep);
  // no content, a part of the head, a head alone, and one that a head of numbers contradicts
  struct build body = {.n = 0};
  put_fixed(&body, 1, 9);
  refused_body(WIRE_EPISODE, &body, "episode of a wrong shape");
  uint64_t head[7] = {1, 2, 3, TICKET_TRAIN, 1, 0, 0};
  unsigned char content[7 * 8 + (2 * 3 + 2 + 2 * 2 + 2) * 4 + 4 * 2] = {0};
  static const struct {
    int at;
    uint64_t value;
    size_t n;
    const char *fault;
  } wrong[] = {{3, 0, sizeof content, "ticket of an unknown kind"},
               {3, 4, sizeof content, "ticket of an unknown kind"},
               {3, UINT64_C(1) << 32 | TICKET_TRAIN, sizeof content, "ticket of an unknown kind"},
               {4, 0, sizeof content, "episode length outside 1..horizon"},
               {4, 13, sizeof content, "episode length outside 1..horizon"},
               {4, UINT64_C(1) << 32 | 1, sizeof content, "episode length outside 1..horizon"},
               {4, 2, sizeof content, "episode of a wrong shape"},
               {5, 2, sizeof content, "episode of a wrong shape"},
               {6, 2, sizeof content, "episode of a wrong shape"},
               {0, 1, sizeof content - 1, "episode of a wrong shape"},
               {0, 1, sizeof head, "episode of a wrong shape"},
               {0, 1, sizeof head - 1, "episode of a wrong shape"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const uint64_t was = head[wrong[i].at];
    head[wrong[i].at] = wrong[i].value;
    memcpy(content, head, sizeof head);
    head[wrong[i].at] = was;
    body.n = 0;
    put_fixed(&body, 2, XXH3_64bits(content, wrong[i].n));
    put_bytes(&body, 3, content, wrong[i].n);
    refused_body(WIRE_EPISODE, &body, wrong[i].fault);
  }
}

Test(wire, episode_needs_the_task) {
  struct wire_msg m = sample(WIRE_EPISODE);
  wire_decoder_set_dims(decoder, NULL);
  refused_msg(&m, "episode before the task is known");
  wire_decoder_set_dims(decoder, &DIMS);
  size_t n;
  struct wire_msg out;
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  release(&out);
  release(&m);
}

// ---- weights ----

static void put_weights(struct build *body, uint64_t version, const uint32_t *width, int nwidth,
                        bool packed, const float *data, size_t floats) {
  body->n = 0;
  put_number(body, 2, version);
  struct build list = {.n = 0};
  for (int i = 0; i < nwidth; i++) {
    if (packed) {
      put_varint(&list, width[i]);
    } else {
      put_number(body, 3, width[i]);
    }
  }
  if (packed) {
    put_bytes(body, 3, list.at, list.n);
  }
  put_bytes(body, 4, data, floats * sizeof(float));
}

Test(wire, weights_shape_is_checked_before_memory_is_taken) {
  static struct build body;
  const float data[24] = {0};
  // (5 -> 4) has 24 parameters; packed or loose is the same
  for (int packed = 0; packed <= 1; packed++) {
    put_weights(&body, 1, (uint32_t[]){5, 4}, 2, packed, data, 24);
    struct build frame = {.n = 0};
    put_number(&frame, 1, WIRE_PROTOCOL);
    put_bytes(&frame, WIRE_WEIGHTS, body.at, body.n);
    struct wire_msg out;
    cr_assert_eq(decode_sealed(&out, &frame), ERR_OK, "%s", wire_fault(decoder));
    release(&out);
    const uint32_t bad[][9] = {{5, 5},
                               {4, 5},
                               {5, 3, 4},
                               {0, 4},
                               {5, 0},
                               {UINT32_MAX, 4},
                               {5, 65536, 65536, 4},
                               {5, 4294967295u, 4294967295u, 4},
                               {5, 8192, 8192, 8192, 8192, 8192, 8192, 8192, 4},
                               {5, 8193, 4}};
    const int n[] = {2, 2, 3, 2, 2, 2, 4, 4, 9, 3};
    for (int i = 0; i < 10; i++) {
      put_weights(&body, 1, bad[i], n[i], packed, data, 24);
      refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
    }
    // too few layers, too many, many more
    put_weights(&body, 1, bad[0], 1, packed, data, 24);
    refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
    uint32_t ones[2000];
    for (int i = 0; i < 2000; i++) {
      ones[i] = 1;
    }
    put_weights(&body, 1, ones, 10, packed, data, 18);
    refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
    put_weights(&body, 1, ones, 2000, packed, data, 24);
    refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
  }
  put_weights(&body, 1, (uint32_t[]){5, 4}, 2, true, data, 23);
  refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
  put_weights(&body, 0, (uint32_t[]){5, 4}, 2, true, data, 24);
  refused_body(WIRE_WEIGHTS, &body, "no version of the weights");
}

Test(wire, weights_fit_the_task) {
  // without a task any shape will do; with one, obs + goal -> 2 act
  static struct build body;
  const float data[24] = {0};
  put_weights(&body, 1, (uint32_t[]){3, 6}, 2, true, data, 24);
  refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
  put_weights(&body, 1, (uint32_t[]){5, 2, 4}, 3, true, data, 24);
  struct build frame = {.n = 0};
  put_number(&frame, 1, WIRE_PROTOCOL);
  put_bytes(&frame, WIRE_WEIGHTS, body.at, body.n);
  struct wire_msg out;
  cr_assert_eq(decode_sealed(&out, &frame), ERR_OK);
  release(&out);
  put_weights(&body, 1, (uint32_t[]){3, 6}, 2, true, data, 24);
  wire_decoder_set_dims(decoder, NULL);
  frame.n = 0;
  put_number(&frame, 1, WIRE_PROTOCOL);
  put_bytes(&frame, WIRE_WEIGHTS, body.at, body.n);
  cr_assert_eq(decode_sealed(&out, &frame), ERR_OK);
  release(&out);
  // 2^31 x 2^31 parameters are 2^64 bytes, which a careless product takes for none
  put_weights(&body, 1, (uint32_t[]){2147483647, 2147483648}, 2, true, data, 0);
  refused_body(WIRE_WEIGHTS, &body, "weights of a wrong shape");
}

Test(wire, weights_content_is_checked) {
  static struct build body;
  float data[24] = {0};
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    data[23] = bad[i];
    put_weights(&body, 1, (uint32_t[]){5, 4}, 2, true, data, 24);
    refused_body(WIRE_WEIGHTS, &body, "weights are not finite");
  }
}

// ---- sizes ----

// what a learner compares with wire.max_message is an upper bound, and not far from the truth
Test(wire, largest_sizes_are_known) {
  const struct dims all[] = {
      DIMS,
      {.obs = 300, .act = 1, .goal = 0, .horizon = 1000, .hindsight = 64, .reward = 1},
      {.obs = 1, .act = 200, .goal = 7, .horizon = 1, .hindsight = 1},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    struct episode *ep = make_episode(&all[i], all[i].horizon);
    ep->ticket = (struct ticket){UINT64_MAX, UINT64_MAX, UINT64_MAX, TICKET_EVAL};
    struct wire_msg m = {.type = WIRE_EPISODE, .episode = {UINT64_MAX, ep}};
    episode_seal(ep);
    size_t n;
    wire_encode(encoder, &n, &m);
    const size_t bound = wire_episode_bytes(&all[i]);
    cr_assert(n <= bound && bound - n <= WIRE_BESIDE, "%zu of %zu", n, bound);
    episode_free(ep);
  }
  static const float zeros[8 * (4096 + 1)] = {0};
  const int widths[][9] = {{1, 1}, {4096, 8}, {1, 1, 1, 1, 1, 1, 1, 1, 1}};
  const int nlayer[] = {1, 1, 8};
  for (int i = 0; i < 3; i++) {
    struct weights *w = weights_new(UINT64_MAX, widths[i], nlayer[i], zeros);
    struct wire_msg m = {.type = WIRE_WEIGHTS, .weights = {UINT64_MAX, w}};
    size_t n;
    wire_encode(encoder, &n, &m);
    const size_t bound = wire_weights_bytes(widths[i], nlayer[i], 0);
    cr_assert(n <= bound && bound - n <= WIRE_BESIDE, "%zu of %zu", n, bound);
    weights_unref(w);
  }
}

// the settings that travel have the ranges of the one table
Test(wire, the_largest_message_may_be_as_large_as_the_setting) {
  struct wire_msg m = sample(WIRE_WELCOME), out;
  size_t n;
  m.welcome.settings.max_message = (uint32_t)wire_largest_message();
  const void *frame = wire_encode(encoder, &n, &m);
  cr_assert_eq(decode(&out, frame, n), ERR_OK);
  m.welcome.settings.max_message++;
  refused_msg(&m, "settings are out of range");
}

// ---- reuse ----

Test(wire, a_bad_frame_leaves_no_trace) {
  struct wire_msg m = sample(WIRE_EPISODE), out;
  size_t n;
  unsigned char *frame = encoded(&n, &m);
  for (int i = 0; i < 100; i++) {
    frame[n / 2] ^= 4;
    cr_assert_eq(decode(&out, frame, n), ERR_FORMAT);
    frame[n / 2] ^= 4;
    cr_assert_eq(decode(&out, frame, n), ERR_OK);
    cr_assert_eq(out.episode.episode->digest, m.episode.episode->digest);
    release(&out);
  }
  free(frame);
  release(&m);
}
