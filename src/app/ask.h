/* Asking a live mount over its control socket. */
#ifndef S3APFS_APP_ASK_H
#define S3APFS_APP_ASK_H

#include <cjson/cJSON.h>

#include "mounts.h"

/* The mount's answer as a document the caller deletes. 0, -errno of the socket,
 * or -EBADMSG. */
int ask_mount(const struct mount_entry *e, const char *request, cJSON **out);
/* The same for what takes its time. */
int ask_mount_for(const struct mount_entry *e, const char *request, int64_t timeout_ms,
                  cJSON **out);
/* The process that serves it, 0 when it does not answer; and how long umount is to wait for
 * its uploads (0: as long as it takes). */
void ask_pid(const struct mount_entry *e, pid_t *pid, int64_t *umount_timeout_ms);

#endif
