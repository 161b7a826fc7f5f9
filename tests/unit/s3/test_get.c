/* Ranged reads against a server that may lie: nothing but the bytes asked for,
 * of the object asked for, is ever delivered. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

struct reply {
  int status;
  const char *headers;
  const char *body;
};

static void play(struct server_conn *c, const struct server_request *r, void *arg) {
  const struct reply *replies = arg;
  unsigned n = r->number;

  for (unsigned i = 0; i < n; i++)
    if (replies[i + 1].status == 0)
      n = i;
  conn_reply(c, replies[n].status, replies[n].headers, replies[n].body);
}

static int read_once(const struct reply *replies, const char *if_match, uint64_t offset,
                     size_t length, struct rig_get *g, unsigned *requests) {
  struct rig r;
  struct s3_client *c;
  int rc;

  rig_init(&r, play, (void *)(uintptr_t)replies);
  c = rig_client(&r);
  rig_get_init(g, if_match, offset, length);
  rc = s3_client_get(c, "key", &g->get, NULL, NULL);
  if (rc == 0)
    rc = rig_get_wait(g);
  *requests = server_requests(r.server);
  s3_client_free(c);
  rig_fini(&r);
  return rc;
}

#define META "ETag: \"e1\"\r\nLast-Modified: Mon, 03 Aug 2026 00:00:00 GMT\r\n"

Test(get, a_range_arrives_with_its_attributes) {
  static const struct reply replies[] = {{206, META "Content-Range: bytes 2-5/10\r\n", "cdef"},
                                         {0, NULL, NULL}};
  struct rig_get g;
  unsigned requests;

  cr_assert_eq(read_once(replies, "e1", 2, 4, &g, &requests), 0);
  cr_assert_eq(g.get.got, 4);
  cr_assert_eq(memcmp(g.data, "cdef", 4), 0);
  cr_assert_eq(g.get.attr.size, 10);
  cr_assert_str_eq(g.get.attr.etag, "e1");
  cr_assert_eq(requests, 1);
}

Test(get, the_end_of_the_object_shortens_the_range) {
  static const struct reply replies[] = {{206, META "Content-Range: bytes 8-9/10\r\n", "ij"},
                                         {0, NULL, NULL}};
  struct rig_get g;
  unsigned requests;

  cr_assert_eq(read_once(replies, NULL, 8, 100, &g, &requests), 0);
  cr_assert_eq(g.get.got, 2);
}

Test(get, a_whole_object_may_come_with_200) {
  static const struct reply replies[] = {{200, META, "abc"}, {0, NULL, NULL}};
  struct rig_get g;
  unsigned requests;

  cr_assert_eq(read_once(replies, NULL, 0, 100, &g, &requests), 0);
  cr_assert_eq(g.get.got, 3);
  cr_assert_eq(g.get.attr.size, 3);
}

struct lie {
  const char *name;
  int status;
  const char *headers;
  const char *body;
  int expected;
};

static const struct lie lies[] = {
    {"200 that ignores the range", 200, META, "abcdefghij", -EIO},
    {"another range", 206, META "Content-Range: bytes 3-6/10\r\n", "defg", -EIO},
    {"too short a range", 206, META "Content-Range: bytes 2-4/10\r\n", "cde", -EIO},
    {"too long a range", 206, META "Content-Range: bytes 2-6/10\r\n", "cdefg", -EIO},
    {"no range header", 206, META, "cdef", -EIO},
    {"nonsense in the range", 206, META "Content-Range: bytes x-y/z\r\n", "cdef", -EIO},
    {"a total before the offset", 206, META "Content-Range: bytes 2-5/1\r\n", "cdef", -EIO},
    {"another etag", 206, "ETag: \"e2\"\r\nContent-Range: bytes 2-5/10\r\n", "cdef", -ESTALE},
    {"no etag", 206, "Content-Range: bytes 2-5/10\r\n", "cdef", -ESTALE},
    {"a body longer than its range", 206, META "Content-Range: bytes 2-5/10\r\n", "cdefgh", -EIO},
    {"412", 412, "", "<Error><Code>PreconditionFailed</Code></Error>", -ESTALE},
    {"416", 416, "", "<Error><Code>InvalidRange</Code></Error>", -ERANGE},
    {"403", 403, "", "<Error><Code>AccessDenied</Code></Error>", -EACCES},
    {"404", 404, "", "<Error><Code>NoSuchKey</Code></Error>", -ENOENT},
    {"a date that is none", 206,
     "ETag: \"e1\"\r\nLast-Modified: yesterday\r\nContent-Range: bytes 2-5/10\r\n", "cdef", -EIO},
};

Test(get, no_lie_is_believed) {
  for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
    const struct lie *l = &lies[i];
    struct reply replies[] = {{l->status, l->headers, l->body}, {0, NULL, NULL}};
    struct rig_get g;
    unsigned requests;
    int rc = read_once(replies, "e1", 2, 4, &g, &requests);

    cr_assert_eq(rc, l->expected, "%s: %d instead of %d", l->name, rc, l->expected);
  }
}

/* First attempt cut short, then the rest of the script. */
static void cut_short(struct server_conn *c, const struct server_request *r, void *arg) {
  const struct reply *second = arg;

  if (r->number > 0) {
    conn_reply(c, second->status, second->headers, second->body);
    return;
  }
  conn_puts(c, "HTTP/1.1 206 Partial Content\r\n" META
               "Content-Range: bytes 0-7/8\r\nContent-Length: 8\r\n\r\nabcd");
  conn_close(c);
}

static int read_cut(const struct reply *second, const char *if_match, struct rig_get *g) {
  struct rig r;
  struct s3_client *c;
  int rc;

  rig_init(&r, cut_short, (void *)(uintptr_t)second);
  c = rig_client(&r);
  rig_get_init(g, if_match, 0, 8);
  cr_assert_eq(s3_client_get(c, "key", &g->get, NULL, NULL), 0);
  rc = rig_get_wait(g);
  s3_client_free(c);
  rig_fini(&r);
  return rc;
}

Test(get, a_body_cut_short_is_read_again) {
  static const struct reply second = {206, META "Content-Range: bytes 0-7/8\r\n", "abcdefgh"};
  struct rig_get g;

  cr_assert_eq(read_cut(&second, NULL, &g), 0);
  cr_assert_eq(g.get.got, 8);
  cr_assert_eq(memcmp(g.data, "abcdefgh", 8), 0);
}

Test(get, the_second_attempt_must_be_of_the_same_object) {
  static const struct reply second = {206, "ETag: \"e2\"\r\nContent-Range: bytes 0-7/8\r\n",
                                      "ABCDEFGH"};
  struct rig_get g;

  cr_assert_eq(read_cut(&second, NULL, &g), -ESTALE);
  cr_assert_eq(memcmp(g.data, "abcd", 4), 0, "bytes of the first object were overwritten");
}

static atomic_size_t announced;

static void on_progress(struct store_get *g, size_t have) {
  cr_assert_geq(have, atomic_load(&announced));
  cr_assert_leq(have, g->length);
  atomic_store(&announced, have);
}

Test(get, progress_never_goes_back) {
  static const struct reply second = {206, META "Content-Range: bytes 0-7/8\r\n", "abcdefgh"};
  struct rig r;
  struct rig_get g;
  struct s3_client *c;

  rig_init(&r, cut_short, (void *)(uintptr_t)&second);
  c = rig_client(&r);
  rig_get_init(&g, NULL, 0, 8);
  g.get.progress = on_progress;
  atomic_store(&announced, 0);
  cr_assert_eq(s3_client_get(c, "key", &g.get, NULL, NULL), 0);
  cr_assert_eq(rig_get_wait(&g), 0);
  cr_assert_eq(atomic_load(&announced), 8);
  s3_client_free(c);
  rig_fini(&r);
}

static void expect_headers(struct server_conn *c, const struct server_request *r, void *arg) {
  char range[64];
  char match[64];
  char payer[64];

  (void)arg;
  request_header(r, "range", range, sizeof(range));
  request_header(r, "if-match", match, sizeof(match));
  request_header(r, "x-amz-request-payer", payer, sizeof(payer));
  if (strcmp(range, "bytes=2-5") == 0 && strcmp(match, "\"e1\"") == 0 && payer[0] == '\0' &&
      strcmp(r->target, "/bucket/key") == 0)
    conn_reply(c, 206, META "Content-Range: bytes 2-5/10\r\n", "cdef");
  else
    conn_reply(c, 400, "", "");
}

Test(get, asks_for_the_range_of_the_known_object) {
  struct rig r;
  struct rig_get g;
  struct s3_client *c;

  rig_init(&r, expect_headers, NULL);
  c = rig_client(&r);
  rig_get_init(&g, "e1", 2, 4);
  cr_assert_eq(s3_client_get(c, "key", &g.get, NULL, NULL), 0);
  cr_assert_eq(rig_get_wait(&g), 0);
  s3_client_free(c);
  rig_fini(&r);
}
