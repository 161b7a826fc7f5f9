/* CreateSession: keys for one directory bucket, or one of its access points (S3 API
 * reference). */
#include <stdlib.h>
#include <string.h>

#include "operations.h"
#include "permit.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

static int session_arn(struct exchange *x, char **out) {
  *out = x->to.access_point_arn ? strdup(x->to.access_point_arn)
                                : text_printf("arn:aws:s3express:%s:%s:bucket/%s", x->bucket.region,
                                              x->bucket.account, x->to.bucket);
  return *out ? 0 : reply_error(x, 500, "InternalError", "Out of memory.");
}

static int session_mode(struct exchange *x, bool *read_only) {
  const char *mode = exchange_header(x, "x-amz-create-session-mode");
  *read_only = mode && strcmp(mode, "ReadOnly") == 0;
  if (!mode || *read_only || strcmp(mode, "ReadWrite") == 0)
    return 0;
  return reply_error(x, 400, "InvalidArgument", "The session mode is ReadOnly or ReadWrite.");
}

static void put_session(struct exchange *x, const struct world_key *k) {
  char until[21];
  struct buf *out = reply_xml(x, 200);
  text_iso8601(k->expiration, until);
  xml_open(out, "CreateSessionResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_open(out, "Credentials");
  xml_element(out, "AccessKeyId", k->access_key_id);
  xml_element(out, "SecretAccessKey", k->secret);
  xml_element(out, "SessionToken", k->session_token);
  xml_element(out, "Expiration", until);
  xml_close(out, "Credentials");
  xml_close(out, "CreateSessionResult");
}

void op_create_session(struct exchange *x) {
  bool read_only;
  char *arn;
  struct world_key k;
  if (x->caller.anonymous || x->caller.key.express) {
    reply_error(x, 403, "AccessDenied", "Access Denied");
    return;
  }
  if (session_mode(x, &read_only) || permit(x, &x->to, "s3express:CreateSession", NULL) ||
      session_arn(x, &arn))
    return;
  if (world_create_express_session(x->emulator->world, x->caller.key.access_key_id, arn, read_only,
                                   &k)) {
    reply_error(x, 500, "InternalError", "We encountered an internal error.");
  } else {
    put_session(x, &k);
    world_key_fini(&k);
  }
  free(arn);
}
