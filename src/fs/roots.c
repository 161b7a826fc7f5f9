/* Roots of a live file system: they are added, retired and shown again.
 *
 * A root is never freed before the end: handles, writings and what waits in the journal
 * refer to it. Retired, it finishes what is open in it and sends what was promised. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/data/later.h"

struct root *fs_root_at(struct fs *fs, size_t i) {
  struct root *r;

  mtx_lock(&fs->synced.lock);
  r = i < fs->catalog.count ? fs->catalog.roots[i] : NULL;
  mtx_unlock(&fs->synced.lock);
  return r;
}

struct root_writes *fs_root_writes(struct fs *fs, const struct root *r) {
  struct root_writes *w;

  mtx_lock(&fs->synced.lock);
  w = fs->synced.writes[r->index];
  mtx_unlock(&fs->synced.lock);
  return w;
}

static int grow_writes_locked(struct fs *fs, size_t count) {
  struct root_writes **grown = realloc(fs->synced.writes, count * sizeof(struct root_writes *));

  if (grown == NULL)
    return -ENOMEM;
  fs->synced.writes = grown;
  for (; fs->synced.writes_count < count; fs->synced.writes_count++) {
    grown[fs->synced.writes_count] = calloc(1, sizeof(struct root_writes));
    if (grown[fs->synced.writes_count] == NULL)
      return -ENOMEM;
  }
  return 0;
}

/* Where a root may be changed, its names are sent behind the journal, unless other hosts
 * that always ask have to see them (close-to-open). A tree of grants
 * decides key by key who may: it is asked each time. */
static int put_names_behind(struct fs *fs, struct store **s, const struct root_options *o) {
  if (fs->state == NULL || (*s)->write == NULL || (*s)->read_only || (*s)->write->may_write != NULL)
    return 0;
  return later_new(fs->state, *s, o->metadata_ttl_ms == 0, s);
}

int fs_roots_new(struct fs *fs) {
  int rc;

  mtx_lock(&fs->synced.lock);
  rc = grow_writes_locked(fs, fs->catalog.count);
  mtx_unlock(&fs->synced.lock);
  for (size_t i = 0; rc == 0 && i < fs->catalog.count; i++)
    rc = put_names_behind(fs, &fs->catalog.roots[i]->store, &fs->catalog.roots[i]->options);
  return rc;
}

void fs_roots_free(struct fs *fs) {
  for (size_t i = 0; i < fs->synced.writes_count; i++)
    free(fs->synced.writes[i]);
  free(fs->synced.writes);
}

static int add(struct fs *fs, const char *path, struct store *s, const struct root_options *o,
               struct root **out) {
  int rc;

  mtx_lock(&fs->synced.lock);
  rc = grow_writes_locked(fs, fs->catalog.count + 1);
  if (rc == 0)
    rc = catalog_add(&fs->catalog, path, s, o);
  if (rc == 0)
    *out = fs->catalog.roots[fs->catalog.count - 1];
  mtx_unlock(&fs->synced.lock);
  return rc;
}

/* What was written comes as far as it gets; 0 when no change of a name is left. */
static int flush(struct fs *fs, const struct root *r) {
  struct writing **all;
  size_t count;
  int rc = writings_borrow(fs, &all, &count);

  for (size_t i = 0; rc == 0 && i < count; i++) {
    if (all[i]->root == r && gate_commit(fs, all[i]) != 0)
      log_debug("a file of %s waits on", r->path);
    writing_give_back(fs, all[i]);
  }
  if (rc == 0)
    free(all);
  return rc == 0 ? later_flush(r->store) : rc;
}

/* Whoever sends changes of names finds those of another root of the same store in the
 * journal, and would send them once more: they have to be over. *first: there was none, so
 * that the journal's rows are an earlier process's. */
static int finish_others(struct fs *fs, const char *domain, bool *first) {
  const struct root *r;
  int rc = 0;

  *first = true;
  for (size_t i = 0; rc == 0 && (r = fs_root_at(fs, i)) != NULL; i++) {
    if (strcmp(r->store->domain, domain) != 0)
      continue;
    *first = false;
    rc = flush(fs, r);
  }
  return rc;
}

int fs_add_root(struct fs *fs, const char *path, struct store *s, const struct root_options *o,
                const struct root **out) {
  struct root *r = NULL;
  bool first;
  int rc = finish_others(fs, s->domain, &first);

  if (rc == 0)
    rc = put_names_behind(fs, &s, o);
  if (rc == 0)
    rc = add(fs, path, s, o, &r);
  if (rc != 0) {
    store_free(s);
    return rc;
  }
  if (first && fs->state != NULL)
    pending_recover_root(fs, r);
  rc = ns_show_root(fs->ns, r);
  if (rc != 0) {
    atomic_store(&r->retired, true);
    return rc;
  }
  *out = r;
  return 0;
}

void fs_show_first(struct fs *fs, const struct root *root, const struct store_page *first,
                   int64_t asked_ms) {
  ns_show_first(fs->ns, root, first, asked_ms);
}

void fs_retire_root(struct fs *fs, const struct root *root) {
  struct root *r = fs_root_at(fs, root->index);

  atomic_store(&r->retired, true);
  ns_hide_root(fs->ns, r);
}

int fs_revive_root(struct fs *fs, const struct root *root) {
  struct root *r = fs_root_at(fs, root->index);
  int rc;

  atomic_store(&r->retired, false);
  rc = ns_show_root(fs->ns, r);
  if (rc != 0)
    atomic_store(&r->retired, true);
  return rc;
}

void fs_set_deadline(struct fs *fs, int64_t ms) {
  atomic_store(&fs->deadline_ms, ms);
}
