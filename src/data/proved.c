/* What proves that a version may be read: the store gave bytes of it to this mount. That counts
 * while somebody has the version open, and for store->proof_ms from when the store was asked,
 * also when nothing is held of the version in between (proofs.c). */
#include "cache.h"

#include "s3apfs/base/clock.h"

void version_prove(struct cache *c, struct version *v, int64_t asked_us) {
  long long known = atomic_load(&v->proved_us);

  /* Proofs may come out of order. */
  while (known < asked_us && !atomic_compare_exchange_weak(&v->proved_us, &known, asked_us))
    ;
  if (v->etag[0] != '\0')
    proofs_add(&c->proofs, v->id, asked_us);
}

void version_disprove(struct cache *c, struct version *v, bool denied) {
  proofs_take_back(&c->proofs, v->id);
  if (denied)
    atomic_store(&v->proved_us, 0);
}

void version_recall(struct version *v, const struct store *s, int64_t noted_us) {
  int64_t oldest = clock_mono_us() - s->proof_ms * 1000;
  long long known = atomic_load(&v->proved_us);
  long long newest = known > noted_us ? known : noted_us;

  /* Unless a newer one comes right now. */
  atomic_compare_exchange_strong(&v->proved_us, &known, newest >= oldest ? newest : 0);
}
