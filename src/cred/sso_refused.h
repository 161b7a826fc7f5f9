/* Refresh tokens that the service does not take: each is good once, and the reply with the
 * next one can be lost. Such a token is not sent again. */
#ifndef S3APFS_SRC_CRED_SSO_REFUSED_H
#define S3APFS_SRC_CRED_SSO_REFUSED_H

#include <stdbool.h>

/* True: it is noted now; false: it was before. Any thread, as below. */
bool sso_refused_note(const char *refresh_token);
/* Of many, the older ones may be forgotten. */
bool sso_refused_is(const char *refresh_token);

#endif
