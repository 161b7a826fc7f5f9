/* Reading staged files: where each byte is, and copying it from there.
 *
 * A read resolves its range under the lock into pieces (zeroes, a layer, the
 * base), pins what they name, and copies without the lock. A byte that is being
 * written at that moment is read old or new. When the base turns out to be gone
 * because a commit of our own replaced it, the read resolves again, once that commit has ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/array.h"
#include "staging_internal.h"

#define TRIES 3
#define CLOSE_BEHIND ((uint64_t)16 << 20)

/* --- snapshots --- */

int snapshot_take_locked(struct staged *f, struct snapshot *out) {
  struct snapshot s = {.base = f->synced.base, .count = f->synced.count, .size = f->synced.size};

  s.layers = calloc(s.count + 1, sizeof(struct layer *));
  if (s.layers == NULL)
    return -ENOMEM;
  base_ref(s.base);
  for (size_t i = 0; i < s.count; i++) {
    s.layers[i] = f->synced.layers[i];
    layer_ref(s.layers[i]);
    s.top = s.layers[i]->seq;
  }
  *out = s;
  return 0;
}

void snapshot_cut(struct snapshot *s, uint32_t upto) {
  s->top = 0;
  s->size = s->base->attr.size;
  while (s->count > 0 && s->layers[s->count - 1]->seq > upto)
    layer_unref(s->layers[--s->count]);
  if (s->count > 0) {
    s->top = s->layers[s->count - 1]->seq;
    s->size = s->layers[s->count - 1]->size;
  }
}

void snapshot_fini(struct snapshot *s) {
  for (size_t i = 0; i < s->count; i++)
    layer_unref(s->layers[i]);
  free(s->layers);
  base_unref(s->base);
  *s = (struct snapshot){0};
}

static void close_layers(void *arg) {
  struct snapshot *s = arg;

  snapshot_fini(s);
  free(s);
}

void snapshot_fini_behind(struct snapshot *s, struct pool *pool) {
  struct snapshot *moved = s->size >= CLOSE_BEHIND ? malloc(sizeof(*moved)) : NULL;

  if (moved == NULL) {
    snapshot_fini(s);
    return;
  }
  base_unref(s->base); /* its store need not outlive the pool */
  s->base = NULL;
  *moved = *s;
  *s = (struct snapshot){0};
  if (pool_submit(pool, close_layers, moved) != 0)
    close_layers(moved);
}

/* --- pieces --- */

void pieces_fini(struct pieces *p) {
  free(p->items);
  *p = (struct pieces){0};
}

static int add_piece(struct pieces *p, struct piece piece) {
  struct piece *last = p->count > 0 ? &p->items[p->count - 1] : NULL;

  if (last != NULL && last->kind == piece.kind && last->layer == piece.layer) {
    last->to = piece.to;
    return 0;
  }
  if (array_room(&p->items, p->count, &p->cap, sizeof(*p->items)) != 0)
    return -ENOMEM;
  p->items[p->count++] = piece;
  return 0;
}

/* What byte `at` is, and up to where the next ones are the same. */
static struct piece piece_at(const struct snapshot *s, uint64_t at, uint64_t to) {
  struct piece p = {.kind = PIECE_BASE, .from = at, .to = to};
  uint64_t end;

  for (size_t i = s->count; i-- > 0;) {
    const struct layer *l = s->layers[i];
    bool own = ranges_at(&l->own, at, &end);

    if (end < p.to)
      p.to = end;
    if (own) {
      p.kind = PIECE_LAYER;
      p.layer = l;
      return p;
    }
    if (at >= l->keep) {
      p.kind = PIECE_ZERO;
      return p;
    }
    if (l->keep < p.to)
      p.to = l->keep;
  }
  if (at >= s->base->attr.size)
    p.kind = PIECE_ZERO;
  else if (s->base->attr.size < p.to)
    p.to = s->base->attr.size;
  return p;
}

int snapshot_pieces(const struct snapshot *s, uint64_t from, uint64_t to, struct pieces *out) {
  struct pieces p = {0};
  int rc = 0;

  while (rc == 0 && from < to) {
    struct piece next = piece_at(s, from, to);

    rc = add_piece(&p, next);
    from = next.to;
  }
  if (rc != 0)
    pieces_fini(&p);
  else
    *out = p;
  return rc;
}

/* --- copying --- */

static int read_base(const struct base *b, uint64_t from, uint64_t to, char *dst,
                     const struct patience *patience) {
  while (from < to) {
    struct reader_reply reply;
    size_t want = to - from < DATA_READ_MAX ? (size_t)(to - from) : DATA_READ_MAX;
    int rc = reader_read(b->reader, from, want, patience, &reply);

    if (rc != 0)
      return rc;
    for (int i = 0; i < reply.count; i++) {
      memcpy(dst, reply.iov[i].iov_base, reply.iov[i].iov_len);
      dst += reply.iov[i].iov_len;
    }
    from += reply.bytes;
    want = reply.bytes;
    reader_put(b->reader, &reply);
    if (want == 0)
      return -EIO;
  }
  return 0;
}

int pieces_read(const struct pieces *p, const struct snapshot *s, void *dst,
                const struct patience *patience) {
  char *at = dst;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < p->count; i++) {
    const struct piece *piece = &p->items[i];
    size_t len = (size_t)(piece->to - piece->from);

    switch (piece->kind) {
    case PIECE_ZERO:
      memset(at, 0, len);
      break;
    case PIECE_LAYER:
      rc = layer_read(piece->layer, piece->from, at, len);
      break;
    case PIECE_BASE:
      rc = read_base(s->base, piece->from, piece->to, at, patience);
      break;
    }
    at += len;
  }
  return rc;
}

/* The base's bytes that the pieces name, and what lies between them: one request. */
static int fetch_span(const struct pieces *p, const struct snapshot *s, const struct staged *f,
                      char *dst, uint64_t from, uint64_t to, struct store_detail *detail,
                      bool *told) {
  size_t got = 0;
  int rc =
      store_read_told(f->store, f->synced.key, s->base->attr.etag, from,
                      dst + (from - p->items[0].from), (size_t)(to - from), &got, detail, told);

  return rc == 0 && got != to - from ? -EIO : rc;
}

static int overlay(const struct pieces *p, char *dst) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < p->count; i++) {
    const struct piece *piece = &p->items[i];
    char *at = dst + (piece->from - p->items[0].from);
    size_t len = (size_t)(piece->to - piece->from);

    if (piece->kind == PIECE_ZERO)
      memset(at, 0, len);
    else if (piece->kind == PIECE_LAYER)
      rc = layer_read(piece->layer, piece->from, at, len);
  }
  return rc;
}

/* From the first byte that lies in the base to the last; false: too little for a request of
 * its own. */
static bool base_span(const struct pieces *p, uint64_t *from, uint64_t *to) {
  uint64_t first = UINT64_MAX;
  uint64_t end = 0;

  for (size_t i = 0; i < p->count; i++) {
    if (p->items[i].kind != PIECE_BASE)
      continue;
    first = p->items[i].from < first ? p->items[i].from : first;
    end = p->items[i].to;
  }
  *from = first;
  *to = end;
  return first < end && end - first > DATA_READ_MAX;
}

bool pieces_need_request(const struct pieces *p) {
  uint64_t from;
  uint64_t to;

  return base_span(p, &from, &to);
}

int pieces_fetch_told(const struct pieces *p, const struct snapshot *s, const struct staged *f,
                      void *dst, struct store_detail *detail, bool *told) {
  uint64_t from;
  uint64_t to;
  int rc;

  *told = false;
  if (!base_span(p, &from, &to))
    return -EINVAL;
  rc = fetch_span(p, s, f, dst, from, to, detail, told);
  return rc != 0 ? rc : overlay(p, dst);
}

int pieces_fetch(const struct pieces *p, const struct snapshot *s, const struct staged *f,
                 void *dst, const struct patience *patience) {
  bool told;

  return pieces_need_request(p) ? pieces_fetch_told(p, s, f, dst, NULL, &told)
                                : pieces_read(p, s, dst, patience);
}

/* Snapshot and pieces of [offset, offset + len), cut at the size. */
static int resolve(struct staged *f, uint64_t offset, uint64_t len, struct snapshot *s,
                   struct pieces *p, uint64_t *end) {
  int rc;

  mtx_lock(&f->synced.lock);
  rc = f->synced.lost ? -ESTALE : snapshot_take_locked(f, s);
  if (rc == 0) {
    *end = offset < s->size && len > s->size - offset ? s->size : offset + len;
    if (offset >= s->size)
      *end = offset;
    rc = snapshot_pieces(s, offset, *end, p);
  }
  mtx_unlock(&f->synced.lock);
  if (rc != 0 && s->layers != NULL)
    snapshot_fini(s);
  return rc;
}

/* *moved: the base is another one now. True: that is not to be known yet, because a commit is
 * under way, which may have replaced the version in the store already. */
static bool is_on_its_way(struct staged *f, const struct base *b, const struct patience *p,
                          bool *moved) {
  bool waits;

  mtx_lock(&f->synced.lock);
  waits = f->synced.committing && f->synced.base == b;
  if (waits)
    patience_wait(p, &f->synced.turn, &f->synced.lock);
  *moved = f->synced.base != b;
  mtx_unlock(&f->synced.lock);
  return waits;
}

static bool base_moved(struct staged *f, const struct base *b, const struct patience *p) {
  bool moved;

  while (is_on_its_way(f, b, p, &moved) && !moved && patience_check(p) == 0)
    continue;
  return moved;
}

int staged_read(struct staged *f, uint64_t offset, void *dst, size_t len, const struct patience *p,
                size_t *got) {
  int rc = -ESTALE;

  for (int i = 0; i < TRIES && rc == -ESTALE; i++) {
    struct snapshot s = {0};
    struct pieces pieces;
    uint64_t end;
    bool again = false;

    rc = resolve(f, offset, len, &s, &pieces, &end);
    if (rc != 0)
      return rc;
    rc = pieces_read(&pieces, &s, dst, p);
    if (rc == 0)
      rc = snapshot_is_here(f, &s, offset, end);
    if (rc == 0)
      *got = (size_t)(end - offset);
    else if (rc == -ESTALE)
      again = base_moved(f, s.base, p);
    pieces_fini(&pieces);
    snapshot_fini(&s);
    if (!again)
      break;
  }
  return rc;
}

int staged_seek(struct staged *f, uint64_t offset, int whence, uint64_t *out) {
  struct snapshot s = {0};
  struct pieces p;
  uint64_t end;
  int rc = resolve(f, offset, UINT64_MAX - offset, &s, &p, &end);

  if (rc != 0)
    return rc;
  *out = s.size;
  rc = offset >= s.size || whence == SEEK_DATA ? -ENXIO : 0;
  for (size_t i = 0; offset < s.size && i < p.count; i++) {
    if ((p.items[i].kind == PIECE_ZERO) != (whence == SEEK_HOLE))
      continue;
    *out = p.items[i].from;
    rc = 0;
    break;
  }
  pieces_fini(&p);
  snapshot_fini(&s);
  return rc;
}
