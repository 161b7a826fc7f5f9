/* Shared by the files that change names and attributes. */
#ifndef NAMES_INTERNAL_H
#define NAMES_INTERNAL_H

#include "fs_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/store/write.h"

/* By its key. */
static inline bool names_is_folder(const char *key) {
  return text_has_suffix(key, "/");
}

/* Attributes of what is being made. */
struct posix names_made_by(const struct fs_maker *by, mode_t type);
/* fs_mknod() under a pass of the caller's. */
int names_mknod(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
                struct fs_entry *out);
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
/* Have these two the same bytes? Etags of what was uploaded in parts do not tell, nor do those of
 * stores that give each copy an etag of its own; where there are no checksums either, the size of
 * the first kind has to do. */
bool names_same(const struct root *r, const char *from, const char *to);
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
/* A move of which a caller's note is in the journal. */
struct names_way {
  const char *from;
  const char *to;
  bool taken_back; /* what the mount after a crash does with it; else that one goes on */
};
/* The same without a note of its own, and nothing is replaced: -EEXIST. After a failure: *left,
 * something of it may be below `to`. */
int names_carry_tree(struct fs *fs, const struct root *r, const struct names_way *way, bool *left);

/* --- names_carry.c: a move that replaces nothing --- */
/* What a key holds (a folder's, with its '/': all below it) goes to another one. `attr`, *out: of a
 * file, before and after. -EEXIST: something is there. After a failure: *left as above. */
int names_carry(struct fs *fs, const struct root *r, const struct names_way *way,
                const struct store_attr *attr, struct store_attr *out, bool *left);
/* Goes on with it, whatever was done of it before, also by an earlier process. What has the new
 * name with the same bytes, or (a file) as version `known`, is taken for the copy; NULL: no version
 * is. *out: of a file that was still to be moved. -EEXIST: another file has that name, and the old
 * one is left. Of a folder, what has another content under its new name is left, and that is no
 * error. */
int names_carry_on(struct fs *fs, const struct root *r, const char *from, const char *to,
                   const char *known, struct store_attr *out);
/* What is left goes to conflict copies beside `to`, whose names have this time (s since 1970). */
int names_carry_beside(struct fs *fs, const struct root *r, const char *from, const char *to,
                       int64_t time);

/* --- exchange.c --- */
/* The two swap their names; what was staged of them is in the store. *attr_a, *attr_b: of files,
 * under their new names; both are zero before. On failure: under its own name, where it is again
 * by a copy; else without etag. */
int exchange_names(struct fs *fs, const struct ns_child *a, const struct ns_child *b,
                   struct store_attr *attr_a, struct store_attr *attr_b);
/* The key of `c` under the name of the other one; the caller's. */
char *exchange_key(const struct ns_child *c, const struct ns_child *name_of);
/* Finishes what an earlier process began. What fails stays in the journal. only NULL: of all
 * roots. */
int exchange_finish(struct fs *fs, const struct root *only);
struct exchange;
/* Finishes one of this process that was on its way back when the journal could not be written. */
int exchange_again(struct exchange *x);
void exchange_free(struct exchange *x);

/* --- unnoted.c --- */
/* A row of the journal that is over could not be dropped: tried again. */
void unnoted_over(struct fs *fs, int64_t id, int err);
/* An exchange could not be finished: tried again. Takes it. */
void unnoted_exchange(struct fs *fs, int64_t id, struct exchange *x, int err);
/* What a row is about waits for the next mount, because of err. */
void unnoted_left(struct fs *fs, int64_t id, int err);
/* Tries all of it once. 0: nothing is left of it. */
int unnoted_retry(struct fs *fs);
/* False: nothing is known of that row, other than that it is there. */
bool unnoted_find(struct fs *fs, int64_t id, bool *over, int *err);

/* --- moves.c --- */
/* A folder is about to be moved; *id: for moves_end(). */
int moves_begin(struct fs *fs, const struct root *r, const char *from, const char *to, int64_t *id);
/* It is, or it was given up. */
void moves_end(struct fs *fs, int64_t id);
/* As exchange_finish(). */
int moves_finish(struct fs *fs, const struct root *only);

/* --- names_open.c: files that are written to --- */
/* Brings what is staged of a file to the store; *changed: its object is another now. Who only
 * reads it follows when it is about to be moved (names_follow()), if what he reads is this version.
 */
int names_settle(struct fs *fs, uint64_t ino, const char *etag, bool *changed);
/* The object has this key and is this version now, made by us of the bytes of the version `was`.
 * What is staged over an older one stays a change of that one. */
int names_follow(struct fs *fs, uint64_t ino, const char *was, const char *key,
                 const struct store_attr *attr);
/* The name is gone: nothing will be committed. *left: the version that the store has of it,
 * without etag when it has none. */
int names_forget(struct fs *fs, const struct ns_child *c, struct store_attr *left);
/* The name goes, and with it what was staged: the journal learns of both at once. */
int names_unlink(struct fs *fs, uint64_t parent, const char *name, const struct ns_child *c);
/* The same for all files below a folder (key with its '/'), after the tree knows. */
int names_settle_below(struct fs *fs, const struct root *r, const char *folder);
int names_follow_below(struct fs *fs, const struct root *r, const char *folder);
/* Lets attributes go out with the next commit; -ENOENT: nothing is staged, so the
 * object is to be changed. */
int names_dress_staged(struct fs *fs, uint64_t ino, const struct posix *posix);

#endif
