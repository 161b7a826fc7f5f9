/* aws-chunked bodies, decoded from one spool into another. */
#ifndef S3APFS_EMULATOR_AWS_CHUNKED_H
#define S3APFS_EMULATOR_AWS_CHUNKED_H

#include "body.h"
#include "s3apfs/aws/chunked.h"

/* Appends the payload to out and the trailing headers to trailers; both count
 * only when it returns 0. how->data and how->arg are not used. -EBADMSG: the body
 * is refused, *fault says why; others: memory, or the spools' errors. */
int aws_chunked_decode(const struct chunked_options *how, const struct body *in, struct body *out,
                       struct kvlist *trailers, enum chunked_fault *fault);

#endif
