/* Persistent metadata: what this mount itself wrote, so that modes, times and
 * links are right after a remount without a request. An entry counts only for the
 * version (etag) it was noted for. 0 or -errno. */
#ifndef S3APFS_STATE_KNOWN_H
#define S3APFS_STATE_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3apfs/state/state.h"

struct known {
  mode_t mode; /* with the type */
  uid_t uid;
  gid_t gid;
  int64_t mtime_ns; /* since 1970 */
  int64_t atime_ns;
  int64_t ctime_ns;
  char *link; /* target of a symlink, owned; NULL: none */
};
void known_fini(struct known *k);

int known_put(struct state *s, const char *domain, const char *key, const char *etag,
              const struct known *k, enum state_sync sync);
/* -ENOENT: nothing is known of that version. */
int known_get(struct state *s, const char *domain, const char *key, const char *etag,
              struct known *out);
/* What is known of the one version is known of the other instead. */
int known_move(struct state *s, const char *domain, const char *key, const char *etag,
               const char *to_key, const char *to_etag, enum state_sync sync);
/* The same for all folders (rows without a version) at and below `from`, which ends in '/', as `to`
 * does. What was known of folders there is known no more. */
int known_move_folders(struct state *s, const char *domain, const char *from, const char *to,
                       enum state_sync sync);
int known_drop(struct state *s, const char *domain, const char *key, enum state_sync sync);
/* Everything known below the folder `prefix` (ends in '/', or "" for all), by key; with
 * `flat` only what lies directly in it, folders too. fn is called on the caller's thread; non-zero
 * stops and is returned. */
typedef int (*known_fn)(void *arg, const char *key, const char *etag, const struct known *k);
int known_each(struct state *s, const char *domain, const char *prefix, bool flat, known_fn fn,
               void *arg);

#endif
