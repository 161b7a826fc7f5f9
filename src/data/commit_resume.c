/* Which parts an upload has that are of use: those whose bytes are what the commit sends.
 *
 * Within a process the layers tell, because each part knows the topmost one that it was read
 * from, and what was written over a part in that same layer has made it invalid at once. The
 * journal does not follow every write: of what an earlier process sent, a part is of use when
 * its checksum is that of the bytes that are here now. */
#include <errno.h>
#include <stdlib.h>

#include "commit_internal.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/data/cache.h"

static bool changes(const struct layer *l, uint64_t from, uint64_t to) {
  return l->keep < to || ranges_within(&l->own, from, to) > 0;
}

bool part_is_of_locked(const struct staged *f, const struct sent_part *p, uint32_t top) {
  uint32_t low = p->layer < top ? p->layer : top;
  uint32_t high = p->layer < top ? top : p->layer;

  for (size_t i = 0; i < f->synced.count; i++) {
    const struct layer *l = f->synced.layers[i];

    if (l->seq > low && l->seq <= high && changes(l, p->offset, p->offset + p->size))
      return false;
  }
  return true;
}

static bool is_local(const struct pieces *p) {
  for (size_t i = 0; i < p->count; i++)
    if (p->items[i].kind == PIECE_BASE)
      return false;
  return true;
}

/* The checksum of [from, to); -EREMOTE: not all of it is here. */
static int checksum(const struct attempt *a, uint64_t from, uint64_t to, void *room,
                    uint64_t *crc) {
  const struct patience patience = commit_patience();
  int rc = 0;

  *crc = 0;
  for (uint64_t at = from; rc == 0 && at < to; at += DATA_READ_MAX) {
    uint64_t end = to - at > DATA_READ_MAX ? at + DATA_READ_MAX : to;
    struct pieces p = {0};

    rc = snapshot_pieces(&a->state, at, end, &p);
    if (rc == 0)
      rc = is_local(&p) ? pieces_read(&p, &a->state, room, &patience) : -EREMOTE;
    if (rc == 0)
      *crc = crc64nvme(*crc, room, (size_t)(end - at));
    pieces_fini(&p);
  }
  return rc;
}

static bool is_what_is_here(const struct attempt *a, const struct sent_part *p, void *room) {
  uint64_t end = p->offset + p->size;
  uint64_t crc;

  return p->part.has_crc64nvme && end >= p->offset && end <= a->state.size &&
         checksum(a, p->offset, end, room, &crc) == 0 && crc == p->part.crc64nvme;
}

int commit_check_parts(struct staged *f) {
  struct upload *u = &f->synced.upload;
  struct attempt a;
  void *room = malloc(DATA_READ_MAX);
  int rc = room != NULL ? 0 : -ENOMEM;

  if (rc == 0)
    rc = attempt_init(&a, f);
  if (rc != 0) {
    free(room);
    return rc;
  }
  for (size_t i = 0; i < u->count; i++) {
    struct sent_part *p = u->parts[i];

    p->valid = p->valid && is_what_is_here(&a, p, room);
    p->layer = a.state.top;
  }
  attempt_fini(&a);
  free(room);
  return 0;
}
