// npz.c - every member is written behind its header; their list ends the file.
#include "deploy/export/npz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum {
  MAX_MEMBERS = POLICY_FILE_TENSORS + 1,
  NPY_ALIGN = 64,  // the data of a member start at a multiple of this in the member
  VERSION = 20,    // of the zip format that a reader needs: 2.0
  DATE = 0x21,     // 1980-01-01, the first that there is
};

struct member {
  char name[ST_MAX_NAME + 8];
  uint32_t crc, bytes, at;
};

// CRC-32 of ISO 3309, a bit at a time
static uint32_t crc32_of(uint32_t crc, const void *data, size_t n) {
  const unsigned char *p = data;
  crc = ~crc;
  for (size_t i = 0; i < n; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
  }
  return ~crc;
}

static void put16(FILE *out, unsigned x) {
  const unsigned char bytes[] = {(unsigned char)x, (unsigned char)(x >> 8)};
  fwrite(bytes, 1, sizeof bytes, out);
}

static void put32(FILE *out, uint32_t x) {
  put16(out, x & 0xffff);
  put16(out, x >> 16);
}

// the fields that a member's header and its row in the list have alike
static void put_fields(FILE *out, const struct member *m) {
  put16(out, VERSION);
  put16(out, 0);  // flags
  put16(out, 0);  // stored
  put16(out, 0);  // time
  put16(out, DATE);
  put32(out, m->crc);
  put32(out, m->bytes);
  put32(out, m->bytes);
  put16(out, (unsigned)strlen(m->name));
  put16(out, 0);  // extra
}

// name, and data of this type and shape ("256, 17"), as name.npy
static void put_member(FILE *out, struct member *m, const char *name, const char *dtype,
                       const char *shape, const void *data, size_t n) {
  static const char magic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
  char header[2 * NPY_ALIGN + ST_MAX_NAME];
  int length = snprintf(header + 10, sizeof header - 10,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, shape);
  CHECK(length > 0 && length + 10 + NPY_ALIGN < (int)sizeof header);
  memcpy(header, magic, sizeof magic);
  for (length += 10; length % NPY_ALIGN != NPY_ALIGN - 1;) {
    header[length++] = ' ';
  }
  header[length++] = '\n';
  header[8] = (char)((length - 10) & 0xff);
  header[9] = (char)((length - 10) >> 8);
  *m = (struct member){.at = (uint32_t)ftell(out),
                       .bytes = (uint32_t)((size_t)length + n),
                       .crc = crc32_of(crc32_of(0, header, (size_t)length), data, n)};
  snprintf(m->name, sizeof m->name, "%s.npy", name);
  put32(out, 0x04034b50);
  put_fields(out, m);
  fputs(m->name, out);
  fwrite(header, 1, (size_t)length, out);
  fwrite(data, 1, n, out);
}

// the members' rows, and where they begin
static void put_list(FILE *out, const struct member *members, int n) {
  const uint32_t begin = (uint32_t)ftell(out);
  for (int i = 0; i < n; i++) {
    put32(out, 0x02014b50);
    put16(out, VERSION);
    put_fields(out, &members[i]);
    put16(out, 0);  // comment
    put16(out, 0);  // disk
    put16(out, 0);  // attributes
    put32(out, 0);
    put32(out, members[i].at);
    fputs(members[i].name, out);
  }
  const uint32_t end = (uint32_t)ftell(out);
  put32(out, 0x06054b50);
  put32(out, 0);  // disks
  put16(out, (unsigned)n);
  put16(out, (unsigned)n);
  put32(out, end - begin);
  put32(out, begin);
  put16(out, 0);  // comment
}

void npz_write(FILE *out, const struct sheet *s) {
  struct member members[MAX_MEMBERS];
  char shape[64], dtype[32];
  for (int i = 0; i < s->ntensor; i++) {
    const struct st_tensor *t = &s->tensor[i];
    const long long rows = t->shape[0], cols = t->shape[1];
    if (t->rank == 2) {
      snprintf(shape, sizeof shape, "%lld, %lld", rows, cols);
    } else {
      snprintf(shape, sizeof shape, "%lld,", rows);
    }
    put_member(out, &members[i], t->name, "<f4", shape, t->data, st_bytes(t));
  }
  char *text = sheet_text(s);
  snprintf(dtype, sizeof dtype, "|S%zu", strlen(text));
  put_member(out, &members[s->ntensor], "sheet", dtype, "", text, strlen(text));
  free(text);
  put_list(out, members, s->ntensor + 1);
}
