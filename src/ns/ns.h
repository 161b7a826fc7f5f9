/* The tree's inside. ns.c: its life; roots.c: roots that come and go; node.c: the table of nodes;
 * remote.c: calls to stores; page.c, listing.c, load.c and lanes.c: listings; dir.c: open
 * directories; find.c: how names and attributes are found; absent.c: names known not
 * to be; peeks.c: small folders that a look-up saw; metadata.c: what HEADs told of objects.
 *
 * One lock guards all but what is marked fixed. Functions whose names end in
 * _locked need it. Stores are called by the pool's threads, with no lock held. */
#ifndef S3APFS_SRC_NS_NS_H
#define S3APFS_SRC_NS_NS_H

#include <stdatomic.h>
#include <uthash.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/ns/ns.h"

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
  bool marker : 1;     /* it has an object of its own, as far as is known (directories) */
  bool looked : 1;     /* for a kept listing, because a name was asked for (directories) */
  bool opened : 1;     /* the same, because it was opened */
  bool unkept : 1;     /* no listing of it is kept */
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
    struct listing *listings; /* least recently used first */
    size_t listing_count;
    size_t listing_bytes;
    struct absent *absent;
    struct told told;
    struct peeks *peeks;
    struct metadata *metadata;
    int64_t tick; /* orders what was learned: calls are stamped when they start */
  } synced;
};

/* Bytes of a key; S3's limit. Escaped ones may be longer: their store knows. */
static inline size_t ns_key_max(const struct root *r) {
  return r->options.escaped ? 4096 : 1024;
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
/* S_IFREG, S_IFDIR, ... */
mode_t node_kind_mode(enum node_kind kind);
/* What an object of that size is; posix NULL: its metadata is not known. Only an empty
 * one is a fifo or socket: no bytes are hidden behind a type. */
enum node_kind node_kind_of(const struct posix *posix, uint64_t size);
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

struct page;
struct item;

/* --- peeks.c --- */
int peeks_new(struct ns *n);
void peeks_free(struct ns *n);
/* A LIST showed this of the folder; takes the page. whole: it may become its listing. */
void peeks_put_locked(struct ns *n, const struct node *dir, struct page *page, int64_t asof,
                      int64_t fresh_until, bool whole);
/* The item of a folder in it, where that look-up is fresh; NULL: none is known. */
const struct item *peeks_find_locked(struct ns *n, const struct node *dir, const char *name,
                                     int64_t *asof, int64_t *fresh_until);
/* The folder is about to be listed: its listing may be there. */
void peeks_use_locked(struct ns *n, struct node *dir);
void peeks_drop_locked(struct ns *n, const struct node *dir);
void peeks_forget_locked(struct ns *n); /* all of them */

/* --- metadata.c --- */
int metadata_new(struct ns *n);
void metadata_free(struct ns *n);
/* The node's object was changed here: what was told of it, or is on its way, is old. */
void metadata_drop_locked(struct ns *n, const struct node *i);

/* --- siblings.c --- */
/* Where a file of that name stands in what is here of the listing: 0 or -ENOENT. */
int siblings_place_locked(const struct listing *l, const char *name, uint32_t *index);
/* The next item at or behind the index that is here; NULL: none. */
const struct item *siblings_item_locked(const struct listing *l, uint32_t *index);

/* --- ns.c --- */
/* Finds the node, makes it fresh, calls use() on it with a reference held; that may let go of
 * the lock in between. */
int ns_use_fresh(struct ns *n, uint64_t ino, const struct patience *p,
                 int (*use)(struct ns *n, struct node *i, void *out), void *out);

/* --- notes.c --- */
/* False: no memory; then no cached listing of the directory is left either. */
bool notes_put_locked(struct ns *n, struct node *dir, const char *name, enum node_kind kind,
                      bool present);
const struct note *notes_find_locked(const struct node *dir, const char *name);
/* What is known of the name from somewhere else at `asof` is older than the note. */
bool note_is_newer(const struct note *t, int64_t asof);
/* Forgets what a listing that begins now will show. */
void notes_prune_locked(struct ns *n, struct node *dir);
void notes_free_locked(struct node *dir);

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
/* strict.c: asks for the attributes of the page's files, where the root wants that. With no
 * lock held, and not on the pool's threads. */
void strict_fill(struct ns *n, const struct root *r, const char *prefix, struct page *page,
                 const struct patience *p);

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

/* --- remote.c --- */
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

/* --- page.c --- */
struct item {
  const char *name;
  const char *etag;
  const struct posix *posix; /* what is remembered of that version; NULL: nothing */
  uint64_t size;
  int64_t mtime;
  bool is_dir;
  bool archived;
  bool hidden; /* a folder of the same name takes its place */
};

struct page {
  struct item *items; /* sorted by name, a folder before a file of that name */
  size_t count;
  char *text;          /* names and etags */
  struct posix *posix; /* of items; NULL: none is remembered */
  char *first;         /* first name as the store gave them; "" for an empty page */
  char *last;          /* last one, a folder's with its '/', odd ones too; "" */
  size_t raw;          /* entries as the store counts them */
  bool ordered;        /* they ascend */
  size_t bytes;        /* memory taken */
  uint64_t odd;        /* keys that no name can hold */
  bool marker;         /* the folder's own object is in it */
};

/* Turns a LIST page of `prefix` into items. -EIO: the store broke its contract. */
int page_new(const struct store_page *from, const char *prefix, struct page **out);
void page_free(struct page *p);
/* The item's attributes are these. 0 or -ENOMEM. */
int page_know(struct page *p, struct item *it, const struct posix *posix);
struct item *page_find(const struct page *p, const char *name, bool is_dir);
/* Everything in it stands behind `name`. */
bool page_is_behind(const struct page *p, const char *name);
/* Takes out what stands behind `name`. */
void page_clip(struct page *p, const char *name);
/* 0, -ENAMETOOLONG, -EILSEQ; -EINVAL for "", "." and "..". */
int name_check(const char *name, size_t len);

/* --- listing.c --- */
struct slot {
  char *token;       /* how to ask for this page; NULL: the first */
  bool after;        /* the token is the name that it starts behind */
  char *until;       /* what stands behind this name is the next slot's; NULL: nothing */
  struct page *page; /* NULL: not asked for, or dropped */
  bool settled;      /* its hidden items are marked */
  bool counted;      /* its memory is in the budget */
  unsigned pins;     /* readers that must not lose it now */
  uint64_t odd;      /* keys that no name can hold */
  uint64_t hidden;   /* items hidden */
};

struct listing {
  struct ns *ns;
  struct listing *prev; /* in ns->synced.listings */
  struct listing *next;
  unsigned refs;           /* its directory, open handles, calls; all but the first hold dir too */
  bool cached;             /* its directory refers to it */
  bool restored;           /* an earlier mount kept it; the store is being asked */
  bool kept;               /* it was given to the shelf */
  struct listing *instead; /* the one before, until a page is here; takes the place again when
                              nobody answers. NULL: none */
  struct node *dir;        /* alive while cached or open */
  char *prefix;
  int64_t asof; /* tick at its start */
  int64_t fresh_until;
  struct slot *slots;
  size_t count; /* slots known so far */
  bool ended;   /* the last slot is the end */
  bool loading;
  bool ahead;          /* a page is being read ahead, or about to be */
  uint64_t asked;      /* pages that brought something new, */
  uint64_t shown;      /* and the entries in them */
  struct lanes *lanes; /* what is read further on at the same time; NULL: nothing */
  uint64_t flight;     /* loads that ended, and how the last one did */
  int flight_err;
  struct flat *flat; /* a walk through its folders; NULL: none */
  char **open_names; /* files shown whose folder may still come */
  size_t open_count;
};

/* A new listing of the directory, which takes the place of its old one; with a
 * reference for the caller, who holds one to dir. NULL: no memory. */
struct listing *listing_new_locked(struct ns *n, struct node *dir);
/* One that does not take the place yet; listing_cache_locked() lets it. */
struct listing *listing_new_aside_locked(struct ns *n, struct node *dir);
void listing_cache_locked(struct listing *l);
/* The listing of a directory that was made just now: nothing is in it. */
void listing_seed_locked(struct ns *n, struct node *dir);
void listing_ref_locked(struct listing *l);
void listing_unref_locked(struct listing *l);
/* The directory, and with `below` those in it, no longer answer from listings. */
void listing_forget_locked(struct ns *n, struct node *dir, bool below);
/* Takes the token on success. */
bool listing_add_slot(struct slot **slots, size_t *count, char *token, bool after);
void listing_slots_free_locked(struct listing *l, struct slot *slots, size_t count);
/* The directory no longer answers from it. */
void listing_uncache_locked(struct listing *l);
/* A load of that slot ended so: what failed answers no more, unless nobody was there to answer
 * and something is known. */
void listing_answered_locked(struct listing *l, size_t slot, int rc);
/* Marks a page's hidden items; the page behind it is here, or there is none. */
void listing_settle_locked(struct listing *l, size_t slot);

/* --- listing_memory.c --- */
void listing_drop_page_locked(struct listing *l, struct slot *s);
/* Takes memory for the page in a slot, if need be from other pages: of this listing,
 * from those in slots before `early`. */
void listing_count_page_locked(struct listing *l, struct slot *s, size_t early);
void listing_drop_uncounted_locked(struct listing *l, size_t but);

/* --- load.c --- */
/* One page from the store, no lock held. */
int listing_ask(struct listing *l, const char *token, bool after, const struct patience *p,
                struct page **page, char **next);
/* Where the listing goes on behind its last slot, whose page this is. */
int listing_extend_locked(struct listing *l, struct page *page, char **next);
/* Puts a page, which it takes on success, into a slot; *next too, when it is used. */
int listing_install_locked(struct listing *l, size_t slot, struct page *page, char **next);
/* A load of the slot ended so; everybody who waits is told. Takes the page. */
int listing_loaded_locked(struct listing *l, size_t slot, int rc, struct page *page, char **next);
/* Makes a slot's page present; with `settle` its hidden items are marked too.
 * -ERANGE: behind the end. The lock is held on entry and return, not in between. */
int listing_load_locked(struct listing *l, size_t slot, bool settle, const struct patience *p);
/* A reader is in this slot: the page after the next one may be asked for, so that it
 * is here when the reader comes. */
void listing_ahead_locked(struct listing *l, size_t slot);
/* --- lanes.c --- */
/* A page, with the token that came with it, goes beyond a lane's start, or up to it and
 * more follows. (load.c) */
bool lane_is_met(const struct page *page, const char *next, const char *start);
/* Reads on further behind, at the same time, where that is worth it. */
void lanes_plan_locked(struct listing *l);
/* Where the next lane starts; NULL: there is none. */
const char *lanes_start_locked(const struct listing *l);
/* The end was reached before any lane: those that hold nothing are dropped. */
void lanes_end_locked(struct listing *l);
/* The first lane's pages follow: it becomes part of the listing. 0 or -ENOMEM. */
int lanes_join_locked(struct listing *l);
/* The next lane's first page has to be seen before it may be relied on. Then takes the
 * token, lets everybody wait for the lane, and listing_extend_locked() comes again. */
bool lanes_hold_locked(struct listing *l, char **next);
/* The references that lanes under way hold. */
unsigned lanes_refs_locked(const struct listing *l);
void lanes_free_locked(struct listing *l);

/* --- listing.c --- */
/* Makes this page, which it takes on success, all of the directory's listing. */
bool listing_adopt_locked(struct ns *n, struct node *dir, struct page *page, int64_t asof,
                          int64_t fresh_until);
/* The directory's listing while it is fresh, else NULL. */
struct listing *listing_fresh_locked(struct ns *n, const struct node *dir);
/* The shown item of that name; NULL when it is not in what is here. */
const struct item *listing_find_locked(const struct listing *l, const char *name);
/* Every page is here, and young enough to say that other names do not exist. */
bool listing_proves_absence_locked(const struct listing *l);

/* --- shelving.c --- */
/* Shows what an earlier mount kept of the directory, if this one knows nothing of it.
 * open: it is being opened; else a name in it is asked for, and then only folders are
 * shown, of a listing that is not large. The caller holds a reference; the lock is let go
 * of in between. */
void shelving_restore_locked(struct ns *n, struct node *dir, bool open);
/* That listing answers for this item. */
bool shelving_answers_locked(const struct node *dir, const struct listing *l,
                             const struct item *it);
/* A listing that was read: it may be kept. */
void shelving_keep_locked(struct ns *n, struct listing *l);
/* What is kept of the directory is wrong. */
void shelving_unkeep_locked(struct ns *n, struct node *dir);
/* Names that a kept listing showed and the store does not, or not so. */
void shelving_compare_locked(struct ns *n, struct node *dir, const struct listing *old,
                             const struct listing *now);
/* Does what the functions above left to be done without the lock. */
/* A folder of the root was moved: nothing that was kept is shown any more. */
void shelving_reshaped_locked(struct ns *n, const struct root *r);
/* What is kept of the folders that the key names from its first `from` characters on is
 * forgotten. No lock is held. */
void shelving_drop_path(struct ns *n, const struct root *r, const char *key, size_t from);
void shelving_flush(struct ns *n);

/* --- find.c --- */
enum node_kind find_item_kind_locked(struct ns *n, struct node *dir, const struct item *it);
/* The node of a listed item, updated from it. NULL: no memory. */
struct node *find_attach_locked(struct ns *n, struct node *dir, const struct item *it,
                                const struct listing *l);
/* Makes what is known of the node fresh. Called and returns with the lock held,
 * lets go of it in between; the caller holds a reference. */
int find_refresh_locked(struct ns *n, struct node *i, const struct patience *p);

/* --- flat.c --- */
/* The directory is about to be listed: where that looks like a walk, its listing
 * may come from one that fills many. The caller holds a reference; the lock is held
 * on entry and return, not in between. */
void flat_fill_locked(struct ns *n, struct node *dir, const struct patience *p);
void flat_free(struct flat *f);

#endif
