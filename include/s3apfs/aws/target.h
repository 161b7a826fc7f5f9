/* SOURCE: what a user names in a mount command or a configuration, classified.
 *
 * Accepts access point ARNs (general, Object Lambda, Outposts, Multi-Region),
 * `arn:P:s3:::BUCKET`, aliases, s3://BUCKET[/PREFIX],
 * `grants[:ACCOUNT[:REGION][,ACCOUNT[:REGION]]...]`, each but grants with an optional /PREFIX;
 * understands an object ARN pasted from a policy (.../accesspoint/NAME/object/PREFIX/ followed by a
 * star) and a grant's scope (s3://BUCKET/PREFIX/ followed by a star). A file's path is not a form
 * of this parser. No network, no region needed. */
#ifndef S3APFS_AWS_TARGET_H
#define S3APFS_AWS_TARGET_H

#include "s3apfs/base/buf.h"

enum target_kind {
  TARGET_BUCKET,                 /* s3://BUCKET */
  TARGET_DIRECTORY_BUCKET,       /* ...--x-s3 */
  TARGET_ACCESS_POINT,           /* ARN */
  TARGET_ACCESS_POINT_ALIAS,     /* ...-s3alias, ...-ext-s3alias, ...--ol-s3 */
  TARGET_DIRECTORY_ACCESS_POINT, /* ...--xa-s3 */
  TARGET_OBJECT_LAMBDA,          /* ARN */
  TARGET_OUTPOSTS,               /* ARN */
  TARGET_OUTPOSTS_ALIAS,         /* ...--op-s3 */
  TARGET_MULTI_REGION,           /* ARN, ALIAS.mrap */
  TARGET_GRANTS,                 /* grants[:ACCOUNT[:REGION],...] */
};

struct target_instance { /* of Access Grants */
  char *account;         /* 12 digits */
  char *region;          /* or NULL */
};

struct target {
  enum target_kind kind;
  char *bucket;    /* what goes to endpoint resolution as Bucket: a name, an alias or a bare ARN
                    * without prefix; NULL for TARGET_GRANTS */
  char *name;      /* access point or bucket name alone */
  char *account;   /* 12 digits or NULL; NULL where there are instances */
  char *region;    /* of the ARN, or of the zone that a directory bucket's name tells; or NULL */
  char *partition; /* of the ARN, or NULL */
  char *prefix;    /* "" or "a/b/": no leading slash, always a trailing one */
  struct target_instance *instances; /* of TARGET_GRANTS with two or more; else NULL */
  size_t instance_count;
};

/* 0, -EINVAL (one human line in *why, no trailing period, says the right
 * spelling where it is guessable: blanks inside ARNs, upper-case access point
 * names, typographic quotes), or -ENOMEM. */
int target_parse(const char *source, struct target *out, struct buf *why);
void target_fini(struct target *t);
/* "access point", "bucket", ...: for messages. */
const char *target_kind_name(enum target_kind kind);

#endif
