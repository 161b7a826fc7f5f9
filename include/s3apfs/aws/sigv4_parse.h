/* The receiving side of SigV4 and SigV4a: who signed what, as the Authorization
 * header or the presigned query says it, and whether the signature holds.
 *
 * Nothing here looks at a clock: whether the time is too far off, or a presigned
 * URL has expired, is for the caller to judge from `time` and `expires_s`. */
#ifndef S3APFS_AWS_SIGV4_PARSE_H
#define S3APFS_AWS_SIGV4_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/aws/request.h"
#include "s3apfs/aws/sigv4.h"

#define SIGV4_PRESIGN_MAX_S 604800 /* seven days, the service's limit */

/* All strings owned, NULL where nothing was given. */
struct sigv4_auth {
  bool presigned;
  bool asymmetric; /* SigV4a */
  char *access_key_id;
  char date[9]; /* YYYYMMDD of the credential scope */
  char *region; /* SigV4a: the region set */
  char *service;
  char *signed_headers; /* as the client chose them: lower case, ascending */
  char *signature;      /* lower-case hex; SigV4a: of the DER signature */
  int64_t time;         /* of the X-Amz-Date, its day is `date`; seconds since 1970 */
  int64_t expires_s;    /* presigned: 1..SIGV4_PRESIGN_MAX_S */
};

/* What is wrong with an authentication, finer than the error codes of AWS. */
enum sigv4_fault {
  SIGV4_FAULT_NONE,
  SIGV4_FAULT_SCHEME,         /* neither of the two algorithms */
  SIGV4_FAULT_TWO_WAYS,       /* header and query, or two Authorization headers */
  SIGV4_FAULT_TOO_LONG,       /* over 16 KiB */
  SIGV4_FAULT_COMPONENTS,     /* a part is missing, empty, repeated or unknown */
  SIGV4_FAULT_ACCESS_KEY,     /* empty or over-long access key id */
  SIGV4_FAULT_CREDENTIAL,     /* not AKID/DATE[/REGION]/SERVICE/aws4_request */
  SIGV4_FAULT_SCOPE_DATE,     /* not a date YYYYMMDD */
  SIGV4_FAULT_TERMINATOR,     /* does not end in aws4_request */
  SIGV4_FAULT_SIGNED_HEADERS, /* malformed, not ascending, or without host */
  SIGV4_FAULT_SIGNATURE,      /* not hex, or not of a possible length */
  SIGV4_FAULT_DATE,           /* no or no valid X-Amz-Date (or Date) */
  SIGV4_FAULT_DATE_MISMATCH,  /* credential date and request date differ */
  SIGV4_FAULT_EXPIRES,        /* X-Amz-Expires is not a positive number */
  SIGV4_FAULT_EXPIRES_RANGE,  /* above a week */
  SIGV4_FAULT_REGION_SET,     /* SigV4a without X-Amz-Region-Set */
  SIGV4_FAULT_COUNT
};

/* S3's error code and message for a fault; static text. */
const char *sigv4_fault_code(enum sigv4_fault fault, bool presigned);
const char *sigv4_fault_text(enum sigv4_fault fault);

void sigv4_auth_init(struct sigv4_auth *a);
void sigv4_auth_fini(struct sigv4_auth *a);

/* All three: 0 and *out (sigv4_auth_fini); -EINVAL and *fault; -ENOMEM. *out is
 * written on success only and need not be initialised. */

/* Authorization's value alone: time, and the region of SigV4a, stay unset. */
int sigv4_parse_authorization(const char *value, struct sigv4_auth *out, enum sigv4_fault *fault);
int sigv4_parse_query(const struct kvlist *query, struct sigv4_auth *out, enum sigv4_fault *fault);
/* A received request, complete: finds which of the two ways it uses, reads the
 * time from X-Amz-Date or Date, the region set from its header. -ENOENT when it
 * is not signed at all. */
int sigv4_parse_request(const struct aws_request *r, struct sigv4_auth *out,
                        enum sigv4_fault *fault);

/* Is that header (any case) among the signed ones? */
bool sigv4_auth_signs(const struct sigv4_auth *a, const char *header);
/* The scope to verify with; borrows a's strings. generic_path: normalise and
 * double-encode (every service but S3's family). */
void sigv4_auth_scope(const struct sigv4_auth *a, bool generic_path, struct sigv4_scope *out);
/* Recomputes the stages over a received request and compares. 0; -EKEYREJECTED
 * when the signature does not hold; -EINVAL (undecodable SigV4a signature),
 * -ENOMEM, -E2BIG, -EIO. The two stages are appended to canonical and string_to_sign,
 * also when it does not hold: error replies show them. */
int sigv4_auth_verify(const struct sigv4_auth *a, const struct aws_request *r, bool generic_path,
                      const char *secret_access_key, const char *payload_hash,
                      struct buf *canonical, struct buf *string_to_sign);

/* Equal, byte by byte; the time taken tells only the lengths. */
bool sigv4_hex_equal(const char *a, const char *b);

#endif
