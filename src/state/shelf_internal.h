/* The shelf's inside, shared by shelf.c (the directory and its room) and shelf_file.c (a
 * listing's file). */
#ifndef S3APFS_SRC_STATE_SHELF_INTERNAL_H
#define S3APFS_SRC_STATE_SHELF_INTERNAL_H

#include <stdbool.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/state/shelf.h"

#define SHELF_NAME_LEN 32

struct shelf {
  int fd;
  uint64_t limit;
  struct {
    struct mtx lock; /* one writer makes room at a time */
    bool scanned;
    uint64_t bytes;
    size_t count;
  } synced;
};

/* Of a folder's file. False: no memory. */
bool shelf_name(const char *domain, const char *prefix, char out[SHELF_NAME_LEN + 1]);
/* Room for so many bytes and files more, which are held for the caller; false: there is none. */
bool shelf_take_room(struct shelf *s, uint64_t bytes, size_t files);
void shelf_give_room(struct shelf *s, uint64_t bytes, size_t files);

#endif
