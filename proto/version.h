// version.h - what --version says, the same in every program.
#ifndef PROTO_VERSION_H
#define PROTO_VERSION_H

#include <stdio.h>

// Program, telos version and revision, MuJoCo, libzmq, libuv, CPU, and the kernel that computes its
// networks (e.g. gemm_kernel()); NULL: it computes none.
void version_print(FILE *out, const char *program, const char *kernel);

// "0.1.0 (1a2b3c4)": static storage.
const char *version_build(void);

#endif
