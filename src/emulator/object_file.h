/* One object on disk: its bytes, then a trailer that tells everything else.
 *
 *   DATA | JSON | 8 bytes little-endian length of JSON | "S3APFSO1"
 *
 * So one rename(2) replaces an object with all its attributes, an open file
 * stays one version of it, and ranges are served from offset 0 on. The same
 * form holds the parts of unfinished uploads. */
#ifndef S3APFS_EMULATOR_OBJECT_FILE_H
#define S3APFS_EMULATOR_OBJECT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key_index.h"
#include "s3apfs/base/kv.h"

struct object_part {
  uint64_t size;
  unsigned number;
  char *checksum; /* base64 of the part's digest; NULL when none is kept */
};

struct object_info {
  struct key_entry entry;
  struct kvlist headers; /* Content-Type and friends, x-amz-meta-*: replayed on GET */
  struct kvlist tags;
  char *checksum;            /* base64, "-N" behind a composite one */
  char *acl;                 /* canned ACL's name, "" when none was given */
  struct object_part *parts; /* of a multipart upload, in order; NULL otherwise */
  size_t part_count;
  unsigned appends; /* how often it was appended to since it was put */
};

void object_info_init(struct object_info *o);
void object_info_fini(struct object_info *o);
int object_info_copy(struct object_info *dst, const struct object_info *src);

/* Appends the trailer at the file's end, which must be where the data end. */
int object_file_seal(int fd, const struct object_info *o);
/* Reads it back; -EBADMSG when the file was not sealed or is damaged. */
int object_file_read(int fd, struct object_info *out);

#endif
