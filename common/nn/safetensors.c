// safetensors.c - the header is written by hand and read by jansson.
//
// Writing by hand keeps equal content equal byte for byte, whatever a JSON library thinks of
// spaces. Reading trusts nothing: a number from the header is checked for sign, overflow and
// against the bytes that are there before it becomes a pointer. Tensors may be listed in any
// order; sorted by offset they must tile the data without a hole or an overlap.
#include "common/nn/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

enum { PREFIX = 8, ALIGNMENT = 64, MAX_HEADER = 1 << 20 };

static const struct {
  const char *name;
  size_t size;
} DTYPES[] = {
    [ST_F32] = {"F32", 4}, [ST_F64] = {"F64", 8}, [ST_I64] = {"I64", 8}, [ST_U64] = {"U64", 8}};
enum { NDTYPE = sizeof DTYPES / sizeof DTYPES[0] };

// shape times element size; false when it does not fit
static bool tensor_bytes(size_t *out, const struct st_tensor *t) {
  size_t bytes = DTYPES[t->dtype].size;
  for (int i = 0; i < t->rank; i++) {
    if (t->shape[i] < 0 || __builtin_mul_overflow(bytes, (size_t)t->shape[i], &bytes)) {
      return false;
    }
  }
  *out = bytes;
  return true;
}

size_t st_bytes(const struct st_tensor *t) {
  size_t bytes;
  CHECK(t->rank >= 0 && t->rank <= ST_MAX_RANK && tensor_bytes(&bytes, t));
  return bytes;
}

// ---- writing ----

// A JSON string. Text that is not UTF-8 (a file name may be anything) keeps its ASCII part.
static void write_string(FILE *f, const char *s) {
  json_t *probe = json_string(s);
  bool utf8 = probe != NULL;
  json_decref(probe);
  fputc('"', f);
  for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
    if (*p == '"' || *p == '\\') {
      fprintf(f, "\\%c", *p);
    } else if (*p < 0x20) {
      fprintf(f, "\\u%04x", *p);
    } else {
      fputc(*p >= 0x80 && !utf8 ? '?' : *p, f);
    }
  }
  fputc('"', f);
}

static void write_header(FILE *f, const struct st_tensor *tensors, int ntensor,
                         const struct st_meta *meta, int nmeta) {
  const char *comma = "";
  fputc('{', f);
  if (nmeta > 0) {
    fputs("\"__metadata__\":{", f);
    for (int i = 0; i < nmeta; i++) {
      fputs(i > 0 ? "," : "", f);
      write_string(f, meta[i].key);
      fputc(':', f);
      write_string(f, meta[i].value);
    }
    fputc('}', f);
    comma = ",";
  }
  size_t begin = 0;
  for (int i = 0; i < ntensor; i++) {
    const struct st_tensor *t = &tensors[i];
    fputs(comma, f);
    comma = ",";
    write_string(f, t->name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", DTYPES[t->dtype].name);
    for (int k = 0; k < t->rank; k++) {
      fprintf(f, "%s%" PRId64, k > 0 ? "," : "", t->shape[k]);
    }
    size_t end = begin + st_bytes(t);
    fprintf(f, "],\"data_offsets\":[%zu,%zu]}", begin, end);
    begin = end;
  }
  fputc('}', f);
}

void st_encode(void **data, size_t *n, const struct st_tensor *tensors, int ntensor,
               const struct st_meta *meta, int nmeta) {
  // what a reader would refuse must not be written
  size_t body = 0;
  for (int i = 0; i < ntensor; i++) {
    CHECK(i == 0 || DTYPES[tensors[i].dtype].size <= DTYPES[tensors[i - 1].dtype].size);
    CHECK(memchr(tensors[i].name, '\0', sizeof tensors[i].name));
    CHECK(!__builtin_add_overflow(body, st_bytes(&tensors[i]), &body));
    for (int k = 0; k < i; k++) {
      CHECK(strcmp(tensors[i].name, tensors[k].name) != 0);
    }
  }
  for (int i = 0; i < nmeta; i++) {
    for (int k = 0; k < i; k++) {
      CHECK(strcmp(meta[i].key, meta[k].key) != 0);
    }
  }

  char *header = NULL;
  size_t length = 0;
  FILE *f = open_memstream(&header, &length);
  CHECK(f);
  write_header(f, tensors, ntensor, meta, nmeta);
  CHECK(fclose(f) == 0 && header && length <= MAX_HEADER - ALIGNMENT);

  // spaces until the data starts at a multiple of the alignment
  size_t start = (PREFIX + length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  uint64_t padded = start - PREFIX;
  CHECK(!__builtin_add_overflow(start, body, n));
  unsigned char *p = must_alloc(*n, 1);
  memcpy(p, &padded, PREFIX);
  memcpy(p + PREFIX, header, length);
  memset(p + PREFIX + length, ' ', padded - length);
  free(header);
  *data = p;
  p += start;
  for (int i = 0; i < ntensor; i++) {
    size_t bytes = st_bytes(&tensors[i]);
    if (bytes > 0) {
      memcpy(p, tensors[i].data, bytes);
      p += bytes;
    }
  }
}

// ---- reading ----

// One tensor of the header, with its place in the data.
struct entry {
  struct st_tensor tensor;
  size_t begin, end;
};

// A number of the header that is an integer, not negative and at most SIZE_MAX.
static bool get_size(size_t *out, const json_t *v) {
  if (!json_is_integer(v) || json_integer_value(v) < 0) {
    return false;
  }
  *out = (size_t)json_integer_value(v);
  return true;
}

// Returns NULL, or what is wrong with this entry.
static const char *parse_entry(struct entry *e, const char *name, const json_t *v) {
  const json_t *dtype = json_object_get(v, "dtype"), *shape = json_object_get(v, "shape"),
               *offsets = json_object_get(v, "data_offsets");
  if (!json_is_object(v) || json_object_size(v) != 3 || !dtype || !shape || !offsets) {
    return "is not an object of dtype, shape and data_offsets";
  }
  struct st_tensor *t = &e->tensor;
  if (strlen(name) > ST_MAX_NAME) {
    return "has too long a name";
  }
  memcpy(t->name, name, strlen(name) + 1);

  int type = 0;
  while (type < NDTYPE &&
         !(json_is_string(dtype) && strcmp(json_string_value(dtype), DTYPES[type].name) == 0)) {
    type++;
  }
  if (type == NDTYPE) {
    return "has a dtype that is none of F32, F64, I64, U64";
  }
  t->dtype = (enum st_dtype)type;

  if (!json_is_array(shape) || json_array_size(shape) > ST_MAX_RANK) {
    return "has a shape that is not an array of at most 8 sizes";
  }
  t->rank = (int)json_array_size(shape);
  for (int i = 0; i < t->rank; i++) {
    size_t size;
    if (!get_size(&size, json_array_get(shape, (size_t)i))) {
      return "has a shape with an entry that is not a size";
    }
    t->shape[i] = (int64_t)size;
  }

  if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
      !get_size(&e->begin, json_array_get(offsets, 0)) ||
      !get_size(&e->end, json_array_get(offsets, 1)) || e->end < e->begin) {
    return "has data_offsets that are not [begin, end]";
  }
  size_t bytes;
  if (!tensor_bytes(&bytes, t) || bytes != e->end - e->begin) {
    return "has data_offsets that do not fit its shape";
  }
  return NULL;
}

// By place; an empty tensor before the one that begins where it stands, then by name.
static int by_offset(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  if (x->begin != y->begin) {
    return x->begin < y->begin ? -1 : 1;
  }
  if (x->end != y->end) {
    return x->end < y->end ? -1 : 1;
  }
  return strcmp(x->tensor.name, y->tensor.name);
}

static enum err refuse(const char *label, const char *name, const char *what) {
  log_error("%s is damaged or not a safetensors file: %s%s%s%s", label, name ? "tensor '" : "",
            name ? name : "", name ? "' " : "", what);
  return ERR_FORMAT;
}

// Tensors of the header into out, in the order of their data.
static enum err parse_tensors(struct st_file *out, json_t *header, unsigned char *data, size_t n,
                              const char *label) {
  size_t count = json_object_size(header) - (json_object_get(header, "__metadata__") != NULL);
  struct entry *entries = must_alloc(count, sizeof *entries);
  enum err err = ERR_OK;
  struct entry *e = entries;
  const char *name;
  json_t *v;
  json_object_foreach(header, name, v) {
    if (strcmp(name, "__metadata__") != 0) {
      const char *fault = parse_entry(e++, name, v);
      if (fault) {
        err = refuse(label, name, fault);
        goto out;
      }
    }
  }

  // each begins where the one before ends, the last one ends with the file
  qsort(entries, count, sizeof *entries, by_offset);
  size_t end = 0;
  for (size_t i = 0; i < count; i++) {
    struct entry *x = &entries[i];
    if (x->begin != end) {
      err = refuse(label, x->tensor.name, "leaves a hole or overlaps the one before");
      goto out;
    }
    if (x->end > n) {
      err = refuse(label, x->tensor.name, "ends after the file: the file is cut short");
      goto out;
    }
    end = x->end;
  }
  if (end != n) {
    err = refuse(label, NULL, "there are bytes after the last tensor");
    goto out;
  }

  // a float may be read in place only where a float may stand
  for (size_t i = 0; i < count; i++) {
    struct entry *x = &entries[i];
    if (x->begin < x->end && (uintptr_t)(data + x->begin) % DTYPES[x->tensor.dtype].size != 0) {
      err = refuse(label, x->tensor.name, "is not aligned to its type: save the file again");
      goto out;
    }
    x->tensor.data = data + x->begin;
  }
  out->ntensor = (int)count;
  out->tensors = must_alloc(count, sizeof *out->tensors);
  for (size_t i = 0; i < count; i++) {
    out->tensors[i] = entries[i].tensor;
  }
out:
  free(entries);
  return err;
}

static enum err parse_meta(struct st_file *out, json_t *meta, const char *label) {
  const char *key;
  json_t *v;
  if (!json_is_object(meta)) {
    return refuse(label, NULL, "__metadata__ is not an object");
  }
  json_object_foreach(meta, key, v) {
    if (!json_is_string(v)) {
      return refuse(label, NULL, "__metadata__ holds a value that is not a string");
    }
  }
  size_t count = json_object_size(meta);
  out->meta = must_alloc(2 * count, sizeof *out->meta);
  json_object_foreach(meta, key, v) {
    out->meta[2 * out->nmeta] = must_strdup(key);
    out->meta[2 * out->nmeta + 1] = must_strdup(json_string_value(v));
    out->nmeta++;
  }
  return ERR_OK;
}

enum err st_decode(struct st_file *out, void *bytes, size_t n, const char *label) {
  CHECK((uintptr_t)bytes % 8 == 0);
  uint64_t length;
  if (n < PREFIX) {
    return refuse(label, NULL, "shorter than its length field");
  }
  memcpy(&length, bytes, PREFIX);
  if (length > MAX_HEADER || length > n - PREFIX) {
    return refuse(label, NULL, "the header is longer than the file, or than 1 MiB");
  }
  const char *text = (const char *)bytes + PREFIX;
  if (length == 0 || text[0] != '{') {
    return refuse(label, NULL, "the header does not start with '{'");
  }

  json_error_t where;
  json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
  if (!header) {
    char what[JSON_ERROR_TEXT_LENGTH + 64];
    snprintf(what, sizeof what, "header, byte %d: %s", where.position, where.text);
    return refuse(label, NULL, what);
  }
  struct st_file file = {0};
  json_t *meta = json_object_get(header, "__metadata__");
  enum err err = meta ? parse_meta(&file, meta, label) : ERR_OK;
  if (err == ERR_OK) {
    err = parse_tensors(&file, header, (unsigned char *)bytes + PREFIX + length,
                        n - PREFIX - length, label);
  }
  json_decref(header);
  if (err != ERR_OK) {
    st_release(&file);
    return err;
  }
  *out = file;
  return ERR_OK;
}

void st_release(struct st_file *f) {
  for (int i = 0; i < 2 * f->nmeta; i++) {
    free(f->meta[i]);
  }
  free(f->meta);
  free(f->tensors);
  memset(f, 0, sizeof *f);
}

const struct st_tensor *st_find(const struct st_file *f, const char *name) {
  for (int i = 0; i < f->ntensor; i++) {
    if (strcmp(f->tensors[i].name, name) == 0) {
      return &f->tensors[i];
    }
  }
  return NULL;
}

const char *st_meta_value(const struct st_file *f, const char *key) {
  for (int i = 0; i < f->nmeta; i++) {
    if (strcmp(f->meta[2 * i], key) == 0) {
      return f->meta[2 * i + 1];
    }
  }
  return NULL;
}
