/* Guesses where in a folder later pages of its listing start. Pure functions. */
#ifndef S3APFS_SRC_NS_GUESS_H
#define S3APFS_SRC_NS_GUESS_H

#include "listing_internal.h"
#include "s3apfs/ns/ns.h"

/* Names that count: "part-00017.csv". */
struct series {
  char head[NS_NAME_MAX + 1];
  char tail[NS_NAME_MAX + 1]; /* behind the number, when all have the same; else "" */
  size_t head_len;
  unsigned width; /* digits */
  uint64_t step;
};
/* Every name of a page counts on, in one step. */
bool guess_series(const struct page *page, struct series *out);
bool series_value(const struct series *s, const char *name, uint64_t *out);
/* False: it needs more digits. */
bool series_name(const struct series *s, uint64_t value, char out[NS_NAME_MAX + 1]);

#define GUESS_SPREAD 2
/* Names that are spread evenly, as digests are: two that cut what follows the first
 * `pages` pages into equal parts; the first and the last of those tell. False: they do
 * not look like that, or what follows is little. */
bool guess_spread(const struct page *first, const struct page *last, unsigned pages,
                  char out[GUESS_SPREAD][NS_NAME_MAX + 1]);

#endif
