/* A state directory of its own. */
#ifndef S3APFS_TESTS_STATE_DESK_H
#define S3APFS_TESTS_STATE_DESK_H

#include "s3apfs/state/journal.h"

#define DESK_MOUNT "/mnt/a b"

struct desk {
  char dir[64];
  struct buf why;
};

void desk_open(struct desk *d);
void desk_close(struct desk *d);
/* The mount point's state, which can be opened; the caller's. */
struct state *desk_state(struct desk *d);
/* Where a file of the only state is; the caller's. */
char *desk_path(struct desk *d, const char *name);

/* A file to be noted under that key; the caller's (journal_file_fini). */
void desk_make_file(struct journal_file *f, const char *key);
struct desk_seen {
  unsigned count;
  struct journal_file last; /* the caller's, when there is one */
};
/* For journal_each_file(). */
int desk_see_file(void *arg, struct journal_file *f);

#endif
