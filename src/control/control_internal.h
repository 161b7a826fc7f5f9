/* Shared by the control socket's server and client. */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <sys/un.h>

#include "s3apfs/control/control.h"

#define CONTROL_MAX_REQUEST 4096
#define CONTROL_MAX_REPLY ((size_t)64 << 20) /* status of ten thousand directories */

/* The folder for a user's sockets; appended. */
int control_socket_dir(uid_t uid, struct buf *out);
/* A new stream socket and the address of this path for it. The descriptor or
 * -errno (-ENAMETOOLONG: no address can hold the path). */
int control_socket_new(const char *path, struct sockaddr_un *addr);

#endif
