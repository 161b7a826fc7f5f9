/* XXH3 by libxxhash. */
#include "s3apfs/base/xxh.h"

#include <xxhash.h>

uint64_t xxh64_of(const void *data, size_t len, uint64_t seed) {
  return XXH3_64bits_withSeed(data, len, seed);
}

void xxh128_of(const void *data, size_t len, uint64_t out[2]) {
  XXH128_hash_t h = XXH3_128bits(data, len);

  out[0] = h.high64;
  out[1] = h.low64;
}
