/* The state of an outage is one number, so whoever looks at it needs no lock. */
#include "s3apfs/store/outage.h"

#define ASK_EVERY_MS 5000

bool outage_begin(struct outage *o, int err) {
  int none = 0;

  if (!atomic_compare_exchange_strong(&o->err, &none, err))
    return false;
  atomic_store(&o->ask_ms, INT64_MIN);
  atomic_fetch_add(&o->count, 1);
  return true;
}

bool outage_end(struct outage *o) {
  return atomic_load(&o->err) != 0 && atomic_exchange(&o->err, 0) != 0;
}

bool outage_should_ask(struct outage *o, int64_t now_ms) {
  int_fast64_t next = atomic_load(&o->ask_ms);

  return now_ms >= next && atomic_compare_exchange_strong(&o->ask_ms, &next, now_ms + ASK_EVERY_MS);
}
