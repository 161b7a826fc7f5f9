/* What is not in the store yet: of earlier processes, and of this one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/data/recover.h"

static const struct root *root_of(const struct fs *fs, const char *domain) {
  for (size_t i = 0; i < fs->catalog.count; i++)
    if (strcmp(fs->catalog.roots[i].store->domain, domain) == 0)
      return &fs->catalog.roots[i];
  return NULL;
}

/* --- earlier processes --- */

struct recovering {
  struct fs *fs;
  struct fs_recovered *out;
};

static int recover_file(void *arg, struct journal_file *row) {
  struct recovering *r = arg;
  const struct root *root = root_of(r->fs, row->domain);
  struct recovery done;

  if (root == NULL || root->store->write == NULL) {
    log_warn("'%s' was changed before and is not in the store yet; its source is not mounted here, "
             "or read-only",
             row->key);
    r->out->left++;
    return 0;
  }
  staged_recover(r->fs->staging, root->store, row, &done);
  r->out->committed += done.committed;
  r->out->aside += done.aside != NULL;
  r->out->left += done.err != 0 && done.aside == NULL;
  recovery_fini(&done);
  return 0;
}

int fs_recover(struct fs *fs, struct fs_recovered *out) {
  struct recovering r = {fs, out};
  int rc;

  *out = (struct fs_recovered){0};
  rc = journal_each_file(fs->state, recover_file, &r);
  return rc != 0 ? rc : staging_sweep(fs->staging);
}

/* --- this one --- */

/* All writings, with a reference to each. */
static int take_all(struct fs *fs, struct writing ***out, size_t *count) {
  struct writing **all;
  struct writing *w;
  struct writing *next;
  size_t n = 0;

  mtx_lock(&fs->synced.lock);
  all = calloc(HASH_COUNT(fs->synced.writings) + 1, sizeof(struct writing *));
  if (all != NULL) {
    HASH_ITER (hh, fs->synced.writings, w, next) {
      w->refs++;
      all[n++] = w;
    }
  }
  mtx_unlock(&fs->synced.lock);
  *out = all;
  *count = n;
  return all != NULL ? 0 : -ENOMEM;
}

int fs_sync(struct fs *fs, unsigned *failed) {
  struct writing **all;
  size_t count;
  int first;

  *failed = 0;
  first = take_all(fs, &all, &count);
  for (size_t i = 0; i < count; i++) {
    int rc = writing_commit(fs, all[i]);

    *failed += rc != 0;
    first = first != 0 ? first : rc;
    writing_put(fs, all[i]);
  }
  free(all);
  return first;
}

struct telling {
  struct fs *fs;
  fs_pending_fn fn;
  void *arg;
};

static int tell_file(void *arg, struct journal_file *row) {
  struct telling *t = arg;
  const struct root *root = root_of(t->fs, row->domain);

  if (row->key[0] == '\0')
    return 0;
  return t->fn(t->arg, root != NULL ? root->path : row->domain, row->key, row->err);
}

int fs_pending(struct fs *fs, fs_pending_fn fn, void *arg) {
  struct telling t = {fs, fn, arg};

  return fs->state != NULL ? journal_each_file(fs->state, tell_file, &t) : 0;
}
