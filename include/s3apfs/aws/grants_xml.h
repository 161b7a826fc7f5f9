/* Codecs of the S3 Control and STS replies the client needs, and of the one S3 reply with keys.
 * Every parse gives -EBADMSG for a reply that is another call's or lacks what the call promises
 * (temporary keys: all four members, printable and without blanks), -ENOMEM. */
#ifndef S3APFS_AWS_GRANTS_XML_H
#define S3APFS_AWS_GRANTS_XML_H

#include <stddef.h>
#include <stdint.h>

struct aws_keys { /* owned strings; session_token may be NULL */
  char *access_key_id;
  char *secret_access_key;
  char *session_token;
  int64_t expiration; /* seconds since 1970; 0 = never */
};
void aws_keys_fini(struct aws_keys *k); /* wipes */

struct data_access { /* GetDataAccess */
  struct aws_keys keys;
  char *matched_target; /* as sent: may end in one or more '*' */
  char *grantee_type;   /* "" when absent */
  char *grantee;        /* "" when absent */
};
int data_access_parse(const void *xml, size_t len, struct data_access *out);
void data_access_fini(struct data_access *d);

struct caller_grant {
  char *permission; /* READ, WRITE, READWRITE; as sent, not empty */
  char *scope;
  char *application_arn; /* "" when absent */
};
struct caller_grants { /* ListCallerAccessGrants, one page */
  struct caller_grant *items;
  size_t count;
  char *next_token; /* NULL at the end */
};
int caller_grants_parse(const void *xml, size_t len, struct caller_grants *out);
void caller_grants_fini(struct caller_grants *g);

/* GetAccessGrantsInstanceForPrefix: the instance's ARN. */
int grants_instance_parse(const void *xml, size_t len, char **arn);

struct caller_identity { /* sts:GetCallerIdentity */
  char *arn;
  char *user_id;
  char *account;
};
int caller_identity_parse(const void *xml, size_t len, struct caller_identity *out);
void caller_identity_fini(struct caller_identity *c);

/* sts:AssumeRole and AssumeRoleWithWebIdentity: keys and the session's ARN. */
int assume_role_parse(const void *xml, size_t len, struct aws_keys *keys, char **session_arn);

/* s3:CreateSession (directory buckets). */
int create_session_parse(const void *xml, size_t len, struct aws_keys *keys);

#endif
