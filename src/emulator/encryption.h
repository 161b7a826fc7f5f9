/* Server-side encryption, as far as requests and replies tell of it: what is stored is
 * never encrypted. */
#ifndef S3APFS_EMULATOR_ENCRYPTION_H
#define S3APFS_EMULATOR_ENCRYPTION_H

#include "exchange.h"
#include "object_file.h"

/* The request's x-amz-server-side-encryption* into o->headers, in place of any that
 * are there. 0, or answered (InvalidArgument). */
int encryption_from_request(struct exchange *x, struct object_info *o);
/* May the caller use the KMS key that the object names? Decided by the identity's
 * policies, as with a key whose own policy leaves it to them. 0, or answered. */
int encryption_permit(struct exchange *x, const struct object_info *o, const char *action);
bool encryption_is_header(const char *name);
/* Adds the headers that a write's reply tells. */
void encryption_tell(struct exchange *x, const struct object_info *o);
/* Objects that KMS encrypts have an etag that is no MD5 of their bytes. */
bool encryption_hides_md5(const struct object_info *o);

#endif
