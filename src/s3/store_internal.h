/* The S3 store's inside: store.c (reading, errors), store_write.c,
 * store_copy.c, store_elsewhere.c and store_remove.c (changes), conditions.c (what the server
 * honours), settle.c (was it done?). */
#ifndef S3_STORE_INTERNAL_H
#define S3_STORE_INTERNAL_H

#include "change.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/s3/store.h"

#define LOG_KINDS 16

struct log_kind {
  char what[48];
  int64_t last_ms;
  unsigned skipped;
};

/* Conditions that a server may honour or ignore. */
enum s3_honours {
  S3_HONOURS_PUT_ABSENT = 1 << 0,
  S3_HONOURS_PUT_MATCH = 1 << 1,
  S3_HONOURS_COMPLETE_ABSENT = 1 << 2,
  S3_HONOURS_COMPLETE_MATCH = 1 << 3,
  S3_HONOURS_COPY = 1 << 4,   /* on the target of a copy */
  S3_HONOURS_SOURCE = 1 << 5, /* on the source of a copy */
  S3_HONOURS_DELETE = 1 << 6,
  S3_HONOURS_DELETE_MANY = 1 << 7, /* each object's etag in DeleteObjects */
};
#define S3_HONOURS_ALL ((1U << 8) - 1)

struct s3_store {
  struct store store;
  struct s3_client *client;
  struct s3_client *writer;     /* perhaps the same */
  const struct s3_notes *notes; /* NULL: nothing is remembered */
  char *source;
  char *prefix;
  bool quiet_denials;
  bool direct; /* as in struct s3_store_options */
  void (*describe)(void *arg, struct buf *out);
  void *describe_arg;
  struct {
    struct mtx lock;
    struct log_kind kinds[LOG_KINDS];
    unsigned next;
    char *refused; /* lately no copy could be made from there, until: */
    int64_t refused_until_ms;
  } synced;
  struct {
    struct mtx lock;
    struct cond probed;
    enum { CONDITIONS_UNKNOWN, CONDITIONS_PROBING, CONDITIONS_KNOWN } state;
    unsigned honours;
  } conditions;
};

static inline struct s3_store *s3_store_self(struct store *s) {
  return (struct s3_store *)s;
}

extern const struct store_write_ops s3_store_write_ops;
extern const struct store_write_ops s3_store_directory_write_ops; /* of directory buckets */

/* Maps a failure and logs it; an answer to a question (no such key, a condition
 * that failed, cancellation) is not logged. */
int s3_store_map_error(struct s3_store *s, const char *op, const char *key, int err,
                       struct s3_error *e);
int s3_store_full_key(const struct s3_store *s, const char *key, char **out);

/* What the server honours; probes it the first time. 0 or why the probe could
 * not be made; -EACCES never: a denied probe leaves all in doubt (*out = 0). */
int s3_conditions_get(struct s3_store *s, unsigned *out);
void s3_conditions_describe(struct s3_store *s, struct buf *out);

/* Splits a condition: what is to be sent (NULL: nothing) when the server honours
 * that kind, else whether it holds now. */
int s3_prepare_condition(struct s3_store *s, const char *key, const struct store_condition *cond,
                         enum s3_honours kind, const struct store_condition **send,
                         struct s3_try *t);
/* For a server that ignores a condition: looks whether it holds now. 0, -EEXIST,
 * -ESTALE or -errno. Whole keys, as below. */
int s3_check_now(struct s3_store *s, const char *key, const struct store_condition *cond,
                 struct s3_try *t);
#define S3_LOOK_ATTEMPTS 3 /* what is asked after a failed change */

/* What an object must be like to be the one that a change of ours made. */
struct s3_traits {
  uint64_t size;
  bool has_crc64nvme;
  uint64_t crc64nvme;
  char sum[STORE_SUM_MAX];         /* as in store_detail; "": not known */
  const char *etag;                /* NULL: not foreseeable */
  bool any_bytes;                  /* it was a change of what the object carries alone */
  const struct store_dress *dress; /* NULL: not compared */
};
/* Did a change whose reply was lost happen? 0 with *out when the object is such a one,
 * -ENOENT when it is not, or nobody may look; else the look had no answer either, and *t
 * has its error. */
int s3_settle(struct s3_store *s, const char *key, const struct s3_traits *traits,
              struct store_attr *out, struct s3_try *t);

/* store_write.c: whole keys. -EEXIST, -ESTALE: the condition does not hold. */
int s3_store_put_key(struct s3_store *s, const char *key, const struct s3_bytes *bytes,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out, struct s3_try *t);
/* What a failure of a call for this upload is: -EPIPE, with *t's error, when there is no such
 * upload any more, else rc. */
int s3_upload_failure(struct s3_store *s, const char *key, const char *upload, int rc,
                      struct s3_try *t);
/* store_copy.c */
int s3_store_copy(struct store *st, const struct store_source *from, const char *name,
                  const struct store_dress *dress, const struct store_condition *cond,
                  struct store_attr *out);
int s3_store_copy_part(struct store *st, const char *name, const char *upload, unsigned number,
                       const struct store_source *from, uint64_t offset, uint64_t length,
                       struct store_part *out);
/* store_elsewhere.c */
int s3_store_elsewhere(struct store *st, const char *name, struct store_elsewhere *out);
int s3_store_copy_from(struct store *st, const struct store_elsewhere *from, const char *name,
                       const struct store_dress *dress, const struct store_condition *cond,
                       struct store_attr *out);
/* store_move.c */
int s3_store_move(struct store *st, const struct store_source *from, const char *name,
                  const struct store_condition *cond);
/* store_append.c */
int s3_store_append(struct store *st, const char *name, const struct store_attr *base,
                    const void *data, size_t len, struct store_attr *out);
/* store_remove.c */
int s3_store_remove(struct store *st, struct store_doomed *items, size_t count);

#endif
