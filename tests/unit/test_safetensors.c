// test_safetensors.c - round trip, the same bytes for the same content, and every rule of the
// format refused with one line that names the file.
#include "common/nn/safetensors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

// ---- a small file with every type, rank 0, an empty tensor and awkward text ----

static double doubles[2] = {0.1, -INFINITY};
static int64_t integers[3] = {INT64_MIN, -1, 9007199254740993};
static uint64_t naturals[1] = {UINT64_MAX};
static float floats[6] = {1.5f, -0.0f, 3e38f, 1e-40f, 5.0f, 6.0f};
static float scalar[1] = {42.0f};

static const struct st_tensor TENSORS[] = {
    {.name = "d", .dtype = ST_F64, .rank = 1, .shape = {2}, .data = doubles},
    {.name = "i.64", .dtype = ST_I64, .rank = 2, .shape = {3, 1}, .data = integers},
    {.name = "empty", .dtype = ST_U64, .rank = 2, .shape = {0, 7}, .data = NULL},
    {.name = "u", .dtype = ST_U64, .rank = 1, .shape = {1}, .data = naturals},
    {.name = "weights \"q\" \\ \x01 \xc3\xa9",
     .dtype = ST_F32,
     .rank = 2,
     .shape = {2, 3},
     .data = floats},
    {.name = "scalar", .dtype = ST_F32, .rank = 0, .data = scalar},
};
enum { NTENSOR = sizeof TENSORS / sizeof TENSORS[0] };

static const struct st_meta META[] = {{"format", "pt"}, {"tabs\tand\n\"quotes\"", "\\ \x1f é ☃"}};

static void encode_all(void **data, size_t *n) {
  st_encode(data, n, TENSORS, NTENSOR, META, 2);
}

Test(safetensors, everything_comes_back) {
  void *data;
  size_t n;
  encode_all(&data, &n);
  struct st_file f;
  cr_assert_eq(st_decode(&f, data, n, "file"), ERR_OK);
  cr_assert_eq(f.ntensor, NTENSOR);
  for (int i = 0; i < NTENSOR; i++) {
    const struct st_tensor *t = st_find(&f, TENSORS[i].name);
    cr_assert(t, "%s", TENSORS[i].name);
    cr_expect_eq(t->dtype, TENSORS[i].dtype);
    cr_expect_eq(t->rank, TENSORS[i].rank);
    cr_expect_arr_eq(t->shape, TENSORS[i].shape, sizeof t->shape);
    cr_expect(st_bytes(t) == 0 || memcmp(t->data, TENSORS[i].data, st_bytes(t)) == 0);
  }
  cr_assert_eq(f.nmeta, 2);
  for (int i = 0; i < 2; i++) {
    cr_expect_str_eq(f.meta[2 * i], META[i].key);
    cr_expect_str_eq(f.meta[2 * i + 1], META[i].value);
    cr_expect_str_eq(st_meta_value(&f, META[i].key), META[i].value);
  }
  cr_expect_null(st_find(&f, "none"));
  cr_expect_null(st_meta_value(&f, "none"));
  st_release(&f);
  free(data);
}

Test(safetensors, equal_content_gives_equal_bytes) {
  void *a, *b;
  size_t na, nb;
  encode_all(&a, &na);
  encode_all(&b, &nb);
  cr_assert_eq(na, nb);
  cr_expect_eq(memcmp(a, b, na), 0);
  free(a);
  free(b);
}

// the whole file of one tensor, byte for byte: other programs read this
Test(safetensors, layout_is_the_published_one) {
  struct st_tensor t = {.name = "w", .dtype = ST_F32, .rank = 2, .shape = {1, 2}, .data = floats};
  struct st_meta m = {"format", "pt"};
  void *data;
  size_t n;
  st_encode(&data, &n, &t, 1, &m, 1);
  const char *header =
      "{\"__metadata__\":{\"format\":\"pt\"},"
      "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}";
  cr_assert_eq(n, 128 + 8);
  uint64_t length;
  memcpy(&length, data, 8);
  cr_expect_eq(length, 120);
  cr_expect_eq(memcmp((char *)data + 8, header, strlen(header)), 0);
  for (size_t i = 8 + strlen(header); i < 128; i++) {
    cr_assert_eq(((char *)data)[i], ' ', "byte %zu", i);
  }
  cr_expect_eq(memcmp((char *)data + 128, floats, 8), 0);
  free(data);
}

Test(safetensors, data_starts_at_a_multiple_of_64_for_every_header_length) {
  char value[200] = "";
  for (int i = 0; i < 150; i++) {
    value[i] = 'x';
    struct st_meta m = {"k", value};
    void *data;
    size_t n;
    st_encode(&data, &n, TENSORS, NTENSOR, &m, 1);
    uint64_t length;
    memcpy(&length, data, 8);
    cr_assert_eq((8 + length) % 64, 0);
    struct st_file f;
    cr_assert_eq(st_decode(&f, data, n, "file"), ERR_OK);
    cr_assert_eq((uintptr_t)st_find(&f, "d")->data % 64, 0);
    st_release(&f);
    free(data);
  }
}

Test(safetensors, text_that_is_not_utf8_is_written_readable) {
  struct st_meta m = {"task", "caf\xe9"};
  void *data;
  size_t n;
  st_encode(&data, &n, NULL, 0, &m, 1);
  struct st_file f;
  cr_assert_eq(st_decode(&f, data, n, "file"), ERR_OK);
  cr_expect_str_eq(st_meta_value(&f, "task"), "caf?");
  cr_expect_eq(f.ntensor, 0);
  st_release(&f);
  free(data);
}

// ---- violations ----

// A file of this header and nbody bytes after it, in an exact block.
static void *make(size_t *n, const char *header, size_t nbody) {
  uint64_t length = strlen(header);
  *n = 8 + length + nbody;
  char *p = aligned_alloc(8, (*n + 7) / 8 * 8);
  memset(p, 0, *n);
  memcpy(p, &length, 8);
  memcpy(p + 8, header, length);
  return p;
}

// The same with spaces after the header until the data is aligned, as writers do.
static void *make_aligned(size_t *n, const char *header, size_t nbody) {
  char padded[512];
  snprintf(padded, sizeof padded, "%-*s", (int)((strlen(header) + 7) / 8 * 8), header);
  return make(n, padded, nbody);
}

// st_decode must refuse with exactly one line that names the label and says why.
static void expect_refused(void *bytes, size_t n, const char *what, const char *why) {
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  struct st_file f = {.ntensor = -7};
  cr_expect_eq(st_decode(&f, bytes, n, "some/file"), ERR_FORMAT, "%s", what);
  cr_expect_eq(f.ntensor, -7, "%s: the result is left alone", what);
  log_set_file(-1);
  char text[8192] = "";
  ssize_t got = pread(fd, text, sizeof text - 1, 0);
  close(fd);
  cr_assert(got > 0, "%s", what);
  cr_expect(strchr(text, '\n') == text + got - 1, "%s: one line, not %s", what, text);
  cr_expect(strstr(text, "some/file is damaged"), "%s: %s", what, text);
  cr_expect(strstr(text, why), "%s: expected '%s' in %s", what, why, text);
}

#define ENTRY(dtype, shape, offsets) \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
  const char *header;
  size_t nbody;
  const char *why;
} BAD[] = {
    {"", 0, "does not start with"},
    {"[]", 0, "does not start with"},
    {"null", 0, "does not start with"},
    {" {}", 0, "does not start with"},
    {"{} x", 0, "end of file expected"},
    {"{", 0, "near end of file"},
    {"{}", 4, "bytes after the last"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
     "duplicate"},
    {"{\"a\":1}", 0, "is not an object of"},
    {"{\"a\":{}}", 0, "is not an object of"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "is not an object of"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"offsets\":[0,4]}}", 4, "is not an object of"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4,
     "is not an object of"},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
    {"{\"a\":" ENTRY("F16", "[2]", "[0,4]") "}", 4, "dtype"},
    {"{\"a\":" ENTRY("f32", "[1]", "[0,4]") "}", 4, "dtype"},
    {"{\"a\":" ENTRY("F32", "1", "[0,4]") "}", 4, "at most 8 sizes"},
    {"{\"a\":" ENTRY("F32", "[1.0]", "[0,4]") "}", 4, "not a size"},
    {"{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", 4, "not a size"},
    {"{\"a\":" ENTRY("F32", "[-1,-1]", "[0,4]") "}", 4, "not a size"},
    {"{\"a\":" ENTRY("F32", "[\"1\"]", "[0,4]") "}", 4, "not a size"},
    {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "at most 8 sizes"},
    {"{\"a\":" ENTRY("F32", "[2]", "[0,4]") "}", 4, "do not fit its shape"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,8]") "}", 8, "do not fit its shape"},
    {"{\"a\":" ENTRY("F64", "[1]", "[0,4]") "}", 4, "do not fit its shape"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0]") "}", 4, "not [begin, end]"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4,8]") "}", 4, "not [begin, end]"},
    {"{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "not [begin, end]"},
    {"{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "not [begin, end]"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4.0]") "}", 4, "not [begin, end]"},
    {"{\"a\":" ENTRY("F32", "[1]", "{\"0\":4}") "}", 4, "not [begin, end]"},
    // products that wrap to the right number of bytes
    {"{\"a\":" ENTRY("F32", "[4611686018427387905]", "[0,4]") "}", 4, "do not fit its shape"},
    {"{\"a\":" ENTRY("F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "do not fit its shape"},
    {"{\"a\":" ENTRY("F32", "[9223372036854775808]", "[0,0]") "}", 0, "too big integer"},
    {"{\"a\":" ENTRY("F32", "[4294967296,4294967296,0]", "[0,0]") "}", 0, "do not fit its shape"},
    // holes, overlaps, ends
    {"{\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, "hole or overlaps"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[8,12]") "}", 12,
     "hole or overlaps"},
    {"{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
     "hole or overlaps"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[0,4]") "}", 4,
     "hole or overlaps"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 3, "cut short"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 5, "bytes after the last"},
    // metadata
    {"{\"__metadata__\":1}", 0, "is not an object"},
    {"{\"__metadata__\":[]}", 0, "is not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
    {"{\"__metadata__\":{\"a\":\"b\",\"c\":null}}", 0, "not a string"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate"},
    // text
    {"{\"\\u0000\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, "NUL"},
    {"{\"\xff\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, "decode byte"},
    {"{\"\xed\xa0\x80\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, "decode byte"},
};

Test(safetensors, every_violation_is_refused_with_one_line) {
  for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
    size_t n;
    void *bytes = make(&n, BAD[i].header, BAD[i].nbody);
    expect_refused(bytes, n, BAD[i].header, BAD[i].why);
    free(bytes);
  }
}

// the table above must fail for the reason meant, so its valid neighbours must pass
Test(safetensors, valid_neighbours_of_the_violations_pass) {
  static const struct {
    const char *header;
    size_t nbody;
  } good[] = {
      {"{}", 0},
      {"{}      ", 0},
      {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}  ", 4},
      {"{\"b\":" ENTRY("F32", "[1]", "[4,8]") ",\"a\":" ENTRY("F32", "[1]", "[0,4]") "}       ", 8},
      {"{\"a\":" ENTRY("F32", "[0,4294967296]", "[0,0]") "}", 0},
      {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1]", "[0,4]") "}", 4},
      {"{\"__metadata__\":{}}", 0},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    size_t n;
    void *bytes = make_aligned(&n, good[i].header, good[i].nbody);
    struct st_file f;
    cr_assert_eq(st_decode(&f, bytes, n, "file"), ERR_OK, "%s", good[i].header);
    st_release(&f);
    free(bytes);
  }
}

Test(safetensors, tensors_out_of_order_are_found_by_their_offsets) {
  size_t n;
  char *bytes = make_aligned(
      &n, "{\"b\":" ENTRY("F32", "[1]", "[4,8]") ",\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 8);
  memcpy(bytes + n - 8, floats, 8);
  struct st_file f;
  cr_assert_eq(st_decode(&f, bytes, n, "file"), ERR_OK);
  cr_expect_eq(*(float *)st_find(&f, "a")->data, floats[0]);
  cr_expect_str_eq(f.tensors[0].name, "a");
  st_release(&f);
  free(bytes);
}

Test(safetensors, misaligned_data_is_refused) {
  size_t n;
  void *bytes = make(&n, "{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 4);
  cr_assert_neq((n - 4) % 4, 0);
  expect_refused(bytes, n, "misaligned", "aligned");
  free(bytes);
}

Test(safetensors, names_are_at_most_127_bytes) {
  for (int length = 127; length <= 128; length++) {
    char header[512];
    int end =
        snprintf(header, sizeof header, "{\"%0*d\":" ENTRY("F32", "[0]", "[0,0]") "}", length, 0);
    while ((8 + end) % 8 != 0) {
      header[end++] = ' ';
    }
    header[end] = '\0';
    size_t n;
    void *bytes = make(&n, header, 0);
    if (length == 127) {
      struct st_file f;
      cr_expect_eq(st_decode(&f, bytes, n, "file"), ERR_OK);
      st_release(&f);
    } else {
      expect_refused(bytes, n, "long name", "too long a name");
    }
    free(bytes);
  }
}

Test(safetensors, wrong_header_lengths_are_refused) {
  void *data;
  size_t n;
  encode_all(&data, &n);
  uint64_t right;
  memcpy(&right, data, 8);
  const uint64_t wrong[] = {0, 1,          right - 64,     right + 8, n - 7,
                            n, UINT64_MAX, UINT64_MAX - 7, 1 << 21,   (uint64_t)1 << 63};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    memcpy(data, &wrong[i], 8);
    expect_refused(data, n, "header length", "header");
  }
  free(data);
}

Test(safetensors, a_header_over_one_mebibyte_is_refused) {
  size_t length = (1 << 20) + 8;
  char *header = must_alloc(length + 1, 1);
  memset(header, ' ', length);
  memcpy(header, "{}", 2);
  size_t n;
  void *bytes = make(&n, header, 0);
  expect_refused(bytes, n, "1 MiB", "1 MiB");
  free(bytes);
  header[1 << 20] = '\0';
  bytes = make(&n, header, 0);
  struct st_file f;
  cr_expect_eq(st_decode(&f, bytes, n, "file"), ERR_OK);
  st_release(&f);
  free(bytes);
  free(header);
}

Test(safetensors, a_file_cut_at_any_byte_is_refused) {
  void *data;
  size_t n;
  encode_all(&data, &n);
  log_set_level(LOG_ERROR);
  for (size_t cut = 0; cut < n; cut++) {
    // an exact copy, so that a read past the end is seen by the address sanitizer
    void *copy = malloc(cut > 0 ? cut : 1);
    memcpy(copy, data, cut);
    struct st_file f;
    cr_assert_eq(st_decode(&f, copy, cut, "cut"), ERR_FORMAT, "cut at %zu", cut);
    free(copy);
  }
  free(data);
}

// a damaged header may happen to be valid; what is accepted must lie inside the file
Test(safetensors, any_flipped_byte_is_survived) {
  void *data;
  size_t n;
  encode_all(&data, &n);
  for (size_t i = 0; i < n; i++) {
    unsigned char *copy = malloc(n);
    memcpy(copy, data, n);
    copy[i] ^= (unsigned char)(1 + i % 255);
    struct st_file f;
    if (st_decode(&f, copy, n, "flipped") == ERR_OK) {
      for (int k = 0; k < f.ntensor; k++) {
        const unsigned char *p = f.tensors[k].data;
        cr_assert(p >= copy && st_bytes(&f.tensors[k]) <= (size_t)(copy + n - p));
      }
      st_release(&f);
    }
    free(copy);
  }
  free(data);
}
