/* Names of layers, for people. AWS's own phrases are in denied.c. */
#include "s3apfs/policy/layer.h"

const char *policy_layer_name(enum policy_layer layer) {
  static const char *const names[] = {
      [POLICY_LAYER_UNKNOWN] = "unknown layer",
      [POLICY_LAYER_IDENTITY] = "identity policy",
      [POLICY_LAYER_BOUNDARY] = "permissions boundary",
      [POLICY_LAYER_SESSION] = "session policy",
      [POLICY_LAYER_SCP] = "service control policy",
      [POLICY_LAYER_RCP] = "resource control policy",
      [POLICY_LAYER_ENDPOINT] = "VPC endpoint policy",
      [POLICY_LAYER_ACCESS_POINT] = "access point policy",
      [POLICY_LAYER_BUCKET] = "bucket policy",
      [POLICY_LAYER_RESOURCE] = "resource policy",
      [POLICY_LAYER_TRUST] = "role trust policy",
      [POLICY_LAYER_BPA] = "Block Public Access",
      [POLICY_LAYER_SSE_C] = "SSE-C block",
      [POLICY_LAYER_GRANT] = "access grant",
  };

  return (unsigned)layer < sizeof(names) / sizeof(names[0]) ? names[layer] : names[0];
}
