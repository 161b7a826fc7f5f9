#include "worlds.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/file.h"

static int64_t now_ms = WORLD_START * INT64_C(1000);

static int64_t fixed_now(const struct clock *c) {
  (void)c;
  return now_ms;
}

static const struct clock test_clock = {fixed_now, fixed_now};

const struct clock *world_test_clock(void) {
  return &test_clock;
}

void world_advance(int64_t seconds) {
  now_ms += seconds * 1000;
}

struct world *world_from(const char *json) {
  struct world *w;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(world_new(&test_clock, &w), 0);
  cr_assert_eq(world_config_parse(w, json, strlen(json), &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return w;
}

struct world *world_from_file(const char *path) {
  struct world *w;
  struct buf text;

  buf_init(&text, 0);
  cr_assert_eq(file_read(path, &text), 0, "%s: run from the project's root", path);
  w = world_from(buf_cstr(&text));
  buf_fini(&text);
  return w;
}

static void parse_query(const char *text, struct kvlist *out) {
  char *copy = strdup(text);
  char *save;

  for (char *pair = strtok_r(copy, "&", &save); pair != NULL; pair = strtok_r(NULL, "&", &save)) {
    char *eq = strchr(pair, '=');

    if (eq != NULL)
      *eq = '\0';
    cr_assert_eq(kvlist_add(out, pair, eq != NULL ? eq + 1 : ""), 0);
  }
  free(copy);
}

void call(struct world *w, const struct call *c, struct control_reply *r) {
  struct kvlist query;
  struct kvlist headers;
  struct control_request q = {.plane = c->plane,
                              .method = c->method != NULL ? c->method : "GET",
                              .path = c->path != NULL ? c->path : "/",
                              .query = &query,
                              .headers = &headers,
                              .body = c->body,
                              .body_len = c->body != NULL ? strlen(c->body) : 0,
                              .account = c->account,
                              .region = c->region != NULL ? c->region : "us-east-1",
                              .access_key_id = c->key,
                              .source_ip = "127.0.0.1",
                              .request_id = "0123456789ABCDEF"};

  kvlist_init(&query);
  kvlist_init(&headers);
  if (c->query != NULL)
    parse_query(c->query, &query);
  control_reply_init(r);
  control_handle(w, &q, r);
  kvlist_fini(&query);
  kvlist_fini(&headers);
}

bool reply_has(const struct control_reply *r, const char *text) {
  return strstr(buf_cstr(&r->body), text) != NULL;
}

const char *reply_text(const struct control_reply *r, const char *name) {
  static char text[8192];
  char open[80];
  char close[80];
  const char *from;
  const char *to;

  snprintf(open, sizeof(open), "<%s>", name);
  snprintf(close, sizeof(close), "</%s>", name);
  from = strstr(buf_cstr(&r->body), open);
  to = from != NULL ? strstr(from, close) : NULL;
  text[0] = '\0';
  if (to != NULL) {
    from += strlen(open);
    snprintf(text, sizeof(text), "%.*s", (int)(to - from), from);
  }
  return text;
}
