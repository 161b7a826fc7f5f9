/* The table of proofs: half of each hash says where, all of it what. */
#include "proofs.h"

#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"

#define SLOTS 32768 /* half a megabyte */

static bool hash_of(const char *id, uint64_t out[2]) {
  uint8_t sum[DIGEST_MAX];

  if (digest_once(DIGEST_SHA256, id, strlen(id), sum) != 0)
    return false;
  memcpy(out, sum, 2 * sizeof(out[0]));
  return true;
}

void proofs_init(struct proofs *p) {
  mtx_init(&p->synced.lock, RANK_BLOCK);
  p->synced.slots = NULL;
}

void proofs_fini(struct proofs *p) {
  free(p->synced.slots);
  mtx_fini(&p->synced.lock);
}

void proofs_add(struct proofs *p, const char *id) {
  uint64_t h[2];

  if (!hash_of(id, h))
    return;
  mtx_lock(&p->synced.lock);
  if (p->synced.slots == NULL)
    p->synced.slots = calloc(SLOTS, sizeof(*p->synced.slots));
  if (p->synced.slots != NULL)
    memcpy(p->synced.slots[h[0] % SLOTS], h, sizeof(h));
  mtx_unlock(&p->synced.lock);
}

/* Takes it out when it is not to stay. */
static bool find(struct proofs *p, const char *id, bool stay) {
  uint64_t h[2];
  bool found = false;

  if (!hash_of(id, h))
    return false;
  mtx_lock(&p->synced.lock);
  if (p->synced.slots != NULL) {
    uint64_t *slot = p->synced.slots[h[0] % SLOTS];

    found = memcmp(slot, h, sizeof(h)) == 0;
    if (found && !stay)
      memset(slot, 0, sizeof(h));
  }
  mtx_unlock(&p->synced.lock);
  return found;
}

bool proofs_have(struct proofs *p, const char *id) {
  return find(p, id, true);
}

void proofs_take_back(struct proofs *p, const char *id) {
  find(p, id, false);
}

void proofs_clear(struct proofs *p) {
  mtx_lock(&p->synced.lock);
  free(p->synced.slots);
  p->synced.slots = NULL;
  mtx_unlock(&p->synced.lock);
}
