/* What the object operations share. */
#ifndef S3APFS_EMULATOR_S3_OBJECT_H
#define S3APFS_EMULATOR_S3_OBJECT_H

#include "exchange.h"
#include "object_file.h"
#include "s3apfs/aws/checksum.h"

#define S3_XML_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"
/* S3 refuses single writes above 5 GiB. */
#define S3_PUT_MAX ((uint64_t)5 << 30)

/* Opens an object for a caller who may do `action` on it. 0 (*fd and *info are
 * the caller's), or answered: AccessDenied, or NoSuchKey to who may list. */
int object_open(struct exchange *x, const struct address *at, const char *action, int *fd,
                struct object_info *info);
/* Adds the headers that GET and HEAD tell of an object. */
void object_tell(struct exchange *x, const struct object_info *o);
void object_tell_checksum(struct exchange *x, const struct object_info *o);

/* Sets key, time, etag (MD5 of x->body), checksum and its type. 0, or answered
 * (BadDigest and others). */
int object_take_body(struct exchange *x, struct object_info *o, enum checksum_kind standard);
/* May the caller write this object: s3:PutObject, tags, ACL, conditions. */
int object_permit_write(struct exchange *x, const struct object_info *o);
/* Fewer than 10,000 parts and appends so far. */
bool append_has_room(const struct object_info *o);
/* Does the request append? 0, or answered (501: not in this bucket). */
int append_wanted(struct exchange *x, bool *out, uint64_t *offset);
/* Makes x->body the end of the object, if that ends at the offset. 0, and *out is the new
 * version; -ENOENT: nothing to append to, so it is an ordinary write; else answered. */
int append_run(struct exchange *x, uint64_t offset, struct object_info *out);
/* Stores x->body as o under the write's conditions; answers failures only. */
int object_store(struct exchange *x, struct object_info *o);

#endif
