/* Shared by the files of the S3 Control calls. */
#ifndef S3_CONTROL_INTERNAL_H
#define S3_CONTROL_INTERNAL_H

#include "s3apfs/s3/control.h"

/* A signed GET at the account's S3 Control host; body is the caller's on success. */
int control_get(struct control *c, const char *account, const char *path,
                const struct kvlist *query, struct buf *body, struct s3_error *error);
/* A reply that the codec refuses (-EBADMSG) is the service's fault: -EIO. */
int control_parsed(int rc, struct s3_error *error);
/* A failure's line names the call. */
void control_name(int rc, const char *call, struct s3_error *error);

#endif
