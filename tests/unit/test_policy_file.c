// test_policy_file.c - a policy comes back bit for bit, under the names and shapes that torch.nn
// expects; a file that is not exactly a policy is refused by the tensor's name.
#include "common/nn/policy_file.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "learner/nn/mlp.h"

enum { OBS = 3, GOAL = 2, ACT = 2 };
static const int WIDTH[] = {OBS + GOAL, 4, 3, 2 * ACT};
static const struct st_meta META[] = {{"format", "pt"}, {"task", "box \"2d\""}, {"seed", "7"}};

static char dir[64], path[96];

static void setup(void) {
  snprintf(dir, sizeof dir, "/tmp/telos_policy_XXXXXX");
  cr_assert(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/policy.safetensors", dir);
}

static void teardown(void) {
  cr_expect_eq(fsio_remove_tree(dir), ERR_OK);
}

TestSuite(policy_file, .init = setup, .fini = teardown);

// theta_i = i: every parameter says where it came from
static struct weights *make_weights(uint64_t version, const int *width, int nlayer) {
  size_t n = mlp_nparam(width, nlayer);
  float *theta = calloc(n, sizeof *theta);
  for (size_t i = 0; i < n; i++) {
    theta[i] = (float)i;
  }
  struct weights *w = weights_new(version, width, nlayer, theta);
  free(theta);
  return w;
}

static void write_policy(uint64_t version) {
  struct weights *w = make_weights(version, WIDTH, 3);
  cr_assert_eq(policy_file_write(path, w, OBS, GOAL, ACT, META, 3), ERR_OK);
  weights_unref(w);
}

Test(policy_file, a_policy_comes_back_bit_for_bit) {
  write_policy(9);
  struct policy_file p;
  cr_assert_eq(policy_file_read(&p, path), ERR_OK);
  struct weights *w = make_weights(9, WIDTH, 3);
  cr_expect_eq(p.obs, OBS);
  cr_expect_eq(p.goal, GOAL);
  cr_expect_eq(p.act, ACT);
  cr_expect_eq(p.weights->nlayer, 3);
  cr_expect_arr_eq(p.weights->width, WIDTH, sizeof WIDTH);
  cr_expect_eq(p.weights->digest, w->digest);
  cr_expect_eq(p.weights->version, 1);
  cr_expect_str_eq(policy_file_meta(&p, "format"), "pt");
  cr_expect_str_eq(policy_file_meta(&p, "task"), "box \"2d\"");
  cr_expect_str_eq(policy_file_meta(&p, "obs"), "3");
  cr_expect_null(policy_file_meta(&p, "host"));
  weights_unref(w);
  policy_file_release(&p);
}

// the contexts of a family come back, by their means; what else goes along with a version does not
Test(policy_file, a_family_keeps_its_contexts) {
  enum { MEMBERS = 3, HEADS = 2 };
  struct weights *bare = make_weights(1, WIDTH, 3);
  float along[64];
  const size_t n = weights_along_size(HEADS, MEMBERS, WIDTH[1], 1, GOAL);
  cr_assert_leq(n, 64);
  for (size_t i = 0; i < n; i++) {
    along[i] = (float)i;
  }
  weights_along_lay(along, HEADS, MEMBERS, 0.5f, WIDTH[1]);
  struct weights *w = weights_new_along(1, WIDTH, 3, bare->data, along, n);
  cr_assert_eq(policy_file_write(path, w, OBS, GOAL, ACT, META, 3), ERR_OK);
  struct policy_file p;
  cr_assert_eq(policy_file_read(&p, path), ERR_OK);
  cr_expect_arr_eq(p.weights->data, bare->data, bare->nparam * sizeof *bare->data);
  const struct weights_along want = weights_along(w, GOAL), got = weights_along(p.weights, GOAL);
  cr_assert(got.heads == 1 && got.members == MEMBERS && got.ngoal == 0);
  const size_t bytes = sizeof(float) * MEMBERS * (size_t)WIDTH[1];
  cr_expect_arr_eq(got.mean, want.mean, bytes);
  cr_expect_arr_eq(got.sample, want.mean, bytes);
  policy_file_release(&p);
  weights_unref(w);
  weights_unref(bare);
}

Test(policy_file, equal_policies_are_equal_files) {
  void *a, *b;
  size_t na, nb;
  write_policy(9);
  cr_assert_eq(fsio_read(&a, &na, path, 1 << 20), ERR_OK);
  write_policy(10);
  cr_assert_eq(fsio_read(&b, &nb, path, 1 << 20), ERR_OK);
  cr_assert_eq(na, nb);
  cr_expect_eq(memcmp(a, b, na), 0);
  free(a);
  free(b);
}

// what a reader in another language relies on: names, (out x in) shapes, and where each number is
Test(policy_file, names_and_shapes_are_those_of_torch) {
  static const struct {
    const char *name;
    int rank, rows, cols, first;
  } want[] = {
      {"actor.net.0.weight", 2, 4, 5, 0},    {"actor.net.0.bias", 1, 4, 0, 20},
      {"actor.net.2.weight", 2, 3, 4, 24},   {"actor.net.2.bias", 1, 3, 0, 36},
      {"actor.mean.weight", 2, 2, 3, 39},    {"actor.mean.bias", 1, 2, 0, 51},
      {"actor.log_std.weight", 2, 2, 3, 45}, {"actor.log_std.bias", 1, 2, 0, 53},
  };
  write_policy(1);
  void *bytes;
  size_t n;
  cr_assert_eq(fsio_read(&bytes, &n, path, 1 << 20), ERR_OK);
  struct st_file f;
  cr_assert_eq(st_decode(&f, bytes, n, path), ERR_OK);
  cr_expect_eq(f.ntensor, 8);
  for (int i = 0; i < 8; i++) {
    const struct st_tensor *t = st_find(&f, want[i].name);
    cr_assert(t, "%s", want[i].name);
    cr_expect_eq(t->dtype, ST_F32);
    cr_expect_eq(t->rank, want[i].rank);
    cr_expect_eq(t->shape[0], want[i].rows);
    cr_expect_eq(t->shape[1], want[i].cols);
    const float *x = t->data;
    for (size_t k = 0; k < st_bytes(t) / sizeof *x; k++) {
      cr_assert_eq(x[k], (float)(want[i].first + (int)k), "%s %zu", want[i].name, k);
    }
  }
  st_release(&f);
  free(bytes);
}

Test(policy_file, any_number_of_layers_comes_back) {
  for (int nlayer = 1; nlayer <= MLP_MAX_LAYERS; nlayer++) {
    int width[MLP_MAX_LAYERS + 1];
    for (int l = 0; l <= nlayer; l++) {
      width[l] = 2 + 2 * l;
    }
    struct weights *w = make_weights(1, width, nlayer);
    cr_assert_eq(policy_file_write(path, w, 2, 0, 1 + nlayer, NULL, 0), ERR_OK);
    struct policy_file p;
    cr_assert_eq(policy_file_read(&p, path), ERR_OK);
    cr_expect_eq(p.weights->nlayer, nlayer);
    cr_expect_eq(p.weights->digest, w->digest);
    policy_file_release(&p);
    weights_unref(w);
  }
}

// ---- files that are not a policy ----

static struct st_tensor tensors[16];
static int ntensor;
static struct st_meta meta[4];
static int nmeta;
static float data[64];

// A small valid policy in parts, to be spoiled: obs 1, goal 1, act 1, one hidden layer of 2.
static void parts(void) {
  static const struct st_tensor good[] = {
      {.name = "actor.net.0.weight", .rank = 2, .shape = {2, 2}},
      {.name = "actor.net.0.bias", .rank = 1, .shape = {2}},
      {.name = "actor.mean.weight", .rank = 2, .shape = {1, 2}},
      {.name = "actor.mean.bias", .rank = 1, .shape = {1}},
      {.name = "actor.log_std.weight", .rank = 2, .shape = {1, 2}},
      {.name = "actor.log_std.bias", .rank = 1, .shape = {1}},
  };
  static const struct st_meta sizes[] = {{"obs", "1"}, {"goal", "1"}, {"act", "1"}};
  memcpy(tensors, good, sizeof good);
  memcpy(meta, sizes, sizeof sizes);
  memset(data, 0, sizeof data);
  ntensor = 6;
  nmeta = 3;
  for (int i = 0; i < 16; i++) {
    tensors[i].data = data;
  }
}

static void write_parts(void) {
  void *bytes;
  size_t n;
  st_encode(&bytes, &n, tensors, ntensor, meta, nmeta);
  cr_assert_eq(fsio_write_atomic(path, bytes, n), ERR_OK);
  free(bytes);
}

// ERR_FORMAT with one line that names the file and the part.
static void expect_refused(const char *part) {
  write_parts();
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  struct policy_file p;
  cr_expect_eq(policy_file_read(&p, path), ERR_FORMAT, "%s", part);
  log_set_file(-1);
  char text[2048] = "";
  ssize_t got = pread(fd, text, sizeof text - 1, 0);
  close(fd);
  cr_assert(got > 0, "%s", part);
  cr_expect(strchr(text, '\n') == text + got - 1, "one line, not %s", text);
  cr_expect(strstr(text, path) && strstr(text, part), "%s in %s", part, text);
}

Test(policy_file, a_policy_in_parts_is_accepted_when_nothing_is_spoiled) {
  parts();
  write_parts();
  struct policy_file p;
  cr_assert_eq(policy_file_read(&p, path), ERR_OK);
  policy_file_release(&p);
}

Test(policy_file, a_missing_or_foreign_tensor_is_named) {
  for (int i = 0; i < 6; i++) {
    parts();
    char name[ST_MAX_NAME + 1];
    memcpy(name, tensors[i].name, sizeof name);
    snprintf(tensors[i].name, sizeof tensors[i].name, "other");
    // a policy may have no hidden layer, so without its weight the renamed tensor is the odd one
    expect_refused(i == 0 ? "other is no tensor" : name);
  }
  parts();
  tensors[6] = tensors[5];
  snprintf(tensors[6].name, sizeof tensors[6].name, "critic1.net.0.bias");
  ntensor = 7;
  expect_refused("critic1.net.0.bias is no tensor");
}

Test(policy_file, wrong_shapes_and_types_are_named) {
  for (int i = 0; i < 6; i++) {
    parts();
    tensors[i].shape[tensors[i].rank - 1]++;
    expect_refused(tensors[i].name);
    parts();
    tensors[i].rank++;
    tensors[i].shape[tensors[i].rank - 1] = 1;
    expect_refused(tensors[i].name);
  }
  parts();
  tensors[0].dtype = ST_F64;
  expect_refused("actor.net.0.weight");
  parts();
  tensors[0].shape[0] = 0;
  expect_refused("actor.net.0.weight");
}

Test(policy_file, numbers_that_are_not_finite_are_refused) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    parts();
    data[1] = bad[i];
    expect_refused("not finite");
  }
}

Test(policy_file, widths_that_make_no_sense_are_refused) {
  static const char *const bad[] = {"",  "0", "-1",   "x",   "1x",
                                    " ", "2", "4097", "1.5", "99999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    for (int k = 0; k < 3; k++) {
      parts();
      meta[k].value = bad[i];
      // a wrong width that is a width shows itself at the tensor it does not fit
      expect_refused("is not a policy");
    }
  }
  for (int k = 0; k < 3; k++) {
    parts();
    meta[k].key = "other";
    expect_refused("missing from its metadata");
  }
}

Test(policy_file, a_layer_too_many_is_refused) {
  parts();
  ntensor = 0;
  for (int l = 0; l < MLP_MAX_LAYERS; l++) {
    tensors[ntensor] = (struct st_tensor){.rank = 2, .shape = {2, 2}, .data = data};
    snprintf(tensors[ntensor++].name, ST_MAX_NAME, "actor.net.%d.weight", 2 * l);
  }
  expect_refused("actor.net.14.weight");
}

Test(policy_file, damage_and_absence_are_told_apart) {
  struct policy_file p;
  cr_expect_eq(policy_file_read(&p, path), ERR_IO);
  write_policy(1);
  cr_assert_eq(truncate(path, 300), 0);
  cr_expect_eq(policy_file_read(&p, path), ERR_FORMAT);
  struct weights *w = make_weights(1, WIDTH, 3);
  cr_expect_eq(policy_file_write("/nonexistent/policy.safetensors", w, OBS, GOAL, ACT, META, 3),
               ERR_IO);
  weights_unref(w);
}
