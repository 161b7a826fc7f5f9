/* Inside of signed calls: what the files of this module share. */
#ifndef S3APFS_NET_CALL_INTERNAL_H
#define S3APFS_NET_CALL_INTERNAL_H

#include <stdatomic.h>

#include "call_workers.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/net/call.h"
#include "s3apfs/net/retry.h"

struct caller {
  struct clock corrected; /* first: a struct clock * is turned back into this */
  struct http_engine *engine;
  const struct clock *clock;
  unsigned max_attempts;
  int64_t base_delay_ms;
  int64_t max_delay_ms;
  struct call_workers *workers;
  struct retry_bucket bucket;
  atomic_int_fast64_t offset_s; /* server's clock minus ours */
};

enum call_state {
  CALL_BUSY,  /* a thread prepares, judges or ends it: that thread owns the call */
  CALL_WIRE,  /* the engine has it */
  CALL_PAUSE, /* between attempts: whoever sees it first takes it */
  CALL_ENDED,
};

struct call {
  struct caller *caller;
  struct call_request q; /* strings and request replaced by the call's own */
  struct aws_request request;
  char *signing_name;
  char *signing_region;
  atomic_uint refs;

  /* the owner's */
  unsigned attempts;
  unsigned retries; /* for the backoff */
  int tokens;       /* what the last retry took from the bucket */
  int64_t sent_ms;  /* monotonic: when this attempt went on the wire */
  int64_t stall_ms; /* that it may be silent */
  int64_t quiet_ms; /* for which nobody has been heard */
  bool renewed;
  bool renew_next; /* tell the source before keys are fetched again */
  bool skewed;
  bool delivered;  /* data() got bytes in this attempt */
  bool error_body; /* the body belongs to an error reply */
  int verdict;     /* what accept() or data() said */
  char payload_hash[65];
  struct keys *keys; /* of the last attempt */
  struct buf body;   /* collected, or of an error reply */
  struct s3_error error;

  struct {
    struct mtx lock;
    enum call_state state;
    struct http_transfer *transfer; /* in CALL_WIRE */
    bool cancelled;
  } synced;
};

/* Signs call->request anew with call->keys and the caller's clock. */
int call_sign(struct call *call);

struct call_judgement {
  bool again;
  int64_t delay_ms;
};
/* After a failure described by call->error: is there another attempt, and when? */
struct call_judgement call_judge(struct call *call, int64_t retry_after_ms);

#endif
