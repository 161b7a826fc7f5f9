/* Symbolic links: the target is the object's content. */
#include <errno.h>
#include <string.h>

#include "fs_internal.h"

#define TARGET_MAX 4095 /* PATH_MAX without the end */
#define VERSION_TRIES 3

static int read_target(const struct ns_object *o, char *text, size_t *len) {
  if (o->attr.size == 0)
    return -EIO;
  if (o->attr.size > TARGET_MAX)
    return -ENAMETOOLONG;
  return store_read(o->root->store, o->key, o->attr.etag[0] != '\0' ? o->attr.etag : NULL, 0, text,
                    (size_t)o->attr.size, len, NULL);
}

int fs_readlink(struct fs *fs, uint64_t ino, struct buf *out) {
  struct patience p = fs_patience(fs);
  char text[TARGET_MAX];
  size_t len = 0;
  int rc = -ESTALE;

  for (int i = 0; i < VERSION_TRIES && rc == -ESTALE; i++) {
    struct ns_object o;

    rc = ns_get_object(fs->ns, ino, &p, &o);
    if (rc != 0)
      return rc;
    rc = read_target(&o, text, &len);
    ns_object_fini(&o);
    if (rc == -ESTALE || rc == -ENOENT)
      ns_expire(fs->ns, ino, rc);
  }
  if (rc != 0)
    return rc;
  if (memchr(text, '\0', len) != NULL)
    return -EIO;
  buf_append(out, text, len);
  return buf_error(out);
}
