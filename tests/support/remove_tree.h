/* Removes a folder of a test's with all that is in it. 0, or -1 with errno. */
#ifndef TESTS_REMOVE_TREE_H
#define TESTS_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int remove_tree_one(const char *path, const struct stat *st, int type,
                                  struct FTW *at) {
  (void)st;
  (void)type;
  (void)at;
  return remove(path);
}

static inline int remove_tree(const char *path) {
  return nftw(path, remove_tree_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
