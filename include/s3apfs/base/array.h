/* Arrays that grow by one element at a time. */
#ifndef S3APFS_BASE_ARRAY_H
#define S3APFS_BASE_ARRAY_H

#include <stddef.h>

/* Makes room for one more element of `size` bytes behind `count`. items: the address of the
 * pointer to the first one, NULL before there is any; *cap: for how many there is room. 0, or
 * -ENOMEM: then the array is as it was. */
int array_room(void *items, size_t count, size_t *cap, size_t size);

#endif
