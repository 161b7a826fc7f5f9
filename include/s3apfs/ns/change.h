/* What the tree learns from changes that this mount makes itself. The store was
 * changed before (or, for files that are written here, will be); these calls make
 * it visible at once, over what older listings and answers say. Changes of one
 * directory come one after another, as the kernel sends them. */
#ifndef S3APFS_NS_CHANGE_H
#define S3APFS_NS_CHANGE_H

#include "s3apfs/ns/ns.h"

enum ns_type { NS_FILE, NS_DIR, NS_LINK, NS_FIFO, NS_SOCKET };

/* Where something of this name is to be made: *key is the caller's, without a '/'
 * at its end. -ESTALE, -ENOTDIR; -EROFS above the roots; -EILSEQ, -ENAMETOOLONG;
 * -EPERM for a name that is never shown. */
int ns_place(struct ns *n, uint64_t parent, const char *name, const struct root **root, char **key);

/* What a name stands for now. */
struct ns_child {
  uint64_t ino; /* held: ns_release() it */
  enum ns_type type;
  const struct root *root;
  char *key;              /* owned; a directory's ends in '/' */
  struct store_attr attr; /* files and links; etag "" while there is no object */
  struct posix posix;
  bool has_posix; /* the metadata is known */
  bool local;     /* newer here than in the store */
  bool own;       /* made by this mount, without anything but metadata of ours */
  bool marker;    /* directories: has an object of its own, as far as is known */
};
void ns_child_fini(struct ns *n, struct ns_child *c);
/* Not older than the ttl. Errors as ns_lookup(). */
int ns_child_get(struct ns *n, uint64_t parent, const char *name, const struct patience *p,
                 struct ns_child *out);
/* The same of an inode that is at hand. -ENOENT: it has no name any more. */
int ns_child_of(struct ns *n, uint64_t ino, const struct patience *p, struct ns_child *out);

struct ns_made {
  enum ns_type type;
  const struct store_attr *attr; /* all but directories; NULL: not in the store yet (local) */
  const struct posix *posix;     /* NULL: the defaults */
};
/* The name is this from now on; what had it before has none any more. `out` gets a
 * kernel reference; NULL: none. 0, -ESTALE, -ENOMEM. */
int ns_made(struct ns *n, uint64_t parent, const char *name, const struct ns_made *m,
            struct ns_attr *out);
/* The name is gone. */
void ns_removed(struct ns *n, uint64_t parent, const char *name);
/* The inode has this name now, the old one is gone, and so is what had the new one.
 * attr: of the object there (files; NULL: not in the store yet, or a directory).
 * What is known of the versions of objects below a directory is asked for again. */
int ns_moved(struct ns *n, uint64_t ino, uint64_t parent, const char *name,
             const struct store_attr *attr);
/* What lay below the folder `from` (with its '/') lies below `to`. */
struct ns_recopied {
  const char *from;
  const char *to;
  bool again; /* some of it may have been told before: what is not remembered below `from` is */
};
/* One object of it: what is remembered of this version is remembered of its copy instead, and no
 * listing is kept of the folders that its two keys lead through. */
void ns_recopied(struct ns *n, const struct root *r, const struct ns_recopied *folder,
                 const char *name, const char *etag, const char *copy_etag);
/* All of it: what is remembered of folders at and below `from` is remembered of those below `to`.
 */
void ns_folders_moved(struct ns *n, const struct root *r, const struct ns_recopied *folder);
/* This version was made here (by an earlier process), and this is all that its metadata says; NULL:
 * nobody knows. */
void ns_remember(struct ns *n, const struct root *r, const char *key, const char *etag,
                 const struct posix *posix);
/* An earlier process made or removed this key (a folder's with its '/'), so no listing is kept of
 * the folder that it stands in. */
void ns_unkeep(struct ns *n, const struct root *r, const char *key);
/* The two swapped their names; both have new versions (NULL as above). */
int ns_swapped(struct ns *n, uint64_t a, const struct store_attr *attr_a, uint64_t b,
               const struct store_attr *attr_b);

/* A file has other content than the store until ns_stored(). */
void ns_written(struct ns *n, uint64_t ino, uint64_t size, int64_t mtime_ns);
/* The store was asked for the version that is known: this is all that its metadata says. */
void ns_told(struct ns *n, uint64_t ino, const struct posix *posix);
/* Attributes were changed here: what posix knows replaces what is known. */
int ns_dressed(struct ns *n, uint64_t ino, const struct posix *posix);
/* The store has this version now, made by us; posix NULL: as known. */
void ns_stored(struct ns *n, uint64_t ino, const struct store_attr *attr,
               const struct posix *posix);
/* What was local is given up: ask the store again. */
void ns_dropped(struct ns *n, uint64_t ino);

/* Is there something else than `name` in the directory, as far as is known here? */
bool ns_has_others(struct ns *n, uint64_t ino, const char *name);
/* Something in it, at whatever depth, is not in the store yet. */
bool ns_has_local(struct ns *n, uint64_t ino);
/* Something in the directory is not what was known: list it anew. */
void ns_distrust(struct ns *n, uint64_t ino);
/* The directory has an object of its own now (or not). */
void ns_set_marker(struct ns *n, uint64_t ino, bool marker);

#endif
