/* Which kind of document is it? The grammar is one; what a statement must and
 * must not have depends on where the document is attached. */
#include <errno.h>
#include <stdbool.h>

#include "document.h"
#include "s3apfs/policy/policy.h"

static int refuse(struct buf *why, size_t index, const char *element, const char *remark) {
  if (why != NULL)
    buf_printf(why, "Statement %zu: %s: %s", index + 1, element, remark);
  return -EINVAL;
}

static const char *principal_element(const struct statement *s) {
  return s->not_principal ? "NotPrincipal" : "Principal";
}

int policy_check_identity(const struct policy *p, struct buf *why) {
  for (size_t i = 0; i < p->count; i++) {
    const struct statement *s = &p->statements[i];

    if (s->principals.count > 0)
      return refuse(why, i, principal_element(s), "an identity policy has none");
    if (s->resources.count == 0)
      return refuse(why, i, "Resource", "is missing");
  }
  return 0;
}

int policy_check_resource(const struct policy *p, struct buf *why) {
  for (size_t i = 0; i < p->count; i++) {
    const struct statement *s = &p->statements[i];

    if (s->principals.count == 0)
      return refuse(why, i, "Principal", "is missing; a resource policy names who is meant");
    if (s->resources.count == 0)
      return refuse(why, i, "Resource", "is missing");
  }
  return 0;
}

int policy_check_trust(const struct policy *p, struct buf *why) {
  for (size_t i = 0; i < p->count; i++) {
    const struct statement *s = &p->statements[i];

    if (s->principals.count == 0)
      return refuse(why, i, "Principal",
                    "is missing; a trust policy names who may assume the role");
    if (s->resources.count > 0)
      return refuse(why, i, s->not_resource ? "NotResource" : "Resource",
                    "a trust policy has none: it is about its role");
  }
  return 0;
}
