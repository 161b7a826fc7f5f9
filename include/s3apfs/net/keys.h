/* Credentials as the signing calls need them, and the interface to whoever has
 * them. Declared here, implemented by the layers above (cred, s3): a signed call
 * needs fresh keys on every attempt. */
#ifndef S3APFS_NET_KEYS_H
#define S3APFS_NET_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/aws/s3err.h"
#include "s3apfs/base/buf.h"

/* Immutable, shared, wiped when the last reference goes. */
struct keys_derived;
struct keys {
  atomic_int refs;
  char *access_key_id;
  char *secret_access_key;
  char *session_token; /* NULL for long-lived keys */
  int64_t expiration;  /* wall seconds; 0 = never */
  char *account;       /* NULL when unknown */
  char *who;           /* of keys_set_who(); NULL: unknown */
  char *identity; /* for people: "profile demo", "arn:aws:sts::...", never a secret; never NULL */
  struct keys_derived *derived; /* signing keys, derived lazily by net under its own lock */
};

/* Copies; the secrets are hidden from the log while the object lives.
 * session_token and account may be NULL, an empty one counts as NULL. */
int keys_new(const char *access_key_id, const char *secret_access_key, const char *session_token,
             int64_t expiration, const char *account, const char *identity, struct keys **out);
/* Whose keys these are, when their source knows it without asking anybody: the same for
 * all keys of one principal, old and renewed ("role arn:aws:iam::111122223333:role/r"), and
 * never for two. Copied; before the object is shared. 0 or -ENOMEM. */
int keys_set_who(struct keys *k, const char *who);
/* Tells principals apart, as finely as is known: what was set, else a hash of the access
 * key id, which other keys of the same principal do not have. Appended. 0 or -errno. */
int keys_who(const struct keys *k, struct buf *out);
struct keys *keys_ref(struct keys *k);
void keys_unref(struct keys *k);

/* get: blocks while keys are fetched (never on an event thread). 0 and a
 *   reference in *out; else -errno (-EACCES denied, -ENOENT none configured,
 *   -ETIMEDOUT, ...) with detail in *error (may be NULL).
 * expired: the service refused these keys as expired; the next get must not
 *   return the same object unless nothing newer can be had. Does not block.
 * A call that is under way when a source is freed would use it after that: end
 * every call first. */
struct key_source;
struct key_source_ops {
  int (*get)(struct key_source *s, struct keys **out, struct s3_error *error);
  void (*expired)(struct key_source *s, const struct keys *k);
  void (*destroy)(struct key_source *s);
};
struct key_source {
  const struct key_source_ops *ops;
};

static inline int key_source_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  return s->ops->get(s, out, error);
}
static inline void key_source_expired(struct key_source *s, const struct keys *k) {
  if (s->ops->expired != 0)
    s->ops->expired(s, k);
}
static inline void key_source_free(struct key_source *s) {
  if (s != 0)
    s->ops->destroy(s);
}

#endif
