/* Turning a finished reply into bytes on a connection. */
#ifndef S3APFS_EMULATOR_SEND_H
#define S3APFS_EMULATOR_SEND_H

#include <microhttpd.h>

#include "exchange.h"

/* Queues x's reply, distorted as x->fault says. MHD_NO closes the connection
 * without (further) bytes. */
enum MHD_Result send_reply(struct exchange *x, struct MHD_Connection *c);

#endif
