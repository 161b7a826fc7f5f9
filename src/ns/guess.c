/* Where later pages start: counted for names that count, by proportion for names that
 * are spread evenly over their alphabet. */
#include "guess.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_MAX 18

/* --- names that count --- */

static size_t common_length(const char *a, const char *b) {
  size_t n = 0;

  while (a[n] != '\0' && a[n] == b[n])
    n++;
  return n;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool series_value(const struct series *s, const char *name, uint64_t *out) {
  uint64_t v = 0;
  const char *at = name + s->head_len;

  if (strncmp(name, s->head, s->head_len) != 0)
    return false;
  for (unsigned i = 0; i < s->width; i++, at++) {
    if (!is_digit(*at))
      return false;
    v = v * 10 + (uint64_t)(*at - '0');
  }
  *out = v;
  return !is_digit(*at);
}

bool series_name(const struct series *s, uint64_t value, char out[NS_NAME_MAX + 1]) {
  char digits[WIDTH_MAX + 8];
  int n = snprintf(digits, sizeof(digits), "%0*llu", (int)s->width, (unsigned long long)value);

  if (n != (int)s->width)
    return false;
  n = snprintf(out, NS_NAME_MAX + 1, "%.*s%s%s", (int)s->head_len, s->head, digits, s->tail);
  return n > 0 && n <= NS_NAME_MAX;
}

/* Head and width, from two names that differ. */
static bool find_number(const char *a, const char *b, struct series *out) {
  size_t at = common_length(a, b);
  size_t end = at;

  if (!is_digit(a[at]) || !is_digit(b[at]))
    return false;
  while (at > 0 && is_digit(a[at - 1]))
    at--;
  while (is_digit(a[end]))
    end++;
  if (end - at > WIDTH_MAX || at > NS_NAME_MAX)
    return false;
  memcpy(out->head, a, at);
  out->head[at] = '\0';
  out->head_len = at;
  out->width = (unsigned)(end - at);
  return true;
}

bool guess_series(const struct page *page, struct series *out) {
  const struct item *items = page->items;
  const char *tail;
  uint64_t last;
  uint64_t v;
  bool same = true;

  if (page->count < 3 || !find_number(items[0].name, items[page->count - 1].name, out) ||
      !series_value(out, items[0].name, &last) || !series_value(out, items[1].name, &v) ||
      v <= last)
    return false;
  out->step = v - last;
  tail = items[0].name + out->head_len + out->width;
  for (size_t i = 1; i < page->count; i++) {
    if (!series_value(out, items[i].name, &v) || v != last + out->step)
      return false;
    same = same && strcmp(items[i].name + out->head_len + out->width, tail) == 0;
    last = v;
  }
  snprintf(out->tail, sizeof(out->tail), "%s", same ? tail : "");
  return true;
}

/* --- names that are spread evenly --- */

#define ALPHABET_MIN 8
#define SAMPLE_LENGTH 3 /* places that tell the alphabet */
#define PLACES 5        /* of a fraction */
#define FIRST_MAX 0.05  /* the first name stands so near to the start, */
#define MIDDLE_SLACK 0.06
#define SMALLEST (1.0 / 2000) /* the pages are no less of the whole, */
#define LARGEST 0.4           /* and no more */

struct alphabet {
  size_t from; /* place of the first letter that counts */
  int rank[256];
  char letters[256];
  int size;
};

static void take_letters(struct alphabet *a, const struct page *page, size_t at) {
  for (size_t i = 0; i < page->count; i++) {
    const char *name = page->items[i].name;

    for (size_t k = at; k < at + SAMPLE_LENGTH && name[0] != '\0' && k < strlen(name); k++)
      a->rank[(unsigned char)name[k]] = 1;
  }
}

static bool find_alphabet(const struct page *first, const struct page *last, struct alphabet *out) {
  const char *low = first->items[0].name;
  size_t at = common_length(low, last->items[last->count - 1].name);

  memset(out, 0, sizeof(*out));
  take_letters(out, first, at);
  take_letters(out, last, at);
  for (int c = 0; c < 256; c++) {
    if (out->rank[c] != 0)
      out->letters[out->size] = (char)c;
    out->size += out->rank[c];
    out->rank[c] = out->size - 1; /* others count as the letter before them */
  }
  while (at > 0 && low[at - 1] == out->letters[0])
    at--;
  out->from = at;
  return out->size >= ALPHABET_MIN && at + PLACES < NS_NAME_MAX;
}

static double fraction(const struct alphabet *a, const char *name) {
  double unit = 1;
  double f = 0;

  for (size_t i = a->from; i < a->from + PLACES && i < strlen(name); i++) {
    int rank = a->rank[(unsigned char)name[i]];

    unit /= a->size;
    f += unit * (rank > 0 ? rank : 0);
  }
  return f;
}

static void name_at(const struct alphabet *a, const char *low, double f, char *out) {
  memcpy(out, low, a->from);
  for (size_t i = a->from; i < a->from + PLACES; i++) {
    int rank;

    f *= a->size;
    rank = f < a->size ? (int)f : a->size - 1;
    out[i] = a->letters[rank];
    f -= rank;
  }
  out[a->from + PLACES] = '\0';
}

bool guess_spread(const struct page *first, const struct page *last, unsigned pages,
                  char out[GUESS_SPREAD][NS_NAME_MAX + 1]) {
  struct alphabet a;
  double low;
  double middle;
  double high;

  if (first->count < 2 || last->count < 2 || !find_alphabet(first, last, &a))
    return false;
  low = fraction(&a, first->items[0].name);
  middle = fraction(&a, first->items[first->count - 1].name);
  high = fraction(&a, last->items[last->count - 1].name);
  if (high < SMALLEST || high > LARGEST || low > high * FIRST_MAX ||
      middle < high / pages - high * MIDDLE_SLACK || middle > high / pages + high * MIDDLE_SLACK)
    return false;
  for (int i = 0; i < GUESS_SPREAD; i++)
    name_at(&a, first->items[0].name, high + (1 - high) * (i + 1) / (GUESS_SPREAD + 1), out[i]);
  return true;
}
