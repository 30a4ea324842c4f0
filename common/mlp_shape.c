// mlp_shape.c - where the layers of a network stand in its flat parameter block (mlp.h).
//
// A file of its own, so that actors, which run one row at a time (rowmlp.h), do not link the matrix
// products of mlp.c and with them a BLAS and its threads.
#include "common/check.h"
#include "common/mlp.h"

static size_t layer_nparam(const int *width, int l) {
  return (size_t)width[l + 1] * (size_t)width[l] + (size_t)width[l + 1];
}

size_t mlp_nparam(const int *width, int nlayer) {
  CHECK(width && nlayer >= 1 && nlayer <= MLP_MAX_LAYERS);
  size_t n = 0;
  for (int l = 0; l < nlayer; l++) {
    CHECK(width[l] >= 1 && width[l + 1] >= 1);
    n += layer_nparam(width, l);
  }
  return n;
}

size_t mlp_weight_offset(const struct mlp *net, int l) {
  CHECK(l >= 0 && l < net->nlayer);
  size_t offset = 0;
  for (int i = 0; i < l; i++) {
    offset += layer_nparam(net->width, i);
  }
  return offset;
}

size_t mlp_bias_offset(const struct mlp *net, int l) {
  return mlp_weight_offset(net, l) + (size_t)net->width[l + 1] * (size_t)net->width[l];
}
