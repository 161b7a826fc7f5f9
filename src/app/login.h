/* The mount's side of `s3apfs login`: whose keys wait for somebody, and new ones. */
#ifndef S3APFS_APP_LOGIN_H
#define S3APFS_APP_LOGIN_H

#include <cjson/cJSON.h>

#include "app.h"

/* {"logins": [{"source": N, "identity": "...", "device": "...", "problem": "..."}]}: each
 * identity once that needs an MFA code or has no keys now. */
cJSON *login_list(struct app *a);
/* request: "N", or "N CODE". {"expires": "..."} or {"error": "...", "denied": bool}. */
cJSON *login_renew(struct app *a, const char *request);

#endif
