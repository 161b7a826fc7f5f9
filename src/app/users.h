/* A mount that serves each local user with an app and a file system of their own:
 * identity, credentials, caches, listings and journal are nobody else's. */
#ifndef S3APFS_APP_USERS_H
#define S3APFS_APP_USERS_H

#include "config.h"
#include "s3apfs/fuse/mount.h"

struct users;

/* Opens every user's sources. c is borrowed, with settings.per_user. Who cannot be served
 * now is tried again when they come. -EINVAL: the mapping or an identity is wrong; else the first
 * errno when nobody can be served; one line in *why. */
int users_open(const struct config *c, const char *source, const char *dir, struct users **out,
               struct buf *why);
struct fuse_viewers users_viewers(struct users *u);
/* Somebody may change something. */
bool users_writable(const struct users *u);
/* Before the first request; NULL: after the last one. The mount is borrowed. 0 or -errno. */
int users_attach(struct users *u, struct fuse_mount *m);
/* A control_fn; arg is a struct users. */
void users_answer(void *arg, const char *request, struct buf *reply);
void users_close(struct users *u);

#endif
