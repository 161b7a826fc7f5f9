/* The one step from keys to a role's session, and what is kept of it. */
#ifndef SRC_CRED_ROLE_H
#define SRC_CRED_ROLE_H

#include "s3apfs/cred/profile.h"
#include "s3apfs/cred/provider.h"

/* Sessions that an MFA code was given for: they are used to their end, because
 * a renewal would need another code. Thread-safe. */
struct role_memory;
int role_memory_new(struct role_memory **out);
void role_memory_free(struct role_memory *m); /* NULL is fine */
/* The service refused these keys: they are not given again. */
void role_memory_forget(struct role_memory *m, const struct keys *k);

struct role_step {
  const char *who;                   /* begins every message: "profile demo", "role-arn" */
  struct cred_role role;             /* borrowed */
  const struct aws_profile *profile; /* for Region and endpoint; may be NULL */
  struct role_memory *memory;
};

/* base: who assumes it; NULL with a web identity. */
int role_assume(const struct cred_context *c, const struct role_step *s, struct keys *base,
                struct keys **out, struct s3_error *error);

#endif
