/* Calls to stores, in the pool. */
#ifndef S3APFS_SRC_NS_REMOTE_H
#define S3APFS_SRC_NS_REMOTE_H

#include "tree_internal.h"

struct remote; /* one call to a store, under way in the pool */

int remote_head(struct ns *n, const struct root *r, const char *key, struct remote **out);
int remote_list(struct ns *n, const struct root *r, const char *prefix, const char *token,
                unsigned max, struct remote **out);
/* The same, but of keys behind `after` only. -ENOTSUP: the store has no order. */
int remote_list_after(struct ns *n, const struct root *r, const char *prefix, const char *after,
                      unsigned max, struct remote **out);
/* The same without a delimiter: every key below the prefix. */
int remote_list_flat(struct ns *n, const struct root *r, const char *prefix, const char *token,
                     unsigned max, struct remote **out);
int remote_list_flat_after(struct ns *n, const struct root *r, const char *prefix,
                           const char *after, unsigned max, struct remote **out);
/* Waits; the call's result, or -EINTR or -ETIMEDOUT. */
int remote_wait(struct remote *c, const struct patience *p);
/* Valid after remote_wait() gave 0. */
const struct store_attr *remote_attr(const struct remote *c);
const struct posix *remote_posix(const struct remote *c); /* of remote_head() */
struct store_page *remote_page(struct remote *c);
/* Frees it, or leaves that to the call's end. NULL is fine. */
void remote_drop(struct remote *c);
/* Notes whether the root may be listed; says so once when not. No lock is held. */
void remote_note_list(struct ns *n, const struct root *r, const char *prefix, int err);

#endif
