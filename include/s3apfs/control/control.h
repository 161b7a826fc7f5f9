/* The mount's control socket: one JSON request line in, one JSON document out.
 *
 * The server runs in the mount's process on a thread of its own, answers one
 * client at a time, and serves root and the mount's own user only (SO_PEERCRED).
 * Sockets live in /run/s3apfs (root), $XDG_RUNTIME_DIR/s3apfs, or
 * /tmp/s3apfs-UID, which must belong to that user; the name is made from the
 * mount point's path. Both ends expect SIGPIPE to be ignored. */
#ifndef S3APFS_CONTROL_CONTROL_H
#define S3APFS_CONTROL_CONTROL_H

#include <stdint.h>
#include <sys/types.h>

#include "s3apfs/base/buf.h"

struct control_server;

/* request: the line without its newline. Appends a JSON document to reply. Runs
 * on the server's thread. */
typedef void (*control_fn)(void *arg, const char *request, struct buf *reply);

/* dir: the mount point, absolute. 0 or -errno (-EADDRINUSE: another live mount
 * serves that path). Must be called after the process became a daemon. */
int control_server_start(const char *dir, control_fn fn, void *arg, struct control_server **out);
/* Removes the socket and joins the thread. */
void control_server_stop(struct control_server *s);

/* Takes the right to mount at dir: a locked descriptor, kept open (over a fork
 * too) as long as the mount lives. -EADDRINUSE: another process has it. */
int control_lock(const char *dir);

/* Client side: asks the mount at dir, owned by uid. timeout_ms for the whole
 * exchange. -ENOENT/-ECONNREFUSED: nobody serves it; -EACCES; -ETIMEDOUT. */
int control_ask(const char *dir, uid_t uid, const char *request, int64_t timeout_ms,
                struct buf *reply);

/* The socket's path for a mount point of that user; appended. 0 or -errno. */
int control_socket_path(const char *dir, uid_t uid, struct buf *out);

#endif
