// keyfile.h - one certificate of CURVE: a public key, and in a secret file the secret one, too.
//
// The text is that of CZMQ (zcert) and pyzmq, ZPL (RFC 4) with the keys in Z85 (RFC 32):
//
//   metadata
//       name = "rack3"
//   curve
//       public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
//       secret-key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
//
// Sections are at no indentation, what belongs to them at four spaces. Other sections and names are
// passed over. A public file has no secret-key; a secret file (its name ends in _secret) has both.
#ifndef PROTO_KEYFILE_H
#define PROTO_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

enum {
  KEY_TEXT = 41,              // bytes of a key in Z85, with the NUL
  KEY_MAX_NAME = 40,          // of a key, for people
  KEYFILE_MAX_BYTES = 16384,  // of a file; others are refused
};

struct keyfile {
  char public_key[KEY_TEXT];
  char secret_key[KEY_TEXT];  // "": none
};

// Why a text is no certificate.
struct keyfile_fault {
  int line;          // from 1; 0: the text as a whole
  const char *what;  // static text
};

// The n bytes at text, which need no NUL. False: *fault says why, *out is as it was. A secret key
// has to belong to the public one.
bool keyfile_parse(struct keyfile *out, struct keyfile_fault *fault, const char *text, size_t n);

// A new pair of keys.
void keyfile_generate(struct keyfile *out);

// Reads a certificate. ERR_CONFIG (logged): it is missing, unreadable, or no certificate. Without
// its secret key where there is one: *out has a public key alone.
NODISCARD enum err keyfile_read_public(struct keyfile *out, const char *path);

// The same for one that must have a secret key. The file may be read by its owner and group, as
// Kubernetes and Docker mount secrets (0400, 0440): who else may read it, or write it beside the
// owner, makes it ERR_CONFIG (logged).
NODISCARD enum err keyfile_read_secret(struct keyfile *out, const char *path);

// Writes a new file, the secret one readable by its owner alone (0600). ERR_CONFIG (logged): there
// is such a file; ERR_IO: it cannot be written. name: for people, goes into the metadata.
NODISCARD enum err keyfile_create(const char *path, const struct keyfile *k, const char *name,
                                  bool secret);

// The public certificate in place of what path has, whole or not at all. ERR_IO (logged).
NODISCARD enum err keyfile_replace_public(const char *path, const struct keyfile *k,
                                          const char *name);

// Overwrites the keys. NULL is allowed.
void keyfile_wipe(struct keyfile *k);

#endif
