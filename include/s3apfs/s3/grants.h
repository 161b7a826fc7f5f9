/* Access Grants credentials: the vending cache and the key sources that read it.
 *
 * One struct grants serves one caller identity and Region. It resolves which
 * account owns the instance, asks GetDataAccess once per scope and permission
 * (single-flight: concurrent askers wait for the one call), keeps the answer
 * under the scope that AWS matched, renews ahead of expiry, and remembers a
 * denial for a short time. Among overlapping answers the smallest scope that
 * covers the target and allows the permission is used. Nothing ever falls back
 * to the caller's own keys. */
#ifndef S3APFS_S3_GRANTS_H
#define S3APFS_S3_GRANTS_H

#include "s3apfs/base/clock.h"
#include "s3apfs/s3/control.h"

struct grants;

struct grants_options {
  const char *account; /* owner of the instance; NULL: found by AWS's lookup calls */
  unsigned duration_s; /* 0: the service's default */
  bool minimal;
  int64_t denied_ttl_ms;     /* 0: 30 s */
  const struct clock *clock; /* NULL: clock_system */
};

/* Takes the control. */
int grants_new(struct control *c, const struct grants_options *o, struct grants **out);
/* Every source must have been freed. */
void grants_free(struct grants *g);

/* The owner account of the instance that serves this target; cached. Appended. */
int grants_account(struct grants *g, const char *target, struct buf *out, struct s3_error *error);
int grants_list(struct grants *g, const char *account, const char *scope, struct caller_grants *out,
                struct s3_error *error);

/* A key source for one target ("s3://B/P/" and a star) and permission. The
 * first get() fetches. */
int grants_source_new(struct grants *g, const char *target, enum scope_permission permission,
                      struct key_source **out);
/* What served the source last: matched scope, grantee, expiry; for people.
 * Appends nothing before the first success. */
void grants_source_describe(struct key_source *source, struct buf *out);
/* The moment these keys end, wall seconds; 0 before the first success. */
int64_t grants_source_expiration(struct key_source *source);

struct grants_counts {
  unsigned vended;   /* GetDataAccess calls that succeeded */
  unsigned denied;   /* ... that were denied */
  unsigned answered; /* get() served from the cache */
};
void grants_counts(struct grants *g, struct grants_counts *out);

#endif
