/* Large folders opened one after another. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "desk.h"

#define FILES 600 /* a flat page completes one of them: each is listed by itself */

static uint64_t top;

TestSuite(walks, .init = desk_lasting, .fini = desk_end, .timeout = 60);

/* And shows the names, so that their order is known here. */
static void put_folders(unsigned folders) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  char key[64];

  for (unsigned f = 0; f < folders; f++) {
    for (unsigned i = 0; i < FILES; i++) {
      snprintf(key, sizeof(key), "top/d%03u/f%04u", f, i);
      desk_put(&desk, key);
    }
  }
  top = desk_ino(&desk, "top");
  cr_assert_eq(ns_dir_open(desk.ns, top, &patient, &d), 0);
  for (uint64_t at = 2; !end; at = e.next)
    cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
  ns_dir_close(d);
}

/* How many names are in top/dNNN; -errno. */
static int read_folder(unsigned number) {
  struct ns_attr a;
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  char name[16];
  int count = -1;
  int rc;

  snprintf(name, sizeof(name), "d%03u", number);
  cr_assert_eq(ns_lookup(desk.ns, top, name, &patient, &a), 0);
  rc = ns_dir_open(desk.ns, a.ino, &patient, &d);
  if (rc != 0)
    return rc;
  for (uint64_t at = 2; rc == 0 && !end; at = e.next, count++)
    rc = ns_dir_read(d, at, false, &patient, &e, &end);
  ns_dir_close(d);
  return rc != 0 ? rc : count;
}

static bool lists_become(unsigned count) {
  for (int ms = 0; ms < 5000 && desk_counts(&desk).lists < count; ms++)
    usleep(1000);
  return desk_counts(&desk).lists == count;
}

Test(walks, as_many_are_asked_for_ahead_as_were_opened) {
  unsigned before;

  put_folders(40);
  before = desk_counts(&desk).lists;
  cr_expect_eq(read_folder(0), FILES);
  cr_expect_eq(desk_counts(&desk).lists - before, 1, "the flat one, which shows no other");
  cr_expect_eq(read_folder(1), FILES);
  cr_expect(lists_become(before + 1 + 1 + 2), "two more: %u", desk_counts(&desk).lists - before);
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  cr_expect_eq(read_folder(2), FILES, "it is here, though nobody answers now");
  cr_expect_eq(read_folder(3), FILES);
  fault_store_open(desk.faulty);
  for (unsigned i = 4; i < 40; i++)
    cr_expect_eq(read_folder(i), FILES);
  cr_expect_eq(desk_counts(&desk).lists - before, 40, "each once, the first by the flat one");
}

Test(walks, who_stops_has_not_asked_for_more_than_twice_as_many) {
  unsigned before;

  put_folders(30);
  before = desk_counts(&desk).lists;
  for (unsigned i = 0; i < 3; i++)
    read_folder(i);
  ns_free(desk.ns); /* what is under way ends */
  desk.ns = NULL;
  cr_expect_leq(desk_counts(&desk).lists - before, 1 + 2 * 3);
}

Test(walks, a_jump_is_no_walk) {
  unsigned before;

  put_folders(40);
  before = desk_counts(&desk).lists;
  read_folder(30);
  read_folder(2);
  read_folder(25);
  read_folder(25);
  ns_free(desk.ns);
  desk.ns = NULL;
  cr_expect_eq(desk_counts(&desk).lists - before, 3);
}

static bool come_to_wait(unsigned count) {
  for (int ms = 0; ms < 5000 && fault_store_waiting(desk.faulty) != count; ms++)
    usleep(1000);
  return fault_store_waiting(desk.faulty) == count;
}

Test(walks, what_fails_ahead_is_asked_for_again) {
  unsigned before;

  put_folders(6);
  before = desk_counts(&desk).lists;
  read_folder(0);
  read_folder(1);
  cr_expect(lists_become(before + 1 + 1 + 2));
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 2, -EIO, 0);
  cr_expect_eq(read_folder(2), FILES);
  cr_expect(come_to_wait(2), "two behind the one that is here");
  fault_store_open(desk.faulty);
  cr_expect_eq(read_folder(3), FILES);
  for (int i = 0; i < 100 && read_folder(4) != FILES; i++)
    usleep(1000); /* while it was on its way, the failure was a reader's, too */
  cr_expect_eq(read_folder(4), FILES);
  cr_expect_eq(read_folder(5), FILES);
}

Test(walks, nothing_is_asked_ahead_where_keys_need_credentials_of_their_own) {
  unsigned before;

  desk.faulty->scoped = true;
  put_folders(6);
  before = desk_counts(&desk).lists;
  for (unsigned i = 0; i < 4; i++)
    read_folder(i);
  ns_free(desk.ns);
  desk.ns = NULL;
  cr_expect_eq(desk_counts(&desk).lists - before, 4);
}

Test(walks, what_was_made_here_meanwhile_is_shown) {
  const struct ns_made made = {.type = NS_FILE};
  unsigned before;
  struct ns_attr a;

  put_folders(6);
  before = desk_counts(&desk).lists;
  read_folder(0);
  read_folder(1);
  cr_expect(lists_become(before + 1 + 1 + 2));
  cr_assert_eq(ns_made(desk.ns, desk_find(&desk, top, "d003"), "new", &made, &a), 0);
  cr_expect_eq(read_folder(2), FILES);
  cr_expect_eq(read_folder(3), FILES + 1);
}

Test(walks, a_mount_ends_while_folders_are_listed_ahead) {
  put_folders(6);
  read_folder(0);
  fault_store_delay(desk.faulty, FAULT_LIST, 200);
  read_folder(1);
}
