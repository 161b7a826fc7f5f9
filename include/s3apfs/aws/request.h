/* A request as data: the one form that feeds both the URL and the signature,
 * used by the client to sign and by the emulator to verify. */
#ifndef S3APFS_AWS_REQUEST_H
#define S3APFS_AWS_REQUEST_H

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

struct aws_request {
  char *method;
  char *scheme;          /* "https" or "http" */
  char *host;            /* host[:port], port only when not the scheme's default */
  char *path;            /* percent-encoded as on the wire, starts with '/' */
  struct kvlist query;   /* decoded names and values; a bare name has value "" */
  struct kvlist headers; /* Host is not among them */
};

void aws_request_init(struct aws_request *r);
void aws_request_fini(struct aws_request *r);
/* Sets method, scheme, host and path (copies), query and headers stay. 0 or
 * -ENOMEM, then nothing changed. */
int aws_request_set(struct aws_request *r, const char *method, const char *scheme, const char *host,
                    const char *path);
/* "scheme://host/path?query" with the query percent-encoded as signed (encoded
 * names sorted, `name=` for an empty value). */
void aws_request_url(const struct aws_request *r, struct buf *out);
/* The canonical query string alone. `skip`: a name to leave out, or NULL. */
void aws_request_canonical_query(const struct kvlist *query, const char *skip, struct buf *out);
/* Adds the decoded parameters of a query as received (behind the '?'): split at
 * '&' and the first '=', "%XX" decoded, '+' kept as it is, empty pieces left out.
 * -EINVAL on a bad escape or an encoded NUL; `out` may then hold a part. */
int aws_request_parse_query(const char *raw, struct kvlist *out);

#endif
