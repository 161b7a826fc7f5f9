/* Parts of multipart uploads, for UploadPart and UploadPartCopy. */
#ifndef S3APFS_EMULATOR_S3_MULTIPART_H
#define S3APFS_EMULATOR_S3_MULTIPART_H

#include "exchange.h"
#include "object_file.h"
#include "s3apfs/aws/checksum.h"

/* Answers a failed lookup of an upload: NoSuchUpload, or 500. */
int upload_refuse(struct exchange *x, int err);

struct part_target {
  const char *id; /* borrowed from the query */
  unsigned number;
  struct object_info upload;
  enum checksum_kind checksum; /* what the upload's parts are summed with */
  bool has_checksum;           /* the client chose it: tell it back */
};

/* Reads partNumber and uploadId, authorizes, finds the upload. 0, or answered. */
int part_target_find(struct exchange *x, struct part_target *out);
void part_target_fini(struct part_target *t);
/* Checks x->body and stores it as that part; part is filled. 0, or answered. */
int part_store(struct exchange *x, struct part_target *t, struct object_info *part);

#endif
