/* Directory buckets: unordered listings, and what they refuse.
 *
 * A listing's order is that of a hash of the keys, over all pages: a client that
 * counts on byte order fails here as it would on AWS. Its token is a position. */
#include "s3_directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

bool directory_is(const struct exchange *x) {
  return x->to.bucket && world_is_directory_bucket(x->to.bucket);
}

static bool named(const char *operation, const char *const *list) {
  for (; *list; list++)
    if (strcmp(operation, *list) == 0)
      return true;
  return false;
}

static int not_here(struct exchange *x) {
  return reply_error(x, 501, "NotImplemented",
                     "This bucket does not support the requested operation or parameter.");
}

static int check_listing(struct exchange *x) {
  const char *prefix = exchange_query(x, "prefix"), *delimiter = exchange_query(x, "delimiter");
  if (exchange_has_query(x, "start-after"))
    return not_here(x);
  if (delimiter && *delimiter && strcmp(delimiter, "/") != 0)
    return reply_error(x, 400, "InvalidRequest", "Only / is supported as a delimiter.");
  if (prefix && *prefix && !text_has_suffix(prefix, "/"))
    return reply_error(x, 400, "InvalidRequest", "The prefix must end in /.");
  return 0;
}

int directory_refuse(const char *operation, struct exchange *x) {
  static const char *const absent[] = {"ListObjects",
                                       "GetBucketVersioning",
                                       "GetBucketOwnershipControls",
                                       "PutBucketOwnershipControls",
                                       "GetBucketRequestPayment",
                                       "PutBucketRequestPayment",
                                       "GetObjectTagging",
                                       "PutObjectTagging",
                                       "DeleteObjectTagging",
                                       NULL};
  if (!directory_is(x) && strcmp(operation, "RenameObject") == 0)
    return not_here(x);
  if (!directory_is(x))
    return strcmp(operation, "CreateSession") == 0
               ? reply_error(x, 400, "InvalidRequest", "Only directory buckets have sessions.")
               : 0;
  if (named(operation, absent) || exchange_header(x, "x-amz-acl") ||
      exchange_header(x, "x-amz-tagging"))
    return not_here(x);
  return strcmp(operation, "ListObjectsV2") == 0 ? check_listing(x) : 0;
}

int access_point_refuse(const char *operation, struct exchange *x) {
  static const char *const multi_region[] = {
      "HeadBucket",      "ListObjects",       "DeleteObjects",       "CopyObject", "UploadPartCopy",
      "GetBucketPolicy", "GetBucketLocation", "GetObjectAttributes", NULL};
  static const char *const file_system[] = {"GetBucketPolicy", NULL};
  bool refused = false;
  if (x->to.kind != ADDRESS_ACCESS_POINT)
    return 0;
  if (x->to.access_point == ACCESS_POINT_MULTI_REGION)
    refused = named(operation, multi_region);
  else if (text_has_suffix(x->to.named, "-ext-s3alias"))
    refused = named(operation, file_system);
  return refused ? reply_error(x, 405, "MethodNotAllowed",
                               "The specified method is not allowed against this resource.")
                 : 0;
}

/* --- listings --- */

struct place {
  uint32_t hash;
  bool is_prefix;
  size_t at;
};

static uint32_t hash_of(const char *s) {
  uint32_t h = 2166136261u; /* FNV-1a */
  for (; *s; s++)
    h = (h ^ (unsigned char)*s) * 16777619u;
  return h;
}

static int by_hash(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->at < y->at ? -1 : 1);
}

static struct place *places_of(const struct key_page *all, size_t *count) {
  struct place *p = calloc(all->entry_count + all->prefix_count + 1, sizeof(*p));
  size_t n = 0;
  for (size_t i = 0; p && i < all->entry_count; i++)
    p[n++] = (struct place){hash_of(all->entries[i].key), false, i};
  for (size_t i = 0; p && i < all->prefix_count; i++)
    p[n++] = (struct place){hash_of(all->prefixes[i]), true, i};
  if (p)
    qsort(p, n, sizeof(*p), by_hash);
  *count = n;
  return p;
}

static int copy_place(const struct key_page *all, const struct place *p, struct key_page *out) {
  if (!p->is_prefix) {
    int err = key_entry_copy(&out->entries[out->entry_count], &all->entries[p->at]);
    out->entry_count += !err;
    return err;
  }
  char *copy = strdup(all->prefixes[p->at]);
  if (!copy)
    return -ENOMEM;
  out->prefixes[out->prefix_count++] = copy;
  return 0;
}

static int cut_page(const struct key_page *all, uint64_t from, size_t max, struct key_page *out) {
  size_t count, i;
  struct place *places = places_of(all, &count);
  size_t room = max < count ? max : count;
  out->entries = calloc(room + 1, sizeof(*out->entries));
  out->prefixes = calloc(room + 1, sizeof(*out->prefixes));
  int err = places && out->entries && out->prefixes ? 0 : -ENOMEM;
  for (i = (size_t)from; !err && i < count && i < from + max; i++)
    err = copy_place(all, &places[i], out);
  out->truncated = i < count && max > 0;
  if (!err && out->truncated)
    err = (out->last = text_printf("%zu", i)) ? 0 : -ENOMEM;
  free(places);
  return err;
}

int directory_page(struct exchange *x, const struct key_query *q, struct key_page *out) {
  struct key_query everything = *q;
  struct key_page all = {0};
  uint64_t from = 0;
  if (*q->after && text_parse_u64(q->after, &from))
    return -EINVAL;
  everything.after = "";
  everything.max = SIZE_MAX;
  int err = objects_page(x->emulator->objects, x->to.bucket, &everything, &all);
  if (!err)
    err = cut_page(&all, from, q->max, out);
  key_page_fini(&all);
  if (err) {
    key_page_fini(out);
    *out = (struct key_page){0};
  }
  return err;
}
