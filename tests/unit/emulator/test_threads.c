/* Many threads on one world: decisions, vending, administration and saving at
 * once. What was answered as done is on disk; ThreadSanitizer watches the rest. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worlds.h"

#define ROUNDS 40
#define MAKERS 3
#define BUCKET "blog-access-grants-333333333333-us-east-1"

static struct world *w;
static atomic_int failed;

static void *make_access_points(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    struct control_reply r;
    char path[80];

    snprintf(path, sizeof(path), "/v20180820/accesspoint/ap-%d-%d", *(int *)arg, i);
    call(w,
         &(struct call){.plane = CONTROL_S3,
                        .method = "PUT",
                        .path = path,
                        .body = "<R><Bucket>test-bucket-1</Bucket></R>",
                        .account = "222222222222",
                        .key = "AKIAEXAMPLEADMIN0002"},
         &r);
    if (r.status != 200)
      atomic_fetch_add(&failed, 1);
    control_reply_fini(&r);
  }
  return NULL;
}

static void *vend_keys(void *arg) {
  (void)arg;
  for (int i = 0; i < ROUNDS; i++) {
    struct control_reply r;

    call(w,
         &(struct call){.plane = CONTROL_S3,
                        .path = "/v20180820/accessgrantsinstance/dataaccess",
                        .query = "target=s3://" BUCKET "/UserA/*&permission=READ",
                        .account = "333333333333",
                        .key = "ASIAEXAMPLEUSERA0000"},
         &r);
    if (r.status != 200)
      atomic_fetch_add(&failed, 1);
    control_reply_fini(&r);
  }
  return NULL;
}

static void *ask(void *arg) {
  struct s3_access a = {.access_key_id = "ASIAEXAMPLEDEMOROLE1",
                        .action = "s3:GetObject",
                        .bucket = "test-bucket-1",
                        .access_point_arn =
                            "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1",
                        .key = "sample2.csv"};

  (void)arg;
  for (int i = 0; i < ROUNDS * 10; i++) {
    struct s3_verdict v;

    if (authorize_s3(w, &a, &v) != 0)
      atomic_fetch_add(&failed, 1);
    else if (!v.allowed && strstr(v.message, "resource-based policy") == NULL)
      atomic_fetch_add(&failed, 1); /* only the flipped policy may be missing */
    s3_verdict_fini(&v);
  }
  return NULL;
}

static void *flip_policy(void *arg) {
  struct buf text;

  (void)arg;
  buf_init(&text, 0);
  cr_assert_eq(world_get_bucket_policy(w, "test-bucket-1", &text), 0);
  for (int i = 0; i < ROUNDS; i++) {
    struct buf why;

    buf_init(&why, 0);
    if (world_set_bucket_policy(w, "test-bucket-1", NULL, 0, &why) != 0 ||
        world_set_bucket_policy(w, "test-bucket-1", text.data, text.len, &why) != 0)
      atomic_fetch_add(&failed, 1);
    buf_fini(&why);
  }
  buf_fini(&text);
  return NULL;
}

static struct world *open_in(const char *config, const char *folder) {
  struct world *opened;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(world_new(world_test_clock(), &opened), 0);
  cr_assert_eq(world_open(opened, config, folder, &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return opened;
}

Test(world_threads, everything_at_once) {
  static int ids[MAKERS] = {0, 1, 2};
  char folder[] = "/tmp/s3apfs-threads-XXXXXX";
  char path[64];
  pthread_t t[MAKERS + 3];
  struct world_access_point p;

  cr_assert_not_null(mkdtemp(folder));
  w = open_in("tests/worlds/seed_000_001.json", folder);
  for (int i = 0; i < MAKERS; i++)
    cr_assert_eq(pthread_create(&t[i], NULL, make_access_points, &ids[i]), 0);
  cr_assert_eq(pthread_create(&t[MAKERS], NULL, vend_keys, NULL), 0);
  cr_assert_eq(pthread_create(&t[MAKERS + 1], NULL, ask, NULL), 0);
  cr_assert_eq(pthread_create(&t[MAKERS + 2], NULL, flip_policy, NULL), 0);
  for (int i = 0; i < MAKERS + 3; i++)
    cr_assert_eq(pthread_join(t[i], NULL), 0);
  cr_expect_eq(atomic_load(&failed), 0);
  /* Not saved here: every answered call must be on disk already. */
  world_free(w);
  w = open_in("tests/worlds/seed_000_001.json", folder);
  for (int i = 0; i < MAKERS * ROUNDS; i++) {
    char name[32];

    snprintf(name, sizeof(name), "ap-%d-%d", i / ROUNDS, i % ROUNDS);
    cr_assert_eq(world_find_access_point(w, "222222222222", "us-east-1", name, &p), 0, "%s", name);
    world_access_point_fini(&p);
  }
  world_free(w);
  snprintf(path, sizeof(path), "%s/world.json", folder);
  unlink(path);
  rmdir(folder);
}
