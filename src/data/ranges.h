/* A set of byte ranges [from, to): sorted, never touching. Pure. */
#ifndef S3APFS_SRC_DATA_RANGES_H
#define S3APFS_SRC_DATA_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
  uint64_t from;
  uint64_t to;
};

/* All zeroes: the empty set. */
struct ranges {
  struct range *items;
  size_t count;
  size_t cap;
  uint64_t bytes; /* sum of their lengths */
};

void ranges_fini(struct ranges *r);
/* Both give 0 or -ENOMEM (nothing changed). An empty range changes nothing. */
int ranges_add(struct ranges *r, uint64_t from, uint64_t to);
int ranges_remove(struct ranges *r, uint64_t from, uint64_t to);
/* Whether `at` is in the set; *end: up to where that stays so (UINT64_MAX: for ever). */
bool ranges_at(const struct ranges *r, uint64_t at, uint64_t *end);
bool ranges_cover(const struct ranges *r, uint64_t from, uint64_t to);
/* Bytes of [from, to) that are in the set. */
uint64_t ranges_within(const struct ranges *r, uint64_t from, uint64_t to);

#endif
