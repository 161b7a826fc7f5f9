/* Ordered name/value list. */
#include "s3apfs/base/kv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/array.h"

void kvlist_init(struct kvlist *l) {
  memset(l, 0, sizeof(*l));
}

static void kv_drop(struct kv *kv) {
  if (kv->value != NULL)
    explicit_bzero(kv->value, strlen(kv->value));
  free(kv->value);
  free(kv->name);
}

void kvlist_fini(struct kvlist *l) {
  for (size_t i = 0; i < l->count; i++)
    kv_drop(&l->items[i]);
  free(l->items);
  kvlist_init(l);
}

int kvlist_add(struct kvlist *l, const char *name, const char *value) {
  struct kv kv = {strdup(name), strdup(value)};

  if (kv.name == NULL || kv.value == NULL ||
      array_room(&l->items, l->count, &l->cap, sizeof(kv)) != 0) {
    kv_drop(&kv);
    return -ENOMEM;
  }
  l->items[l->count++] = kv;
  return 0;
}

int kvlist_addf(struct kvlist *l, const char *name, const char *fmt, ...) {
  char *value = NULL;
  va_list ap;
  int n;
  int rc;

  va_start(ap, fmt);
  n = vasprintf(&value, fmt, ap);
  va_end(ap);
  if (n < 0)
    return -ENOMEM;
  rc = kvlist_add(l, name, value);
  explicit_bzero(value, (size_t)n);
  free(value);
  return rc;
}

static struct kv *kvlist_find_ci(const struct kvlist *l, const char *name) {
  for (size_t i = 0; i < l->count; i++)
    if (strcasecmp(l->items[i].name, name) == 0)
      return &l->items[i];
  return NULL;
}

int kvlist_set_ci(struct kvlist *l, const char *name, const char *value) {
  struct kv *kv = kvlist_find_ci(l, name);
  struct kv old;
  char *copy;

  if (kv == NULL)
    return kvlist_add(l, name, value);
  copy = strdup(value);
  if (copy == NULL)
    return -ENOMEM;
  old = (struct kv){NULL, kv->value};
  kv->value = copy;
  kv_drop(&old);
  return 0;
}

void kvlist_remove_ci(struct kvlist *l, const char *name) {
  size_t kept = 0;

  for (size_t i = 0; i < l->count; i++) {
    if (strcasecmp(l->items[i].name, name) == 0)
      kv_drop(&l->items[i]);
    else
      l->items[kept++] = l->items[i];
  }
  l->count = kept;
}

const char *kvlist_get(const struct kvlist *l, const char *name) {
  for (size_t i = 0; i < l->count; i++)
    if (strcmp(l->items[i].name, name) == 0)
      return l->items[i].value;
  return NULL;
}

const char *kvlist_get_ci(const struct kvlist *l, const char *name) {
  const struct kv *kv = kvlist_find_ci(l, name);

  return kv != NULL ? kv->value : NULL;
}

int kvlist_copy(struct kvlist *dst, const struct kvlist *src) {
  for (size_t i = 0; i < src->count; i++)
    if (kvlist_add(dst, src->items[i].name, src->items[i].value) != 0)
      return -ENOMEM;
  return 0;
}
