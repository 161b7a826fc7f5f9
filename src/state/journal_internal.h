/* Shared by the journal's files. */
#ifndef S3APFS_SRC_STATE_JOURNAL_INTERNAL_H
#define S3APFS_SRC_STATE_JOURNAL_INTERNAL_H

#include "s3apfs/state/journal.h"
#include "state_internal.h"

/* --- journal_layers.c; on the database's thread --- */
int journal_add_layer(struct db *d, int64_t file, const struct journal_layer *l);
/* Those below `first`. */
int journal_drop_layers(struct db *d, int64_t file, int64_t first);

/* --- journal_changes.c; on the database's thread --- */
/* c->id is set. */
int journal_insert_change(struct db *d, struct journal_change *c);

#endif
