/* How a profile's keys are found, over the profiles that lead to it. */
#ifndef SRC_CRED_PROFILE_WAY_H
#define SRC_CRED_PROFILE_WAY_H

#include "role.h"
#include "s3apfs/cred/profile.h"

#define PROFILE_STEPS_MAX 16

struct profile_way {
  const struct cred_context *context;
  struct role_memory *memory;
  const struct aws_profile *top;                      /* Region and endpoints come from it */
  const struct aws_profile *steps[PROFILE_STEPS_MAX]; /* from the top down */
  size_t count;
};

bool profile_has_static_keys(const struct aws_profile *p);
/* role_arn that other keys assume. */
bool profile_is_role(const struct aws_profile *p);
/* Keys of `p`, the last step of the way, but for a role reached by other keys. */
int profile_own_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                     struct s3_error *error);
/* The session of p's role; p is the last step of the way. */
int profile_role_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                      struct s3_error *error);
/* The session that p's web identity gives. */
int profile_web_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                     struct s3_error *error);

#endif
