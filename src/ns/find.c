/* How names and attributes are found.
 *
 * What is known and young enough is used: the directory's listing, the node of
 * the name, the note that it is absent. Otherwise the store is asked, with a HEAD
 * of the key and a LIST of a few entries below "key/", at once: that costs a little
 * more than asking one after the other, but one round trip for each step of a
 * path. When both exist the folder wins; what was seen of it may become its listing
 * (peeks.c).
 *
 * Where LIST is denied nothing tells an absent name from a folder, and a HEAD
 * answers 403 for either. Such a name is a directory that can be passed, so that
 * paths to known objects work; opening it is denied. In a root whose listings
 * were never answered the HEAD is asked alone first, and after a few denials LIST
 * is not asked for names any more: denials show in the owner's logs.
 *
 * A HEAD that is denied where LIST is allowed hides one object only (its tags or
 * key may be the reason): its attributes come from a LIST of exactly its key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "find_question.h"
#include "memo_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/escape.h"

#define RESTARTS_MAX 8
/* Hidden in listings, so not found either. */
#define KEEP_FILE ".s3keep"

/* LIST does not tell links, fifos and sockets from files; a HEAD of the same version may have. */
enum node_kind find_item_kind_locked(struct ns *n, struct node *dir, const struct item *it) {
  static const enum node_kind unlisted[] = {NODE_LINK, NODE_FIFO, NODE_SOCKET};

  if (it->is_dir)
    return NODE_DIR;
  if (it->posix != NULL && it->posix->has_mode)
    return node_kind_of(it->posix, it->size);
  for (size_t k = 0; k < sizeof(unlisted) / sizeof(unlisted[0]); k++) {
    const struct node *i = node_child_locked(n, dir, it->name, unlisted[k]);

    if (i != NULL && i->file.etag != NULL && it->etag[0] != '\0' &&
        strcmp(i->file.etag, it->etag) == 0)
      return unlisted[k];
  }
  return NODE_FILE;
}

static struct node *attach_locked(struct ns *n, struct node *dir, const struct item *it,
                                  int64_t asof, int64_t fresh_until) {
  struct store_attr a = {.size = it->size, .mtime = it->mtime, .archived = it->archived};
  struct node *i = node_make_locked(n, dir, it->name, find_item_kind_locked(n, dir, it));

  if (i == NULL)
    return NULL;
  memcpy(a.etag, it->etag, strlen(it->etag) + 1);
  if (!node_update_locked(i, &a, it->posix, asof, fresh_until)) {
    node_settle_locked(n, i);
    return NULL;
  }
  folder_restore_locked(n, i, it->posix);
  return i;
}

struct node *find_attach_locked(struct ns *n, struct node *dir, const struct item *it,
                                const struct listing *l) {
  return attach_locked(n, dir, it, l->asof, l->fresh_until);
}

/* A folder that the look-up of the one above it saw: of folders a listing tells all there is. */
static struct node *find_peeked_locked(struct ns *n, struct node *dir, const char *name) {
  int64_t asof;
  int64_t fresh_until;
  const struct item *it = peeks_find_locked(n, dir, name, &asof, &fresh_until);

  return it != NULL ? attach_locked(n, dir, it, asof, fresh_until) : NULL;
}

static struct node *fresh_child_locked(struct ns *n, struct node *dir, const char *name) {
  struct node *newest = NULL;

  for (int kind = NODE_DIR; kind < NODE_KINDS; kind++) {
    struct node *i = node_child_locked(n, dir, name, kind);

    if (i != NULL && stands_locked(n, i, i->fresh_until) &&
        (newest == NULL || i->asof > newest->asof))
      newest = i;
  }
  return newest;
}

/* The object beside a folder: listings have it under its plain name, hidden. */
static bool is_twin(const struct node *dir, const char *name) {
  return dir->root->options.escaped && text_has_prefix(name, ESCAPE_TWIN);
}

/* What is known: 0 and the node, -errno, or -EAGAIN. */
static int find_known_locked(struct ns *n, struct node *dir, const char *name, struct node **out) {
  struct listing *l = is_twin(dir, name) ? NULL : listing_fresh_locked(n, dir);
  const struct item *it = l != NULL ? listing_find_locked(l, name) : NULL;
  const struct note *t = notes_find_locked(dir, name);
  int64_t since = l != NULL ? l->asof : INT64_MIN;
  struct node *i = NULL;
  int err;

  if (it != NULL && !shelving_answers_locked(dir, l, it))
    it = NULL;
  if (note_is_newer(t, since)) {
    it = NULL;
    since = t->tick;
  }
  err = absent_get_locked(n, node_child_hash(dir, name), since);
  if (err != 0)
    return err;
  if (it != NULL) {
    i = find_attach_locked(n, dir, it, l);
    if (i == NULL)
      return -ENOMEM;
    if (!stands_locked(n, i, i->fresh_until)) {
      node_settle_locked(n, i);
      return -EAGAIN;
    }
  } else {
    i = fresh_child_locked(n, dir, name);
  }
  if (i == NULL && l == NULL && !is_twin(dir, name))
    i = find_peeked_locked(n, dir, name);
  if (i == NULL && t != NULL && t->present && t->tick == since)
    return -EAGAIN; /* made here, and forgotten by the kernel */
  if (i == NULL)
    return l != NULL && listing_proves_absence_locked(l) ? -ENOENT : -EAGAIN;
  *out = i;
  return 0;
}

static int64_t ttl_of(const struct node *dir, const struct answer *a) {
  return a->unprovable ? dir->root->options.negative_ttl_ms : dir->root->options.metadata_ttl_ms;
}

static int note_answer_locked(struct ns *n, struct node *dir, const char *name,
                              const struct answer *a, int64_t asof, struct node **out) {
  struct node *i = node_make_locked(n, dir, name, a->kind);
  int64_t now = ns_now(n);

  if (i == NULL)
    return -ENOMEM;
  if (a->denied && a->kind == NODE_DIR)
    i->dir.denied_until = now + dir->root->options.metadata_ttl_ms;
  if (!node_update_locked(i, &a->attr, a->has_posix ? &a->posix : NULL, asof,
                          now + ttl_of(dir, a))) {
    node_settle_locked(n, i);
    return -ENOMEM;
  }
  if (a->kind == NODE_DIR)
    i->marker |= a->marker;
  folder_restore_locked(n, i, a->has_posix ? &a->posix : NULL);
  absent_drop_locked(n, node_child_hash(dir, name));
  *out = i;
  return 0;
}

/* The open that follows a look-up need not ask the same again. */
static void note_told_locked(struct ns *n, const struct node *i, const struct answer *a) {
  if (a->has_posix && node_kind_is_object(i->kind))
    n->synced.told = (struct told){i->ino, i->asof, ns_now(n)};
}

/* As note_answer_locked(), of an answer of the store. */
static int take_answer_locked(struct ns *n, struct node *dir, const char *name, struct answer *a,
                              int64_t asof, struct node **out) {
  int rc = note_answer_locked(n, dir, name, a, asof, out);

  if (rc == 0)
    note_told_locked(n, *out, a);
  if (rc == 0 && a->kind == NODE_DIR && a->all != NULL) {
    peeks_put_locked(n, *out, a->all, asof, ns_now(n) + ttl_of(dir, a), true);
    a->all = NULL;
  }
  return rc;
}

static bool folder_denied_locked(struct ns *n, struct node *dir, const char *name) {
  struct node *i = node_child_locked(n, dir, name, NODE_DIR);

  return i != NULL && i->dir.denied_until > ns_now(n);
}

/* Something was done to the name while the store was asked: the answer is old. */
static int overtaken_locked(struct ns *n, struct node *dir, const struct note *t,
                            struct node **out) {
  struct node *i = t->present ? node_child_locked(n, dir, t->name, t->kind) : NULL;

  if (!t->present)
    return -ENOENT;
  if (i == NULL || i->fresh_until <= ns_now(n))
    return -ERESTART;
  *out = i;
  return 0;
}

/* In a folder where names are being made, more absent names will be asked for: one
 * listing of all of it costs a round trip too, and answers them all. */
static bool relisting_pays_locked(struct ns *n, const struct node *dir) {
  const struct listing *l = dir->dir.listing;
  int64_t now = ns_now(n);

  if (dir->dir.denied_until > now || dir->dir.big_until > now ||
      !n->synced.roots[dir->root->index].listed)
    return false;
  if (l != NULL)
    return l->count == 1 && !l->restored && (l->ended || l->loading);
  return dir->dir.notes != NULL;
}

/* -ENOENT: the folder's first page is all of it, and the name is not there. */
static int find_absent_locked(struct ns *n, struct node *dir, const char *name,
                              const struct patience *p) {
  struct listing *l = listing_fresh_locked(n, dir);
  const struct note *t;
  int rc;

  if (l != NULL && l->loading)
    listing_ref_locked(l);
  else
    l = listing_new_locked(n, dir);
  if (l == NULL)
    return -ENOMEM;
  rc = listing_load_locked(l, 0, false, p);
  t = notes_find_locked(dir, name);
  if (rc == 0 && !l->ended)
    dir->dir.big_until = ns_now(n) + dir->root->options.metadata_ttl_ms;
  if (rc == 0 && l->ended && l->cached && listing_find_locked(l, name) == NULL &&
      !note_is_newer(t, l->asof))
    rc = -ENOENT;
  listing_unref_locked(l);
  return rc;
}

/* What the store does not say any more cannot stand in for it. */
static void take_back_locked(struct ns *n, struct node *dir, const char *name) {
  for (int kind = NODE_DIR; kind < NODE_KINDS; kind++) {
    struct node *i = node_child_locked(n, dir, name, kind);

    if (i != NULL && i->fresh_until <= ns_now(n))
      i->fresh_until = INT64_MIN;
  }
}

static void take_absence_locked(struct ns *n, struct node *dir, const char *name, int err,
                                int64_t asof) {
  absent_put_locked(n, node_child_hash(dir, name), err, asof, dir->root->options.negative_ttl_ms);
  take_back_locked(n, dir, name);
}

/* The folder, or one above it, got another name meanwhile: what was asked about is elsewhere. */
static bool is_elsewhere_locked(const struct node *dir, const struct question *q) {
  char *above = node_key_locked(dir);
  size_t len = above != NULL ? strlen(above) : 0;
  bool elsewhere = above == NULL || q->key == NULL || strncmp(q->key, above, len) != 0 ||
                   strchr(q->key + len, '/') != NULL;

  free(above);
  return elsewhere;
}

static int find_remote_locked(struct ns *n, struct node *dir, const char *name,
                              const struct patience *p, struct node **out) {
  bool denied = folder_denied_locked(n, dir, name);
  int64_t asof = ns_tick_locked(n);
  struct answer a = {0};
  const struct note *t;
  struct question q;
  int rc;

  rc = question_init_locked(&q, n, dir, name, p);
  mtx_unlock(&n->synced.lock);
  if (rc == 0)
    rc = question_ask(&q, denied, &a);
  if (rc == 0 && a.kind == NODE_DIR)
    a.has_posix = memo_find(n, q.root, q.folder, &a.posix);
  mtx_lock(&n->synced.lock);
  t = notes_find_locked(dir, name);
  if ((rc == 0 || rc == -ENOENT) && is_elsewhere_locked(dir, &q))
    rc = -ERESTART;
  else if ((rc == 0 || rc == -ENOENT) && note_is_newer(t, asof))
    rc = overtaken_locked(n, dir, t, out);
  else if (rc == 0)
    rc = take_answer_locked(n, dir, name, &a, asof, out);
  else if (rc == -ENOENT || rc == -EACCES)
    take_absence_locked(n, dir, name, rc, asof);
  question_fini(&q);
  page_free(a.all);
  return rc;
}

static int find_above_locked(struct ns *n, struct node *dir, const char *name, struct node **out) {
  *out = root_child_locked(n, dir, name);
  return *out != NULL ? 0 : -ENOENT;
}

/* What was known before the store was asked and did not answer. */
static int find_standing_locked(struct ns *n, struct node *dir, const char *name, int err,
                                struct node **out) {
  int rc = find_known_locked(n, dir, name, out);

  return rc == -EAGAIN ? err : rc;
}

static int find_locked(struct ns *n, struct node *dir, const char *name, const struct patience *p,
                       struct node **out) {
  int rc;

  if (!node_is_dir(dir))
    return -ENOTDIR;
  if (node_is_retired(dir))
    return -ENOENT;
  if (dir->kind == NODE_ABOVE)
    return find_above_locked(n, dir, name, out);
  if (strcmp(name, KEEP_FILE) == 0)
    return -ENOENT;
  shelving_restore_locked(n, dir, false);
  rc = -ERESTART;
  for (int i = 0; i < RESTARTS_MAX && rc == -ERESTART; i++) {
    rc = find_known_locked(n, dir, name, out);
    if (rc == -EAGAIN && outage_at_locked(n, dir) != 0)
      return -EIO; /* nobody is there to be asked */
    if (rc == -EAGAIN && !is_twin(dir, name) && relisting_pays_locked(n, dir) &&
        find_absent_locked(n, dir, name, p) == -ENOENT)
      return -ENOENT;
    if (rc == -EAGAIN)
      rc = find_remote_locked(n, dir, name, p, out);
    if (outage_is_no_answer(rc) && rc != -ERESTART && outage_at_locked(n, dir) != 0)
      return find_standing_locked(n, dir, name, rc, out);
  }
  return rc == -ERESTART ? -EIO : rc;
}

int ns_lookup(struct ns *n, uint64_t parent, const char *name, const struct patience *p,
              struct ns_attr *out) {
  struct node *dir;
  struct node *i;
  int rc = name_check(name, strlen(name));

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, parent);
  if (dir == NULL) {
    mtx_unlock(&n->synced.lock);
    return -ESTALE;
  }
  node_ref_locked(dir);
  n->synced.told = (struct told){0}; /* that was another call */
  rc = find_locked(n, dir, name, p, &i);
  if (rc == 0) {
    i->nlookup++;
    node_attr_locked(n, i, out);
  }
  node_unref_locked(n, dir);
  mtx_unlock(&n->synced.lock);
  return rc;
}

static int refresh_remote_locked(struct ns *n, struct node *i, const struct patience *p) {
  bool denied = i->kind == NODE_DIR && i->dir.denied_until > ns_now(n);
  int64_t asof = ns_tick_locked(n);
  struct answer a = {.kind = i->kind, .unprovable = true};
  struct node *same;
  struct question q;
  bool elsewhere;
  int rc;

  if (denied)
    return note_answer_locked(n, i->parent, i->name, &a, asof, &same);
  rc = question_init_locked(&q, n, i->parent, i->name, p);
  mtx_unlock(&n->synced.lock);
  if (rc == 0)
    rc = node_is_dir(i) ? question_ask_dir(&q, &a) : question_ask_file(&q, &a);
  mtx_lock(&n->synced.lock);
  elsewhere = rc != -ENOMEM && !i->gone && is_elsewhere_locked(i->parent, &q);
  question_fini(&q);
  if (i->gone || i->local || i->asof > asof || elsewhere) {
    page_free(a.all);
    return 0; /* meanwhile something newer is known */
  }
  if (rc == 0)
    rc = take_answer_locked(n, i->parent, i->name, &a, asof, &same);
  page_free(a.all);
  if (rc == 0 && same != i) {
    node_settle_locked(n, same);
    return -ESTALE; /* another type: the name has to be looked up again */
  }
  if (rc == -ENOENT)
    absent_put_locked(n, node_child_hash(i->parent, i->name), rc, asof,
                      i->root->options.negative_ttl_ms);
  return rc;
}

int find_refresh_locked(struct ns *n, struct node *i, const struct patience *p) {
  struct listing *l;
  const struct item *it;
  int rc;

  if (i->gone || stands_locked(n, i, i->fresh_until))
    return 0;
  l = listing_fresh_locked(n, i->parent);
  it = l != NULL ? listing_find_locked(l, i->name) : NULL;
  if (it != NULL && shelving_answers_locked(i->parent, l, it) &&
      !note_is_newer(notes_find_locked(i->parent, i->name), l->asof) &&
      find_item_kind_locked(n, i->parent, it) == i->kind) {
    find_attach_locked(n, i->parent, it, l);
    if (stands_locked(n, i, i->fresh_until))
      return 0;
  }
  if (outage_at_locked(n, i) != 0)
    return -EIO;
  rc = refresh_remote_locked(n, i, p);
  if ((rc == -EACCES || rc == -ENOKEY || rc == -ENOENT) && i->fresh_until <= ns_now(n))
    i->fresh_until = INT64_MIN; /* taken back */
  return outage_is_no_answer(rc) && stands_locked(n, i, i->fresh_until) ? 0 : rc;
}
