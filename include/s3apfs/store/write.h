/* Object store: what changes objects. The second half of store.h, in a table of
 * its own because a store may be read-only (store->write is NULL then).
 *
 * All calls block and are thread-safe; callers that must not wait use a pool.
 * Errors are negative errno as in store.h, and:
 *   -EEXIST   the condition STORE_IF_ABSENT failed: there is an object
 *   -ESTALE   STORE_IF_MATCH failed: another version stands there now, or none;
 *             or a copy's source is another version now
 *   -ENOENT   a copy's source is gone
 *   -EAGAIN   a concurrent change made the service give up (409): nothing was
 *             written; the caller may try again (an upload: from its start)
 *   -EFBIG, -ENAMETOOLONG, -EINVAL  the service's limits
 *   -E2BIG    more user metadata than an object can carry (2 KB)
 *   -EOPNOTSUPP  the store copies nothing: read and put
 *   -EPIPE    the upload id is unknown (ended, aborted, or expired)
 *   -EIO      what is left; after a lost reply of put, copy or complete the
 *             outcome is unknown: look (head) before acting again
 * A conditional call that finds its own earlier, unanswered attempt already done
 * (same etag or same checksum) reports success. A struct store_attr that a change
 * gives out has the etag the service said, the size that was sent (copies: the
 * source's), and the server's time of the change, which later replies may show a
 * second apart. */
#ifndef S3APFS_STORE_WRITE_H
#define S3APFS_STORE_WRITE_H

#include "s3apfs/store/store.h"

#define STORE_PARTS_MAX 10000U
#define STORE_PART_MIN ((uint64_t)5 << 20) /* but for the last part */
#define STORE_PART_MAX ((uint64_t)5 << 30)
#define STORE_COPY_MAX ((uint64_t)5000000000) /* one copy(); larger ones by parts */

/* Longest name and text of a checksum, and an end mark. */
#define STORE_SUM_MAX 72

/* What must hold at the moment of the change. */
enum store_if { STORE_IF_ANY, STORE_IF_MATCH, STORE_IF_ABSENT };
struct store_condition {
  enum store_if what;
  const char *etag; /* STORE_IF_MATCH: without quotes */
};

/* What an object carries beside its bytes. Names of user metadata come without
 * x-amz-meta-; headers are whole header names that S3 stores with the object
 * (Content-Type, Cache-Control, Content-Encoding, ..., and x-amz-storage-class,
 * x-amz-server-side-encryption*, x-amz-object-lock-*, x-amz-tagging). Either may
 * be NULL: none. */
struct store_dress {
  const struct kvlist *meta;
  const struct kvlist *headers;
};

/* What a HEAD tells beyond struct store_attr, so that a change can keep it. */
struct store_detail {
  struct store_attr attr;
  struct kvlist meta;    /* user metadata */
  struct kvlist headers; /* as in struct store_dress, but never x-amz-tagging */
  unsigned tag_count;    /* 0: none, or they may not be read */
  uint64_t crc64nvme;    /* FULL_OBJECT checksum */
  bool has_crc64nvme;
  char sum[STORE_SUM_MAX]; /* its checksum of another algorithm, "SHA256 BASE64"; "": none */
};
void store_detail_fini(struct store_detail *d);

struct store_part {
  unsigned number; /* 1..STORE_PARTS_MAX, ascending */
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  uint64_t crc64nvme;      /* of the part's bytes */
  bool has_crc64nvme;      /* not for parts copied on a service that does not say */
  char sum[STORE_SUM_MAX]; /* of the algorithm that the store uses in its place, which may want it
                            * at the end; "": none, or not known */
};

struct store_source {
  const char *key;  /* in the same store */
  const char *etag; /* this version, else -ESTALE */
  uint64_t size;    /* of that version; copy() reports it back */
  bool plain;       /* it carries nothing that the service does not copy by itself (storage
                     * class, encryption, locks): copy() need not look */
};

struct store_doomed {
  const char *key;
  const char *etag; /* NULL: whatever is there */
  int err;          /* result; -ENOENT counts as 0 */
};

struct store_write_ops {
  /* Are there credentials that may change things? Blocks while they are fetched and
   * asks the store itself nothing: 0, -EACCES, or why they could not be had. */
  int (*ready)(struct store *s);
  int (*detail)(struct store *s, const char *key, struct store_detail *out);
  /* The object's tags as x-amz-tagging takes them ("a=1&b=2", percent-encoded),
   * appended. -EACCES when the identity may not read them. */
  int (*tags)(struct store *s, const char *key, struct buf *out);
  /* Whole object at once, at most STORE_PART_MAX. Checksummed on the way. */
  int (*put)(struct store *s, const char *key, const void *data, size_t len,
             const struct store_dress *dress, const struct store_condition *cond,
             struct store_attr *out);
  /* *upload is the caller's (free). Proves that writing is allowed. */
  int (*create_upload)(struct store *s, const char *key, const struct store_dress *dress,
                       char **upload);
  int (*put_part)(struct store *s, const char *key, const char *upload, unsigned number,
                  const void *data, size_t len, struct store_part *out);
  /* Bytes [offset, offset + length) of the source become the part, server-side. */
  int (*copy_part)(struct store *s, const char *key, const char *upload, unsigned number,
                   const struct store_source *from, uint64_t offset, uint64_t length,
                   struct store_part *out);
  int (*complete_upload)(struct store *s, const char *key, const char *upload,
                         const struct store_part *parts, size_t count,
                         const struct store_condition *cond, struct store_attr *out);
  int (*abort_upload)(struct store *s, const char *key, const char *upload);
  /* Server-side copy of at most STORE_COPY_MAX bytes. dress NULL: what the source
   * carries; else it takes the place of the source's metadata and headers. Tags
   * come along unless dress has x-amz-tagging. key may be the source's, then with
   * a dress; from->etag NULL: whatever is there. */
  int (*copy)(struct store *s, const struct store_source *from, const char *key,
              const struct store_dress *dress, const struct store_condition *cond,
              struct store_attr *out);
  /* Server-side copy of an object of another store, signed by this store's credentials alone:
   * its content, with what dress says and nothing else of it; at most STORE_COPY_MAX bytes.
   * -EOPNOTSUPP, -EACCES, -ESTALE, -ENOENT and the like: read it there and put it here.
   * NULL: never. */
  int (*copy_from)(struct store *s, const struct store_elsewhere *from, const char *key,
                   const struct store_dress *dress, const struct store_condition *cond,
                   struct store_attr *out);
  /* The object gets another key in one step and stays what it is, etag and time
   * included. Conditions as for copy(). NULL, or -EOPNOTSUPP: the store does not do
   * that; copy and remove. */
  int (*move)(struct store *s, const struct store_source *from, const char *key,
              const struct store_condition *cond);
  /* Bytes behind those of the object, which stays what it is otherwise. base: the version that it
   * has to be, with its CRC64NVME; *out has those of the whole. -EOPNOTSUPP: this object takes no
   * more that way, put a new one. NULL: never. */
  int (*append)(struct store *s, const char *key, const struct store_attr *base, const void *data,
                size_t len, struct store_attr *out);
  /* Each with its own result in ->err; one request where the service keeps the
   * etags of a bulk request, else one each, side by side. 0 when all succeeded,
   * else the first error. At most 1,000. */
  int (*remove)(struct store *s, struct store_doomed *items, size_t count);
  /* May this key (a folder's ends in '/') be changed, as far as is known without
   * asking? Does not block. NULL: all may. */
  bool (*may_write)(struct store *s, const char *key);
};

#endif
