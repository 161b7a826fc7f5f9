/* Server-side copies: whole objects, and ranges as parts of an upload. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "s3apfs/aws/write_xml.h"

#define COPY_SILENCE_MS 120000 /* gigabytes are copied before the reply's body comes */

static int source_headers(const struct s3_client *c, const struct store_source *from, bool match,
                          struct kvlist *headers) {
  int rc = s3_add_source(c, "x-amz-copy-source", from, match, headers);

  if (rc == 0 && c->expected_bucket_owner != NULL)
    rc = kvlist_add(headers, "x-amz-source-expected-bucket-owner", c->expected_bucket_owner);
  return rc;
}

/* Another client's object; always that version. */
static int elsewhere_headers(const struct store_elsewhere *from, struct kvlist *headers) {
  int rc = kvlist_add(headers, "x-amz-copy-source", from->name);

  if (rc == 0)
    rc = kvlist_addf(headers, "x-amz-copy-source-if-match", "\"%s\"", from->etag);
  if (rc == 0 && from->owner != NULL)
    rc = kvlist_add(headers, "x-amz-source-expected-bucket-owner", from->owner);
  return rc;
}

static int take_result(struct s3_client *c, const struct http_reply *reply, const struct buf *body,
                       const char *root, struct write_result *out, struct s3_try *t) {
  int rc = write_xml_result(buf_cstr(body), body->len, root, out);

  if (rc == 0 && out->mtime == 0)
    out->mtime = s3_reply_time(c, reply);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}

static int do_copy(struct s3_client *c, struct s3_op *op, const char *root,
                   struct write_result *out, struct s3_try *t) {
  struct http_reply reply;
  struct buf body;
  int rc;

  op->method = "PUT";
  op->plain = true;
  op->silence_ms = COPY_SILENCE_MS;
  rc = s3_change_do(c, op, t, &reply, &body);
  if (rc != 0)
    return rc;
  rc = take_result(c, &reply, &body, root, out, t);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc;
}

static void take_sum(const struct s3_client *c, const struct write_result *r,
                     char out[STORE_SUM_MAX]) {
  enum checksum_kind kind = c->placing.checksum;
  struct checksum sum;

  out[0] = '\0';
  if (r->sums[kind] != NULL && checksum_decode(kind, r->sums[kind], &sum) == 0)
    s3_sum_text(&sum, out);
}

int s3_change_copy_part(struct s3_client *c, const char *key, const char *upload, unsigned number,
                        const struct store_source *from, bool match, uint64_t offset,
                        uint64_t length, struct store_part *out, struct s3_try *t) {
  struct store_part part = {.number = number, .size = length};
  struct s3_op op = {.key = key};
  struct write_result r = {0};
  struct kvlist query;
  struct kvlist headers;
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  rc = kvlist_addf(&query, "partNumber", "%u", number);
  if (rc == 0)
    rc = kvlist_add(&query, "uploadId", upload);
  if (rc == 0)
    rc = source_headers(c, from, match, &headers);
  if (rc == 0)
    rc = kvlist_addf(&headers, "x-amz-copy-source-range", "bytes=%llu-%llu",
                     (unsigned long long)offset, (unsigned long long)(offset + length - 1));
  op.query = &query;
  op.headers = &headers;
  if (rc == 0)
    rc = do_copy(c, &op, "CopyPartResult", &r, t);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  part.crc64nvme = r.crc64nvme;
  part.has_crc64nvme = r.has_crc64nvme;
  take_sum(c, &r, part.sum);
  rc = s3_etag_copy(r.etag, part.etag) == 0 ? 0 : s3_change_malformed(t);
  write_result_fini(&r);
  if (rc == 0)
    *out = part;
  return rc;
}

/* Tags come along by themselves unless the dress has its own, or they are to be dropped.
 * Those of another store's object do not: that would take the permission to read them. */
static int directives(const struct s3_client *c, const struct s3_copying *w,
                      struct kvlist *headers) {
  const char *tags = kvlist_get_ci(headers, "x-amz-tagging");
  int rc = kvlist_add(headers, "x-amz-metadata-directive", w->replace ? "REPLACE" : "COPY");

  if (rc == 0 && (tags != NULL || c->placing.drop_tags || w->elsewhere != NULL))
    rc = kvlist_add(headers, "x-amz-tagging-directive", "REPLACE");
  return rc;
}

int s3_change_copy(struct s3_client *c, const char *key, const struct s3_copying *w,
                   const struct store_condition *cond, struct store_attr *out, struct s3_try *t) {
  struct s3_op op = {.key = key};
  struct store_attr attr = {.size = w->elsewhere != NULL ? w->elsewhere->size : w->from->size};
  struct write_result r = {0};
  struct kvlist headers;
  int rc;

  kvlist_init(&headers);
  rc = w->elsewhere != NULL ? elsewhere_headers(w->elsewhere, &headers)
                            : source_headers(c, w->from, w->match, &headers);
  if (rc == 0)
    rc = s3_dress_headers(c, key, w->dress, &headers);
  if (rc == 0 && c->placing.checksum != CHECKSUM_CRC64NVME)
    rc = kvlist_add(&headers, "x-amz-checksum-algorithm", checksum_name(c->placing.checksum));
  if (rc == 0)
    rc = directives(c, w, &headers);
  if (rc == 0)
    rc = s3_condition_headers(cond, &headers);
  op.headers = &headers;
  if (rc == 0)
    rc = do_copy(c, &op, "CopyObjectResult", &r, t);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  attr.mtime = r.mtime;
  rc = s3_etag_copy(r.etag, attr.etag) == 0 ? 0 : s3_change_malformed(t);
  write_result_fini(&r);
  if (rc == 0)
    *out = attr;
  return rc;
}
