// wire_scan.c - a frame along the schema, without allocating.
//
// The scan lets pass only known fields, each at most once, of the right wire type, text without NUL
// bytes, counts within limits. What is left for protobuf-c is plain: it never merges, and never
// keeps unknown fields.
//
// A protocol number that was changed on the way must not pass for a peer of another version, which
// would end an actor. So the check stands at the same place in every protocol from 2 on.
#include "proto/wire_scan.h"

#include <string.h>

#include "common/base/check.h"
#include "proto/telos.pb-c.h"

// as in episode.c: digests are computed by AVX2 code compiled into this file
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MAX_PACKED = 64 };  // bytes

const char WIRE_MALFORMED[] = "truncated or malformed message";

struct range {
  const uint8_t *at, *end;
};

static bool take_varint(struct range *r, uint64_t *value) {
  uint64_t v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (r->at == r->end) {
      return false;
    }
    uint8_t byte = *r->at++;
    v |= (uint64_t)(byte & 0x7f) << (shift & 63);
    if (byte < 0x80) {
      *value = v;
      return true;
    }
  }
  return false;
}

struct field {
  uint64_t number;
  unsigned wire_type;
  uint64_t value;       // of a varint
  struct range inside;  // of a length-delimited field
};

// The next field of r; false when it is cut off, or of a wire type that is not used here.
static bool take_field(struct range *r, struct field *f) {
  uint64_t tag, n;
  if (!take_varint(r, &tag)) {
    return false;
  }
  f->number = tag >> 3;
  f->wire_type = tag & 7;
  switch (f->wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
      return take_varint(r, &f->value);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
      if (!take_varint(r, &n)) {
        return false;
      }
      break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
      n = 8;
      break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
      n = 4;
      break;
    default:
      return false;
  }
  if (n > (uint64_t)(r->end - r->at)) {
    return false;
  }
  f->inside = (struct range){r->at, r->at + n};
  r->at += n;
  return true;
}

const char *wire_peek(uint64_t *protocol, enum wire_type *type, const void *frame, size_t n) {
  struct range r = {frame, (const uint8_t *)frame + n};
  struct field f = {0};
  *protocol = 0;
  *type = 0;
  while (r.at < r.end) {
    if (!take_field(&r, &f)) {
      return WIRE_MALFORMED;
    }
    if (f.number == 1 && f.wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
      *protocol = f.value;
    } else if (f.number >= WIRE_HELLO && f.number <= WIRE_MODEL_PIECE) {
      *type = (enum wire_type)f.number;
    }
  }
  return *protocol == 0 ? "no protocol number" : NULL;
}

static unsigned wire_type_of(const ProtobufCFieldDescriptor *known) {
  switch (known->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
      return PROTOBUF_C_WIRE_TYPE_VARINT;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return PROTOBUF_C_WIRE_TYPE_64BIT;
    default:
      return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
  }
}

// Recursion is as deep as the schema is. NULL: sound.
static const char *scan(const ProtobufCMessageDescriptor *schema, struct range r) {
  uint32_t seen = 0;
  int elements = 0;
  struct field f;
  while (r.at < r.end) {
    if (!take_field(&r, &f)) {
      return WIRE_MALFORMED;
    }
    const ProtobufCFieldDescriptor *known =
        f.number < 32 ? protobuf_c_message_descriptor_get_field(schema, (unsigned)f.number) : NULL;
    if (!known) {
      return "unknown field";
    }
    if (known->label == PROTOBUF_C_LABEL_REPEATED) {
      // a packed list is one field; tickets and loose numbers count one by one
      if (++elements > WIRE_MAX_TICKETS) {
        return "too many tickets";
      }
      if (known->type == PROTOBUF_C_TYPE_UINT32 &&
          f.wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        if (f.inside.end - f.inside.at > MAX_PACKED) {
          return "weights of a wrong shape";
        }
        continue;
      }
    } else {
      // the bodies of the envelope share one bit: at most one of them
      uint32_t bit = (known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ? 1 : UINT32_C(1) << f.number;
      if (seen & bit) {
        return "field given twice";
      }
      seen |= bit;
    }
    if (f.wire_type != wire_type_of(known)) {
      return "field of a wrong type";
    }
    if (known->type == PROTOBUF_C_TYPE_STRING &&
        memchr(f.inside.at, 0, (size_t)(f.inside.end - f.inside.at))) {
      return "text holds a NUL byte";
    }
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
      const char *fault = scan(known->descriptor, f.inside);
      if (fault) {
        return fault;
      }
    }
  }
  return NULL;
}

const char *wire_scan(const void *frame, size_t n) {
  const struct range whole = {frame, (const uint8_t *)frame + n};
  return scan(&telos__pb__envelope__descriptor, whole);
}

// ---- the check ----

enum { CHECK_TAG = 15 << 3 | PROTOBUF_C_WIRE_TYPE_64BIT };

void wire_seal(void *frame, size_t n) {
  CHECK(n >= WIRE_CHECK_BYTES);
  uint8_t *end = (uint8_t *)frame + n - WIRE_CHECK_BYTES;
  const uint64_t check = XXH3_64bits(frame, n - WIRE_CHECK_BYTES);
  end[0] = CHECK_TAG;
  memcpy(end + 1, &check, sizeof check);
}

bool wire_sealed(const void *frame, size_t n) {
  if (n < WIRE_CHECK_BYTES) {
    return false;
  }
  const uint8_t *end = (const uint8_t *)frame + n - WIRE_CHECK_BYTES;
  const uint64_t check = XXH3_64bits(frame, n - WIRE_CHECK_BYTES);
  return end[0] == CHECK_TAG && memcmp(end + 1, &check, sizeof check) == 0;
}
