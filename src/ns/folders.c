/* Times and attributes of directories, as far as this mount itself made them.
 *
 * S3 has no times of folders, and a folder's object is not looked at when its name is
 * found. So what was done here is kept: in the node, in a table that outlives the node
 * (the kernel forgets), and, a second later at the earliest or at the end, in the state,
 * without a version. Nothing of it is sent anywhere. The table is bounded: what was
 * changed least recently goes first, to the state. */
#include <stdlib.h>
#include <string.h>

#include "memo_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/state/known.h"

#define FOLDERS_MAX 4096
#define KEEP_AFTER_MS 1000
#define NS_PER_MS 1000000LL

struct folder {
  UT_hash_handle hh;
  const struct root *root;
  struct posix posix;
  int64_t kept_ms; /* when the state was told last */
  bool unkept;
  char key[]; /* the root's path, a line feed, the key: as the table has it */
};

/* "" is a key too, so what tells roots apart stands in front. */
static char *name_locked(const struct node *i) {
  char *key = node_key_locked(i);
  char *name = key != NULL ? text_printf("%s\n%s", i->root->path, key) : NULL;

  free(key);
  return name;
}

static const char *key_of(const struct folder *f) {
  return strchr(f->key, '\n') + 1;
}

static void drop_locked(struct ns *n, struct folder *f) {
  HASH_DEL(n->synced.folders, f);
#ifndef __clang_analyzer__ /* it takes every entry for the table's last one */
  free(f);
#endif
}

static struct folder *entry_locked(struct ns *n, const struct node *i, const char *name) {
  size_t len = strlen(name) + 1;
  struct folder *f;

  HASH_FIND_STR(n->synced.folders, name, f);
  if (f != NULL)
    return f;
  f = calloc(1, sizeof(*f) + len);
  if (f == NULL)
    return NULL;
  memcpy(f->key, name, len);
  f->root = i->root;
  f->kept_ms = INT64_MIN;
  HASH_ADD_KEYPTR(hh, n->synced.folders, f->key, len - 1, f);
  return f;
}

static void memo_of(struct folder *f, int64_t now, struct memo *out) {
  out->root = f->root;
  out->posix = f->posix;
  out->known = true;
  out->etag[0] = '\0';
  out->key = strdup(key_of(f));
  f->unkept = out->key == NULL;
  f->kept_ms = now;
}

/* The oldest entry makes room; without a place in the memo it stays for now. */
static void shrink_locked(struct ns *n, int64_t now, struct memo *memo) {
  struct folder *oldest = n->synced.folders;

  if (HASH_COUNT(n->synced.folders) <= FOLDERS_MAX)
    return;
  if (oldest->unkept && memo->key != NULL)
    return;
  if (oldest->unkept)
    memo_of(oldest, now, memo);
  drop_locked(n, oldest);
}

void folder_keep_locked(struct ns *n, const struct node *i, bool soon, struct memo *memo) {
  int64_t now = ns_now(n);
  char *name;
  struct folder *f = NULL;

  if (n->state == NULL || i->kind != NODE_DIR || i->posix == NULL || i->gone)
    return;
  name = name_locked(i);
  if (name != NULL)
    f = entry_locked(n, i, name);
  free(name);
  if (f == NULL)
    return;
  f->posix = *i->posix;
  f->unkept = true;
  if (soon || f->kept_ms == INT64_MIN || now - f->kept_ms >= KEEP_AFTER_MS)
    memo_of(f, now, memo);
  shrink_locked(n, now, memo);
}

/* Without memory the times stay as they were. */
void folder_touch_locked(struct ns *n, struct node *i, struct memo *memo) {
  int64_t now = clock_wall_ms(n->clock) * NS_PER_MS;

  if (i->posix == NULL)
    i->posix = calloc(1, sizeof(*i->posix));
  if (i->posix == NULL || i->kind != NODE_DIR)
    return;
  i->posix->has_mtime = i->posix->has_ctime = true;
  i->posix->mtime_ns = i->posix->ctime_ns = now;
  folder_keep_locked(n, i, false, memo);
}

void folder_restore_locked(struct ns *n, struct node *i, const struct posix *kept) {
  struct folder *f = NULL;
  char *name;

  if (i->kind != NODE_DIR || i->posix != NULL || n->state == NULL)
    return;
  name = n->synced.folders != NULL ? name_locked(i) : NULL;
  if (name != NULL)
    HASH_FIND_STR(n->synced.folders, name, f);
  free(name);
  if (f != NULL)
    kept = &f->posix;
  if (kept == NULL)
    return;
  i->posix = malloc(sizeof(*i->posix));
  if (i->posix != NULL)
    *i->posix = *kept;
}

void folder_forget_locked(struct ns *n, const struct node *i) {
  struct folder *f = NULL;
  char *name;

  if (i->kind != NODE_DIR || n->synced.folders == NULL)
    return;
  name = name_locked(i);
  if (name != NULL)
    HASH_FIND_STR(n->synced.folders, name, f);
  if (f != NULL)
    drop_locked(n, f);
  free(name);
}

/* The entry of the same folder under its new key; without memory it is forgotten. */
static void move_one_locked(struct ns *n, struct folder *f, size_t from, const char *to) {
  char *name = text_printf("%s\n%s%s", f->root->path, to, key_of(f) + from);
  const struct node root_of = {.root = f->root};
  struct folder *moved = name != NULL ? entry_locked(n, &root_of, name) : NULL;

  if (moved != NULL) {
    moved->posix = f->posix;
    moved->unkept = true;
  }
  free(name);
  drop_locked(n, f);
}

void folders_moved_locked(struct ns *n, const struct root *r, const char *from, const char *to) {
  struct folder *f;
  struct folder *next;

  HASH_ITER (hh, n->synced.folders, f, next)
    if (f->root == r && strncmp(key_of(f), from, strlen(from)) == 0)
      move_one_locked(n, f, strlen(from), to);
}

void folders_free(struct ns *n) {
  struct folder *f;
  struct folder *next;

  HASH_ITER (hh, n->synced.folders, f, next) {
    struct memo memo = {0};

    if (f->unkept)
      memo_of(f, 0, &memo);
    memo_keep(n, &memo);
    drop_locked(n, f);
  }
}
