// test_segments.c - what was synced comes back, episode for episode; what was not is cut off; every
// damage is found, with the file's name and the offset.
#include "learner/replay/segments.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/fsio.h"
#include "common/base/log.h"
#include "common/tfrecord.h"

enum { RUN = 4711 };
static const struct dims DIMS = {.obs = 3, .act = 2, .goal = 2, .horizon = 8, .hindsight = 2};
static const struct segment_position FRESH = {0, 0, 0, 0};

// ---- a folder, episodes, and what was read ----

static char run_dir[64];

static void setup(void) {
  snprintf(run_dir, sizeof run_dir, "/tmp/telos_segments_XXXXXX");
  cr_assert(mkdtemp(run_dir));
}

static void teardown(void) {
  cr_expect_eq(fsio_remove_tree(run_dir), ERR_OK);
}

TestSuite(segments, .init = setup, .fini = teardown);

static char *file_of(uint64_t start) {
  static char path[160];
  snprintf(path, sizeof path, "%s/replay/episodes-%09" PRIu64 ".tfrecord", run_dir, start);
  return path;
}

// A function of id alone; lengths vary.
static struct episode *make_episode(uint64_t id) {
  struct episode *ep = episode_new(&DIMS);
  ep->ticket = (struct ticket){.id = id,
                               .seed = id * 77 + 1,
                               .version = 1 + id / 3,
                               .kind = id < 4 ? TICKET_WARMUP : TICKET_TRAIN};
  ep->T = 1 + (int)(id * 5 % 8);
  ep->terminated = id % 2 == 1;
  for (int i = 0; i < (ep->T + 1) * DIMS.obs; i++) {
    ep->obs[i] = (float)id + 0.25f * (float)i;
  }
  for (int i = 0; i < ep->T * DIMS.act; i++) {
    ep->act[i] = (float)(i % 3 - 1);
  }
  for (int i = 0; i < (ep->T + 1) * DIMS.goal; i++) {
    ep->achieved[i] = -(float)i;
  }
  for (int i = 0; i < ep->T * DIMS.hindsight; i++) {
    ep->hindsight[i] = (uint16_t)ep->T;
  }
  cr_assert_null(episode_fault(ep));
  episode_seal(ep);
  return ep;
}

static uint64_t digest_of(uint64_t id) {
  struct episode *ep = make_episode(id);
  uint64_t digest = ep->digest;
  episode_free(ep);
  return digest;
}

static enum err append(struct segments *s, uint64_t id) {
  struct episode *ep = make_episode(id);
  enum err err = segments_append(s, ep);
  episode_free(ep);
  return err;
}

static struct segments *open_at(const struct segment_position *at) {
  struct segments *s;
  cr_assert_eq(segments_open(&s, run_dir, RUN, &DIMS, at), ERR_OK);
  return s;
}

// A log of episodes 0 .. n-1 with segments of about limit bytes; its end in *at.
static void write_log(struct segment_position *at, uint64_t n, uint64_t limit) {
  struct segments *s = open_at(&FRESH);
  segments_set_limit(s, limit);
  for (uint64_t id = 0; id < n; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  cr_assert_eq(segments_sync(s, at), ERR_OK);
  segments_close(s);
}

struct seen {
  uint64_t first, count, stop_at;
};

// Checks that the episodes come in order and equal.
static enum err see(void *ctx, const struct episode *ep) {
  struct seen *seen = ctx;
  cr_assert_eq(ep->ticket.id, seen->first + seen->count);
  cr_assert_eq(ep->digest, digest_of(ep->ticket.id));
  seen->count++;
  return seen->count == seen->stop_at ? ERR_NUMERIC : ERR_OK;
}

static struct fault fault;

static enum err read_from(const struct segment_position *at, uint64_t *count) {
  struct seen seen = {.first = at->first};
  fault.text[0] = '\0';
  enum err err = segments_read(run_dir, RUN, &DIMS, at, see, &seen, &fault);
  *count = seen.count;
  return err;
}

static void expect_episodes(const struct segment_position *at, uint64_t want) {
  uint64_t count;
  cr_assert_eq(read_from(at, &count), ERR_OK);
  cr_assert_eq(count, want);
}

// segments_read must refuse; the fault names the file that begins with this episode, and what is
// wrong. Nothing is logged.
static void expect_damaged(const struct segment_position *at, uint64_t start, const char *what) {
  char file[64];
  snprintf(file, sizeof file, "replay/episodes-%09" PRIu64 ".tfrecord", start);
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  uint64_t count;
  cr_expect_eq(read_from(at, &count), ERR_FORMAT, "%s %s", file, what);
  log_set_file(-1);
  cr_expect_eq(lseek(fd, 0, SEEK_END), 0);
  close(fd);
  cr_expect(strstr(fault.text, file) && strstr(fault.text, what), "'%s' and '%s' in %s", file, what,
            fault.text);
}

static uint64_t size_of(const char *path) {
  struct stat st;
  cr_assert_eq(stat(path, &st), 0, "%s", path);
  return (uint64_t)st.st_size;
}

static int count_files(void) {
  char path[96];
  snprintf(path, sizeof path, "%s/replay", run_dir);
  DIR *dir = opendir(path);
  cr_assert(dir);
  int n = 0;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    n += e->d_name[0] != '.';
  }
  closedir(dir);
  return n;
}

static void flip(const char *path, uint64_t at) {
  FILE *f = fopen(path, "r+b");
  cr_assert(f);
  fseek(f, (long)at, SEEK_SET);
  int c = fgetc(f);
  fseek(f, (long)at, SEEK_SET);
  fputc(c ^ 0x55, f);
  fclose(f);
}

// ---- whole logs ----

Test(segments, a_fresh_log_is_empty) {
  struct segments *s = open_at(&FRESH);
  struct segment_position at;
  cr_assert_eq(segments_sync(s, &at), ERR_OK);
  cr_expect_eq(memcmp(&at, &FRESH, sizeof at), 0);
  segments_close(s);
  expect_episodes(&at, 0);
  segments_close(open_at(&at));
}

Test(segments, episodes_come_back_equal_and_in_order) {
  struct segment_position at;
  write_log(&at, 30, SEGMENT_BYTES);
  cr_expect_eq(at.first, 0);
  cr_expect_eq(at.last, 0);
  cr_expect_eq(at.episodes, 30);
  cr_expect_eq(at.bytes, size_of(file_of(0)));
  expect_episodes(&at, 30);
}

Test(segments, equal_episodes_give_equal_files) {
  struct segment_position a, b;
  void *x, *y;
  size_t nx, ny;
  write_log(&a, 20, SEGMENT_BYTES);
  cr_assert_eq(fsio_read(&x, &nx, file_of(0), 1 << 20), ERR_OK);
  write_log(&b, 20, SEGMENT_BYTES);
  cr_assert_eq(fsio_read(&y, &ny, file_of(0), 1 << 20), ERR_OK);
  cr_assert_eq(nx, ny);
  cr_expect_eq(memcmp(x, y, nx), 0);
  free(x);
  free(y);
}

Test(segments, a_full_segment_is_followed_by_one_named_after_its_first_episode) {
  struct segment_position at;
  write_log(&at, 60, 2000);
  cr_assert_eq(at.first, 0);
  cr_assert_gt(at.last, 0);
  cr_expect_eq(at.episodes, 60);
  cr_expect_gt(count_files(), 4);
  cr_expect_leq(size_of(file_of(0)), 2000);
  expect_episodes(&at, 60);
}

Test(segments, a_record_larger_than_a_segment_stands_alone) {
  struct segment_position at;
  write_log(&at, 5, 1);
  cr_expect_eq(count_files(), 5);
  cr_expect_eq(at.last, 4);
  expect_episodes(&at, 5);
}

// ---- the format, put together by hand from what segments.h and common/episode.h say ----

struct bytes {
  unsigned char at[4096];
  size_t n;
};

static void put(struct bytes *b, const void *data, size_t n) {
  memcpy(b->at + b->n, data, n);
  b->n += n;
}

static void put_record(struct bytes *file, const void *data, size_t n) {
  tfrecord_frame(file->at + file->n, data, n);
  file->n += n + TFRECORD_OVERHEAD;
}

// Episode `id` of make_episode as a record.
static void put_episode(struct bytes *file, uint64_t id) {
  struct episode *ep = make_episode(id);
  const size_t T = (size_t)ep->T;
  const uint64_t head[7] = {id, ep->ticket.seed, ep->ticket.version, (uint64_t)ep->ticket.kind,
                            T,  ep->terminated,  ep->unstable};
  struct bytes content = {.n = 0}, record = {.n = 0};
  put(&content, head, sizeof head);
  put(&content, ep->obs, (T + 1) * 3 * 4);
  put(&content, ep->act, T * 2 * 4);
  put(&content, ep->achieved, (T + 1) * 2 * 4);
  put(&content, ep->desired, 2 * 4);
  put(&content, ep->hindsight, T * 2 * 2);
  const uint64_t digest = XXH3_64bits(content.at, content.n);
  put(&record, &digest, sizeof digest);
  put(&record, content.at, content.n);
  put_record(file, record.at, record.n);
  episode_free(ep);
}

#define HEADER " run 0000000000001267 obs 3 act 2 goal 2 horizon 8 hindsight 2 reward 0\n"

static void log_by_hand(struct bytes *file, const char *header) {
  file->n = 0;
  put_record(file, header, strlen(header));
  put_episode(file, 0);
  put_episode(file, 1);
}

// So another protocol of the messages, whatever it changes, leaves the log as it is: a file that
// knows nothing of messages is read, and is what is written.
Test(segments, the_format_is_its_own) {
  struct segment_position at;
  struct bytes file;
  log_by_hand(&file, "telos-replay 1" HEADER);
  write_log(&at, 2, SEGMENT_BYTES);
  void *data;
  size_t n;
  cr_assert_eq(fsio_read(&data, &n, file_of(0), 1 << 20), ERR_OK);
  cr_assert_eq(n, file.n);
  cr_expect_arr_eq(data, file.at, n);
  free(data);
  cr_assert_eq(fsio_write_atomic(file_of(0), file.at, file.n), ERR_OK);
  expect_episodes(&at, 2);
}

Test(segments, another_format_is_told_apart) {
  static const struct {
    const char *header;
    enum err err;
    const char *word;
  } cases[] = {
      {"telos-replay 2" HEADER, ERR_CONFIG, ""},
      {"telos-replay 1 what comes next", ERR_FORMAT, "another run, or of other sizes"},
      {"telos-replay 1 run 0000000000001268 obs 3 act 2 goal 2 horizon 8 hindsight 2 reward 0\n",
       ERR_FORMAT, "another run"},
      {"telos-replay 1 run 0000000000001267 obs 3 act 2 goal 2 horizon 8 hindsight 2 reward 1\n",
       ERR_FORMAT, "of other sizes"},
      {"telos-replay", ERR_FORMAT, "no header"},
      {"\x08\x01\x32\x10", ERR_FORMAT, "no header"},
      {"", ERR_FORMAT, "no header"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct bytes file;
    log_by_hand(&file, cases[i].header);
    const struct segment_position at = {.bytes = file.n, .episodes = 2};
    segments_close(open_at(&FRESH));
    cr_assert_eq(fsio_write_atomic(file_of(0), file.at, file.n), ERR_OK);
    if (cases[i].err == ERR_FORMAT) {
      expect_damaged(&at, 0, cases[i].word);
    } else {
      uint64_t count;
      cr_expect_eq(read_from(&at, &count), ERR_CONFIG);
    }
  }
}

// a record whose every CRC is right, and which is no episode of this run
Test(segments, a_sound_record_of_no_episode_is_found) {
  struct bytes file;
  for (size_t n = 0; n < 60; n++) {
    log_by_hand(&file, "telos-replay 1" HEADER);
    const unsigned char zeros[60] = {0};
    put_record(&file, zeros, n);
    const struct segment_position at = {.bytes = file.n, .episodes = 3};
    segments_close(open_at(&FRESH));
    cr_assert_eq(fsio_write_atomic(file_of(0), file.at, file.n), ERR_OK);
    expect_damaged(&at, 0, "episode 2 at byte");
  }
}

// ---- the longest records ----

static enum err see_longest(void *ctx, const struct episode *ep) {
  struct seen *seen = ctx;
  cr_assert_eq(ep->T, ep->dims.horizon);
  cr_assert_eq(ep->reward[ep->T - 1], 0.5f);
  cr_assert_eq(ep->hindsight[ep->T * ep->dims.hindsight - 1], ep->T);
  seen->count++;
  return ERR_OK;
}

// Full-length episodes of these sizes, written and read back.
static void longest_there_and_back(const struct dims *dims) {
  struct segments *s;
  struct segment_position at;
  cr_assert_eq(segments_open(&s, run_dir, RUN, dims, &FRESH), ERR_OK);
  for (uint64_t id = 0; id < 2; id++) {
    struct episode *ep = episode_new(dims);
    ep->ticket = (struct ticket){.id = id, .seed = 1, .version = 1, .kind = TICKET_TRAIN};
    ep->T = dims->horizon;
    ep->reward[ep->T - 1] = 0.5f;
    for (int i = 0; i < ep->T * dims->hindsight; i++) {
      ep->hindsight[i] = (uint16_t)ep->T;
    }
    episode_seal(ep);
    cr_assert_eq(segments_append(s, ep), ERR_OK);
    episode_free(ep);
  }
  cr_assert_eq(segments_sync(s, &at), ERR_OK);
  segments_close(s);
  struct seen seen = {.first = 0};
  cr_assert_eq(segments_read(run_dir, RUN, dims, &at, see_longest, &seen, &fault), ERR_OK);
  cr_assert_eq(seen.count, 2);
}

Test(segments, the_longest_episode_comes_back) {
  static const struct dims sizes[] = {
      // a task of rewards alone, as narrow and as wide as can be
      {.obs = 1, .act = 1, .horizon = 1000, .hindsight = 1, .reward = 1},
      {.obs = 17, .act = 6, .horizon = 1000, .hindsight = 4, .reward = 1},
      {.obs = DIMS_MAX_WIDTH,
       .act = DIMS_MAX_WIDTH,
       .goal = DIMS_MAX_WIDTH,
       .horizon = 1000,
       .hindsight = DIMS_MAX_HINDSIGHT,
       .reward = 1},
      {.obs = 1, .act = 1, .horizon = DIMS_MAX_HORIZON, .hindsight = 1, .reward = 1},
      // records that are shorter than the header
      {.obs = 1, .act = 1, .horizon = 1, .hindsight = 1, .reward = 1},
  };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    longest_there_and_back(&sizes[i]);
  }
}

Test(segments, visit_stops_the_reading) {
  struct segment_position at;
  write_log(&at, 10, SEGMENT_BYTES);
  struct seen seen = {.stop_at = 4};
  cr_expect_eq(segments_read(run_dir, RUN, &DIMS, &at, see, &seen, &fault), ERR_NUMERIC);
  cr_expect_eq(seen.count, 4);
}

// ---- resume ----

Test(segments, what_was_written_after_the_position_is_cut_off) {
  struct segment_position at, end;
  struct segments *s = open_at(&FRESH);
  segments_set_limit(s, 2000);
  uint64_t id = 0;
  for (; id < 25; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  cr_assert_eq(segments_sync(s, &at), ERR_OK);
  for (; id < 60; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  cr_assert_eq(segments_sync(s, &end), ERR_OK);
  segments_close(s);
  int files = count_files();

  // the later position reads too, until opening cuts it off
  expect_episodes(&at, 25);
  expect_episodes(&end, 60);
  s = open_at(&at);
  segments_set_limit(s, 2000);
  cr_expect_eq(size_of(file_of(at.last)), at.bytes);
  cr_expect_lt(count_files(), files);
  cr_expect_neq(access(file_of(end.last), F_OK), 0);
  expect_episodes(&at, 25);

  // the same episodes again give the same log
  struct segment_position again;
  for (id = 25; id < 60; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  cr_assert_eq(segments_sync(s, &again), ERR_OK);
  segments_close(s);
  cr_expect_eq(memcmp(&again, &end, sizeof end), 0);
  cr_expect_eq(count_files(), files);
  expect_episodes(&end, 60);
}

Test(segments, a_torn_tail_after_the_position_does_no_harm) {
  struct segment_position at;
  write_log(&at, 10, SEGMENT_BYTES);
  for (uint64_t tail = 1; tail < 40; tail += 6) {
    struct segments *s = open_at(&at);
    cr_assert_eq(append(s, 10), ERR_OK);
    segments_close(s);
    cr_assert_eq(truncate(file_of(0), (off_t)(at.bytes + tail)), 0);
    expect_episodes(&at, 10);
  }
  segments_close(open_at(&at));
  cr_expect_eq(size_of(file_of(0)), at.bytes);
}

Test(segments, a_fresh_start_drops_old_segments_and_leaves_other_files) {
  struct segment_position at;
  write_log(&at, 40, 2000);
  char other[160];
  snprintf(other, sizeof other, "%s/replay/episodes-7.txt", run_dir);
  cr_assert_eq(fsio_write_atomic(other, "mine", 4), ERR_OK);
  segments_close(open_at(&FRESH));
  cr_expect_eq(count_files(), 2);
  cr_expect_eq(size_of(file_of(0)), 0);
  cr_expect_eq(size_of(other), 4);
}

// ---- damage ----

Test(segments, a_flip_of_any_byte_is_found) {
  struct segment_position at, two;
  write_log(&two, 2, SEGMENT_BYTES);
  write_log(&at, 3, SEGMENT_BYTES);
  char where[64];
  for (uint64_t i = 0; i < at.bytes; i++) {
    flip(file_of(0), i);
    if (i >= two.bytes) {
      snprintf(where, sizeof where, "episode 2 at byte %" PRIu64 ":", two.bytes);
      expect_damaged(&at, 0, where);
    } else {
      expect_damaged(&at, 0, "at byte");
    }
    flip(file_of(0), i);
  }
  expect_episodes(&at, 3);
}

Test(segments, a_file_cut_at_any_byte_is_found) {
  struct segment_position at;
  write_log(&at, 3, SEGMENT_BYTES);
  for (uint64_t cut = at.bytes; cut-- > 0;) {
    cr_assert_eq(truncate(file_of(0), (off_t)cut), 0);
    expect_damaged(&at, 0, "shorter than the checkpoint says");
    struct segments *s;
    cr_assert_eq(segments_open(&s, run_dir, RUN, &DIMS, &at), ERR_FORMAT);
    cr_assert_eq(size_of(file_of(0)), cut, "a refused log is left alone");
  }
}

Test(segments, a_missing_or_cut_or_swapped_segment_in_the_middle_is_found) {
  struct segment_position at;
  write_log(&at, 40, 1000);
  uint64_t second = 1;
  while (access(file_of(second), F_OK) != 0) {
    second++;
  }
  // where the last record of the first segment begins
  struct segment_position part;
  write_log(&part, second - 1, SEGMENT_BYTES);
  write_log(&at, 40, 1000);
  uint64_t third = second + 1;
  while (access(file_of(third), F_OK) != 0) {
    third++;
  }
  char a[160], b[160], aside[160];
  snprintf(a, sizeof a, "%s", file_of(second));
  snprintf(b, sizeof b, "%s", file_of(third));
  snprintf(aside, sizeof aside, "%s/aside", run_dir);

  cr_assert_eq(rename(a, aside), 0);
  expect_damaged(&at, second, "missing");
  cr_assert_eq(rename(b, a), 0);
  expect_damaged(&at, second, "another ticket");
  cr_assert_eq(rename(a, b), 0);
  cr_assert_eq(rename(aside, a), 0);
  expect_episodes(&at, 40);

  // one record less, cut at its border: every CRC is right, yet the next file does not follow
  cr_assert_eq(truncate(file_of(0), (off_t)part.bytes), 0);
  expect_damaged(&at, second - 1, "missing");
}

Test(segments, a_last_segment_that_is_missing_is_found) {
  struct segment_position at;
  write_log(&at, 40, 1000);
  cr_assert_eq(unlink(file_of(at.last)), 0);
  expect_damaged(&at, at.last, "missing");
  struct segments *s;
  cr_expect_eq(segments_open(&s, run_dir, RUN, &DIMS, &at), ERR_FORMAT);
}

Test(segments, a_position_that_miscounts_is_found) {
  struct segment_position at, wrong;
  write_log(&at, 12, SEGMENT_BYTES);
  wrong = at;
  wrong.episodes = 11;
  uint64_t count;
  cr_expect_eq(read_from(&wrong, &count), ERR_FORMAT);
  cr_expect_str_eq(fault.text, "replay has 12 episodes where it names 11");
  wrong = at;
  wrong.bytes -= 1;
  expect_damaged(&wrong, 0, "cut short");
  wrong = at;
  wrong.last = 5;
  expect_damaged(&wrong, 0, "begin with 5");
}

Test(segments, episodes_of_another_run_or_shape_are_refused) {
  struct segment_position at;
  write_log(&at, 5, SEGMENT_BYTES);
  struct seen seen = {0};
  cr_expect_eq(segments_read(run_dir, RUN + 1, &DIMS, &at, see, &seen, &fault), ERR_FORMAT);
  struct dims wider = DIMS;
  wider.obs++;
  cr_expect_eq(segments_read(run_dir, RUN, &wider, &at, see, &seen, &fault), ERR_FORMAT);
  cr_expect_eq(seen.count, 0);
}

// ---- deletion ----

Test(segments, segments_that_nobody_needs_are_deleted_and_no_others) {
  struct segment_position all, later, early;
  struct segments *s = open_at(&FRESH);
  segments_set_limit(s, 1000);
  for (uint64_t id = 0; id < 60; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  cr_assert_eq(segments_sync(s, &all), ERR_OK);
  segments_forget(s, 10);
  cr_assert_eq(segments_sync(s, &early), ERR_OK);
  segments_forget(s, 40);
  segments_forget(s, 3);  // never goes back
  cr_assert_eq(segments_sync(s, &later), ERR_OK);

  // the first needed segment holds the first needed episode
  cr_expect_eq(all.first, 0);
  cr_expect(early.first > 0 && early.first <= 10);
  cr_expect(later.first > early.first && later.first <= 40);
  cr_expect_eq(later.first + later.episodes, 60);

  // an old checkpoint still needs them all
  int files = count_files();
  segments_remove(s, &all);
  cr_expect_eq(count_files(), files);
  expect_episodes(&all, 60);

  // then it goes, and with it what only it needed
  segments_remove(s, &early);
  cr_expect_lt(count_files(), files);
  cr_expect_neq(access(file_of(0), F_OK), 0);
  cr_expect_eq(access(file_of(early.first), F_OK), 0);
  expect_episodes(&early, 60 - early.first);
  expect_episodes(&later, 60 - later.first);

  // a resumed log goes on from there; what an older checkpoint may need stays until it goes too
  segments_close(s);
  s = open_at(&later);
  expect_episodes(&early, 60 - early.first);
  cr_assert_eq(append(s, 60), ERR_OK);
  cr_assert_eq(segments_sync(s, &later), ERR_OK);
  segments_remove(s, &later);
  cr_expect_neq(access(file_of(early.first), F_OK), 0);
  segments_close(s);
  expect_episodes(&later, 61 - later.first);
}

// one segment an episode: the first needed one is exactly that of the oldest episode in replay
Test(segments, the_position_begins_with_the_segment_of_the_oldest_episode_in_replay) {
  struct segments *s = open_at(&FRESH);
  segments_set_limit(s, 1);
  for (uint64_t id = 0; id < 6; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  struct segment_position at;
  for (uint64_t evicted = 0; evicted < 6; evicted++) {
    segments_forget(s, evicted);
    cr_assert_eq(segments_sync(s, &at), ERR_OK);
    cr_expect_eq(at.first, evicted);
    cr_expect_eq(at.episodes, 6 - evicted);
  }
  segments_close(s);
}

Test(segments, the_segment_being_written_is_never_deleted) {
  struct segment_position at;
  struct segments *s = open_at(&FRESH);
  segments_set_limit(s, 1);
  for (uint64_t id = 0; id < 5; id++) {
    cr_assert_eq(append(s, id), ERR_OK);
  }
  segments_forget(s, 5);
  cr_assert_eq(segments_sync(s, &at), ERR_OK);
  cr_expect_eq(at.first, 4);
  at.first = 1000;
  segments_remove(s, &at);
  cr_expect_eq(count_files(), 1);
  cr_assert_eq(append(s, 5), ERR_OK);
  segments_close(s);
}

// ---- a disk that is full ----

// A file-size limit stands in for it: the write stops in the middle of a record, as on a full disk.
static void limit_files(rlim_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit;
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = bytes;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(segments, a_record_that_does_not_fit_is_cut_off_again) {
  struct segment_position at;
  write_log(&at, 10, SEGMENT_BYTES);
  struct segments *s = open_at(&at);
  for (rlim_t more = 0; more < 100; more += 9) {
    limit_files(at.bytes + more);
    cr_assert_eq(append(s, 10), ERR_IO);
    cr_assert_eq(size_of(file_of(0)), at.bytes);
  }
  expect_episodes(&at, 10);

  // with space again it goes on as if nothing had been
  limit_files(RLIM_INFINITY);
  cr_assert_eq(append(s, 10), ERR_OK);
  cr_assert_eq(segments_sync(s, &at), ERR_OK);
  segments_close(s);
  expect_episodes(&at, 11);
}

Test(segments, a_folder_that_cannot_be_made_is_an_io_error) {
  char path[96];
  snprintf(path, sizeof path, "%s/replay", run_dir);
  cr_assert_eq(fsio_write_atomic(path, "in the way", 10), ERR_OK);
  struct segments *s;
  cr_expect_eq(segments_open(&s, run_dir, RUN, &DIMS, &FRESH), ERR_IO);
}
