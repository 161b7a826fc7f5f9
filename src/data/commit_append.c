/* Commits that add to the end of an object, where the service can do that: one request, whatever
 * the size of the object. What it carries stays as it is, so nothing of that may be due, and it
 * must not tell when the object was last modified.
 *
 * The checksum of the whole is joined from that of the base, which has to be known: it tells a
 * success whose reply was lost from another host's change. */
#include <errno.h>

#include "commit_internal.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/store/modified.h"

/* The base, whole, and nothing of it behind that. */
static bool is_base_and_more(const struct pieces *p, uint64_t base_size) {
  if (p->count < 2 || p->items[0].kind != PIECE_BASE || p->items[0].to != base_size)
    return false;
  for (size_t i = 1; i < p->count; i++)
    if (p->items[i].kind == PIECE_BASE)
      return false;
  return true;
}

static bool has_nothing_else_to_send(struct staged *f) {
  bool nothing;

  mtx_lock(&f->synced.lock);
  nothing = f->synced.upload.id == NULL && f->synced.headers.count == 0;
  mtx_unlock(&f->synced.lock);
  return nothing;
}

bool commit_may_append(const struct attempt *a) {
  struct staged *f = a->file;
  const struct base *b = a->state.base;
  struct pieces p;
  bool may;

  if (!f->store->appends || f->store->sums != NULL || a->no_append || a->aside || a->dressed ||
      !b->present || !b->attr.timeless || b->attr.crc_kind != CRC_64NVME ||
      a->state.size <= b->attr.size || a->state.size - b->attr.size > f->staging->part_size ||
      !has_nothing_else_to_send(f))
    return false;
  if (snapshot_pieces(&a->state, 0, a->state.size, &p) != 0)
    return false;
  may = is_base_and_more(&p, b->attr.size);
  pieces_fini(&p);
  return may;
}

static int append(struct attempt *a, const void *data, size_t len, struct store_attr *out) {
  struct staged *f = a->file;
  const struct store_attr *base = &a->state.base->attr;
  int rc;

  a->crc = crc64nvme_combine(base->crc, crc64nvme(0, data, len), len);
  a->crc_known = true;
  rc = commit_expect(a, "");
  return rc != 0 ? rc : f->store->write->append(f->store, a->key, base, data, len, out);
}

int commit_by_append(struct attempt *a, struct store_attr *out) {
  struct patience patience = commit_patience();
  uint64_t from = a->state.base->attr.size;
  size_t len = (size_t)(a->state.size - from);
  struct part_memory m;
  struct pieces p = {0};
  int rc = part_memory_get(a->file->staging, len, &m);

  if (rc != 0)
    return rc;
  rc = snapshot_pieces(&a->state, from, a->state.size, &p);
  if (rc == 0)
    rc = pieces_fetch(&p, &a->state, a->file, m.data, &patience);
  if (rc == 0)
    rc = append(a, m.data, len, out);
  pieces_fini(&p);
  part_memory_put(a->file->staging, &m);
  return rc;
}

void commit_prepare_appends(const struct attempt *a, struct store_attr *attr) {
  if (!a->file->store->appends || a->file->store->sums != NULL || !a->crc_known ||
      a->plan.how == PLAN_APPEND)
    return;
  attr->timeless = !modified_is_told(&a->meta);
  attr->crc_kind = CRC_64NVME;
  attr->crc = a->crc;
}
