/* What servers were found to honour, so that not every mount asks again. 0 or -errno. */
#ifndef S3APFS_STATE_SERVERS_H
#define S3APFS_STATE_SERVERS_H

#include <stdint.h>

#include "s3apfs/state/state.h"

/* `server` is any text that names one; `at` in seconds since 1970. */
int servers_put(struct state *s, const char *server, unsigned honours, int64_t at);
/* -ENOENT: nothing was noted since `not_before`. */
int servers_get(struct state *s, const char *server, int64_t not_before, unsigned *honours);

#endif
