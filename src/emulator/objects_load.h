/* Walks over the store's folders. */
#ifndef S3APFS_EMULATOR_OBJECTS_LOAD_H
#define S3APFS_EMULATOR_OBJECTS_LOAD_H

#include "key_index.h"

/* Receives every sealed file; takes the entry's strings when it returns 0. */
typedef int (*objects_load_fn)(void *arg, const char *bucket, struct key_entry *entry);

/* Files that are not sealed are logged and left alone. */
int objects_load(const char *dir, objects_load_fn fn, void *arg);
/* Removes empty folders, deepest first; what is not empty stays. */
void objects_remove_folders(const char *path);

#endif
