/* Access Grants scopes (S3 user guide, "Working with grants"): s3://BUCKET/PREFIX
 * with at most one meaningful '*' at the end. `prefix*` is a byte-wise "starts
 * with", `prefix/ *` a folder, no star one object. AWS may answer doubled stars;
 * all trailing ones count as one. Pure. */
#ifndef S3APFS_AWS_SCOPE_H
#define S3APFS_AWS_SCOPE_H

#include <stdbool.h>

enum scope_permission { SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_READWRITE = 3 };

struct scope {
  char *bucket;
  char *prefix;   /* key prefix, or the key itself */
  bool is_prefix; /* ended in '*' */
};

/* -EINVAL: no s3://, no bucket. "s3://b", "s3://b/" and both with stars behind
 * them are bucket-wide (no object has an empty key). */
int scope_parse(const char *s, struct scope *out);
void scope_fini(struct scope *s);
/* Does the grant `g` cover everything that `target` names? */
bool scope_covers(const struct scope *g, const struct scope *target);
/* Does it cover this key? */
bool scope_covers_key(const struct scope *g, const char *bucket, const char *key);
/* May it hold any key below this prefix (used to show parent folders)? */
bool scope_touches_prefix(const struct scope *g, const char *bucket, const char *prefix);

/* The wire's spelling, upper case: "READ", "WRITE", "READWRITE"; -EINVAL otherwise. */
int scope_permission_parse(const char *s, enum scope_permission *out);
const char *scope_permission_name(enum scope_permission p);
/* One grant must allow all of it: READWRITE allows READ, READ never READWRITE. */
bool scope_permission_allows(enum scope_permission granted, enum scope_permission wanted);

#endif
