#include "s3apfs/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4

/* The pointer is copied, because it is one to another type. */
int array_room(void *items, size_t count, size_t *cap, size_t size) {
  size_t wanted = *cap != 0 ? *cap * 2 : FIRST_CAP;
  size_t bytes;
  void *from;
  void *to;

  if (count < *cap)
    return 0;
  if (__builtin_mul_overflow(wanted, size, &bytes))
    return -ENOMEM;
  memcpy(&from, items, sizeof(from));
  to = realloc(from, bytes);
  if (to == NULL)
    return -ENOMEM;
  memcpy(items, &to, sizeof(to));
  *cap = wanted;
  return 0;
}
