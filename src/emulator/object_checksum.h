/* Object checksums as S3 keeps and checks them (S3 user guide, "Checking object
 * integrity"): of the parts of an upload, and what a request announces of its body. */
#ifndef S3APFS_EMULATOR_OBJECT_CHECKSUM_H
#define S3APFS_EMULATOR_OBJECT_CHECKSUM_H

#include "object_file.h"
#include "s3apfs/aws/checksum.h"

struct exchange;

/* Of parts that each have a checksum of that kind. -EINVAL: none, or one has not. */
int object_checksum_of_parts(const struct object_part *parts, size_t count, enum checksum_kind kind,
                             enum checksum_type type, struct checksum *out);
/* The text form, malloc'd; NULL when memory runs out. */
char *object_checksum_text(const struct checksum *c);

struct announced_checksum {
  const char *value; /* borrowed from the request; NULL: none */
  enum checksum_kind kind;
};
/* The checksum the request announces: its x-amz-checksum-* header or trailer.
 * 0, or answered (400: more than one; 501: an unknown algorithm). *out is always written. */
int object_checksum_announced(struct exchange *x, struct announced_checksum *out);
/* Checks Content-MD5 and the announced checksum against x->body; answers
 * BadDigest, InvalidDigest. On success *out is the body's checksum, of the
 * announced kind, else of `standard`. */
int object_checksum_accept(struct exchange *x, enum checksum_kind standard, struct checksum *out);

#endif
