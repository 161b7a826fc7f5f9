/* Who the mount is: one identity per distinct profile and role, shared by the
 * directories that name it. Brings the key source, the settings found beside the keys
 * (Region, endpoints), and the caller's ARN where it can be learned. */
#ifndef S3APFS_APP_IDENTITY_H
#define S3APFS_APP_IDENTITY_H

#include "s3apfs/net/call.h"
#include "s3apfs/s3/client.h"
#include "settings.h"

struct identity;
struct identities; /* the mount's set; owns its members */

int identities_new(struct caller *c, struct identities **out);
void identities_free(struct identities *all);
/* Where the sessions that are made with identities' keys are renewed; borrowed. */
struct pool *identities_renewals(struct identities *all);

/* The identity for these settings, made on first use. Nothing is fetched yet.
 * Of several with different deadlines that of the last one counts for its keys.
 * -EINVAL with one line in *why (unknown profile, unreadable file, ...). */
int identities_get(struct identities *all, const struct settings *s, struct identity **out,
                   struct buf *why);

struct key_source *identity_keys(struct identity *id);
/* Where to send requests: the settings' own values, then the environment's, then
 * the profile's. Strings live as long as the identity and the settings. */
void identity_site(const struct identity *id, const struct settings *s, struct s3_site *out);
/* A stable name: "profile demo", "role ARN of profile demo". */
const char *identity_name(const struct identity *id);
/* "arn:aws:sts::111111111111:assumed-role/demo/x" when it has been learned, else
 * the name. Appended. Never blocks: fit for callbacks. */
void identity_describe(struct identity *id, struct buf *out);
/* Serial of the MFA device whose code its keys need, as far as it is known; the
 * caller's to free. */
char *identity_device(struct identity *id);
/* Fetches keys now, with a code of that device (NULL: without). Blocks. */
int identity_login(struct identity *id, const char *code, struct s3_error *error);
/* Asks STS who the caller is, for display only: when it is not known for the keys
 * in use, at most once a minute, for at most two seconds. Blocks. */
void identity_learn(struct identity *id, const struct settings *s);

#endif
