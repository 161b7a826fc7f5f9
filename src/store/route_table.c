/* Scopes, sorted, and which of them covers a key.
 *
 * Whatever covers a key is a beginning of it. Of all prefixes that sort before the
 * key the last one is either such a beginning, or shares the longest one with the
 * key as its own beginning; so following `up` from there passes every scope that
 * covers the key, the longest first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route_store_internal.h"
#include "s3apfs/base/text.h"

static int compare(const char *a, bool whole_a, const char *b, bool whole_b) {
  int c = strcmp(a, b);

  return c != 0 ? c : (int)whole_a - (int)whole_b;
}

static bool same_scope(const struct scope_entry *a, const struct scope_entry *b) {
  return compare(a->prefix, a->whole, b->prefix, b->whole) == 0;
}

static int by_prefix(const void *a, const void *b) {
  const struct scope_entry *x = *(struct scope_entry *const *)a;
  const struct scope_entry *y = *(struct scope_entry *const *)b;
  int c = compare(x->prefix, x->whole, y->prefix, y->whole);

  return c != 0 ? c : (x->origin > y->origin) - (x->origin < y->origin);
}

void scope_entry_free(struct scope_entry *e) {
  if (e == NULL)
    return;
  store_free(e->store);
  free(e->prefix);
  free(e);
}

static size_t folder_length(const char *prefix) {
  const char *slash = strrchr(prefix, '/');

  return slash != NULL ? (size_t)(slash - prefix) + 1 : 0;
}

static struct scope_entry *entry_new(const struct route *r) {
  struct scope_entry *e = calloc(1, sizeof(*e));

  if (e == NULL)
    return NULL;
  atomic_init(&e->calls, 0);
  e->whole = r->whole;
  e->can_read = r->can_read;
  e->can_write = r->can_write;
  e->origin = r->origin;
  e->prefix = strdup(r->prefix);
  if (e->prefix == NULL) {
    free(e);
    return NULL;
  }
  e->strip = folder_length(e->prefix);
  return e;
}

static size_t find_same(const struct scope_table *t, const char *prefix, bool whole) {
  size_t at = scope_table_from(t, prefix);

  while (at < t->count && strcmp(t->items[at]->prefix, prefix) == 0) {
    if (t->items[at]->whole == whole)
      return at;
    at++;
  }
  return SCOPE_NONE;
}

/* Several grants of one scope are one scope with all their permissions. */
static void merge_sorted(struct scope_table *t) {
  size_t kept = 0;

  for (size_t i = 0; i < t->count; i++) {
    struct scope_entry *e = t->items[i];
    struct scope_entry *last = kept > 0 ? t->items[kept - 1] : NULL;

    if (last == NULL || last->origin != e->origin || !same_scope(last, e)) {
      t->items[kept++] = e;
      continue;
    }
    last->can_read |= e->can_read;
    last->can_write |= e->can_write;
    scope_entry_free(e);
  }
  t->count = kept;
}

static int worth(const struct scope_entry *e) {
  return 2 * e->can_read + e->can_write;
}

/* One origin does not add to another's permissions: its keys would not do. */
static void choose_origins(struct scope_table *t) {
  size_t kept = 0;

  for (size_t i = 0; i < t->count; i++) {
    struct scope_entry *e = t->items[i];
    struct scope_entry *last = kept > 0 ? t->items[kept - 1] : NULL;

    if (last == NULL || !same_scope(last, e)) {
      t->items[kept++] = e;
    } else if (worth(e) > worth(last)) {
      t->items[kept - 1] = e;
      scope_entry_free(last);
    } else {
      scope_entry_free(e);
    }
  }
  t->count = kept;
}

/* Entries that stay as they are take the place of their like. */
static void keep_old(struct scope_table *t, const struct scope_table *old) {
  for (size_t i = 0; old != NULL && i < t->count; i++) {
    size_t at = find_same(old, t->items[i]->prefix, t->items[i]->whole);

    if (at == SCOPE_NONE || old->items[at]->origin != t->items[i]->origin ||
        old->items[at]->can_read != t->items[i]->can_read ||
        old->items[at]->can_write != t->items[i]->can_write)
      continue;
    scope_entry_free(t->items[i]);
    t->items[i] = old->items[at];
  }
}

static void link_up(struct scope_table *t) {
  for (size_t i = 0; i < t->count; i++) {
    size_t at = i > 0 ? i - 1 : SCOPE_NONE;

    while (at != SCOPE_NONE && !text_has_prefix(t->items[i]->prefix, t->items[at]->prefix))
      at = t->up[at];
    t->up[i] = at;
  }
}

void scope_table_free(struct scope_table *t) {
  if (t == NULL)
    return;
  free(t->items);
  free(t->up);
  free(t);
}

int scope_table_new(const struct route *routes, size_t count, const struct scope_table *old,
                    struct scope_table **out) {
  struct scope_table *t = calloc(1, sizeof(*t));

  if (t == NULL)
    return -ENOMEM;
  t->refs = 1;
  t->items = calloc(count + 1, sizeof(struct scope_entry *));
  t->up = calloc(count + 1, sizeof(*t->up));
  while (t->items != NULL && t->up != NULL && t->count < count) {
    t->items[t->count] = entry_new(&routes[t->count]);
    if (t->items[t->count] == NULL)
      break;
    t->count++;
  }
  if (t->items == NULL || t->up == NULL || t->count < count) {
    for (size_t i = 0; i < t->count; i++)
      scope_entry_free(t->items[i]);
    scope_table_free(t);
    return -ENOMEM;
  }
  qsort(t->items, t->count, sizeof(struct scope_entry *), by_prefix);
  merge_sorted(t);
  choose_origins(t);
  keep_old(t, old);
  link_up(t);
  *out = t;
  return 0;
}

size_t scope_table_from(const struct scope_table *t, const char *prefix) {
  size_t lo = 0;
  size_t hi = t->count;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (strcmp(t->items[mid]->prefix, prefix) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

bool scope_covers_key_of(const struct scope_entry *e, const char *key) {
  return e->whole ? strcmp(e->prefix, key) == 0 : text_has_prefix(key, e->prefix);
}

static bool allows(const struct scope_entry *e, unsigned want) {
  return (e->can_read || (want & SCOPE_CAN_READ) == 0) &&
         (e->can_write || (want & SCOPE_CAN_WRITE) == 0);
}

struct scope_entry *scope_table_match(const struct scope_table *t, const char *key, unsigned want) {
  size_t at = scope_table_from(t, key);

  while (at < t->count && strcmp(t->items[at]->prefix, key) == 0)
    at++;
  at = at > 0 ? at - 1 : SCOPE_NONE;
  while (at != SCOPE_NONE &&
         (!scope_covers_key_of(t->items[at], key) || !allows(t->items[at], want)))
    at = t->up[at];
  return at != SCOPE_NONE ? t->items[at] : NULL;
}
