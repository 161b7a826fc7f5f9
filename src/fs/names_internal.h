/* Shared by the files that change names and attributes. */
#ifndef NAMES_INTERNAL_H
#define NAMES_INTERNAL_H

#include "fs_internal.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/store/write.h"

/* Attributes of what is being made. */
struct posix names_made_by(const struct fs_maker *by, mode_t type);
/* ns_place() in a place that may be changed. */
int names_place(struct fs *fs, uint64_t parent, const char *name, const struct root **root,
                char **key);
/* The child, in a place that may be changed. */
int names_child(struct fs *fs, uint64_t parent, const char *name, struct ns_child *out);
/* A folder that exists only because of this name gets an object of its own before the
 * name goes, so that it outlives it. */
void names_keep_folder(struct fs *fs, uint64_t parent, const char *name);
/* Removes this version; what is gone already is removed. */
int names_remove(const struct root *r, const char *key, const char *etag);
/* Does anything but the folder's own object (and a keep file) lie below `folder`? 0: no;
 * *own gets the etags of those two when they are there. -ENOTEMPTY. */
struct names_own {
  char marker[STORE_ETAG_MAX];
  char keep[STORE_ETAG_MAX];
};
int names_check_empty(const struct root *r, const char *folder, struct names_own *own);

/* A copy by the service, whatever the size; dress NULL: what the source carries.
 * Errors as store/write.h has them. */
int names_copy(const struct root *r, const struct store_source *from, const char *key,
               const struct store_dress *dress, const struct store_condition *cond,
               struct store_attr *out);
/* One step of the store itself; -EOPNOTSUPP: it has none, and nothing was done. */
int names_move(const struct root *r, const struct store_source *from, const char *key,
               const struct store_condition *cond);
/* A change that failed so may be done all the same: its reply was lost. */
bool names_may_be_done(int err);
/* Everything below one folder goes below another, which has nothing, or only an object of its own
 * with the etag `replaced` ("": none). On failure what
 * was copied is removed again, and nothing is gone; but all copies stay once a source is gone. */
int names_move_tree(struct fs *fs, const struct root *r, const char *from, const char *to,
                    const char *replaced);
/* Goes on with such a move after a crash. What has another content under the new name since
 * stays under the old one too, with a line in the log. */
int names_finish_tree(struct fs *fs, const struct root *r, const char *from, const char *to);

/* --- moves.c --- */
/* A folder is about to be moved; *id: for moves_end(). */
int moves_begin(struct fs *fs, const struct root *r, const char *from, const char *to, int64_t *id);
/* It is, or it was given up. */
void moves_end(struct fs *fs, int64_t id);
/* Finishes what an earlier process began. What fails stays in the journal. */
int moves_finish(struct fs *fs);
/* In the name under which one of two that swap waits. */
#define NAMES_EXCHANGE_MARK ".s3apfs-exchange-"

/* --- names_open.c: files that are written to --- */
/* Brings what is staged of a file to the store; *changed: its object is another now. */
int names_settle(struct fs *fs, uint64_t ino, bool *changed);
/* The object has this key and is this version now, made by us of the same bytes. */
int names_follow(struct fs *fs, uint64_t ino, const char *key, const struct store_attr *attr);
/* The name is gone: nothing will be committed. *left: the version that the store has of it,
 * without etag when it has none. */
int names_forget(struct fs *fs, const struct ns_child *c, struct store_attr *left);
/* The same for all files below a folder (key with its '/'), after the tree knows. */
int names_settle_below(struct fs *fs, const struct root *r, const char *folder);
int names_follow_below(struct fs *fs, const struct root *r, const char *folder);
/* Lets attributes go out with the next commit; -ENOENT: nothing is staged, so the
 * object is to be changed. */
int names_dress_staged(struct fs *fs, uint64_t ino, const struct posix *posix);

#endif
