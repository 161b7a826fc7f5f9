/* Staging's inside, shared by staging.c (life and journal), staging_promise.c (what
 * outlives a crash), staging_write.c (changes), staging_read.c (reads), and the commit's files. */
#ifndef S3APFS_SRC_DATA_STAGING_INTERNAL_H
#define S3APFS_SRC_DATA_STAGING_INTERNAL_H

#include <stdatomic.h>

#include "layer.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/data/staging.h"

struct staging {
  struct state *state;
  struct cache *cache;
  struct pool *pool;      /* sends parts */
  struct budget *sending; /* what those may have of the cache's memory */
  unsigned threads;
  uint64_t limit;
  size_t part_size;
  size_t part_min;
  char *host;
  void (*stored)(void *arg, const struct store *s, const char *key, const char *etag,
                 const struct kvlist *meta);
  void *stored_arg;
  atomic_uint_fast64_t used;
  struct {
    struct mtx lock;
    int64_t *rows; /* in the journal, and over (staging_over.c) */
    size_t count;
  } over;
};

/* The version of the object below all layers. */
struct base {
  atomic_uint refs;
  bool present;
  struct store_attr attr; /* size 0 when not present */
  struct reader *reader;  /* NULL: there are no bytes */
};

/* A part that an upload has, or gets. */
struct sent_part {
  uint64_t offset;
  uint64_t size;
  bool sending; /* a thread reads or sends it */
  bool valid;   /* sent, and nothing was written over it since */
  bool stale;   /* written over while it was being sent */
  uint32_t layer;
  struct store_part part;
};

struct upload {
  char *id;
  struct sent_part **parts; /* by number - 1 */
  size_t count;
  unsigned sending;     /* threads at work for it */
  bool broken;          /* the service does not know it any more */
  bool starting;        /* streaming asked for an id */
  bool refused;         /* and did not get one */
  uint64_t next_offset; /* of the next part to stream; 0: the second part */
};

/* What the object is once a commit succeeds. */
struct expectation {
  uint32_t layer; /* the last one that it contains and that did not change since */
  uint64_t size;
  uint64_t crc;
  bool has_crc;
  char etag[STORE_ETAG_MAX]; /* "": not known */
};

struct staged {
  struct staging *staging;
  struct store *store;
  struct {
    struct mtx lock;
    struct cond turn; /* changing, committing or upload.sending ended */
    bool changing;    /* one thread changes the content */
    bool committing;  /* one thread commits, or moves the name */
    bool noting;      /* one thread writes the journal's row */
    char *key;        /* "": unlinked; stays while committing or upload.sending > 0 */
    struct base *base;
    struct layer **layers; /* lowest first */
    size_t count;
    size_t cap;
    bool active; /* the last layer is still written to */
    uint64_t size;
    uint32_t next_seq;
    uint32_t first;       /* layers below are in the store */
    int64_t id;           /* in the journal; 0: not there */
    uint32_t commit_upto; /* recovery: later layers are not committed; 0: all are */
    uint32_t acked;       /* layers up to this one were acknowledged */
    uint64_t acked_log;   /* of that layer */
    bool promised;        /* the row says so durably, with what the object is to carry */
    struct kvlist meta;   /* to be laid over the base's */
    struct kvlist headers;
    bool dressed;  /* meta or headers changed since the last commit took them */
    bool dressing; /* a commit took what had changed, and is not over */
    struct upload upload;
    struct expectation expect;
    int err;     /* of the last commit */
    bool ahead;  /* it was committed before a close, because bytes had been released */
    bool synced; /* whoever writes it has synced it */
    bool lost;   /* replaced by somebody else: nothing works any more */
  } synced;
};

/* --- staging.c --- */
int staged_alloc(struct staging *g, struct store *s, const char *key, const struct store_attr *attr,
                 struct staged **out);
int base_new(struct staged *f, const char *key, const struct store_attr *attr, struct base **out);
void base_ref(struct base *b);
void base_unref(struct base *b);
/* Writes what the journal should say; adds the file there when it is new. The caller
 * is the one who changes or commits. */
int staged_note(struct staged *f, enum state_sync sync);
/* The same, durably, with the content of small layers. */
int staged_note_promise(struct staged *f, const struct journal_layer *layers, size_t count);
/* Takes it out of the journal; where that cannot be written its row is over for now. */
int staged_forget(struct staged *f);
/* The file as the journal should have it; the lock is held. */
int staged_describe_locked(const struct staged *f, struct journal_file *out);
/* Forgets layers up to seq, and their files; the lock is not held. */
void staged_drop_layers(struct staged *f, uint32_t seq);
void upload_fini(struct upload *u);

/* --- staging_over.c --- */
void staging_over_init(struct staging *g);
void staging_over_fini(struct staging *g);
int staging_over_add(struct staging *g, int64_t row); /* 0 or -ENOMEM */

/* --- staging_write.c --- */
/* Only one thread changes a file at a time. */
int change_begin(struct staged *f);       /* 0 or -ESTALE */
void change_begin_lost(struct staged *f); /* also when the file is lost */
void change_end(struct staged *f);
/* Where nothing can be released: a commit may make room (staging_release.c). */
bool staged_may_make_room(struct staged *f);
/* The layer to write to, made when there is none. */
int staged_active_layer(struct staged *f, struct layer **out);
/* Bytes of the active layer; data NULL: zeroes. The turn is the caller's. */
int staged_put_bytes(struct staged *f, uint64_t offset, const void *data, uint64_t len);
/* The layer that is written to now will not be written to again. Between
 * change_begin() and change_end(). */
void staged_seal(struct staged *f);

/* --- staging_release.c --- */
/* Gives up bytes of one part that is sent, or waits for one. The turn is the caller's.
 * -ENOSPC: there is none. */
int staged_release_sent(struct staged *f);
/* -EREMOTE: bytes of [from, to) were released. */
int staged_is_here(struct staged *f, uint64_t from, uint64_t to);

/* --- staging_read.c --- */
/* The content at one moment. Layers that are still written to change below it. */
struct snapshot {
  struct base *base;
  struct layer **layers;
  size_t count;
  uint64_t size;
  uint32_t top; /* seq of the last layer; 0: none */
};
int snapshot_take_locked(struct staged *f, struct snapshot *out);
/* staging_release.c: the same of these layers; after they were read, because bytes may go at any
 * time as long as a layer is written to. */
int snapshot_is_here(struct staged *f, const struct snapshot *s, uint64_t from, uint64_t to);
/* Without the layers above `upto`. */
void snapshot_cut(struct snapshot *s, uint32_t upto);
void snapshot_fini(struct snapshot *s);
/* The same, but large files that nobody has any more are closed by the pool: the kernel
 * frees their pages then, which takes its time. */
void snapshot_fini_behind(struct snapshot *s, struct pool *pool);

enum piece_kind { PIECE_ZERO, PIECE_LAYER, PIECE_BASE };
struct piece {
  enum piece_kind kind;
  const struct layer *layer;
  uint64_t from;
  uint64_t to;
};
struct pieces {
  struct piece *items;
  size_t count;
  size_t cap;
};
/* Where the bytes of [from, to) are, in order; neighbours of one kind are joined.
 * The file's lock is held, or no layer is written to. */
int snapshot_pieces(const struct snapshot *s, uint64_t from, uint64_t to, struct pieces *out);
void pieces_fini(struct pieces *p);
/* Copies [from, to), which ends within the size. */
int pieces_read(const struct pieces *p, const struct snapshot *s, void *dst,
                const struct patience *patience);
/* The same for a commit, whose key stays: what lies in the base comes by one request,
 * past the cache, unless it is little. */
int pieces_fetch(const struct pieces *p, const struct snapshot *s, const struct staged *f,
                 void *dst, const struct patience *patience);
/* Whether that costs a request of its own. */
bool pieces_need_request(const struct pieces *p);
/* Then: what the object's reply told beside its bytes; *told: then that is
 * the caller's, whatever is returned.
 * detail NULL: nobody wants to know. */
int pieces_fetch_told(const struct pieces *p, const struct snapshot *s, const struct staged *f,
                      void *dst, struct store_detail *detail, bool *told);

#endif
