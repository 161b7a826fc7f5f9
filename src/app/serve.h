/* A mount from configuration to its end. */
#ifndef S3APFS_APP_SERVE_H
#define S3APFS_APP_SERVE_H

#include "config.h"
#include "watch.h"

/* Wires, proves, mounts and serves until unmounted. ready runs once the kernel
 * has the mount and the control socket answers. 0; else -errno with one line in
 * *why. source is what /proc/mounts shows. watch is stopped when the preparations
 * are over. The configuration becomes read-only where changes cannot be kept. */
int serve_mount(struct config *c, const char *source, const char *dir, struct watch *watch,
                void (*ready)(void *arg), void *arg, struct buf *why);
/* The same without mounting: prints a line per directory. */
int serve_dry_run(const struct config *c, struct buf *why);

#endif
