/* What is remembered of own changes, over remounts. remember.c: versions of files; folders.c:
 * directories; strict.c: asks instead. */
#ifndef S3APFS_SRC_NS_MEMO_INTERNAL_H
#define S3APFS_SRC_NS_MEMO_INTERNAL_H

#include "s3apfs/store/store.h"
#include "tree_internal.h"

struct page;

/* --- remember.c --- */
/* One version and its attributes, to be remembered when the lock is not held. */
struct memo {
  const struct root *root;
  char *key; /* NULL: nothing to remember */
  char etag[STORE_ETAG_MAX];
  char *from; /* a move: under this key, and this version, it was remembered before */
  char from_etag[STORE_ETAG_MAX];
  struct posix posix;
  bool known; /* posix is worth remembering */
};
/* Before a file or link is moved: where it was. */
void memo_take_from_locked(const struct node *i, struct memo *out);
/* Takes what is known of a file or link. */
void memo_take_locked(struct ns *n, const struct node *i, struct memo *out);
/* Remembers, and frees the memo's contents. No lock is held. */
void memo_keep(struct ns *n, struct memo *m);
/* Forgets what is remembered of a key. No lock is held. */
void memo_drop(struct ns *n, const struct root *r, const char *key);
/* Adds to a page of this folder what is remembered of its versions. No lock is held. */
void memo_fill(struct ns *n, const struct root *r, const char *prefix, struct page *page);
/* What is remembered of a folder (key with its '/'). False: nothing. No lock is held. */
bool memo_find(struct ns *n, const struct root *r, const char *folder, struct posix *out);

/* --- folders.c --- */
/* Names in it were changed now. The memo (zeroed) may get something to be kept. */
void folder_touch_locked(struct ns *n, struct node *i, struct memo *memo);
/* What is known of the directory is to be remembered; soon: not a second later. */
void folder_keep_locked(struct ns *n, const struct node *i, bool soon, struct memo *memo);
/* Gives a new node what was remembered; kept: what the state had, NULL: nothing. */
void folder_restore_locked(struct ns *n, struct node *i, const struct posix *kept);
/* The name is going away. */
void folder_forget_locked(struct ns *n, const struct node *i);
/* What was at and below `from` (with its '/') is at and below `to`. */
void folders_moved_locked(struct ns *n, const struct root *r, const char *from, const char *to);
/* Tells the state what it does not know yet, and frees the table. */
void folders_free(struct ns *n);

/* --- strict.c --- */
/* Asks for the attributes of the page's files, where the root wants that. With no
 * lock held, and not on the pool's threads. */
void strict_fill(struct ns *n, const struct root *r, const char *prefix, struct page *page,
                 const struct patience *p);

#endif
