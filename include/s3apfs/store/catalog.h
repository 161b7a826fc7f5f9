/* Catalog: which stores stand at which directories of a mount. */
#ifndef S3APFS_STORE_CATALOG_H
#define S3APFS_STORE_CATALOG_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3apfs/store/store.h"

/* When objects' metadata tell modes, owners, times and links. */
enum root_posix {
  ROOT_POSIX_LAZY,   /* once an object was asked for, or was written here */
  ROOT_POSIX_STRICT, /* always: each listed object is asked for */
  ROOT_POSIX_OFF,    /* never, and they are not written */
};

struct root_options {
  uid_t uid;
  gid_t gid;
  mode_t file_mode; /* permission bits */
  mode_t dir_mode;
  int64_t metadata_ttl_ms;
  int64_t negative_ttl_ms;
  bool backed;    /* the kernel may read from the disk cache by itself */
  bool listed;    /* the store answered a LIST of it when the mount was made */
  bool escaped;   /* its keys are escaped (store/escape.h) */
  bool writeback; /* close and fsync promise the journal, the store follows */
  enum root_posix posix;
  bool exclusive_open; /* O_EXCL makes the object at once: exact between hosts */
};

struct root {
  char *path; /* "" = the mount's own root; else "a" or "a/b", no slash at either end */
  struct store *store;
  struct root_options options;
  size_t index;        /* in its catalog */
  atomic_bool retired; /* no longer shown: what is open in it goes on, nothing new begins */
};

/* Roots stay where they are until the end, also retired ones. Those that are not retired
 * neither nest inside one another nor repeat (catalog_add gives -EEXIST / -ENOTDIR;
 * -EINVAL for a path that is no such list of UTF-8 names). Owns its stores. Not
 * thread-safe: the array may move when a root is added. */
struct catalog {
  struct root **roots;
  size_t count;
};

void catalog_init(struct catalog *c);
int catalog_add(struct catalog *c, const char *path, struct store *s,
                const struct root_options *o); /* takes s on success */
void catalog_fini(struct catalog *c);

#endif
