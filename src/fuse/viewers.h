/* Local users who each see a file system of their own at one mount: the kernel's numbers
 * for inodes, and whose they are.
 *
 * A folder has one number for all who were told of it, so that a working directory stays
 * what it is when another user walks by; each request about it is answered by the asker's
 * own file system. Everything else has a number for each viewer, because the kernel may
 * keep pages of it (private mappings). */
#ifndef FUSE_VIEWERS_H
#define FUSE_VIEWERS_H

#include "s3apfs/fuse/viewers.h"

struct viewers;

int viewers_new(const struct fuse_viewers *o, struct viewers **out);
void viewers_free(struct viewers *v);

/* The asker's file system, and the number there of what the kernel calls id. -EACCES: nobody's
 * user, or another viewer's file; -ESTALE: it was forgotten. Blocks. */
int viewers_find(struct viewers *v, uid_t uid, uint64_t id, struct fs **fs, uint64_t *ino);
/* Takes over the lookup reference that e holds; *id is for the kernel. parent: the
 * kernel's. -ENOMEM: it stays the caller's. */
int viewers_note(struct viewers *v, const struct fs *fs, uint64_t parent, const char *name,
                 const struct fs_entry *e, uint64_t *id);
void viewers_forget(struct viewers *v, uint64_t id, uint64_t count);
/* What the kernel calls a file system's inode; 0: it does not know it. */
uint64_t viewers_id(struct viewers *v, const struct fs *fs, uint64_t ino);

#endif
