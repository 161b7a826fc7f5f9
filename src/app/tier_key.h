/* The key file of the shared tier: 32 bytes, as they are, as 64 hexadecimal digits, or
 * as base64; blanks and line ends around text do not count. It must be a regular file
 * of this user or root that nobody else may read or write. */
#ifndef S3APFS_APP_TIER_KEY_H
#define S3APFS_APP_TIER_KEY_H

#include <stdint.h>

#include "s3apfs/base/buf.h"

#define TIER_KEY_BYTES 32

/* 0; -errno with one line in *why that says nothing of what stands in the file. The
 * caller wipes the key. */
int tier_key_read(const char *path, uint8_t key[TIER_KEY_BYTES], struct buf *why);

#endif
