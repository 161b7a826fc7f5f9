#include "s3apfs/store/modified.h"

#include <strings.h>

static const char *const names[] = {"file-mtime", "mtime"};
#define NAMES (sizeof(names) / sizeof(names[0]))

bool modified_is_name(const char *name) {
  for (size_t i = 0; i < NAMES; i++)
    if (strcasecmp(name, names[i]) == 0)
      return true;
  return false;
}

bool modified_is_told(const struct kvlist *meta) {
  for (size_t i = 0; i < meta->count; i++)
    if (modified_is_name(meta->items[i].name))
      return true;
  return false;
}

int modified_forget(struct kvlist *meta) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < NAMES; i++)
    rc = kvlist_set_ci(meta, names[i], "");
  return rc;
}
