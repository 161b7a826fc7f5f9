/* The places where a request can be refused, as AWS's messages name them. */
#ifndef S3APFS_POLICY_LAYER_H
#define S3APFS_POLICY_LAYER_H

enum policy_layer {
  POLICY_LAYER_UNKNOWN, /* a bare "Access Denied" */
  POLICY_LAYER_IDENTITY,
  POLICY_LAYER_BOUNDARY,
  POLICY_LAYER_SESSION,
  POLICY_LAYER_SCP,          /* service control policy of the caller's organization */
  POLICY_LAYER_RCP,          /* resource control policy of the owner's organization */
  POLICY_LAYER_ENDPOINT,     /* VPC endpoint policy */
  POLICY_LAYER_ACCESS_POINT, /* resource policy of an access point */
  POLICY_LAYER_BUCKET,       /* resource policy of a bucket */
  POLICY_LAYER_RESOURCE,     /* resource policy of something else, or not known of what */
  POLICY_LAYER_TRUST,        /* of a role */
  POLICY_LAYER_BPA,          /* Block Public Access */
  POLICY_LAYER_SSE_C,        /* the bucket takes no customer-provided keys */
  POLICY_LAYER_GRANT,        /* S3 Access Grants: no grant covers it */
};

/* "identity policy", "access point policy", ...: for people. */
const char *policy_layer_name(enum policy_layer layer);

#endif
