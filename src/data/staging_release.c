/* Staging released early: a new file that is larger than staging-size.
 *
 * While the limit is exceeded, parts that its upload has already give up their bytes here: beyond
 * the first 8 MiB, where headers are patched at the end, and only in the layer that is written
 * to now, of which nobody was promised anything. Nobody can read back a part of an unfinished
 * upload, so what needs such a range is -EREMOTE until the file was committed. A commit
 * needs only that the parts are still valid: whatever would make one invalid is refused first.
 *
 * The layer's log says what is gone, on the disk before it goes: a later process must not take
 * the hole for zeroes. Threads: who releases has the file's turn, so no commit seals the layer
 * meanwhile. */
#include <errno.h>

#include "commit_internal.h"

#define KEPT ((uint64_t)8 << 20)

static bool is_free(const struct layer *l, const struct sent_part *p) {
  return p->valid && !p->sending && p->offset >= KEPT &&
         ranges_cover(&l->own, p->offset, p->offset + p->size) &&
         ranges_within(&l->released, p->offset, p->offset + p->size) == 0;
}

/* A part whose bytes may go; NULL: there is none now. */
static const struct sent_part *find_locked(const struct staged *f) {
  const struct upload *u = &f->synced.upload;

  if (!f->synced.active || f->synced.count != 1 || f->synced.committing || u->id == NULL ||
      u->broken)
    return NULL;
  for (size_t i = 0; i < u->count; i++)
    if (is_free(f->synced.layers[0], u->parts[i]))
      return u->parts[i];
  return NULL;
}

/* What may bring one about, in turn: the upload begins; new parts go out; so do those that were
 * written over since. False: nothing does. */
static bool send_more(struct staged *f, unsigned step) {
  if (step < 2)
    staged_stream(f);
  else if (step == 2)
    staged_stream_again(f);
  return step <= 2;
}

/* Waits while parts are on their way. -ENOSPC: none will be. */
static int next_sent(struct staged *f, uint64_t *from, uint64_t *to) {
  const struct sent_part *p;
  unsigned step = 0;
  bool more = true;

  mtx_lock(&f->synced.lock);
  while ((p = find_locked(f)) == NULL && more) {
    if (f->synced.upload.sending > 0) {
      cond_wait(&f->synced.turn, &f->synced.lock);
      continue;
    }
    mtx_unlock(&f->synced.lock);
    more = send_more(f, step++);
    mtx_lock(&f->synced.lock);
  }
  if (p != NULL) {
    *from = p->offset;
    *to = p->offset + p->size;
  }
  mtx_unlock(&f->synced.lock);
  return p != NULL ? 0 : -ENOSPC;
}

int staged_release_sent(struct staged *f) {
  struct layer *l;
  uint64_t from;
  uint64_t to;
  int rc = next_sent(f, &from, &to);

  if (rc != 0)
    return rc;
  l = f->synced.layers[0];
  rc = layer_log_release(l, from, to);
  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  rc = layer_note_release(l, from, to);
  mtx_unlock(&f->synced.lock);
  if (rc != 0)
    return rc;
  atomic_fetch_sub(&f->staging->used, to - from);
  return layer_punch(l, from, to);
}

static bool has_released(struct layer *const *layers, size_t count, uint64_t from, uint64_t to) {
  for (size_t i = 0; i < count; i++)
    if (ranges_within(&layers[i]->released, from, to) > 0)
      return true;
  return false;
}

int snapshot_is_here(struct staged *f, const struct snapshot *s, uint64_t from, uint64_t to) {
  bool gone;

  mtx_lock(&f->synced.lock);
  gone = has_released(s->layers, s->count, from, to);
  mtx_unlock(&f->synced.lock);
  return gone ? -EREMOTE : 0;
}

int staged_is_here(struct staged *f, uint64_t from, uint64_t to) {
  bool gone;

  mtx_lock(&f->synced.lock);
  gone = has_released(f->synced.layers, f->synced.count, from, to);
  mtx_unlock(&f->synced.lock);
  return gone ? -EREMOTE : 0;
}

bool staged_is_released(struct staged *f) {
  return staged_is_here(f, 0, UINT64_MAX) != 0;
}

bool staged_go_ahead(struct staged *f) {
  bool first;

  mtx_lock(&f->synced.lock);
  first = !f->synced.ahead;
  f->synced.ahead = true;
  mtx_unlock(&f->synced.lock);
  return first;
}

/* --- no room, and nothing to release --- */

bool staging_is_full(struct staging *g, uint64_t len) {
  return g->limit != 0 && atomic_load(&g->used) + len > g->limit;
}

void staged_note_sync(struct staged *f) {
  mtx_lock(&f->synced.lock);
  f->synced.synced = true;
  mtx_unlock(&f->synced.lock);
}

static bool only_grew_locked(const struct staged *f) {
  uint64_t end = f->synced.base->present ? f->synced.base->attr.size : 0;

  for (size_t i = 0; i < f->synced.count; i++) {
    const struct layer *l = f->synced.layers[i];

    if (l->seq <= f->synced.acked)
      end = l->size;
    else if (l->keep < end || ranges_within(&l->own, 0, end) > 0)
      return false;
  }
  return f->synced.synced;
}

bool staged_only_grew(struct staged *f) {
  bool grew;

  mtx_lock(&f->synced.lock);
  grew = only_grew_locked(f);
  mtx_unlock(&f->synced.lock);
  return grew;
}

static bool is_acked_locked(const struct staged *f) {
  return f->synced.count > 0 && f->synced.layers[0]->seq <= f->synced.acked;
}

bool staged_is_acked(struct staged *f) {
  bool is;

  mtx_lock(&f->synced.lock);
  is = is_acked_locked(f);
  mtx_unlock(&f->synced.lock);
  return is;
}

bool staged_may_make_room(struct staged *f) {
  bool may;

  mtx_lock(&f->synced.lock);
  may = f->synced.ahead || only_grew_locked(f) || is_acked_locked(f);
  mtx_unlock(&f->synced.lock);
  return may;
}
