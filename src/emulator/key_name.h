/* Object keys as file names. Any key of 1..1024 bytes gets a path of its own
 * that collides with no other key's: `a` beside `a/b`, `//`, `..`, 1,024 bytes.
 *
 * Letters, digits and "-_.,=@" stay, every other byte becomes %XX; a leading
 * '.' too. Names longer than KEY_NAME_PIECE are cut into folders whose names
 * end in '~', which no escaped text holds. Pure. */
#ifndef S3APFS_EMULATOR_KEY_NAME_H
#define S3APFS_EMULATOR_KEY_NAME_H

#include "s3apfs/base/buf.h"

/* File systems take 255 bytes; the rest is room for "~". */
#define KEY_NAME_PIECE 240

/* Appends the relative path; errors stick in out. */
void key_name_escape(struct buf *out, const char *key);
/* The key of a relative path; -EINVAL when it is none that escape makes. */
int key_name_unescape(struct buf *out, const char *path);

#endif
