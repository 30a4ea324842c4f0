// replay_main.c - runs a fuzz target on its corpus, so that every build and compiler tests it.
//
//   fuzz_wire CORPUS_FOLDER MUTATIONS
//
// Every file of the folder is given to the target as it is; cut at every length, when it has at
// most TRUNCATE_MAX bytes; and with single bytes changed, at most MUTATIONS times a file, spread
// evenly over it. Each input is a heap block of exactly its size, so that AddressSanitizer sees a
// read of one byte too many. The order is fixed (names sorted), so a failure repeats; the last name
// printed is the file at fault.
//
// An empty corpus is a failure: a wrong path must not look like a pass.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRUNCATE_MAX = 512, FILE_MAX_BYTES = 64 << 20 };

struct counts {
  long files, truncated, mutated;
};

static void run(const uint8_t *data, size_t n) {
  // malloc(0) may be NULL, which no decoder is given by a real caller
  uint8_t *exact = malloc(n > 0 ? n : 1);
  if (exact == NULL) {
    fprintf(stderr, "out of memory: %zu bytes\n", n);
    exit(1);
  }
  if (n > 0) {
    memcpy(exact, data, n);
  }
  (void)LLVMFuzzerTestOneInput(exact, n);
  free(exact);
}

// 0x01 and 0x80 reach the ends of little-endian integers and the sign of floats; 0xff turns
// exponents into infinities; 0x20 changes the case of text
static void mutate(uint8_t *data, size_t n, long limit, struct counts *counts) {
  static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
  size_t kinds = sizeof flips;
  size_t places = (size_t)limit / kinds;
  size_t stride = places > 0 ? (n + places - 1) / places : 0;
  for (size_t at = 0; stride > 0 && at < n; at += stride) {
    for (size_t k = 0; k < kinds; k++) {
      data[at] ^= flips[k];
      run(data, n);
      data[at] ^= flips[k];
      counts->mutated++;
    }
  }
}

static int replay_file(const char *path, long limit, struct counts *counts) {
  FILE *f = fopen(path, "rb");
  struct stat st;
  if (f == NULL || fstat(fileno(f), &st) != 0) {
    perror(path);
    if (f != NULL) {
      fclose(f);
    }
    return -1;
  }
  if (!S_ISREG(st.st_mode)) {
    fclose(f);
    return 0;
  }
  size_t n = (size_t)st.st_size;
  uint8_t *data = malloc(n + 1);
  if (data == NULL || n > FILE_MAX_BYTES || fread(data, 1, n, f) != n) {
    fprintf(stderr, "%s: cannot read %zu bytes\n", path, n);
    free(data);
    fclose(f);
    return -1;
  }
  fclose(f);

  // the name is on the output before a crash can happen
  printf("%s\n", path);
  fflush(stdout);
  run(data, n);
  counts->files++;
  for (size_t cut = 0; n <= TRUNCATE_MAX && cut < n; cut++) {
    run(data, cut);
    counts->truncated++;
  }
  mutate(data, n, limit, counts);
  free(data);
  return 0;
}

int main(int argc, char **argv) {
  char *end = NULL;
  long limit = argc == 3 ? strtol(argv[2], &end, 10) : -1;
  if (argc != 3 || *end != '\0' || limit < 0) {
    fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS\n", argv[0]);
    return 64;
  }
  struct dirent **entries = NULL;
  int n = scandir(argv[1], &entries, NULL, alphasort);
  if (n < 0) {
    perror(argv[1]);
    return 1;
  }

  struct counts counts = {0};
  int failed = 0;
  for (int i = 0; i < n; i++) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
    if (length < 0 || (size_t)length >= sizeof path || replay_file(path, limit, &counts) != 0) {
      failed = 1;
    }
    free(entries[i]);
  }
  free(entries);

  printf("%ld files, %ld truncated, %ld mutated\n", counts.files, counts.truncated, counts.mutated);
  if (counts.files == 0) {
    fprintf(stderr, "%s: no corpus file\n", argv[1]);
    return 1;
  }
  return failed;
}
