// mjcf.h - the text of an MJCF file and of all that it includes, as one text without includes.
//
// MuJoCo looks for the meshes of an included model from the wrapper's folder, and where the model
// has a meshdir of its own it overrides the wrapper's, so that a robot in a folder of its own loses
// its meshes. Here every file name counts from the file that has it:
//   <include>            the folder of the file that includes; else that of the first file
//   meshes and the like  meshdir, texturedir or assetdir of the file itself, else of the file that
//                        includes it, and so on; each from the folder of the file that sets it.
//                        Else any other's, else no such folder
// A name is replaced by the path, from the first file's folder, of the first that is there.
#ifndef COMMON_TASK_MJCF_H
#define COMMON_TASK_MJCF_H

#include <stddef.h>

struct mjcf;

// Reads and joins. reason (n bytes) is in words that follow a semicolon which included file or
// asset is not there, else "". NULL: such an include, or a file that includes nothing or is not
// well formed.
struct mjcf *mjcf_new(const char *path, char *reason, size_t n);
void mjcf_free(struct mjcf *m);  // NULL is allowed

const char *mjcf_text(const struct mjcf *m, size_t *n);

// The file (from the first file's folder) and its line that a line of the text comes from, counted
// from 1. NULL when it has no such line.
const char *mjcf_origin(const struct mjcf *m, int line, int *origin);

#endif
