/* What is not in the store yet: of earlier processes, and of this one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/data/later.h"
#include "s3apfs/data/recover.h"

/* One that is shown, rather than one that was retired. */
const struct root *fs_root_of(struct fs *fs, const char *domain) {
  const struct root *found = NULL;
  const struct root *r;

  for (size_t i = 0; (r = fs_root_at(fs, i)) != NULL; i++)
    if (strcmp(r->store->domain, domain) == 0 && (found == NULL || atomic_load(&found->retired)))
      found = r;
  return found;
}

/* --- earlier processes --- */

const struct root *finishing_root(const struct finishing *f, const char *domain) {
  const struct root *r = fs_root_of(f->fs, domain);

  return r != NULL && r->store->write != NULL && (f->only == NULL || r == f->only) ? r : NULL;
}

struct recovering {
  struct fs *fs;
  const struct root *only; /* NULL: all */
  struct fs_recovered *out;
};

/* What a commit over an older version left as it was, the store knows. */
static bool ask_posix(const struct root *root, const char *key, struct posix *out) {
  struct store_attr attr;
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc = root->store->ops->head(root->store, key, &attr, &meta);
  if (rc == 0 && root->options.posix != ROOT_POSIX_OFF)
    posix_from_meta(&meta, out);
  kvlist_fini(&meta);
  return rc == 0;
}

/* Another process with this state would have remembered it. */
static void remember(struct fs *fs, const struct root *root, const struct journal_file *row,
                     const struct recovery *done) {
  struct posix posix;
  bool known;

  posix_from_meta(&done->meta, &posix);
  known = posix.has_mode || ask_posix(root, row->key, &posix);
  ns_remember(fs->ns, root, row->key, done->etag, known ? &posix : NULL);
}

static int recover_file(void *arg, struct journal_file *row) {
  struct recovering *r = arg;
  const struct root *root = fs_root_of(r->fs, row->domain);
  struct recovery done;

  if (r->only != NULL && root != r->only)
    return 0;
  if (root == NULL || root->store->write == NULL) {
    log_warn("'%s' was changed before and is not in the store yet; its source is not mounted here, "
             "or read-only",
             row->key);
    r->out->left++;
    return 0;
  }
  staged_recover(r->fs->staging, root->store, row, &done);
  if (done.committed) {
    remember(r->fs, root, row, &done);
    ns_unkeep(r->fs->ns, root, row->key);
  }
  if (done.aside != NULL)
    ns_unkeep(r->fs->ns, root, done.aside);
  r->out->committed += done.committed;
  r->out->aside += done.aside != NULL;
  r->out->left += done.err != 0 && done.aside == NULL;
  recovery_fini(&done);
  return 0;
}

/* Names that were acknowledged are in the store. 0, or why some are not. */
static int flush_names(struct fs *fs, unsigned *failed) {
  const struct root *r;
  int first = 0;

  for (size_t i = 0; (r = fs_root_at(fs, i)) != NULL; i++) {
    int rc = later_flush(r->store);

    *failed += rc != 0;
    first = first != 0 ? first : rc;
  }
  return first;
}

static int count_change(void *arg, struct journal_change *c) {
  (void)c;
  ++*(unsigned *)arg;
  return 0;
}

static int note_left(void *arg, struct journal_file *row) {
  struct fs *fs = arg;

  if (row->id > fs->left_upto)
    fs->left_upto = row->id;
  return 0;
}

int fs_recover(struct fs *fs, struct fs_recovered *out) {
  struct recovering r = {.fs = fs, .out = out};
  unsigned failed = 0;
  unsigned left = 0;
  int rc;

  *out = (struct fs_recovered){0};
  if (flush_names(fs, &failed) != 0)
    log_warn("names that were changed before are not all in the store yet");
  rc = exchange_finish(fs, NULL); /* first: what was staged of a side is for its own name */
  if (rc == 0)
    rc = journal_each_file(fs->state, recover_file, &r);
  if (rc == 0)
    rc = moves_finish(fs, NULL);
  if (journal_each_change(fs->state, count_change, &left) == 0)
    out->left += left;
  fs->left_upto = 0;
  if (rc == 0)
    rc = journal_each_file(fs->state, note_left, fs);
  return rc != 0 ? rc : staging_sweep(fs->staging);
}

void pending_recover_root(struct fs *fs, const struct root *r) {
  struct fs_recovered out = {0};
  struct recovering one = {.fs = fs, .only = r, .out = &out};
  int rc;

  if (later_flush(r->store) != 0)
    log_warn("names that were changed before in %s are not all in the store yet", r->path);
  rc = exchange_finish(fs, r); /* in the order of fs_recover() */
  if (rc == 0)
    rc = journal_each_file(fs->state, recover_file, &one);
  if (rc == 0)
    rc = moves_finish(fs, r);
  if (rc != 0)
    log_error("the journal cannot be read: %s", strerror(-rc));
  else if (out.committed + out.aside + out.left > 0)
    log_warn("of an earlier mount, in %s: %u files were finished, %u copies kept, %u still wait",
             r->path, out.committed, out.aside, out.left);
}

/* --- this one --- */

int fs_sync(struct fs *fs, unsigned *failed) {
  struct writing **all;
  size_t count;
  int first;
  int rc;

  *failed = unnoted_retry(fs) != 0;
  first = writings_borrow(fs, &all, &count);
  for (size_t i = 0; i < count; i++) {
    rc = gate_commit(fs, all[i]);
    *failed += rc != 0;
    first = first != 0 ? first : rc;
    writing_give_back(fs, all[i]);
  }
  free(all);
  rc = flush_names(fs, failed);
  return first != 0 ? first : rc;
}

int fs_fsyncdir(struct fs *fs, uint64_t ino) {
  const struct root *r;
  char *key;
  int rc = ns_get_key(fs->ns, ino, &r, &key);

  if (rc != 0)
    return rc;
  free(key);
  if (r == NULL || fs->state == NULL)
    return 0;
  return r->options.writeback ? state_sync(fs->state) : later_flush(r->store);
}

/* --- telling --- */

struct telling {
  struct fs *fs;
  fs_pending_fn fn;
  void *arg;
};

/* What an earlier process left and this one could not send is not tried again: it has
 * failed, whatever the journal says of it. */
static int failure_of(struct fs *fs, const struct root *root, const struct journal_file *row) {
  struct writing *w;

  if (root == NULL)
    return -ENODEV;
  if (row->err != 0 || row->id > fs->left_upto)
    return row->err;
  w = writing_of_row(fs, row->id);
  if (w == NULL)
    return -EIO;
  writing_give_back(fs, w);
  return 0;
}

static int tell_file(void *arg, struct journal_file *row) {
  struct telling *t = arg;
  const struct root *root = fs_root_of(t->fs, row->domain);
  const struct fs_pending_item item = {.root = root != NULL ? root->path : row->domain,
                                       .key = row->key,
                                       .id = row->id,
                                       .err = failure_of(t->fs, root, row)};

  return row->key[0] != '\0' && !staging_is_over(t->fs->staging, row->id) ? t->fn(t->arg, &item)
                                                                          : 0;
}

static int tell_change(void *arg, struct journal_change *c) {
  struct telling *t = arg;
  const struct root *root = fs_root_of(t->fs, c->domain);
  bool over = false;
  int err = c->err;
  struct fs_pending_item item = {.root = root != NULL ? root->path : c->domain, .key = c->key};

  (void)unnoted_find(t->fs, c->id, &over, &err);
  item.err = root != NULL ? err : -ENODEV;
  return over ? 0 : t->fn(t->arg, &item);
}

int fs_pending(struct fs *fs, fs_pending_fn fn, void *arg) {
  struct telling t = {fs, fn, arg};
  int rc;

  if (fs->state == NULL)
    return 0;
  staging_drop_over(fs->staging);
  rc = journal_each_file(fs->state, tell_file, &t);
  return rc == 0 ? journal_each_change(fs->state, tell_change, &t) : rc;
}
