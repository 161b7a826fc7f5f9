/* Shared by the files that make up the S3 client. */
#ifndef S3_CLIENT_INTERNAL_H
#define S3_CLIENT_INTERNAL_H

#include "s3apfs/base/lock.h"
#include "s3apfs/s3/client.h"

/* A resolved endpoint; immutable and shared, replaced whole when the bucket
 * turns out to be in another Region. */
struct s3_where {
  atomic_int refs;
  struct endpoint endpoint;
};

/* Whether a target takes Range. */
enum s3_ranges { S3_RANGES_UNKNOWN, S3_RANGES_YES, S3_RANGES_NO };

struct s3_client {
  struct caller *caller;
  struct key_source *keys;       /* borrowed */
  struct key_source *plain_keys; /* borrowed; those behind a session's, or NULL */
  char *bucket;
  bool region_fixed;             /* the target's ARN names the Region: never followed elsewhere */
  bool lambda;                   /* a function makes the bytes, see get.c */
  bool directory;                /* a directory bucket or its access point */
  bool multi_region;             /* a Multi-Region Access Point: no copies, no bulk removal */
  atomic_int ranges;             /* enum s3_ranges, of a lambda */
  struct s3_lambda_sizes *sizes; /* of a lambda's answers, else NULL */
  struct s3_site site;           /* strings owned */
  bool requester_pays;
  char *expected_bucket_owner;
  struct s3_placing placing; /* strings owned */
  int64_t deadline_ms;
  bool brief;
  struct {
    struct mtx lock;
    struct s3_where *where;
  } synced;
};

/* Sizes of what a function made, by key; thread-safe. */
struct s3_lambda_sizes;
int s3_lambda_sizes_new(struct s3_lambda_sizes **out);
void s3_lambda_sizes_free(struct s3_lambda_sizes *l);
/* Remembers; without memory for it the next open asks once more. */
void s3_lambda_learn(struct s3_lambda_sizes *l, const char *key, uint64_t size);
/* *size becomes the one of the last answer, if there was one. */
void s3_lambda_apply(struct s3_lambda_sizes *l, const char *key, uint64_t *size);

struct s3_where *s3_client_where(struct s3_client *c); /* a reference */
void s3_where_unref(struct s3_where *w);
/* Moves the client to the Region that e names. 0 when it moved or was there already,
 * -ENOENT when the error names none or the Region is fixed. */
int s3_client_follow_region(struct s3_client *c, const struct s3_error *e);

/* An unsigned request for a key (NULL: the bucket itself) with the headers
 * every data-plane call carries. */
int s3_client_request(struct s3_client *c, const struct s3_where *w, const char *method,
                      const char *key, struct aws_request *out);
/* Fills the parts of a call that are the same for all. */
void s3_client_call(struct s3_client *c, const struct s3_where *w, const struct aws_request *r,
                    struct call_request *out);

/* One blocking call. Its body must stay until it returns, which is after the last
 * attempt. */
struct s3_op {
  const char *method;
  const char *key;              /* NULL: the bucket */
  const struct kvlist *query;   /* NULL: none */
  const struct kvlist *headers; /* NULL: none but the common ones */
  const void *body;
  size_t body_len;
  unsigned max_attempts; /* 0: the caller's */
  int64_t silence_ms;    /* how long the service may say nothing; 0: as ever */
  int64_t more_ms;       /* beyond the client's deadline */
  int (*accept)(void *arg, const struct http_reply *r); /* as in call.h, or NULL */
  void *arg;
  bool plain;    /* never with a session's keys: directory buckets do not copy with them */
  bool repeated; /* result: an earlier attempt may have been carried out */
};
/* On success *reply and *body are the caller's (kvlist_fini, buf_fini). Follows
 * the bucket to its Region. */
int s3_client_do(struct s3_client *c, struct s3_op *op, struct http_reply *reply, struct buf *body,
                 struct s3_error *error);
/* Asks a lambda once whether it takes ranges, of this key; blocks. */
void s3_client_learn_ranges(struct s3_client *c, const char *key);
/* Size, time, etag, archive state and CRC from reply headers. -EBADMSG when a number
 * is malformed or the etag too long. size is taken from Content-Range's total
 * when present, else from Content-Length; uncounted: it may be missing, the
 * size is 0 then. */
int s3_attr_from_headers(const struct kvlist *headers, bool uncounted, struct store_attr *out);
#define S3_META_PREFIX "x-amz-meta-"
/* User metadata is added, its names without that prefix. */
int s3_meta_from_headers(const struct kvlist *headers, struct kvlist *meta);
/* Asks for the object's checksum along with what a HEAD, or a GET of all bytes, tells. */
int s3_ask_checksum(struct kvlist *headers);
/* An etag without its quotes (and W/); -EBADMSG when it does not fit. */
int s3_etag_copy(const char *quoted, char out[STORE_ETAG_MAX]);

#endif
