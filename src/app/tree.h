/* SOURCE `grants`: everything the caller was granted, by one or several instances of
 * Access Grants, as BUCKET/PREFIX/ directories, which follow the grants as they come and go. */
#ifndef S3APFS_APP_TREE_H
#define S3APFS_APP_TREE_H

#include "config.h"
#include "identity.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/s3/grants.h"
#include "s3apfs/s3/store.h"

struct tree;

/* Asks nobody. dir, identity and outage (NULL: nobody wants to
 * know) are borrowed. *store shows nothing before the
 * first tree_refresh(); it must be freed before the tree. -EINVAL with one line in
 * *why. */
int tree_new(struct caller *c, struct identity *id, const struct config_dir *dir,
             const struct s3_notes *notes, struct outage *outage, struct tree **out,
             struct store **store, struct buf *why);
void tree_free(struct tree *t);
/* Asks for the caller's grants and shows them. 0, or -errno with the detail in
 * *error: then what was shown stays. Of several instances one that answers is
 * enough; what the others said before stays, and a line in the log says why. */
int tree_refresh(struct tree *t, struct s3_error *error);
/* From now on asks again every minute (more often with a shorter metadata-ttl) and
 * tells the file system what changed. Without a thread: says so in the log. */
void tree_follow(struct tree *t, struct fs *fs);
void tree_unfollow(struct tree *t);
/* "12 scopes by grants of account 333333333333"; appended. Never blocks. */
void tree_describe(struct tree *t, struct buf *out);
size_t tree_count(struct tree *t);
/* Where the keys for BUCKET/KEY come from; NULL before the first tree_refresh(). */
struct grants *tree_grants(struct tree *t, const char *key);

#endif
