/* Changes of local users whom a mount with per-user does not serve: they were accepted, and are
 * nobody else's to send. They stay in those users' states, and are told. */
#ifndef S3APFS_APP_USERS_WAITING_H
#define S3APFS_APP_USERS_WAITING_H

#include <cjson/cJSON.h>

#include "user_map.h"

struct users_gone {
  uid_t *uids;
  size_t count;
};

/* What the state of this user at the mount point `dir` belongs to; the caller's. */
char *users_waiting_place(const char *dir, uid_t uid);
/* Users without a section whose changes wait; a line in the log for each. */
void users_waiting_find(const struct config *c, const char *dir, const struct user_map *map,
                        struct users_gone *out);
void users_waiting_fini(struct users_gone *g);
/* Adds each change that waits for this user, with the reason. Nobody has that state open. */
void users_waiting_tell(const struct config *c, const char *dir, uid_t uid, const char *because,
                        cJSON *pending);

#endif
