/* Lost replies, errors inside successes and conflicts, scripted in the emulator.
 * With other servers there is nothing to test here. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "component/server.h"

static struct fixture f;
static char text[1024];

static void setup(void) {
  fixture_init(&f, NULL);
  if (!f.emulator)
    return;
  fixture_faults(&f, "");
  /* The probe of conditions is over before faults are scripted. */
  cr_assert_eq(f.w->put(f.store, "warm", "", 0, NULL,
                        &(struct store_condition){.what = STORE_IF_ABSENT},
                        &(struct store_attr){0}),
               0);
  fixture_requests(&f, "");
}

static void teardown(void) {
  fixture_fini(&f);
}

TestSuite(write_faults, .init = setup, .fini = teardown, .timeout = 120);

#define NEEDS_FAULTS()                                                                             \
  do {                                                                                             \
    if (!f.emulator)                                                                               \
      return;                                                                                      \
  } while (0)

static int put_if(const char *key, const char *bytes, enum store_if what, const char *etag) {
  struct store_condition cond = {.what = what, .etag = etag};
  struct store_attr a;
  int rc = f.w->put(f.store, key, bytes, strlen(bytes), NULL, &cond, &a);

  if (rc == 0)
    cr_expect_eq(a.size, strlen(bytes));
  return rc;
}

static void lose(const char *operation, unsigned count) {
  char json[256];

  snprintf(json, sizeof(json),
           "{\"operation\": \"%s\", \"count\": %u, \"effect\": \"error\", \"status\": 500,"
           " \"code\": \"InternalError\", \"after\": true}",
           operation, count);
  fixture_faults(&f, json);
}

Test(write_faults, a_put_whose_reply_was_lost_is_found) {
  struct store_attr a;

  NEEDS_FAULTS();
  lose("PutObject", 1);
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), 0);
  cr_assert_eq(f.store->ops->head(f.store, "k", &a, NULL), 0);
  lose("PutObject", 1);
  cr_expect_eq(put_if("k", "22", STORE_IF_MATCH, a.etag), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "22");
}

Test(write_faults, replies_lost_to_the_end_are_found) {
  NEEDS_FAULTS();
  lose("PutObject", 100);
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "1");
}

/* As what stands before a server may do. */
static void call_too_much(unsigned count) {
  char json[256];

  snprintf(json, sizeof(json),
           "{\"operation\": \"PutObject\", \"count\": %u, \"effect\": \"error\","
           " \"status\": 503, \"code\": \"SlowDown\", \"after\": true}",
           count);
  fixture_faults(&f, json);
}

Test(write_faults, a_put_that_was_done_and_called_too_much_is_found) {
  NEEDS_FAULTS();
  call_too_much(1);
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), 0);
  call_too_much(100);
  cr_expect_eq(put_if("k2", "2", STORE_IF_ABSENT, NULL), 0);
  cr_expect_str_eq(text_of(&f, "k2", text), "2");
}

Test(write_faults, a_look_without_an_answer_is_no_answer) {
  NEEDS_FAULTS();
  call_too_much(1);
  fixture_faults(&f, "{\"operation\": \"HeadObject\", \"effect\": \"error\", \"status\": 503,"
                     " \"code\": \"ServiceUnavailable\"}");
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), -EIO);
  fixture_faults(&f, "");
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), -EEXIST);
}

Test(write_faults, somebody_elses_object_is_not_taken_for_ours) {
  NEEDS_FAULTS();
  put_text(&f, "k", "theirs");
  fixture_faults(&f, "{\"operation\": \"PutObject\", \"count\": 1, \"effect\": \"drop\"}");
  cr_expect_eq(put_if("k", "ours", STORE_IF_ABSENT, NULL), -EEXIST);
  cr_expect_str_eq(text_of(&f, "k", text), "theirs");
}

Test(write_faults, a_failed_put_says_so) {
  NEEDS_FAULTS();
  fixture_faults(&f, "{\"operation\": \"PutObject\", \"effect\": \"error\", \"status\": 500,"
                     " \"code\": \"InternalError\"}");
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), -EIO);
  fixture_faults(&f, "");
  cr_expect_str_eq(text_of(&f, "k", text), "(none)");
}

Test(write_faults, a_conflict_is_tried_again) {
  NEEDS_FAULTS();
  fixture_faults(&f, "{\"operation\": \"PutObject\", \"count\": 2, \"effect\": \"error\","
                     " \"status\": 409, \"code\": \"ConditionalRequestConflict\"}");
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), 0);
  cr_expect_eq(fixture_requests(&f, "PutObject"), 3);
}

static char *begin(struct store_part *part) {
  char *id = NULL;

  cr_assert_eq(f.w->create_upload(f.store, "k", NULL, &id), 0);
  cr_assert_eq(f.w->put_part(f.store, "k", id, 1, "new", 3, part), 0);
  return id;
}

static int complete(const char *id, const struct store_part *part) {
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_attr a;
  int rc = f.w->complete_upload(f.store, "k", id, part, 1, &absent, &a);

  if (rc == 0)
    cr_expect_eq(a.size, 3);
  return rc;
}

Test(write_faults, a_completion_whose_reply_was_lost_is_found) {
  struct store_part part;
  char *id;

  NEEDS_FAULTS();
  id = begin(&part);
  lose("CompleteMultipartUpload", 1);
  cr_expect_eq(complete(id, &part), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "new");
  free(id);
}

Test(write_faults, an_error_inside_a_completion_is_one) {
  struct store_part part;
  char *id;

  NEEDS_FAULTS();
  id = begin(&part);
  fixture_faults(&f, "{\"operation\": \"CompleteMultipartUpload\", \"count\": 1,"
                     " \"effect\": \"error\", \"status\": 200, \"code\": \"InternalError\"}");
  cr_expect_eq(complete(id, &part), 0, "it is tried again");
  fixture_faults(&f, "{\"operation\": \"CompleteMultipartUpload\", \"count\": 1,"
                     " \"effect\": \"error\", \"status\": 200, \"code\": \"AccessDenied\"}");
  free(id);
  id = begin(&part);
  cr_expect_eq(complete(id, &part), -EACCES);
  free(id);
}

Test(write_faults, a_conflict_at_completion_is_the_callers) {
  struct store_part part;
  char *id;

  NEEDS_FAULTS();
  id = begin(&part);
  fixture_faults(&f, "{\"operation\": \"CompleteMultipartUpload\", \"count\": 1,"
                     " \"effect\": \"error\", \"status\": 409,"
                     " \"code\": \"ConditionalRequestConflict\"}");
  cr_expect_eq(complete(id, &part), -EAGAIN);
  cr_expect_str_eq(text_of(&f, "k", text), "(none)");
  free(id);
}

Test(write_faults, garbage_is_no_success) {
  struct store_part part;
  char *id;

  NEEDS_FAULTS();
  id = begin(&part);
  fixture_faults(&f, "{\"operation\": \"CompleteMultipartUpload\", \"count\": 1,"
                     " \"effect\": \"garbage\"}");
  cr_expect_eq(complete(id, &part), 0, "it was done, and is found");
  free(id);
}

Test(write_faults, copies_whose_replies_were_lost_are_found) {
  struct store_attr a;
  struct store_attr b;
  struct store_source from = {.key = "k"};
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct kvlist meta;
  struct store_dress dress = {.meta = &meta};

  NEEDS_FAULTS();
  kvlist_init(&meta);
  a = put_text(&f, "k", "one");
  from.etag = a.etag;
  from.size = a.size;
  lose("CopyObject", 1);
  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, &absent, &b), 0);
  cr_expect_eq(b.size, 3);
  cr_assert_eq(kvlist_add(&meta, "file-permissions", "0100600"), 0);
  lose("CopyObject", 100);
  cr_expect_eq(f.w->copy(f.store, &from, "k", &dress, NULL, &b), 0);
  fixture_faults(&f, "");
  fixture_faults(&f, "{\"operation\": \"CopyObject\", \"effect\": \"error\", \"status\": 200,"
                     " \"code\": \"InternalError\"}");
  cr_expect_eq(f.w->copy(f.store, &from, "k3", NULL, &absent, &b), -EIO);
  fixture_faults(&f, "");
  cr_expect_str_eq(text_of(&f, "k3", text), "(none)");
  kvlist_fini(&meta);
}

Test(write_faults, removals_whose_replies_were_lost_are_done) {
  struct store_attr a;
  struct store_attr b;
  struct store_doomed items[2] = {{.key = "a"}, {.key = "b"}};

  NEEDS_FAULTS();
  a = put_text(&f, "a", "1");
  b = put_text(&f, "b", "2");
  items[0].etag = a.etag;
  items[1].etag = b.etag;
  lose("DeleteObjects", 1);
  cr_expect_eq(f.w->remove(f.store, items, 2), 0);
  cr_expect_eq(fixture_requests(&f, "DeleteObjects"), 2);
  a = put_text(&f, "a", "1");
  items[0].etag = a.etag;
  lose("DeleteObject", 1);
  cr_expect_eq(f.w->remove(f.store, items, 1), 0);
  cr_expect_str_eq(text_of(&f, "a", text), "(none)");
}

Test(write_faults, denied_removals_say_so) {
  struct store_doomed items[2] = {{.key = "a"}, {.key = "b"}};

  NEEDS_FAULTS();
  fixture_faults(&f, "{\"method\": \"POST\", \"operation\": \"DeleteObjects\","
                     " \"effect\": \"error\", \"status\": 403, \"code\": \"AccessDenied\"}");
  cr_expect_eq(f.w->remove(f.store, items, 2), -EACCES);
  cr_expect_eq(items[0].err, -EACCES);
  cr_expect_eq(items[1].err, -EACCES);
}

Test(write_faults, parts_are_sent_again_whole) {
  struct store_part part;
  char *id;

  NEEDS_FAULTS();
  fixture_faults(&f, "{\"operation\": \"UploadPart\", \"count\": 1, \"effect\": \"drop\"}");
  id = begin(&part);
  cr_expect_eq(complete(id, &part), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "new");
  free(id);
}

Test(write_faults, the_emulator_ignores_no_condition) {
  struct buf b;

  NEEDS_FAULTS();
  buf_init(&b, 0);
  cr_expect_eq(f.store->ops->explain(f.store, "", &b), 0);
  cr_expect_null(strstr(buf_cstr(&b), "ignores"), "%s", buf_cstr(&b));
  buf_fini(&b);
}

Test(write_faults, through_an_access_point_named_by_arn) {
  struct fixture ap;
  struct store_attr a;
  struct store_attr b;
  struct store_source from = {.key = "a b+ü"};

  NEEDS_FAULTS();
  fixture_init(&ap, getenv("S3APFS_TEST_ACCESS_POINT"));
  a = put_text(&ap, "a b+ü", "one");
  from.etag = a.etag;
  from.size = a.size;
  cr_expect_eq(ap.w->copy(ap.store, &from, "x/y", NULL, NULL, &b), 0);
  cr_expect_str_eq(text_of(&ap, "x/y", text), "one");
  fixture_fini(&ap);
}

Test(write_faults, a_plain_source_is_not_looked_at) {
  struct store_attr a;
  struct store_attr b;
  struct store_source from = {.key = "k", .plain = true};

  NEEDS_FAULTS();
  a = put_text(&f, "k", "one");
  from.etag = a.etag;
  from.size = a.size;
  fixture_requests(&f, "");
  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, NULL, &b), 0);
  cr_expect_eq(fixture_requests(&f, "HeadObject"), 0);
  cr_expect_str_eq(text_of(&f, "k2", text), "one");
  from.etag = "0123456789abcdef0123456789abcdef";
  cr_expect_eq(f.w->copy(f.store, &from, "k3", NULL, NULL, &b), -ESTALE);
}
