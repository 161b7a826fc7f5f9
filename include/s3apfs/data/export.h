/* Writing out, as local files, what is staged and cannot be sent. */
#ifndef S3APFS_DATA_EXPORT_H
#define S3APFS_DATA_EXPORT_H

#include "s3apfs/data/staging.h"

/* What the file is now becomes a new file `name` (mode 0600) in the open folder, and is on
 * its disk when this returns. -EEXIST: that name is taken. Other failures leave nothing
 * there; -ESTALE, -ENODEV: parts of it are in an object that is gone. */
int staged_export(struct staged *f, int dir, const char *name);
/* The same for a row of the journal that no live file has; afterwards it is forgotten.
 * s NULL: its source is not there. */
int staging_export(struct staging *g, struct store *s, const struct journal_file *row, int dir,
                   const char *name);

#endif
