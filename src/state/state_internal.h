/* The state's inside, shared by state.c, journal.c and known.c. */
#ifndef S3APFS_SRC_STATE_STATE_INTERNAL_H
#define S3APFS_SRC_STATE_STATE_INTERNAL_H

#include "db.h"
#include "s3apfs/state/state.h"

struct state {
  struct db *db;
  char *dir;
  char *staging;
  int staging_fd; /* of the folder */
  int lock_fd;
};

/* In the folder: the whole name. */
#define STATE_NAME_FILE "name"

/* The folder of the state of this name; appended. */
int state_folder_name(const char *name, struct buf *out);

#endif
