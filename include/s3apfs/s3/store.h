/* S3 back end of the object store interface. */
#ifndef S3APFS_S3_STORE_H
#define S3APFS_S3_STORE_H

#include "s3apfs/s3/client.h"

/* What was learned of a server, kept by the caller from mount to mount. Called on any
 * thread, may block on a disk; `get` answers -ENOENT when nothing is known. */
struct s3_notes {
  int (*get)(void *arg, const char *server, unsigned *honours);
  void (*put)(void *arg, const char *server, unsigned honours);
  void *arg;
};

/* Says who serves the store: appended to explain lines. `what` is "access point
 * ARN" and the like. Called on any thread. */
struct s3_store_options {
  const char *source;   /* as the user wrote it */
  const char *prefix;   /* "" or "a/b/" in front of every key */
  const char *identity; /* stable name of who reads: separates caches */
  bool read_only;
  bool direct; /* signed with the identity's own keys, not with granted ones: the service may
                * be asked for copies to and from other such stores */
  struct outage *outage; /* borrowed, outlives the store; NULL: nobody wants to know */
  bool quiet_denials;    /* a denied read is an answer, and not logged */
  /* Signs changes; taken. NULL: the same client as for reading. */
  struct s3_client *writer;
  const struct s3_notes *notes; /* borrowed, outlives the store; NULL: servers are asked anew */
  /* Appends "identity X, grant Y (READ) until Z"; may be NULL. */
  void (*describe)(void *arg, struct buf *out);
  void *describe_arg;
};

/* Takes the client (freed with the store). */
int s3_store_new(struct s3_client *c, const struct s3_store_options *o, struct store **out);
/* Proves at mount time that the root can be used: one LIST page, of as many keys as cost no
 * more than one; they are the caller's. 0; -EACCES when listing is denied (GET without LIST is
 * still possible: the caller decides); else -errno. Detail in *error. */
int s3_store_probe(struct store *s, struct store_page *first, struct s3_error *error);

/* For who has to foresee the checksums of a client's objects: static; NULL for CRC64NVME. */
const struct store_sums *s3_sums_of(enum checksum_kind kind);

/* Where requests go and what Region they are signed for; appended. */
void s3_store_endpoint(struct store *s, struct buf *out);
void s3_store_region(struct store *s, struct buf *out);

#endif
