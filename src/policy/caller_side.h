/* The caller's side of a decision: what its own account lets it do with one
 * resource ARN. */
#ifndef S3APFS_POLICY_CALLER_SIDE_H
#define S3APFS_POLICY_CALLER_SIDE_H

#include <stdbool.h>

#include "s3apfs/policy/caller.h"
#include "s3apfs/policy/layer.h"

/* What one layer says about one ARN. */
struct finding {
  enum policy_layer layer;
  enum policy_effect effect;
  int via; /* POLICY_VIA_*, of resource policies */
  const char *sid;
  const char *resource;
};

/* In the order in which refusals are told. */
enum { SIDE_IDENTITY, SIDE_BOUNDARY, SIDE_SESSION, SIDE_SCP, SIDE_COUNT };

struct caller_side {
  struct finding findings[SIDE_COUNT];
};

/* q: who, what, and on which ARN. A layer that is absent allows, except the
 * identity policies. */
void caller_side_evaluate(const struct authorize_caller *c, const struct policy_request *q,
                          struct caller_side *out);

/* First finding from `from` on that does not allow; NULL: all do. */
const struct finding *caller_side_missing(const struct caller_side *s, int from);

#endif
