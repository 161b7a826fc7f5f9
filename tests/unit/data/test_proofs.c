#include <criterion/criterion.h>
#include <stdio.h>

#include "../../../src/data/proofs.h"

#define KEPT 32768

static struct proofs p;

static void setup(void) {
  proofs_init(&p);
}

static void teardown(void) {
  proofs_fini(&p);
}

TestSuite(proofs, .init = setup, .fini = teardown);

Test(proofs, the_newest_request_counts) {
  cr_expect_eq(proofs_when(&p, "a"), 0);
  proofs_add(&p, "a", 7);
  proofs_add(&p, "b", 9);
  proofs_add(&p, "a", 5);
  cr_expect_eq(proofs_when(&p, "a"), 7);
  proofs_add(&p, "a", 8);
  cr_expect_eq(proofs_when(&p, "a"), 8);
  cr_expect_eq(proofs_when(&p, "b"), 9);
}

Test(proofs, what_is_taken_back_is_forgotten_alone) {
  proofs_take_back(&p, "a");
  proofs_add(&p, "a", 7);
  proofs_add(&p, "b", 9);
  proofs_take_back(&p, "a");
  cr_expect_eq(proofs_when(&p, "a"), 0);
  cr_expect_eq(proofs_when(&p, "b"), 9);
  proofs_add(&p, "a", 3);
  cr_expect_eq(proofs_when(&p, "a"), 3);
  proofs_clear(&p);
  cr_expect_eq(proofs_when(&p, "a"), 0);
}

static unsigned known_of(int from, int to) {
  unsigned known = 0;

  for (int i = from; i < to; i++) {
    char id[32];

    snprintf(id, sizeof(id), "version %d", i);
    known += proofs_when(&p, id) == i + 1;
  }
  return known;
}

Test(proofs, the_oldest_make_room) {
  for (int i = 0; i < 3 * KEPT; i++) {
    char id[32];

    snprintf(id, sizeof(id), "version %d", i);
    proofs_add(&p, id, i + 1);
    if (i == KEPT / 4)
      cr_expect_geq(known_of(0, i), KEPT / 4 - KEPT / 400, "a table that is not full keeps them");
  }
  cr_expect_geq(known_of(2 * KEPT + KEPT / 2, 3 * KEPT), KEPT / 2 - KEPT / 40);
  cr_expect_leq(known_of(0, 3 * KEPT), KEPT);
}
