/* Codecs of IAM Identity Center sign-ons (AWS SDKs and Tools Reference Guide, "IAM
 * Identity Center credential provider"; portal API GetRoleCredentials; OIDC API
 * CreateToken). -EBADMSG with a line in *why that never quotes the document. */
#ifndef S3APFS_AWS_SSO_JSON_H
#define S3APFS_AWS_SSO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/buf.h"

/* A cached token: what `aws sso login` leaves in ~/.aws/sso/cache. The members behind
 * expires are NULL or 0 where it cannot be renewed. */
struct sso_token {
  char *access_token;
  int64_t expires; /* seconds since 1970 */
  char *refresh_token;
  char *client_id;
  char *client_secret;
  int64_t registration_expires; /* 0: not told */
};
int sso_token_parse(const void *json, size_t len, struct sso_token *out, struct buf *why);
void sso_token_fini(struct sso_token *t); /* wipes */

/* The body that asks for a new token. */
int sso_token_request(const struct sso_token *t, struct buf *out);
/* Takes a reply to it: t and its cached document become the new ones. `now` is when it
 * came. On failure neither changes. */
int sso_token_renewed(struct sso_token *t, const void *reply, size_t len, int64_t now,
                      struct buf *document, struct buf *why);

/* Whether a reply that is no success says that asking again is in vain: {"error":
 * "invalid_grant"} and its like (RFC 6749, 5.2). */
bool sso_token_is_refused(const void *reply, size_t len);

/* {"roleCredentials": {...}} */
int sso_credentials_parse(const void *json, size_t len, struct aws_keys *out, struct buf *why);

#endif
