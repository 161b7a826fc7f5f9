/* Sets of byte ranges as one sorted array: a file has few ranges, or they are the
 * grid of a random writer; a search is binary, a change moves what lies behind. */
#include "ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"

void ranges_fini(struct ranges *r) {
  free(r->items);
  *r = (struct ranges){0};
}

/* Index of the first range that ends at or behind `at`. */
static size_t first_ending(const struct ranges *r, uint64_t at) {
  size_t lo = 0;
  size_t hi = r->count;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (r->items[mid].to < at)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

/* Puts `count` ranges in place of those at [at, end). */
static void splice(struct ranges *r, size_t at, size_t end, const struct range *with,
                   size_t count) {
  for (size_t i = at; i < end; i++)
    r->bytes -= r->items[i].to - r->items[i].from;
  memmove(&r->items[at + count], &r->items[end], (r->count - end) * sizeof(*r->items));
  for (size_t i = 0; i < count; i++) {
    r->items[at + i] = with[i];
    r->bytes += with[i].to - with[i].from;
  }
  r->count = r->count - (end - at) + count;
}

int ranges_add(struct ranges *r, uint64_t from, uint64_t to) {
  struct range all = {from, to};
  size_t at = first_ending(r, from);
  size_t end = at;

  if (from >= to)
    return 0;
  if (array_room(&r->items, r->count, &r->cap, sizeof(*r->items)) != 0)
    return -ENOMEM;
  while (end < r->count && r->items[end].from <= to) {
    if (r->items[end].from < all.from)
      all.from = r->items[end].from;
    if (r->items[end].to > all.to)
      all.to = r->items[end].to;
    end++;
  }
  splice(r, at, end, &all, 1);
  return 0;
}

int ranges_remove(struct ranges *r, uint64_t from, uint64_t to) {
  struct range rest[2];
  size_t count = 0;
  size_t at = first_ending(r, from);
  size_t end;

  if (from >= to)
    return 0;
  if (array_room(&r->items, r->count, &r->cap, sizeof(*r->items)) != 0)
    return -ENOMEM;
  if (at < r->count && r->items[at].to == from)
    at++;
  end = at;
  while (end < r->count && r->items[end].from < to) {
    if (r->items[end].from < from)
      rest[count++] = (struct range){r->items[end].from, from};
    if (r->items[end].to > to)
      rest[count++] = (struct range){to, r->items[end].to};
    end++;
  }
  splice(r, at, end, rest, count);
  return 0;
}

bool ranges_at(const struct ranges *r, uint64_t at, uint64_t *end) {
  size_t i = first_ending(r, at);

  if (i < r->count && r->items[i].to == at)
    i++;
  if (i == r->count) {
    *end = UINT64_MAX;
    return false;
  }
  if (r->items[i].from > at) {
    *end = r->items[i].from;
    return false;
  }
  *end = r->items[i].to;
  return true;
}

bool ranges_cover(const struct ranges *r, uint64_t from, uint64_t to) {
  uint64_t end;

  return from >= to || (ranges_at(r, from, &end) && end >= to);
}

uint64_t ranges_within(const struct ranges *r, uint64_t from, uint64_t to) {
  uint64_t bytes = 0;

  for (size_t i = first_ending(r, from); i < r->count && r->items[i].from < to; i++) {
    uint64_t a = r->items[i].from > from ? r->items[i].from : from;
    uint64_t b = r->items[i].to < to ? r->items[i].to : to;

    if (b > a)
      bytes += b - a;
  }
  return bytes;
}
