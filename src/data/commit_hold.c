/* What a commit fetches before it sends anything.
 *
 * What others put on an object is asked for at each change, by a HEAD. When bytes of the object
 * have to be sent along, too, because a part needs more than was written, the reply to that GET
 * tells the same: so the first such bytes are fetched before the upload begins, and there is no
 * HEAD. It is asked at the same moment as a HEAD would be, not when the file was opened: metadata
 * can change meanwhile without another etag (an object that is copied onto itself).
 *
 * The bytes wait in a file without a name. In the budget they could keep the threads that send
 * parts waiting for memory, with their own sending queued behind those. */
#include <errno.h>
#include <string.h>

#include "commit_internal.h"

/* The first range that is sent and needs a request; false: there is none. */
static bool next_fetched(struct attempt *a, uint64_t *from, struct pieces *p) {
  struct plan_part whole = {.to = a->state.size};
  const struct plan_part *parts = a->plan.how == PLAN_PUT ? &whole : a->plan.parts;
  size_t count = a->plan.how == PLAN_PUT ? 1 : a->plan.count;

  for (size_t i = 0; i < count; i++) {
    if (parts[i].copy || snapshot_pieces(&a->state, parts[i].from, parts[i].to, p) != 0)
      continue;
    if (pieces_need_request(p)) {
      *from = parts[i].from;
      return true;
    }
    pieces_fini(p);
  }
  return false;
}

static int hold(struct attempt *a, uint64_t from, const struct pieces *p) {
  struct staged *f = a->file;
  struct part_memory m;
  uint64_t to = p->items[p->count - 1].to;
  int rc = part_memory_spill(f->staging, (size_t)(to - from), &m);

  if (rc != 0)
    return 0; /* there is no room now: as ever, then */
  rc = pieces_fetch_told(p, &a->state, f, m.data, &a->held.detail, &a->held.is_told);
  if (rc != 0) {
    part_memory_put(f->staging, &m);
    return rc == -ENOENT ? -ESTALE : rc;
  }
  a->held.bytes = m;
  a->held.offset = from;
  return 0;
}

/* That of an earlier attempt, which may have sent the part. */
static bool has_upload(struct staged *f) {
  bool has;

  mtx_lock(&f->synced.lock);
  has = f->synced.upload.id != NULL;
  mtx_unlock(&f->synced.lock);
  return has;
}

int commit_hold(struct attempt *a) {
  struct pieces p = {0};
  uint64_t from;
  int rc = 0;

  if (!a->state.base->present || a->aside || a->plan.how == PLAN_COPY || has_upload(a->file))
    return 0;
  if (next_fetched(a, &from, &p))
    rc = hold(a, from, &p);
  pieces_fini(&p);
  return rc;
}

const void *held_bytes(const struct attempt *a, uint64_t from, uint64_t len) {
  const struct held *h = &a->held;

  return h->bytes.data != NULL && h->offset == from && h->bytes.len == len ? h->bytes.data : NULL;
}

void held_fini(struct attempt *a) {
  if (a->held.bytes.data != NULL)
    part_memory_put(a->file->staging, &a->held.bytes);
  if (a->held.is_told)
    store_detail_fini(&a->held.detail);
  a->held = (struct held){0};
}
