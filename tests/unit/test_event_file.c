// test_event_file.c - event files as their records say.
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/event_file.h"
#include "tests/events.h"
#include "tests/unit/capture.h"

static char folder[] = "/tmp/telos-events-XXXXXX";

static void set_up(void) {
  cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void) {
  cr_assert_eq(fsio_remove_tree(folder), ERR_OK);
}

TestSuite(event_file, .init = set_up, .fini = tear_down);

static struct event_file *begin(bool others_expected) {
  bool others = !others_expected;
  struct event_file *f = event_file_open(folder, &others);
  cr_assert_eq(others, others_expected);
  return f;
}

Test(event_file, scalars_and_texts) {
  struct event_file *f = begin(false);
  event_file_start(f, 0);
  const struct event_scalar two[] = {{"a/zero", 0.0}, {"a/small", -1e-30}};
  event_file_scalars(f, 100, 5.0, two, 2);
  event_file_scalars(f, 200, 0.0, two, 1);
  event_file_scalars(f, 300, 0.0, two, 0);
  event_file_text(f, 7, "words", "| a |\n");
  uint8_t bytes[] = {1, 0, 2};
  event_file_image(f, 8, "picture",
                   &(struct event_image){.width = 4, .height = 3, .bytes = bytes, .n = 3});
  const struct event_setting settings[] = {
      {.name = "x", .text = "1.5", .type = EVENT_NUMBER, .number = 1.5},
      {.name = "y", .text = "false", .type = EVENT_TRUTH},
      {.name = "z", .text = "word", .type = EVENT_TEXT}};
  event_file_settings(f, settings, 3, "group");
  event_file_complete(f);
  event_file_sync(f);
  event_file_close(f);

  struct events e = events_read(folder);
  cr_assert(e.files == 1 && e.torn == 0 && e.n == 3);
  cr_assert_str_eq(events_curve(&e, "a/zero"), "100=0 200=0");
  cr_assert_str_eq(events_curve(&e, "a/small"), "100=-1e-30");
  cr_assert_float_eq(e.point[0].wall_s, (double)time(NULL) - 5.0, 3.0);
  cr_assert_str_eq(e.text, "| a |\n");
  cr_assert(e.images == 1 && e.image_step == 8 && e.nimage == 3);
  cr_assert_arr_eq(e.image, bytes, 3);
  Telos__Tb__Hparams *h = telos__tb__hparams__unpack(NULL, e.ncontent, e.content);
  const Telos__Tb__SessionStart *s = h->session_start_info;
  cr_assert_eq(s->n_hparams, 3);
  cr_assert_str_eq(s->group_name, "group");
  cr_assert_str_eq(s->hparams[2]->key, "z");
  cr_assert(s->hparams[0]->value->has_number_value && s->hparams[0]->value->number_value == 1.5);
  cr_assert(s->hparams[1]->value->has_bool_value && !s->hparams[1]->value->bool_value);
  cr_assert_str_eq(s->hparams[2]->value->string_value, "word");
  cr_assert(!s->hparams[2]->value->has_number_value && !s->hparams[2]->value->has_bool_value);
  telos__tb__hparams__free_unpacked(h, NULL);
  events_release(&e);
}

// A later file is the last by name, whatever o'clock it is; what is torn ends its file alone.
Test(event_file, a_next_life) {
  char path[128];
  snprintf(path, sizeof path, "%s/events.out.tfevents.4000000000.other.1.0", folder);
  cr_assert_eq(fsio_write_atomic(path, "torn", 4), ERR_OK);
  for (int life = 0; life < 3; life++) {
    struct event_file *f = begin(true);
    event_file_start(f, (uint64_t)life);
    for (int i = life; i < life + 3; i++) {
      const struct event_scalar s = {"x", 10.0 * life + i};
      event_file_scalars(f, (uint64_t)i, 0.0, &s, 1);
    }
    event_file_close(f);
  }
  struct events e = events_read(folder);
  cr_assert(e.files == 4 && e.torn == 1);
  cr_assert_str_eq(events_curve(&e, "x"), "0=0 1=11 2=22 3=23 4=24");
  events_release(&e);
}

// One warning, and whoever writes goes on.
Test(event_file, what_cannot_be_written_is_given_up) {
  signal(SIGXFSZ, SIG_IGN);
  struct event_file *f = begin(false);
  const struct event_scalar s = {"x", 1.0};
  struct rlimit before;
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit limit = {.rlim_cur = 500, .rlim_max = before.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  capture_begin();
  for (uint64_t k = 0; k < 100; k++) {
    event_file_scalars(f, k, 0.0, &s, 1);
  }
  event_file_sync(f);
  const char *said = capture_end();
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  event_file_close(f);
  cr_assert_eq(strncmp(said, "W ", 2), 0, "%s", said);
  cr_assert(strchr(said, '\n')[1] == '\0' && strstr(said, "until it is resumed"), "%s", said);
  struct events e = events_read(folder);
  cr_assert(e.torn == 1 && e.n > 0 && e.n < 100);
  events_release(&e);

  // a folder that is not there
  bool others;
  capture_begin();
  f = event_file_open("/dev/null/none", &others);
  event_file_scalars(f, 1, 0.0, &s, 1);
  event_file_close(f);
  cr_assert_not_null(strstr(capture_end(), "/dev/null/none/events.out.tfevents."));
}
