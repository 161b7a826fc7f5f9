/* The emulator's world: accounts with users, roles and sessions; buckets'
 * configuration; access points; Access Grants; VPC endpoints. This header is
 * what the data plane needs of it; world_internal.h is the inside.
 *
 * Thread-safe: every function takes the world's one lock for the time of a
 * pure computation. Changes are effective at once, for every caller. Results
 * are copies that the caller owns. Functions return 0 or -errno. */
#ifndef S3APFS_EMULATOR_WORLD_H
#define S3APFS_EMULATOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/clock.h"

struct world;

/* An empty world. The clock (borrowed) decides what has expired. */
int world_new(const struct clock *clock, struct world **out);
void world_free(struct world *w);
/* The time that the world goes by, seconds since 1970. */
int64_t world_now(const struct world *w);

/* --- setting up and keeping (world_config.c, world_save.c) --------------------------------------
 */

/* Reads a world document (docs/emulator.md) into an empty world. -EINVAL with
 * one line in *why that names the path of what is wrong, such as
 * "accounts[0].roles[1].trust: ..."; unknown keys are wrong. */
int world_config_parse(struct world *w, const char *json, size_t len, struct buf *why);
/* The whole world as such a document, secrets included. */
int world_config_print(struct world *w, struct buf *out);
/* Starts from config_path, or, when data_dir holds the world.json of an earlier
 * run that started from the same configuration text, from that. Later
 * administrative changes are written there. data_dir NULL: nothing is kept.
 * config_path NULL: the saved world, or an empty one. */
int world_open(struct world *w, const char *config_path, const char *data_dir, struct buf *why);
/* Writes world.json now: after administrative changes (the control planes call
 * it themselves) and at shutdown, so that issued sessions are kept too. */
int world_save(struct world *w);
/* The configuration's "server" member as JSON text; nothing when it has none. */
int world_server_json(struct world *w, struct buf *out);

/* --- who signed: authentication -----------------------------------------------------------------
 */

/* One access key with what the verifier must compare, and whose it is. */
struct world_key {
  char *access_key_id;
  char *secret;
  char *session_token; /* NULL: long-lived, a token must not be sent */
  int64_t expiration;  /* seconds since 1970; 0 = never */
  bool active;         /* false: answers InvalidAccessKeyId */
  char *account;       /* 12 digits */
  char *arn;           /* user, assumed-role session or account root */
  char *user_id;       /* AIDA..., AROA...:session, or the account id */
  bool express;        /* a directory bucket's session: its token has a header of its own */
};
/* -ENOENT: no such key. Expired keys are found: comparing is the caller's. */
int world_find_key(struct world *w, const char *access_key_id, struct world_key *out);
void world_key_fini(struct world_key *k); /* wipes */
/* A session of five minutes for one directory bucket or its access point, of the
 * holder of a key. -ENOENT: the key is gone. */
int world_create_express_session(struct world *w, const char *access_key_id, const char *arn,
                                 bool read_only, struct world_key *out);
bool world_is_directory_bucket(const char *name); /* BASE--ZONE--x-s3 */

/* --- instances (world_instances.c) --- */

struct world_instance {
  char *id;
  char *role_name; /* "" when the role is gone */
  char *region;
};
int world_find_instance(struct world *w, const char *id, struct world_instance *out); /* -ENOENT */
void world_instance_fini(struct world_instance *i);
/* The session that the instance's metadata service tells now. -ENOENT. */
int world_instance_keys(struct world *w, const char *id, struct world_key *out);

/* --- sign-ons (world_sso.c) --- */

/* A session of the role that the sign-on may become. -EACCES: the token is none or has
 * ended; -ENOENT: the role is not for this user. */
int world_sso_keys(struct world *w, const char *token, const char *account, const char *role,
                   struct world_key *out);
struct world_sso_token {
  char *access_token;
  char *refresh_token;
  int64_t lifetime; /* seconds */
};
/* -EPERM: no such client; -EACCES: no such refresh token. */
int world_sso_renew(struct world *w, const char *client_id, const char *client_secret,
                    const char *refresh_token, struct world_sso_token *out);
void world_sso_token_fini(struct world_sso_token *t); /* wipes */

/* --- signing on by a device (world_sso_device.c) --- */

struct world_sso_client {
  char *id;
  char *secret;
  int64_t issued;
  int64_t expires;
};
int world_sso_register(struct world *w, struct world_sso_client *out);
void world_sso_client_fini(struct world_sso_client *c); /* wipes */
struct world_sso_device {
  char *code;      /* the client's */
  char *user_code; /* what a person is shown */
  int64_t lifetime;
};
/* -EPERM: no such client. */
int world_sso_start(struct world *w, const char *client_id, const char *secret,
                    struct world_sso_device *out);
void world_sso_device_fini(struct world_sso_device *d);
/* The person allows it as that user; "": refuses. -ENOENT: no such code or user. */
int world_sso_decide(struct world *w, const char *user_code, const char *user);
/* -EPERM: no such client; -EACCES: no such code; -EAGAIN: nobody decided yet; -ETIMEDOUT:
 * it has ended; -ECANCELED: it was refused. */
int world_sso_take(struct world *w, const char *client_id, const char *secret, const char *code,
                   struct world_sso_token *out);

/* --- where it arrived ----------------------------------------------------------------------------
 */

struct world_endpoint {
  char *id;  /* "vpce-..." */
  char *vpc; /* "vpc-..." */
  int port;  /* 0: none, given by other means */
};
struct world_endpoints {
  struct world_endpoint *items;
  size_t count;
};
/* The VPC endpoints: the server listens on each one's port, and gives its id
 * to authorize_s3 for requests that arrive there. */
int world_list_endpoints(struct world *w, struct world_endpoints *out);
void world_endpoints_fini(struct world_endpoints *e);

/* --- buckets --- */

enum world_ownership {
  OWNERSHIP_BUCKET_OWNER_ENFORCED, /* the default: ACLs are off */
  OWNERSHIP_BUCKET_OWNER_PREFERRED,
  OWNERSHIP_OBJECT_WRITER,
};

struct world_bucket {
  char *name;
  char *account; /* the owner */
  char *region;
  enum world_ownership ownership;
  bool requester_pays;
  int64_t created;
};
int world_find_bucket(struct world *w, const char *name, struct world_bucket *out); /* -ENOENT */
void world_bucket_fini(struct world_bucket *b);
struct world_buckets {
  struct world_bucket *items;
  size_t count;
};
/* account NULL: of all accounts. In order of names. */
int world_list_buckets(struct world *w, const char *account, struct world_buckets *out);
void world_buckets_fini(struct world_buckets *b);

/* -EINVAL: the name breaks the rules; -EEXIST: the account has it already
 * (BucketAlreadyOwnedByYou); -EBUSY: another account has it. */
int world_create_bucket(struct world *w, const char *name, const char *account, const char *region,
                        enum world_ownership ownership);
/* -ENOENT; -ENOTEMPTY is the data plane's business. Its access points stay. */
int world_delete_bucket(struct world *w, const char *name);
int world_set_bucket_ownership(struct world *w, const char *name, enum world_ownership o);
int world_set_bucket_requester_pays(struct world *w, const char *name, bool on);
/* The document's text; -ENOENT no bucket, -ENODATA no policy. */
int world_get_bucket_policy(struct world *w, const char *name, struct buf *out);
/* text NULL: deletes. -EINVAL: malformed, one line in *why; -EPERM: public, and
 * Block Public Access refuses public policies. */
int world_set_bucket_policy(struct world *w, const char *name, const char *text, size_t len,
                            struct buf *why);
/* -ENODATA: no policy. */
int world_get_bucket_policy_public(struct world *w, const char *name, bool *out);

struct block_public_access {
  bool block_acls;       /* BlockPublicAcls */
  bool ignore_acls;      /* IgnorePublicAcls */
  bool block_policy;     /* BlockPublicPolicy */
  bool restrict_buckets; /* RestrictPublicBuckets */
};
/* -ENODATA: the bucket has no configuration of its own. */
int world_get_bucket_bpa(struct world *w, const char *name, struct block_public_access *out);
/* NULL: deletes the configuration. */
int world_set_bucket_bpa(struct world *w, const char *name, const struct block_public_access *bpa);

/* The account's canonical user id: 64 hex digits. */
int world_canonical_id(const char *account, char out[65]);
const char *world_ownership_name(enum world_ownership o); /* "BucketOwnerEnforced", ... */
int world_ownership_parse(const char *s, enum world_ownership *out);

/* --- access points --- */

enum access_point_kind {
  ACCESS_POINT_GENERAL,
  ACCESS_POINT_OBJECT_LAMBDA,
  ACCESS_POINT_OUTPOSTS,
  ACCESS_POINT_MULTI_REGION,
  ACCESS_POINT_DIRECTORY,
};

/* What stands for the function of an Object Lambda access point. */
struct access_point_function {
  enum { FUNCTION_COPY, FUNCTION_UPPER, FUNCTION_TWICE } transform;
  bool takes_ranges;  /* else Range is answered with 501 */
  bool hides_length;  /* no Content-Length: it is not known when the reply starts */
  bool tells_version; /* an ETag of its own */
};

struct world_access_point {
  enum access_point_kind kind;
  struct access_point_function function;
  char *name;
  char *account; /* the access point's owner */
  char *region;
  char *bucket;
  char *bucket_account;
  char *alias;
  char *arn; /* arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME and its kin */
  char *vpc; /* NULL: network origin Internet */
};
/* region NULL: any (names are unique per account and region; the first wins). */
int world_find_access_point(struct world *w, const char *account, const char *region,
                            const char *name, struct world_access_point *out);
int world_find_access_point_by_alias(struct world *w, const char *alias,
                                     struct world_access_point *out);
void world_access_point_fini(struct world_access_point *a);

#endif
