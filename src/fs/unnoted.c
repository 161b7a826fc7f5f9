/* What the journal could not be told of names, because its disk was full or failed: that a move is
 * over, or how far an exchange is on its way back. It is tried again at growing intervals and
 * whenever somebody syncs. What else waits for the next mount is only known here, so that nobody
 * waits for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"

enum wait_for {
  WAIT_OVER,     /* the row has to go, and nothing else */
  WAIT_EXCHANGE, /* the exchange is to be finished */
  WAIT_MOUNT,    /* the next mount goes on with it */
};

struct unnoted {
  int64_t id; /* of the journal's row */
  enum wait_for what;
  struct exchange *exchange; /* owned */
  int err;
  struct unnoted *next;
};

static bool is_tried(const struct unnoted *u) {
  return u->what != WAIT_MOUNT;
}

static void put_locked(struct fs *fs, struct unnoted *u) {
  u->next = fs->synced.unnoted;
  fs->synced.unnoted = u;
}

static void unnoted_end(struct unnoted *u) {
  exchange_free(u->exchange);
  free(u);
}

/* --- trying ---------------------------------------------------------------------------- */

static struct unnoted *take(struct fs *fs) {
  struct unnoted **at;
  struct unnoted *u;

  mtx_lock(&fs->synced.lock);
  at = &fs->synced.unnoted;
  while (*at != NULL && !is_tried(*at))
    at = &(*at)->next;
  u = *at;
  if (u != NULL)
    *at = u->next;
  mtx_unlock(&fs->synced.lock);
  return u;
}

static int try_one(struct fs *fs, struct unnoted *u) {
  u->err = u->what == WAIT_OVER ? journal_drop_change(fs->state, u->id, STATE_DURABLE)
                                : exchange_again(u->exchange);
  return u->err;
}

int unnoted_retry(struct fs *fs) {
  struct unnoted *failed = NULL;
  struct unnoted *u;
  int first = 0;

  while ((u = take(fs)) != NULL) {
    int rc = try_one(fs, u);

    if (rc == 0) {
      unnoted_end(u);
      continue;
    }
    first = first != 0 ? first : rc;
    u->next = failed;
    failed = u;
  }
  mtx_lock(&fs->synced.lock);
  while ((u = failed) != NULL) {
    failed = u->next;
    put_locked(fs, u);
  }
  mtx_unlock(&fs->synced.lock);
  return first;
}

/* 0: nothing is left to be tried, and who adds something asks for this anew. */
static int try_behind(struct fs *fs) {
  const struct unnoted *u;

  (void)unnoted_retry(fs);
  mtx_lock(&fs->synced.lock);
  u = fs->synced.unnoted;
  while (u != NULL && !is_tried(u))
    u = u->next;
  fs->synced.unnoted_tried = u != NULL;
  mtx_unlock(&fs->synced.lock);
  return u != NULL ? -EAGAIN : 0;
}

/* --- adding ---------------------------------------------------------------------------- */

static void add(struct fs *fs, const struct unnoted *what) {
  struct unnoted *u = malloc(sizeof(*u));
  bool ask = false;

  if (u == NULL) {
    exchange_free(what->exchange);
    return;
  }
  *u = *what;
  mtx_lock(&fs->synced.lock);
  put_locked(fs, u);
  if (is_tried(u) && !fs->synced.unnoted_tried)
    ask = fs->synced.unnoted_tried = true;
  mtx_unlock(&fs->synced.lock);
  if (ask)
    behind_again(fs, try_behind);
}

void unnoted_over(struct fs *fs, int64_t id, int err) {
  add(fs, &(struct unnoted){.id = id, .what = WAIT_OVER, .err = err});
}

void unnoted_exchange(struct fs *fs, int64_t id, struct exchange *x, int err) {
  add(fs, &(struct unnoted){.id = id, .what = WAIT_EXCHANGE, .exchange = x, .err = err});
}

void unnoted_left(struct fs *fs, int64_t id, int err) {
  add(fs, &(struct unnoted){.id = id, .what = WAIT_MOUNT, .err = err});
}

/* --- telling --------------------------------------------------------------------------- */

bool unnoted_find(struct fs *fs, int64_t id, bool *over, int *err) {
  const struct unnoted *u;

  mtx_lock(&fs->synced.lock);
  u = fs->synced.unnoted;
  while (u != NULL && u->id != id)
    u = u->next;
  if (u != NULL) {
    *over = u->what == WAIT_OVER;
    *err = u->err;
  }
  mtx_unlock(&fs->synced.lock);
  return u != NULL;
}

void unnoted_free(struct fs *fs) {
  struct unnoted *u;

  while ((u = fs->synced.unnoted) != NULL) {
    fs->synced.unnoted = u->next;
    unnoted_end(u);
  }
}
