/* Object store: the one interface through which the file system sees storage.
 *
 * Keys are relative to the store's root (its prefix is its own business), bytes
 * without a leading '/', never empty. Back ends: S3 (layer s3), in memory and
 * fault-injecting (this layer). All calls are thread-safe. Errors are negative
 * errno: -ENOENT, -EACCES, -ESTALE (If-Match failed), -ETIMEDOUT, -EIO, ... */
#ifndef S3APFS_STORE_STORE_H
#define S3APFS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/store/outage.h"

/* etags are compared whole; S3's are shorter than this, longer ones are refused (-EBADMSG). */
#define STORE_ETAG_MAX 128

struct store_attr {
  uint64_t size;
  int64_t mtime;             /* seconds since 1970 */
  char etag[STORE_ETAG_MAX]; /* without quotes; "" unknown */
  bool archived;             /* the bytes cannot be read now (GLACIER and kin) */
  enum crc_kind crc_kind;    /* CRC_NONE: what follows was not told */
  uint64_t crc;              /* of all bytes */
  bool denied;               /* a HEAD of it was: only a LIST told the rest */
  bool timeless; /* its metadata has no time of modification; only a HEAD or GET tells */
};

struct store_entry {
  char *name; /* key relative to the root; a common prefix ends in '/' */
  bool is_prefix;
  struct store_attr attr; /* objects only */
};

/* One page of a listing. */
struct store_page {
  struct store_entry
      *entries; /* objects and prefixes, in byte order of name where the back end has it */
  size_t count;
  char *next; /* continuation token, NULL at the end */
};
void store_page_fini(struct store_page *p);

struct store_detail; /* store/write.h */

/* A ranged read. The caller owns it and keeps it, and dst, until done(). */
struct store_get {
  const char *key;
  const char *if_match; /* etag, or NULL */
  const uint64_t *size; /* what the caller takes for the object's size, or NULL; a back end
                         * that sees another one says -ESTALE */
  uint64_t offset;
  size_t length;            /* > 0 */
  void *dst;                /* length bytes */
  int64_t deadline_mono_ms; /* 0: the store's default */
  /* The first `have` bytes of dst are valid now and will not be rewritten with
   * other content; grows. On a thread of the back end: do not block. May be NULL. */
  void (*progress)(struct store_get *g, size_t have);
  /* Exactly once. 0: all `got` bytes are there; got < length only when the
   * object ends there. -ESTALE: if_match failed. -ERANGE: offset is at or past
   * the end. */
  void (*done)(struct store_get *g, int err);
  /* results, valid in done(): */
  size_t got;
  struct store_attr attr; /* of the whole object: size and etag as the reply said */
  /* Where the caller names one: what the reply told beside the bytes, when it tells all that
   * a change has to keep (write.h). Then `detailed`, whatever err is, and it is the caller's. */
  struct store_detail *detail;
  bool detailed;
  void *impl; /* the back end's; do not touch */
};

/* How an object is named where another store copies it; all strings owned. */
struct store_elsewhere {
  char *service;             /* opaque: who copies; the other store's has to be the same */
  char *container;           /* opaque: what holds the object, for messages and refusals */
  char *name;                /* opaque: the object */
  char *owner;               /* the account that is expected to own it; NULL: any */
  char etag[STORE_ETAG_MAX]; /* this version, and no other; the caller's, as what follows */
  uint64_t size;
  enum crc_kind crc_kind; /* CRC_NONE: not known */
  uint64_t crc;
};
void store_elsewhere_fini(struct store_elsewhere *e);

struct store;
struct store_ops {
  /* 0: done() will come, perhaps before this returns; -errno: it will not. May
   * block while credentials are fetched. */
  int (*get)(struct store *s, struct store_get *g);
  /* Asks for an early end; done() still comes (-ECANCELED unless it was on its
   * way). May be called from the return of get() until the caller gives up g's
   * memory, also while done() runs or after it: then it does nothing. A back end
   * therefore clears g->impl under the lock that get_cancel takes, before it
   * calls done(). Does not block. */
  void (*get_cancel)(struct store *s, struct store_get *g);
  /* User metadata of the object is added to *meta (names without x-amz-meta-)
   * when meta is not NULL. -ENOKEY, as of the lists below: there are no keys to ask with,
   * which says nothing of the name. */
  int (*head)(struct store *s, const char *key, struct store_attr *out, struct kvlist *meta);
  /* Keys that start with `prefix` ("" = all), folded at '/' behind the prefix
   * when `folded`. max 1..1000 entries. token NULL: from the start. */
  int (*list)(struct store *s, const char *prefix, bool folded, const char *token, unsigned max,
              struct store_page *out);
  /* The first page of the same, but of names behind `after` only, which starts with
   * `prefix` and holds no '/' behind that when folded. -ENOTSUP: there is no order
   * here to start within. */
  int (*list_after)(struct store *s, const char *prefix, bool folded, const char *after,
                    unsigned max, struct store_page *out);
  /* One human line: which identity, grant and permission serve this key ("" =
   * the root), until when. 0 or -errno. */
  int (*explain)(struct store *s, const char *key, struct buf *out);
  /* Names an object for copies that another store makes; etag and what follows are left
   * alone. -EOPNOTSUPP: nobody else may copy from here. May be NULL, and may block. */
  int (*elsewhere)(struct store *s, const char *key, struct store_elsewhere *out);
  /* No call is under way any more: every done() has returned. */
  void (*destroy)(struct store *s);
};

struct store_write_ops; /* store/write.h */

/* Another algorithm that objects are checked with. */
struct store_sums {
  int kind;         /* the back end's */
  const char *name; /* what stands before the blank in texts of it */
  /* What a HEAD of an object of these bytes will tell (store_detail.sum); "": not known. */
  void (*text)(const struct store_sums *s, const void *data, size_t len, char *out);
};

struct store {
  const struct store_ops *ops;
  const struct store_write_ops *write; /* NULL: this store is only read */
  char *domain;     /* opaque: endpoint, bucket, the identity's name; stable over remounts */
  char *realm;      /* opaque: domain, and whose keys read, as far as is known; separates caches,
                     * and is set before the first reader. NULL: domain */
  char *place;      /* what stands before a key in the object's address, whoever reads:
                     * "https://b.host/a/";    NULL: what is read here is not to be shared */
  int64_t proof_ms; /* how long bytes that it gave prove that their version may be read; fixed as
                     * realm is */
  struct outage *outage; /* borrowed; told by the back end when nobody answers and when somebody
                          * does again. NULL: nobody wants to know (offline=strict) */
  bool scoped;           /* its keys need credentials of their own, by prefix, fetched when one is
                          * asked for */
  bool read_only;        /* no scope or option allows writing */
  size_t above;          /* bytes of an object's key that stand before a key of this store */
  bool appends;          /* write->append may work, as long as metadata does not tell the time of
                          * modification, which an append cannot change */
  const struct store_sums *sums; /* static; NULL: objects are checked by CRC64NVME */
};

/* Blocking read over get(); 0 or -errno; *got bytes. attr may be NULL. */
int store_read(struct store *s, const char *key, const char *if_match, uint64_t offset, void *dst,
               size_t length, size_t *got, struct store_attr *attr);
/* The same of one version, with what the reply told; *told: then that is the caller's,
 * whatever is returned. */
int store_read_told(struct store *s, const char *key, const char *if_match, uint64_t offset,
                    void *dst, size_t length, size_t *got, struct store_detail *detail, bool *told);
#define STORE_KEY_MAX 1024 /* S3's limit for an object's whole key, in bytes */
/* How long a key of this store may be. */
static inline size_t store_key_max(const struct store *s) {
  return s->above < STORE_KEY_MAX ? STORE_KEY_MAX - s->above : 0;
}
static inline const char *store_realm(const struct store *s) {
  return s->realm != NULL ? s->realm : s->domain;
}
static inline void store_free(struct store *s) {
  if (s != 0)
    s->ops->destroy(s);
}

#endif
