/* Notes: what this mount itself did to the names of a directory.
 *
 * The store lists what it holds, so a listing that began after a change shows it.
 * Until there is such a one, the note stands over the listings and answers that
 * are older: by ticks, as everything that is learned. Notes of what is not in the
 * store yet (local nodes) stand over younger ones too. A directory may be listed anew while
 * somebody is in the middle of an older listing: its notes stay for that one. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "listing_internal.h"

static struct note *note_new(const char *name) {
  size_t len = strlen(name) + 1;
  struct note *t = calloc(1, sizeof(*t) + len);

  if (t != NULL)
    memcpy(t->name, name, len);
  return t;
}

bool notes_put_locked(struct ns *n, struct node *dir, const char *name, enum node_kind kind,
                      bool present) {
  struct note *t;

  shelving_unkeep_locked(n, dir);
  peeks_drop_locked(n, dir);
  HASH_FIND_STR(dir->dir.notes, name, t);
  if (t == NULL) {
    t = note_new(name);
    if (t == NULL) {
      listing_forget_locked(n, dir, false);
      return false;
    }
    HASH_ADD_KEYPTR(hh, dir->dir.notes, t->name, strlen(t->name), t);
    t->seq = n->synced.notes++;
  } else if (present && !t->present) {
    t->seq = n->synced.notes++;
  }
  t->kind = kind;
  t->present = present;
  t->tick = ns_tick_locked(n);
  return true;
}

const struct note *notes_find_locked(const struct node *dir, const char *name) {
  struct note *t;

  HASH_FIND_STR(dir->dir.notes, name, t);
  return t;
}

bool note_is_newer(const struct note *t, int64_t asof) {
  return t != NULL && t->tick > asof;
}

static bool is_local_locked(struct ns *n, struct node *dir, const struct note *t) {
  const struct node *i = t->present ? node_child_locked(n, dir, t->name, t->kind) : NULL;

  return i != NULL && i->local;
}

static void drop_locked(struct node *dir, struct note *t) {
  HASH_DEL(dir->dir.notes, t);
#ifndef __clang_analyzer__ /* it takes every entry for the table's last one */
  free(t);
#endif
}

/* Of the directory's listing and those before it that somebody needs. */
static int64_t oldest_locked(const struct ns *n, const struct node *dir) {
  int64_t oldest = dir->dir.listing->asof;
  const struct listing *l;

  DL_FOREACH (n->synced.aside, l)
    if (l->dir == dir && l->refs > l->idle && l->asof < oldest)
      oldest = l->asof;
  return oldest;
}

void notes_prune_locked(struct ns *n, struct node *dir) {
  struct note *t;
  struct note *next;
  int64_t oldest;

  if (dir->dir.notes == NULL || dir->dir.listing == NULL)
    return;
  oldest = oldest_locked(n, dir);
  HASH_ITER (hh, dir->dir.notes, t, next) {
    bool was_local = t->tick == INT64_MAX;

    if (!was_local && note_is_newer(t, dir->dir.listing->asof))
      continue;
    if (is_local_locked(n, dir, t))
      t->tick = INT64_MAX;
    else if (was_local || !note_is_newer(t, oldest))
      drop_locked(dir, t);
  }
}

void notes_free_locked(struct node *dir) {
  struct note *t;
  struct note *next;

  HASH_ITER (hh, dir->dir.notes, t, next)
    drop_locked(dir, t);
}
