/* Codec of the bodies that S3's changing calls send and get (S3 API reference:
 * CreateMultipartUpload, CompleteMultipartUpload, CopyObject, UploadPartCopy,
 * DeleteObjects, GetObjectTagging). Parsers give -EBADMSG for anything that is
 * not the reply named, -ENOMEM, and write results only on success. */
#ifndef S3APFS_AWS_WRITE_XML_H
#define S3APFS_AWS_WRITE_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/aws/checksum.h"
#include "s3apfs/base/buf.h"

/* Can an XML 1.0 document name this key? Other keys cannot be part of a
 * DeleteObjects request. */
bool write_xml_can_name(const char *key);

int write_xml_upload_id(const void *xml, size_t len, char **out);

/* What Complete, CopyObject and UploadPartCopy tell of the result. */
struct write_result {
  char *etag;    /* as sent, quotes and all; never empty */
  int64_t mtime; /* seconds; 0: not told */
  uint64_t crc64nvme;
  bool has_crc64nvme;         /* a FULL_OBJECT one */
  char *sums[CHECKSUM_KINDS]; /* by kind, as they stand there; NULL: not told */
};
/* root: "CompleteMultipartUploadResult", "CopyObjectResult", "CopyPartResult". */
int write_xml_result(const void *xml, size_t len, const char *root, struct write_result *out);
void write_result_fini(struct write_result *r);

/* A Complete request, part by part: _begin, _part for each, _end. */
void write_xml_complete_begin(struct buf *out);
/* sum: text of the part's checksum of that kind; NULL or "": not known. */
void write_xml_complete_part(struct buf *out, unsigned number, const char *etag,
                             enum checksum_kind kind, const char *sum);
void write_xml_complete_end(struct buf *out);

/* A quiet DeleteObjects request. etag: without quotes, NULL for any version. */
void write_xml_delete_begin(struct buf *out);
void write_xml_delete_key(struct buf *out, const char *key, const char *etag);
void write_xml_delete_end(struct buf *out);
/* Calls failed() for each <Error>; strings are borrowed. */
int write_xml_delete_errors(const void *xml, size_t len,
                            void (*failed)(void *arg, const char *key, const char *code,
                                           const char *message),
                            void *arg);

/* "a=1&b=2", percent-encoded, as the header x-amz-tagging has it; appended. */
int write_xml_tags(const void *xml, size_t len, struct buf *out);

#endif
