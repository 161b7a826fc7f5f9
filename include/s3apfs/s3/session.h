/* Keys of directory buckets and their access points: CreateSession gives keys for
 * one bucket that live five minutes (S3 API, "CreateSession"). */
#ifndef S3APFS_S3_SESSION_H
#define S3APFS_S3_SESSION_H

#include "s3apfs/s3/client.h"

/* When so many seconds of a session are left, the next one is asked for. */
#define S3_SESSION_LEAD_S 60

struct s3_session_options {
  struct s3_site site;
  bool read_only;      /* asks for a ReadOnly session; else for the most the caller may have */
  int64_t deadline_ms; /* per call; 0: 60 s */
};

/* A key source that makes a session at each get(), signed with `plain`'s keys
 * (borrowed); wrap it in a cache. bucket: ...--x-s3 or ...--xa-s3. -EINVAL with
 * one line in *why. */
int s3_session_keys_new(struct caller *c, struct key_source *plain, const char *bucket,
                        const struct s3_session_options *o, struct key_source **out,
                        struct buf *why);

#endif
