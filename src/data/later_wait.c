/* Names behind: what is under way, and waiting for it.
 *
 * A wait ends when nothing of what it is for is left that was there when it began, or when
 * an attempt that began since has failed. Copies have attempts of their own; what stands behind
 * one in the queue waits for that. */
#include <errno.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/log.h"

static struct later_change *find_locked(struct later *l, const char *key) {
  struct later_change *c;

  HASH_FIND_STR(l->synced.by_key, key, c);
  return c;
}

/* The first one up to `upto` that matches, and who has to send it or what stands before it. */
static const struct later_change *first_locked(struct later *l, later_match match, const char *what,
                                               uint64_t upto, struct later_lane **lane) {
  const struct later_change *c = l->synced.head;

  *lane = &l->synced.sending;
  for (; c != NULL; c = c->next) {
    if (c->kind == LATER_COPY)
      *lane = &l->synced.copying;
    if (c->seq <= upto && match(c, what))
      break;
  }
  return c;
}

/* Waits until none of those up to `upto` that `match` is left; or until an attempt that
 * began since has failed. */
static int wait_upto(struct later *l, later_match match, const char *what, uint64_t upto) {
  struct later_lane *lane;
  uint64_t sent;
  uint64_t copied;
  int rc = 0;

  mtx_lock(&l->synced.lock);
  sent = l->synced.sending.attempts + 2; /* one may be under way already */
  copied = l->synced.copying.attempts + 2;
  while (first_locked(l, match, what, upto, &lane) != NULL) {
    if (lane->attempts >= (lane == &l->synced.copying ? copied : sent) && lane->err != 0) {
      rc = lane->err;
      break;
    }
    cond_broadcast(&l->synced.work);
    cond_wait(&l->synced.done, &l->synced.lock);
  }
  mtx_unlock(&l->synced.lock);
  return rc;
}

int later_wait(struct later *l, later_match match, const char *what) {
  uint64_t upto;

  mtx_lock(&l->synced.lock);
  upto = l->synced.seq;
  mtx_unlock(&l->synced.lock);
  return wait_upto(l, match, what, upto);
}

bool later_is_failing(struct later *l) {
  bool failing;

  mtx_lock(&l->synced.lock);
  failing = l->synced.sending.err != 0 || l->synced.copying.err != 0;
  mtx_unlock(&l->synced.lock);
  return failing;
}

static bool is_key(const struct later_change *c, const char *key) {
  return strcmp(c->key, key) == 0;
}

bool later_is_below(const struct later_change *c, const char *prefix) {
  return strncmp(c->key, prefix, strlen(prefix)) == 0;
}

/* It is not there yet, as whoever looks has to find it. */
static bool is_copy(const struct later_change *c, const char *what) {
  (void)what;
  return c->kind == LATER_COPY && !c->copied;
}

bool later_is_copy_to(const struct later_change *c, const char *key) {
  return is_copy(c, key) && is_key(c, key);
}

bool later_is_copy_below(const struct later_change *c, const char *prefix) {
  return is_copy(c, prefix) && later_is_below(c, prefix);
}

/* More than the one entry of the listing that is its own may change with it. */
bool later_is_made_below(const struct later_change *c, const char *prefix) {
  return later_is_copy_below(c, prefix) || (c->kind == LATER_FOLDER && later_is_below(c, prefix));
}

bool later_is_deeper(const struct later_change *c, const char *prefix) {
  if (c->kind != LATER_REMOVAL)
    return later_is_made_below(c, prefix);
  return later_is_below(c, prefix) && strchr(c->key + strlen(prefix), '/') != NULL;
}

bool later_is_any(const struct later_change *c, const char *what) {
  (void)c;
  (void)what;
  return true;
}

int later_settle(struct later *l, const char *key) {
  bool busy;

  mtx_lock(&l->synced.lock);
  busy = find_locked(l, key) != NULL;
  mtx_unlock(&l->synced.lock);
  return busy ? later_wait(l, is_key, key) : 0;
}

int later_settle_moves(struct later *l, later_match match, const char *what) {
  struct later_lane *lane;
  bool busy = false;
  int err = 0;

  mtx_lock(&l->synced.lock);
  if (l->synced.moves != 0) {
    busy = first_locked(l, match, what, l->synced.seq, &lane) != NULL;
    err = l->synced.copying.err;
  }
  mtx_unlock(&l->synced.lock);
  if (busy && err == 0)
    err = later_wait(l, match, what);
  return busy ? err : 0;
}

int later_check(struct later *l, const char *key) {
  const struct later_change *c;
  bool gone;
  bool folder;

  mtx_lock(&l->synced.lock);
  c = find_locked(l, key);
  gone = c != NULL && c->kind == LATER_REMOVAL;
  folder = c != NULL && c->kind == LATER_FOLDER;
  mtx_unlock(&l->synced.lock);
  if (gone)
    return -ENOENT;
  return folder ? later_wait(l, is_key, key) : later_settle_moves(l, later_is_copy_to, key);
}

int later_settle_two(struct later *l, const char *from, const char *to) {
  int rc = later_check(l, from);

  return rc == 0 ? later_settle(l, to) : rc;
}

uint64_t later_mark(struct later *l) {
  uint64_t seq;

  mtx_lock(&l->synced.lock);
  seq = l->synced.moves != 0 && l->synced.copying.err == 0 ? l->synced.seq : 0;
  mtx_unlock(&l->synced.lock);
  return seq;
}

/* A move that cannot be made now holds nobody up for long: it tells its own story. */
int later_after_moves(struct later *l, uint64_t upto, int rc) {
  if (upto != 0 && wait_upto(l, is_copy, "", upto) != 0)
    log_debug("a change is acknowledged although an earlier move waits");
  return rc;
}
