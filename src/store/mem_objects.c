/* The in-memory store's contents: one array sorted by key, as S3 lists them.
 * The bytes of one version are a blob with a reference count, so a get goes on
 * reading what stood when it was called. One lock guards everything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem_store.h"
#include "s3apfs/base/array.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"

#define FIRST_MTIME 1767225600 /* 2026-01-01T00:00:00Z */

void blob_unref(struct blob *b) {
  if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
    free(b);
}

struct blob *blob_new(const void *data, size_t len) {
  struct blob *b = malloc(sizeof(*b) + len);

  if (b == NULL)
    return NULL;
  memset(b, 0, sizeof(*b));
  b->len = len;
  atomic_init(&b->refs, 1);
  if (data == NULL)
    memset(b->data, 0, len);
  else if (len != 0)
    memcpy(b->data, data, len);
  return b;
}

void object_fini(struct object *o) {
  free(o->key);
  blob_unref(o->blob);
  kvlist_fini(&o->meta);
  kvlist_fini(&o->headers);
  free(o->tags);
}

size_t objects_find_locked(const struct mem_store *ms, const char *key) {
  size_t lo = 0;
  size_t hi = ms->synced.count;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (strcmp(ms->synced.objects[mid].key, key) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

struct object *objects_get_locked(struct mem_store *ms, const char *key) {
  size_t at = objects_find_locked(ms, key);

  if (at == ms->synced.count || strcmp(ms->synced.objects[at].key, key) != 0)
    return NULL;
  return &ms->synced.objects[at];
}

static struct object *insert_locked(struct mem_store *ms, const char *key) {
  size_t at = objects_find_locked(ms, key);
  char *copy = strdup(key);
  struct object *o;

  if (copy == NULL ||
      array_room(&ms->synced.objects, ms->synced.count, &ms->synced.cap, sizeof(*o)) != 0) {
    free(copy);
    return NULL;
  }
  o = &ms->synced.objects[at];
  memmove(o + 1, o, (ms->synced.count - at) * sizeof(*o));
  ms->synced.count++;
  *o = (struct object){.key = copy};
  kvlist_init(&o->meta);
  kvlist_init(&o->headers);
  return o;
}

void blob_stamp_locked(struct mem_store *ms, const char *key, unsigned parts, struct blob *b) {
  uint64_t v = ++ms->synced.versions;
  uint8_t digest[16];
  int n;

  b->attr.size = b->len;
  b->attr.mtime = ms->synced.mtime != 0 ? ms->synced.mtime : FIRST_MTIME + (int64_t)v;
  n = snprintf(b->attr.etag, sizeof(b->attr.etag), "%08zx%08zx%016llx", strlen(key), b->len,
               (unsigned long long)v);
  if (ms->synced.etags_of_bytes)
    n = snprintf(b->attr.etag, sizeof(b->attr.etag), "%016zx%016llx", b->len,
                 (unsigned long long)crc64nvme(0, b->data, b->len));
  if (ms->synced.no_checksums && digest_once(DIGEST_MD5, b->data, b->len, digest) == 0)
    for (size_t i = 0; i < sizeof(digest); i++)
      n = snprintf(b->attr.etag + 2 * i, 3, "%02x", digest[i]) + (int)(2 * i);
  if (parts > 0)
    snprintf(b->attr.etag + n, sizeof(b->attr.etag) - (size_t)n, "-%u", parts);
}

/* An object of that key, new or not; a new one has no version yet. */
static struct object *ensure_locked(struct mem_store *ms, const char *key) {
  struct object *o = objects_get_locked(ms, key);

  return o != NULL ? o : insert_locked(ms, key);
}

static int add_header(const struct kv *h, struct kvlist *headers, char **tags) {
  if (strcasecmp(h->name, "x-amz-tagging") != 0)
    return kvlist_add(headers, h->name, h->value);
  free(*tags);
  *tags = h->value[0] != '\0' ? strdup(h->value) : NULL;
  return h->value[0] != '\0' && *tags == NULL ? -ENOMEM : 0;
}

static int dress_up(const struct store_dress *dress, struct object *out) {
  int rc = 0;

  kvlist_init(&out->meta);
  kvlist_init(&out->headers);
  if (dress != NULL && dress->meta != NULL)
    rc = kvlist_copy(&out->meta, dress->meta);
  for (size_t i = 0;
       rc == 0 && dress != NULL && dress->headers != NULL && i < dress->headers->count; i++)
    rc = add_header(&dress->headers->items[i], &out->headers, &out->tags);
  return rc;
}

int objects_replace_locked(struct mem_store *ms, const char *key, struct blob *b,
                           const struct store_dress *dress) {
  struct object worn = {0};
  struct object *o = NULL;

  if (dress_up(dress, &worn) == 0)
    o = ensure_locked(ms, key);
  if (o == NULL) {
    object_fini(&worn);
    return -ENOMEM;
  }
  worn.key = o->key;
  worn.denied = o->denied;
  o->key = NULL;
  object_fini(o);
  *o = worn;
  o->blob = b;
  return 0;
}

void objects_remove_locked(struct mem_store *ms, struct object *o) {
  object_fini(o);
  ms->synced.count--;
  memmove(o, o + 1, (ms->synced.count - (size_t)(o - ms->synced.objects)) * sizeof(*o));
}

int objects_condition_locked(struct mem_store *ms, const char *key,
                             const struct store_condition *cond) {
  const struct object *o = objects_get_locked(ms, key);

  if (cond == NULL || cond->what == STORE_IF_ANY)
    return 0;
  if (cond->what == STORE_IF_ABSENT)
    return o == NULL ? 0 : -EEXIST;
  return o != NULL && strcmp(o->blob->attr.etag, cond->etag) == 0 ? 0 : -ESTALE;
}

int mem_store_put(struct store *s, const char *key, const void *data, size_t len) {
  struct mem_store *ms = mem_store_self(s);
  struct blob *b = blob_new(data, len);
  struct object *o;

  if (b == NULL)
    return -ENOMEM;
  mtx_lock(&ms->synced.lock);
  o = ensure_locked(ms, key);
  if (o != NULL) {
    blob_stamp_locked(ms, key, 0, b);
    blob_unref(o->blob);
    o->blob = b;
  }
  mtx_unlock(&ms->synced.lock);
  if (o == NULL)
    blob_unref(b);
  return o != NULL ? 0 : -ENOMEM;
}

int mem_store_delete(struct store *s, const char *key) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;

  mtx_lock(&ms->synced.lock);
  o = objects_get_locked(ms, key);
  if (o != NULL)
    objects_remove_locked(ms, o);
  mtx_unlock(&ms->synced.lock);
  return o != NULL ? 0 : -ENOENT;
}

int mem_store_set_meta(struct store *s, const char *key, const char *name, const char *value) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;
  int rc = -ENOENT;

  mtx_lock(&ms->synced.lock);
  o = objects_get_locked(ms, key);
  if (o != NULL)
    rc = kvlist_set_ci(&o->meta, name, value);
  mtx_unlock(&ms->synced.lock);
  return rc;
}

void mem_store_set_mtime(struct store *s, int64_t mtime) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  ms->synced.mtime = mtime;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_set_no_checksums(struct store *s) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  ms->synced.no_checksums = true;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_set_etags_of_bytes(struct store *s) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  ms->synced.etags_of_bytes = true;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_set_archived(struct store *s, const char *key, bool archived) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;

  mtx_lock(&ms->synced.lock);
  o = objects_get_locked(ms, key);
  if (o != NULL)
    o->blob->attr.archived = archived;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_deny_list(struct store *s, bool deny) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  ms->synced.deny_list = deny;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_allow_list_below(struct store *s, const char *prefix) {
  struct mem_store *ms = mem_store_self(s);
  char *copy = prefix != NULL ? strdup(prefix) : NULL;

  mtx_lock(&ms->synced.lock);
  free(ms->synced.list_below);
  ms->synced.list_below = copy;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_deny_key(struct store *s, const char *key, bool deny) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;

  mtx_lock(&ms->synced.lock);
  o = objects_get_locked(ms, key);
  if (o != NULL)
    o->denied = deny;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_counts(struct store *s, struct mem_store_counts *out) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  *out = ms->synced.counts;
  mtx_unlock(&ms->synced.lock);
}

void mem_store_set_part_min(struct store *s, uint64_t bytes) {
  struct mem_store *ms = mem_store_self(s);

  mtx_lock(&ms->synced.lock);
  ms->synced.part_min = bytes;
  mtx_unlock(&ms->synced.lock);
}

int mem_store_set_tags(struct store *s, const char *key, const char *tags) {
  struct mem_store *ms = mem_store_self(s);
  const struct kv tagging = {.name = (char[]){"x-amz-tagging"}, .value = (char *)tags};
  struct object *o;
  int rc = -ENOENT;

  mtx_lock(&ms->synced.lock);
  o = objects_get_locked(ms, key);
  if (o != NULL)
    rc = add_header(&tagging, &o->headers, &o->tags);
  mtx_unlock(&ms->synced.lock);
  return rc;
}
