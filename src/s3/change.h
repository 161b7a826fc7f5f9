/* The S3 calls that change objects, one function each, and the two that such
 * changes need to read: HEAD in full, and tags. Blocking, thread-safe; whole keys.
 * They send and decode; what a failed condition, a lost reply or a server that
 * ignores conditions means is judged by those who call them. */
#ifndef S3_CHANGE_H
#define S3_CHANGE_H

#include "client_internal.h"
#include "s3apfs/store/write.h"

/* How a call went, beside its errno. */
struct s3_try {
  struct s3_error error;
  bool repeated;     /* an earlier attempt may have been carried out */
  unsigned attempts; /* in: at most so many; 0: the caller's number */
};
void s3_try_init(struct s3_try *t);
void s3_try_fini(struct s3_try *t);
/* Forgets the last call, keeps `attempts` and `repeated`. */
void s3_try_again(struct s3_try *t);

int s3_change_detail(struct s3_client *c, const char *key, struct store_detail *out,
                     struct s3_try *t);
/* What the reply to a HEAD or GET told. */
int s3_detail_from_headers(const struct s3_placing *p, const struct kvlist *headers,
                           struct store_detail *out);
int s3_change_tags(struct s3_client *c, const char *key, struct buf *out, struct s3_try *t);

struct s3_bytes {
  const void *data;
  size_t len;
  uint64_t crc64nvme;
  struct checksum sum; /* of the client's kind; the same when that is CRC64NVME */
};
int s3_bytes_init(const struct s3_client *c, const void *data, size_t len, struct s3_bytes *out);
/* cond NULL: none is sent. */
int s3_change_put(struct s3_client *c, const char *key, const struct s3_bytes *bytes,
                  const struct store_dress *dress, const struct store_condition *cond,
                  struct store_attr *out, struct s3_try *t);

/* Bytes at `offset`, where the object ends. */
int s3_change_append(struct s3_client *c, const char *key, const struct s3_bytes *bytes,
                     uint64_t offset, const struct store_condition *cond, struct store_attr *out,
                     struct s3_try *t);

int s3_change_create_upload(struct s3_client *c, const char *key, const struct store_dress *dress,
                            char **upload, struct s3_try *t);
int s3_change_put_part(struct s3_client *c, const char *key, const char *upload, unsigned number,
                       const struct s3_bytes *bytes, struct store_part *out, struct s3_try *t);
/* match: send x-amz-copy-source-if-match. */
int s3_change_copy_part(struct s3_client *c, const char *key, const char *upload, unsigned number,
                        const struct store_source *from, bool match, uint64_t offset,
                        uint64_t length, struct store_part *out, struct s3_try *t);
struct s3_completion {
  const char *upload;
  const struct store_part *parts;
  size_t count;
  uint64_t size;
  uint64_t crc64nvme; /* of the whole, when has_crc64nvme */
  bool has_crc64nvme;
  struct checksum sum; /* of the client's kind, when has_sum */
  bool has_sum;
};
int s3_change_complete(struct s3_client *c, const char *key, const struct s3_completion *w,
                       const struct store_condition *cond, struct store_attr *out,
                       struct s3_try *t);
int s3_change_abort(struct s3_client *c, const char *key, const char *upload, struct s3_try *t);
/* ListParts; -EPIPE: there is no such upload. */
int s3_change_find_upload(struct s3_client *c, const char *key, const char *upload,
                          struct s3_try *t);

struct s3_copying {
  const struct store_source *from; /* whole key */
  bool match;                      /* send x-amz-copy-source-if-match */
  bool replace;                    /* dress takes the place of the source's metadata */
  const struct store_dress *dress; /* with replace false: only x-amz-* headers, may be NULL */
  const struct store_elsewhere *elsewhere; /* the source is there, and from is NULL */
};
int s3_change_copy(struct s3_client *c, const char *key, const struct s3_copying *w,
                   const struct store_condition *cond, struct store_attr *out, struct s3_try *t);

/* RenameObject, of directory buckets alone; from->etag NULL: whatever is there. */
int s3_change_rename(struct s3_client *c, const struct store_source *from, const char *key,
                     const struct store_condition *cond, struct s3_try *t);
/* etag NULL: whatever is there. An absent object is -ENOENT when the service says so. */
int s3_change_delete(struct s3_client *c, const char *key, const char *etag, struct s3_try *t);
/* One DeleteObjects; keys that write_xml_can_name(). Each ->err is set. */
int s3_change_delete_many(struct s3_client *c, struct store_doomed *const *items, size_t count,
                          struct s3_try *t);

/* Shared by the files that implement the above. */
/* Adds what an object is to carry, and how the user wants it kept (placing.c); -EINVAL for
 * what no header can hold. */
int s3_dress_headers(const struct s3_client *c, const char *key, const struct store_dress *dress,
                     struct kvlist *headers);
/* placing.c */
/* Does the user's wish stand over this header of an object? */
bool s3_placing_covers(const struct s3_placing *p, const char *header);
/* Adds what the user wishes to the headers that an object is to have. */
int s3_placing_headers(const struct s3_placing *p, const char *key, struct kvlist *headers);
/* A HEAD does not tell of the class STANDARD: named, so that the object keeps it where new
 * ones get another. */
int s3_placing_name_class(const struct s3_placing *p, struct kvlist *headers);
int s3_condition_headers(const struct store_condition *cond, struct kvlist *headers);
int s3_sum_header(const struct checksum *sum, struct kvlist *headers);
/* As the store layer has it; "" for CRC64NVME, which it has as a number. */
void s3_sum_text(const struct checksum *sum, char out[STORE_SUM_MAX]);
/* The type of an upload's checksum: of all its bytes where S3 can join those of parts. */
enum checksum_type s3_sum_type(enum checksum_kind kind);
/* op with t's limits and results; the reply's error is in t->error. */
int s3_change_do(struct s3_client *c, struct s3_op *op, struct s3_try *t, struct http_reply *reply,
                 struct buf *body);
/* The reply was a success but no answer to what was asked. Returns -EIO. */
int s3_change_malformed(struct s3_try *t);
/* The server's time of the reply, else ours. */
int64_t s3_reply_time(struct s3_client *c, const struct http_reply *reply);
/* Appends what names an object of this client to who copies it. */
int s3_put_source(const struct s3_client *c, const char *key, struct buf *out);
/* The object that a copy or a rename is made from: NAME, and with `match` NAME-if-match. */
int s3_add_source(const struct s3_client *c, const char *name, const struct store_source *from,
                  bool match, struct kvlist *headers);

#endif
