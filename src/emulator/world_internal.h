/* The inside of the emulator's world, for the control planes and the
 * authorization that live beside it. Everything reachable from struct world is
 * guarded by its lock: take world_lock(), use the `_locked` functions and the
 * structures, copy what must outlive world_unlock(). No I/O under the lock. */
#ifndef S3APFS_EMULATOR_WORLD_INTERNAL_H
#define S3APFS_EMULATOR_WORLD_INTERNAL_H

#include <uthash.h>
#include <utlist.h>

#include "s3apfs/aws/scope.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/policy/authorize.h"
#include "s3apfs/policy/policy.h"
#include "world.h"

#define WORLD_POLICY_MAX 20480 /* bytes: S3's limit for bucket and access point policies */

/* A policy document: as written and as understood. text NULL: none. */
struct document {
  char *text;
  struct policy *policy;
};
/* Replaces d's contents; -EINVAL with a line in *why, d unchanged. */
int document_set(struct document *d, const char *text, size_t len, struct buf *why);
void document_fini(struct document *d);

struct named_document { /* an inline policy */
  char *name;
  struct document doc;
  struct named_document *prev, *next;
};

struct mfa_device {
  char *serial;  /* ARN of a virtual device, or a hardware serial */
  uint8_t *seed; /* RFC 6238 secret, SHA-1, 30 s, 6 digits */
  size_t seed_len;
  char *seed_text;   /* as configured: base32 */
  int64_t last_step; /* a code is good once */
  struct mfa_device *prev, *next;
};

/* Who may sign tokens for roles of the account. */
struct oidc_provider {
  char *issuer, *arn;       /* host and path, without https:// */
  struct kvlist client_ids; /* names */
  struct kvlist keys;       /* key id -> RSA public key, PEM */
  struct oidc_provider *prev, *next;
};

struct account;

struct user {
  struct account *account;
  char *name, *path, *id, *arn;
  struct named_document *policies;
  struct document boundary;
  struct kvlist tags;
  struct mfa_device *mfa;
  int64_t created;
  struct user *prev, *next;
};

struct role {
  struct account *account;
  char *name, *path, *id, *arn;
  struct document trust;
  int64_t max_session; /* seconds */
  struct named_document *policies;
  struct document boundary;
  struct kvlist tags;
  char *description; /* or NULL */
  int64_t created;
  struct role *prev, *next;
};

/* An access key: a user's or root's long-lived one (token NULL), a session of
 * a role, or a session of a user (GetSessionToken). */
struct credential {
  char *id, *secret, *token;
  bool active;
  int64_t created, expiration; /* 0 = never */
  struct account *account;
  struct user *user;  /* NULL for root and role sessions */
  struct role *role;  /* role sessions */
  char *session_name; /* role sessions */
  struct document session_policy;
  struct kvlist session_tags;
  struct kvlist transitive_tags; /* the part of session_tags that follows a role chain */
  char *source_identity;
  char *directory_user; /* its id: the session carries that user's identity context */
  bool mfa;
  int64_t mfa_time;      /* when the code was given */
  char *grants_instance; /* ARN: vended by Access Grants */
  char *express_arn;     /* CreateSession: the one resource it is for */
  bool express_read_only;
  UT_hash_handle hh;
};

struct bucket {
  char *name, *region;
  struct account *account;
  struct document policy;
  bool has_bpa;
  struct block_public_access bpa;
  enum world_ownership ownership;
  bool requester_pays;
  int64_t created;
  struct bucket *prev, *next;
};

struct access_point {
  enum access_point_kind kind;
  char *outpost; /* "op-...", or NULL */
  struct access_point_function function;
  char *name, *region, *alias, *arn;
  struct account *account;
  char *bucket, *bucket_account;
  char *vpc; /* NULL: Internet */
  struct document policy;
  struct block_public_access bpa;
  int64_t created;
  struct access_point *prev, *next;
};

struct grants_location {
  char *id, *arn, *scope, *role_arn;
  struct kvlist tags;
  int64_t created;
  struct grants_location *prev, *next;
};

struct grant {
  struct grants_instance *instance;
  char *id, *arn;
  struct grants_location *location;
  char *sub_prefix;   /* "" when none */
  char *scope_text;   /* s3://bucket/prefix with its star */
  struct scope scope; /* the same, taken apart */
  bool object;        /* S3PrefixType=Object */
  char *grantee_type, *grantee;
  enum scope_permission permission;
  char *application_arn; /* or NULL */
  struct kvlist tags;
  int64_t created;
  struct grant *prev, *next;
};

struct grants_instance {
  struct account *account;
  char *region, *arn;
  char *identity_center; /* or NULL */
  struct document policy;
  struct kvlist tags;
  struct grants_location *locations;
  struct grant *grants;
  int64_t created;
  struct grants_instance *prev, *next;
};

struct vpc_endpoint {
  char *id, *vpc;
  int port;
  struct document policy; /* none: everything is allowed */
  struct vpc_endpoint *prev, *next;
};

#define SSO_LIFETIME_S 28800 /* of a sign-on */

struct sso_user {
  char *name;
  char *id;             /* in the directory (identity store), or NULL */
  struct kvlist groups; /* names: ids of directory groups */
  char *context;        /* what asserts this identity to AssumeRole, or NULL */
  char *access_token;
  char *refresh_token; /* or NULL */
  int64_t expires;     /* of the access token */
  struct sso_user *prev, *next;
};

struct sso_role { /* what every user may become */
  char *name, *account, *role_arn;
  struct sso_role *prev, *next;
};

struct sso {
  char *instance;                  /* ARN of the Identity Center instance, or NULL */
  char *client_id, *client_secret; /* of the one registered client, or NULL */
  struct sso_user *users;
  struct sso_role *roles;
  struct sso_client *clients; /* that registered; world_sso_device.c */
  struct sso_device *devices; /* that wait for a person */
};

#define INSTANCE_DURATION_S 21600 /* of the keys that metadata services tell */

struct instance {
  char *id, *role_arn;
  int64_t duration;
  char *key_id; /* of the session that is told now, or NULL */
  struct instance *prev, *next;
};

struct account {
  char *id;
  bool in_organization;
  bool has_bpa;
  struct block_public_access bpa;
  struct user *users;
  struct role *roles;
  struct oidc_provider *oidc_providers;
  struct mfa_device *mfa; /* that no user has */
  struct account *prev, *next;
};

struct world {
  const struct clock *clock;
  char *data_dir;    /* NULL: nothing is kept */
  char *config_hash; /* of the configuration text it started from, or NULL */
  struct {
    struct mtx lock;
    struct cond saved;
    char *region;                         /* default of everything that names none */
    char *organization;                   /* "o-..." or NULL */
    char *server;                         /* JSON text of the "server" member, or NULL */
    struct authorize_options assumptions; /* where AWS's own behaviour is not known */
    struct account *accounts;
    struct bucket *buckets; /* in order of names */
    struct access_point *access_points;
    struct grants_instance *grants;
    struct vpc_endpoint *endpoints;
    struct instance *instances;
    struct sso sso;
    struct credential *credentials; /* hash by id */
    uint64_t changes, saved_changes;
    bool saving;
  } synced;
};

void world_lock(struct world *w);
void world_unlock(struct world *w);
/* Marks the world as changed; world_save() writes it. */
void world_touch_locked(struct world *w);

/* --- ids (world_ids.c) --- */
/* prefix + n upper-case letters and digits; NULL when memory or randomness is short. */
char *world_make_id(const char *prefix, size_t n);
char *world_make_uuid(void);
/* 40 characters of base64 alphabet. */
char *world_make_secret(void);
/* NAME-xxx-s3alias; the same name at the same time gives the same alias. */
char *world_make_alias(const char *name, const char *account, const char *region, int64_t created);
bool world_valid_account_id(const char *s);
bool world_valid_bucket_name(const char *s);
bool world_valid_access_point_name(const char *s);

/* --- instances (world_instances.c) --- */
/* -EEXIST. */
int world_add_instance_locked(struct world *w, const char *id, const char *role_arn,
                              struct instance **out);
void world_drop_instances_locked(struct world *w);

/* --- sign-ons (world_sso.c) --- */
int world_add_sso_user_locked(struct world *w, const char *name, const char *access_token,
                              const char *refresh_token, struct sso_user **out);
int world_add_sso_role_locked(struct world *w, const char *name, const char *account,
                              const char *role_arn);
void world_drop_sso_locked(struct world *w);
bool world_sso_is_client_locked(const struct world *w, const char *id, const char *secret);
/* Both tokens anew; the former ones end. */
int world_sso_fresh_tokens_locked(struct world *w, struct sso_user *u, struct world_sso_token *out);
/* --- world_sso_device.c */
bool world_sso_is_registered_locked(const struct world *w, const char *id, const char *secret);
void world_drop_sso_devices_locked(struct world *w);
/* By the id in the directory, by an assertion; NULL. */
const struct sso_user *world_directory_user_locked(const struct world *w, const char *id);
const struct sso_user *world_asserted_user_locked(const struct world *w, const char *context);

/* --- token issuers (world_oidc.c) --- */
/* -EEXIST. */
int oidc_provider_add(struct account *a, const char *issuer, struct oidc_provider **out);
struct oidc_provider *oidc_provider_find(struct oidc_provider *list, const char *issuer);
void oidc_providers_free(struct oidc_provider *list);

/* --- people (world_people.c) --- */
struct account *world_account_locked(struct world *w, const char *id);
/* -EEXIST. */
int world_add_account_locked(struct world *w, const char *id, struct account **out);
struct user *world_user_locked(struct account *a, const char *name);
struct role *world_role_locked(struct account *a, const char *name);
/* arn:aws:iam::ACCOUNT:role/PATH/NAME, exactly. */
struct role *world_role_by_arn_locked(struct world *w, const char *arn);
/* id NULL: made up. path "/" or "/a/b/". -EEXIST. */
int world_add_user_locked(struct world *w, struct account *a, const char *name, const char *path,
                          const char *id, struct user **out);
int world_add_role_locked(struct world *w, struct account *a, const char *name, const char *path,
                          const char *id, struct role **out);
/* Their access keys and sessions go with them. */
void world_remove_user_locked(struct world *w, struct user *u);
void world_remove_role_locked(struct world *w, struct role *r);
int named_document_set(struct named_document **list, const char *name, const char *text, size_t len,
                       struct buf *why);
struct named_document *named_document_find(struct named_document *list, const char *name);
void named_document_remove(struct named_document **list, struct named_document *d);

/* --- credentials (world_credentials.c, world_mfa.c) --- */
struct credential *world_credential_locked(struct world *w, const char *id);
/* As above, but NULL when inactive or expired. */
struct credential *world_live_credential_locked(struct world *w, const char *id);
/* user NULL: the account's root. id, secret NULL: made up. -EEXIST. */
int world_add_key_locked(struct world *w, struct account *a, struct user *u, const char *id,
                         const char *secret, struct credential **out);
struct session_wish {
  struct account *account;
  struct user *user; /* one of both */
  struct role *role;
  const char *name;
  int64_t duration;                /* seconds */
  const char *id, *secret, *token; /* NULL: made up */
  int64_t expiration;              /* overrides duration unless 0 */
};
/* Expired sessions are thrown away on the way. */
int world_add_session_locked(struct world *w, const struct session_wish *s,
                             struct credential **out);
void world_remove_credential_locked(struct world *w, struct credential *c);
void world_drop_credentials_locked(struct world *w); /* all of them */
/* ARN and unique id of whoever holds the key. */
void credential_arn(const struct credential *c, struct buf *out);
void credential_user_id(const struct credential *c, struct buf *out);
/* 0 and the device's code is used up; -EACCES wrong or used. */
int mfa_device_check(struct mfa_device *d, const char *code, int64_t now);
struct mfa_device *mfa_device_find(struct mfa_device *list, const char *serial);
void mfa_device_free(struct mfa_device *d);
void mfa_devices_free(struct mfa_device **list);
/* seed: base32. -EINVAL. */
int mfa_device_add(struct mfa_device **list, const char *serial, const char *seed);

/* --- storage (world_buckets.c, world_access_points.c) --- */
struct bucket *world_bucket_locked(struct world *w, const char *name);
int world_add_bucket_locked(struct world *w, const char *name, struct account *a,
                            const char *region, struct bucket **out);
void world_drop_bucket_locked(struct world *w, struct bucket *b);
/* The union of what bucket (or access point) and account switch on. */
struct block_public_access world_effective_bpa(const struct block_public_access *own,
                                               const struct account *a);
struct access_point *world_access_point_locked(struct world *w, const char *account,
                                               const char *region, const char *name);
struct access_point *world_access_point_by_arn_locked(struct world *w, const char *arn);
int world_add_access_point_locked(struct world *w, struct account *a, const char *region,
                                  const char *name, const char *alias, struct access_point **out);
/* Gives a new access point its kind, and the ARN and alias that go with it.
 * -EINVAL: the name or alias is not one of that kind. */
int world_set_access_point_kind_locked(struct access_point *p, enum access_point_kind kind,
                                       const char *outpost, const char *alias);
const char *world_access_point_kind_name(enum access_point_kind kind);
int world_access_point_kind_parse(const char *s, enum access_point_kind *out); /* -EINVAL */
void world_drop_access_point_locked(struct world *w, struct access_point *p);

/* --- Access Grants (world_grants.c) --- */
struct grants_instance *world_grants_locked(struct world *w, const char *account,
                                            const char *region);
int world_add_grants_locked(struct world *w, struct account *a, const char *region,
                            struct grants_instance **out);
void world_drop_grants_locked(struct world *w, struct grants_instance *g);
struct grants_location *grants_location_find(struct grants_instance *g, const char *id);
struct grants_location *grants_location_find_scope(struct grants_instance *g, const char *scope);
/* id NULL: made up, "default" for s3://. -EINVAL: scope is no s3:// URI. */
int grants_location_add(struct grants_instance *g, const char *id, const char *scope,
                        const char *role_arn, struct grants_location **out);
void grants_location_remove(struct grants_instance *g, struct grants_location *l);
struct grant_wish {
  const char *id; /* NULL: made up */
  struct grants_location *location;
  const char *sub_prefix; /* "" or NULL: none */
  bool object;
  const char *grantee_type, *grantee;
  enum scope_permission permission;
  const char *application_arn;
};
/* -EINVAL: the scope is not one; -EEXIST: the same grant exists. */
int grants_grant_add(struct grants_instance *g, const struct grant_wish *wish, struct grant **out);
struct grant *grants_grant_find(struct grants_instance *g, const char *id);
void grants_grant_remove(struct grants_instance *g, struct grant *grant);
/* Does the grant name the holder of this key, or the directory's user or one of his groups
 * whose identity the session carries? */
bool grant_is_for(const struct world *w, const struct grant *g, const struct credential *c);
/* The closest grant to the holder that covers the target; NULL: none. */
struct grant *grants_match(const struct world *w, const struct grants_instance *g,
                           const struct credential *c, const struct scope *target,
                           enum scope_permission permission);

/* --- endpoints --- */
struct vpc_endpoint *world_endpoint_locked(struct world *w, const char *id);
int world_add_endpoint_locked(struct world *w, const char *id, const char *vpc, int port,
                              struct vpc_endpoint **out);

/* Same account, or both in the organization: AWS then explains denials. */
bool world_related_locked(const struct world *w, const char *account_a, const char *account_b);

#endif
