/* One store made of many, for whoever was given scopes here and there: each scope
 * (a prefix, or one object) has a store of its own, and what lies above the scopes
 * is made up, so that paths lead to them. The scopes may change at any time.
 *
 * A key is read through the longest scope that covers it and may be read. Folders
 * above scopes are listed without a request, but for scopes that end within a
 * name ("a/b*": one listing each) and single objects (one HEAD each). What no
 * scope covers does not exist, and no request is made for it. Of equal scopes of several
 * origins one is taken, which allows more. */
#ifndef S3APFS_STORE_ROUTE_STORE_H
#define S3APFS_STORE_ROUTE_STORE_H

#include "s3apfs/store/store.h"

struct route {
  const char *prefix; /* "bucket/a/", "bucket/a/b" */
  bool whole;         /* that key alone, not all that start with it */
  bool can_read;
  bool can_write;
  unsigned origin; /* whose scope it is, for make(): a small number that means nothing here */
};

struct route_store_options {
  const char *domain;
  bool writable; /* scopes that allow writing may be written; else nothing may */
  /* The store of one scope, made when it is first needed; its keys lack the folder of
   * the route's prefix, up to its last slash. Any thread, with no lock held; two may make one
   * for the same scope at once, then one of both is freed unused. */
  int (*make)(void *arg, const struct route *r, struct store **out);
  /* One line on a key that no scope covers; may be NULL. */
  void (*describe)(void *arg, struct buf *out);
  void *arg;
};

int route_store_new(const struct route_store_options *o, struct store **out);

/* Sets all scopes. Those of the same prefix, kind, origin and permissions keep their
 * store. Afterwards, with no lock held, changed() is told each prefix
 * that is gone, then each that is new (of other permissions: both). NULL: nobody. Calls under way
 * end as they began; new ones for what is gone are -EACCES. Not two at a time. */
int route_store_set(struct store *s, const struct route *routes, size_t count,
                    void (*changed)(void *arg, const char *prefix, bool gone), void *arg);
size_t route_store_count(struct store *s);

#endif
