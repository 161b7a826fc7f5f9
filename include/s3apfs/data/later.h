/* Changes of names that are acknowledged by the journal and sent to the store behind.
 *
 * A store over another one. Removals, and folders' own objects, return once they are in
 * the journal; a thread sends them at once and in order, many at a time. Through this
 * store everything looks as if they had been sent: a removed key is absent, and
 * whatever would depend on what is under way (a listing, a new object of that key) waits
 * for it. The first change of each kind is sent before it returns, so that who may not
 * make it learns so. src/data/later.c says more. */
#ifndef S3APFS_DATA_LATER_H
#define S3APFS_DATA_LATER_H

#include "s3apfs/state/journal.h"
#include "s3apfs/store/write.h"

/* Takes `inner` (which has ->write) on success; state is borrowed and outlives it. What an
 * earlier process left in the journal is under way from here on. Its destroy() makes one more
 * attempt for what is left. at_once: nothing else is sent behind, because other hosts have to
 * see a change when the call returned. */
int later_new(struct state *state, struct store *inner, bool at_once, struct store **out);
/* Moves a small object: `from` (with its etag, plain) gets `key`; version `over` of what has
 * that key (NULL: there is nothing) is replaced. *behind: it will be, and *out is how it will look;
 * all else waits for it where it matters. Else the copy is there, and the removal of `from` is
 * the caller's. -EAGAIN: not in this way; nothing was done. Else as store->write->copy(). */
int later_move(struct store *s, const struct store_source *from, const char *key, const char *over,
               struct store_attr *out, bool *behind);
/* Waits until everything that was acknowledged is in the store. 0, or why it is not:
 * then it is tried on; or why a move was given up since the last call. */
int later_flush(struct store *s);
/* store->write->remove() of any store that is over before it returns: for who has to know
 * how it ended. */
int later_remove_now(struct store *s, struct store_doomed *items, size_t count);
/* How the journal learns of a removal together with something else. */
struct later_noter {
  int (*note)(void *arg, struct journal_change *row); /* as journal_add_change() */
  void (*back)(void *arg); /* it failed: what was noted with it is taken back */
  void *arg;
};
/* Removes this version (NULL: any) as store->write->remove() does, behind or before this returns,
 * and has it noted in any case. -EOPNOTSUPP: the store sends nothing behind, nothing was done;
 * after any other failure back() was called. */
int later_remove_noted(struct store *s, const char *key, const char *etag,
                       const struct later_noter *n);

#endif
