/* Committing staged files: their content becomes an object, if the object is still
 * the version they were made from. */
#ifndef S3APFS_DATA_COMMIT_H
#define S3APFS_DATA_COMMIT_H

#include "s3apfs/data/staging.h"

struct commit_result {
  bool committed;         /* a new version of the file's key is in the store: */
  struct store_attr attr; /* this one */
  char *aside;            /* key of the conflict copy, owned; NULL: none */
};
void commit_result_fini(struct commit_result *r);

/* Waits until everything written before the call is in the store (nothing to do: 0,
 * not committed). On failure what was written stays staged, and the error is in the
 * journal. -ESTALE, and
 * -EEXIST for a file that was new: somebody else replaced the object; the content went to a
 * conflict copy (aside), or, where that could not be written, stays in the journal;
 * the staged file is of no more use either way. -EACCES also when a change would
 * lose tags that may not be read. One commit of a file at a time; later ones wait. */
int staged_commit(struct staged *f, struct commit_result *out);
/* The same for what was acknowledged, and nothing newer. */
int staged_commit_acked(struct staged *f, struct commit_result *out);
/* Writes the content under KEY.WORD-HOST-TIME instead (the name cut to what a name
 * and a key may hold), never over anything, and forgets the file. *key: where. */
int staged_commit_aside(struct staged *f, const char *word, char **key);
/* KEY.WORD-HOST-TIME, cut; the caller's. NULL: no name can hold it, or no memory. */
char *commit_aside_key(const struct staging *g, const struct store *s, const char *key,
                       const char *word, int64_t time);
/* Whether the object that is there now has exactly this content: what a commit does
 * whose success nobody noted. Reads all of what is staged. */
int staged_is_in_store(struct staged *f, bool *is, struct store_attr *attr);

/* Makes an empty file a copy of another object of its store, in the store. -EBUSY: it is not
 * empty; else as the store has it. */
int staged_copy(struct staged *f, const struct store_source *from, struct store_attr *out);
/* The same, of an object of another store; -EOPNOTSUPP: this one cannot. */
int staged_copy_from(struct staged *f, const struct store_elsewhere *from, struct store_attr *out);
/* Sends full parts of a file that is written from its start, if there are any that
 * were not sent yet. Does not wait. */
void staged_stream(struct staged *f);

#endif
