// test_desk.c - which weights an actor keeps, and which it asks for.
#include <criterion/criterion.h>

#include "actor/desk.h"

static struct desk *desk;

static void set_up(void) {
  desk = desk_new();
}

static void tear_down(void) {
  desk_free(desk);
  desk_free(NULL);
}

TestSuite(desk, .init = set_up, .fini = tear_down);

static struct weights *weights_of(uint64_t version) {
  const int width[] = {1, 1};
  const float data[2] = {(float)version, 0};
  return weights_new(version, width, 1, data);
}

// is this version here? leaves no trace when it is
static bool here(uint64_t version) {
  const struct weights *w = desk_name(desk, version);
  const bool found = w != NULL && w->version == version;
  desk_unname(desk, version);
  return found;
}

Test(desk, what_came_before_its_ticket_is_here) {
  cr_assert_not(desk_put(desk, weights_of(5)), "nobody waits for it");
  const struct weights *w = desk_name(desk, 5);
  cr_assert_not_null(w);
  cr_assert_eq(w->version, 5);
  cr_assert_eq(desk_ask(desk, 0, 1), 0);
  desk_unname(desk, 5);
}

Test(desk, what_is_missing_is_asked_for_until_it_comes) {
  cr_assert_null(desk_name(desk, 7));
  cr_assert_null(desk_name(desk, 7));
  cr_assert_null(desk_name(desk, 8));
  // each once an interval, however many tickets name it
  const uint64_t first = desk_ask(desk, 100, 50), second = desk_ask(desk, 100, 50);
  cr_assert(first + second == 15 && first != second);
  cr_assert_eq(desk_ask(desk, 100, 50), 0);
  cr_assert_eq(desk_ask(desk, 149, 50), 0);
  cr_assert_neq(desk_ask(desk, 150, 50), 0);
  cr_assert_neq(desk_ask(desk, 150, 50), 0);
  cr_assert_eq(desk_ask(desk, 150, 50), 0);
  cr_assert(desk_put(desk, weights_of(7)), "two tickets wait for it");
  cr_assert_eq(desk_ask(desk, 1000, 50), 8);
  // nobody waits any more
  desk_unname(desk, 8);
  cr_assert_eq(desk_ask(desk, 2000, 50), 0);
  cr_assert_not(desk_put(desk, weights_of(7)), "it is here already");
  desk_unname(desk, 7);
  desk_unname(desk, 7);
}

Test(desk, keeps_what_is_named_and_the_newest) {
  cr_assert_null(desk_name(desk, 1));
  for (uint64_t v = 1; v <= 6; v++) {
    desk_put(desk, weights_of(v));
  }
  cr_assert(here(1), "a ticket names it");
  cr_assert_not(here(3));
  cr_assert(here(5) && here(6));
  desk_unname(desk, 1);
  cr_assert_not(here(1), "two newer ones are here");
  // one that comes late and that nobody names is not kept
  desk_put(desk, weights_of(2));
  cr_assert_not(here(2));
}

Test(desk, another_run_has_other_weights) {
  desk_put(desk, weights_of(5));
  cr_assert_not_null(desk_name(desk, 5));
  desk_clear(desk);
  cr_assert_eq(desk_ask(desk, 0, 1), 5, "the ticket is still here");
  desk_unname(desk, 5);
  cr_assert_not(here(5));
}
