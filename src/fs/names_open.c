/* Changes of names and attributes while the file is written to.
 *
 * What is staged is brought to the store before its object is moved, so that what
 * moves is whole, and follows it afterwards: the handles go on writing over the
 * moved version. A removed name takes back what was not committed; the handles keep
 * the bytes. Attributes of a file with something staged go out with its next commit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/data/later.h"

static int settle(struct fs *fs, struct writing *w, bool *changed) {
  int rc = 0;

  if (staged_is_dirty(w->staged)) {
    rc = writing_commit(fs, w);
    *changed = rc == 0;
  }
  if (rc == 0 && writing_await_told(fs, w))
    *changed = true;
  return rc;
}

/* Who reads an older version would read the newer one on, in the midst of it, and others would open
 * the older one under the new name. */
static int adopt(struct fs *fs, uint64_t ino, const char *etag) {
  struct store_attr seen;

  return fs_files_view(fs, ino, &seen) && strcmp(seen.etag, etag) != 0 ? 0 : writing_adopt(fs, ino);
}

int names_settle(struct fs *fs, uint64_t ino, const char *etag, bool *changed) {
  struct writing *w;
  int rc = adopt(fs, ino, etag);

  *changed = false;
  w = rc == 0 ? writing_find(fs, ino) : NULL;
  if (w == NULL)
    return rc;
  rc = settle(fs, w, changed);
  writing_put(fs, w);
  return rc;
}

static int follow(struct writing *w, const char *was, const char *key,
                  const struct store_attr *attr) {
  return staged_is_from(w->staged, was) ? staged_rename(w->staged, key, attr)
                                        : staged_rename_astray(w->staged, key);
}

int names_follow(struct fs *fs, uint64_t ino, const char *was, const char *key,
                 const struct store_attr *attr) {
  struct writing *w = writing_find(fs, ino);
  int rc = w != NULL ? follow(w, was, key, attr) : 0;

  versions_own(fs, ino, w, was, attr);
  if (w != NULL)
    writing_put(fs, w);
  return rc;
}

/* Which version the store has: `known`, if the staged file tells that. */
static void find_left(const struct ns_child *c, const struct store_attr *known, bool sure,
                      struct store_attr *left) {
  struct store *s = c->root->store;
  struct store_attr now;

  *left = c->local ? *known : c->attr; /* a commit may have ended since *c was taken */
  if (!sure && s->ops->head(s, c->key, &now, NULL) == 0)
    *left = now;
}

/* A commit may have ended in between, and what it sent is here no more. */
static void keep_bytes_again(struct fs *fs, const struct ns_child *c) {
  if (writing_keep_bytes(fs, c->ino) != 0)
    log_debug("a removed file that is open may not be readable any more");
}

int names_forget(struct fs *fs, const struct ns_child *c, struct store_attr *left) {
  struct store_attr known;
  struct writing *w;
  bool sure = true;
  int rc = writing_adopt(fs, c->ino);

  *left = c->attr;
  w = rc == 0 ? writing_find(fs, c->ino) : NULL;
  if (w == NULL)
    return rc;
  rc = staged_unlink(w->staged, &known, &sure);
  if (rc == 0)
    keep_bytes_again(fs, c);
  writing_put(fs, w);
  if (rc == 0)
    find_left(c, &known, sure, left);
  return rc;
}

/* --- removing --- */

struct unlinking {
  struct fs *fs;
  struct writing *writing;
  const struct ns_child *child;
  struct store_attr left;
};

static int note_unlinked(void *arg, struct journal_change *row) {
  struct unlinking *u = arg;

  return staged_note_with(u->writing->staged, row);
}

static void take_back(void *arg) {
  struct unlinking *u = arg;

  if (names_follow(u->fs, u->child->ino, u->left.etag, u->child->key, &u->left) != 0)
    log_warn("'%s' could not be removed, and what is open of it is not saved any more",
             u->child->key);
}

/* The store is one that has to be told at once and has no journal. */
static int remove_unnoted(struct unlinking *u) {
  const struct ns_child *c = u->child;
  int rc = staged_note_unlinked(u->writing->staged);

  if (rc == 0)
    rc = names_remove(c->root, c->key, u->left.etag);
  if (rc != 0)
    take_back(u);
  return rc;
}

/* No commit begins any more; what one sent that had begun before is here no more, and somebody may
 * have opened the file since. */
static int remove_left(struct unlinking *u) {
  const struct later_noter noter = {.note = note_unlinked, .back = take_back, .arg = u};
  const struct ns_child *c = u->child;
  const char *etag = u->left.etag[0] != '\0' ? u->left.etag : NULL;
  int rc = writing_keep_bytes(u->fs, c->ino);

  if (rc != 0) {
    take_back(u);
    return rc;
  }
  rc = later_remove_noted(c->root->store, c->key, etag, &noter);
  return rc == -EOPNOTSUPP ? remove_unnoted(u) : rc;
}

static bool is_in_store(const struct ns_child *c, const struct store_attr *left) {
  return !c->local || left->etag[0] != '\0';
}

/* Nothing of it is in the store. Where the journal has no room for that and nobody has the file
 * open, what comes next gives room back: who cannot write any more has to be able to remove. */
static int note_gone(struct fs *fs, const struct writing *w) {
  int rc = staged_note_unlinked(w->staged);

  return rc == -ENOSPC && !fs_files_use(fs, w) ? 0 : rc;
}

int names_unlink(struct fs *fs, uint64_t parent, const char *name, const struct ns_child *c) {
  struct unlinking u = {.fs = fs, .child = c, .left = c->attr};
  struct store_attr known;
  bool sure = true;
  int rc = writing_keep_bytes(fs, c->ino);

  if (rc != 0)
    return rc;
  if (is_in_store(c, &u.left))
    names_keep_folder(fs, parent, name);
  u.writing = writing_find(fs, c->ino);
  if (u.writing == NULL) /* -ESTALE: it was sent since *c was taken */
    return is_in_store(c, &u.left) ? names_remove(c->root, c->key, c->attr.etag) : -ESTALE;
  rc = staged_unlink_unnoted(u.writing->staged, &known, &sure);
  if (rc == 0) {
    find_left(c, &known, sure, &u.left);
    rc = is_in_store(c, &u.left) ? remove_left(&u) : note_gone(fs, u.writing);
  }
  if (rc == 0)
    writing_drop_removed(fs, u.writing);
  writing_put(fs, u.writing);
  return rc;
}

/* --- folders ------------------------------------------------------------------------- */

/* The key of the writing's inode when it lies below the folder; NULL when not, or when its
 * name is gone. */
static char *key_below(struct fs *fs, const struct writing *w, const struct root *r,
                       const char *folder) {
  const struct root *root;
  char *key;

  if (!ns_has_name(fs->ns, w->ino) || ns_get_key(fs->ns, w->ino, &root, &key) != 0)
    return NULL;
  if (root == r && strncmp(key, folder, strlen(folder)) == 0)
    return key;
  free(key);
  return NULL;
}

/* Adopts it as adopt(), and says of what is staged then whether it can follow. */
static int adopt_one(struct fs *fs, uint64_t ino, const char *etag) {
  int rc = adopt(fs, ino, etag);
  struct writing *w = rc == 0 ? writing_find(fs, ino) : NULL;

  if (w == NULL)
    return rc;
  w->looked = true;
  w->astray = !staged_is_from(w->staged, etag);
  writing_put(fs, w);
  return 0;
}

/* Files that are only read follow too. */
static int adopt_below(struct fs *fs, const struct root *r, const char *folder) {
  int rc = 0;

  for (uint64_t ino = fs_files_next(fs, 0); rc == 0 && ino != 0; ino = fs_files_next(fs, ino)) {
    const struct root *root;
    struct store_attr now;
    char *key;

    if (!ns_has_name(fs->ns, ino) || ns_get_key(fs->ns, ino, &root, &key) != 0)
      continue;
    if (root == r && strncmp(key, folder, strlen(folder)) == 0 &&
        r->store->ops->head(r->store, key, &now, NULL) == 0)
      rc = adopt_one(fs, ino, now.etag);
    free(key);
  }
  return rc;
}

/* Whether it can follow its object, which is about to be moved as it is. */
static int settle_one(struct fs *fs, struct writing *w, const struct root *r, const char *key) {
  struct store_attr now;
  bool changed = false;
  int rc = settle(fs, w, &changed);

  if (changed)
    w->astray = false;
  else if (rc == 0 && !w->looked)
    w->astray =
        r->store->ops->head(r->store, key, &now, NULL) == 0 && !staged_is_from(w->staged, now.etag);
  return rc;
}

int names_settle_below(struct fs *fs, const struct root *r, const char *folder) {
  struct writing **all;
  size_t count;
  int rc = adopt_below(fs, r, folder);

  if (rc != 0)
    return rc;
  rc = writings_get(fs, &all, &count);

  for (size_t i = 0; i < count; i++) {
    char *key = key_below(fs, all[i], r, folder);

    if (key != NULL && rc == 0)
      rc = settle_one(fs, all[i], r, key);
    if (key != NULL)
      all[i]->looked = false;
    free(key);
    writing_put(fs, all[i]);
  }
  free(all);
  return rc;
}

static int follow_one(struct fs *fs, struct writing *w, const struct root *r, const char *folder) {
  char *key = key_below(fs, w, r, folder);
  struct store_attr attr;
  int rc;

  if (key == NULL)
    return 0;
  rc = r->store->ops->head(r->store, key, &attr, NULL);
  if (rc == 0)
    rc = w->astray ? staged_rename_astray(w->staged, key) : staged_rename(w->staged, key, &attr);
  if (rc == 0 && !w->astray)
    versions_own(fs, w->ino, w, w->base_etag, &attr);
  free(key);
  return rc;
}

int names_follow_below(struct fs *fs, const struct root *r, const char *folder) {
  struct writing **all;
  size_t count;
  int first = writings_get(fs, &all, &count);

  for (size_t i = 0; i < count; i++) {
    int rc = follow_one(fs, all[i], r, folder);

    if (first == 0)
      first = rc;
    writing_put(fs, all[i]);
  }
  free(all);
  return first;
}

/* --- attributes ------------------------------------------------------------------------ */

static int dress(struct writing *w, const struct posix *posix, bool dirty) {
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc = root_dress(w->root, posix, &meta);
  if (rc == 0)
    rc = staged_dress(w->staged, &meta, dirty);
  kvlist_fini(&meta);
  return rc;
}

int names_dress_staged(struct fs *fs, uint64_t ino, const struct posix *posix) {
  struct writing *w = writing_find(fs, ino);
  bool dirty;
  int rc;

  if (w == NULL)
    return -ENOENT;
  dirty = staged_is_dirty(w->staged);
  rc = dress(w, posix, dirty);
  if (posix->has_mtime) {
    atomic_store(&w->mtime_ns, posix->mtime_ns);
    atomic_store(&w->dressed_ns, posix->mtime_ns);
    atomic_store(&w->timed, true);
  }
  if (rc == 0 && dirty && staged_dress_is_alone(w->staged)) /* the commit it was for is over */
    rc = writing_promise(fs, w);
  writing_put(fs, w);
  return rc == 0 && !dirty ? -ENOENT : rc;
}
