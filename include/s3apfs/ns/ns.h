/* Names: the tree of directories and files that the roots of a catalog show.
 *
 * Nodes are known by inode numbers, which are derived from the root's path and
 * the key (folders and files of one name differ), so they are the same after a
 * remount. The kernel's references are counted (lookup, forget); a node lives
 * while it has any, while it is held, or while a child lives. What a node knows
 * about its object has an age: within the root's metadata-ttl it is used as it
 * is, later it is asked for again. docs/semantics.md says how names are found.
 *
 * Times are milliseconds of the given clock's monotonic time. Thread-safe. */
#ifndef S3APFS_NS_NS_H
#define S3APFS_NS_NS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3apfs/base/budget.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/base/patience.h"
#include "s3apfs/ns/posix.h"
#include "s3apfs/state/shelf.h"
#include "s3apfs/state/state.h"
#include "s3apfs/store/catalog.h"

#define NS_ROOT_INO 1 /* the mount's own root; never forgotten */
#define NS_NAME_MAX 255

struct ns;

struct ns_options {
  struct budget *budget;     /* memory of listings; borrowed */
  const struct clock *clock; /* NULL: clock_system */
  unsigned threads;          /* calls to stores under way at once; 0: 32 */
  struct state *state;       /* remembers attributes over remounts; borrowed; NULL: nobody */
  struct shelf *shelf;       /* keeps listings over remounts; borrowed; NULL: nobody */
  size_t names; /* bytes that nodes may take before the kernel is asked to drop names; 0: any */
  /* What the kernel knows under this name is wrong, or (ino 0) is to be asked for again; no lock
   * is held. NULL: nobody cares. */
  void (*told)(void *arg, uint64_t parent, const char *name, uint64_t ino);
  void *told_arg;
};

/* The catalog's roots are borrowed and must outlive it. */
int ns_new(const struct catalog *c, const struct ns_options *o, struct ns **out);
/* No call is under way, every directory is closed. Waits for abandoned calls to stores. */
void ns_free(struct ns *n);

struct ns_attr {
  uint64_t ino;
  mode_t mode; /* with the type */
  uid_t uid;
  gid_t gid;
  uint64_t size;
  int64_t mtime_ns; /* since 1970, as are the others */
  int64_t atime_ns;
  int64_t ctime_ns;
  unsigned links; /* folders: 1 where it is not known how many subfolders there are */
  bool gone;      /* it has no name any more */
  int64_t ttl_ms; /* how long this may be used */
};

/* Finds a name in a directory and counts a kernel reference to it. -ENOENT,
 * -ENOTDIR, -ENAMETOOLONG, -EILSEQ (no UTF-8), -ESTALE (parent unknown), or what
 * the store said. */
int ns_lookup(struct ns *n, uint64_t parent, const char *name, const struct patience *p,
              struct ns_attr *out);
/* How long -ENOENT from that directory may be used. */
int64_t ns_negative_ttl(struct ns *n, uint64_t parent);
/* Gives back kernel references; more than were counted are ignored. */
void ns_forget(struct ns *n, uint64_t ino, uint64_t count);
int ns_getattr(struct ns *n, uint64_t ino, const struct patience *p, struct ns_attr *out);

/* What it takes to read a file. */
struct ns_object {
  const struct root *root;
  char *key;
  struct store_attr attr;
  bool just_told; /* by a HEAD for a look-up that this one followed at once: by the same call of a
                   * program, as far as can be told */
};
void ns_object_fini(struct ns_object *o);
/* Of a node that is a file (-EISDIR), not older than the ttl. -ESTALE: the store never had it. */
int ns_get_object(struct ns *n, uint64_t ino, const struct patience *p, struct ns_object *out);
/* User metadata of a node's object, added to the list: nothing for folders, and for what the store
 * does not have yet. Asks with a HEAD where that was not told of this version yet. */
int ns_get_metadata(struct ns *n, uint64_t ino, const struct patience *p, struct kvlist *out);
/* The same as far as it is known, without asking: else nothing. 0, -ESTALE or -ENOMEM. */
int ns_known_metadata(struct ns *n, uint64_t ino, struct kvlist *out);
/* Root and key of any node, without asking the store; *root NULL above the
 * roots. The key of a directory ends in '/' or is empty. */
int ns_get_key(struct ns *n, uint64_t ino, const struct root **root, char **key);
/* False: removed, replaced, or not known; it may be open all the same. */
bool ns_has_name(struct ns *n, uint64_t ino);
/* The store said that the object is not what the node knows: ask again next
 * time. err -ENOENT: it is gone. */
void ns_expire(struct ns *n, uint64_t ino, int err);

/* Keeps a node alive while a file is open. 0 or -ESTALE. */
int ns_hold(struct ns *n, uint64_t ino);
void ns_release(struct ns *n, uint64_t ino);

/* What a store holds at or below a key prefix is another thing now: nothing that
 * is known of it is used any more. gone: it was taken away, so nodes that cannot be
 * found again are -EACCES, not -ENOENT. told() then gets, with no lock held, every node
 * that the kernel may know there, with its place, and every folder on the way. */
int ns_changed_below(struct ns *n, const struct store *s, const char *prefix, bool gone,
                     void (*told)(void *arg, uint64_t parent, const char *name, uint64_t ino),
                     void *arg);

/* --- roots that come and go --- */
/* Shows one more root of the catalog, or again one that was hidden. told() of the options gets
 * a name that the kernel may believe to be absent. 0 or -ENOMEM. Not on a request's thread. */
int ns_show_root(struct ns *n, const struct root *r);
/* What a LIST of the root that was sent at that monotonic time, before anything was changed from
 * here, showed: names of folders come from there, as long as metadata-ttl allows. Keys are
 * relative to the root. */
void ns_show_first(struct ns *n, const struct root *r, const struct store_page *first,
                   int64_t asked_ms);
/* Its name is gone, and told. It is marked as retired before: what is open in it goes on,
 * everything that would begin there is -ENOENT. Not for a root that is the whole mount. */
void ns_hide_root(struct ns *n, const struct root *r);
/* What this inode is in was retired. */
bool ns_is_retired(struct ns *n, uint64_t ino);

/* --- order --- */
/* Where a file stands in its folder's listing. */
struct ns_position {
  uint64_t dir;
  uint64_t listing; /* another number for every new listing */
  uint32_t index;   /* grows in listing order, with gaps */
};
/* -ENOENT: no fresh listing at hand shows it. */
int ns_position(struct ns *n, uint64_t ino, struct ns_position *out);
struct ns_sibling {
  uint32_t index;
  char *key; /* the caller's */
  struct store_attr attr;
};
/* Up to max files with bytes that follow in the same listing, as far as it is here.
 * How many; *root is theirs. */
size_t ns_following(struct ns *n, const struct ns_position *place, size_t max,
                    struct ns_sibling *out, const struct root **root);

/* --- directories --- */
struct ns_dir;

struct ns_entry {
  char name[NS_NAME_MAX + 1];
  uint64_t next;       /* offset behind this entry: stable while the directory is open */
  struct ns_attr attr; /* without `plus` only ino and the type of mode */
};

/* Asks for the first page when no fresh listing is at hand, so -EACCES comes here. */
int ns_dir_open(struct ns *n, uint64_t ino, const struct patience *p, struct ns_dir **out);
/* The entry at an offset (0: the first). *end: there is none. `plus`: the entry
 * is looked up as by ns_lookup(), but not "." and "..", from the listing's page
 * alone. Huge directories are read page by page as offsets ask for them. */
int ns_dir_read(struct ns_dir *d, uint64_t offset, bool plus, const struct patience *p,
                struct ns_entry *out, bool *end);
void ns_dir_close(struct ns_dir *d);

struct ns_stats {
  size_t nodes;
  size_t listings;
  size_t listing_bytes;
  uint64_t hidden; /* keys that no name can hold, in the listings at hand */
  uint64_t heads;  /* calls to stores so far */
  uint64_t lists;
};
void ns_stats(struct ns *n, struct ns_stats *out);
/* LIST was denied in this root, and never answered. */
bool ns_root_unlistable(struct ns *n, const struct root *r);

#endif
