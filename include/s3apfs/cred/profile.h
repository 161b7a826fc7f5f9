/* The AWS shared configuration: ~/.aws/config and ~/.aws/credentials (AWS SDKs
 * and Tools Reference Guide, "Shared config and credentials files"). */
#ifndef S3APFS_CRED_PROFILE_H
#define S3APFS_CRED_PROFILE_H

#include <stdbool.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/cred/env.h"

/* Both files as read at one moment, seen from one profile. Immutable. */
struct aws_profile;

enum aws_profile_file {
  AWS_PROFILE_EITHER, /* the credentials file wins */
  AWS_PROFILE_CONFIG,
  AWS_PROFILE_CREDENTIALS,
};

/* name NULL: AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". Files that do not
 * exist are empty ones; a profile that does not exist is no error here.
 * -EINVAL for a malformed file, -EACCES, ... with a line in *why that names
 * file and line and quotes nothing. */
int aws_profile_load(const struct cred_env *env, const char *name, struct aws_profile **out,
                     struct buf *why);
void aws_profile_free(struct aws_profile *p); /* wipes; NULL is fine */

const char *aws_profile_name(const struct aws_profile *p);
/* Named by the caller, AWS_PROFILE or AWS_DEFAULT_PROFILE. */
bool aws_profile_is_named(const struct aws_profile *p);
bool aws_profile_exists(const struct aws_profile *p);
const char *aws_profile_config_path(const struct aws_profile *p);
const char *aws_profile_credentials_path(const struct aws_profile *p);

/* Settings; NULL when absent or empty. Names are lower case. Valid while p is. */
const char *aws_profile_get(const struct aws_profile *p, const char *key);
const char *aws_profile_get_from(const struct aws_profile *p, enum aws_profile_file file,
                                 const char *key);
/* `key` in the profile's indented block `block`: ("s3", "use_arn_region"). */
const char *aws_profile_get_nested(const struct aws_profile *p, const char *block, const char *key);
/* A section of another kind, "sso-session" or "services". block may be NULL. */
bool aws_profile_has_section(const struct aws_profile *p, const char *kind, const char *name);
const char *aws_profile_section_get(const struct aws_profile *p, const char *kind, const char *name,
                                    const char *block, const char *key);

#endif
