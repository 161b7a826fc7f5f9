/* Shared by names_tree.c, which moves whole folders, and names_tree_carry.c: each object. */
#ifndef NAMES_TREE_INTERNAL_H
#define NAMES_TREE_INTERNAL_H

#include <stdatomic.h>

#include "names_internal.h"

struct moved {
  char *name; /* below the folder; "" for its own object */
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  bool copied;
  bool other;                /* something else has the new name: it stays under both */
  bool carried;              /* moved by the store itself, or perhaps moved (then with err) */
  char copy[STORE_ETAG_MAX]; /* etag of the copy */
  char over[STORE_ETAG_MAX]; /* of a copy of an earlier version, to be replaced; "": none */
  int err;
};

/* What the store moved by itself, over all listings: where something fails it goes back. */
struct carried_one {
  char *name;
  char etag[STORE_ETAG_MAX];
};

struct carried {
  struct carried_one *items;
  size_t count;
  size_t cap;
  atomic_uint moves;
  atomic_uint refusals;
};

struct tree {
  struct fs *fs;
  const struct root *root;
  const char *from;
  const char *to;
  bool again;              /* an earlier process began: some may be moved or copied */
  bool absent;             /* it is an error that something has a new name */
  bool taken_back;         /* by the mount after a crash, which else goes on */
  bool left;               /* after a failure: something may be below `to` */
  bool removing;           /* some sources of copies are gone, or may be */
  struct carried *carried; /* of all rounds */
  struct moved *items;     /* by name */
  size_t count;
  size_t cap;
};

/* Moves or copies, side by side, what is neither yet. The first error. */
int tree_carry(struct tree *t);
/* What the store moved by itself goes back to where it was; the first error. */
int tree_carry_back(struct tree *t);
void tree_carried_fini(struct carried *c);

#endif
