/* One request and its reply, as every operation of the emulator sees them.
 *
 * A listener's connection thread reads a request completely (the body is
 * spooled: memory when small, a temporary file when large), then drives one
 * struct exchange through fixed stages, all in that same thread:
 *
 *   received -> routed -> authenticated -> operation (authorize + act) -> sent
 *
 *   received       request, body, listener, now_ms and the ids are set
 *   routed         `to` says which service, bucket or access point and key
 *                  the request names (route.c)
 *   authenticated  the signature held and `caller` says who signed; an
 *                  anonymous caller has no key (authenticate.c). The
 *                  body is decoded by now: aws-chunked framing is gone
 *   operation      calls authorize_s3() first, then fills `reply`
 *   sent           server.c and faults.c turn `reply` into bytes, log it
 *
 * Any stage may end it early by filling `reply` with reply_error(); stage
 * functions return 0 to go on and a negative errno once a reply is there. An
 * exchange belongs to one thread; only what hangs off `emulator` is shared and
 * locks inside. No pointer into an exchange outlives it. */
#ifndef S3APFS_EMULATOR_EXCHANGE_H
#define S3APFS_EMULATOR_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/aws/request.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

#include "body.h"
#include "faults.h"
#include "shifted_clock.h"
#include "world.h"

struct objects;  /* objects.h: the bytes */
struct uploads;  /* uploads.h: unfinished multipart uploads */
struct requests; /* requests.h: those seen */
struct trails;   /* trails.h: CloudTrail-shaped records */

/* What all exchanges share. The parts lock inside. */
struct emulator {
  struct world *world;
  struct objects *objects;
  struct uploads *uploads;
  struct faults *faults;
  struct requests *requests;
  struct trails *trails;      /* NULL: none are written */
  struct shifted_clock clock; /* all times the emulator tells come from it */
  char *region;               /* of buckets created without LocationConstraint */
  uint64_t min_part_size;     /* of all parts but an upload's last; S3: 5 MiB */
  atomic_bool stopping;       /* delays and hanging replies end when set */
};

/* A door: one listening port. The first one is "the internet"; the others stand
 * for VPC endpoints and give conditions their values. */
struct listener {
  char *endpoint_id; /* "vpce-...", or NULL */
  uint16_t port;     /* after binding */
};

enum service { SERVICE_S3, SERVICE_S3CONTROL, SERVICE_STS };

enum address_kind {
  ADDRESS_SERVICE,      /* no bucket: ListBuckets; all of s3control and STS */
  ADDRESS_BUCKET,       /* by the bucket's name */
  ADDRESS_ACCESS_POINT, /* by NAME-ACCOUNT host, or by alias */
};

/* What a request (or a copy source) names. All strings owned, NULL when not
 * applicable; once routed, `named`, `bucket` and `key` are never NULL. */
struct address {
  enum service service;
  enum address_kind kind;
  char *named;   /* bucket, alias or NAME-ACCOUNT as the client wrote it */
  char *bucket;  /* the bucket behind it; "" when an access point is unknown */
  char *account; /* s3control: from x-amz-account-id or the host; access point: its owner */
  char *access_point_arn;
  enum access_point_kind access_point; /* of ADDRESS_ACCESS_POINT */
  struct access_point_function function;
  bool by_alias;
  char *key; /* decoded object key; "" for bucket-level requests */
};

void address_init(struct address *a);
void address_fini(struct address *a);

/* Who signed. */
struct caller {
  bool anonymous;
  struct world_key key; /* empty when anonymous */
  char *region;         /* of the credential scope, "" when anonymous */
  char *payload_hash;   /* x-amz-content-sha256, or "UNSIGNED-PAYLOAD" */
};

/* The reply being built. The body is `body`, or a range of `fd` when fd >= 0. */
struct reply {
  int status; /* 0: none yet */
  struct kvlist headers;
  struct buf body;
  int fd; /* owned; -1 when the body is in memory */
  uint64_t offset;
  uint64_t length;
  bool hide_length; /* sent in chunks */
  char *error_code; /* owned; NULL on success */
};

struct exchange {
  struct emulator *emulator;
  const struct listener *listener;
  const char *operation; /* "GetObject", static; set by whoever dispatches, for log and faults */
  char *target;          /* path?query exactly as received */
  struct aws_request request;
  char *peer; /* the client's address, "127.0.0.1" */
  bool tls;
  struct body body;
  uint64_t received; /* body bytes as sent */
  int64_t now_ms;    /* emulator's clock when the request came in */
  char request_id[17];
  char host_id[77];
  struct address to;
  struct world_bucket bucket; /* settings of to.bucket; empty when there is none */
  struct caller caller;
  struct fault_effect fault; /* what is to go wrong with this one */
  struct reply reply;
};

int exchange_init(struct exchange *x, struct emulator *e, const struct listener *l);
void exchange_fini(struct exchange *x);

/* First header of that name, or NULL. */
const char *exchange_header(const struct exchange *x, const char *name);
/* First query parameter of that exact name, or NULL ("" when bare). */
const char *exchange_query(const struct exchange *x, const char *name);
bool exchange_has_query(const struct exchange *x, const char *name);
/* The whole body as NUL-terminated memory, at most max bytes; owned by the
 * body. -EFBIG after answering 400 MaxMessageLengthExceeded. */
int exchange_load_body(struct exchange *x, size_t max, const char **text, size_t *len);

/* --- replies; none of them fails: memory running out becomes a bare 500 --- */

void reply_header(struct exchange *x, const char *name, const char *value);
void reply_headerf(struct exchange *x, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* No body. */
void reply_status(struct exchange *x, int status);
/* Starts an XML (or JSON) document: sets status and Content-Type, empties the
 * body, writes the XML declaration, gives the buffer to append to. */
struct buf *reply_xml(struct exchange *x, int status);
struct buf *reply_json(struct exchange *x, int status);
/* Drops what was built and answers with the service's error document: S3
 * <Error>, s3control <ErrorResponse><Error>, STS <ErrorResponse><Error><Type>.
 * RequestId and HostId are filled in; a HEAD gets no body. Returns -EPROTO, so
 * that `return reply_error(...)` ends a stage. */
int reply_error(struct exchange *x, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with further elements inside <Error> (names and values, in order). */
int reply_error_with(struct exchange *x, int status, const char *code, const char *message,
                     const struct kvlist *elements);

#endif
