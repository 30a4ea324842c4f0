// wire.h - encode and decode the messages of telos.proto.
//
// Encoding writes an Envelope into a buffer that grows to the largest message seen and is then
// reused. Decoding checks everything before anything is used: frame size, protocol, that strings
// end and are short, array lengths against the run's dims, counts against limits. Memory for one
// decode comes from the decoder's own arena, bounded by WIRE_ARENA_FACTOR times the frame plus
// WIRE_ARENA_BASE. A frame holds only fields that telos.proto knows, each at most once: what is new
// needs a new protocol number. Zero is what a missing field decodes to. So it is no valid value of
// any code, kind, version of weights, slots, threads, actor, MuJoCo version, nor of a welcome's
// run, task digest, port and settings but the two probabilities.
//
// A changed bit is found: a frame ends in a check of all its bytes, or is an episode with a digest.
//
// Sizes: what fits is known before anything is sent (wire_episode_bytes, wire_weights_bytes), and
// who runs the learner is told at its start. An actor takes frames of WIRE_FIRST_MESSAGE bytes
// until it knows the learner's wire.max_message. The model is therefore sent in pieces.
//
// A decoder or encoder belongs to one thread. A bad frame is ERR_FORMAT with the reason in
// wire_fault(): not logged here, since the caller counts it and logs once per peer and reason.
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/episode.h"
#include "common/nn/weights.h"

enum {
  WIRE_PROTOCOL = 2,
  WIRE_MAX_TEXT = 4096,                           // bytes of one string
  WIRE_MAX_TICKETS = 4096,                        // of one grant
  WIRE_PIECE = 1 << 20,                           // bytes of a piece of the model
  WIRE_BESIDE = 256,                              // bytes of a frame beside its arrays, at most
  WIRE_FIRST_MESSAGE = WIRE_PIECE + WIRE_BESIDE,  // largest frame before the settings are known
  WIRE_ARENA_FACTOR = 2,                          // memory for one decode: this times the frame ..
  WIRE_ARENA_BASE = 1 << 20,                      // .. plus this, bytes
};

enum wire_type {
  WIRE_HELLO = 2,
  WIRE_WELCOME,
  WIRE_REFUSE,
  WIRE_GRANT,
  WIRE_EPISODE,
  WIRE_ACK,
  WIRE_HEARTBEAT,
  WIRE_BYE,
  WIRE_WEIGHTS_REQUEST,
  WIRE_WEIGHTS,
  WIRE_MODEL_REQUEST,
  WIRE_MODEL_PIECE,
};

enum wire_refusal {
  WIRE_REFUSE_HELLO_FIRST = 1,  // I do not know you: say hello (not fatal)
  WIRE_REFUSE_PROTOCOL,         // fatal, as are those below
  WIRE_REFUSE_MUJOCO,
  WIRE_REFUSE_TASK,
  WIRE_REFUSE_AUDIT,  // your episodes disagree with those of others
  WIRE_REFUSE_FULL,   // too many actors
  WIRE_REFUSE_KEY,    // your key is not allowed, or no longer, or not for what you said
};

enum wire_farewell {
  WIRE_BYE_DONE = 1,  // learner: training is complete. actor: finished
  WIRE_BYE_LEAVING,   // actor: asked to stop
  WIRE_BYE_DRAINING,  // learner: going down, state saved; come back to my successor
};

struct wire_hello {
  const char *build, *cpu, *name;
  uint32_t mujoco_version;
  uint64_t actor;
  uint32_t slots, threads;  // 1 <= threads <= slots <= WIRE_MAX_TICKETS
  uint64_t task_digest;     // 0: none yet
};

// The settings of the learner that an actor goes by, in the ranges of common/config/config.def.
struct wire_settings {
  double none, least;            // explore.none, explore.least
  double random, repeat;         // explore.random, explore.repeat
  uint32_t hindsight;            // replay.hindsight_k
  uint32_t members;              // context.members
  uint32_t heartbeat, patience;  // wire.heartbeat, wire.patience [ms]
  uint32_t max_message;          // wire.max_message [bytes]
};

struct wire_welcome {
  uint64_t run;
  uint64_t task_digest;
  uint64_t model_bytes;  // 1 .. MJ_MAX_MJB
  uint32_t weights_port;
  struct wire_settings settings;
};

struct wire_model_request {
  uint64_t task_digest;
  uint32_t piece;
};

// Piece i holds the bytes of the model from i * WIRE_PIECE on.
struct wire_model_piece {
  uint64_t task_digest;
  uint32_t piece;
  const void *data;
  size_t n;  // 1 .. WIRE_PIECE
};

struct wire_text {  // refuse, bye
  uint32_t code;
  const char *reason;
};

struct wire_grant {
  uint64_t run;
  const struct ticket *tickets;
  int n;
};

struct wire_episode {
  uint64_t run;
  struct episode *episode;  // sealed; decode: checked, the caller's to keep or free
};

struct wire_ack {
  uint64_t id;
  enum ticket_kind kind;
};

struct wire_heartbeat {
  uint64_t run;
  uint64_t progress;
  uint64_t busy;  // actor: CPU time of its rollouts so far [ms]
};

struct wire_weights {
  uint64_t run;
  struct weights *weights;  // decode: one reference, the caller's
};

struct wire_msg {
  enum wire_type type;
  union {
    struct wire_hello hello;
    struct wire_welcome welcome;
    struct wire_text refuse, bye;
    struct wire_grant grant;
    struct wire_episode episode;
    struct wire_ack ack;
    struct wire_heartbeat heartbeat;
    uint64_t weights_request;  // version
    struct wire_weights weights;
    struct wire_model_request model_request;
    struct wire_model_piece model_piece;
  };
};

// Bytes of the largest frame that an episode of these sizes, or weights of this network with
// so many floats along, can need.
size_t wire_episode_bytes(const struct dims *dims);
size_t wire_weights_bytes(const int *width, int nlayer, size_t nalong);

// The largest that wire.max_message may be [bytes].
size_t wire_largest_message(void);

struct wire_encoder;
struct wire_decoder;

struct wire_encoder *wire_encoder_new(void);
void wire_encoder_free(struct wire_encoder *e);  // NULL is allowed

// The frame, valid until the next call; its size in *n. Digests are sent as they stand in *msg, and
// an episode as it was sealed.
// Texts, at most WIRE_MAX_TEXT bytes without control characters, are the caller's care: a decoder
// refuses others. Texts may not be NULL; 1 <= grant.n <= WIRE_MAX_TICKETS.
const void *wire_encode(struct wire_encoder *e, size_t *n, const struct wire_msg *msg);

// dims may be NULL before they are known: episodes are then refused as ERR_FORMAT.
// max_bytes bounds a frame.
struct wire_decoder *wire_decoder_new(const struct dims *dims, size_t max_bytes);
void wire_decoder_free(struct wire_decoder *d);  // NULL is allowed
void wire_decoder_set_dims(struct wire_decoder *d, const struct dims *dims);

// Text and bytes in *msg live in the decoder until the next call; an episode or weights in it is
// the caller's. A sound frame of another protocol version: ERR_REFUSED, *msg holds only type (the
// envelope's protocol number is in wire_peer_protocol).
NODISCARD enum err wire_decode(struct wire_decoder *d, struct wire_msg *msg, const void *frame,
                               size_t n);

// Frees the episode or the weights of a decoded message that nobody takes over.
void wire_drop(const struct wire_msg *msg);

// Why the last wire_decode failed: static text, few and fixed, fit for counting by reason.
const char *wire_fault(const struct wire_decoder *d);
uint32_t wire_peer_protocol(const struct wire_decoder *d);

#endif
