// zap.h - requests of ZeroMQ's authentication protocol (ZAP 1.0, RFC 27).
//
// libzmq asks a socket of this process, inproc://zeromq.zap.01, about every connection, before
// anything else of it is read. A request is seven frames, as a REP socket sees them:
//
//   "1.0" | request id | domain | peer's address | its routing id | "CURVE" | public key (32 bytes)
//
// and the answer six:
//
//   "1.0" | request id | "200" or "400" | text | user id | metadata
#ifndef PROTO_ZAP_H
#define PROTO_ZAP_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/keyfile.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
// The domain of our sockets. It may not be empty: then libzmq would ask nobody.
#define ZAP_DOMAIN "telos"

enum {
  ZAP_FRAMES = 7,        // of a request
  ZAP_MAX_FRAME = 256,   // bytes of a frame that are looked at
  ZAP_MAX_ID = 255,      // bytes of a request id
  ZAP_MAX_ADDRESS = 63,  // characters of an address that are kept
};

struct zap_frame {
  const void *data;
  size_t n;
};

struct zap_request {
  char key[KEY_TEXT];                 // the peer's public key, in Z85
  char address[ZAP_MAX_ADDRESS + 1];  // for people: printable
};

// NULL: frames (n) are a request of our domain, in *out. Otherwise what is wrong, a static text;
// *out is as it was.
const char *zap_parse(struct zap_request *out, const struct zap_frame *frames, int n);

// Takes one request from the REP socket; allow decides. Always answers: what is no request is
// refused, and not asked about. The user id of an allowed peer is its key.
void zap_answer(void *socket, bool (*allow)(void *ctx, const struct zap_request *request),
                void *ctx);

#endif
