/* The file system by inode numbers: names from ns, bytes from data, and the
 * rules that join them. Handles are pointers given out as numbers. */
#include "s3apfs/fs/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

#define DEFAULT_DEADLINE_MS 60000
#define BLOCK_SIZE 4096
/* A store has no size; programs that check for room should find plenty. */
#define STATFS_BLOCKS ((fsblkcnt_t)1 << 38)
#define XATTR_PREFIX "user."

/* Listings have a share of their own: blocks would leave them nothing. */
static int fs_parts(struct fs *fs, const struct fs_options *o) {
  size_t names = o->memory / 8;
  struct ns_options no = {.clock = o->clock};
  struct staging_options so = {0};
  int rc = budget_new(o->memory - names, &fs->budget);

  if (rc == 0)
    rc = budget_new(names, &fs->names_budget);
  if (rc == 0)
    rc = cache_new(fs->budget, &fs->cache);
  if (rc == 0)
    cache_set_disk(fs->cache, o->disk);
  if (rc == 0)
    cache_set_tier(fs->cache, o->tier);
  if (rc == 0)
    cache_want_proof(fs->cache);
  fs->state = o->state;
  so.size = o->staging_size;
  so.part_size = o->part_size;
  so.stored = writing_stored;
  so.stored_arg = fs;
  if (rc == 0)
    rc = fs_roots_new(fs);
  if (rc == 0 && fs->state != NULL)
    rc = staging_new(fs->state, fs->cache, &so, &fs->staging);
  if (rc == 0 && fs->state != NULL)
    rc = behind_new(fs, &fs->behind);
  no.budget = fs->names_budget;
  no.state = o->state;
  no.shelf = o->shelf;
  no.told = fs_tell_vanished;
  no.told_arg = fs;
  no.names = o->memory / 4;
  if (rc == 0)
    rc = ns_new(&fs->catalog, &no, &fs->ns);
  if (rc == 0)
    rc = siblings_new(fs, &fs->siblings);
  return rc;
}

static void fs_release_parts(struct fs *fs) {
  behind_free(fs->behind);
  unnoted_free(fs);
  siblings_free(fs->siblings);
  writings_free(fs);
  staging_free(fs->staging);
  if (fs->cache != NULL)
    cache_free(fs->cache);
  if (fs->ns != NULL)
    ns_free(fs->ns);
  budget_free(fs->budget);
  budget_free(fs->names_budget);
  versions_free(fs);
  fs_roots_free(fs);
  gate_fini(&fs->gate);
  cond_fini(&fs->synced.told);
  mtx_fini(&fs->synced.lock);
}

int fs_new(struct catalog *catalog, const struct fs_options *o, struct fs **out) {
  struct fs *fs = calloc(1, sizeof(*fs));
  int rc;

  if (fs == NULL)
    return -ENOMEM;
  mtx_init(&fs->synced.lock, RANK_FS);
  gate_init(&fs->gate);
  cond_init(&fs->synced.told);
  fs->catalog = *catalog;
  fs_set_deadline(fs, o->deadline_ms != 0 ? o->deadline_ms : DEFAULT_DEADLINE_MS);
  rc = fs_parts(fs, o);
  if (rc != 0) {
    fs_release_parts(fs);
    free(fs);
    return rc;
  }
  catalog_init(catalog);
  *out = fs;
  return 0;
}

void fs_handle_add(struct fs *fs, struct fs_handle *h) {
  h->fs = fs;
  mtx_lock(&fs->synced.lock);
  DL_PREPEND(fs->synced.handles, h);
  mtx_unlock(&fs->synced.lock);
}

void fs_handle_remove(struct fs *fs, struct fs_handle *h) {
  mtx_lock(&fs->synced.lock);
  DL_DELETE(fs->synced.handles, h);
  mtx_unlock(&fs->synced.lock);
}

struct fs *fs_of(uint64_t handle) {
  return ((const struct fs_handle *)(uintptr_t)handle)->fs;
}

void fs_free(struct fs *fs) {
  if (fs == NULL)
    return;
  while (fs->synced.handles != NULL)
    fs->synced.handles->end(fs, fs->synced.handles);
  fs_release_parts(fs);
  catalog_fini(&fs->catalog);
  free(fs);
}

void fs_set_changed(struct fs *fs, void (*changed)(void *arg, uint64_t ino), void *arg) {
  mtx_lock(&fs->synced.lock);
  fs->synced.changed = changed;
  fs->synced.changed_arg = arg;
  mtx_unlock(&fs->synced.lock);
}

void fs_set_interrupted(struct fs *fs, bool (*interrupted)(void *arg), void *arg) {
  fs->interrupted = interrupted;
  fs->interrupted_arg = arg;
}

void fs_notify_changed(struct fs *fs, uint64_t ino) {
  void (*changed)(void *arg, uint64_t ino);
  void *arg;

  mtx_lock(&fs->synced.lock);
  changed = fs->synced.changed;
  arg = fs->synced.changed_arg;
  mtx_unlock(&fs->synced.lock);
  if (changed != NULL)
    changed(arg, ino);
}

struct patience fs_patience(const struct fs *fs) {
  return (struct patience){.deadline_mono_ms =
                               clock_mono_ms(&clock_system) + atomic_load(&fs->deadline_ms),
                           .interrupted = fs->interrupted,
                           .arg = fs->interrupted_arg};
}

static struct timespec time_of(int64_t ns) {
  return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void stat_of(const struct ns_attr *a, struct stat *out) {
  memset(out, 0, sizeof(*out));
  out->st_ino = a->ino;
  out->st_mode = a->mode;
  out->st_nlink = a->gone ? 0 : a->links;
  out->st_uid = a->uid;
  out->st_gid = a->gid;
  out->st_size = (off_t)a->size;
  out->st_blksize = BLOCK_SIZE;
  out->st_blocks = (blkcnt_t)((a->size + 511) / 512);
  out->st_mtim = time_of(a->mtime_ns);
  out->st_atim = time_of(a->atime_ns);
  out->st_ctim = time_of(a->ctime_ns);
}

static double seconds(int64_t ms) {
  return ms > 0 ? (double)ms / 1000.0 : 0;
}

void fs_fill_entry(const struct ns_attr *a, struct fs_entry *out) {
  out->ino = a->ino;
  stat_of(a, &out->st);
  out->entry_ttl_s = out->attr_ttl_s = seconds(a->ttl_ms);
}

void fs_pin_size(struct fs *fs, struct fs_entry *e) {
  uint64_t size;

  if (!S_ISREG(e->st.st_mode))
    return;
  /* Attributes that are as they should be keep their time to live: the kernel asks for those
   * that ended before every single read, also of what it has. */
  if (versions_pinned_size(fs, e->ino, &size) && (off_t)size != e->st.st_size) {
    e->st.st_size = (off_t)size;
    e->attr_ttl_s = 0; /* until those handles are closed */
  }
  writing_show(fs, e);
}

int fs_find(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *out,
            double *negative_ttl_s) {
  struct patience p = fs_patience(fs);
  struct ns_attr a;
  int rc = ns_lookup(fs->ns, parent, name, &p, &a);

  *negative_ttl_s = rc == -ENOENT ? seconds(ns_negative_ttl(fs->ns, parent)) : 0;
  if (rc != 0)
    return rc;
  fs_fill_entry(&a, out);
  fs_pin_size(fs, out);
  return 0;
}

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *out,
              double *negative_ttl_s) {
  struct gate_pass pass = {.inos = {parent}, .reads = true};
  uint64_t glance = gate_glance(fs);
  int rc = fs_find(fs, parent, name, out, negative_ttl_s);

  if (gate_enter_again(fs, glance, rc, &pass)) {
    rc = fs_find(fs, parent, name, out, negative_ttl_s);
    gate_leave(fs, &pass);
  }
  return rc;
}

void fs_forget(struct fs *fs, uint64_t ino, uint64_t nlookup) {
  ns_forget(fs->ns, ino, nlookup);
  versions_forget(fs, ino);
}

int fs_getattr(struct fs *fs, uint64_t ino, struct stat *out, double *attr_ttl_s) {
  struct patience p = fs_patience(fs);
  struct gate_pass pass = {.inos = {ino}, .reads = true};
  uint64_t glance = gate_glance(fs);
  struct ns_attr a;
  struct fs_entry e;
  int rc = ns_getattr(fs->ns, ino, &p, &a);

  if (gate_enter_again(fs, glance, rc, &pass)) {
    rc = ns_getattr(fs->ns, ino, &p, &a);
    gate_leave(fs, &pass);
  }
  if (rc != 0)
    return rc;
  fs_fill_entry(&a, &e);
  fs_pin_size(fs, &e);
  *out = e.st;
  *attr_ttl_s = e.attr_ttl_s;
  return 0;
}

int fs_statfs(struct fs *fs, uint64_t ino, struct statvfs *out) {
  (void)ino;
  memset(out, 0, sizeof(*out));
  out->f_bsize = out->f_frsize = BLOCK_SIZE;
  out->f_blocks = out->f_bfree = out->f_bavail = STATFS_BLOCKS;
  out->f_files = out->f_ffree = out->f_favail = STATFS_BLOCKS;
  out->f_namemax = NS_NAME_MAX;
  out->f_flag = fs->staging != NULL ? 0 : ST_RDONLY;
  return 0;
}

int fs_deny_write(struct fs *fs, uint64_t ino) {
  const struct root *r;
  char *key;
  int rc = ns_get_key(fs->ns, ino, &r, &key);

  if (rc != 0)
    return rc;
  free(key);
  rc = writing_allowed(fs, r);
  return rc != 0 ? rc : -EROFS;
}

/* --- extended attributes: the object's user metadata -------------------------------------- */

/* By a HEAD, if need be. */
static int get_metadata(struct fs *fs, uint64_t ino, struct kvlist *meta) {
  struct gate_pass pass = {.inos = {ino}, .reads = true};
  struct patience p = fs_patience(fs);
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = ns_get_metadata(fs->ns, ino, &p, meta);
  gate_leave(fs, &pass);
  return rc;
}

int fs_getxattr(struct fs *fs, uint64_t ino, const char *name, struct buf *out) {
  struct kvlist meta;
  const char *value = NULL;
  int rc;

  if (strncmp(name, XATTR_PREFIX, sizeof(XATTR_PREFIX) - 1) != 0)
    return -EOPNOTSUPP; /* security.*, system.*: ls and cp ask no more for them here */
  kvlist_init(&meta);
  rc = get_metadata(fs, ino, &meta);
  if (rc == 0)
    value = kvlist_get_ci(&meta, name + sizeof(XATTR_PREFIX) - 1);
  if (value != NULL)
    buf_puts(out, value);
  else if (rc == 0)
    rc = -ENODATA;
  kvlist_fini(&meta);
  return rc != 0 ? rc : buf_error(out);
}

int fs_listxattr(struct fs *fs, uint64_t ino, bool ask, struct buf *out) {
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc = ask ? get_metadata(fs, ino, &meta) : ns_known_metadata(fs->ns, ino, &meta);
  for (size_t i = 0; rc == 0 && i < meta.count; i++) {
    buf_puts(out, XATTR_PREFIX);
    buf_append(out, meta.items[i].name, strlen(meta.items[i].name) + 1);
  }
  kvlist_fini(&meta);
  return rc != 0 ? rc : buf_error(out);
}

/* --- about ---------------------------------------------------------------------------------- */

static bool is_at_or_below(const char *path, const char *root) {
  size_t n = strlen(root);

  return n == 0 || (strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

int fs_explain(struct fs *fs, const char *path, struct buf *out) {
  const struct root *r;

  for (size_t i = 0; (r = fs_root_at(fs, i)) != NULL; i++) {
    const char *key;

    if (atomic_load(&r->retired) || !is_at_or_below(path, r->path))
      continue;
    key = path + strlen(r->path);
    return r->store->ops->explain(r->store, *key == '/' ? key + 1 : key, out);
  }
  return -ENOENT;
}

void fs_stats(struct fs *fs, struct fs_stats *out) {
  struct ns_stats ns;

  ns_stats(fs->ns, &ns);
  *out = (struct fs_stats){.memory_used = budget_used(fs->budget) + budget_used(fs->names_budget),
                           .memory_limit = budget_size(fs->budget) + budget_size(fs->names_budget),
                           .inodes = ns.nodes,
                           .hidden_keys = ns.hidden};
  mtx_lock(&fs->synced.lock);
  out->open_files = fs->synced.open_files;
  out->backed_opens = fs->synced.backed_opens;
  mtx_unlock(&fs->synced.lock);
}
