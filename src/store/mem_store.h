/* The in-memory store's inside: its object table, shared by mem_objects.c
 * (contents), mem_store.c (reading), mem_write.c (changes of whole objects) and
 * mem_upload.c (multipart uploads). */
#ifndef S3APFS_SRC_STORE_MEM_STORE_H
#define S3APFS_SRC_STORE_MEM_STORE_H

#include <stdatomic.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/store/mem_store.h"

struct blob {
  atomic_uint refs;
  struct store_attr attr;
  size_t len;
  unsigned char data[];
};

struct object {
  char *key;
  struct blob *blob;
  struct kvlist meta;
  struct kvlist headers;
  char *tags; /* NULL: none */
  bool denied;
};

struct mem_part {
  unsigned number;
  struct blob *blob; /* its attr.etag is the part's */
  uint64_t crc64nvme;
  struct mem_part *prev;
  struct mem_part *next;
};

struct mem_upload {
  char *key;
  char *id;
  struct kvlist meta;
  struct kvlist headers;  /* x-amz-tagging may be among them */
  struct mem_part *parts; /* by number */
  struct mem_upload *prev;
  struct mem_upload *next;
};

struct mem_store {
  struct store store;
  struct pool *pool;
  struct {
    struct mtx lock;
    struct object *objects; /* sorted by key */
    size_t count;
    size_t cap;
    uint64_t versions;
    int64_t mtime;
    bool etags_of_bytes;
    bool no_checksums;
    bool deny_list;
    char *list_below;
    uint64_t part_min;
    struct mem_upload *uploads;
    struct mem_store_counts counts;
  } synced;
};

static inline struct mem_store *mem_store_self(struct store *s) {
  return (struct mem_store *)s;
}

extern const struct store_write_ops mem_write_ops;

/* A copy of the bytes, unstamped; data NULL: len zero bytes to be filled. NULL
 * when memory is short. */
struct blob *blob_new(const void *data, size_t len);
void blob_unref(struct blob *b);
void object_fini(struct object *o);
/* A new version: size, time, etag; parts > 0: that of an upload of so many. */
void blob_stamp_locked(struct mem_store *ms, const char *key, unsigned parts, struct blob *b);
/* The object of that key gets this version (taken on success) and dress, what it
 * carried goes. 0 or -ENOMEM, then nothing changed. */
int objects_replace_locked(struct mem_store *ms, const char *key, struct blob *b,
                           const struct store_dress *dress);
void objects_remove_locked(struct mem_store *ms, struct object *o);
/* 0, -EEXIST or -ESTALE. */
int objects_condition_locked(struct mem_store *ms, const char *key,
                             const struct store_condition *cond);
/* Limits of keys and metadata: 0, -EINVAL, -ENAMETOOLONG, -E2BIG. */
int mem_check(const char *key, const struct store_dress *dress);

/* mem_upload.c; contracts of struct store_write_ops. */
int mem_create_upload(struct store *s, const char *key, const struct store_dress *dress,
                      char **upload);
int mem_put_part(struct store *s, const char *key, const char *upload, unsigned number,
                 const void *data, size_t len, struct store_part *out);
int mem_copy_part(struct store *s, const char *key, const char *upload, unsigned number,
                  const struct store_source *from, uint64_t offset, uint64_t length,
                  struct store_part *out);
int mem_complete_upload(struct store *s, const char *key, const char *upload,
                        const struct store_part *parts, size_t count,
                        const struct store_condition *cond, struct store_attr *out);
int mem_abort_upload(struct store *s, const char *key, const char *upload);
void mem_uploads_free(struct mem_store *ms);
/* The version that a copy reads: a reference. -ENOENT, -EACCES, -ESTALE. */
int mem_source_locked(struct mem_store *ms, const struct store_source *from, struct blob **out);
/* Index of the first object whose key is not below `key`. */
size_t objects_find_locked(const struct mem_store *ms, const char *key);
/* The object of exactly that key, or NULL. */
struct object *objects_get_locked(struct mem_store *ms, const char *key);

#endif
