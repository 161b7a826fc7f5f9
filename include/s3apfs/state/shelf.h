/* Kept listings: what a folder held when it was last listed, over remounts.
 *
 * DIR/listings/ (0700) has one file for each folder, named by a hash of domain and
 * prefix, which stand in it in full. A file carries a checksum of everything in it; what is
 * damaged, torn or foreign is as good as absent and goes. All together stay below a
 * limit, the oldest go first. Several mounts of one user may share the directory. What
 * fails here costs a request to the store and nothing else. Thread-safe. */
#ifndef S3APFS_STATE_SHELF_H
#define S3APFS_STATE_SHELF_H

#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"

#define SHELF_DATA_MAX ((size_t)4 << 20)

struct shelf;

/* -errno when the directory cannot be used. limit: bytes on disk. */
int shelf_open(const char *dir, uint64_t limit, struct shelf **out);
void shelf_close(struct shelf *s);
/* Replaces. -EFBIG: more than SHELF_DATA_MAX. */
int shelf_put(struct shelf *s, const char *domain, const char *prefix, const void *data,
              size_t len);
/* Appends the data; saved_ms: when it was put, milliseconds since 1970. -ENOENT. */
int shelf_get(struct shelf *s, const char *domain, const char *prefix, struct buf *out,
              int64_t *saved_ms);
void shelf_drop(struct shelf *s, const char *domain, const char *prefix);
/* Removes all listings of a directory that no mount need have open. */
int shelf_clear(const char *dir);

#endif
