/* User metadata of objects, as HEADs told it: what extended attributes are.
 *
 * No listing tells it, so it costs a HEAD for each object, once: the answer is kept
 * by version, etag and LastModified (a change of nothing but metadata leaves the etag
 * as it was), and answers as long as the node, fresh as its root wants it, has that
 * version. LastModified counts seconds, so what was told of a version within its first
 * ones may be changed without a trace, and ages like everything else.
 *
 * Who asks for one file after the other in listing order (rsync -X, getfattr -R) has
 * the following ones asked for ahead, side by side.
 *
 * An entry is made when its HEAD is sent and bears the tick of that: an own change of
 * the object drops the entry, so that an answer which was on its way is nobody's.
 * The oldest make room. Jobs run in the pool of calls to stores. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

#define BYTES_MAX ((size_t)4 << 20) /* 20,000 objects without metadata */
#define NEAR 8                      /* behind another one: places in between may be folders */
#define AHEAD_EACH 2                /* for each file in a row */
#define AHEAD_MAX 24                /* the pool has more threads: somebody else may want one */
#define YOUNG_S 2
#define RESTARTS_MAX 8

enum call_state { ASKING, TOLD, FAILED };

struct entry {
  UT_hash_handle hh;
  uint64_t ino;
  const struct root *root;
  int64_t tick; /* of the call */
  enum call_state state;
  int err;             /* FAILED */
  int64_t mtime;       /* TOLD: of the version, with its etag */
  int64_t fresh_until; /* INT64_MAX: as long as that is the version */
  size_t bytes;
  char *text; /* kvlist_to_text() */
  char etag[STORE_ETAG_MAX];
};

struct metadata {
  struct entry *entries; /* by ino, oldest first */
  size_t bytes;
  unsigned asking;
  uint64_t dir; /* where the last one asked for stands */
  int64_t listing;
  uint32_t index;
  unsigned run; /* how many before it were asked for in order */
};

struct job {
  struct ns *ns;
  const struct root *root;
  uint64_t ino;
  int64_t tick;
  char *key;
};

int metadata_new(struct ns *n) {
  n->synced.metadata = calloc(1, sizeof(*n->synced.metadata));
  return n->synced.metadata != NULL ? 0 : -ENOMEM;
}

static struct entry *find_locked(struct ns *n, uint64_t ino) {
  struct entry *e;

  HASH_FIND(hh, n->synced.metadata->entries, &ino, sizeof(ino), e);
  return e;
}

static struct entry *find_call_locked(struct ns *n, uint64_t ino, int64_t tick) {
  struct entry *e = find_locked(n, ino);

  return e != NULL && e->tick == tick ? e : NULL;
}

static void drop_locked(struct ns *n, struct entry *e) {
  struct metadata *m = n->synced.metadata;

  m->bytes -= e->bytes;
  m->asking -= e->state == ASKING;
  HASH_DEL(m->entries, e);
  free(e->text);
#ifndef __clang_analyzer__ /* it takes every entry for the table's last one */
  free(e);
#endif
}

void metadata_free(struct ns *n) {
  struct entry *e;
  struct entry *next;

  if (n->synced.metadata == NULL)
    return;
  HASH_ITER (hh, n->synced.metadata->entries, e, next)
    drop_locked(n, e);
  free(n->synced.metadata);
}

void metadata_drop_locked(struct ns *n, const struct node *i) {
  struct entry *e = find_locked(n, i->ino);

  if (e == NULL)
    return;
  if (e->state == ASKING)
    cond_broadcast(&n->synced.loaded);
  drop_locked(n, e);
}

static void make_room_locked(struct ns *n) {
  struct entry *e;
  struct entry *next;

  HASH_ITER (hh, n->synced.metadata->entries, e, next) {
    if (n->synced.metadata->bytes <= BYTES_MAX)
      break;
    if (e->state != ASKING)
      drop_locked(n, e);
  }
}

/* --- asking -------------------------------------------------------------------------------- */

static void job_free(struct job *j) {
  free(j->key);
  free(j);
}

static void take_locked(struct job *j, struct entry *e, int err, const struct store_attr *attr,
                        char **text) {
  struct ns *n = j->ns;
  const struct root_options *o = &j->root->options;
  bool young = clock_wall_ms(n->clock) / 1000 < attr->mtime + YOUNG_S;

  n->synced.metadata->asking--;
  e->state = err == 0 ? TOLD : FAILED;
  e->err = err;
  if (err == 0) {
    memcpy(e->etag, attr->etag, sizeof(e->etag));
    e->mtime = attr->mtime;
    e->fresh_until = young ? ns_now(n) + o->metadata_ttl_ms : INT64_MAX;
    e->text = *text;
    *text = NULL;
    e->bytes += strlen(e->text);
    n->synced.metadata->bytes += strlen(e->text);
  }
  make_room_locked(n);
}

/* It may have more to tell than what was asked for. */
static void teach_locked(struct job *j, const struct store_attr *attr, const struct posix *posix) {
  struct node *i = node_find_locked(j->ns, j->ino);
  const struct root_options *o = &j->root->options;

  if (i == NULL || i->root != j->root || i->kind != node_kind_of(posix, attr->size))
    return; /* another type: the name has to be looked up again */
  node_update_locked(i, attr, posix, j->tick, ns_now(j->ns) + o->metadata_ttl_ms);
}

static int run_head(const struct job *j, struct store_attr *attr, struct posix *posix,
                    char **text) {
  struct store *s = j->root->store;
  struct kvlist meta;
  struct buf b;
  int err;

  kvlist_init(&meta);
  buf_init(&b, 0);
  err = s->ops->head(s, j->key, attr, &meta);
  if (err == 0) {
    kvlist_to_text(&meta, &b);
    err = buf_error(&b);
  }
  if (err == 0) {
    posix_from_meta(&meta, posix);
    *text = strdup(buf_cstr(&b));
    err = *text != NULL ? 0 : -ENOMEM;
  }
  buf_fini(&b);
  kvlist_fini(&meta);
  return err;
}

static void job_run(void *arg) {
  struct job *j = arg;
  struct ns *n = j->ns;
  bool posix_off = j->root->options.posix == ROOT_POSIX_OFF;
  struct store_attr attr = {0};
  struct posix posix = {0};
  char *text = NULL;
  struct entry *e;
  int err;

  atomic_fetch_add(&n->heads, 1);
  err = run_head(j, &attr, &posix, &text);
  mtx_lock(&n->synced.lock);
  e = find_call_locked(n, j->ino, j->tick);
  if (e != NULL)
    take_locked(j, e, err, &attr, &text);
  if (e != NULL && err == 0 && !posix_off)
    teach_locked(j, &attr, &posix);
  cond_broadcast(&n->synced.loaded);
  mtx_unlock(&n->synced.lock);
  free(text);
  job_free(j);
}

/* Sends a HEAD; takes the key. In place of what was there. */
static int ask_locked(struct ns *n, const struct root *root, uint64_t ino, char *key,
                      int64_t *tick) {
  struct metadata *m = n->synced.metadata;
  struct entry *e = find_locked(n, ino);
  struct job *j = calloc(1, sizeof(*j));
  int rc = -ENOMEM;

  if (e != NULL)
    drop_locked(n, e);
  e = calloc(1, sizeof(*e));
  if (e != NULL && j != NULL && key != NULL) {
    *tick = ns_tick_locked(n);
    *e = (struct entry){.ino = ino, .root = root, .tick = *tick, .bytes = sizeof(*e)};
    *j = (struct job){.ns = n, .root = root, .ino = ino, .tick = *tick, .key = key};
    rc = pool_submit(n->pool, job_run, j);
  }
  if (rc != 0) {
    free(e);
    free(j);
    free(key);
    return rc;
  }
  HASH_ADD(hh, m->entries, ino, sizeof(e->ino), e);
  m->bytes += e->bytes;
  m->asking++;
  return 0;
}

/* --- ahead --------------------------------------------------------------------------------- */

static bool fits_locked(struct ns *n, const struct entry *e, const struct root *root,
                        const char *etag, int64_t mtime) {
  return e != NULL && e->state == TOLD && e->root == root && e->mtime == mtime &&
         e->fresh_until > ns_now(n) && strcmp(e->etag, etag) == 0;
}

static void ask_item_locked(struct ns *n, const struct listing *l, const struct item *it) {
  uint64_t ino = node_child_ino_locked(n, l->dir, it->name, NODE_FILE);
  const struct entry *e = find_locked(n, ino);
  int64_t tick;

  if (e != NULL && (e->state != TOLD || fits_locked(n, e, l->dir->root, it->etag, it->mtime)))
    return; /* what failed is nobody's failure until it is asked for itself */
  (void)ask_locked(n, l->dir->root, ino, text_printf("%s%s", l->prefix, it->name), &tick);
}

/* Files that follow the node in its listing are likely to be asked for next. */
static void ahead_locked(struct ns *n, const struct node *i) {
  struct metadata *m = n->synced.metadata;
  const struct listing *l = i->gone ? NULL : listing_fresh_locked(n, i->parent);
  const struct item *it;
  unsigned count;
  uint32_t index;

  if (l == NULL || siblings_place_locked(l, i->name, false, &index) != 0)
    return;
  if (m->dir != i->parent->ino || m->listing != l->asof || index < m->index ||
      index - m->index > NEAR)
    m->run = 0;
  else if (index > m->index)
    m->run++;
  m->dir = i->parent->ino;
  m->listing = l->asof;
  m->index = index;
  count = m->run * AHEAD_EACH < AHEAD_MAX ? m->run * AHEAD_EACH : AHEAD_MAX;
  for (; count > 0 && m->asking < AHEAD_MAX; count--) {
    index++;
    it = siblings_item_locked(l, &index);
    if (it == NULL)
      break;
    if (!it->is_dir && !it->hidden)
      ask_item_locked(n, l, it);
  }
}

/* --- answers ------------------------------------------------------------------------------- */

/* The call that the tick belongs to has ended, or was overtaken. */
static int wait_locked(struct ns *n, uint64_t ino, int64_t tick, const struct patience *p) {
  const struct entry *e;
  int rc = 0;

  while (rc == 0 && (e = find_call_locked(n, ino, tick)) != NULL && e->state == ASKING) {
    patience_wait(p, &n->synced.loaded, &n->synced.lock);
    e = find_call_locked(n, ino, tick);
    if (e == NULL || e->state != ASKING)
      break;
    mtx_unlock(&n->synced.lock);
    rc = patience_check(p);
    mtx_lock(&n->synced.lock);
  }
  return rc;
}

/* One call, or the one that is under way; -ERESTART: it was overtaken. */
static int ask_and_wait_locked(struct ns *n, struct node *i, const struct patience *p,
                               struct kvlist *out) {
  const struct entry *e = find_locked(n, i->ino);
  bool join = e != NULL && e->state == ASKING && i->root->options.metadata_ttl_ms > 0;
  int64_t tick = join ? e->tick : 0;
  int rc = join ? 0 : ask_locked(n, i->root, i->ino, node_key_locked(i), &tick);

  if (rc == 0 && i->root->options.metadata_ttl_ms > 0)
    ahead_locked(n, i);
  if (rc == 0)
    rc = wait_locked(n, i->ino, tick, p);
  if (rc != 0)
    return rc;
  e = find_call_locked(n, i->ino, tick);
  if (e == NULL)
    return -ERESTART;
  return e->state == TOLD ? kvlist_from_text(e->text, out) : e->err;
}

struct wish {
  const struct patience *patience;
  struct kvlist *out;
};

/* The node is fresh, and has a reference. */
static int use_metadata(struct ns *n, struct node *i, void *arg) {
  const struct wish *w = arg;
  const struct entry *e;
  int rc = -ERESTART;

  if (node_is_dir(i))
    return 0; /* folders show none */
  if (i->local && (i->file.etag == NULL || i->file.etag[0] == '\0'))
    return 0; /* the store has no such object yet */
  e = find_locked(n, i->ino);
  if (i->file.etag != NULL && fits_locked(n, e, i->root, i->file.etag, i->file.mtime)) {
    if (i->root->options.metadata_ttl_ms > 0)
      ahead_locked(n, i);
    return kvlist_from_text(find_locked(n, i->ino)->text, w->out);
  }
  if (outage_at_locked(n, i) != 0)
    return -EIO; /* nobody is there to be asked */
  for (int k = 0; k < RESTARTS_MAX && rc == -ERESTART; k++)
    rc = ask_and_wait_locked(n, i, w->patience, w->out);
  return rc == -ERESTART ? -EIO : rc;
}

int ns_get_metadata(struct ns *n, uint64_t ino, const struct patience *p, struct kvlist *out) {
  struct wish w = {.patience = p, .out = out};

  return ns_use_fresh(n, ino, p, use_metadata, &w);
}

int ns_known_metadata(struct ns *n, uint64_t ino, struct kvlist *out) {
  const struct node *i;
  const struct entry *e;
  int rc = 0;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  e = i != NULL && !node_is_dir(i) ? find_locked(n, ino) : NULL;
  if (e != NULL && i->file.etag != NULL && fits_locked(n, e, i->root, i->file.etag, i->file.mtime))
    rc = kvlist_from_text(e->text, out);
  mtx_unlock(&n->synced.lock);
  return i != NULL ? rc : -ESTALE;
}
