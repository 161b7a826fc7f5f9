/* HEAD in full, and what a GET tells of the same: what a change has to keep. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "change.h"
#include "s3apfs/aws/checksum.h"
#include "s3apfs/aws/write_xml.h"
#include "s3apfs/base/text.h"

/* Headers that S3 stores with an object and takes at the next PUT. */
static bool is_kept(const char *name) {
  static const char *const names[] = {"Cache-Control",
                                      "Content-Disposition",
                                      "Content-Encoding",
                                      "Content-Language",
                                      "Content-Type",
                                      "Expires",
                                      "x-amz-object-lock-legal-hold",
                                      "x-amz-object-lock-mode",
                                      "x-amz-object-lock-retain-until-date",
                                      "x-amz-server-side-encryption",
                                      "x-amz-server-side-encryption-aws-kms-key-id",
                                      "x-amz-server-side-encryption-bucket-key-enabled",
                                      "x-amz-storage-class",
                                      "x-amz-website-redirect-location"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcasecmp(names[i], name) == 0)
      return true;
  return false;
}

static int take_headers(const struct kvlist *from, struct kvlist *to) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < from->count; i++) {
    const struct kv *h = &from->items[i];

    /* S3 keeps the encoding of the transfer in front of the object's own. */
    if (is_kept(h->name) && strcasecmp(h->value, "aws-chunked") != 0)
      rc = kvlist_add(to, h->name, h->value);
  }
  return rc;
}

static void take_crc(const struct kvlist *headers, struct store_detail *d) {
  const char *text = kvlist_get_ci(headers, checksum_header(CHECKSUM_CRC64NVME));
  struct checksum sum;

  if (text != NULL && checksum_decode(CHECKSUM_CRC64NVME, text, &sum) == 0)
    d->has_crc64nvme = checksum_to_crc64nvme(&sum, &d->crc64nvme) == 0;
}

static void take_sum(const struct kvlist *headers, struct store_detail *d) {
  enum checksum_kind kind;
  struct checksum sum;
  const char *text;

  if (checksum_find_header(headers, &kind, &text) == 0 && checksum_decode(kind, text, &sum) == 0)
    s3_sum_text(&sum, d->sum);
}

int s3_detail_from_headers(const struct s3_placing *p, const struct kvlist *headers,
                           struct store_detail *out) {
  const char *tags = kvlist_get_ci(headers, "x-amz-tagging-count");
  struct store_detail d = {0};
  uint64_t n = 0;
  int rc = s3_attr_from_headers(headers, false, &d.attr);

  kvlist_init(&d.meta);
  kvlist_init(&d.headers);
  if (rc == 0)
    rc = s3_meta_from_headers(headers, &d.meta);
  if (rc == 0)
    rc = take_headers(headers, &d.headers);
  if (rc == 0)
    rc = s3_placing_name_class(p, &d.headers);
  if (rc != 0) {
    store_detail_fini(&d);
    return rc;
  }
  if (tags != NULL && !p->drop_tags && text_parse_u64(tags, &n) == 0)
    d.tag_count = (unsigned)n;
  else if (p->keep_tags)
    d.tag_count = 1; /* perhaps */
  take_crc(headers, &d);
  take_sum(headers, &d);
  *out = d;
  return 0;
}

int s3_change_detail(struct s3_client *c, const char *key, struct store_detail *out,
                     struct s3_try *t) {
  struct s3_op op = {.method = "HEAD", .key = key};
  struct http_reply reply;
  struct kvlist headers;
  struct buf body;
  int rc;

  kvlist_init(&headers);
  rc = kvlist_add(&headers, "x-amz-checksum-mode", "ENABLED");
  op.headers = &headers;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = s3_detail_from_headers(&c->placing, &reply.headers, out);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}

int s3_change_tags(struct s3_client *c, const char *key, struct buf *out, struct s3_try *t) {
  struct s3_op op = {.method = "GET", .key = key};
  struct http_reply reply;
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "tagging", "");
  op.query = &query;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  kvlist_fini(&query);
  if (rc != 0)
    return rc;
  rc = write_xml_tags(buf_cstr(&body), body.len, out);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}
