/* Multipart uploads but for the bytes: begin, complete, abort, and whether there is one. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "s3apfs/aws/write_xml.h"

#define COMPLETE_SILENCE_MS 120000 /* joining thousands of parts takes its time */

static int create_headers(const struct s3_client *c, const char *key,
                          const struct store_dress *dress, struct kvlist *headers) {
  int rc = s3_dress_headers(c, key, dress, headers);

  if (rc == 0)
    rc = kvlist_add(headers, "x-amz-checksum-algorithm", checksum_name(c->placing.checksum));
  if (rc == 0)
    rc = kvlist_add(headers, "x-amz-checksum-type",
                    checksum_type_name(s3_sum_type(c->placing.checksum)));
  return rc;
}

int s3_change_create_upload(struct s3_client *c, const char *key, const struct store_dress *dress,
                            char **upload, struct s3_try *t) {
  struct s3_op op = {.method = "POST", .key = key};
  struct http_reply reply;
  struct kvlist query;
  struct kvlist headers;
  struct buf body;
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  rc = kvlist_add(&query, "uploads", "");
  if (rc == 0)
    rc = create_headers(c, key, dress, &headers);
  op.query = &query;
  op.headers = &headers;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = write_xml_upload_id(buf_cstr(&body), body.len, upload);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}

/* The part's checksum as S3 has it: behind the name of its kind. */
static void put_part(const struct store_part *p, enum checksum_kind kind, struct buf *out) {
  const char *blank = strchr(p->sum, ' ');
  struct checksum sum;
  struct buf text;

  buf_init(&text, 0);
  if (kind != CHECKSUM_CRC64NVME) {
    buf_puts(&text, blank != NULL ? blank + 1 : "");
  } else if (p->has_crc64nvme) {
    checksum_from_crc64nvme(p->crc64nvme, &sum);
    checksum_encode(&sum, &text);
  }
  write_xml_complete_part(out, p->number, p->etag, kind, buf_cstr(&text));
  buf_fini(&text);
}

static int complete_body(const struct s3_client *c, const struct s3_completion *w,
                         struct buf *out) {
  write_xml_complete_begin(out);
  for (size_t i = 0; i < w->count; i++)
    put_part(&w->parts[i], c->placing.checksum, out);
  write_xml_complete_end(out);
  return buf_error(out);
}

/* A composite one is S3's to make: what goes into it is in the body. */
static int complete_headers(const struct s3_client *c, const struct s3_completion *w,
                            const struct store_condition *cond, struct kvlist *headers) {
  enum checksum_type type = s3_sum_type(c->placing.checksum);
  int rc = s3_condition_headers(cond, headers);

  if (rc == 0)
    rc = kvlist_addf(headers, "x-amz-mp-object-size", "%llu", (unsigned long long)w->size);
  if (rc == 0 && w->has_sum && type == CHECKSUM_FULL_OBJECT)
    rc = s3_sum_header(&w->sum, headers);
  if (rc == 0 && (w->has_sum || type == CHECKSUM_COMPOSITE))
    rc = kvlist_add(headers, "x-amz-checksum-type", checksum_type_name(type));
  return rc;
}

/* Has the service another checksum of the whole than what was sent? */
static bool is_other(const struct s3_completion *w, const struct write_result *r) {
  const char *told = w->has_sum ? r->sums[w->sum.kind] : NULL;

  return told != NULL && checksum_check(&w->sum, told) != 0;
}

static int take_completed(struct s3_client *c, const struct s3_completion *w,
                          const struct http_reply *reply, const struct buf *body,
                          struct store_attr *out, struct s3_try *t) {
  struct store_attr attr = {.size = w->size, .mtime = s3_reply_time(c, reply)};
  struct write_result r;
  int rc = write_xml_result(buf_cstr(body), body->len, "CompleteMultipartUploadResult", &r);

  if (rc != 0)
    return rc == -EBADMSG ? s3_change_malformed(t) : rc;
  if (s3_etag_copy(r.etag, attr.etag) != 0) {
    rc = s3_change_malformed(t);
  } else if (is_other(w, &r)) {
    s3_error_from_local(&t->error, -EIO, "BadDigest", "the object has another checksum than sent");
    rc = -EIO;
  } else {
    *out = attr;
  }
  write_result_fini(&r);
  return rc;
}

int s3_change_complete(struct s3_client *c, const char *key, const struct s3_completion *w,
                       const struct store_condition *cond, struct store_attr *out,
                       struct s3_try *t) {
  struct s3_op op = {.method = "POST", .key = key, .silence_ms = COMPLETE_SILENCE_MS};
  struct http_reply reply;
  struct kvlist query;
  struct kvlist headers;
  struct buf xml;
  struct buf body;
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  buf_init(&xml, 0);
  rc = kvlist_add(&query, "uploadId", w->upload);
  if (rc == 0)
    rc = complete_headers(c, w, cond, &headers);
  if (rc == 0)
    rc = complete_body(c, w, &xml);
  op.query = &query;
  op.headers = &headers;
  op.body = buf_cstr(&xml);
  op.body_len = xml.len;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  buf_fini(&xml);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = take_completed(c, w, &reply, &body, out, t);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc;
}

int s3_change_abort(struct s3_client *c, const char *key, const char *upload, struct s3_try *t) {
  struct s3_op op = {.method = "DELETE", .key = key};
  struct kvlist query;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "uploadId", upload);
  op.query = &query;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, NULL, NULL);
  kvlist_fini(&query);
  return rc;
}

int s3_change_find_upload(struct s3_client *c, const char *key, const char *upload,
                          struct s3_try *t) {
  struct s3_op op = {.method = "GET", .key = key};
  struct kvlist query;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "max-parts", "1");
  if (rc == 0)
    rc = kvlist_add(&query, "uploadId", upload);
  op.query = &query;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, NULL, NULL);
  kvlist_fini(&query);
  return rc;
}
