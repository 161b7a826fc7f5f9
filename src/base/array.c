#include "s3apfs/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4

/* The pointer is copied, because it is one to another type. */
int array_room(void *items, size_t count, size_t *cap, size_t size) {
  size_t wanted = *cap != 0 ? *cap * 2 : FIRST_CAP;
  void *from;
  void *to;

  if (count < *cap)
    return 0;
  memcpy(&from, items, sizeof(from));
  to = reallocarray(from, wanted, size);
  if (to == NULL)
    return -ENOMEM;
  memcpy(items, &to, sizeof(to));
  *cap = wanted;
  return 0;
}
