/* Shared by the control socket's server and client. */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include "s3apfs/control/control.h"

#define CONTROL_MAX_REQUEST 4096
#define CONTROL_MAX_REPLY ((size_t)64 << 20) /* status of ten thousand directories */

/* The folder for a user's sockets; appended. */
int control_socket_dir(uid_t uid, struct buf *out);

#endif
