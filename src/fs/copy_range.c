/* copy_file_range(2): a whole file becomes another one's content by one copy of the service.
 *
 * Within a source, and between two of one service where the target's credentials can read the
 * other. Anything else (parts of files, what is not in the store yet) is left to the kernel, which
 * reads and writes then. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

/* The version that the handle reads, when it is not written to. */
static bool read_version(struct fs_file *f, struct store_attr *out) {
  bool known = false;

  if (atomic_load(&f->writing) != NULL)
    return false;
  mtx_lock(&f->synced.lock);
  if (f->synced.view != NULL) {
    *out = f->synced.view->attr;
    known = true;
  }
  mtx_unlock(&f->synced.lock);
  return known;
}

static int copy_within(struct writing *w, const char *key, const struct store_attr *attr,
                       struct store_attr *out) {
  struct store_source from = {.key = key, .etag = attr->etag, .size = attr->size};

  return staged_copy(w->staged, &from, out);
}

static int copy_between(struct writing *w, struct store *s, const char *key,
                        const struct store_attr *attr, struct store_attr *out) {
  struct store_elsewhere from = {0};
  int rc = s->ops->elsewhere != NULL ? s->ops->elsewhere(s, key, &from) : -EOPNOTSUPP;

  if (rc != 0)
    return rc;
  memcpy(from.etag, attr->etag, sizeof(from.etag));
  from.size = attr->size;
  from.crc_kind = attr->crc_kind;
  from.crc = attr->crc;
  rc = staged_copy_from(w->staged, &from, out);
  store_elsewhere_fini(&from);
  return rc;
}

static int copy_object(struct fs *fs, struct writing *w, const struct root *r_in, const char *key,
                       const struct store_attr *attr) {
  struct commit_result r = {.committed = true};
  int rc = writing_touch(fs, w);

  if (rc == 0)
    rc = writing_dress_time(w, false); /* what is replaced had a time of its own */
  if (rc == 0)
    rc = r_in == w->root ? copy_within(w, key, attr, &r.attr)
                         : copy_between(w, r_in->store, key, attr, &r.attr);
  if (rc != 0)
    return -EOPNOTSUPP; /* reading and writing says why, or succeeds */
  writing_committed(fs, w, 0, &r);
  return 0;
}

int fs_copy_range(struct fs *fs, uint64_t in, uint64_t off_in, uint64_t out, uint64_t off_out,
                  uint64_t len, uint64_t *copied) {
  struct fs_file *to = fs_file_of(out);
  struct gate_pass pass = {.inos = {fs_file_of(in)->ino, to->ino}};
  struct writing *w = atomic_load(&to->writing);
  struct store_attr attr;
  const struct root *r;
  char *key;
  int rc;

  if (w == NULL || (to->flags & O_ACCMODE) == O_RDONLY)
    return -EBADF;
  if (off_in != 0 || off_out != 0 || staged_size(w->staged) != 0 ||
      !read_version(fs_file_of(in), &attr) || attr.size == 0 || len < attr.size ||
      attr.size > STORE_COPY_MAX)
    return -EOPNOTSUPP;
  rc = gate_enter(fs, &pass);
  if (rc != 0)
    return rc;
  rc = ns_get_key(fs->ns, fs_file_of(in)->ino, &r, &key);
  if (rc == 0) {
    rc = copy_object(fs, w, r, key, &attr);
    free(key);
  }
  gate_leave(fs, &pass);
  if (rc == 0)
    *copied = attr.size;
  return rc;
}
