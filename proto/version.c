// version.c - versions are asked of the libraries at run time, not of their headers.
#include "proto/version.h"

#include <mujoco/mujoco.h>
#include <uv.h>
#include <zmq.h>

#include "common/base/cpu.h"

#ifndef TELOS_REVISION
#define TELOS_REVISION "unknown"
#endif

const char *version_build(void) {
  return TELOS_VERSION " (" TELOS_REVISION ")";
}

void version_print(FILE *out, const char *program, const char *kernel) {
  int major, minor, patch;
  zmq_version(&major, &minor, &patch);
  fprintf(out, "%s %s\n", program, version_build());
  fprintf(out, "mujoco   %s\n", mj_versionString());
  fprintf(out, "libzmq   %d.%d.%d\n", major, minor, patch);
  fprintf(out, "libuv    %s\n", uv_version_string());
  if (kernel != NULL) {
    fprintf(out, "kernel   %s\n", kernel);
  }
  fprintf(out, "cpu      %s\n", cpu_model());
}
