/* Shared by the files that make up the file system. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <stdatomic.h>

#include <uthash.h>
#include <utlist.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/data/commit.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/ns/ns.h"

/* The version whose pages the kernel may have of a file. */
struct version {
  uint64_t ino;
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  uint64_t generation; /* which version this is; never 0 */
  unsigned handles;    /* open now and using the page cache */
  bool paged;          /* bytes were given to such a handle: pages may be there */
  unsigned opens;      /* all that are open now, also around the page cache */
  int backing;         /* what the kernel reads from instead of asking; 0: it asks */
  uint64_t writing;    /* whose changes go through these pages: its serial; 0: nobody's */
  UT_hash_handle hh;
};

/* First member of what a handle stands for. Kept in a list, because the kernel's
 * releases of the last handles may never come when a mount ends. */
struct fs_handle {
  void (*end)(struct fs *fs, struct fs_handle *h); /* gives up the kernel's share */
  struct fs *fs;
  struct fs_handle *prev;
  struct fs_handle *next;
};

/* One version of an object and its reader: what a handle reads through until the
 * inode is written to. */
struct view {
  atomic_uint refs;
  struct reader *reader;
  const struct root *root;
  struct store_attr attr;
  uint64_t generation; /* of a handle that uses the page cache */
};

/* An inode that is written to, or was not committed yet (writing.c). */
struct writing {
  uint64_t ino;
  uint64_t serial; /* never 0 */
  const struct root *root;
  struct staged *staged;
  char base_etag[STORE_ETAG_MAX]; /* it was opened over this version */
  atomic_int_fast64_t mtime_ns;
  atomic_int_fast64_t dressed_ns; /* the time that what is staged carries */
  atomic_bool timed;              /* that time was set by somebody, and nothing was written since */
  bool looked;                    /* whether it is astray is known already; then, too */
  bool astray; /* while a folder above moves, which one does at a time: not with its object */
  atomic_bool mapped; /* changed by a mapping since it was saved last: any release commits */
  /* under the file system's lock: */
  unsigned refs;    /* handles and calls under way */
  unsigned lent;    /* of those: who only looks, or commits what there is */
  bool known;       /* found by its inode */
  bool queued;      /* behind.c will commit it */
  unsigned sending; /* commits under way whose outcome the names were not told yet */
  UT_hash_handle hh;
};

struct fs_file {
  struct fs_handle handle;
  uint64_t ino;
  int flags;    /* of the open */
  pid_t opener; /* process that opened it; 0: not known */
  bool direct;
  atomic_uint refs;                /* the handle and every call under way */
  struct writing *_Atomic writing; /* once set it stays */
  atomic_bool released; /* nobody reads it any more; what it owes may still be on its way */
  atomic_bool owes;     /* changed by it since its opener closed or synced it: release commits */
  struct {
    struct mtx lock;
    struct view *view; /* NULL: opened when it was written to already */
    bool delivered;    /* direct handles: bytes were given out */
  } synced;
};

/* What writing to a root taught. */
struct root_writes {
  atomic_bool proven;               /* something was written */
  atomic_int_fast64_t denied_until; /* monotonic ms; while nothing was */
};

/* A change under way of what these inodes are, or of names in them (gate.c). */
struct gate_pass {
  uint64_t inos[2]; /* 0: none */
  bool reads;       /* an open for reading, or a look at what there is */
  struct gate_pass *prev;
  struct gate_pass *next;
};

/* A move under way of a file, or (keys with their '/') of all below a folder. */
struct gate_move {
  const struct root *root;
  const char *from;
  const char *to;
  const struct gate_pass *own; /* of who moves */
  bool runs;
  struct gate_move *prev;
  struct gate_move *next;
};

struct gate {
  _Atomic(uint64_t) begun; /* moves of folders */
  _Atomic(uint64_t) ended;
  struct {
    struct mtx lock;
    struct cond turn; /* a pass or a move ended */
    struct gate_pass *passes;
    struct gate_move *moves;
  } synced;
};

struct fs {
  struct catalog catalog; /* its array: under the lock, by fs_root_at() */
  struct budget *budget;
  struct cache *cache;
  struct ns *ns;
  atomic_int_fast64_t deadline_ms;
  struct budget *names_budget;
  struct state *state; /* NULL: nothing can be changed */
  int64_t left_upto;   /* rows of earlier processes have ids up to this one */
  struct staging *staging;
  struct gate gate;
  struct behind *behind; /* commits what is promised only in the journal */
  struct siblings *siblings;
  bool (*interrupted)(void *arg); /* NULL: never */
  void *interrupted_arg;
  struct {
    struct mtx lock;
    struct root_writes **writes; /* by the roots' index */
    size_t writes_count;
    struct fs_handle *handles; /* given to the kernel and not released yet */
    struct writing *writings;  /* by ino */
    struct cond told;          /* one of them is not `sending` any more */
    uint64_t serial;           /* of the last one */
    struct unnoted *unnoted;   /* unnoted.c; and whether behind.c tries it */
    bool unnoted_tried;
    struct version *versions; /* by ino; dropped when the kernel forgets the inode */
    uint64_t generation;
    uint64_t open_files;
    void (*changed)(void *arg, uint64_t ino);
    void *changed_arg;
    void (*vanished)(void *arg, uint64_t parent, const char *name, uint64_t ino);
    void (*await)(void *arg);
    void *vanished_arg;
    struct fs_backing backing; /* open NULL: the kernel cannot */
    uint64_t backed_opens;
  } synced;
};

void fs_handle_add(struct fs *fs, struct fs_handle *h);
void fs_handle_remove(struct fs *fs, struct fs_handle *h);

/* --- roots.c --- */
int fs_roots_new(struct fs *fs);
void fs_roots_free(struct fs *fs);
/* NULL: there are no more. Retired ones are among them; they stay until the end. */
struct root *fs_root_at(struct fs *fs, size_t i);
struct root_writes *fs_root_writes(struct fs *fs, const struct root *r);

/* --- pending.c --- */
/* Finishes what earlier processes left of this root. */
void pending_recover_root(struct fs *fs, const struct root *r);
/* What is to be finished, and of which root; only NULL: of all. */
struct finishing {
  struct fs *fs;
  const struct root *only;
};
/* Of which root a row of that domain is, if it is to be finished and that root may be changed;
 * else NULL. */
const struct root *finishing_root(const struct finishing *f, const char *domain);

/* How long one request may wait. */
struct patience fs_patience(const struct fs *fs);
void fs_fill_entry(const struct ns_attr *a, struct fs_entry *out);
/* Keeps the size that the inode's open handles read by. */
void fs_pin_size(struct fs *fs, struct fs_entry *e);

/* Tells who serves the kernel that a name, and what is under it, is old; arg: the fs. */
void fs_tell_vanished(void *arg, uint64_t parent, const char *name, uint64_t ino);
/* Tells who serves the kernel that an inode's attributes and pages are old. */
void fs_notify_changed(struct fs *fs, uint64_t ino);

/* Handles that gave out bytes read this inode's version: its size must stay what
 * the kernel was told, or their reads would end early without an error. */
bool versions_pinned_size(struct fs *fs, uint64_t ino, uint64_t *size);
/* The kernel forgot this inode: it has no pages of it either. */
void versions_forget(struct fs *fs, uint64_t ino);
/* A handle opens this version, `around` the page cache when the kernel may believe
 * in another size: keep_cache, direct_io and backing of *how are decided, and
 * unless it is direct, *generation says which version it belongs to. how->backing
 * comes in as what the kernel could read this version from, 0: nothing; it is the
 * inode's afterwards when it was taken, else still the caller's. writing: the serial of the
 * one that the handle belongs to, whose handles all see what is in the pages, saved or not; 0: the
 * handle only reads this version. */
int versions_open(struct fs *fs, uint64_t ino, const struct store_attr *attr, uint64_t writing,
                  bool around, struct fs_opened *how, uint64_t *generation);
/* Nobody has the inode open. */
bool versions_unopened(struct fs *fs, uint64_t ino);
/* Bytes of that generation are about to be given to a handle that uses the page
 * cache. False: the inode moved to another version, nothing may be given. */
bool versions_deliver(struct fs *fs, uint64_t ino, uint64_t generation);
/* A handle of that generation may go over to another version: no bytes of its own
 * were given out. */
bool versions_movable(struct fs *fs, uint64_t ino, uint64_t generation);
/* Moves the inode, and so all its handles, to this version; or finds it there.
 * False: bytes of another version were given out. */
bool versions_move(struct fs *fs, uint64_t ino, const struct store_attr *attr,
                   uint64_t *generation);
void versions_close(struct fs *fs, uint64_t ino, bool direct);
void versions_free(struct fs *fs);
/* What was given out is not the object's: the next open drops the pages, or goes around them while
 * others have the inode open. */
void versions_spoil(struct fs *fs, uint64_t ino);
/* We made the version `attr` of the version `was` ("": of none), by a copy or by what `w` (may be
 * NULL) saved. Pages that show either are the new version's; those of any other one are not:
 * another host may have replaced what they were read from. */
void versions_own(struct fs *fs, uint64_t ino, const struct writing *w, const char *was,
                  const struct store_attr *attr);

/* --- backing.c --- */
/* What the kernel may read the object from by itself, 0: nothing. Given back by
 * backing_drop(), unless it becomes an inode's. */
int backing_take(struct fs *fs, uint64_t ino, const struct root *root, struct reader *r);
void backing_drop(struct fs *fs, int id);

/* --- file.c --- */
struct fs_file *fs_file_of(uint64_t handle);
/* fs_open() under a pass of the caller's. */
int file_open(struct fs *fs, uint64_t ino, int flags, struct fs_opened *out);
/* A handle for an inode that is written to; takes the reference. */
int fs_file_open_writing(struct fs *fs, struct writing *w, int flags, struct fs_opened *out);
/* Lets handles of that version read through it; the lock is held. */
/* What some open handle of the inode reads, when it is not written to. */
bool fs_files_view(struct fs *fs, uint64_t ino, struct store_attr *attr);
/* The next inode after `ino` that is open and not written to; 0: none. */
uint64_t fs_files_next(struct fs *fs, uint64_t ino);
/* Somebody has it open. */
bool fs_files_use(struct fs *fs, const struct writing *w);
void fs_files_join_locked(struct fs *fs, struct writing *w);
void fs_file_ref(struct fs_file *f);
void fs_file_unref(struct fs *fs, struct fs_file *f);

/* --- writing.c --- */
/* May things below this root be changed? Asks for credentials that may, where those
 * that read may not: it can block. 0, -EROFS, -EACCES, or why they could not be had. */
int writing_allowed(struct fs *fs, const struct root *r);
/* The first file made in a root goes to the store at once, empty: where a policy lets
 * nobody write, its open says so, not a close that few programs look at. */
int writing_prove(struct fs *fs, struct writing *w);
/* Gives up what was denied where nothing could ever be written. */
void writing_drop_denied(struct fs *fs, struct writing *w);
/* The inode's, with a reference; NULL: it is not written to. */
struct writing *writing_find(struct fs *fs, uint64_t ino);
/* Begins to write, over the version that the store has now. */
int writing_begin(struct fs *fs, uint64_t ino, struct writing **out);
/* The same for a name that has no object yet. */
int writing_begin_new(struct fs *fs, uint64_t ino, const struct root *r, const char *key,
                      struct writing **out);
void writing_put(struct fs *fs, struct writing *w);
/* The same when nothing is left to be sent and nobody else but senders has it: who opens the file
 * from now on reads it from the store. Still to be put. Whether it was so. */
bool writing_unknow_sent(struct fs *fs, struct writing *w);
/* The name is gone: unless somebody has it open, its room is free at once, not when who was to
 * send it looks again. Still to be put. */
void writing_drop_removed(struct fs *fs, struct writing *w);
/* Lets the open handles of an inode, if there are any, go on through a writing, because
 * its object is about to get another version or name. */
int writing_adopt(struct fs *fs, uint64_t ino);
/* The same, and they need the object no more: it is about to go. Where nobody has it open, no byte
 * is fetched. -ENOSPC: what they have open has no room in staging, whoever was asked for some. */
int writing_keep_bytes(struct fs *fs, uint64_t ino);
/* The root whose store has this domain, one that is shown rather than a retired one; or NULL. */
const struct root *fs_root_of(struct fs *fs, const char *domain);
/* All of them, each with a reference; the array is the caller's. */
int writings_get(struct fs *fs, struct writing ***out, size_t *count);
/* The same for who only looks at them, or commits; each goes back by writing_give_back(). Nobody's
 * file is open because of that. */
int writings_borrow(struct fs *fs, struct writing ***out, size_t *count);
void writing_give_back(struct fs *fs, struct writing *w);
/* The one whose content has that row in the journal, borrowed; or NULL. */
struct writing *writing_of_row(struct fs *fs, int64_t id);
/* What an object is to carry for these attributes: nothing with posix-metadata=off. */
static inline int root_dress(const struct root *r, const struct posix *p, struct kvlist *meta) {
  return r->options.posix == ROOT_POSIX_OFF ? 0 : posix_to_meta(p, meta);
}
/* Gives up what is staged when nobody has it open, and it has that depth still: the name
 * shows what the store has then. Else -EBUSY; -ENOENT: it is not staged any more. Who is sending it
 * is waited for. */
int writing_give_up(struct fs *fs, struct writing *w, size_t depth);
/* Something was written just now. Where no byte has changed, or all are in the store by now, the
 * time alone is something to bring there. */
int writing_touch(struct fs *fs, struct writing *w);
/* What is staged carries that time; dirty: also where nothing else will be committed. */
int writing_dress_time(struct writing *w, bool dirty);
/* It was written to after its time was taken, and before its content was: the time is to go after
 * it. */
bool writing_is_late(const struct writing *w);
/* Brings what was written to the store. */
int writing_commit(struct fs *fs, struct writing *w);
/* Size and times of an inode that is written to take the place of the store's. */
void writing_show(struct fs *fs, struct fs_entry *e);
void writings_free(struct fs *fs);
/* Another process is to know what a version was sent with, as soon as the journal does not tell it
 * any more. For staging_options.stored; arg: the struct fs. */
void writing_stored(void *arg, const struct store *s, const char *key, const char *etag,
                    const struct kvlist *meta);
/* The names are told of a commit, whose outcome this was. */
void writing_committed(struct fs *fs, struct writing *w, int rc, const struct commit_result *r);
/* A commit, and that. */
int writing_send(struct fs *fs, struct writing *w,
                 int (*commit)(struct staged *f, struct commit_result *out));
/* What is not dirty any more is in the store, but whoever sent it may not have told the names yet:
 * waits for that. True: it had to. */
bool writing_await_told(struct fs *fs, struct writing *w);
/* A close or an fsync: as its source promises, to the store or to the journal. */
int writing_promise(struct fs *fs, struct writing *w);

/* fs_lookup() for who has a pass. */
int fs_find(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *out,
            double *negative_ttl_s);

/* --- gate.c --- */
void gate_init(struct gate *g);
void gate_fini(struct gate *g);
/* Waits for moves of these inodes, no longer than a request may: -EINTR, -ETIMEDOUT, and there is
 * no pass. Keys are looked for afterwards: they stay what they are until
 * the pass is given back. Not while another pass is held. */
int gate_enter(struct fs *fs, struct gate_pass *p);
void gate_leave(struct fs *fs, struct gate_pass *p);
/* What finds nothing while a folder moves may have looked where that is no more: what gate_glance()
 * gave before, and a pass to look again with, after the move. False: there is no need to. */
uint64_t gate_glance(const struct fs *fs);
bool gate_enter_again(struct fs *fs, uint64_t glance, int rc, struct gate_pass *p);
/* Waits for passes and moves in its way, as long as a request may, and keeps out those that come.
 * *waited: it had to, and what was known of the names may be old. To be ended whatever came of it.
 */
int gate_move_begin(struct fs *fs, struct gate_move *m, bool *waited);
void gate_move_end(struct fs *fs, struct gate_move *m);
/* writing_promise() and writing_commit() with a pass. */
int gate_promise(struct fs *fs, struct writing *w);
int gate_commit(struct fs *fs, struct writing *w);

/* --- ahead.c --- */
/* After a call of staging, whose outcome is *rc: whether it is to be made again, because it needed
 * bytes that had been released, or room, and something was committed for that. */
bool writing_goes_on(struct fs *fs, struct writing *w, int *rc);
/* The same after staged_localize(): only others can make room for what lies in the object. */
bool writing_keeps_on(struct fs *fs, struct writing *w, int *rc);

/* --- behind.c --- */
int behind_new(struct fs *fs, struct behind **out);
/* Ends without waiting for what is left: the journal has it. NULL is fine. */
void behind_free(struct behind *b);
/* Commits what was acknowledged, soon, again and again until it works or cannot. */
void behind_queue(struct fs *fs, struct writing *w);
/* One attempt, at once: what was acknowledged is in the store, or why it is not. */
int behind_finish(struct fs *fs, struct writing *w);
/* Commits what was acknowledged of one other writing, for its room; false: there is none that can
 * be. */
bool behind_make_room(struct fs *fs, const struct writing *but);
/* Calls it at growing intervals, until it returns 0 or the mount ends. */
void behind_again(struct fs *fs, int (*fn)(struct fs *fs));

/* --- unnoted.c: the rest in names_internal.h --- */
void unnoted_free(struct fs *fs);

/* --- siblings.c --- */
int siblings_new(struct fs *fs, struct siblings **out);
/* Before the cache and the tree go. */
void siblings_free(struct siblings *s);
/* A file is about to be opened for reading: those that follow may be fetched. */
void siblings_opened(struct siblings *s, uint64_t ino);

#endif
