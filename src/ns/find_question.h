/* What the store is asked about one name, and what it says. */
#ifndef S3APFS_SRC_NS_FIND_QUESTION_H
#define S3APFS_SRC_NS_FIND_QUESTION_H

#include "listing_internal.h"

struct question {
  struct ns *ns;
  const struct root *root;
  const struct patience *patience;
  char *key;    /* as an object */
  char *folder; /* the key and '/' */
};

struct answer {
  enum node_kind kind;
  struct store_attr attr;
  struct posix posix;
  bool has_posix;   /* the metadata was seen; of a folder: is remembered */
  bool marker;      /* a folder has an object of its own */
  bool denied;      /* LIST of the folder was denied now */
  bool unprovable;  /* a directory only because nothing says otherwise */
  struct page *all; /* of a folder: what is in it; NULL: that is not known */
};

/* -ENAMETOOLONG: no key can have it. */
int question_init_locked(struct question *q, struct ns *n, const struct node *dir, const char *name,
                         const struct patience *p);
void question_fini(struct question *q);

/* These are not for who holds the lock. 0 or what the store says; the answer's page is the
 * caller's.
 * A name of which nothing is known; folder_denied: that LIST is, and is not asked for. */
int question_ask(struct question *q, bool folder_denied, struct answer *out);
/* A directory: still there, or not provably gone. */
int question_ask_dir(struct question *q, struct answer *out);
int question_ask_file(struct question *q, struct answer *out);

#endif
