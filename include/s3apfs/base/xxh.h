/* XXH3 checksums (libxxhash): fast, not cryptographic. */
#ifndef S3APFS_BASE_XXH_H
#define S3APFS_BASE_XXH_H

#include <stddef.h>
#include <stdint.h>

uint64_t xxh64_of(const void *data, size_t len, uint64_t seed);
void xxh128_of(const void *data, size_t len, uint64_t out[2]);

#endif
