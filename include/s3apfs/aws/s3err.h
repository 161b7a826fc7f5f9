/* What a failed AWS call said, and the one table that gives it an errno and a
 * retry class. Error bodies: <Error>, <ErrorResponse><Error>, in any namespace
 * (S3 API reference "Error responses"; STS query protocol; S3 Control). */
#ifndef S3APFS_AWS_S3ERR_H
#define S3APFS_AWS_S3ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

enum s3_error_class {
  S3_ERR_FATAL,       /* do not retry */
  S3_ERR_TRANSIENT,   /* retry after a short pause */
  S3_ERR_THROTTLED,   /* retry after a longer pause */
  S3_ERR_CREDENTIALS, /* renew the keys, retry once */
  S3_ERR_SKEW,        /* adopt the server's clock, retry once */
  S3_ERR_REGION,      /* the bucket is elsewhere: see region; "" = ask HeadBucket */
};

/* All strings owned, never NULL after s3_error_init (empty instead). */
struct s3_error {
  int http_status;  /* 0: no reply at all */
  const char *call; /* "GetDataAccess", static: where a call on the way to data failed; or NULL */
  char *code;       /* "AccessDenied"; for transport failures "ConnectionError", ... */
  char *message;    /* one line, blanks collapsed */
  char *request_id;
  char *host_id;
  char *region;        /* where the bucket lives, when the reply says */
  int64_t server_time; /* seconds, from <ServerTime> or Date; 0 unknown */
  enum s3_error_class class;
  int err;      /* negative errno */
  bool keyless; /* there were no keys to ask with: nothing was asked, and nothing denied */
};

void s3_error_init(struct s3_error *e);
void s3_error_fini(struct s3_error *e);
/* dst must be initialised; what it held is freed, src is empty afterwards. */
void s3_error_move(struct s3_error *dst, struct s3_error *src);
/* Fills e (initialised; old contents are freed) from a reply. headers may be
 * NULL; a body that is no error XML is allowed (HEAD, proxies): code then comes
 * from the status ("Forbidden", "NotFound", ...). Always succeeds in giving
 * class and err; strings may be cut when memory is short.
 *   - A 2xx status is a late error or an empty reply where one was promised.
 *   - A bodiless 400 (HEAD) is REGION when x-amz-bucket-region came along (compare:
 *     it may be the region already in use), else CREDENTIALS.
 *   - A 404 whose body is no error XML and that has no request id is -EIO.
 *   - 403 without a known skew code keeps server_time, so that a caller whose
 *     clock is minutes away can still treat it as SKEW. */
void s3_error_from_reply(struct s3_error *e, int http_status, const struct kvlist *headers,
                         const void *body, size_t len);
/* A failure without a reply: err is the errno (-ETIMEDOUT, -ECONNREFUSED, ...). */
void s3_error_from_transport(struct s3_error *e, int err, const char *message);
/* A failure before anything was sent, with a code of our own ("NoCredentials");
 * fatal. */
void s3_error_from_local(struct s3_error *e, int err, const char *code, const char *message);
/* True when a 200 body is an error in disguise (root element Error or
 * ErrorResponse, blanks in front). */
bool s3_error_body_is_error(const void *body, size_t len);
/* The table: code "" means "by status alone". */
void s3_error_classify(int http_status, const char *code, enum s3_error_class *class, int *err);
/* No reply, or one that leaves open whether the call was carried out: a server that has too much to
 * do says so instead of acting, but what stands before it may say so of what it did. */
bool s3_error_is_open(const struct s3_error *e);
/* "AccessDenied (HTTP 403): User: ... [request id X]", behind the call if one is named;
 * appended. */
void s3_error_describe(const struct s3_error *e, struct buf *out);

#endif
