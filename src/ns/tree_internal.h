/* The tree's inside. ns.c: its life; roots.c: roots that come and go; node.c: the table of nodes;
 * node_attr.c: what they show; find.c: how names and attributes are found; notes.c: own changes;
 * absent.c: names known not to be; metadata.c: what HEADs told of objects. Listings, memos and
 * calls to stores have headers of their own; open directories are dir.c's.
 *
 * One lock guards all but what is marked fixed. Functions whose names end in
 * _locked need it. Stores are called by the pool's threads, with no lock held. */
#ifndef S3APFS_SRC_NS_TREE_INTERNAL_H
#define S3APFS_SRC_NS_TREE_INTERNAL_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <uthash.h>

#include "s3apfs/base/budget.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/patience.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/ns/posix.h"
#include "s3apfs/state/shelf.h"
#include "s3apfs/state/state.h"
#include "s3apfs/store/catalog.h"

struct item;
struct listing;
struct ns_attr; /* s3apfs/ns/ns.h */

enum __attribute__((packed))
node_kind {             /* a byte: there is one in every node */
            NODE_ABOVE, /* a directory above the roots */
            NODE_DIR,
            NODE_FILE,
            NODE_LINK, /* a symbolic link: an object whose metadata says so */
            NODE_FIFO, /* the same, of empty objects */
            NODE_SOCKET,
};
#define NODE_KINDS (NODE_SOCKET + 1)

/* What this mount itself did to a name: newer than any listing that began before. */
struct note {
  UT_hash_handle hh;
  int64_t tick;
  uint64_t seq; /* its place in directory handles */
  enum node_kind kind;
  bool present; /* false: removed, moved away */
  char name[];
};

struct node {
  struct node *chain;      /* in its bucket */
  uint64_t ino;            /* fixed, as are root and kind */
  struct node *parent;     /* NULL: the mount's root */
  const struct root *root; /* NULL: above the roots */
  uint64_t nlookup;
  unsigned refs; /* children, handles, calls under way, being fixed */
  enum node_kind kind;
  uint8_t crc_kind;    /* of file.crc */
  bool gone : 1;       /* it has no name any more */
  bool own : 1;        /* made here, and nobody else's version since */
  bool local : 1;      /* newer here than in the store: what is known stays */
  bool displaced : 1;  /* moved: not where its inode number would be looked for */
  bool whole : 1;      /* posix is all that the metadata says (files) */
  bool lost : 1;       /* what it was in was taken away; until it is found again */
  bool archived : 1;   /* its bytes have to be restored first (files) */
  bool denied : 1;     /* a HEAD of it was, and only a LIST told of it (files) */
  bool marker : 1;     /* it has an object of its own, as far as is known (directories) */
  bool looked : 1;     /* for a kept listing, because a name was asked for (directories) */
  bool opened : 1;     /* the same, because it was opened */
  int64_t asof;        /* tick of the call that told what follows */
  int64_t fresh_until; /* INT64_MAX: for ever */
  struct posix *posix; /* what its metadata says; NULL: not known */
  union {
    struct {
      uint64_t size;
      int64_t mtime;
      char *etag;
      uint64_t crc; /* of that version, as crc_kind says */
    } file;         /* links too */
    struct {
      uint64_t hash; /* fixed: of the key with its '/' that it was found by */
      struct listing *listing;
      struct note *notes;   /* by name */
      int64_t denied_until; /* LIST of it was denied */
      int64_t big_until;    /* its names do not fit one page */
    } dir;
  };
  char *name;
  char first_name[];
};

/* What the calls to one root taught. */
struct root_state {
  bool listed;               /* a LIST was answered */
  unsigned denied;           /* LISTs denied since then */
  int64_t flat_denied_until; /* a LIST without a delimiter was denied */
  bool ordered;              /* a listing was started within, and that was right */
  bool unordered;            /* that does not work */
  bool reshaped; /* a folder was moved here: what earlier mounts kept is of other places */
};

/* The last file that a HEAD told of, and when its answer came. */
struct told {
  uint64_t ino;
  int64_t asof;
  int64_t at;
};

struct absent {
  uint64_t hash;
  int64_t asof;
  int64_t until;
  int err;
};
#define ABSENT_SLOTS 4096

struct ns {
  const struct root *first; /* of the catalog: whose options directories above roots have */
  const struct clock *clock;
  struct budget *budget;
  struct state *state; /* NULL: nothing is remembered */
  struct pool *pool;
  struct pool *ahead;   /* waits for pages that are read ahead */
  struct shelf *shelf;  /* keeps listings over remounts; NULL: nobody does */
  struct pool *shelver; /* asks again what was kept, and keeps; one at a time */
  void (*told)(void *arg, uint64_t parent, const char *name, uint64_t ino);
  void *told_arg;
  size_t names_limit; /* bytes of nodes; 0: none */
  int64_t made_ms;    /* wall clock */
  int64_t mount_time; /* seconds since 1970: the time directories show */
  atomic_uint_fast64_t heads;
  atomic_uint_fast64_t lists;
  struct {
    struct mtx lock;
    struct cond loaded; /* a page arrived, or failed to */
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    size_t hand;    /* crowd.c: the bucket that it goes on with */
    size_t thinned; /* nodes that were left the last time */
    bool thinning;  /* somebody is at it */
    struct node **displaced;
    size_t displaced_count;
    size_t displaced_cap;
    uint64_t notes;      /* made so far */
    struct node **fixed; /* the mount's root, roots, and what lies above them; NULL: free */
    size_t fixed_count;
    struct root_state *roots; /* by their index */
    size_t root_count;
    struct errand *errands; /* to be done without the lock (shelving.c) */
    bool ending;
    struct folder *folders;   /* what was done to directories, oldest first (folders.c) */
    struct listing *listings; /* of directories, least recently used first */
    struct listing *aside;    /* those that are no directory's, or not yet */
    size_t listing_count;
    size_t listing_bytes;
    struct absent *absent;
    struct told told;
    struct peeks *peeks;
    struct walks *walks;
    struct metadata *metadata;
    int64_t tick; /* orders what was learned: calls are stamped when they start */
  } synced;
};

/* Bytes of a key. Escaped ones may be longer than S3's: their store knows. */
static inline size_t ns_key_max(const struct root *r) {
  return r->options.escaped ? 4096 : store_key_max(r->store);
}

static inline bool node_is_dir(const struct node *i) {
  return i->kind == NODE_ABOVE || i->kind == NODE_DIR;
}

/* What S3 keeps as an object without a '/' at its end. */
static inline bool node_kind_is_object(enum node_kind kind) {
  return kind != NODE_ABOVE && kind != NODE_DIR;
}

static inline int64_t ns_now(const struct ns *n) {
  return clock_mono_ms(n->clock);
}

static inline int64_t ns_tick_locked(struct ns *n) {
  return ++n->synced.tick;
}

/* It goes on for who has it open, and nothing new begins in it. */
static inline bool node_is_retired(const struct node *i) {
  return i->root != NULL && atomic_load(&i->root->retired);
}

/* --- ns.c --- */
/* Finds the node, makes it fresh, calls use() on it with a reference held; that may let go of
 * the lock in between. */
int ns_use_fresh(struct ns *n, uint64_t ino, const struct patience *p,
                 int (*use)(struct ns *n, struct node *i, void *out), void *out);

/* --- roots.c --- */
/* Nobody else is here yet. */
int roots_new(struct ns *n, const struct catalog *c);
/* The root or directory above roots of that name; NULL: there is none. */
struct node *root_child_locked(struct ns *n, const struct node *parent, const char *name);

/* --- outage.c --- */
/* 0, or, where nobody answers for the node's root and that is borne with (offline=lenient),
 * why. Has it asked, behind, whether that is over. */
int outage_at_locked(struct ns *n, const struct node *at);
/* What is known of the node until then may be used: it is fresh, or nobody answers. */
bool stands_locked(struct ns *n, const struct node *at, int64_t fresh_until);
/* The error is none that an answer gives. */
bool outage_is_no_answer(int rc);

/* --- node.c --- */
int node_table_new(struct ns *n);
/* Frees every node; none is in use. */
void node_table_free(struct ns *n);
/* A node that is not forgotten before node_unfix_locked(). */
int node_add_fixed_locked(struct ns *n, struct node *parent, const char *name,
                          const struct root *root, struct node **out);
/* It has no name any more, and goes with its last user. */
void node_unfix_locked(struct ns *n, struct node *i);
struct node *node_find_locked(struct ns *n, uint64_t ino);
/* The node of a child, if there is one. */
struct node *node_child_locked(struct ns *n, struct node *parent, const char *name,
                               enum node_kind kind);
/* The same, made when there is none; it stays while the lock is held. NULL: no memory. */
struct node *node_make_locked(struct ns *n, struct node *parent, const char *name,
                              enum node_kind kind);
/* The inode number it has, or would get. */
uint64_t node_child_ino_locked(struct ns *n, struct node *parent, const char *name,
                               enum node_kind kind);
/* Tells the names of all directories apart. */
uint64_t node_child_hash(const struct node *parent, const char *name);
/* Gives the node another place. False: no memory, nothing changed. */
bool node_move_locked(struct ns *n, struct node *i, struct node *parent, const char *name);
/* Takes its name away; it lives on for those who refer to it. */
void node_detach_locked(struct node *i);
/* i is `top` or lies below it. */
bool node_is_below_locked(const struct node *i, const struct node *top);
/* Calls fn on every node; it must not make or free any. */
void node_each_locked(struct ns *n, void (*fn)(struct node *i, void *arg), void *arg);
void node_ref_locked(struct node *i);
void node_unref_locked(struct ns *n, struct node *i);
/* Frees it when nothing needs it. */
void node_settle_locked(struct ns *n, struct node *i);
/* Key below the root, '/' at the end for directories; "" for the root itself.
 * NULL: no memory. */
char *node_key_locked(const struct node *i);

/* --- node_attr.c --- */
/* S_IFREG, S_IFDIR, ... */
mode_t node_kind_mode(enum node_kind kind);
/* What an object of that size is; posix NULL: its metadata is not known. Only an empty
 * one is a fifo or socket: no bytes are hidden behind a type. */
enum node_kind node_kind_of(const struct posix *posix, uint64_t size);
void node_attr_locked(struct ns *n, const struct node *i, struct ns_attr *out);
/* Takes what was found at `asof`, unless something newer is known. posix NULL: the
 * metadata was not asked for; what is known of the same version stays. False: no
 * memory, nothing changed. */
bool node_update_locked(struct node *i, const struct store_attr *a, const struct posix *posix,
                        int64_t asof, int64_t fresh_until);

/* --- links.c --- */
/* Links of a node as far as is known; 1: not known (folders). */
unsigned links_locked(struct ns *n, const struct node *i);

/* --- crowd.c --- */
/* A node was made: there may be too many. */
void crowd_check_locked(struct ns *n);

/* --- absent.c --- */
int absent_new(struct ns *n);
void absent_put_locked(struct ns *n, uint64_t hash, int err, int64_t asof, int64_t ttl_ms);
/* The error, or 0 when nothing is known that is newer than `asof`. */
int absent_get_locked(struct ns *n, uint64_t hash, int64_t asof);
void absent_drop_locked(struct ns *n, uint64_t hash);
void absent_forget_locked(struct ns *n); /* all of them */

/* --- notes.c --- */
/* False: no memory; then no cached listing of the directory is left either. */
bool notes_put_locked(struct ns *n, struct node *dir, const char *name, enum node_kind kind,
                      bool present);
const struct note *notes_find_locked(const struct node *dir, const char *name);
/* What is known of the name from somewhere else at `asof` is older than the note. */
bool note_is_newer(const struct note *t, int64_t asof);
/* Forgets what the directory's listing shows, and every older one that is being read. */
void notes_prune_locked(struct ns *n, struct node *dir);
void notes_free_locked(struct node *dir);

/* --- metadata.c --- */
int metadata_new(struct ns *n);
void metadata_free(struct ns *n);
/* The node's object was changed here: what was told of it, or is on its way, is old. */
void metadata_drop_locked(struct ns *n, const struct node *i);

/* --- find.c --- */
enum node_kind find_item_kind_locked(struct ns *n, struct node *dir, const struct item *it);
/* The node of a listed item, updated from it. NULL: no memory. */
struct node *find_attach_locked(struct ns *n, struct node *dir, const struct item *it,
                                const struct listing *l);
/* Makes what is known of the node fresh. Called and returns with the lock held,
 * lets go of it in between; the caller holds a reference. */
int find_refresh_locked(struct ns *n, struct node *i, const struct patience *p);

#endif
