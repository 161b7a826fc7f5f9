/* Requests as data.
 *
 * A request keeps its path as it travels (percent-encoded once) and its query
 * decoded; URL and signature both come from the one encoder here, so what is
 * signed is what is sent. Pure functions, no threads. */
#include "s3apfs/aws/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

void aws_request_init(struct aws_request *r) {
  memset(r, 0, sizeof(*r));
  kvlist_init(&r->query);
  kvlist_init(&r->headers);
}

static void free_line(struct aws_request *r) {
  free(r->method);
  free(r->scheme);
  free(r->host);
  free(r->path);
}

void aws_request_fini(struct aws_request *r) {
  free_line(r);
  kvlist_fini(&r->query);
  kvlist_fini(&r->headers);
  aws_request_init(r);
}

int aws_request_set(struct aws_request *r, const char *method, const char *scheme, const char *host,
                    const char *path) {
  struct aws_request line = {.method = strdup(method),
                             .scheme = strdup(scheme),
                             .host = strdup(host),
                             .path = strdup(path)};

  if (line.method == NULL || line.scheme == NULL || line.host == NULL || line.path == NULL) {
    free_line(&line);
    return -ENOMEM;
  }
  free_line(r);
  r->method = line.method;
  r->scheme = line.scheme;
  r->host = line.host;
  r->path = line.path;
  return 0;
}

/* An encoded parameter: offsets of two terminated strings in the arena. */
struct encoded {
  size_t name;
  size_t value;
};

static int encoded_order(const void *a, const void *b, void *arena) {
  const struct encoded *x = a;
  const struct encoded *y = b;
  const char *base = arena;
  int order = strcmp(base + x->name, base + y->name);

  return order != 0 ? order : strcmp(base + x->value, base + y->value);
}

static size_t arena_encode(struct buf *arena, const char *s) {
  size_t at = arena->len;

  text_uri_encode(arena, s, strlen(s), false);
  buf_putc(arena, '\0');
  return at;
}

static void put_sorted(struct encoded *params, size_t count, struct buf *arena, struct buf *out) {
  const char *base = arena->data;

  if (count == 0)
    return;
  qsort_r(params, count, sizeof(*params), encoded_order, arena->data);
  for (size_t i = 0; i < count; i++) {
    if (i != 0)
      buf_putc(out, '&');
    buf_puts(out, base + params[i].name);
    buf_putc(out, '=');
    buf_puts(out, base + params[i].value);
  }
}

static void buf_fail(struct buf *b, int err) {
  if (b->err == 0)
    b->err = err;
}

void aws_request_canonical_query(const struct kvlist *query, const char *skip, struct buf *out) {
  struct encoded *params;
  struct buf arena;
  size_t count = 0;

  if (query->count == 0)
    return;
  params = calloc(query->count, sizeof(*params));
  if (params == NULL) {
    buf_fail(out, -ENOMEM);
    return;
  }
  buf_init(&arena, 0);
  for (size_t i = 0; i < query->count; i++) {
    if (skip != NULL && strcmp(query->items[i].name, skip) == 0)
      continue;
    params[count].name = arena_encode(&arena, query->items[i].name);
    params[count++].value = arena_encode(&arena, query->items[i].value);
  }
  if (buf_error(&arena) != 0)
    buf_fail(out, buf_error(&arena));
  else
    put_sorted(params, count, &arena, out);
  buf_wipe(&arena);
  free(params);
}

void aws_request_url(const struct aws_request *r, struct buf *out) {
  buf_printf(out, "%s://%s%s", r->scheme, r->host, r->path);
  if (r->query.count == 0)
    return;
  buf_putc(out, '?');
  aws_request_canonical_query(&r->query, NULL, out);
}

static int parse_param(const char *s, size_t len, struct kvlist *out) {
  const char *eq = memchr(s, '=', len);
  size_t name_len = eq != NULL ? (size_t)(eq - s) : len;
  struct buf name;
  struct buf value;
  int rc;

  buf_init(&name, 0);
  buf_init(&value, 0);
  rc = text_uri_decode(&name, s, name_len, false);
  if (rc == 0 && eq != NULL)
    rc = text_uri_decode(&value, eq + 1, len - name_len - 1, false);
  if (rc == 0 && (strlen(buf_cstr(&name)) != name.len || strlen(buf_cstr(&value)) != value.len))
    rc = -EINVAL;
  if (rc == 0)
    rc = kvlist_add(out, buf_cstr(&name), buf_cstr(&value));
  buf_fini(&name);
  buf_wipe(&value);
  return rc;
}

int aws_request_parse_query(const char *raw, struct kvlist *out) {
  while (*raw != '\0') {
    size_t len = strcspn(raw, "&");
    int rc = len != 0 ? parse_param(raw, len, out) : 0;

    if (rc != 0)
      return rc;
    raw += len;
    if (*raw == '&')
      raw++;
  }
  return 0;
}
