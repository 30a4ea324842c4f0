// test_peers.c - the learner's table of actors.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "learner/peers.h"

Test(peers, found_by_routing_id_and_by_actor) {
  struct peers *p = must_alloc(1, sizeof *p);
  const int a = peers_add(p, "\0ab", 3, 7, "host:1", 5);
  const int b = peers_add(p, "\0abc", 4, 8, "host:2", 6);
  cr_assert(a >= 0 && b >= 0 && a != b);
  cr_assert_eq(peers_find(p, "\0ab", 3), a);
  cr_assert_eq(peers_find(p, "\0abc", 4), b);
  cr_assert_eq(peers_find(p, "\0abd", 4), -1);
  cr_assert_eq(peers_find_actor(p, 8), b);
  cr_assert_eq(p->peer[b].last_seen_ms, 6);
  peers_remove(p, a);
  cr_assert_eq(peers_find(p, "\0ab", 3), -1);
  cr_assert_eq(peers_find_actor(p, 7), -1);
  cr_assert_eq(p->used, 1);
  cr_assert_eq(peers_add(p, "x", 1, 9, "n", 0), a, "a free index is used again");
  free(p);
}

Test(peers, full_table_refuses) {
  struct peers *p = must_alloc(1, sizeof *p);
  for (int i = 0; i < LEDGER_MAX_ACTORS; i++) {
    cr_assert_eq(peers_add(p, &i, sizeof i, (uint64_t)i, "n", 0), i);
  }
  const int more = LEDGER_MAX_ACTORS;
  cr_assert_eq(peers_add(p, &more, sizeof more, 5000, "n", 0), -1);
  cr_assert_eq(p->used, LEDGER_MAX_ACTORS);
  free(p);
}

Test(peers, names_are_made_printable_and_cut) {
  struct peers *p = must_alloc(1, sizeof *p);
  char longname[200];
  memset(longname, 'n', sizeof longname - 1);
  longname[sizeof longname - 1] = '\0';
  cr_assert_str_eq(p->peer[peers_add(p, "a", 1, 1, "x\ny\033[2J \xc3", 0)].name, "x?y?[2J??");
  cr_assert_eq(strlen(p->peer[peers_add(p, "b", 1, 2, longname, 0)].name), PEER_MAX_NAME);
  free(p);
}

Test(peers, a_fault_is_new_once_per_peer_and_reason) {
  struct peers *p = must_alloc(1, sizeof *p);
  const int a = peers_add(p, "a", 1, 1, "a", 0), b = peers_add(p, "b", 1, 2, "b", 0);
  cr_assert(peers_first_fault(p, a, "too long"));
  cr_assert_not(peers_first_fault(p, a, "too long"));
  cr_assert(peers_first_fault(p, a, "too short"));
  cr_assert(peers_first_fault(p, b, "too long"));
  cr_assert(peers_first_fault(p, -1, "too long"));
  cr_assert_not(peers_first_fault(p, -1, "too long"));
  // a newcomer at the same index starts afresh
  peers_remove(p, a);
  cr_assert_eq(peers_add(p, "c", 1, 3, "c", 0), a);
  cr_assert(peers_first_fault(p, a, "too long"));
  free(p);
}

Test(peers, the_banned_stay_banned) {
  struct peers *p = must_alloc(1, sizeof *p);
  cr_assert_not(peers_banned(p, 0));
  peers_ban(p, 42);
  cr_assert(peers_banned(p, 42));
  cr_assert_not(peers_banned(p, 43));
  free(p);
}
