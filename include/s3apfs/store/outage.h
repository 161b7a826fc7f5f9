/* Whether what serves a store can be reached, for stores whose readers are content with
 * what is known while it cannot (offline=lenient). One may serve several stores of one
 * service. Thread-safe; holds no lock. */
#ifndef S3APFS_STORE_OUTAGE_H
#define S3APFS_STORE_OUTAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outage {
  atomic_int err;                /* of the request that found nobody; 0: all is well */
  atomic_int_fast64_t ask_ms;    /* monotonic; when it is to be asked next */
  atomic_uint_fast64_t count;    /* outages so far */
  atomic_uint_fast64_t stood_in; /* answers that were given from what was known */
};

/* A request got no answer: -errno. True: that is news. */
bool outage_begin(struct outage *o, int err);
/* A request was answered, whatever it said. True: an outage ended. */
bool outage_end(struct outage *o);
/* 0, or why nobody answers. o NULL: 0. */
static inline int outage_err(const struct outage *o) {
  return o != NULL ? atomic_load(&o->err) : 0;
}
/* During an outage: it is time to ask whether it is over. True for one caller, the first at
 * once, then every few seconds. */
bool outage_should_ask(struct outage *o, int64_t now_ms);

#endif
