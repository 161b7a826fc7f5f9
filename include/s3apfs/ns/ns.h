/* Names: the tree of a mount, its inode numbers, attributes and listings.
 *
 * Thread-safe; calls may block on a store and hold no lock while they do.
 * Results are written only on success. Inode numbers are made from the root's
 * path, the key and the type, so they are the same after a remount. Ages count
 * from the moment a request was sent; times to live are the root's options, in
 * milliseconds, and what is returned as *_ttl_ms is what is left of them.
 *
 * Common errors: -ESTALE an inode number nobody holds, -ENOTDIR, -EISDIR,
 * -ENOENT, -EACCES, -ENAMETOOLONG, -EILSEQ (a name that is not UTF-8), -ENOMEM,
 * and whatever a store says. */
#ifndef S3APFS_NS_NS_H
#define S3APFS_NS_NS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/store/catalog.h"

#define NS_ROOT_INO 1

struct ns;

struct ns_options {
  const struct clock *clock; /* NULL: clock_system */
  size_t listing_memory;     /* bytes of listings kept while no handle uses them; 0: 16 MiB */
};

/* Borrows the catalog, which must outlive ns and stay as it is. */
int ns_new(const struct catalog *catalog, const struct ns_options *o, struct ns **out);
/* Every directory handle closed, no call under way; references held by lookups
 * or pins may be left. */
void ns_free(struct ns *ns);

/* --- names and attributes ------------------------------------------------------------------- */

struct ns_entry {
  uint64_t ino;
  struct stat st;
  int64_t entry_ttl_ms; /* how long the name may be trusted; 0: not at all */
  int64_t attr_ttl_ms;
};

/* Adds one lookup reference to out->ino. On -ENOENT *negative_ttl_ms says how
 * long that may be trusted; it is 0 with every other result. */
int ns_lookup(struct ns *ns, uint64_t parent, const char *name, struct ns_entry *out,
              int64_t *negative_ttl_ms);
/* Gives n lookup references back; more than there are is taken as all. */
void ns_forget(struct ns *ns, uint64_t ino, uint64_t n);
/* Asks the store when what is known is older than the root's metadata_ttl. */
int ns_getattr(struct ns *ns, uint64_t ino, struct stat *out, int64_t *attr_ttl_ms);

/* --- files and places ----------------------------------------------------------------------- */

/* What an inode stands for. Pinned: root, store and key stay valid until
 * ns_unpin(ino), also when the kernel forgets the inode meanwhile. */
struct ns_place {
  uint64_t ino;
  const struct root *root; /* NULL: a directory made of the roots' names */
  struct store *store;     /* NULL likewise */
  const char *key;         /* file: its key; directory: "" or ends in '/' */
  bool is_dir;
  struct store_attr attr; /* files: what is known now, of whatever age */
};

/* Pins without asking the store. Each success needs one ns_unpin(). */
int ns_pin(struct ns *ns, uint64_t ino, struct ns_place *out);
void ns_unpin(struct ns *ns, uint64_t ino);
/* For open(2): as ns_pin, but attr is at most metadata_ttl old, or just asked for
 * when `revalidate`. -EISDIR for a directory. */
int ns_open(struct ns *ns, uint64_t ino, bool revalidate, struct ns_place *out);
/* A GET's reply named these attributes; `asked_mono_ms` is when it was sent
 * (ns's clock). Older than what is known: ignored. */
void ns_learn(struct ns *ns, uint64_t ino, const struct store_attr *attr, int64_t asked_mono_ms);
/* A store said this file is not there (-ENOENT) or changed (-ESTALE): the next
 * lookup, getattr or open asks again. */
void ns_doubt(struct ns *ns, uint64_t ino);
/* The stat of a file with other attributes than the known ones, e.g. those an
 * open handle reads by. Asks nobody. */
int ns_stat_as(struct ns *ns, uint64_t ino, const struct store_attr *attr, struct stat *out);

/* --- directories ---------------------------------------------------------------------------- */

struct ns_dir;

/* Has the first page when it returns, so a denied or failing LIST is its error. */
int ns_opendir(struct ns *ns, uint64_t ino, struct ns_dir **out);
/* Calls fn for each entry from offset `from` on, without any lock; `next` is the
 * offset behind the entry, valid for this handle until it is closed. From 0 on an
 * outdated listing is read anew. With `plus`, entry->ino carries a lookup
 * reference that fn keeps by returning true; false stops, and that entry was not
 * consumed. "." and ".." come first and never carry references. Several threads
 * may read one handle. When a page fails after entries were given, the call ends
 * with 0 and the next one, which starts at that page, tries it again. */
typedef bool (*ns_dirent_fn)(void *arg, const char *name, const struct ns_entry *entry,
                             uint64_t next);
int ns_readdir(struct ns_dir *d, uint64_t from, bool plus, ns_dirent_fn fn, void *arg);
void ns_closedir(struct ns_dir *d);

/* --- about ---------------------------------------------------------------------------------- */

/* Lines on what serves a path relative to the mount's root ("" = the root) and
 * what ns remembers of it. -ENOENT when no root stands there or above. */
int ns_explain(struct ns *ns, const char *path, struct buf *out);

struct ns_stats {
  uint64_t inodes;      /* referenced now, the mount's root included */
  uint64_t hidden_keys; /* different keys met so far that no name can hold */
  size_t listing_bytes; /* in listings kept or read from */
};
void ns_stats(struct ns *ns, struct ns_stats *out);

#endif
