/* What the changing calls share: headers, time limits, and the state of a try. */
#include "change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/checksum.h"
#include "s3apfs/base/text.h"

#define SLOWEST_BYTES_PER_MS 128 /* an upload may take what this speed needs */
#define MORE_MS 240000           /* commits have more time than reads */

void s3_try_init(struct s3_try *t) {
  *t = (struct s3_try){0};
  s3_error_init(&t->error);
}

void s3_try_fini(struct s3_try *t) {
  s3_error_fini(&t->error);
}

void s3_try_again(struct s3_try *t) {
  s3_error_fini(&t->error);
  s3_error_init(&t->error);
}

int s3_change_do(struct s3_client *c, struct s3_op *op, struct s3_try *t, struct http_reply *reply,
                 struct buf *body) {
  int rc;

  op->max_attempts = t->attempts;
  op->more_ms = c->brief ? 0 : MORE_MS + (int64_t)(op->body_len / SLOWEST_BYTES_PER_MS);
  rc = s3_client_do(c, op, reply, body, &t->error);
  t->repeated |= op->repeated;
  return rc;
}

int s3_change_malformed(struct s3_try *t) {
  s3_error_from_local(&t->error, -EIO, "MalformedReply", "the reply is not one that S3 would send");
  t->error.class = S3_ERR_TRANSIENT;
  return -EIO;
}

/* A header's value is one line. */
static bool is_one_line(const char *s) {
  for (; *s != '\0'; s++)
    if ((unsigned char)*s < 0x20 || *s == 0x7f)
      return false;
  return true;
}

static bool is_token(const char *s) {
  return *s != '\0' && strpbrk(s, " \t:()<>@,;\\\"/[]?={}") == NULL && is_one_line(s);
}

static int add_meta(const struct kvlist *meta, struct kvlist *headers) {
  int rc = 0;

  for (size_t i = 0; meta != NULL && i < meta->count && rc == 0; i++) {
    const struct kv *m = &meta->items[i];
    char *name = text_printf(S3_META_PREFIX "%s", m->name);

    if (name == NULL)
      return -ENOMEM;
    rc = is_token(m->name) && is_one_line(m->value) ? kvlist_add(headers, name, m->value) : -EINVAL;
    free(name);
  }
  return rc;
}

static int add_headers(const struct s3_placing *p, const struct kvlist *from,
                       struct kvlist *headers) {
  int rc = 0;

  for (size_t i = 0; from != NULL && i < from->count && rc == 0; i++) {
    const struct kv *h = &from->items[i];

    if (s3_placing_covers(p, h->name))
      continue;
    rc = is_token(h->name) && is_one_line(h->value) ? kvlist_add(headers, h->name, h->value)
                                                    : -EINVAL;
  }
  return rc;
}

int s3_dress_headers(const struct s3_client *c, const char *key, const struct store_dress *dress,
                     struct kvlist *headers) {
  int rc = dress != NULL ? add_meta(dress->meta, headers) : 0;

  if (rc == 0 && dress != NULL)
    rc = add_headers(&c->placing, dress->headers, headers);
  return rc == 0 ? s3_placing_headers(&c->placing, key, headers) : rc;
}

int s3_condition_headers(const struct store_condition *cond, struct kvlist *headers) {
  if (cond == NULL || cond->what == STORE_IF_ANY)
    return 0;
  if (cond->what == STORE_IF_ABSENT)
    return kvlist_add(headers, "If-None-Match", "*");
  return kvlist_addf(headers, "If-Match", "\"%s\"", cond->etag);
}

int64_t s3_reply_time(struct s3_client *c, const struct http_reply *reply) {
  const char *date = kvlist_get_ci(&reply->headers, "date");
  int64_t at;

  if (date != NULL && text_parse_http_date(date, &at) == 0)
    return at;
  return caller_now(c->caller);
}

/* CopyObject in the S3 API reference: an object of an Outpost is named by the Outpost alone,
 * arn:aws:s3-outposts:REGION:ACCOUNT:outpost/ID/object/KEY. */
static size_t source_length(const char *bucket) {
  const char *outpost = strstr(bucket, ":s3-outposts:");
  const char *name = outpost != NULL ? strstr(outpost, "accesspoint") : NULL;

  return name != NULL ? (size_t)(name - bucket) - 1 : strlen(bucket);
}

int s3_put_source(const struct s3_client *c, const char *key, struct buf *out) {
  text_uri_encode(out, c->bucket, source_length(c->bucket), true);
  if (text_has_prefix(c->bucket, "arn:"))
    buf_puts(out, "/object");
  buf_putc(out, '/');
  text_uri_encode(out, key, strlen(key), true);
  return buf_error(out);
}

int s3_add_source(const struct s3_client *c, const char *name, const struct store_source *from,
                  bool match, struct kvlist *headers) {
  char if_match[64];
  struct buf source;
  int rc;

  buf_init(&source, 0);
  rc = s3_put_source(c, from->key, &source);
  if (rc == 0)
    rc = kvlist_add(headers, name, buf_cstr(&source));
  snprintf(if_match, sizeof(if_match), "%s-if-match", name);
  if (rc == 0 && match && from->etag != NULL)
    rc = kvlist_addf(headers, if_match, "\"%s\"", from->etag);
  buf_fini(&source);
  return rc;
}
