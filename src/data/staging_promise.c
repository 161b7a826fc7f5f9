/* Promises: what outlives a crash from here on.
 *
 * A layer's files are synced, and their names; or, when it is small, its content goes
 * to the journal with the row that promises it: one sync for all of it, and for
 * everybody who promises something at that moment. Recovery writes such layers'
 * files anew, whatever became of them. What was promised once is not synced again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "staging_internal.h"

/* Journal rows of this size cost less than syncing two files and a folder. */
#define SMALL_BYTES ((uint64_t)64 << 10)
#define SMALL_MAP ((uint64_t)4 << 10)

struct packed {
  struct buf map;
  struct buf data;
};

/* What goes to the journal with the row. */
struct promise {
  struct snapshot state;
  struct packed *packed;
  struct journal_layer *layers;
  size_t count;
};

static void promise_fini(struct promise *p) {
  for (size_t i = 0; i < p->count; i++) {
    buf_fini(&p->packed[i].map);
    buf_fini(&p->packed[i].data);
  }
  free(p->packed);
  free(p->layers);
  snapshot_fini(&p->state);
}

static bool is_small(const struct layer *l) {
  return l->own.bytes <= SMALL_BYTES && l->log <= SMALL_MAP;
}

static int pack(struct promise *p, const struct layer *l) {
  struct packed *to = &p->packed[p->count];
  int rc;

  buf_init(&to->map, SMALL_MAP + 1);
  buf_init(&to->data, SMALL_BYTES + 1);
  p->count++;
  rc = layer_pack(l, &to->map, &to->data);
  p->layers[p->count - 1] = (struct journal_layer){.seq = l->seq,
                                                   .map = to->map.data,
                                                   .map_len = to->map.len,
                                                   .data = to->data.data,
                                                   .data_len = to->data.len};
  return rc;
}

/* Everything that the journal will name is on the disk, or goes there with the row. */
static int secure_layers(struct staged *f, struct promise *p, bool may_pack) {
  bool names = false;
  int rc = 0;

  p->packed = calloc(p->state.count + 1, sizeof(*p->packed));
  p->layers = calloc(p->state.count + 1, sizeof(*p->layers));
  if (p->packed == NULL || p->layers == NULL)
    return -ENOMEM;
  for (size_t i = 0; rc == 0 && i < p->state.count; i++) {
    struct layer *l = p->state.layers[i];

    if (l->promised)
      continue;
    if (may_pack && is_small(l)) {
      rc = pack(p, l);
    } else {
      rc = layer_sync(l);
      names = true;
    }
  }
  return rc == 0 && names ? state_sync_staging(f->staging->state) : rc;
}

static int promise_take(struct staged *f, struct promise *p, bool may_pack) {
  int rc;

  *p = (struct promise){0};
  mtx_lock(&f->synced.lock);
  rc = snapshot_take_locked(f, &p->state);
  mtx_unlock(&f->synced.lock);
  if (rc != 0)
    return rc;
  rc = secure_layers(f, p, may_pack);
  if (rc != 0)
    promise_fini(p);
  return rc;
}

/* Nothing came since the last promise. */
static bool is_promised(struct staged *f) {
  bool is;

  mtx_lock(&f->synced.lock);
  is = f->synced.promised && !f->synced.active && f->synced.count > 0 &&
       f->synced.layers[f->synced.count - 1]->seq == f->synced.acked;
  mtx_unlock(&f->synced.lock);
  return is;
}

static void promise_kept(struct staged *f, const struct promise *p, bool all) {
  mtx_lock(&f->synced.lock);
  for (size_t i = 0; all && i < p->state.count; i++)
    p->state.layers[i]->promised = true;
  f->synced.promised = all;
  mtx_unlock(&f->synced.lock);
}

static int acknowledge(struct staged *f) {
  struct promise p;
  struct layer *l;
  int rc = 0;

  if (is_promised(f))
    return 0;
  /* What is acknowledged is a layer, even when it is empty. */
  if (f->synced.count == 0)
    rc = staged_active_layer(f, &l);
  if (rc == 0) {
    staged_seal(f);
    rc = promise_take(f, &p, true);
  }
  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  f->synced.acked = p.state.top;
  f->synced.acked_log = p.state.layers[p.state.count - 1]->log;
  mtx_unlock(&f->synced.lock);
  rc = staged_note_promise(f, p.layers, p.count);
  promise_kept(f, &p, rc == 0);
  promise_fini(&p);
  return rc;
}

/* The layer that is still written to changes after this: it is not packed. */
static int secure(struct staged *f) {
  struct promise p;
  int rc;

  if (staged_id(f) == 0)
    return 0;
  rc = promise_take(f, &p, false);
  if (rc != 0)
    return rc;
  promise_fini(&p);
  return staged_note(f, STATE_DURABLE);
}

static int in_turn(struct staged *f, int (*fn)(struct staged *f)) {
  int rc;

  if (!staged_is_dirty(f))
    return 0;
  rc = change_begin(f);
  if (rc != 0)
    return rc;
  rc = fn(f);
  change_end(f);
  return rc;
}

int staged_acknowledge(struct staged *f) {
  return in_turn(f, acknowledge);
}

int staged_secure(struct staged *f) {
  return in_turn(f, secure);
}
