/* Streaming: full parts go out while a new file is still being written.
 *
 * Only for files of which nothing shines through from below, in one layer, written
 * from the start: their parts will be those of the grid. The first part is left
 * for the commit, so nothing happens before the second is full. The upload's id is
 * asked for by the first thread; where that is refused the commit will say why. */
#include <stdlib.h>
#include <string.h>

#include "commit_internal.h"
#include "s3apfs/base/log.h"

static bool may_stream_locked(const struct staged *f) {
  const struct upload *u = &f->synced.upload;

  return f->synced.count == 1 && f->synced.layers[0]->keep == 0 && !f->synced.committing &&
         !f->synced.lost && f->synced.key[0] != '\0' && !u->broken && !u->starting && !u->refused &&
         u->sending < f->staging->threads;
}

/* The next part, when it is full: *index and its bounds. */
static bool next_part_locked(struct staged *f, size_t *index, uint64_t *offset, uint64_t *size) {
  struct plan_limits l = commit_limits(f->staging);
  const struct upload *u = &f->synced.upload;

  if (!may_stream_locked(f))
    return false;
  *index = u->next_offset == 0 ? 1 : u->count;
  *offset = u->next_offset == 0 ? plan_part_size(&l, 0) : u->next_offset;
  *size = plan_part_size(&l, *offset);
  return *index < STORE_PARTS_MAX && *offset + *size <= f->synced.size &&
         ranges_cover(&f->synced.layers[0]->own, *offset, *offset + *size);
}

static void start(void *arg) {
  struct staged *f = arg;
  struct kvlist meta;
  struct kvlist headers;
  struct store_dress dress = {&meta, &headers};
  int rc;

  kvlist_init(&meta);
  kvlist_init(&headers);
  mtx_lock(&f->synced.lock);
  rc = kvlist_copy(&meta, &f->synced.meta);
  if (rc == 0)
    rc = kvlist_copy(&headers, &f->synced.headers);
  mtx_unlock(&f->synced.lock);
  if (rc == 0)
    rc = upload_begin(f, f->synced.key, &dress);
  if (rc == 0)
    rc = staged_note(f, STATE_LAZY);
  else
    log_debug("'%s' is not sent while it is written: %s", f->synced.key, strerror(-rc));
  kvlist_fini(&meta);
  kvlist_fini(&headers);
  mtx_lock(&f->synced.lock);
  f->synced.upload.starting = false;
  f->synced.upload.refused = rc != 0;
  f->synced.upload.sending--;
  cond_broadcast(&f->synced.turn);
  mtx_unlock(&f->synced.lock);
}

/* Claims the next part for a job; false: there is none now. *begin: the upload
 * itself has to begin first. */
static bool claim(struct staged *f, struct job *j, bool *begin) {
  struct upload *u = &f->synced.upload;
  uint64_t offset;
  uint64_t size;
  size_t index;
  bool found;

  mtx_lock(&f->synced.lock);
  found = next_part_locked(f, &index, &offset, &size);
  *begin = found && u->id == NULL;
  if (*begin) {
    u->starting = true;
    u->sending++;
  } else if (found) {
    found = upload_grow(u, index + 1) == 0;
  }
  if (found && !*begin) {
    j->slot = u->parts[index];
    j->slot->offset = offset;
    j->slot->size = size;
    u->next_offset = offset + size;
    job_claim_locked(j);
  }
  mtx_unlock(&f->synced.lock);
  return found;
}

void staged_stream(struct staged *f) {
  for (;;) {
    struct job *j = calloc(1, sizeof(*j));
    bool begin = false;

    if (j == NULL)
      return;
    j->file = f;
    if (!claim(f, j, &begin)) {
      free(j);
      return;
    }
    if (begin) {
      free(j);
      if (pool_submit(f->staging->pool, start, f) != 0) {
        mtx_lock(&f->synced.lock);
        f->synced.upload.starting = false;
        f->synced.upload.sending--;
        mtx_unlock(&f->synced.lock);
      }
      return;
    }
    if (job_submit(j) != 0) {
      free(j);
      return;
    }
  }
}

/* Claims a part that has to be sent again, and can be. */
static bool claim_spoiled(struct staged *f, struct job *j) {
  struct upload *u = &f->synced.upload;

  mtx_lock(&f->synced.lock);
  for (size_t i = 1; j->slot == NULL && u->id != NULL && may_stream_locked(f) && i < u->count;
       i++) {
    struct sent_part *p = u->parts[i];

    if (!p->valid && !p->sending && p->size > 0 && p->offset + p->size <= f->synced.size &&
        ranges_cover(&f->synced.layers[0]->own, p->offset, p->offset + p->size))
      j->slot = p;
  }
  if (j->slot != NULL)
    job_claim_locked(j);
  mtx_unlock(&f->synced.lock);
  return j->slot != NULL;
}

void staged_stream_again(struct staged *f) {
  for (;;) {
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL)
      return;
    j->file = f;
    if (!claim_spoiled(f, j) || job_submit(j) != 0) {
      free(j);
      return;
    }
  }
}
