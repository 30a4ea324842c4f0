// variants.h - every library and precision of matrix products, for tests and benches.
#ifndef TESTS_VARIANTS_H
#define TESTS_VARIANTS_H

#include <stdbool.h>

#include "learner/nn/gemm.h"

// the first is what the others are compared with
static const struct variant {
  const char *name;
  enum net_backend backend;
  enum net_precision precision;
} variants[] = {{"openblas f32", NET_BACKEND_OPENBLAS, NET_PRECISION_F32},
                {"onednn f32", NET_BACKEND_ONEDNN, NET_PRECISION_F32},
                {"onednn bf16", NET_BACKEND_ONEDNN, NET_PRECISION_BF16}};
enum { NVARIANT = sizeof variants / sizeof *variants };

// From now on products are by this one; false: this build or this CPU does not have it.
static inline bool variant_choose(int i) {
  return gemm_has(variants[i].backend, variants[i].precision) &&
         gemm_init(variants[i].backend, variants[i].precision) == ERR_OK;
}

#endif
