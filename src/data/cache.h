/* The cache's inside, shared by extent.c (extents), memory.c (who may have memory,
 * and buffers), cache.c (ranges), load.c (filling extents), proved.c (which versions may be
 * read), pace.c (how fast stores are) and reader.c (read-ahead and replies). */
#ifndef S3APFS_SRC_DATA_CACHE_H
#define S3APFS_SRC_DATA_CACHE_H

#include <stdatomic.h>

#include <uthash.h>

#include "proofs.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/patience.h"
#include "s3apfs/data/cache.h"
#include "s3apfs/store/store.h"
#include "sums.h"

struct disk;
struct disk_file;
struct tier;

/* Where an unpinned, complete extent waits for eviction. */
enum shelf {
  SHELF_NONE,
  SHELF_IDLE,   /* anything may take its place */
  SHELF_WANTED, /* some reader's window holds it: only demand may */
};

/* One version of one object. Guarded by the cache's lock but for what is fixed. */
struct version {
  char *id; /* realm, key and etag */
  char *key;
  char *etag;
  uint64_t size;
  struct disk_file *disk; /* while there are readers; NULL: not kept on disk */
  atomic_llong proved_us; /* when a store was last asked that gave bytes of it to this
                           * process; 0: never, or too long ago when the first reader came */
  atomic_uint spoiled;    /* how often its bytes turned out not to be the object's */
  struct sums sums;       /* of what the store gave */
  bool doubted;           /* what the store gave last, in one piece, was not the object */
  unsigned readers;
  unsigned refs;           /* readers, and extents with data */
  struct extent **extents; /* sorted by offset, no overlaps */
  size_t count;
  size_t cap;
  UT_hash_handle hh;
};

struct extent {
  struct cache *cache;
  struct version *version;
  struct store *store;
  uint64_t offset;
  size_t length;
  unsigned char *data;
  size_t capacity;    /* of data */
  int64_t started_us; /* when its load began */
  int64_t first_us;   /* when its first bytes came; the store's thread's own */
  struct store_get get;
  struct disk_file *disk; /* while it loads and while it is being kept; NULL: not kept */
  size_t base;            /* bytes that came from disk before the store was asked */
  enum crc_kind crc_kind; /* CRC_NONE: nobody checks what comes; the store's thread's own
                           * once it loads, as what follows */
  uint64_t crc;           /* of the bytes [crc_from, crc_at) */
  size_t crc_from;        /* not counted before, up to crc_to */
  size_t crc_to;
  size_t crc_at;
  bool started; /* get is the store's; changes only while the extent is pinned */
  /* under the cache's lock: */
  unsigned pins;   /* readers that wait or reply, and cancellers */
  unsigned wanted; /* readers whose window holds it */
  bool loading;    /* done() has not come */
  bool mapped;     /* found by version->extents */
  bool passed;     /* a stream went over it: the first to go */
  enum shelf shelf;
  struct extent *prev;
  struct extent *next;
  /* under its own: */
  struct {
    struct mtx lock;
    struct cond arrived;
    size_t have;
    size_t wake_at; /* the smallest `have` somebody waits for; SIZE_MAX: nobody */
    bool ended;
    int err;
  } synced;
};

/* Buffers kept for reuse take one part in so many of the budget. */
#define SPARE_SHARE 8
#define SPARES_MAX 64
struct spare {
  void *data;
  size_t capacity;
};

/* What loads of one store taught. */
#define PACES_MAX 16
struct pace {
  const struct store *store;
  int64_t part_us; /* time for DATA_PART bytes at best; 0: unknown */
  int64_t wait_us; /* time to the first byte at best; 0: unknown */
};

struct cache {
  struct budget *budget;
  struct disk *disk; /* NULL: none */
  struct tier *tier; /* NULL: none */
  size_t slack;      /* bytes of a large buffer beyond its capacity */
  struct proofs proofs;
  bool proof_wanted;  /* disk only for versions that are proved */
  size_t spare_limit; /* bytes of the budget that belong to spares */
  struct {
    struct mtx lock;
    struct cond idle; /* loading fell to 0 */
    struct version *versions;
    struct extent *shelves[3]; /* by enum shelf; least recently used first */
    size_t demanded;           /* bytes that waiting readers need */
    unsigned streams;          /* readers that read sequentially */
    unsigned loading;          /* loads, and threads that go on with one (cache_load_hold()) */
    uint64_t anonymous;        /* versions without an etag so far */
    struct spare spares[SPARES_MAX];
    unsigned spare_count;
    size_t spare_bytes;
    struct pace paces[PACES_MAX];
    unsigned pace_next; /* the place that the next store takes */
    struct cache_stats stats;
  } synced;
};

/* A buffer's room beyond its capacity where there is a tier: what seals a part's cells. */
#define TIER_ROOM ((size_t)4096)
#define TIER_CELL_ROOM ((size_t)64) /* small buffers hold no more than one cell */

/* Behind the realm in a version's id. */
#define DATA_ID_SEPARATOR '\x1f'

/* --- proved.c --- */
/* The store, asked at that time, gave bytes of the version. */
void version_prove(struct cache *c, struct version *v, int64_t asked_us);
/* The store says no: `denied`, or that it is not there any more, which does not end what
 * readers have of it. */
void version_disprove(struct cache *c, struct version *v, bool denied);
/* For the first reader of a version: what is noted of it (0: nothing), or known still, counts
 * as long as store->proof_ms says. */
void version_recall(struct version *v, const struct store *s, int64_t noted_us);

/* --- extent.c --- */
/* For one reader more, or less. */
int version_get(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
                struct version **out);
void version_put(struct cache *c, struct version *v);
/* Index of the first extent that ends behind `offset`. */
size_t version_find_locked(const struct version *v, uint64_t offset);

/* Bytes of the budget that an extent of this length takes. */
size_t extent_cost(size_t length);
/* A new extent at index `at` for [pos, end): mapped, loading, pinned once. Its
 * cost is reserved already, and is still the caller's on -ENOMEM. */
int extent_make_locked(struct cache *c, struct version *v, struct store *s, size_t at, uint64_t pos,
                       uint64_t end, struct extent **out);
void extent_unmap_locked(struct extent *e);
void extent_unshelve_locked(struct extent *e);
/* Puts an extent where its counts say: nowhere, on a shelf, or out of memory. */
void extent_settle_locked(struct extent *e);

/* --- memory.c --- */
int buffers_init(struct cache *c);
void buffers_fini(struct cache *c);
/* length bytes or a little more; NULL: no memory. What the cache's budget says of
 * them is the caller's business. */
void *buffers_take_locked(struct cache *c, size_t length, size_t *capacity);
void buffers_give_locked(struct cache *c, void *data, size_t capacity);
bool memory_evict_locked(struct cache *c, bool demand);
/* Reserves, evicting what may be evicted; does not wait. */
bool memory_try_locked(struct cache *c, size_t bytes, bool demand);
/* Something may have become evictable: readers that wait for memory come first. */
void memory_feed_locked(struct cache *c);
int memory_demand(struct cache *c, size_t bytes, const struct patience *p);
/* Memory of the budget for something else than extents, as far as it can be had without
 * taking it from a reader. */
bool memory_borrow(struct cache *c, size_t bytes);
void memory_return(struct cache *c, size_t bytes);

/* --- cache.c --- */
struct pin_list {
  struct extent *pins[DATA_PINS_MAX];
  bool fresh[DATA_PINS_MAX]; /* made now: to be started by load_start() */
  size_t count;
};

/* Pins what covers [from, to) (at most DATA_PINS_MAX extents), making extents
 * for the gaps, which end at multiples of `piece`. Waits for memory. */
int cache_pin_range(struct cache *c, struct version *v, struct store *s, uint64_t from, uint64_t to,
                    size_t piece, const struct patience *p, struct pin_list *l);
/* Makes extents, wanted and pinned once, for the gaps of [from, to) as far as
 * memory is free without waiting. *reached: where it stopped. */
void cache_fill_gaps(struct cache *c, struct version *v, struct store *s, uint64_t from,
                     uint64_t to, struct extent **made, size_t *count, size_t max,
                     uint64_t *reached);
void cache_unpin(struct cache *c, struct extent *const *pins, size_t count);
/* Takes them out of a window, to be kept like any other. */
void cache_leave(struct cache *c, struct extent *const *extents, size_t count);
/* Takes them out of a window, as passed or given up; with `cancel`, ends loads that
 * nobody needs now. */
void cache_unwant(struct cache *c, struct extent *const *extents, size_t count, bool cancel);
/* Counts readers that stream (+1, 0, -1); the bytes that one may read ahead from
 * this store. *far (unless NULL) is not 0 where the first byte takes so long that it pays to have
 * several on their way: the bytes that one connection brings meanwhile, of one part at most. */
size_t cache_stream_share(struct cache *c, const struct store *s, int change, size_t *far);
/* Takes a failed extent out of the map, before its waiters learn of it: one that
 * tries again must not find it. */
void cache_load_failed(struct extent *e);
/* Drops all other extents of this one's version; those that read go on. */
void cache_drop_others(struct extent *e);
/* Pins an extent for a thread that is neither a reader's nor the store's and may see the end
 * of the load: the cache does not go before cache_load_let_go(). False: the load is not wanted
 * any more. */
bool cache_load_hold(struct extent *e);
void cache_load_let_go(struct cache *c, struct extent *e);
/* A load is over; `fetched`: all bytes are there, from the store. The extent may be
 * gone afterwards. */
void cache_load_ended(struct extent *e, bool fetched);

/* --- check.c --- */
/* Which bytes of a new extent are to be checked. */
void check_begin_locked(struct extent *e);
/* The store gave the first `have` bytes of the extent; how many of them may be
 * announced before check_end() has its say. */
size_t check_progress(struct extent *e, size_t have);
/* All bytes came from the store: 0. When that completes the object and its checksum is
 * another one, what is held of the version is dropped, in memory and on disk:
 * -ECANCELED: nothing was given out, it is to be fetched once more; -EIO: it was, or
 * that was the second time. */
int check_end(struct extent *e);

/* --- pace.c --- */
/* Notes a load of `length` bytes that took `us`, the first byte after `first_us`. */
void pace_note_locked(struct cache *c, const struct store *s, size_t length, int64_t us,
                      int64_t first_us);
size_t pace_far_locked(const struct cache *c, const struct store *s);
/* Bytes to have under way so that the fastest reader need not wait for this store. */
size_t pace_window_locked(const struct cache *c, const struct store *s);

/* --- load.c --- */
/* Starts the GET that fills a new extent. */
void load_start(struct extent *e);
/* The first `have` bytes are there. */
void load_progress(struct extent *e, size_t have);
/* Asks the store for what the disk did not give. */
void load_from_store(struct extent *e);
/* Ends a load: err as judged, 0 when all bytes are there. */
void load_end(struct extent *e, int err);
/* Ends a load all of whose bytes came from elsewhere than the disk: it is to be kept
 * there. */
void load_end_whole(struct extent *e);
/* All bytes are there, although the end may not have been told yet. */
bool load_is_complete(struct extent *e);
/* Waits until `have` bytes are there. 0 or -errno. */
int load_wait(struct extent *e, size_t have, const struct patience *p);

/* --- disk.c, disk_keep.c --- */
/* Starts reading the extent from disk when all of it is there: load_progress() and
 * load_end() or load_from_store() come on another thread. False: it is not. */
bool disk_load(struct extent *e);
/* All of the object's [offset, offset + length) that lies before its end is there. */
bool disk_is_near(struct disk_file *f, uint64_t offset, size_t length);
/* Takes a complete extent, pinned for this and with its e->disk, to be written; does
 * not block. */
void disk_keep(struct extent *e);
/* A reader waits for memory: leaves out what has waited too long to be written. No lock
 * is held. */
void disk_relieve(struct disk *d);
/* A descriptor of the version's bytes, whole and verified by this process, which the
 * file's user must not close; -1: there is none. Reads what little was not verified. */
int disk_whole_fd(struct disk_file *f);
/* Removes one version, also while it is in use. */
void disk_drop_file(struct disk_file *f);
/* Waits until nothing is queued. */
void disk_drain(struct disk *d);
/* Removes every version whose id starts so, also those in use: their readers go on
 * with the store. */
void disk_drop(struct disk *d, const char *id_prefix);
/* As disk_file_put(), on the writer's thread: takes no time and may be called with
 * a lock held. */
void disk_file_put_later(struct disk_file *f);
/* The same when a version's last reader goes: what is nearly verified is finished. */
void disk_file_done(struct disk_file *f);

/* --- tier.c, tier_fill.c --- */
/* Starts reading the extent from the shared tier, when there is one that is likely to
 * hold it and may be used for it: load_progress() and load_end_whole() or
 * load_from_store() come on other threads. False: the store is to be asked. */
bool tier_load(struct extent *e);
/* Takes a complete extent that the store gave, pinned for this, to be filled in; does not
 * block. */
void tier_keep(struct extent *e);
/* Waits until what is queued is sent or given up, and gives back what it borrowed. */
void tier_drain(struct tier *t);

static inline bool version_may_use_disk(struct version *v, const struct cache *c) {
  return !c->proof_wanted || atomic_load(&v->proved_us) != 0;
}

static inline uint64_t grid_down(uint64_t offset) {
  return offset - offset % DATA_GRID;
}

static inline uint64_t grid_up(uint64_t offset, uint64_t end) {
  uint64_t up = grid_down(offset + DATA_GRID - 1);

  return up < end ? up : end;
}

#endif
