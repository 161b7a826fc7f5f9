/* Object attributes out of reply headers. Pure. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "client_internal.h"
#include "s3apfs/aws/checksum.h"
#include "s3apfs/base/text.h"
#include "s3apfs/store/modified.h"

int s3_etag_copy(const char *quoted, char out[STORE_ETAG_MAX]) {
  size_t n;

  if (text_has_prefix(quoted, "W/"))
    quoted += 2;
  n = strlen(quoted);
  if (n >= 2 && quoted[0] == '"' && quoted[n - 1] == '"') {
    quoted++;
    n -= 2;
  }
  if (n == 0 || n >= STORE_ETAG_MAX)
    return -EBADMSG;
  memcpy(out, quoted, n);
  out[n] = '\0';
  return 0;
}

/* Archived classes can be read only after a restore has finished. */
static bool is_archived(const struct kvlist *headers) {
  const char *class = kvlist_get_ci(headers, "x-amz-storage-class");
  const char *restore = kvlist_get_ci(headers, "x-amz-restore");

  if (class == NULL || (strcmp(class, "GLACIER") != 0 && strcmp(class, "DEEP_ARCHIVE") != 0))
    return false;
  return restore == NULL || strstr(restore, "ongoing-request=\"false\"") == NULL;
}

static int size_from_headers(const struct kvlist *headers, uint64_t *out) {
  const char *range = kvlist_get_ci(headers, "content-range");
  const char *slash = range != NULL ? strchr(range, '/') : NULL;
  const char *length = kvlist_get_ci(headers, "content-length");

  if (slash != NULL)
    return text_parse_u64(slash + 1, out) == 0 ? 0 : -EBADMSG;
  if (length == NULL)
    return -EBADMSG;
  return text_parse_u64(length, out) == 0 ? 0 : -EBADMSG;
}

/* Only what is said to be of the whole object counts. With a range S3 tells nothing, or
 * what it has of one part; a composite is made of parts that are not known here. */
static void crc_from_headers(const struct kvlist *headers, struct store_attr *a) {
  const char *said = kvlist_get_ci(headers, "x-amz-checksum-type");
  enum checksum_type type;
  enum checksum_kind kind;
  const char *value;
  struct checksum sum;

  if (said == NULL || checksum_type_parse(said, &type) != 0 || type != CHECKSUM_FULL_OBJECT)
    return;
  if (kvlist_get_ci(headers, "content-range") != NULL)
    return;
  if (checksum_find_header(headers, &kind, &value) == 0 && checksum_decode(kind, value, &sum) == 0)
    a->crc_kind = checksum_to_crc(&sum, &a->crc);
}

/* The name in user metadata, or NULL: the header is none of that. */
static const char *meta_name(const struct kv *header) {
  size_t len = sizeof(S3_META_PREFIX) - 1;

  return strncasecmp(header->name, S3_META_PREFIX, len) == 0 ? header->name + len : NULL;
}

int s3_meta_from_headers(const struct kvlist *headers, struct kvlist *meta) {
  for (size_t i = 0; i < headers->count; i++) {
    const char *name = meta_name(&headers->items[i]);

    if (name != NULL && kvlist_add(meta, name, headers->items[i].value) != 0)
      return -ENOMEM;
  }
  return 0;
}

static bool tells_time(const struct kvlist *headers) {
  for (size_t i = 0; i < headers->count; i++) {
    const char *name = meta_name(&headers->items[i]);

    if (name != NULL && modified_is_name(name))
      return true;
  }
  return false;
}

int s3_attr_from_headers(const struct kvlist *headers, bool uncounted, struct store_attr *out) {
  struct store_attr a = {0};
  const char *modified = kvlist_get_ci(headers, "last-modified");
  const char *etag = kvlist_get_ci(headers, "etag");
  int rc = size_from_headers(headers, &a.size);

  if (rc != 0 && uncounted && kvlist_get_ci(headers, "content-length") == NULL)
    rc = 0;

  if (rc == 0 && modified != NULL && text_parse_http_date(modified, &a.mtime) != 0)
    rc = -EBADMSG;
  if (rc == 0 && etag != NULL)
    rc = s3_etag_copy(etag, a.etag);
  if (rc != 0)
    return rc;
  a.archived = is_archived(headers);
  a.timeless = !tells_time(headers);
  crc_from_headers(headers, &a);
  *out = a;
  return 0;
}

int s3_ask_checksum(struct kvlist *headers) {
  return kvlist_add(headers, "x-amz-checksum-mode", "ENABLED");
}
