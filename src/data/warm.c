/* Bytes that nobody has opened yet: fetched ahead, or just written. */
#include "cache.h"

#include <errno.h>
#include <string.h>

/* Of what is on disk already only the proof is fetched that it may be read. */
static size_t lacking(const struct cache *c, struct version *v, size_t length) {
  bool kept = length > DATA_GRID && v->disk != NULL && !version_may_use_disk(v, c) &&
              disk_is_near(v->disk, 0, length);

  return kept ? DATA_GRID : length;
}

int cache_warm(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
               size_t length) {
  struct extent *made[DATA_PART / DATA_GRID];
  struct version *v;
  uint64_t reached;
  size_t count;
  int rc;

  if (length > DATA_PART)
    length = DATA_PART;
  if (a->size == 0 || a->etag[0] == '\0')
    return 0;
  rc = version_get(c, s, key, a, &v);
  if (rc != 0)
    return rc;
  cache_fill_gaps(c, v, s, 0, grid_up(lacking(c, v, length), a->size), made, &count,
                  sizeof(made) / sizeof(made[0]), &reached);
  for (size_t i = 0; i < count; i++)
    load_start(made[i]);
  cache_leave(c, made, count);
  cache_unpin(c, made, count);
  version_put(c, v);
  return reached > 0 ? 0 : -ENOMEM;
}

void cache_fill(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
                const void *data) {
  struct extent *made[DATA_PART / DATA_GRID];
  struct version *v;
  uint64_t reached;
  size_t count;

  if (a->size == 0 || a->size > DATA_PART || a->etag[0] == '\0' ||
      version_get(c, s, key, a, &v) != 0)
    return;
  cache_fill_gaps(c, v, s, 0, a->size, made, &count, sizeof(made) / sizeof(made[0]), &reached);
  for (size_t i = 0; i < count; i++) {
    memcpy(made[i]->data, (const unsigned char *)data + made[i]->offset, made[i]->length);
    load_end(made[i], 0);
  }
  cache_leave(c, made, count);
  cache_unpin(c, made, count);
  version_put(c, v);
}
