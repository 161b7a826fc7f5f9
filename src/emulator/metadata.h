/* What a request says about an object besides its bytes. */
#ifndef S3APFS_EMULATOR_METADATA_H
#define S3APFS_EMULATOR_METADATA_H

#include "exchange.h"
#include "object_file.h"

/* Content-Type and friends, x-amz-meta-*, storage class, canned ACL, tags and
 * owner, from the request's headers into o. 0, or answered (MetadataTooLarge,
 * AccessControlListNotSupported, InvalidStorageClass, InvalidArgument). */
int metadata_from_request(struct exchange *x, struct object_info *o);
/* The parts of it that a copy takes from the request in any case: owner,
 * storage class, ACL. */
int metadata_placement(struct exchange *x, struct object_info *o);
/* x-amz-tagging ("a=1&b=2") into o->tags. */
int metadata_tags(struct exchange *x, const char *text, struct kvlist *out);
/* S3's limits on a tag set. 0, or answered. */
int metadata_check_tags(struct exchange *x, const struct kvlist *tags);

#endif
