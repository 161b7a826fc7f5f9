/* One word a name: its hash and the second of the last attempt, so that who looks and who notes the
 * attempt are the same step. A clock that jumps back allows the next. */
#include "seldom.h"

#include <stdatomic.h>
#include <stdlib.h>

#define NAMES 64

static uint32_t hash_of(const char *name) { /* FNV-1a */
  uint32_t h = 2166136261U;

  for (; *name != '\0'; name++)
    h = (h ^ (unsigned char)*name) * 16777619U;
  return h != 0 ? h : 1;
}

bool seldom_allows(const char *name, int64_t now_s, int64_t every_s) {
  static _Atomic uint64_t last[NAMES];
  uint32_t hash = hash_of(name);
  _Atomic uint64_t *slot = &last[hash % NAMES];
  uint64_t seen = atomic_load(slot);
  uint64_t now = (uint64_t)hash << 32 | (uint32_t)now_s;

  if (seen >> 32 == hash && llabs((int64_t)(uint32_t)now_s - (int64_t)(uint32_t)seen) < every_s)
    return false;
  return atomic_compare_exchange_strong(slot, &seen, now);
}
