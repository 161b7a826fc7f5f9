/* Codec of credential documents in JSON (credential_process output, and the
 * shapes of IMDS and container endpoints, which differ in names only). */
#ifndef S3APFS_AWS_KEYS_JSON_H
#define S3APFS_AWS_KEYS_JSON_H

#include <stddef.h>

#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/buf.h"

/* {"Version":1,"AccessKeyId","SecretAccessKey"[,"SessionToken"][,"Expiration"]
 * [,"AccountId"]}. Optional members may be null or "": NULL, never expiring.
 * -EBADMSG with a line in *why (may be NULL) that never quotes the document;
 * -ENOMEM. On success the caller owns *out (aws_keys_fini) and *account (free). */
int keys_json_parse_process(const void *json, size_t len, struct aws_keys *out, char **account,
                            struct buf *why);
/* {"AccessKeyId","SecretAccessKey"[,"Token"][,"Expiration"][,"Code":"Success"]};
 * -EBADMSG also when Code is anything else. */
int keys_json_parse_metadata(const void *json, size_t len, struct aws_keys *out, struct buf *why);
/* The document's RoleArn, which Amazon ECS adds; the caller's (free). NULL: it has none
 * that is an ARN, or no memory. */
char *keys_json_role_arn(const void *json, size_t len);

#endif
