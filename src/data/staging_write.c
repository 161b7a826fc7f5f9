/* Changes to a staged file.
 *
 * A change takes the file's turn, brings its bytes to the active layer, and only
 * then, under the lock, tells readers of them. A part that is under way or sent
 * and holds bytes that were written over is not valid any more; its number is
 * used again for the new content.
 *
 * staging-size counts bytes that layers own, when they are first written, until they go
 * (staging_release.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"
#include "staging_internal.h"

/* S3's largest object, and what offsets in this code may reach. */
#define SIZE_LIMIT ((uint64_t)50 << 40)

int change_begin(struct staged *f) {
  int rc;

  change_begin_lost(f);
  rc = f->synced.lost ? -ESTALE : 0;
  if (rc != 0)
    change_end(f);
  return rc;
}

void change_begin_lost(struct staged *f) {
  mtx_lock(&f->synced.lock);
  while (f->synced.changing)
    cond_wait(&f->synced.turn, &f->synced.lock);
  f->synced.changing = true;
  mtx_unlock(&f->synced.lock);
}

void change_end(struct staged *f) {
  mtx_lock(&f->synced.lock);
  f->synced.changing = false;
  cond_broadcast(&f->synced.turn);
  mtx_unlock(&f->synced.lock);
}

void staged_seal(struct staged *f) {
  mtx_lock(&f->synced.lock);
  f->synced.active = false;
  mtx_unlock(&f->synced.lock);
}

/* --- the active layer --- */

static int push_layer(struct staged *f, struct layer *l) {
  int rc;

  mtx_lock(&f->synced.lock);
  rc = array_room(&f->synced.layers, f->synced.count, &f->synced.cap, sizeof(struct layer *));
  if (rc == 0) {
    f->synced.layers[f->synced.count++] = l;
    f->synced.next_seq = l->seq + 1;
    f->synced.active = true;
  }
  mtx_unlock(&f->synced.lock);
  return rc;
}

/* The layer to write to, made when there is none. The turn is the caller's, so
 * nobody else changes what is read here without the lock. */
int staged_active_layer(struct staged *f, struct layer **out) {
  struct layer *l;
  int rc = 0;

  if (f->synced.active) {
    *out = f->synced.layers[f->synced.count - 1];
    return 0;
  }
  if (staged_id(f) == 0)
    rc = staged_note(f, STATE_LAZY);
  if (rc == 0)
    rc = layer_new(state_staging_dir(f->staging->state), staged_id(f), f->synced.next_seq,
                   f->synced.size, &l);
  if (rc != 0)
    return rc;
  rc = push_layer(f, l);
  if (rc != 0) {
    layer_remove_files(l);
    layer_unref(l);
    return rc;
  }
  *out = l;
  return 0;
}

static int charge(struct staged *f, const struct layer *l, uint64_t offset, uint64_t len,
                  uint64_t *charged) {
  struct staging *g = f->staging;
  uint64_t bytes = len - ranges_within(&l->own, offset, offset + len);
  int rc = 0;

  while (rc == 0 && atomic_fetch_add(&g->used, bytes) + bytes > g->limit && g->limit != 0 &&
         bytes != 0) {
    atomic_fetch_sub(&g->used, bytes);
    rc = bytes > g->limit ? -ENOSPC : staged_release_sent(f);
  }
  *charged = bytes;
  return rc == -ENOSPC && staged_may_make_room(f) ? -EREMOTE : rc;
}

static void spoil_parts_locked(struct staged *f, uint64_t from, uint64_t to) {
  struct upload *u = &f->synced.upload;

  for (size_t i = 0; i < u->count; i++) {
    struct sent_part *p = u->parts[i];

    if (p->offset >= to || p->offset + p->size <= from)
      continue;
    p->valid = false;
    p->stale = p->sending;
  }
}

/* --- writing --- */

static int check_end(uint64_t offset, uint64_t len) {
  return len > SIZE_LIMIT || offset > SIZE_LIMIT - len ? -EFBIG : 0;
}

int staged_put_bytes(struct staged *f, uint64_t offset, const void *data, uint64_t len) {
  struct layer *l;
  uint64_t charged;
  int rc = staged_is_here(f, offset, offset + len);

  if (rc == 0)
    rc = staged_active_layer(f, &l);
  if (rc == 0)
    rc = charge(f, l, offset, len, &charged);
  if (rc != 0)
    return rc;
  rc =
      data != NULL ? layer_write(l, offset, data, (size_t)len) : layer_write_zeroes(l, offset, len);
  if (rc == 0) {
    mtx_lock(&f->synced.lock);
    rc = layer_note_write(l, offset, len);
    f->synced.size = l->size;
    spoil_parts_locked(f, offset, offset + len);
    mtx_unlock(&f->synced.lock);
  }
  if (rc != 0)
    atomic_fetch_sub(&f->staging->used, charged);
  return rc;
}

static int write_at(struct staged *f, bool at_end, uint64_t offset, const void *data, size_t len) {
  int rc;

  if (len == 0)
    return 0;
  rc = change_begin(f);
  if (rc != 0)
    return rc;
  if (at_end)
    offset = f->synced.size;
  rc = check_end(offset, len);
  if (rc == 0)
    rc = staged_put_bytes(f, offset, data, len);
  change_end(f);
  return rc;
}

int staged_write(struct staged *f, uint64_t offset, const void *data, size_t len) {
  return write_at(f, false, offset, data, len);
}

int staged_append(struct staged *f, const void *data, size_t len) {
  return write_at(f, true, 0, data, len);
}

/* A part that is cut is not valid any more. */
static int may_cut(struct staged *f, uint64_t size) {
  return size == 0 || staged_is_here(f, size - 1, size) == 0 ? 0
                                                             : staged_is_here(f, size, size + 1);
}

static int set_size(struct staged *f, uint64_t size) {
  struct layer *l;
  uint64_t keep;
  uint64_t before;
  int rc = may_cut(f, size);

  if (rc == 0)
    rc = staged_active_layer(f, &l);
  if (rc == 0)
    rc = layer_log_size(l, size, &keep);
  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  before = layer_held(l);
  rc = layer_note_size(l, size, keep);
  f->synced.size = l->size;
  spoil_parts_locked(f, size, UINT64_MAX);
  atomic_fetch_sub(&f->staging->used, before - layer_held(l));
  mtx_unlock(&f->synced.lock);
  return rc;
}

int staged_truncate(struct staged *f, uint64_t size) {
  int rc = check_end(size, 0);

  if (rc == 0)
    rc = change_begin(f);
  if (rc != 0)
    return rc;
  if (size != f->synced.size)
    rc = set_size(f, size);
  change_end(f);
  return rc;
}

static int zero_range(struct staged *f, int mode, uint64_t offset, uint64_t len) {
  uint64_t size = f->synced.size;
  uint64_t end = offset + len;
  int rc;

  if ((mode & FALLOC_FL_KEEP_SIZE) != 0 && end > size)
    end = size;
  if (offset >= end)
    return 0;
  rc = staged_put_bytes(f, offset, NULL, end - offset);
  return rc;
}

int staged_allocate(struct staged *f, int mode, uint64_t offset, uint64_t len) {
  int what = mode & ~FALLOC_FL_KEEP_SIZE;
  int rc = len == 0 ? -EINVAL : check_end(offset, len);

  if (rc == 0 && what != 0 && what != FALLOC_FL_ZERO_RANGE &&
      mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
    rc = -EOPNOTSUPP;
  if (rc == 0)
    rc = change_begin(f);
  if (rc != 0)
    return rc;
  if (what != 0)
    rc = zero_range(f, mode, offset, len);
  else if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && offset + len > f->synced.size)
    rc = set_size(f, offset + len);
  change_end(f);
  return rc;
}
