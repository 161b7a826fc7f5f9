/* S3's object checksums (S3 user guide, "Checking object integrity"): names,
 * headers, streaming computation, text form, and how the checksums of parts make
 * one of the whole.
 *
 * The text form is base64 of the big-endian digest; a COMPOSITE one, the digest
 * over the parts' digests, has "-N" behind it, N being the number of parts.
 * CRC64NVME is FULL_OBJECT only, SHA1 and SHA256 of multipart uploads COMPOSITE
 * only, CRC32 and CRC32C either. */
#ifndef S3APFS_AWS_CHECKSUM_H
#define S3APFS_AWS_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/kv.h"

/* In the order of preference when a reply carries several. */
enum checksum_kind {
  CHECKSUM_CRC64NVME,
  CHECKSUM_CRC32,
  CHECKSUM_CRC32C,
  CHECKSUM_SHA256,
  CHECKSUM_SHA1,
};
#define CHECKSUM_KINDS 5
#define CHECKSUM_MAX_BYTES 32
#define CHECKSUM_MAX_PARTS 10000

enum checksum_type { CHECKSUM_FULL_OBJECT, CHECKSUM_COMPOSITE };

struct checksum {
  enum checksum_kind kind;
  unsigned parts; /* 0: of bytes (FULL_OBJECT or one part); N: COMPOSITE of N parts */
  uint8_t bytes[CHECKSUM_MAX_BYTES]; /* checksum_size(kind) of them, big-endian */
};

/* "CRC32", ... in any case; -EINVAL for others. */
int checksum_kind_parse(const char *s, enum checksum_kind *out);
const char *checksum_name(enum checksum_kind kind);    /* "CRC64NVME" */
const char *checksum_header(enum checksum_kind kind);  /* "x-amz-checksum-crc64nvme" */
const char *checksum_element(enum checksum_kind kind); /* "ChecksumCRC64NVME", in XML */
size_t checksum_size(enum checksum_kind kind);         /* bytes */
/* "FULL_OBJECT", "COMPOSITE"; -EINVAL for others. */
int checksum_type_parse(const char *s, enum checksum_type *out);
const char *checksum_type_name(enum checksum_type type);
/* Does S3 take this type for multipart uploads with this algorithm? */
bool checksum_allows(enum checksum_kind kind, enum checksum_type type);
/* The preferred x-amz-checksum-* header present; *value borrowed. -ENOENT. */
int checksum_find_header(const struct kvlist *headers, enum checksum_kind *kind,
                         const char **value);

struct checksum_stream;
int checksum_new(enum checksum_kind kind, struct checksum_stream **out); /* -ENOMEM, -EIO */
void checksum_update(struct checksum_stream *s, const void *data, size_t len);
/* Once; the stream still needs checksum_free(). */
int checksum_final(struct checksum_stream *s, struct checksum *out);
void checksum_free(struct checksum_stream *s);
int checksum_once(enum checksum_kind kind, const void *data, size_t len, struct checksum *out);

/* Appends the text form. */
void checksum_encode(const struct checksum *c, struct buf *out);
/* -EINVAL: no base64, wrong length, a part count outside 1..CHECKSUM_MAX_PARTS. */
int checksum_decode(enum checksum_kind kind, const char *text, struct checksum *out);
/* Does text name this checksum? 0; -EINVAL malformed (AWS: InvalidRequest, or
 * InvalidDigest); -EBADMSG another value (AWS: BadDigest). */
int checksum_check(const struct checksum *actual, const char *text);
bool checksum_equal(const struct checksum *a, const struct checksum *b);

/* A CRC64NVME as base/crc.h computes it, to and from this form. */
void checksum_from_crc64nvme(uint64_t crc, struct checksum *out);
/* -EINVAL for another kind or a composite. */
int checksum_to_crc64nvme(const struct checksum *c, uint64_t *out);
/* Any CRC; CRC_NONE for a digest or a composite, *out is not written then. */
enum crc_kind checksum_to_crc(const struct checksum *c, uint64_t *out);

/* COMPOSITE of the parts, in order, all of one kind and none composite.
 * -EINVAL otherwise, or for no parts or too many. */
int checksum_compose(const struct checksum *parts, size_t count, struct checksum *out);
/* whole := checksum of whole's bytes followed by the next len bytes, which have
 * the checksum `next`. CRCs only: -EOPNOTSUPP for digests; -EINVAL for different
 * kinds or composites. */
int checksum_append(struct checksum *whole, const struct checksum *next, uint64_t len);

#endif
