/* The cache on disk, as the settings want it. */
#ifndef S3APFS_APP_CACHING_H
#define S3APFS_APP_CACHING_H

#include "s3apfs/data/disk.h"
#include "s3apfs/state/shelf.h"
#include "settings.h"

/* The directory that is used when the settings name none: /var/cache/s3apfs for
 * root, else $XDG_CACHE_HOME/s3apfs or ~/.cache/s3apfs. The caller's; NULL: no
 * memory, or nowhere. */
char *caching_default_dir(void);
/* *out NULL when the cache is off, or when its directory cannot be used: then a
 * line in the log says why, and the mount goes on in memory. */
void caching_open(const struct settings *s, struct disk **blocks, struct shelf **listings);

#endif
