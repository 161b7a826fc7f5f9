/* Listings of directories. page.c: one page; listing.c: the pages of a directory; load.c: how they
 * come; lanes.c: several at a time; flat.c: those of many folders at once; peeks.c: small folders
 * that a look-up saw; walks.c: large folders, ahead of who walks; shelving.c: what earlier mounts
 * kept; siblings.c: files and folders in their order; follow.c: where the directory moved. */
#ifndef S3APFS_SRC_NS_LISTING_INTERNAL_H
#define S3APFS_SRC_NS_LISTING_INTERNAL_H

#include "s3apfs/store/store.h"
#include "tree_internal.h"

/* --- page.c --- */
struct item {
  const char *name;
  const char *etag;
  const struct posix *posix; /* what is remembered of that version; NULL: nothing */
  uint64_t size;
  int64_t mtime;
  bool is_dir;
  bool archived;
  bool hidden; /* a folder of the same name takes its place */
};

struct page {
  struct item *items; /* sorted by name, a folder before a file of that name */
  size_t count;
  char *text;          /* names and etags */
  struct posix *posix; /* of items; NULL: none is remembered */
  char *first;         /* first name as the store gave them; "" for an empty page */
  char *last;          /* last one, a folder's with its '/', odd ones too; "" */
  size_t raw;          /* entries as the store counts them */
  bool ordered;        /* they ascend */
  size_t bytes;        /* memory taken */
  uint64_t odd;        /* keys that no name can hold */
  bool marker;         /* the folder's own object is in it */
};

/* Turns a LIST page of `prefix` into items. -EIO: the store broke its contract. */
int page_new(const struct store_page *from, const char *prefix, struct page **out);
void page_free(struct page *p);
/* The item's attributes are these. 0 or -ENOMEM. */
int page_know(struct page *p, struct item *it, const struct posix *posix);
struct item *page_find(const struct page *p, const char *name, bool is_dir);
/* Everything in it stands behind `name`. */
bool page_is_behind(const struct page *p, const char *name);
/* Takes out what stands behind `name`. */
void page_clip(struct page *p, const char *name);
/* 0, -ENAMETOOLONG, -EILSEQ; -EINVAL for "", "." and "..". */
int name_check(const char *name, size_t len);

/* --- listing.c --- */
struct slot {
  char *token;       /* how to ask for this page; NULL: the first */
  bool after;        /* the token is the name that it starts behind */
  char *until;       /* what stands behind this name is the next slot's; NULL: nothing */
  struct page *page; /* NULL: not asked for, or dropped */
  bool settled;      /* its hidden items are marked */
  bool counted;      /* its memory is in the budget */
  unsigned pins;     /* readers that must not lose it now */
  uint64_t odd;      /* keys that no name can hold */
  uint64_t hidden;   /* items hidden */
};

struct listing {
  struct ns *ns;
  struct listing *prev; /* in ns->synced.listings while cached, else in aside */
  struct listing *next;
  unsigned refs;           /* its directory, open handles, calls; all but the first hold dir too */
  unsigned idle;           /* handles among them that are not in the middle of it */
  bool cached;             /* its directory refers to it */
  bool restored;           /* an earlier mount kept it; the store is being asked */
  bool kept;               /* it was given to the shelf */
  bool moved;              /* its directory has another name since */
  struct listing *instead; /* the one before, until a page is here; takes the place again when
                              nobody answers. NULL: none */
  struct node *dir;        /* alive while cached or open */
  char *prefix;
  int64_t asof; /* tick at its start */
  int64_t fresh_until;
  struct slot *slots;
  size_t count; /* slots known so far */
  bool ended;   /* the last slot is the end */
  bool loading;
  bool ahead;          /* a page is being read ahead, or about to be */
  uint64_t asked;      /* pages that brought something new, */
  uint64_t shown;      /* and the entries in them */
  struct lanes *lanes; /* what is read further on at the same time; NULL: nothing */
  uint64_t flight;     /* loads that ended, and how the last one did */
  int flight_err;
  struct flat *flat; /* a walk through its folders; NULL: none */
  char **open_names; /* files shown whose folder may still come */
  size_t open_count;
};

/* A new listing of the directory, which takes the place of its old one; with a
 * reference for the caller, who holds one to dir. NULL: no memory. */
struct listing *listing_new_locked(struct ns *n, struct node *dir);
/* One that does not take the place yet; listing_cache_locked() lets it. */
struct listing *listing_new_aside_locked(struct ns *n, struct node *dir);
void listing_cache_locked(struct listing *l);
/* The listing of a directory that was made just now: nothing is in it. */
void listing_seed_locked(struct ns *n, struct node *dir);
void listing_ref_locked(struct listing *l);
void listing_unref_locked(struct listing *l);
/* The directory, and with `below` those in it, no longer answer from listings. */
void listing_forget_locked(struct ns *n, struct node *dir, bool below);
/* Takes the token on success. */
bool listing_add_slot(struct slot **slots, size_t *count, char *token, bool after);
void listing_slots_free_locked(struct listing *l, struct slot *slots, size_t count);
/* The directory no longer answers from it. */
void listing_uncache_locked(struct listing *l);
/* follow.c: the directory moved; those who read it, or one below it, have to go on elsewhere. */
void listing_moved_locked(struct ns *n, const struct node *dir);
/* The place behind `name`, whether it is there or not: a slot, and an index in its page. Behind
 * everything, the slot is one that there is not. */
int listing_behind_locked(struct listing *l, const char *name, const struct patience *p,
                          size_t *slot, size_t *at);
/* A load of that slot ended so: what failed answers no more, unless nobody was there to answer
 * and something is known. */
void listing_answered_locked(struct listing *l, size_t slot, int rc);
/* Marks a page's hidden items; the page behind it is here, or there is none. */
void listing_settle_locked(struct listing *l, size_t slot);
/* Makes this page, which it takes on success, all of the directory's listing. */
bool listing_adopt_locked(struct ns *n, struct node *dir, struct page *page, int64_t asof,
                          int64_t fresh_until);
/* The directory's listing while it is fresh, else NULL. */
struct listing *listing_fresh_locked(struct ns *n, const struct node *dir);
/* The shown item of that name; NULL when it is not in what is here. */
const struct item *listing_find_locked(const struct listing *l, const char *name);
/* Every page is here, and young enough to say that other names do not exist. */
bool listing_proves_absence_locked(const struct listing *l);

/* --- listing_memory.c --- */
void listing_drop_page_locked(struct listing *l, struct slot *s);
/* Takes memory for the page in a slot, if need be from other pages: of this listing,
 * from those in slots before `early`. */
void listing_count_page_locked(struct listing *l, struct slot *s, size_t early);
void listing_drop_uncounted_locked(struct listing *l, size_t but);

/* --- load.c --- */
/* One page from the store, no lock held. */
int listing_ask(struct listing *l, const char *token, bool after, const struct patience *p,
                struct page **page, char **next);
/* Where the listing goes on behind its last slot, whose page this is. */
int listing_extend_locked(struct listing *l, struct page *page, char **next);
/* Puts a page, which it takes on success, into a slot; *next too, when it is used. */
int listing_install_locked(struct listing *l, size_t slot, struct page *page, char **next);
/* A load of the slot ended so; everybody who waits is told. Takes the page. */
int listing_loaded_locked(struct listing *l, size_t slot, int rc, struct page *page, char **next);
/* Makes a slot's page present; with `settle` its hidden items are marked too.
 * -ERANGE: behind the end. The lock is held on entry and return, not in between. */
int listing_load_locked(struct listing *l, size_t slot, bool settle, const struct patience *p);
/* A reader is in this slot: the page after the next one may be asked for, so that it
 * is here when the reader comes. */
void listing_ahead_locked(struct listing *l, size_t slot);

/* --- lanes.c --- */
/* A page, with the token that came with it, goes beyond a lane's start, or up to it and
 * more follows. (load.c) */
bool lane_is_met(const struct page *page, const char *next, const char *start);
/* Reads on further behind, at the same time, where that is worth it. */
void lanes_plan_locked(struct listing *l);
/* Where the next lane starts; NULL: there is none. */
const char *lanes_start_locked(const struct listing *l);
/* The end was reached before any lane: those that hold nothing are dropped. */
void lanes_end_locked(struct listing *l);
/* The first lane's pages follow: it becomes part of the listing. 0 or -ENOMEM. */
int lanes_join_locked(struct listing *l);
/* The next lane's first page has to be seen before it may be relied on. Then takes the
 * token, lets everybody wait for the lane, and listing_extend_locked() comes again. */
bool lanes_hold_locked(struct listing *l, char **next);
/* The references that lanes under way hold. */
unsigned lanes_refs_locked(const struct listing *l);
void lanes_free_locked(struct listing *l);

/* --- flat.c --- */
/* The directory is about to be listed: where that looks like a walk, its listing
 * may come from one that fills many. The caller holds a reference; the lock is held
 * on entry and return, not in between. */
void flat_fill_locked(struct ns *n, struct node *dir, const struct patience *p);
void flat_free(struct flat *f);
/* The walk through the folder above gave the directory its listing, or goes on behind it. */
bool flat_serves_locked(const struct listing *above, const struct node *dir);

/* --- peeks.c --- */
int peeks_new(struct ns *n);
void peeks_free(struct ns *n);
/* A LIST showed this of the folder; takes the page. whole: it may become its listing. */
void peeks_put_locked(struct ns *n, const struct node *dir, struct page *page, int64_t asof,
                      int64_t fresh_until, bool whole);
/* The item of a folder in it, where that look-up is fresh; NULL: none is known. */
const struct item *peeks_find_locked(struct ns *n, const struct node *dir, const char *name,
                                     int64_t *asof, int64_t *fresh_until);
/* The folder is about to be listed: its listing may be there. */
void peeks_use_locked(struct ns *n, struct node *dir);
void peeks_drop_locked(struct ns *n, const struct node *dir);
void peeks_forget_locked(struct ns *n); /* all of them */

/* --- walks.c --- */
int walks_new(struct ns *n);
void walks_free(struct ns *n);
/* The directory is about to be listed, for a reader: those that follow it may be, too. */
void walks_note_locked(struct ns *n, struct node *dir);

/* --- siblings.c --- */
/* Where a file or folder of that name stands in what is here of the listing: 0 or -ENOENT. */
int siblings_place_locked(const struct listing *l, const char *name, bool is_dir, uint32_t *index);
/* The next item at or behind the index that is here; NULL: none. */
const struct item *siblings_item_locked(const struct listing *l, uint32_t *index);

/* --- shelving.c --- */
/* Shows what an earlier mount kept of the directory, if this one knows nothing of it.
 * open: it is being opened; else a name in it is asked for, and then only folders are
 * shown, of a listing that is not large. The caller holds a reference; the lock is let go
 * of in between. */
void shelving_restore_locked(struct ns *n, struct node *dir, bool open);
/* That listing answers for this item. */
bool shelving_answers_locked(const struct node *dir, const struct listing *l,
                             const struct item *it);
/* A listing that was read: it may be kept. */
void shelving_keep_locked(struct ns *n, struct listing *l);
/* What is kept of the directory is wrong. */
void shelving_unkeep_locked(struct ns *n, struct node *dir);
/* Names that a kept listing showed and the store does not, or not so. */
void shelving_compare_locked(struct ns *n, struct node *dir, const struct listing *old,
                             const struct listing *now);
/* A folder of the root was moved: nothing that was kept is shown any more. */
void shelving_reshaped_locked(struct ns *n, const struct root *r);
/* What is kept of the folders that the key names from its first `from` characters on is
 * forgotten. No lock is held. */
void shelving_drop_path(struct ns *n, const struct root *r, const char *key, size_t from);
/* Does what the functions above left to be done without the lock. */
void shelving_flush(struct ns *n);

#endif
