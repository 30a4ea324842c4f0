// checked.h - small text files of a run that are their own check, so that no byte of them changes
// unseen.
//
// The first line holds the XXH3-64 of all bytes after it:
//
//   JSON   {"xxh3": "0123456789abcdef",     in the place of the opening brace
//   YAML   # xxh3 0123456789abcdef of the lines below: <what to do instead of editing them>
#ifndef LEARNER_CHECKED_H
#define LEARNER_CHECKED_H

#include <jansson.h>
#include <stddef.h>

#include "common/base/err.h"

enum checked { CHECKED_JSON, CHECKED_YAML };

// Writes body, whole or not at all; JSON begins with "{\n".
NODISCARD enum err checked_write(const char *path, enum checked kind, const char *body);

// The whole text in *text (free with free()) and its size in *n. NULL when it is what was written;
// else nothing is to be freed, and what is wrong is returned, static and not logged: it "is
// missing", "cannot be read" or "is not what was written".
const char *checked_read(char **text, size_t *n, const char *path, enum checked kind,
                         size_t max_bytes);

// The same with a JSON object, which is written in lines that begin with so many spaces. The caller
// drops *root; its first member is "xxh3". One more thing may be wrong: it "is not JSON".
NODISCARD enum err checked_write_json(const char *path, const json_t *root, int indent);
const char *checked_read_json(json_t **root, const char *path, size_t max_bytes);

#endif
