/* The instance metadata service (EC2 user guide, "Use the Instance Metadata Service
 * to access instance metadata"; version 2) of the world's instances, each below
 * /_instance/ID/: what AWS_EC2_METADATA_SERVICE_ENDPOINT is set to. */
#ifndef S3APFS_EMULATOR_INSTANCE_H
#define S3APFS_EMULATOR_INSTANCE_H

#include "exchange.h"

/* NULL: the request is for another service. Else the operation's name, for log and
 * faults: "MetadataToken", "MetadataRole", "MetadataCredentials", "MetadataRegion",
 * "MetadataUnknown". */
const char *instance_operation(const struct exchange *x);
/* Answers it. */
void instance_run(struct exchange *x);

#endif
