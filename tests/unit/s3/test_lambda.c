/* Object Lambda: functions that take no range, answer with a size of their own, or
 * do not tell it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define ALIAS "function--ol-s3"
#define MADE "0123456789" /* what the function makes; the object below has 4 bytes */

enum manner { TELLS_LENGTH, HIDES_LENGTH, TAKES_RANGES };

struct function {
  enum manner manner;
  unsigned ranged; /* requests with a Range */
  unsigned whole;
};

static void range(struct server_conn *c, const char *value) {
  unsigned first = 0;
  unsigned last = 0;
  char headers[128];
  char body[sizeof(MADE)];

  cr_assert_eq(sscanf(value, "bytes=%u-%u", &first, &last), 2);
  if (last > sizeof(MADE) - 2)
    last = sizeof(MADE) - 2;
  snprintf(headers, sizeof(headers), "Content-Range: bytes %u-%u/10\r\n", first, last);
  snprintf(body, sizeof(body), "%.*s", (int)(last - first + 1), &MADE[first]);
  conn_reply(c, 206, headers, body);
}

static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  struct function *f = arg;
  char value[64];

  request_header(r, "Range", value, sizeof(value));
  if (strcmp(r->method, "HEAD") == 0) {
    conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"below\"\r\n\r\n");
    return;
  }
  f->ranged += value[0] != '\0';
  f->whole += value[0] == '\0';
  if (value[0] != '\0' && f->manner == TAKES_RANGES)
    range(c, value);
  else if (value[0] != '\0')
    conn_reply(c, 501, "", "<Error><Code>NotImplemented</Code></Error>");
  else if (f->manner == HIDES_LENGTH)
    conn_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n");
  else
    conn_reply(c, 200, "", MADE);
}

static int read_range(struct s3_client *c, uint64_t offset, size_t length, const uint64_t *size,
                      struct rig_get *g) {
  int rc;

  rig_get_init(g, NULL, offset, length);
  g->get.size = size;
  rc = s3_client_get(c, "key", &g->get, NULL, NULL);
  return rc == 0 ? rig_get_wait(g) : rc;
}

static void expect_cuts(enum manner manner, unsigned ranged, unsigned whole) {
  struct function f = {.manner = manner};
  struct s3_client *c;
  struct rig_get g;
  struct rig r;

  rig_init(&r, answer, &f);
  c = rig_client_of(&r, ALIAS);
  cr_assert_eq(read_range(c, 0, 3, NULL, &g), 0);
  cr_expect_eq(memcmp(g.data, "012", 3), 0);
  cr_expect_eq(g.get.attr.size, 10);
  cr_assert_eq(read_range(c, 2, 4, NULL, &g), 0);
  cr_expect_eq(g.get.got, 4);
  cr_expect_eq(memcmp(g.data, "2345", 4), 0);
  cr_assert_eq(read_range(c, 8, 100, NULL, &g), 0);
  cr_expect_eq(g.get.got, 2);
  cr_expect_eq(memcmp(g.data, "89", 2), 0);
  s3_client_free(c);
  rig_fini(&r);
  cr_expect_eq(f.ranged, ranged, "%u", f.ranged);
  cr_expect_eq(f.whole, whole, "%u", f.whole);
}

Test(lambda, ranges_are_cut_out_of_whole_answers) {
  expect_cuts(TELLS_LENGTH, 1, 3); /* asked once */
}

Test(lambda, an_answer_without_length_is_counted) {
  expect_cuts(HIDES_LENGTH, 1, 3);
}

Test(lambda, a_function_made_for_ranges_gets_them) {
  expect_cuts(TAKES_RANGES, 4, 0);
}

static void expect_size_is_learned(enum manner manner) {
  struct function f = {.manner = manner};
  struct store_attr attr;
  struct s3_error error;
  struct s3_client *c;
  struct rig_get g;
  struct rig r;

  s3_error_init(&error);
  rig_init(&r, answer, &f);
  c = rig_client_of(&r, ALIAS);
  cr_assert_eq(s3_client_head(c, "key", &attr, NULL, &error), 0);
  cr_expect_eq(attr.size, 4);
  cr_expect_str_eq(attr.etag, ""); /* not of what the function makes */
  cr_assert_eq(read_range(c, 0, 4, &attr.size, &g), -ESTALE);
  cr_assert_eq(s3_client_head(c, "key", &attr, NULL, &error), 0);
  cr_expect_eq(attr.size, 10);
  cr_assert_eq(read_range(c, 0, 10, &attr.size, &g), 0);
  cr_expect_eq(memcmp(g.data, MADE, 10), 0);
  s3_client_free(c);
  rig_fini(&r);
  s3_error_fini(&error);
}

Test(lambda, the_size_of_an_answer_takes_the_place_of_the_object_s) {
  expect_size_is_learned(TELLS_LENGTH);
  expect_size_is_learned(HIDES_LENGTH);
  expect_size_is_learned(TAKES_RANGES);
}
