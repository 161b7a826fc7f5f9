/* Recovery: what the journal of an earlier process still holds. */
#ifndef S3APFS_DATA_RECOVER_H
#define S3APFS_DATA_RECOVER_H

#include "s3apfs/data/staging.h"

/* What became of one file of the journal. */
struct recovery {
  bool committed;            /* what was acknowledged is in the store under its key */
  char etag[STORE_ETAG_MAX]; /* then: as this version */
  struct kvlist meta;        /* with this metadata, as far as it was made here */
  char *aside; /* key of the copy of what was not acknowledged, or of a conflict copy */
  int err;     /* 0, or why something is still in the journal */
};
void recovery_fini(struct recovery *r);

/* Finishes what was acknowledged, keeps what was not as NAME.recovered-HOST-TIME,
 * and forgets the file. What cannot be done now stays, with the error. Blocks. */
void staged_recover(struct staging *g, struct store *s, const struct journal_file *row,
                    struct recovery *out);
/* Removes staged files that nothing in the journal names. */
int staging_sweep(struct staging *g);

#endif
