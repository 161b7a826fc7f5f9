/* HEAD and LIST, Region correction, and the store over them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"
#include "s3apfs/s3/store.h"

static struct store *make_store(struct rig *r, const char *prefix) {
  struct s3_store_options o = {
      .source = "s3://bucket", .prefix = prefix, .identity = "the rig", .read_only = true};
  struct store *s;

  cr_assert_eq(s3_store_new(rig_client(r), &o, &s), 0);
  return s;
}

#define LIST_HEAD                                                                                  \
  "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"             \
  "<IsTruncated>false</IsTruncated>"
#define OBJECT(key, size)                                                                          \
  "<Contents><Key>" key "</Key><LastModified>2026-08-03T00:00:00.000Z</LastModified>"              \
  "<ETag>&quot;e1&quot;</ETag><Size>" size "</Size><StorageClass>STANDARD</StorageClass>"          \
  "</Contents>"

static void one_body(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  conn_reply(c, 200, "", arg);
}

Test(list, entries_are_relative_and_merged_in_order) {
  struct rig r;
  struct store *s;
  struct store_page p;

  rig_init(
      &r, one_body,
      (void *)(uintptr_t)LIST_HEAD OBJECT("a/", "0") OBJECT("a/b", "3") OBJECT(
          "a/d", "4") "<CommonPrefixes><Prefix>a/c/</Prefix></CommonPrefixes></ListBucketResult>");
  s = make_store(&r, "a/");
  cr_assert_eq(s->ops->list(s, "", true, NULL, 1000, &p), 0);
  cr_assert_eq(p.count, 3, "the root's own marker is no entry");
  cr_assert_str_eq(p.entries[0].name, "b");
  cr_assert_str_eq(p.entries[1].name, "c/");
  cr_assert(p.entries[1].is_prefix);
  cr_assert_str_eq(p.entries[2].name, "d");
  cr_assert_eq(p.entries[2].attr.size, 4);
  cr_assert_str_eq(p.entries[2].attr.etag, "e1");
  cr_assert_null(p.next);
  store_page_fini(&p);
  store_free(s);
  rig_fini(&r);
}

Test(list, a_key_outside_the_prefix_is_refused) {
  struct rig r;
  struct store *s;
  struct store_page p;

  rig_init(&r, one_body, (void *)(uintptr_t)LIST_HEAD OBJECT("other/x", "1") "</ListBucketResult>");
  s = make_store(&r, "a/");
  cr_assert_eq(s->ops->list(s, "", true, NULL, 1000, &p), -EIO);
  store_free(s);
  rig_fini(&r);
}

Test(list, hostile_or_cut_replies_are_errors) {
  static const char *const bodies[] = {
      "",
      "<html>hello</html>",
      LIST_HEAD,
      LIST_HEAD OBJECT("a/b", "-1") "</ListBucketResult>",
      ("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><ListBucketResult>&e;"
       "</ListBucketResult>"),
      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"};

  for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
    struct rig r;
    struct store *s;
    struct store_page p;
    int rc;

    rig_init(&r, one_body, (void *)(uintptr_t)bodies[i]);
    s = make_store(&r, "a/");
    rc = s->ops->list(s, "", true, NULL, 1000, &p);
    cr_assert_eq(rc, -EIO, "body %zu: %d", i, rc);
    store_free(s);
    rig_fini(&r);
  }
}

static void head_reply(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)arg;
  if (strcmp(r->method, "HEAD") == 0 && strcmp(r->target, "/bucket/p/a%20b%2B") == 0)
    conn_puts(c, "HTTP/1.1 200 OK\r\nETag: \"e9\"\r\nContent-Length: 77\r\n"
                 "Last-Modified: Mon, 03 Aug 2026 00:00:00 GMT\r\n"
                 "x-amz-meta-colour: green\r\nx-amz-storage-class: GLACIER\r\n\r\n");
  else
    conn_puts(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

Test(head, attributes_and_metadata) {
  struct rig r;
  struct store *s;
  struct store_attr a;
  struct kvlist meta;

  rig_init(&r, head_reply, NULL);
  s = make_store(&r, "p/");
  kvlist_init(&meta);
  cr_assert_eq(s->ops->head(s, "a b+", &a, &meta), 0);
  cr_assert_eq(a.size, 77);
  cr_assert_str_eq(a.etag, "e9");
  cr_assert_eq(a.mtime, 1785715200);
  cr_assert(a.archived);
  cr_assert_str_eq(kvlist_get(&meta, "colour"), "green");
  cr_assert_eq(s->ops->head(s, "absent", &a, NULL), -ENOENT);
  kvlist_fini(&meta);
  store_free(s);
  rig_fini(&r);
}

/* The bucket is in eu-west-3: requests signed for anything else are sent there. */
static void other_region(struct server_conn *c, const struct server_request *r, void *arg) {
  char authorization[512];

  (void)arg;
  request_header(r, "authorization", authorization, sizeof(authorization));
  if (strstr(authorization, "/eu-west-3/s3/") != NULL)
    conn_reply(c, 200, "", LIST_HEAD OBJECT("x", "1") "</ListBucketResult>");
  else
    conn_reply(c, 301, "x-amz-bucket-region: eu-west-3\r\n",
               "<Error><Code>PermanentRedirect</Code></Error>");
}

Test(region, a_redirect_is_followed_once_and_remembered) {
  struct rig r;
  struct store *s;
  struct store_page p;
  struct buf region;

  rig_init(&r, other_region, NULL);
  s = make_store(&r, "");
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(s->ops->list(s, "", true, NULL, 1000, &p), 0);
    store_page_fini(&p);
  }
  cr_assert_eq(server_requests(r.server), 3, "one redirect, then straight");
  buf_init(&region, 0);
  s3_store_region(s, &region);
  cr_assert_str_eq(buf_cstr(&region), "eu-west-3");
  buf_fini(&region);
  store_free(s);
  rig_fini(&r);
}

static void always_redirect(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  (void)arg;
  conn_reply(c, 301, "x-amz-bucket-region: eu-west-3\r\n",
             "<Error><Code>PermanentRedirect</Code></Error>");
}

Test(region, a_redirect_in_a_circle_ends) {
  struct rig r;
  struct store *s;
  struct store_page p;

  rig_init(&r, always_redirect, NULL);
  s = make_store(&r, "");
  cr_assert_neq(s->ops->list(s, "", true, NULL, 1000, &p), 0);
  cr_assert_leq(server_requests(r.server), 2);
  store_free(s);
  rig_fini(&r);
}

Test(client, path_style_with_an_arn_is_refused_with_the_reason) {
  struct s3_client_options o = {.site = {.region = "us-east-1", .path_style = true}};
  struct s3_client *c;
  struct rig r;
  struct buf why;

  rig_init(&r, always_redirect, NULL);
  buf_init(&why, 0);
  cr_assert_eq(s3_client_new(r.caller, &r.keys, "arn:aws:s3:us-east-1:111122223333:accesspoint/ap",
                             &o, &c, &why),
               -EINVAL);
  cr_assert_str_eq(buf_cstr(&why), "Path-style addressing cannot be used with ARN buckets");
  buf_fini(&why);
  rig_fini(&r);
}
