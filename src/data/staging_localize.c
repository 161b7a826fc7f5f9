/* A staged file without its object.
 *
 * Before an object is removed or replaced, what lies in it alone is fetched for who has the file
 * open. Those bytes get a layer of their own: when they cannot all be had it is taken away again,
 * and the file is as it was, not one that seems to have been written to. */
#include <errno.h>
#include <stdlib.h>

#include "s3apfs/base/log.h"
#include "staging_internal.h"

static int fetch_piece(struct staged *f, const struct snapshot *s, const struct piece *piece,
                       void *room, const struct patience *p) {
  int rc = 0;

  for (uint64_t at = piece->from; rc == 0 && at < piece->to; at += DATA_READ_MAX) {
    uint64_t end = piece->to - at > DATA_READ_MAX ? at + DATA_READ_MAX : piece->to;
    struct piece part = {.kind = PIECE_BASE, .from = at, .to = end};
    struct pieces one = {.items = &part, .count = 1};

    rc = pieces_read(&one, s, room, p);
    if (rc == 0)
      rc = staged_put_bytes(f, at, room, end - at);
  }
  return rc;
}

static int fetch(struct staged *f, const struct snapshot *s, const struct pieces *pieces,
                 const struct patience *p) {
  void *room = malloc(DATA_READ_MAX);
  int rc = room != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; rc == 0 && i < pieces->count; i++)
    if (pieces->items[i].kind == PIECE_BASE)
      rc = fetch_piece(f, s, &pieces->items[i], room, p);
  free(room);
  return rc;
}

/* --- a layer of its own --- */

struct before {
  size_t count; /* layers */
  bool active;
  int64_t id;
};

static struct before begin_layer(struct staged *f) {
  struct before b;

  mtx_lock(&f->synced.lock);
  b = (struct before){.count = f->synced.count, .active = f->synced.active, .id = f->synced.id};
  f->synced.active = false;
  mtx_unlock(&f->synced.lock);
  return b;
}

/* The turn is the caller's all the time, so no other layer came or went. */
static void take_back(struct staged *f, const struct before *b) {
  struct layer *l = NULL;

  mtx_lock(&f->synced.lock);
  if (f->synced.count > b->count) {
    l = f->synced.layers[--f->synced.count];
    f->synced.next_seq = l->seq;
    atomic_fetch_sub(&f->staging->used, layer_held(l));
  }
  f->synced.active = b->active;
  mtx_unlock(&f->synced.lock);
  if (l != NULL) {
    layer_remove_files(l);
    layer_unref(l);
  }
  if (b->id == 0 && staged_id(f) != 0 && staged_forget(f) != 0)
    log_debug("the journal still has a file of which nothing is staged");
}

/* --- room --- */

/* Whether any of it comes is asked for before the first byte is fetched. */
static int check_room(struct staging *g, uint64_t bytes) {
  if (!staging_is_full(g, bytes))
    return 0;
  return bytes > g->limit ? -ENOSPC : -EREMOTE;
}

static uint64_t missing(const struct pieces *p) {
  uint64_t bytes = 0;

  for (size_t i = 0; i < p->count; i++)
    if (p->items[i].kind == PIECE_BASE)
      bytes += p->items[i].to - p->items[i].from;
  return bytes;
}

static int fetch_missing(struct staged *f, const struct snapshot *s, const struct pieces *pieces,
                         const struct patience *p) {
  uint64_t bytes = missing(pieces);
  int rc = bytes != 0 ? check_room(f->staging, bytes) : 0;
  struct before b;

  if (rc != 0 || bytes == 0)
    return rc;
  b = begin_layer(f);
  rc = fetch(f, s, pieces, p);
  if (rc == -ENOSPC && staging_is_full(f->staging, DATA_READ_MAX))
    rc = -EREMOTE; /* others were faster */
  if (rc != 0)
    take_back(f, &b);
  return rc;
}

static int localize(struct staged *f, const struct patience *p) {
  struct snapshot s = {0};
  struct pieces pieces = {0};
  int rc;

  mtx_lock(&f->synced.lock);
  rc = snapshot_take_locked(f, &s);
  if (rc == 0)
    rc = snapshot_pieces(&s, 0, s.size, &pieces);
  mtx_unlock(&f->synced.lock);
  if (rc == 0)
    rc = fetch_missing(f, &s, &pieces, p);
  pieces_fini(&pieces);
  if (s.layers != NULL)
    snapshot_fini(&s);
  return rc;
}

int staged_localize(struct staged *f, const struct patience *p) {
  int rc = change_begin(f);

  if (rc != 0)
    return rc;
  rc = localize(f, p);
  change_end(f);
  return rc;
}
