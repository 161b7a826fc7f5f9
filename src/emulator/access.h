/* From the world to the evaluator: who the caller is with all the policies that
 * stand behind him, and what a refusal says. Under the world's lock. */
#ifndef S3APFS_EMULATOR_ACCESS_H
#define S3APFS_EMULATOR_ACCESS_H

#include "context.h"
#include "s3apfs/policy/authorize.h"

struct access_caller {
  struct authorize_caller caller;
  struct principal_text principal;
  const struct policy **identity;
  const struct policy *session[1];
};

/* credential NULL: anonymous. Borrows the world's documents. -ENOMEM. */
int access_caller_init(struct access_caller *a, const struct credential *credential);
void access_caller_fini(struct access_caller *a);

/* Does the role's trust policy let this AWS service do the action? */
bool access_service_may(const struct role *r, const char *service, const char *action,
                        const struct context *context);

/* The text of a refusal: with the reason when caller and owner are related (one
 * account, or one organization), else without. */
void access_describe_locked(const struct world *w, const struct credential *caller,
                            const char *action, const char *owner,
                            const struct authorize_verdict *v, struct buf *out);

#endif
