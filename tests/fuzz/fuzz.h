/* What every harness shares: an oracle that stops the fuzzer. */
#ifndef S3APFS_TESTS_FUZZ_H
#define S3APFS_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool ok) {
  if (!ok)
    abort();
}

#endif
