/* S3's own condition keys of a request, and all the general ones. */
#ifndef S3APFS_EMULATOR_S3_CONTEXT_H
#define S3APFS_EMULATOR_S3_CONTEXT_H

#include "context.h"
#include "s3_access.h"

/* bucket and access_point may be NULL. */
void s3_context_fill_locked(struct context *c, struct world *w, const struct s3_access *a,
                            const struct credential *caller, const struct bucket *bucket,
                            const struct access_point *access_point);

#endif
