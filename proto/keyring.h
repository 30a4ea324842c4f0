// keyring.h - a folder of keys: which file is whose.
//
//   FOLDER/learner.key             the learner's public key       actors
//   FOLDER/learner.key_secret      its pair                       the learner
//   FOLDER/NAME.key_secret         an actor's pair                that actor, or many that share it
//   FOLDER/NAME.key                its public key                 who allows it
//   FOLDER/allowed/NAME.key        public keys of the actors      the learner: its allow-list
//
// Nobody needs all of them: each machine gets those of its row. `telos keys` makes and moves them.
#ifndef PROTO_KEYRING_H
#define PROTO_KEYRING_H

#include <limits.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "proto/curve.h"
#include "proto/keyfile.h"

#define KEYRING_FOLDER "keys"  // where nothing else is said
#define KEYRING_LEARNER "learner"
#define KEYRING_ALLOWED "allowed"
#define KEYRING_SUFFIX ".key"
#define KEYRING_SECRET ".key_secret"

// 1 to KEY_MAX_NAME letters, digits, '.', '_' and '-', the first of them a letter or digit.
bool keyring_name_is_good(const char *name);

// The name that a file is called after: "rack3" for "a/rack3.key". False: it ends in something
// else than suffix, or what is left is no good name.
bool keyring_name(char out[KEY_MAX_NAME + 1], const char *path, const char *suffix);

// FOLDER/name + suffix. ERR_CONFIG (logged): too long for a path.
NODISCARD enum err keyring_path(char out[PATH_MAX], const char *folder, const char *name,
                                const char *suffix);

// The learner's pair. ERR_CONFIG (logged).
NODISCARD enum err keyring_read_learner(struct keyfile *out, const char *folder);

// What an actor needs. name: its key's; NULL: the only one in the folder besides the learner's, or
// of several the one that is called "actor". ERR_CONFIG (logged).
NODISCARD enum err keyring_read_actor(struct curve_actor *out, const char *folder,
                                      const char *name);

#endif
