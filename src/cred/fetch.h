/* One request to a credential endpoint, on an engine of its own. */
#ifndef SRC_CRED_FETCH_H
#define SRC_CRED_FETCH_H

#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

struct fetch_request {
  const char *method; /* NULL: GET */
  const char *url;
  const struct kvlist *headers;
  const void *body; /* NULL: none */
  size_t body_len;
  const char *ca_bundle; /* NULL: the system's */
  int64_t timeout_ms;    /* to connect, and for the whole of it */
  int64_t until_mono_ms; /* its end in any case, clock_system monotonic; 0: none */
};

/* Blocks. 0 with the status and the body (whatever the status) appended to out;
 * else -errno as http.h says, -ETIMEDOUT too when the end has come; -E2BIG past out's cap. */
int fetch(const struct fetch_request *q, int *status, struct buf *out);

#endif
