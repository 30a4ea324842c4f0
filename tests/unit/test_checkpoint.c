// test_checkpoint.c - a state comes back bit for bit; the newest whole one wins; no damage, crash
// or full disk costs more than the checkpoint it hit.
#include "learner/checkpoint.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/base/log.h"

enum { OPEN = 4, NTENSOR = 4, NPARAM = 5 * 4 + 4 + 4 * 2 + 2 };
static const int WIDTH[] = {5, 4, 2};

static char run_dir[64];

static void setup(void) {
  snprintf(run_dir, sizeof run_dir, "/tmp/telos_checkpoint_XXXXXX");
  cr_assert(mkdtemp(run_dir));
}

static void teardown(void) {
  cr_expect_eq(fsio_remove_tree(run_dir), ERR_OK);
}

TestSuite(checkpoint, .init = setup, .fini = teardown);

static char *path_of(uint64_t steps, const char *file) {
  static char path[2][256];
  static int turn;
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "%s/checkpoints/step_%09" PRIu64 "%s%s", run_dir, steps,
           *file ? "/" : "", file);
  return path[turn];
}

// ---- a state that depends on its steps ----

struct state {
  struct checkpoint c;
  struct fold fold;
  struct st_tensor tensors[NTENSOR];
  float matrix[6], scalar[1];
  uint64_t counters[2];
  double moments[3];
};

// What the learner has: names and shapes; the data is s's own and zero, the fold a fresh one.
// Release with fold_release(&s->fold).
static void expect_tensors(struct state *s) {
  *s = (struct state){0};
  fold_init(&s->fold,
            &(struct fold_plan){.window = 9, .horizon = 7, .steps = 1000000, .nfigure = 2});
  s->tensors[0] = (struct st_tensor){
      .name = "critic.matrix", .dtype = ST_F32, .rank = 2, .shape = {2, 3}, .data = s->matrix};
  s->tensors[1] = (struct st_tensor){
      .name = "counters", .dtype = ST_U64, .rank = 1, .shape = {2}, .data = s->counters};
  s->tensors[2] =
      (struct st_tensor){.name = "log_alpha", .dtype = ST_F32, .rank = 0, .data = s->scalar};
  s->tensors[3] = (struct st_tensor){
      .name = "moments", .dtype = ST_F64, .rank = 1, .shape = {3}, .data = s->moments};
  s->c = (struct checkpoint){.run = 0xfedcba9876543210,
                             .task_digest = UINT64_MAX,
                             .fold = &s->fold,
                             .tensors = s->tensors,
                             .ntensors = NTENSOR};
}

static struct weights *make_weights(uint64_t version) {
  float data[NPARAM];
  for (int i = 0; i < NPARAM; i++) {
    data[i] = (float)version + 0.1f * (float)i;
  }
  // a share and a goal of two numbers
  const float along[3] = {0.5f, (float)version, -1};
  return weights_new_along(version, WIDTH, 2, data, along, 3);
}

// Release with fold_release(&s->fold).
static void make_state(struct state *s, uint64_t steps) {
  expect_tensors(s);
  for (int i = 0; i < 6; i++) {
    s->matrix[i] = (float)steps * 0.3f + (float)i;
  }
  s->scalar[0] = -1e-40f;
  s->counters[0] = UINT64_MAX - steps;
  s->moments[2] = 1.0 / (double)(steps + 3);
  struct checkpoint *c = &s->c;
  struct fold *f = &s->fold;
  f->steps = steps;
  f->episodes = steps / 7;
  f->updates = steps - 1;
  f->recent_steps = 7 * (steps % 60);
  f->recent_episodes = steps % 60;
  f->next = steps / 7;
  f->version = steps + 2;
  f->since_publish = 3;
  f->nweights = 3;
  for (int i = 0; i < 3; i++) {
    f->weights[i] = make_weights(steps + (uint64_t)i);
  }
  f->figure[0] = 0.1 * (double)steps;
  f->nopen = OPEN;
  for (int i = 0; i < OPEN; i++) {
    f->open[i] = (struct fold_ticket){.version = steps + (uint64_t)(i / 2), .warmup = i == 1};
  }
  f->nowed = 2;
  f->owed[0].version = steps;
  f->owed[0].steps = steps - 5;
  f->owed[1].version = steps + 1;
  f->owed[1].steps = steps;
  f->next_eval_steps = steps + 100;
  f->next_checkpoint_steps = steps + 200;
  f->last = (struct evaluation){.version = steps - 1,
                                .steps = steps - 9,
                                .n = 50,
                                .distance = 0.1,
                                .initial = 3.0,
                                .score = 1e-300,
                                .ci = NAN,
                                .success = 1.0};
  c->position =
      (struct segment_position){.first = 7, .last = steps, .bytes = 1u << 31, .episodes = 8};
}

static void write_step(uint64_t steps, int keep) {
  struct state s;
  make_state(&s, steps);
  cr_assert_eq(checkpoint_write(run_dir, &s.c, keep), ERR_OK);
  fold_release(&s.fold);
}

static void expect_equal(const struct state *a, const struct state *b) {
  const struct checkpoint *x = &a->c, *y = &b->c;
  cr_expect_eq(x->run, y->run);
  cr_expect_eq(x->task_digest, y->task_digest);
  cr_expect_eq(memcmp(&x->position, &y->position, sizeof x->position), 0);
  const struct fold *f = x->fold, *g = y->fold;
  cr_expect_eq(f->steps, g->steps);
  cr_expect_eq(f->episodes, g->episodes);
  cr_expect_eq(f->updates, g->updates);
  cr_expect_eq(f->next, g->next);
  cr_expect_eq(f->version, g->version);
  cr_expect_eq(f->since_publish, g->since_publish);
  cr_expect_eq(f->next_eval_steps, g->next_eval_steps);
  cr_expect_eq(f->next_checkpoint_steps, g->next_checkpoint_steps);
  cr_expect_eq(f->recent_steps, g->recent_steps);
  cr_expect_eq(f->recent_episodes, g->recent_episodes);
  cr_expect(f->figure[0] == g->figure[0] && isnan(g->figure[1]));
  cr_assert_eq(f->nopen, g->nopen);
  for (int i = 0; i < f->nopen; i++) {
    cr_expect_eq(f->open[i].version, g->open[i].version);
    cr_expect_eq(f->open[i].warmup, g->open[i].warmup);
  }
  cr_assert_eq(f->nowed, g->nowed);
  cr_expect_arr_eq(f->owed, g->owed, (size_t)f->nowed * sizeof f->owed[0]);
  cr_expect_eq(f->last.version, g->last.version);
  cr_expect_eq(f->last.steps, g->last.steps);
  cr_expect_eq(f->last.n, g->last.n);
  cr_expect_eq(f->last.distance, g->last.distance);
  cr_expect_eq(f->last.initial, g->last.initial);
  cr_expect_eq(f->last.score, g->last.score);
  cr_expect(isnan(f->last.ci) && isnan(g->last.ci));
  cr_expect_eq(f->last.success, g->last.success);
  cr_assert_eq(f->nweights, g->nweights);
  for (int i = 0; i < f->nweights; i++) {
    cr_expect_eq(f->weights[i]->version, g->weights[i]->version);
    cr_expect_eq(f->weights[i]->digest, g->weights[i]->digest);
    cr_expect_arr_eq(f->weights[i]->width, g->weights[i]->width, sizeof WIDTH);
  }
  cr_expect_arr_eq(a->matrix, b->matrix, sizeof a->matrix);
  cr_expect_arr_eq(a->scalar, b->scalar, sizeof a->scalar);
  cr_expect_arr_eq(a->counters, b->counters, sizeof a->counters);
  cr_expect_arr_eq(a->moments, b->moments, sizeof a->moments);
}

// ---- reading, with what was logged ----

static enum err accept_all(void *ctx, const struct checkpoint *c, struct fault *fault) {
  (void)ctx, (void)c, (void)fault;
  return ERR_OK;
}

static char logged[8192];

static enum err read_logged(struct checkpoint *c, int *found,
                            enum err (*accept)(void *ctx, const struct checkpoint *c,
                                               struct fault *fault),
                            void *ctx) {
  int fd = memfd_create("log", 0);
  log_set_file(fd);
  enum err err = checkpoint_read(run_dir, c, found, accept, ctx);
  log_set_file(-1);
  ssize_t got = pread(fd, logged, sizeof logged - 1, 0);
  logged[got > 0 ? got : 0] = '\0';
  close(fd);
  return err;
}

static int count_lines(void) {
  int n = 0;
  for (const char *p = logged; (p = strchr(p, '\n')) != NULL; p++) {
    n++;
  }
  return n;
}

// The checkpoint of these steps is what comes back, equal.
static void expect_step(uint64_t steps) {
  struct state got, want;
  expect_tensors(&got);
  make_state(&want, steps);
  int found;
  cr_assert_eq(read_logged(&got.c, &found, accept_all, NULL), ERR_OK);
  cr_assert_eq(found, 1);
  cr_assert_eq(got.fold.steps, steps);
  expect_equal(&got, &want);
  fold_release(&got.fold);
  fold_release(&want.fold);
}

// As expect_step, after one warning that names the damaged newer one.
static void expect_fallback(uint64_t damaged, uint64_t steps, const char *what) {
  expect_step(steps);
  cr_assert_eq(count_lines(), 1, "%s: %s", what, logged);
  cr_assert(strstr(logged, path_of(damaged, "")) && strstr(logged, "damaged"), "%s: %s", what,
            logged);
}

static int count_folders(void) {
  char parent[128];
  snprintf(parent, sizeof parent, "%s/checkpoints", run_dir);
  DIR *dir = opendir(parent);
  cr_assert(dir);
  int n = 0;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  }
  closedir(dir);
  return n;
}

static void overwrite(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  cr_assert(f);
  cr_assert_eq(fwrite(data, 1, n, f), n);
  fclose(f);
}

// ---- the good days ----

Test(checkpoint, a_state_comes_back_bit_for_bit) {
  write_step(1000, 2);
  expect_step(1000);
  cr_expect_str_eq(logged, "");
}

Test(checkpoint, no_checkpoint_is_no_error) {
  struct state s;
  expect_tensors(&s);
  int found = 7;
  cr_expect_eq(checkpoint_read(run_dir, &s.c, &found, accept_all, NULL), ERR_OK);
  cr_expect_eq(found, 0);

  char other[128];
  snprintf(other, sizeof other, "%s/checkpoints/.tmp-step_000001000", run_dir);
  cr_assert_eq(fsio_mkdirs(other), ERR_OK);
  snprintf(other, sizeof other, "%s/checkpoints/step_12", run_dir);
  cr_assert_eq(fsio_mkdirs(other), ERR_OK);
  found = 7;
  cr_expect_eq(checkpoint_read(run_dir, &s.c, &found, accept_all, NULL), ERR_OK);
  cr_expect_eq(found, 0);
  fold_release(&s.fold);
}

Test(checkpoint, equal_states_give_equal_files) {
  write_step(1000, 2);
  char first[64];
  snprintf(first, sizeof first, "%s", run_dir);
  setup();
  write_step(1000, 2);
  const char *names[] = {"state.json", "learner.safetensors"};
  for (int i = 0; i < 2; i++) {
    char path[160];
    snprintf(path, sizeof path, "%s/checkpoints/step_000001000/%s", first, names[i]);
    void *a, *b;
    size_t na, nb;
    cr_assert_eq(fsio_read(&a, &na, path, 1 << 20), ERR_OK);
    cr_assert_eq(fsio_read(&b, &nb, path_of(1000, names[i]), 1 << 20), ERR_OK);
    cr_assert_eq(na, nb);
    cr_expect_eq(memcmp(a, b, na), 0);
    free(a);
    free(b);
  }
  cr_expect_eq(fsio_remove_tree(first), ERR_OK);
}

Test(checkpoint, the_newest_wins_and_only_keep_stay) {
  for (uint64_t steps = 100; steps <= 1000000000; steps *= 10) {
    write_step(steps, 3);
    expect_step(steps);
  }
  cr_expect_eq(count_folders(), 3);
  cr_expect(fsio_exists(path_of(1000000000, "")));
  cr_expect(fsio_exists(path_of(10000000, "")));
  write_step(2000000000, 1);
  cr_expect_eq(count_folders(), 1);
  expect_step(2000000000);
}

Test(checkpoint, the_same_step_again_replaces_it) {
  write_step(500, 2);
  overwrite(path_of(500, "state.json"), "x", 1);
  write_step(500, 2);
  expect_step(500);
  cr_expect_eq(count_folders(), 1);
}

// they were refused at resume: else the run would be past them
Test(checkpoint, checkpoints_of_a_later_step_are_removed) {
  write_step(100, 3);
  write_step(300, 3);
  overwrite(path_of(300, "state.json"), "x", 1);
  write_step(200, 3);
  cr_expect_not(fsio_exists(path_of(300, "")));
  cr_expect(fsio_exists(path_of(100, "")));
  expect_step(200);
}

Test(checkpoint, leftovers_of_a_crash_are_removed_by_the_next_write) {
  write_step(100, 2);
  char path[160];
  const char *names[] = {".tmp-step_000000150", ".tmp-old-step_000000050"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/checkpoints/%s", run_dir, names[i]);
    cr_assert_eq(fsio_mkdirs(path), ERR_OK);
    snprintf(path, sizeof path, "%s/checkpoints/%s/state.json", run_dir, names[i]);
    overwrite(path, "half", 4);
  }
  expect_step(100);
  write_step(200, 2);
  cr_expect_eq(count_folders(), 2);
}

Test(checkpoint, the_oldest_needed_segment_is_that_of_all_kept) {
  struct segment_position at;
  cr_expect_eq(checkpoint_oldest_needed(run_dir, &at), ERR_FORMAT);
  for (uint64_t i = 1; i <= 4; i++) {
    struct state s;
    make_state(&s, 100 * i);
    s.c.position.first = 10 * i;
    cr_assert_eq(checkpoint_write(run_dir, &s.c, 2), ERR_OK);
    fold_release(&s.fold);
  }
  cr_assert_eq(checkpoint_oldest_needed(run_dir, &at), ERR_OK);
  cr_expect_eq(at.first, 30);
  cr_expect_eq(at.last, 300);
  overwrite(path_of(300, "state.json"), "x", 1);
  cr_assert_eq(checkpoint_oldest_needed(run_dir, &at), ERR_OK);
  cr_expect_eq(at.first, 40);
}

// ---- damage: each file, each way ----

static const char *const FILES[] = {"state.json", "learner.safetensors"};

Test(checkpoint, a_flip_of_any_byte_falls_back) {
  write_step(100, 2);
  write_step(200, 2);
  for (int k = 0; k < 2; k++) {
    const char *path = path_of(200, FILES[k]);
    char file[256];
    snprintf(file, sizeof file, "%s", path);
    void *data;
    size_t n;
    cr_assert_eq(fsio_read(&data, &n, file, 1 << 20), ERR_OK);
    for (size_t i = 0; i < n; i++) {
      unsigned char *bytes = data;
      bytes[i] ^= (unsigned char)(1u << i % 8);
      overwrite(file, data, n);
      expect_fallback(200, 100, FILES[k]);
      bytes[i] ^= (unsigned char)(1u << i % 8);
    }
    overwrite(file, data, n);
    free(data);
  }
  expect_step(200);
}

Test(checkpoint, a_cut_at_any_byte_falls_back) {
  write_step(100, 2);
  for (int k = 0; k < 2; k++) {
    write_step(200, 2);
    char file[256];
    snprintf(file, sizeof file, "%s", path_of(200, FILES[k]));
    struct stat st;
    cr_assert_eq(stat(file, &st), 0);
    for (off_t cut = st.st_size; cut-- > 0;) {
      cr_assert_eq(truncate(file, cut), 0);
      expect_fallback(200, 100, FILES[k]);
    }
  }
}

Test(checkpoint, a_missing_file_or_an_empty_folder_falls_back) {
  write_step(100, 2);
  for (int k = 0; k < 2; k++) {
    write_step(200, 2);
    cr_assert_eq(unlink(path_of(200, FILES[k])), 0);
    expect_fallback(200, 100, FILES[k]);
    cr_expect(strstr(logged, FILES[k]) && strstr(logged, "missing"));
  }
  cr_assert_eq(unlink(path_of(200, FILES[0])), 0);
  expect_fallback(200, 100, "empty folder");
}

Test(checkpoint, files_of_another_checkpoint_fall_back) {
  write_step(100, 2);
  write_step(200, 2);
  void *data;
  size_t n;
  cr_assert_eq(fsio_read(&data, &n, path_of(100, FILES[1]), 1 << 20), ERR_OK);
  overwrite(path_of(200, FILES[1]), data, n);
  expect_fallback(200, 100, "another's tensors");
  free(data);
}

// Replaces text in state.json and makes its digest right again.
static void edit_state(const char *path, const char *from, const char *to) {
  enum { LINE = 29 };
  void *data;
  size_t n;
  cr_assert_eq(fsio_read(&data, &n, path, 1 << 20), ERR_OK);
  char *at = strstr((char *)data + LINE, from);
  cr_assert(at, "%s", from);
  size_t room = n + strlen(to) + 1;
  char *body = must_alloc(room, 1);
  snprintf(body, room, "%.*s%s%s", (int)(at - (char *)data - LINE), (char *)data + LINE, to,
           at + strlen(from));
  FILE *f = fopen(path, "wb");
  fprintf(f, "{\"xxh3\": \"%016" PRIx64 "\",\n%s", (uint64_t)XXH3_64bits(body, strlen(body)), body);
  fclose(f);
  free(body);
  free(data);
}

#define OPEN_TICKET "\"open_tickets\": [\n  {\n   \"version\": "

Test(checkpoint, json_that_says_something_else_falls_back) {
  static const struct {
    const char *from, *to;
  } edits[] = {
      {"\"steps\": 200", "\"steps\": -200"},
      {"\"steps\": 200", "\"steps\": 200.0"},
      {"\"steps\": 200", "\"steps\": \"200\""},
      {"\"steps\": 200", "\"stops\": 200"},
      {"\"steps\": 200", "\"steps\": 200, \"steps\": 200"},
      {"\"steps\": 200", "\"steps\": 99999999999999999999"},
      {"\"updates\"", "\"update\""},
      {"\"run\": \"fedc", "\"run\": \"fed"},
      {"\"run\": \"fedc", "\"run\": \"FEDC"},
      {"\"run\": \"fedcba9876543210\"", "\"run\": 7"},
      {"\"learner_xxh3\": \"", "\"learner_xxh3\": \"x"},
      {"\"segment_first\": 7", "\"segment_first\": 201"},
      {"\"version\": 202", "\"version\": 203"},
      {"\"version\": 202", "\"version\": 200"},
      {"\"recent_steps\"", "\"recent\""},
      {"\"open_tickets\": [", "\"open_tickets\": 7, \"other\": ["},
      {"\"open_tickets\": [", "\"open_tickets\": [], \"other\": ["},
      {"\"open_tickets\": [", "\"open_tickets\": [{}], \"other\": ["},
      {"\"open_tickets\": [", "\"open_tickets\": [1,2,3,4,5,6,"},
      {OPEN_TICKET "200", OPEN_TICKET "null"},
      {OPEN_TICKET "200", OPEN_TICKET "199"},
      {OPEN_TICKET "200", OPEN_TICKET "202"},
      {"\"warmup\": true", "\"warmup\": 1"},
      {"\"warmup\": true", "\"cold\": true"},
      {"\"policy_widths\": [\n  5", "\"policy_widths\": [\n  6"},
      {"\"policy_widths\": [\n  5", "\"policy_widths\": [\n  0"},
      {"\"policy_widths\": [\n  5", "\"policy_widths\": [\n  9999999999"},
      {"\"policy_widths\": [\n  5", "\"policy_widths\": [1,1,1,1,1,1,1,1,1,\n  5"},
      {"\"policy_widths\": [", "\"policy_widths\": 7, \"other\": ["},
      {"\"evaluations_owed\": [", "\"evaluations_owed\": [1,"},
      {"\"evaluations_owed\": [", "\"evaluations_owed\": null, \"other\": ["},
      {"\"version\": 200,\n   \"steps\": 195", "\"version\": 199,\n   \"steps\": 195"},
      {"\"last_evaluation\": {", "\"last_evaluation\": 7, \"other\": {"},
      {"\"episodes\": 50", "\"episodes\": -50"},
      {"\"distance\": 0.1", "\"distance\": \"0.1\""},
      {"null", "\"NaN\""},
      {"\"format\": 3,", "\"format\": 3"},
      {"\"format\": 3,", "\"format\": \"3\","},
      {"}", ""},
  };
  write_step(100, 2);
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    write_step(200, 2);
    edit_state(path_of(200, "state.json"), edits[i].from, edits[i].to);
    expect_fallback(200, 100, edits[i].to);
  }
  // the editing itself is not what is refused
  write_step(200, 2);
  edit_state(path_of(200, "state.json"), "\"steps\": 200", "\"steps\":   200");
  expect_step(200);
}

static const char *const GARBAGE[] = {
    "", "{", "{}", "null", "[1,2]", "\xff\xfe", "{\"xxh3\": \"0000000000000000\",\n}"};

Test(checkpoint, garbage_falls_back) {
  write_step(100, 2);
  for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++) {
    for (int k = 0; k < 2; k++) {
      write_step(200, 2);
      overwrite(path_of(200, FILES[k]), GARBAGE[i], strlen(GARBAGE[i]));
      expect_fallback(200, 100, GARBAGE[i]);
    }
  }
}

Test(checkpoint, when_all_are_damaged_it_says_so) {
  write_step(100, 3);
  write_step(200, 3);
  write_step(300, 3);
  overwrite(path_of(100, "state.json"), "x", 1);
  cr_assert_eq(unlink(path_of(200, "learner.safetensors")), 0);
  cr_assert_eq(truncate(path_of(300, "learner.safetensors"), 100), 0);
  struct state s;
  expect_tensors(&s);
  struct state before = s;
  int found;
  cr_expect_eq(read_logged(&s.c, &found, accept_all, NULL), ERR_FORMAT);
  cr_expect_eq(found, 0);
  cr_expect_eq(count_lines(), 4);
  for (uint64_t steps = 100; steps <= 300; steps += 100) {
    cr_expect(strstr(logged, path_of(steps, "")));
  }
  cr_expect(strstr(logged, "another folder"));
  cr_expect_arr_eq(s.matrix, before.matrix, sizeof s.matrix);
  cr_expect_eq(s.fold.nweights, 0);
  fold_release(&s.fold);
}

// ---- what the caller thinks of it ----

struct verdict {
  uint64_t refused;  // steps
  enum err err;
  int asked;
};

static enum err judge(void *ctx, const struct checkpoint *c, struct fault *fault) {
  struct verdict *v = ctx;
  v->asked++;
  fault_set(fault, "a bad replay");
  return c->fold->steps == v->refused ? v->err : ERR_OK;
}

Test(checkpoint, a_replay_that_cannot_be_read_falls_back) {
  write_step(100, 2);
  write_step(200, 2);
  struct state s, want;
  expect_tensors(&s);
  make_state(&want, 100);
  struct verdict v = {.refused = 200, .err = ERR_FORMAT};
  int found;
  cr_assert_eq(read_logged(&s.c, &found, judge, &v), ERR_OK);
  cr_expect_eq(v.asked, 2);
  cr_expect_eq(found, 1);
  cr_expect_eq(count_lines(), 1);
  cr_expect(strstr(logged, "a bad replay"));
  expect_equal(&s, &want);
  fold_release(&s.fold);
  fold_release(&want.fold);
}

Test(checkpoint, any_other_refusal_is_passed_on) {
  write_step(100, 2);
  write_step(200, 2);
  struct state s;
  expect_tensors(&s);
  struct verdict v = {.refused = 200, .err = ERR_IO};
  int found;
  cr_expect_eq(read_logged(&s.c, &found, judge, &v), ERR_IO);
  cr_expect_eq(v.asked, 1);
  cr_expect_eq(found, 0);
  cr_expect_eq(s.fold.nweights, 0);
  fold_release(&s.fold);
}

// ---- another configuration ----

// ERR_CONFIG with one line that holds the texts; nothing of the state is touched.
static void expect_config(struct state *s, const char *a, const char *b) {
  int found;
  cr_expect_eq(read_logged(&s->c, &found, accept_all, NULL), ERR_CONFIG, "%s", a);
  cr_expect_eq(found, 0);
  cr_expect_eq(count_lines(), 1, "%s", logged);
  cr_expect(strstr(logged, a) && strstr(logged, b), "'%s' and '%s' in %s", a, b, logged);
  cr_expect(strstr(logged, "another folder") || strstr(logged, "the telos that wrote it"));
  cr_expect_eq(s->fold.nweights, 0);
  cr_expect_eq(s->fold.steps, 0);
  cr_expect_eq(s->matrix[0], 0.0f);
  fold_release(&s->fold);
}

Test(checkpoint, another_format_is_refused_with_both_numbers) {
  write_step(100, 2);
  edit_state(path_of(100, "state.json"), "\"format\": 3", "\"format\": 2");
  struct state s;
  expect_tensors(&s);
  expect_config(&s, "has format 2", "reads format 3");
}

Test(checkpoint, another_run_or_task_is_refused_with_both_values) {
  write_step(100, 2);
  struct state s;
  expect_tensors(&s);
  s.c.run = 0xabc;
  expect_config(&s, "fedcba9876543210", "0000000000000abc");
  expect_tensors(&s);
  s.c.task_digest = 0x123;
  expect_config(&s, "ffffffffffffffff", "0000000000000123");
}

Test(checkpoint, other_tensors_are_refused_by_name) {
  write_step(100, 2);
  struct state s;
  expect_tensors(&s);
  s.tensors[0].shape[1] = 4;
  expect_config(&s, "'critic.matrix' is F32 (2 x 3)", "F32 (2 x 4)");
  expect_tensors(&s);
  s.tensors[0].rank = 1;
  s.tensors[0].shape[0] = 6;
  expect_config(&s, "critic.matrix", "F32 (6)");
  expect_tensors(&s);
  s.tensors[3].dtype = ST_I64;
  expect_config(&s, "'moments' is F64 (3)", "I64 (3)");
  expect_tensors(&s);
  snprintf(s.tensors[2].name, sizeof s.tensors[2].name, "log_beta");
  expect_config(&s, "no tensor 'log_beta'", "");
  expect_tensors(&s);
  s.c.ntensors = 3;
  expect_config(&s, "'moments' that", "");
}

// ---- a disk that is full, a crash in the middle ----

static void limit_files(rlim_t bytes) {
  struct rlimit limit;
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = bytes;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// bytes of the larger file of step 100
static off_t largest_file(void) {
  struct stat st[2];
  cr_assert_eq(stat(path_of(100, FILES[0]), &st[0]), 0);
  cr_assert_eq(stat(path_of(100, FILES[1]), &st[1]), 0);
  return st[0].st_size > st[1].st_size ? st[0].st_size : st[1].st_size;
}

Test(checkpoint, a_full_disk_leaves_the_old_one_and_no_rest) {
  signal(SIGXFSZ, SIG_IGN);
  write_step(100, 1);
  off_t most = largest_file();
  struct state s;
  make_state(&s, 200);
  for (off_t room = 0; room < most; room += 97) {
    limit_files((rlim_t)room);
    cr_assert_eq(checkpoint_write(run_dir, &s.c, 1), ERR_IO, "%d bytes", (int)room);
    limit_files(RLIM_INFINITY);
    cr_assert_eq(count_folders(), 1);
    expect_step(100);
  }
  cr_assert_eq(checkpoint_write(run_dir, &s.c, 1), ERR_OK);
  fold_release(&s.fold);
  expect_step(200);
  cr_expect_eq(count_folders(), 1);
}

// the limit's signal ends the writer in the middle of a write, as a power cut would
Test(checkpoint, a_crash_in_the_middle_leaves_the_old_one) {
  write_step(100, 1);
  rlim_t most = (rlim_t)largest_file();
  for (rlim_t room = 0; room < most + 200; room += 150) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      signal(SIGXFSZ, SIG_DFL);
      struct state s;
      make_state(&s, 200);
      struct rlimit limit = {room, RLIM_INFINITY};
      setrlimit(RLIMIT_FSIZE, &limit);
      _exit(checkpoint_write(run_dir, &s.c, 1) == ERR_OK ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
      cr_assert_eq(WTERMSIG(status), SIGXFSZ);
      cr_assert_eq(count_folders(), 2, "the temporary folder is left");
      expect_step(100);
    } else {
      cr_assert_eq(WEXITSTATUS(status), 0);
      cr_assert_geq(room, most);
      expect_step(200);
      write_step(100, 1);
    }
  }
  write_step(300, 1);
  cr_expect_eq(count_folders(), 1);
  expect_step(300);
}

Test(checkpoint, a_folder_that_cannot_be_made_is_an_io_error) {
  char path[128];
  snprintf(path, sizeof path, "%s/checkpoints", run_dir);
  overwrite(path, "in the way", 10);
  struct state s;
  make_state(&s, 100);
  cr_expect_eq(checkpoint_write(run_dir, &s.c, 1), ERR_IO);
  fold_release(&s.fold);
  expect_tensors(&s);
  int found = 7;
  cr_expect_eq(checkpoint_read(run_dir, &s.c, &found, accept_all, NULL), ERR_IO);
  cr_expect_eq(found, 0);
  fold_release(&s.fold);
}
