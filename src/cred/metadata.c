/* What the replies of metadata services become. */
#include "metadata.h"

#include "fail.h"
#include "s3apfs/aws/keys_json.h"

int metadata_keys(const char *who, const char *from, const struct buf *body, struct keys **out,
                  struct s3_error *error) {
  struct aws_keys k;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = keys_json_parse_metadata(buf_cstr(body), body->len, &k, &why);
  if (rc != 0) {
    rc = cred_fail(error, rc, CRED_INVALID, "%s: %s: %s", who, from, buf_cstr(&why));
  } else {
    rc = keys_new(k.access_key_id, k.secret_access_key, k.session_token, k.expiration, NULL, who,
                  out);
    aws_keys_fini(&k);
    if (rc != 0)
      rc = cred_fail(error, rc, CRED_INVALID, "%s: no memory", who);
  }
  buf_fini(&why);
  return rc;
}
