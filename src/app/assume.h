/* The keys that settings ask for: of a profile or the standard chain, and of the
 * role over them (role-arn and its companions). */
#ifndef S3APFS_APP_ASSUME_H
#define S3APFS_APP_ASSUME_H

#include "s3apfs/cred/provider.h"
#include "settings.h"

/* Not cached. -EINVAL with one line in *why. */
int assume_keys(const struct cred_context *c, const struct settings *s, struct key_source **out,
                struct buf *why);
/* The files that options name are read again at each renewal, by a daemon that is in no folder
 * of the user's, and are there from the start; of a token its provider tells. Else
 * -errno with one line in *why. */
int assume_check_files(const struct settings *s, struct buf *why);
/* Who it is, for people and to tell identities apart: "profile demo", "role ARN of
 * profile demo". Appended. */
void assume_name(const struct settings *s, struct buf *out);
/* Everything that makes the keys what they are. Appended. */
void assume_key(const struct settings *s, struct buf *out);

#endif
