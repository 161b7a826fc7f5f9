/* Names that are known to be absent, or denied, for a short while. A table of
 * fixed size, one slot for each hash value: a name that falls on another's slot
 * takes it, which costs one more request later. */
#include <errno.h>
#include <stdlib.h>

#include "tree_internal.h"

int absent_new(struct ns *n) {
  n->synced.absent = calloc(ABSENT_SLOTS, sizeof(*n->synced.absent));
  return n->synced.absent != NULL ? 0 : -ENOMEM;
}

static struct absent *slot_locked(struct ns *n, uint64_t hash) {
  return &n->synced.absent[(hash ^ hash >> 32) % ABSENT_SLOTS];
}

void absent_put_locked(struct ns *n, uint64_t hash, int err, int64_t asof, int64_t ttl_ms) {
  *slot_locked(n, hash) =
      (struct absent){.hash = hash, .asof = asof, .until = ns_now(n) + ttl_ms, .err = err};
}

int absent_get_locked(struct ns *n, uint64_t hash, int64_t asof) {
  const struct absent *a = slot_locked(n, hash);

  if (a->hash != hash || a->until <= ns_now(n) || a->asof < asof)
    return 0;
  return a->err;
}

void absent_drop_locked(struct ns *n, uint64_t hash) {
  struct absent *a = slot_locked(n, hash);

  if (a->hash == hash)
    a->until = INT64_MIN;
}

void absent_forget_locked(struct ns *n) {
  for (size_t i = 0; i < ABSENT_SLOTS; i++)
    n->synced.absent[i].until = INT64_MIN;
}
