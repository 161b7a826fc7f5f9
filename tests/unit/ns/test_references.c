/* What the kernel refers to, while threads look up, list and forget. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

TestSuite(references, .init = desk_usual, .fini = desk_end);

Test(references, forgetting_frees_nodes) {
  struct ns_stats st;
  struct ns_attr a;

  desk_put(&desk, "a/b/c");
  cr_assert_eq(desk_walk(&desk, "a/b/c", &a), 0);
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.nodes, 4);
  cr_assert_eq(ns_hold(desk.ns, a.ino), 0);
  ns_forget(desk.ns, desk_ino(&desk, "a"), 2);
  ns_forget(desk.ns, desk_ino(&desk, "a/b"), 100);
  ns_forget(desk.ns, a.ino, 1);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0, "held");
  ns_release(desk.ns, a.ino);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), -ESTALE);
  ns_forget(desk.ns, 4711, 1);
  cr_expect_eq(ns_hold(desk.ns, 4711), -ESTALE);
}

static atomic_bool stop;

static void *look_up_and_forget(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;

  while (!atomic_load(&stop)) {
    static const char *const names[] = {"a", "b", "none", "dir"};
    struct ns_attr a;
    int rc = ns_lookup(desk.ns, NS_ROOT_INO, names[rand_r(&seed) % 4], &patient, &a);

    if (rc == 0) {
      struct ns_attr b;

      rc = ns_getattr(desk.ns, a.ino, &patient, &b);
      if (rc != 0 || a.ino != b.ino)
        abort();
      ns_forget(desk.ns, a.ino, 1);
    } else if (rc != -ENOENT) {
      abort();
    }
    if (rand_r(&seed) % 16 == 0)
      desk_later(DESK_NEGATIVE_TTL);
  }
  return NULL;
}

static void *list_and_forget(void *arg) {
  (void)arg;
  while (!atomic_load(&stop)) {
    int rc;
    char *got = desk_ls(&desk, NS_ROOT_INO, true, &rc);

    if (rc != 0 || strcmp(got, "a b dir/ ") != 0)
      abort();
    free(got);
  }
  return NULL;
}

Test(references, lookups_forgets_and_listings_at_once) {
  pthread_t threads[8];
  struct ns_stats st;

  desk_put(&desk, "a");
  desk_put(&desk, "b");
  desk_put(&desk, "dir/x");
  for (uintptr_t i = 0; i < 8; i++)
    cr_assert_eq(
        pthread_create(&threads[i], NULL, i < 5 ? look_up_and_forget : list_and_forget, (void *)i),
        0);
  usleep(300000);
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.nodes, 1);
}
