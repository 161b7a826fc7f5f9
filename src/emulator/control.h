/* The control planes: S3 Control (access points, Access Grants, account-level
 * Block Public Access), STS and IAM. Plain data in, plain data out: the server
 * verifies the signature, fills a control_request and sends the control_reply.
 * Error documents are written here, in each service's own form. Thread-safe. */
#ifndef S3APFS_EMULATOR_CONTROL_H
#define S3APFS_EMULATOR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"
#include "world.h"

enum control_plane { CONTROL_S3, CONTROL_STS, CONTROL_IAM };

/* Everything is borrowed; pointers may be NULL unless it says otherwise. */
struct control_request {
  enum control_plane plane;
  const char *method;           /* required */
  const char *path;             /* required; decoded: "/v20180820/accesspoint/name", "/" */
  const struct kvlist *query;   /* required; decoded */
  const struct kvlist *headers; /* required */
  const char *body;
  size_t body_len;
  const char *account;       /* s3control: from x-amz-account-id, else from the host */
  const char *region;        /* required; of the credential scope */
  const char *access_key_id; /* verified; NULL = anonymous */
  const char *endpoint_id;   /* as in struct s3_access, and so are the next three */
  const char *source_ip;
  bool secure;
  const char *user_agent;
  const char *request_id; /* required */
};

struct control_reply {
  int status;
  const char *content_type; /* static */
  const char *error_code;   /* static; NULL when it went well */
  struct buf body;
};

void control_reply_init(struct control_reply *r);
void control_reply_fini(struct control_reply *r); /* wipes: replies hold keys */

/* Always leaves a reply; memory running out is a 500. */
void control_handle(struct world *w, const struct control_request *q, struct control_reply *r);
/* "GetDataAccess", "AssumeRole", ...; "Unknown". Static. */
const char *control_operation_name(const struct control_request *q);

#endif
