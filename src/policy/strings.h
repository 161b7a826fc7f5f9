/* A growable list of owned strings. */
#ifndef S3APFS_POLICY_STRINGS_H
#define S3APFS_POLICY_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
  char **items;
  size_t count;
};

/* 0 or -ENOMEM. */
int strings_add(struct strings *l, const char *s);
void strings_fini(struct strings *l);
bool strings_has(const struct strings *l, const char *s);

#endif
