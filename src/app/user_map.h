/* The file of per-user=: which identity each local user has at the mount.
 *
 *   [user ann]                  a name or a number
 *   profile = ann
 *   [user 1002]
 *   role-arn = arn:aws:iam::111111111111:role/bob
 */
#ifndef S3APFS_APP_USER_MAP_H
#define S3APFS_APP_USER_MAP_H

#include "config.h"

struct user_entry {
  char *name; /* as written */
  uid_t uid;
  struct config config; /* the mount's, with this user's identity and as the owner */
};

struct user_map {
  struct user_entry *items;
  size_t count;
};

/* Reads the file that base's settings name. 0; -EINVAL (or an open error) with one line in
 * *why, with file and line where a line is at fault; -ENOMEM. */
int user_map_load(const struct config *base, struct user_map *out, struct buf *why);
void user_map_fini(struct user_map *m);

#endif
