/* Keys that no file name can hold, under names that can (odd-keys=escape).
 *
 * A store over another one: its keys are escaped, one to one with the inner store's. Where
 * a part of a key is odd, the mark U+241B (as UTF-8, shown as "ESC" in small letters) says so:
 *
 *   MARK 0      an empty part, as in "a//b"       MARK .   MARK ..    those two
 *   MARK MARK   the mark itself                   MARK xHH            a byte that is no UTF-8
 *   PIECE MARK +   a folder: the part goes on in the names in it, because it is too long
 *   MARK f NAME    the object NAME where a folder of that name hides it
 *
 * Every other name stands for itself. Only the one form that this makes of a key is known:
 * other uses of the mark are -ENOENT, or -EINVAL where something would be made. */
#ifndef S3APFS_STORE_ESCAPE_H
#define S3APFS_STORE_ESCAPE_H

#include "s3apfs/store/store.h"

#define ESCAPE_MARK "\xe2\x90\x9b"
#define ESCAPE_TWIN ESCAPE_MARK "f" /* in front of an object that a folder hides */

/* The escaped form of a key, or of a prefix that ends in '/'; appended. */
int escape_key(const char *key, struct buf *out);
/* Back. *twin: it is the object beside a folder. A prefix that ends within a part that is too
 * long comes out without '/'. -EINVAL: nothing is escaped like that. */
int escape_undo(const char *escaped, struct buf *out, bool *twin);

/* Takes inner on success. domain and realm are others, as keys mean something else; there is
 * no place, and no order to start within. */
int escape_store_new(struct store *inner, struct store **out);

#endif
