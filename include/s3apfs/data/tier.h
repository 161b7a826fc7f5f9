/* The shared tier: parts of objects in a second bucket that a fleet shares.
 *
 * What is there is sealed (src/data/tier_seal.h states the format) and is used only for
 * versions of which the source gave bytes to this mount not long ago, by the same
 * identity. A part that many mounts read is fetched from the source once. Whatever
 * fails here, or is slow, costs a request to the source and nothing else. Parts are
 * filled in by those that read all of one, behind their readers. Thread-safe. */
#ifndef S3APFS_DATA_TIER_H
#define S3APFS_DATA_TIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tier;
struct store;

struct tier_options {
  struct store *store; /* the second bucket; borrowed. Its calls must not block for keys */
  uint8_t key[32];     /* of the key file; the caller wipes its copy */
  int64_t proof_ms;    /* how long a proof of access counts; 0: nothing is read from the tier */
  int64_t timeout_ms;  /* without bytes for so long, the source is asked; 0: 250 */
};

int tier_new(const struct tier_options *o, struct tier **out);
/* The cache over it is freed. */
void tier_free(struct tier *t);

struct tier_stats {
  uint64_t hits; /* loads */
  uint64_t hit_bytes;
  uint64_t misses;
  uint64_t failures; /* loads and sends that failed, or took too long */
  uint64_t bad_parts;
  uint64_t filled; /* parts sent */
  uint64_t filled_bytes;
  uint64_t skipped_bytes; /* not sent: the tier is too slow, or does not work */
  bool reading_paused;    /* after failures in a row */
  bool writing_paused;
};
void tier_stats(struct tier *t, struct tier_stats *out);

#endif
