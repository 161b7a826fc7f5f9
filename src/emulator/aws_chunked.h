/* Decoder of aws-chunked bodies (S3 API reference, "Transferring payload in
 * multiple chunks" and "... with trailing headers"):
 *
 *   HEXLEN[;chunk-signature=SIG]\r\n DATA \r\n ... 0[;...]\r\n
 *   name:value\r\n ... [x-amz-trailer-signature:SIG\r\n] \r\n
 */
#ifndef S3APFS_EMULATOR_AWS_CHUNKED_H
#define S3APFS_EMULATOR_AWS_CHUNKED_H

#include <stdbool.h>
#include <stdint.h>

#include "body.h"
#include "s3apfs/aws/sigv4.h"
#include "s3apfs/base/kv.h"

struct aws_chunked {
  bool is_signed;
  bool has_trailer;
  /* of the signed forms: */
  uint8_t key[32];
  struct sigv4_scope scope;
  char previous[65]; /* starts as the request's signature */
};

/* Appends the data to out, trailer fields to trailers (the signature left out).
 * -EBADMSG: framing; -EKEYREJECTED: a chunk's or the trailer's signature. */
int aws_chunked_decode(struct aws_chunked *c, const struct body *in, struct body *out,
                       struct kvlist *trailers);

#endif
