// gemm_onednn.c - products by oneDNN, in float32 or bfloat16.
//
// oneDNN compiles a kernel for each shape (a primitive), which takes about a millisecond, and needs
// memory to work in. So every thread has a table of its own: what it met of shapes, and room for
// the largest of them. The first product of a shape in a thread fills it in; from then on nothing
// of ours is allocated and nothing is shared. (oneDNN itself takes a few small nodes from malloc at
// each call, which its interface cannot avoid.)
//
// Debian's library splits a product among the threads of OpenMP, unless the calling thread says
// that it wants one: each thread says so when it makes its table, before the first primitive, since
// a primitive is made for a number of threads.
//
// Bfloat16: both factors are rounded into the thread's own memory, 32 numbers an instruction; sums
// and results are float32.
#include <dnnl.h>
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "learner/nn/gemm_backend.h"

// <omp.h> belongs to a compiler; this is a function of the runtime that libdnnl is linked to
void omp_set_num_threads(int n);

enum { BUCKETS = 256, LINE = 64, TILE_ROWS = 16 };

// a shape that the thread has met: its primitive, and the handles that each call points elsewhere
struct entry {
  struct gemm_product shape;
  dnnl_primitive_t primitive;
  dnnl_memory_t a, b, c, scratch;
  struct entry *next;
};

// memory that only grows
struct room {
  void *at;
  size_t bytes;
};

struct table {
  dnnl_stream_t stream;
  struct entry *bucket[BUCKETS];
  struct room scratch, a16, b16;
};

static dnnl_engine_t engine;
static pthread_key_t table_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local struct table *own_table;

// a failure here is a shape or an order of calls that no caller may give
#define DNNL_CHECK(call) CHECK((call) == dnnl_success)

// ---- life ----

static void table_free(void *at) {
  struct table *t = at;
  own_table = NULL;
  for (int i = 0; i < BUCKETS; i++) {
    for (struct entry *e = t->bucket[i], *next; e != NULL; e = next) {
      next = e->next;
      dnnl_primitive_destroy(e->primitive);
      dnnl_memory_destroy(e->a);
      dnnl_memory_destroy(e->b);
      dnnl_memory_destroy(e->c);
      dnnl_memory_destroy(e->scratch);
      free(e);
    }
  }
  dnnl_stream_destroy(t->stream);
  free(t->scratch.at);
  free(t->a16.at);
  free(t->b16.at);
  free(t);
}

static void start(void) {
  CHECK(pthread_key_create(&table_key, table_free) == 0);
  // else the first kernel looks for a profiler, libJitPI.so, wherever libraries are found
  DNNL_CHECK(dnnl_set_jit_profiling_flags(DNNL_JIT_PROFILE_NONE));
  DNNL_CHECK(dnnl_engine_create(&engine, dnnl_cpu, 0));
}

void gemm_onednn_init(void) {
  pthread_once(&once, start);
}

static struct table *table_new(void) {
  omp_set_num_threads(1);
  struct table *t = must_alloc(1, sizeof *t);
  DNNL_CHECK(dnnl_stream_create(&t->stream, engine, dnnl_stream_default_flags));
  CHECK(pthread_setspecific(table_key, t) == 0);
  own_table = t;
  return t;
}

static void room_for(struct room *room, size_t bytes) {
  if (bytes > room->bytes) {
    free(room->at);
    room->at = must_alloc((bytes + LINE - 1) / LINE, LINE);
    room->bytes = bytes;
  }
}

// ---- what the library and the CPU can ----

void gemm_onednn_name(char *name, size_t n) {
  static const struct {
    dnnl_cpu_isa_t isa;
    const char *name;
  } names[] = {{dnnl_cpu_isa_sse41, "SSE4.1"},
               {dnnl_cpu_isa_avx, "AVX"},
               {dnnl_cpu_isa_avx2, "AVX2"},
               {dnnl_cpu_isa_avx2_vnni, "AVX2-VNNI"},
               {dnnl_cpu_isa_avx512_core, "AVX512"},
               {dnnl_cpu_isa_avx512_core_vnni, "AVX512-VNNI"},
               {dnnl_cpu_isa_avx512_core_bf16, "AVX512-BF16"},
               {dnnl_cpu_isa_avx512_core_amx, "AMX"}};
  const dnnl_version_t *v = dnnl_version();
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  const char *isa_name = "of another kind";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].isa == isa) {
      isa_name = names[i].name;
    }
  }
  snprintf(name, n, "oneDNN %d.%d.%d %s", v->major, v->minor, v->patch, isa_name);
}

// the values of dnnl_cpu_isa_t are sets: one holds all bits of those that it contains
static bool has_isa(dnnl_cpu_isa_t isa) {
  return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

bool gemm_onednn_has_avx512(void) {
  return has_isa(dnnl_cpu_isa_avx512_core);
}

bool gemm_onednn_has_bf16(void) {
  return has_isa(dnnl_cpu_isa_avx512_core_bf16);
}

// ---- shapes ----

static bool same_shape(const struct gemm_product *p, const struct gemm_product *q) {
  return p->kind == q->kind && p->m == q->m && p->n == q->n && p->k == q->k &&
         p->accumulate == q->accumulate && p->bf16 == q->bf16;
}

static unsigned bucket_of(const struct gemm_product *p) {
  uint64_t h = (uint64_t)p->m * 0x9e3779b97f4a7c15u;
  h = (h ^ (uint64_t)p->n) * 0x9e3779b97f4a7c15u;
  h = (h ^ (uint64_t)p->k) * 0x9e3779b97f4a7c15u;
  h = (h ^ (uint64_t)p->kind << 2 ^ (uint64_t)p->accumulate << 1 ^ p->bf16) * 0x9e3779b97f4a7c15u;
  return (unsigned)(h >> 32) % BUCKETS;
}

// a matrix (rows x columns) in the order of a product, which may lie transposed in memory
static dnnl_memory_desc_t matrix(int rows, int columns, bool transposed, bool bf16) {
  const dnnl_dims_t dims = {rows, columns};
  const dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
  dnnl_memory_desc_t desc;
  DNNL_CHECK(
      dnnl_memory_desc_init_by_strides(&desc, 2, dims, bf16 ? dnnl_bf16 : dnnl_f32, strides));
  return desc;
}

static dnnl_memory_t handle(const dnnl_memory_desc_t *desc) {
  dnnl_memory_t memory;
  DNNL_CHECK(dnnl_memory_create(&memory, desc, engine, DNNL_MEMORY_NONE));
  return memory;
}

static struct entry *entry_new(struct table *t, const struct gemm_product *p) {
  const dnnl_memory_desc_t a = matrix(p->m, p->k, p->kind == GEMM_TN, p->bf16);
  const dnnl_memory_desc_t b = matrix(p->k, p->n, p->kind == GEMM_NT, p->bf16);
  const dnnl_memory_desc_t c = matrix(p->m, p->n, false, false);
  dnnl_matmul_desc_t desc;
  DNNL_CHECK(dnnl_matmul_desc_init(&desc, &a, &b, NULL, &c));
  dnnl_primitive_attr_t attr;
  DNNL_CHECK(dnnl_primitive_attr_create(&attr));
  // memory to work in is ours, or threads would share it
  DNNL_CHECK(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
  if (p->accumulate) {
    dnnl_post_ops_t ops;
    DNNL_CHECK(dnnl_post_ops_create(&ops));
    DNNL_CHECK(dnnl_post_ops_append_sum(ops, 1.0f));
    DNNL_CHECK(dnnl_primitive_attr_set_post_ops(attr, ops));
    dnnl_post_ops_destroy(ops);
  }
  dnnl_primitive_desc_t primitive_desc;
  DNNL_CHECK(dnnl_primitive_desc_create(&primitive_desc, &desc, attr, engine, NULL));
  const dnnl_memory_desc_t *scratch =
      dnnl_primitive_desc_query_md(primitive_desc, dnnl_query_scratchpad_md, 0);
  struct entry *e = must_alloc(1, sizeof *e);
  e->shape = *p;
  DNNL_CHECK(dnnl_primitive_create(&e->primitive, primitive_desc));
  e->a = handle(&a);
  e->b = handle(&b);
  e->c = handle(&c);
  e->scratch = handle(scratch);
  room_for(&t->scratch, dnnl_memory_desc_get_size(scratch));
  if (p->bf16) {
    room_for(&t->a16, sizeof(uint16_t) * (size_t)p->m * (size_t)p->k);
    room_for(&t->b16, sizeof(uint16_t) * (size_t)p->k * (size_t)p->n);
  }
  dnnl_primitive_desc_destroy(primitive_desc);
  dnnl_primitive_attr_destroy(attr);
  return e;
}

static struct entry *find(struct table *t, const struct gemm_product *p) {
  struct entry **bucket = &t->bucket[bucket_of(p)];
  for (struct entry *e = *bucket; e != NULL; e = e->next) {
    if (same_shape(&e->shape, p)) {
      return e;
    }
  }
  struct entry *e = entry_new(t, p);
  e->next = *bucket;
  *bucket = e;
  return e;
}

// ---- products ----

// y (n) = x (n) rounded to the nearest bfloat16, ties to even
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void gemm_onednn_round(
    uint16_t *y, const float *x, size_t n) {
  char *at = (char *)y;
  size_t i = 0;
  for (; i + 32 <= n; i += 32, at += 64) {
    const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i));
    _mm512_storeu_si512(at, (__m512i)pair);
  }
  for (; i < n; i += 16, at += 32) {
    const __mmask16 rest = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
    const __m256bh part = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, x + i));
    _mm256_mask_storeu_epi16(at, rest, (__m256i)part);
  }
}

// Where OpenBLAS is faster (tests/bench/bench_gemm.c): the kernels here are whole vectors wide, and
// a short sum does not pay for what goes before it.
static bool is_narrow(const struct gemm_product *p) {
  switch (p->kind) {
    case GEMM_NT:
      return p->n < (p->bf16 ? 8 : 16);
    case GEMM_NN:
      return p->n < (p->bf16 ? 24 : 48) || p->k < (p->bf16 ? 4 : 16);
    default:
      return p->n < (p->bf16 ? 24 : 48) || p->m < 16;
  }
}

// the product by oneDNN, whatever its shape
static void compute(const struct gemm_product *p, float *C, const float *A, struct gemm_weights B) {
  struct table *t = own_table != NULL ? own_table : table_new();
  struct entry *e = find(t, p);
  const void *a = A, *b = B.f32;
  if (p->bf16) {
    gemm_onednn_round(t->a16.at, A, (size_t)p->m * (size_t)p->k);
    a = t->a16.at;
    b = B.bf16;
    if (b == NULL) {
      gemm_onednn_round(t->b16.at, B.f32, (size_t)p->k * (size_t)p->n);
      b = t->b16.at;
    }
  }
  // the interface takes what it only reads as void *, too
  DNNL_CHECK(dnnl_memory_set_data_handle(e->a, (void *)(uintptr_t)a));
  DNNL_CHECK(dnnl_memory_set_data_handle(e->b, (void *)(uintptr_t)b));
  DNNL_CHECK(dnnl_memory_set_data_handle(e->c, C));
  DNNL_CHECK(dnnl_memory_set_data_handle(e->scratch, t->scratch.at));
  const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, e->a},
                                  {DNNL_ARG_WEIGHTS, e->b},
                                  {DNNL_ARG_DST, e->c},
                                  {DNNL_ARG_SCRATCHPAD, e->scratch}};
  DNNL_CHECK(dnnl_primitive_execute(e->primitive, t->stream, 4, args));
}

// Rows that fill no tile go to OpenBLAS, too. A gradient that goes back from some rows of a
// minibatch has any number of them, and so needs a kernel for each sixteenth number alone.
void gemm_onednn(const struct gemm_product *p, float *C, const float *A, struct gemm_weights B) {
  struct gemm_product whole = *p, rest = *p;
  rest.m = is_narrow(p) ? p->m : p->kind == GEMM_TN ? 0 : p->m % TILE_ROWS;
  whole.m -= rest.m;
  if (whole.m > 0) {
    compute(&whole, C, A, B);
  }
  if (rest.m > 0) {
    gemm_openblas(&rest, C + (size_t)whole.m * (size_t)p->n, A + (size_t)whole.m * (size_t)p->k,
                  B.f32);
  }
}
