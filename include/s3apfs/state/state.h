/* The state directory: what must outlive the process.
 *
 * DIR/NAME/ holds, for one mount point, `journal.db` (SQLite: pending changes and
 * what this mount wrote), `staging/` (bytes that are not in the store yet), `name`
 * (which mount point) and `lock`. Everything is private to its owner (0700, 0600). One process at a
 * time owns it, also across hosts where the file system carries locks.
 *
 * Nothing here is ever recreated silently: a damaged journal, staged bytes
 * without a journal, or a journal of a later version end the opening with one
 * line that says what to do. Thread-safe once open. */
#ifndef S3APFS_STATE_STATE_H
#define S3APFS_STATE_STATE_H

#include "s3apfs/base/buf.h"
#include "s3apfs/state/sync.h"

struct state;

/* /var/lib/s3apfs for root, else $XDG_STATE_HOME/s3apfs or ~/.local/state/s3apfs.
 * *out is the caller's. -ENOENT: no home is known. */
int state_default_dir(char **out);
/* name: what this state belongs to (the mount point's path); any bytes. 0 or -errno
 * with one line in *why: -EBUSY (another process owns it), -EUCLEAN (damaged),
 * -EPROTO (of a later version), -ENOSPC, -EACCES, ... */
int state_open(const char *dir, const char *name, struct buf *why, struct state **out);
/* Calls fn with each N for which a state named "`name`N" is below dir, in no order; non-zero stops
 * and is returned. */
typedef int (*state_found_fn)(void *arg, unsigned long n);
int state_find(const char *dir, const char *name, state_found_fn fn, void *arg);
/* Waits for what is queued. NULL is fine. */
void state_close(struct state *s);
/* The folder for staged bytes; valid until state_close. */
const char *state_staging_dir(const struct state *s);
/* Makes names in the staging folder durable: after new files there were synced. */
int state_sync_staging(struct state *s);
/* Waits until everything done so far is on the disk. */
int state_sync(struct state *s);

#endif
