/* Codec of credential documents in JSON (credential_process output, and the
 * shapes of IMDS and container endpoints, which differ in names only). */
#ifndef S3APFS_AWS_KEYS_JSON_H
#define S3APFS_AWS_KEYS_JSON_H

#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/buf.h"

/* {"Version":1,"AccessKeyId",...}; account may be NULL afterwards. -EBADMSG
 * with a line in *why that never quotes the document. */
int keys_json_parse_process(const void *json, size_t len, struct aws_keys *out, char **account,
                            struct buf *why);
/* {"AccessKeyId","SecretAccessKey","Token","Expiration"[,"Code":"Success"]}. */
int keys_json_parse_metadata(const void *json, size_t len, struct aws_keys *out, struct buf *why);

#endif
