/* The object store's changes and lookups.
 *
 * Locking: `synced.lock` guards the buckets' indexes and the set of keys being
 * changed, and is never held over the disk. A change first enters its key into
 * that set (waiting while another thread has it there), so condition, rename
 * and index update of one key are not interleaved with another change of it;
 * readers do not wait: they open whatever file is there. */
#include "objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "key_name.h"
#include "objects_internal.h"
#include "objects_load.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"

/* --- life --- */

static struct bucket_index *bucket_index_locked(struct objects *o, const char *bucket) {
  struct bucket_index *b;
  HASH_FIND_STR(o->synced.buckets, bucket, b);
  if (b)
    return b;
  b = calloc(1, sizeof(*b));
  char *name = strdup(bucket);
  if (!b || !name) {
    free(b);
    free(name);
    return NULL;
  }
  b->name = name;
  key_index_init(&b->keys);
  HASH_ADD_KEYPTR(hh, o->synced.buckets, b->name, strlen(b->name), b);
  return b;
}

static void bucket_index_free(struct bucket_index *b) {
  key_index_fini(&b->keys);
  free(b->name);
  free(b);
}

static int load_entry(void *arg, const char *bucket, struct key_entry *entry) {
  struct objects *o = arg;
  mtx_lock(&o->synced.lock);
  struct bucket_index *b = bucket_index_locked(o, bucket);
  int err = b ? key_index_append(&b->keys, entry) : -ENOMEM;
  mtx_unlock(&o->synced.lock);
  return err;
}

static void sort_all(struct objects *o) {
  mtx_lock(&o->synced.lock);
  for (struct bucket_index *b = o->synced.buckets; b; b = b->hh.next)
    key_index_sort(&b->keys);
  mtx_unlock(&o->synced.lock);
}

static int prepare_folders(struct objects *o, const char *dir) {
  o->dir = text_printf("%s/objects", dir);
  o->spool = text_printf("%s/spool", dir);
  if (!o->dir || !o->spool)
    return -ENOMEM;
  int err = file_mkdirs(o->dir, 0700);
  return err ? err : file_mkdirs(o->spool, 0700);
}

int objects_open(const char *dir, struct objects **out) {
  struct objects *o = calloc(1, sizeof(*o));
  if (!o)
    return -ENOMEM;
  mtx_init(&o->synced.lock, RANK_EMULATOR);
  cond_init(&o->synced.guard_left);
  int err = prepare_folders(o, dir);
  if (!err)
    err = objects_load(o->dir, load_entry, o);
  if (err) {
    objects_close(o);
    return err;
  }
  sort_all(o);
  *out = o;
  return 0;
}

void objects_close(struct objects *o) {
  if (!o)
    return;
  struct bucket_index *b = o->synced.buckets, *next;
  HASH_CLEAR(hh, o->synced.buckets);
  for (; b; b = next) {
    next = b->hh.next;
    bucket_index_free(b);
  }
  for (size_t i = 0; i < RENAMES_KEPT; i++) {
    free(o->synced.renames[i].token);
    free(o->synced.renames[i].what);
  }
  cond_fini(&o->synced.guard_left);
  mtx_fini(&o->synced.lock);
  free(o->dir);
  free(o->spool);
  free(o);
}

const char *objects_spool_dir(const struct objects *o) {
  return o->spool;
}

const char *objects_dir(const struct objects *o) {
  return o->dir;
}

/* --- one change of a key at a time --- */

int objects_guard_enter(struct objects *o, const char *bucket, const char *key,
                        struct key_guard **out) {
  struct key_guard *mine = calloc(1, sizeof(*mine)), *other;
  char *id = text_printf("%s/%s", bucket, key);
  if (!mine || !id) {
    free(mine);
    free(id);
    return -ENOMEM;
  }
  mine->id = id;
  mtx_lock(&o->synced.lock);
  for (;;) {
    HASH_FIND_STR(o->synced.guards, id, other);
    if (!other)
      break;
    cond_wait(&o->synced.guard_left, &o->synced.lock);
  }
  HASH_ADD_KEYPTR(hh, o->synced.guards, mine->id, strlen(mine->id), mine);
  mtx_unlock(&o->synced.lock);
  *out = mine;
  return 0;
}

void objects_guard_leave(struct objects *o, struct key_guard *g) {
  mtx_lock(&o->synced.lock);
  HASH_DEL(o->synced.guards, g);
  cond_broadcast(&o->synced.guard_left);
  mtx_unlock(&o->synced.lock);
  free(g->id);
  free(g);
}

static bool etag_matches(const char *wanted, const char *etag) {
  return strcmp(wanted, "*") == 0 || strcmp(wanted, etag) == 0;
}

int objects_check(struct objects *o, const char *bucket, const char *key,
                  const struct objects_condition *c) {
  if (!c || (!c->if_match && !c->must_be_absent))
    return 0;
  int err = 0;
  mtx_lock(&o->synced.lock);
  struct bucket_index *b = bucket_index_locked(o, bucket);
  const struct key_entry *e = b ? key_index_find(&b->keys, key) : NULL;
  if (c->if_match && !e)
    err = -ENOENT;
  else if (e && (c->must_be_absent || !etag_matches(c->if_match, e->etag)))
    err = -EEXIST;
  mtx_unlock(&o->synced.lock);
  return err;
}

/* --- lookups --- */

char *objects_path(const struct objects *o, const char *bucket, const char *key) {
  struct buf b;
  buf_init(&b, 0);
  buf_printf(&b, "%s/%s/", o->dir, bucket);
  key_name_escape(&b, key);
  return buf_take(&b);
}

int objects_page(struct objects *o, const char *bucket, const struct key_query *q,
                 struct key_page *out) {
  mtx_lock(&o->synced.lock);
  struct bucket_index *b = bucket_index_locked(o, bucket);
  int err = b ? key_index_page(&b->keys, q, out) : -ENOMEM;
  mtx_unlock(&o->synced.lock);
  return err;
}

int objects_get(struct objects *o, const char *bucket, const char *key, int *fd,
                struct object_info *out) {
  char *path = objects_path(o, bucket, key);
  if (!path)
    return -ENOMEM;
  int opened = open(path, O_RDONLY | O_CLOEXEC);
  int err = opened < 0 ? -errno : 0;
  free(path);
  if (err)
    return err == -ENOTDIR || err == -EISDIR ? -ENOENT : err;
  err = object_file_read(opened, out);
  if (err) {
    close(opened);
    return err;
  }
  *fd = opened;
  return 0;
}

/* --- changes --- */

int objects_move_into_place(const char *from, const char *path) {
  char *folder = strdup(path);
  if (!folder)
    return -ENOMEM;
  *strrchr(folder, '/') = '\0';
  int err = file_mkdirs(folder, 0700);
  free(folder);
  if (!err && rename(from, path))
    err = -errno;
  return err;
}

int objects_index_put(struct objects *o, const char *bucket, const struct key_entry *entry) {
  struct key_entry copy;
  int err = key_entry_copy(&copy, entry);
  if (err)
    return err;
  mtx_lock(&o->synced.lock);
  struct bucket_index *b = bucket_index_locked(o, bucket);
  err = b ? key_index_put(&b->keys, &copy) : -ENOMEM;
  mtx_unlock(&o->synced.lock);
  if (err)
    key_entry_fini(&copy);
  return err;
}

static int commit(struct objects *o, const char *bucket, const char *from,
                  const struct object_info *info, const struct objects_condition *condition) {
  char *path = objects_path(o, bucket, info->entry.key);
  struct key_guard *guard;
  int err = path ? objects_guard_enter(o, bucket, info->entry.key, &guard) : -ENOMEM;
  if (err) {
    free(path);
    return err;
  }
  err = objects_check(o, bucket, info->entry.key, condition);
  if (!err)
    err = objects_move_into_place(from, path);
  if (!err)
    err = objects_index_put(o, bucket, &info->entry);
  objects_guard_leave(o, guard);
  free(path);
  return err;
}

int objects_put(struct objects *o, const char *bucket, struct body *data, struct object_info *info,
                const struct objects_condition *condition) {
  int err = objects_check(o, bucket, info->entry.key, condition);
  if (err)
    return err;
  int fd;
  char *path;
  info->entry.size = data->length;
  err = body_detach(data, &fd, &path);
  if (err)
    return err;
  err = object_file_seal(fd, info);
  close(fd);
  if (!err)
    err = commit(o, bucket, path, info, condition);
  if (err)
    unlink(path);
  free(path);
  return err;
}

void objects_index_remove(struct objects *o, const char *bucket, const char *key) {
  mtx_lock(&o->synced.lock);
  struct bucket_index *b = bucket_index_locked(o, bucket);
  if (b)
    key_index_remove(&b->keys, key);
  mtx_unlock(&o->synced.lock);
}

int objects_remove(struct objects *o, const char *bucket, const char *key,
                   const struct objects_condition *condition) {
  char *path = objects_path(o, bucket, key);
  struct key_guard *guard;
  int err = path ? objects_guard_enter(o, bucket, key, &guard) : -ENOMEM;
  if (err) {
    free(path);
    return err;
  }
  err = objects_check(o, bucket, key, condition);
  if (!err && unlink(path) && errno != ENOENT && errno != ENOTDIR)
    err = -errno;
  if (!err)
    objects_index_remove(o, bucket, key);
  objects_guard_leave(o, guard);
  free(path);
  return err;
}

/* A copy with new tags takes the old file's place, unless the object changed
 * meanwhile; then the change before it is tagged instead. */
static int try_set_tags(struct objects *o, const char *bucket, const char *key,
                        const struct kvlist *tags) {
  int fd;
  struct object_info info;
  int err = objects_get(o, bucket, key, &fd, &info);
  if (err)
    return err;
  struct body data;
  body_init(&data, o->spool);
  err = body_append_file(&data, fd, 0, info.entry.size);
  close(fd);
  kvlist_fini(&info.tags);
  kvlist_init(&info.tags);
  if (!err)
    err = kvlist_copy(&info.tags, tags);
  struct objects_condition unchanged = {.if_match = info.entry.etag};
  if (!err)
    err = objects_put(o, bucket, &data, &info, &unchanged);
  body_fini(&data);
  object_info_fini(&info);
  return err;
}

int objects_set_tags(struct objects *o, const char *bucket, const char *key,
                     const struct kvlist *tags) {
  int err;
  do
    err = try_set_tags(o, bucket, key, tags);
  while (err == -EEXIST);
  return err;
}

int objects_remove_bucket(struct objects *o, const char *bucket) {
  int err = 0;
  mtx_lock(&o->synced.lock);
  struct bucket_index *b;
  HASH_FIND_STR(o->synced.buckets, bucket, b);
  if (b && b->keys.count)
    err = -ENOTEMPTY;
  else if (b)
    HASH_DEL(o->synced.buckets, b);
  mtx_unlock(&o->synced.lock);
  if (err)
    return err;
  if (b)
    bucket_index_free(b);
  char *path = text_printf("%s/%s", o->dir, bucket);
  if (!path)
    return -ENOMEM;
  objects_remove_folders(path);
  free(path);
  return 0;
}
