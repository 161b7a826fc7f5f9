/* Which parts an upload has that are of use: those whose bytes are what the commit sends.
 *
 * Within a process the layers tell, because each part knows the topmost one that it was read
 * from, and what was written over a part in that same layer has made it invalid at once. The
 * journal does not follow every write: of what an earlier process sent, a part is of use when
 * its checksum is that of the bytes that are here now, and was sent with one of the algorithm
 * that the store uses now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commit_internal.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

#define MD5_MAX ((size_t)1 << 20)

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

void commit_digest(struct attempt *a, const void *data, size_t len) {
  uint8_t digest[16];
  struct buf hex;

  buf_init(&hex, 0);
  if (len <= MD5_MAX && digest_once(DIGEST_MD5, data, len, digest) == 0)
    text_hex(&hex, digest, sizeof(digest));
  if (buf_error(&hex) == 0)
    snprintf(a->md5, sizeof(a->md5), "%s", buf_cstr(&hex));
  buf_fini(&hex);
}

int commit_checksum(struct attempt *a, uint64_t from, uint64_t to, bool local, uint64_t *crc) {
  struct patience patience = commit_patience();
  struct part_memory m;
  int rc = part_memory_get(a->file->staging, a->file->staging->part_size, &m);

  if (rc != 0)
    return rc;
  *crc = 0;
  for (uint64_t at = from; rc == 0 && at < to; at += m.len) {
    uint64_t end = to - at > m.len ? at + m.len : to;
    struct pieces p = {0};

    rc = snapshot_is_here(a->file, &a->state, at, end);
    if (rc == 0)
      rc = snapshot_pieces(&a->state, at, end, &p);
    if (rc == 0 && local && !is_local(&p))
      rc = -EREMOTE;
    if (rc == 0)
      rc = pieces_fetch(&p, &a->state, a->file, m.data, &patience);
    if (rc == 0)
      *crc = crc64nvme(*crc, m.data, (size_t)(end - at));
    pieces_fini(&p);
  }
  part_memory_put(a->file->staging, &m);
  return rc;
}

static bool is_what_is_here(struct attempt *a, const struct sent_part *p) {
  uint64_t end = p->offset + p->size;
  uint64_t crc;

  return p->part.has_crc64nvme && end >= p->offset && end <= a->state.size &&
         commit_checksum(a, p->offset, end, true, &crc) == 0 && crc == p->part.crc64nvme;
}

/* An upload is begun for one algorithm and takes no checksums of another. Which one it was for,
 * only its parts tell; without any, little is lost with it. */
static bool is_of_this_algorithm(const struct staged *f) {
  const struct upload *u = &f->synced.upload;
  const char *name = f->store->sums != NULL ? f->store->sums->name : "";
  bool told = false;

  for (size_t i = 0; i < u->count; i++) {
    const char *sum = u->parts[i]->part.sum;
    size_t len = strcspn(sum, " ");
    bool same = strlen(name) == len && strncmp(name, sum, len) == 0;

    if (u->parts[i]->size == 0)
      continue;
    if (!same && len > 0) /* without a name: a copy by a service that does not say */
      return false;
    told = told || same;
  }
  return told;
}

int commit_check_parts(struct staged *f) {
  struct upload *u = &f->synced.upload;
  struct attempt a;
  int rc;

  if (u->id != NULL && !is_of_this_algorithm(f))
    commit_abort_upload(f);
  rc = attempt_init(&a, f);

  if (rc != 0) {
    attempt_fini(&a);
    return rc;
  }
  for (size_t i = 0; i < u->count; i++) {
    struct sent_part *p = u->parts[i];

    p->valid = p->valid && is_what_is_here(&a, p);
    p->layer = a.state.top;
  }
  attempt_fini(&a);
  return 0;
}
