/* String lists of a policy document: filled while parsing, read-only after.
 * They hold a handful of entries, so they grow by one. */
#include "strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strings_add(struct strings *l, const char *s) {
  char **items = realloc(l->items, (l->count + 1) * sizeof(*items));

  if (items == NULL)
    return -ENOMEM;
  l->items = items;
  items[l->count] = strdup(s);
  if (items[l->count] == NULL)
    return -ENOMEM;
  l->count++;
  return 0;
}

void strings_fini(struct strings *l) {
  for (size_t i = 0; i < l->count; i++)
    free(l->items[i]);
  free(l->items);
  l->items = NULL;
  l->count = 0;
}

bool strings_has(const struct strings *l, const char *s) {
  for (size_t i = 0; i < l->count; i++)
    if (strcmp(l->items[i], s) == 0)
      return true;
  return false;
}
