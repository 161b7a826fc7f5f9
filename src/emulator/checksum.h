/* Object checksums as S3 keeps and checks them (S3 user guide, "Checking object
 * integrity"): base64 of the big-endian digest, of the whole object or, for
 * multipart uploads, "composite" over the parts' digests with "-N" behind. */
#ifndef S3APFS_EMULATOR_CHECKSUM_H
#define S3APFS_EMULATOR_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "body.h"
#include "object_file.h"

struct exchange;

enum checksum {
  CHECKSUM_NONE,
  CHECKSUM_CRC32,
  CHECKSUM_CRC32C,
  CHECKSUM_CRC64NVME,
  CHECKSUM_SHA1,
  CHECKSUM_SHA256,
  CHECKSUM_COUNT
};

const char *checksum_name(enum checksum c);    /* "CRC64NVME" */
const char *checksum_header(enum checksum c);  /* "x-amz-checksum-crc64nvme" */
const char *checksum_element(enum checksum c); /* "ChecksumCRC64NVME" */
/* CHECKSUM_NONE for an unknown name. */
enum checksum checksum_parse(const char *name);

/* Appends the base64 of the body's digest. */
int checksum_of_body(const struct body *b, enum checksum c, struct buf *out);
/* Of parts that each have a checksum: combined (CRCs) or composite with "-N". */
int checksum_of_parts(const struct object_part *parts, size_t count, enum checksum c,
                      bool composite, struct buf *out);

/* The checksum the request announces: its x-amz-checksum-* header or trailer.
 * *value NULL and CHECKSUM_NONE when there is none. 0, or answered (400: more
 * than one, or an algorithm that is not known). */
int checksum_announced(struct exchange *x, enum checksum *c, const char **value);
/* Checks Content-MD5 and the announced checksum against x->body; answers
 * BadDigest, InvalidDigest. On success *value (owned) is the digest with
 * algorithm *c: the announced one, else `standard`. */
int checksum_accept(struct exchange *x, enum checksum standard, enum checksum *c, char **value);

#endif
