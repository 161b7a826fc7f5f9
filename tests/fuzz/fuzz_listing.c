/* A ListObjectsV2 page. What is accepted must be complete, and written again,
 * percent-encoded, it must read back the same. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/listing.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

static void write_name(struct buf *out, const char *element, const char *name) {
  xml_open(out, element);
  text_uri_encode(out, name, strlen(name), true);
  xml_close(out, element);
}

static void write_object(struct buf *out, const struct listing_object *o) {
  char time[21];

  text_iso8601(o->mtime, time);
  xml_open(out, "Contents");
  write_name(out, "Key", o->key);
  xml_element(out, "LastModified", time);
  xml_element_u64(out, "Size", o->size);
  xml_close(out, "Contents");
}

static void write_page(struct buf *out, const struct listing *l) {
  xml_open(out, "ListBucketResult");
  xml_element(out, "EncodingType", "url");
  xml_element_bool(out, "IsTruncated", l->next_token != NULL);
  if (l->next_token != NULL)
    xml_element(out, "NextContinuationToken", l->next_token);
  for (size_t i = 0; i < l->object_count; i++)
    write_object(out, &l->objects[i]);
  for (size_t i = 0; i < l->prefix_count; i++) {
    xml_open(out, "CommonPrefixes");
    write_name(out, "Prefix", l->prefixes[i]);
    xml_close(out, "CommonPrefixes");
  }
  xml_close(out, "ListBucketResult");
}

static void require_same(const struct listing *a, const struct listing *b) {
  require(a->object_count == b->object_count && a->prefix_count == b->prefix_count);
  require((a->next_token == NULL) == (b->next_token == NULL));
  if (a->next_token != NULL)
    require(*a->next_token != '\0' && strcmp(a->next_token, b->next_token) == 0);
  for (size_t i = 0; i < a->object_count; i++) {
    const struct listing_object *o = &a->objects[i];

    require(*o->key != '\0' && o->etag != NULL && o->storage_class != NULL);
    require(strcmp(o->key, b->objects[i].key) == 0);
    require(o->size == b->objects[i].size && o->mtime == b->objects[i].mtime);
  }
  for (size_t i = 0; i < a->prefix_count; i++)
    require(*a->prefixes[i] != '\0' && strcmp(a->prefixes[i], b->prefixes[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct listing l;
  struct listing again;
  struct buf page;
  int rc = listing_parse(data, size, &l);

  require(rc == 0 || rc == -EBADMSG);
  if (rc != 0)
    return 0;
  buf_init(&page, 0);
  write_page(&page, &l);
  require(buf_error(&page) == 0);
  require(listing_parse(page.data, page.len, &again) == 0);
  require_same(&l, &again);
  listing_fini(&again);
  listing_fini(&l);
  buf_fini(&page);
  return 0;
}
