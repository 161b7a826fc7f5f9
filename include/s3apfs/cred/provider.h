/* Credential providers. Each is a struct key_source (net/keys.h): get() blocks,
 * any thread may call it. -ENOENT means that nothing is configured for this
 * provider; every other failure is a configured provider that cannot deliver.
 * Errors name the provider and what to look at, never a secret. Chaining and
 * caching are providers that wrap providers.
 *
 * Constructors return 0 or -ENOMEM; context and environment are copied, what they
 * point to must outlive the provider. */
#ifndef S3APFS_CRED_PROVIDER_H
#define S3APFS_CRED_PROVIDER_H

#include <stddef.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/cred/context.h"
#include "s3apfs/net/keys.h"

/* Always the same keys; a reference is taken. */
int cred_static_new(struct keys *keys, struct key_source **out);

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (or the older
 * AWS_SECURITY_TOKEN), AWS_CREDENTIAL_EXPIRATION, AWS_ACCOUNT_ID. */
int cred_environment_new(const struct cred_env *env, struct key_source **out);

/* A profile of the shared files: a role (with the profiles it is reached by), a
 * web identity, static keys, or credential_process; the files are read at each
 * get. name as in aws_profile_load(). A named profile that does not exist is a
 * failure, a missing default one is -ENOENT. */
enum cred_profile_part {
  CRED_PROFILE_ALL,
  CRED_PROFILE_ROLE, /* only when it is a role reached by other keys; else -ENOENT */
};
int cred_profile_new(const struct cred_context *c, const char *name, enum cred_profile_part part,
                     struct key_source **out);

/* A role, and what STS is told with it (STS API, AssumeRole). */
struct cred_role {
  const char *arn;
  const char *session_name; /* NULL: s3apfs-USER@HOST */
  const char *external_id;
  const char *source_identity;
  const char *mfa_serial;
  const char *token_file; /* a web identity's token, read at each get */
  int64_t duration_s;     /* 0: STS's default. An hour at most when roles are chained */
};
/* 0, or -EINVAL with a line in *why: what AWS would refuse in any case. */
int cred_role_check(const struct cred_role *r, struct buf *why);
/* Copied. base: whose keys assume it, owned on success; NULL with token_file.
 * profile: where Region and endpoint may come from. A session that needed an
 * MFA code is given again until it ends; -EACCES when it has and nobody can be
 * asked. */
int cred_role_new(const struct cred_context *c, const struct cred_role *r, const char *profile,
                  struct key_source *base, struct key_source **out);

/* The metadata service of an Amazon EC2 instance: AWS_EC2_METADATA_DISABLED,
 * _SERVICE_ENDPOINT, _SERVICE_ENDPOINT_MODE, _V1_DISABLED,
 * AWS_METADATA_SERVICE_TIMEOUT, _NUM_ATTEMPTS, or the same settings of the
 * profile. -ENOENT where there is none. Keys that have ended are given with a
 * later end while the service has no newer ones. */
int cred_imds_new(const struct cred_context *c, struct key_source **out);

/* Keys that surround the process, by the name that credential_source gives them:
 * Environment, Ec2InstanceMetadata, EcsContainer. -EINVAL with a line in *why. */
int cred_surrounding_new(const struct cred_context *c, const char *name, struct key_source **out,
                         struct buf *why);

/* AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME. */
int cred_web_identity_new(const struct cred_context *c, struct key_source **out);

/* Runs a command line, split like a shell does but without one, and reads a
 * version 1 document (AWS CLI "Sourcing credentials with an external process").
 * timeout_ms 0: CRED_PROCESS_MS. identity: what the keys are called. */
#define CRED_PROCESS_MS 60000
int cred_process_new(const char *command, const char *identity, int64_t timeout_ms,
                     struct key_source **out);

/* A container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI,
 * AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or _TOKEN; all read at each get. Three
 * attempts of 2 s. retry_delay_ms 0: 1 s. */
int cred_container_new(const struct cred_context *c, int64_t retry_delay_ms,
                       struct key_source **out);

/* The first source that has something configured decides; from its first success
 * on no other one is asked: an identity never changes behind a mount's back. */
struct cred_link {
  const char *name; /* for messages; copied */
  struct key_source *source;
};
/* Owns the sources on success. */
int cred_chain_new(const struct cred_link *links, size_t count, struct key_source **out);

struct cred_cache_options {
  const struct clock *clock;   /* NULL: clock_system */
  struct pool *pool;           /* for renewal ahead of need; NULL: one of its own */
  double (*random)(void *arg); /* [0, 1); NULL: the system's */
  void *random_arg;
  int64_t lead_s; /* renewed when so many seconds are left; 0: as net/renewal.h says */
};
/* Keeps keys and renews them ahead of their end (net/renewal.h), one fetch at a
 * time: readers go on with the old ones while they live and wait for one fetch
 * when they do not. A failure is remembered for a moment (1 s, doubling to 30 s)
 * so that many readers do not become many attempts. Owns `inner` on success. */
int cred_cached_new(struct key_source *inner, const struct cred_cache_options *o,
                    struct key_source **out);

/* Hands out the keys that `inner` delivered last and fetches on a thread of its own;
 * -EAGAIN while there are none. For calls that must not wait. `inner` is borrowed. */
int cred_prompt_new(struct key_source *inner, struct key_source **out);

/* Fetches now, whatever is held and whatever failed before: somebody has just given
 * what was missing. `cached` is of cred_cached_new(). */
int cred_cached_renew(struct key_source *cached, struct s3_error *error);

/* The standard order (AWS SDKs): environment, a profile's role, web identity,
 * profile, container, instance metadata; with an explicit profile only the profile. Not cached. */
int cred_default_new(const struct cred_context *c, const char *explicit_profile,
                     struct key_source **out);

#endif
