/* How fast stores are, learned from loads.
 *
 * What counts is the time that one part takes at best: the wait for the first
 * byte and the bytes at the pace of one connection. So much time ahead of the
 * reader its parts have to be asked for. The best is kept, as loads that share a
 * busy wire look slow, and forgotten slowly, as wires change. */
#include "cache.h"

/* What the fastest reader takes a microsecond: 2.5 GB a second, more than a
 * program gets through FUSE. */
#define BYTES_PER_US ((size_t)2500)
#define WINDOW_MIN ((size_t)16 << 20)
#define FAR_US 5000
#define FAR_BYTES_PER_US ((size_t)100) /* of one connection; S3's bring 90 MB a second */
#define NOTED_MIN ((size_t)1 << 20)    /* smaller loads say little about the pace */

static struct pace *find_locked(struct cache *c, const struct store *s) {
  for (unsigned i = 0; i < PACES_MAX; i++)
    if (c->synced.paces[i].store == s)
      return &c->synced.paces[i];
  return NULL;
}

static void take_best(int64_t *best, int64_t us) {
  *best += *best / 64;
  if (*best == 0 || us < *best)
    *best = us;
}

void pace_note_locked(struct cache *c, const struct store *s, size_t length, int64_t us,
                      int64_t first_us) {
  struct pace *p = find_locked(c, s);

  if (p == NULL) {
    p = &c->synced.paces[c->synced.pace_next++ % PACES_MAX];
    *p = (struct pace){.store = s};
  }
  take_best(&p->wait_us, first_us);
  if (length >= NOTED_MIN && us > first_us)
    take_best(&p->part_us, first_us + (us - first_us) * (int64_t)DATA_PART / (int64_t)length);
}

size_t pace_far_locked(const struct cache *c, const struct store *s) {
  const struct pace *p = find_locked((struct cache *)c, s);

  if (p == NULL || p->wait_us < FAR_US)
    return 0;
  return (size_t)p->wait_us < DATA_PART / FAR_BYTES_PER_US ? (size_t)p->wait_us * FAR_BYTES_PER_US
                                                           : DATA_PART;
}

size_t pace_window_locked(const struct cache *c, const struct store *s) {
  const struct pace *p = find_locked((struct cache *)c, s);

  /* Unknown: as far as memory allows, for a far store costs more than a near one. */
  if (p == NULL || p->part_us == 0)
    return SIZE_MAX;
  return WINDOW_MIN + (size_t)p->part_us * BYTES_PER_US;
}
