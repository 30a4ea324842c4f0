// mlp_shape.c - sums over the layers before one.
#include "common/nn/mlp_shape.h"

#include "common/base/check.h"

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
