/* ListObjects and ListObjectsV2.
 *
 * Both are one page of the bucket's index. A continuation token is base64 of
 * the last key or common prefix told, so it needs no memory on this side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_directory.h"
#include "s3_list.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

#define PAGE_MAX 1000

/* --- parameters --- */

int list_params_read(struct exchange *x, struct list_params *p) {
  const char *max = exchange_query(x, p->max_name), *encoding = exchange_query(x, "encoding-type");
  uint64_t n = PAGE_MAX;
  if (max && *max && (text_parse_u64(max, &n) || n > INT32_MAX))
    return reply_error(x, 400, "InvalidArgument",
                       "Provided %s not an integer or within integer range", p->max_name);
  if (encoding && *encoding && strcmp(encoding, "url") != 0)
    return reply_error(x, 400, "InvalidArgument", "Invalid Encoding Method specified in Request");
  const char *prefix = exchange_query(x, "prefix"), *delimiter = exchange_query(x, "delimiter");
  p->max = (size_t)(n < PAGE_MAX ? n : PAGE_MAX);
  p->url = encoding && *encoding;
  p->prefix = prefix ? prefix : "";
  p->delimiter = delimiter ? delimiter : "";
  return 0;
}

/* The "url" encoding is that of forms: a blank becomes '+', a slash stays. */
void list_element(struct buf *out, const struct list_params *p, const char *name,
                  const char *value) {
  if (!p->url) {
    xml_element(out, name, value);
    return;
  }
  struct buf encoded;
  buf_init(&encoded, 0);
  for (const char *c = value; *c; c++) {
    if (*c == ' ')
      buf_putc(&encoded, '+');
    else
      text_uri_encode(&encoded, c, 1, true);
  }
  xml_element(out, name, buf_cstr(&encoded));
  buf_fini(&encoded);
}

void list_owner(struct buf *out, const char *name, const char *account) {
  char id[65];
  if (world_canonical_id(account, id))
    return;
  xml_open(out, name);
  xml_element(out, "ID", id);
  xml_close(out, name);
}

/* --- the document --- */

static void put_entry(struct buf *out, const struct list_params *p, const struct key_entry *e,
                      bool owner) {
  char time[25];
  text_iso8601_ms(e->mtime_ms / 1000 * 1000, time);
  xml_open(out, "Contents");
  list_element(out, p, "Key", e->key);
  xml_element(out, "LastModified", time);
  struct buf quoted;
  buf_init(&quoted, 0);
  buf_printf(&quoted, "\"%s\"", e->etag);
  xml_element(out, "ETag", buf_cstr(&quoted));
  buf_fini(&quoted);
  if (*e->checksum_algorithm) {
    xml_element(out, "ChecksumAlgorithm", e->checksum_algorithm);
    xml_element(out, "ChecksumType", e->checksum_type);
  }
  xml_element_u64(out, "Size", e->size);
  if (owner)
    list_owner(out, "Owner", e->owner);
  xml_element(out, "StorageClass", e->storage_class);
  xml_close(out, "Contents");
}

static void put_page(struct buf *out, const struct list_params *p, const struct key_page *page,
                     bool owner) {
  for (size_t i = 0; i < page->entry_count; i++)
    put_entry(out, p, &page->entries[i], owner);
  for (size_t i = 0; i < page->prefix_count; i++) {
    xml_open(out, "CommonPrefixes");
    list_element(out, p, "Prefix", page->prefixes[i]);
    xml_close(out, "CommonPrefixes");
  }
}

static struct buf *begin_document(struct exchange *x, const struct list_params *p,
                                  const struct key_page *page) {
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "ListBucketResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Name", x->to.named);
  list_element(out, p, "Prefix", p->prefix);
  if (*p->delimiter)
    list_element(out, p, "Delimiter", p->delimiter);
  xml_element_u64(out, "MaxKeys", p->max);
  if (p->url)
    xml_element(out, "EncodingType", "url");
  xml_element_bool(out, "IsTruncated", page->truncated);
  return out;
}

static int find_page(struct exchange *x, const struct list_params *p, const char *after,
                     struct key_page *page) {
  struct key_query q = {
      .prefix = p->prefix, .delimiter = p->delimiter, .after = after, .max = p->max};
  if (directory_is(x) ? directory_page(x, &q, page)
                      : objects_page(x->emulator->objects, x->to.bucket, &q, page))
    return reply_error(x, 500, "InternalError", "Out of memory.");
  return 0;
}

/* --- version 1 --- */

void op_list_objects(struct exchange *x) {
  struct list_params p = {.max_name = "max-keys", .prefix = "", .delimiter = ""};
  struct key_page page = {0};
  const char *marker = exchange_query(x, "marker");
  marker = marker ? marker : "";
  if (permit(x, &x->to, "s3:ListBucket", NULL) || list_params_read(x, &p) ||
      find_page(x, &p, marker, &page))
    return;
  struct buf *out = begin_document(x, &p, &page);
  list_element(out, &p, "Marker", marker);
  /* Without a delimiter clients go on from the last key. */
  if (page.truncated && *p.delimiter)
    list_element(out, &p, "NextMarker", page.last);
  put_page(out, &p, &page, true);
  xml_close(out, "ListBucketResult");
  key_page_fini(&page);
}

/* --- version 2 --- */

static int decode_token(struct exchange *x, const char *token, struct buf *out) {
  if (*token && text_unbase64(out, token) == 0 && strlen(buf_cstr(out)) == out->len)
    return 0;
  return reply_error(x, 400, "InvalidArgument", "The continuation token provided is incorrect");
}

static void put_v2(struct exchange *x, const struct list_params *p, const struct key_page *page) {
  const char *token = exchange_query(x, "continuation-token");
  const char *start = exchange_query(x, "start-after");
  const char *owner = exchange_query(x, "fetch-owner");
  struct buf *out = begin_document(x, p, page);
  xml_element_u64(out, "KeyCount", page->entry_count + page->prefix_count);
  if (token)
    xml_element(out, "ContinuationToken", token);
  if (page->truncated) {
    struct buf next;
    buf_init(&next, 0);
    text_base64(&next, page->last, strlen(page->last));
    xml_element(out, "NextContinuationToken", buf_cstr(&next));
    buf_fini(&next);
  }
  if (start)
    list_element(out, p, "StartAfter", start);
  put_page(out, p, page, owner && strcmp(owner, "true") == 0);
  xml_close(out, "ListBucketResult");
}

void op_list_objects_v2(struct exchange *x) {
  struct list_params p = {.max_name = "max-keys", .prefix = "", .delimiter = ""};
  const char *token = exchange_query(x, "continuation-token");
  const char *start = exchange_query(x, "start-after");
  struct buf after;
  struct key_page page = {0};
  if (permit(x, &x->to, "s3:ListBucket", NULL) || list_params_read(x, &p))
    return;
  buf_init(&after, 0);
  if (!token)
    buf_puts(&after, start ? start : "");
  if ((!token || decode_token(x, token, &after) == 0) &&
      find_page(x, &p, buf_cstr(&after), &page) == 0) {
    put_v2(x, &p, &page);
    key_page_fini(&page);
  }
  buf_fini(&after);
}
