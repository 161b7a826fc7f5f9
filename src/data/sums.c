/* Pure. */
#include "sums.h"

#include <stdlib.h>
#include <string.h>

void sums_learn(struct sums *s, enum crc_kind kind, uint64_t want) {
  if (kind == CRC_NONE || (s->kind != CRC_NONE && s->count > 0))
    return;
  s->kind = kind;
  s->want = want;
}

static void forget(struct sums *s) {
  free(s->ranges);
  s->ranges = NULL;
  s->count = 0;
  s->cap = 0;
}

void sums_fini(struct sums *s) {
  forget(s);
}

/* Index of the first range that ends behind `offset`. */
static size_t find(const struct sums *s, uint64_t offset) {
  size_t lo = 0;
  size_t hi = s->count;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (s->ranges[mid].to <= offset)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

void sums_missing(const struct sums *s, uint64_t *from, uint64_t *to) {
  size_t at = find(s, *from);

  if (at < s->count && s->ranges[at].from <= *from) {
    *from = s->ranges[at].to < *to ? s->ranges[at].to : *to;
    at++;
  }
  if (at < s->count && s->ranges[at].from < *to)
    *to = s->ranges[at].from;
}

static bool insert(struct sums *s, size_t at, const struct sums_range *r) {
  if (s->count == s->cap) {
    size_t cap = s->cap != 0 ? s->cap * 2 : 4;
    struct sums_range *grown =
        cap <= SUMS_RANGES_MAX ? realloc(s->ranges, cap * sizeof(*grown)) : NULL;

    if (grown == NULL)
      return false;
    s->ranges = grown;
    s->cap = cap;
  }
  memmove(&s->ranges[at + 1], &s->ranges[at], (s->count - at) * sizeof(*s->ranges));
  s->ranges[at] = *r;
  s->count++;
  return true;
}

/* Joins the range at `at` with the one behind it, when they touch. */
static void join(struct sums *s, size_t at) {
  struct sums_range *a;
  const struct sums_range *b;

  if (at + 1 >= s->count || s->ranges[at].to != s->ranges[at + 1].from)
    return;
  a = &s->ranges[at];
  b = &s->ranges[at + 1];
  a->crc = crc_combine(s->kind, a->crc, b->crc, b->to - b->from);
  a->to = b->to;
  s->count--;
  memmove(&s->ranges[at + 1], &s->ranges[at + 2], (s->count - at - 1) * sizeof(*s->ranges));
}

enum sums_verdict sums_add(struct sums *s, uint64_t from, uint64_t to, uint64_t crc,
                           uint64_t size) {
  const struct sums_range r = {from, to, crc};
  size_t at = find(s, from);
  enum sums_verdict verdict;

  if (s->kind == CRC_NONE || (at < s->count && s->ranges[at].from < to))
    return SUMS_OPEN;
  if (!insert(s, at, &r)) {
    forget(s);
    s->kind = CRC_NONE;
    return SUMS_OPEN;
  }
  join(s, at);
  if (at > 0)
    join(s, at - 1);
  if (s->ranges[0].from != 0 || s->ranges[0].to != size)
    return SUMS_OPEN;
  verdict = s->ranges[0].crc == s->want ? SUMS_RIGHT : SUMS_WRONG;
  forget(s);
  return verdict;
}
