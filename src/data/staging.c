/* Staged files: their layers, their journal, and what outlives a crash.
 *
 * A changed file is a stack. At the bottom lies one version of the object (base),
 * or nothing. On it lie layers, each a sparse local file with the bytes that were
 * written (layer.h). A byte is read from the topmost layer that has it; below the
 * last layer's `keep` it shines through from further down; what was cut off and
 * extended again is zeroes. Only the last layer is ever written to, and only
 * while it is `active`.
 *
 * What was acknowledged must not be damaged by what comes after. So an
 * acknowledgement (and the start of a commit) seals the active layer: the next
 * write begins a new one above it. The journal says which layers are
 * acknowledged, and how long the log of the last one was; recovery builds exactly
 * that state, whatever was written later. A commit reads sealed layers only, so it
 * needs no lock while it sends them, and sends one consistent state; when it is
 * done its version becomes the base and the layers it contained are forgotten.
 *
 *   write -> active layer -> (acknowledge or commit) sealed -> in the store
 *
 * Order on disk. A row in the journal comes before the first layer's files, so no
 * files are without an owner. To acknowledge (staging_promise.c): the layers' bytes and
 * logs are synced, then their names, then the row is written durably; what is small goes
 * with the row instead, so that one sync does. After a commit: the
 * row first, then the files go. Whatever falls between two steps is either not
 * acknowledged yet or found again: files below the row's `first` are litter,
 * layers above `acked` are what nobody was promised.
 *
 * Threads: any. One thread at a time changes a file (`changing`), one commits it
 * (`committing`); those are flags with a condition, because both wait for disk or
 * network and no lock may be held then. Readers take a snapshot under the lock and
 * read without it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "s3apfs/base/log.h"
#include "staging_internal.h"

#define DEFAULT_THREADS 16 /* far away each waits a round trip, and its connection has a pace */
#define DEFAULT_PART                                                                               \
  ((size_t)8 << 20) /* above what the service accepts, below what costs memory                     \
                     */
#define HOST_MAX 64

/* --- of the mount --- */

static char *host_name(void) {
  char name[HOST_MAX + 1] = "";

  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
    return strdup("localhost");
  name[strcspn(name, "./")] = '\0';
  return strdup(name);
}

/* Parts in memory leave a quarter of the budget to the reads that fill them. */
static int limit_parts(struct staging *g) {
  size_t largest = g->part_size + g->part_min;
  size_t all = budget_size(g->cache->budget) / 4 * 3;

  return budget_new(all > largest ? all : largest, &g->sending);
}

/* No more than have room at once. */
static unsigned thread_count(const struct staging *g, unsigned wished) {
  size_t fit = budget_size(g->sending) / g->part_size;

  if (fit < 1)
    return 1;
  return fit < wished ? (unsigned)fit : wished;
}

int staging_new(struct state *state, struct cache *cache, const struct staging_options *o,
                struct staging **out) {
  struct staging *g = calloc(1, sizeof(*g));
  int rc;

  if (g == NULL)
    return -ENOMEM;
  staging_over_init(g);
  g->state = state;
  g->cache = cache;
  g->limit = o->size;
  g->stored = o->stored;
  g->stored_arg = o->stored_arg;
  g->part_size = o->part_size != 0 ? o->part_size : DEFAULT_PART;
  g->part_min = o->part_min != 0 ? o->part_min : (size_t)STORE_PART_MIN;
  g->host = o->host != NULL ? strdup(o->host) : host_name();
  rc = g->host != NULL ? limit_parts(g) : -ENOMEM;
  if (rc == 0) {
    g->threads = thread_count(g, o->threads != 0 ? o->threads : DEFAULT_THREADS);
    rc = pool_new("s3apfs-upload", g->threads, &g->pool);
  }
  if (rc != 0) {
    staging_free(g);
    return rc;
  }
  *out = g;
  return 0;
}

void staging_free(struct staging *g) {
  if (g == NULL)
    return;
  pool_free(g->pool);
  staging_drop_over(g);
  staging_over_fini(g);
  budget_free(g->sending);
  free(g->host);
  free(g);
}

uint64_t staging_used(struct staging *g) {
  return atomic_load(&g->used);
}

/* --- bases --- */

int base_new(struct staged *f, const char *key, const struct store_attr *attr, struct base **out) {
  struct base *b = calloc(1, sizeof(*b));
  int rc = 0;

  if (b == NULL)
    return -ENOMEM;
  atomic_init(&b->refs, 1);
  if (attr != NULL) {
    b->present = true;
    b->attr = *attr;
    if (attr->size > 0)
      rc = reader_new(f->staging->cache, f->store, key, attr, &b->reader);
  }
  if (rc != 0) {
    free(b);
    return rc;
  }
  *out = b;
  return 0;
}

void base_ref(struct base *b) {
  atomic_fetch_add(&b->refs, 1);
}

void base_unref(struct base *b) {
  if (b == NULL || atomic_fetch_sub(&b->refs, 1) != 1)
    return;
  reader_free(b->reader);
  free(b);
}

/* --- of one file --- */

void upload_fini(struct upload *u) {
  for (size_t i = 0; i < u->count; i++)
    free(u->parts[i]);
  free(u->id);
  free(u->parts);
  *u = (struct upload){0};
}

static void staged_release(struct staged *f) {
  for (size_t i = 0; i < f->synced.count; i++) {
    atomic_fetch_sub(&f->staging->used, layer_held(f->synced.layers[i]));
    layer_unref(f->synced.layers[i]);
  }
  free(f->synced.layers);
  base_unref(f->synced.base);
  upload_fini(&f->synced.upload);
  kvlist_fini(&f->synced.meta);
  kvlist_fini(&f->synced.headers);
  free(f->synced.key);
  cond_fini(&f->synced.turn);
  mtx_fini(&f->synced.lock);
  free(f);
}

int staged_alloc(struct staging *g, struct store *s, const char *key, const struct store_attr *attr,
                 struct staged **out) {
  struct staged *f = calloc(1, sizeof(*f));
  int rc;

  if (f == NULL)
    return -ENOMEM;
  mtx_init(&f->synced.lock, RANK_INODE);
  cond_init(&f->synced.turn);
  kvlist_init(&f->synced.meta);
  kvlist_init(&f->synced.headers);
  f->staging = g;
  f->store = s;
  f->synced.next_seq = f->synced.first = 1;
  f->synced.key = strdup(key);
  rc = f->synced.key != NULL ? base_new(f, key, attr, &f->synced.base) : -ENOMEM;
  if (rc != 0) {
    staged_release(f);
    return rc;
  }
  f->synced.size = f->synced.base->attr.size;
  *out = f;
  return 0;
}

int staged_new(struct staging *g, struct store *s, const char *key, const struct store_attr *attr,
               struct staged **out) {
  return staged_alloc(g, s, key, attr, out);
}

void staged_free(struct staged *f) {
  if (f == NULL)
    return;
  if (f->synced.key[0] == '\0' && staged_discard(f) != 0)
    log_debug("a file without a name is left to the next mount");
  staged_release(f);
}

uint64_t staged_size(struct staged *f) {
  uint64_t size;

  mtx_lock(&f->synced.lock);
  size = f->synced.size;
  mtx_unlock(&f->synced.lock);
  return size;
}

size_t staged_depth(struct staged *f) {
  size_t count;

  mtx_lock(&f->synced.lock);
  count = f->synced.count;
  mtx_unlock(&f->synced.lock);
  return count;
}

static bool is_kept_locked(const struct staged *f) {
  return f->synced.key[0] != '\0' && !f->synced.lost;
}

static bool differs_locked(const struct staged *f) {
  return f->synced.count > 0 || f->synced.dressed || !f->synced.base->present;
}

bool staged_is_dirty(struct staged *f) {
  bool dirty;

  mtx_lock(&f->synced.lock);
  dirty = is_kept_locked(f) && differs_locked(f);
  mtx_unlock(&f->synced.lock);
  return dirty;
}

bool staged_has_news(struct staged *f) {
  bool has;

  mtx_lock(&f->synced.lock);
  has = !is_kept_locked(f) || f->synced.active ||
        (f->synced.count == 0 && !f->synced.base->present && !f->synced.committing);
  mtx_unlock(&f->synced.lock);
  return has;
}

/* --- the journal --- */

int staged_describe_locked(const struct staged *f, struct journal_file *out) {
  journal_file_init(out);
  out->id = f->synced.id;
  out->domain = strdup(f->store->domain);
  out->key = strdup(f->synced.key);
  out->base_etag = strdup(f->synced.base->present ? f->synced.base->attr.etag : "");
  out->base_size = f->synced.base->attr.size;
  out->first = f->synced.first;
  out->acked = f->synced.acked;
  out->acked_log = f->synced.acked_log;
  out->upload = strdup(f->synced.upload.id != NULL ? f->synced.upload.id : "");
  out->err = f->synced.err;
  out->dressed = f->synced.dressed || f->synced.dressing;
  out->expect_layer = f->synced.expect.layer;
  out->expect_size = f->synced.expect.size;
  out->expect_crc64nvme = f->synced.expect.crc;
  out->expect_has_crc64nvme = f->synced.expect.has_crc;
  out->expect_etag = strdup(f->synced.expect.etag);
  if (out->expect_etag == NULL || out->domain == NULL || out->key == NULL ||
      out->base_etag == NULL || out->upload == NULL ||
      kvlist_copy(&out->meta, &f->synced.meta) != 0 ||
      kvlist_copy(&out->headers, &f->synced.headers) != 0) {
    journal_file_fini(out);
    return -ENOMEM;
  }
  return 0;
}

/* Rows must reach the journal in the order in which they were described. */
static int note_begin(struct staged *f, struct journal_file *row) {
  int rc;

  mtx_lock(&f->synced.lock);
  while (f->synced.noting)
    cond_wait(&f->synced.turn, &f->synced.lock);
  rc = staged_describe_locked(f, row);
  f->synced.noting = rc == 0;
  mtx_unlock(&f->synced.lock);
  return rc;
}

static void note_end(struct staged *f, int64_t id) {
  mtx_lock(&f->synced.lock);
  f->synced.id = id;
  f->synced.noting = false;
  cond_broadcast(&f->synced.turn);
  mtx_unlock(&f->synced.lock);
}

int64_t staged_id(struct staged *f) {
  int64_t id;

  mtx_lock(&f->synced.lock);
  id = f->synced.id;
  mtx_unlock(&f->synced.lock);
  return id;
}

int staged_note(struct staged *f, enum state_sync sync) {
  struct journal_file row;
  int64_t before;
  int rc = note_begin(f, &row);

  if (rc != 0)
    return rc;
  before = row.id;
  if (row.id != 0)
    rc = journal_put_file(f->staging->state, &row, sync);
  else
    rc = journal_add_file(f->staging->state, &row, sync);
  note_end(f, rc == 0 ? row.id : before);
  journal_file_fini(&row);
  if (rc == 0)
    staging_drop_over(f->staging);
  return rc;
}

int staged_note_with(struct staged *f, struct journal_change *c) {
  struct journal_file row;
  int rc = note_begin(f, &row);

  if (rc != 0)
    return rc;
  if (row.id != 0)
    rc = journal_put_file_and_change(f->staging->state, &row, c, STATE_LAZY);
  else
    rc = journal_add_change(f->staging->state, c, STATE_LAZY);
  note_end(f, row.id);
  journal_file_fini(&row);
  return rc;
}

int staged_note_promise(struct staged *f, const struct journal_layer *layers, size_t count) {
  struct journal_file row;
  int64_t before;
  int rc = note_begin(f, &row);

  if (rc != 0)
    return rc;
  before = row.id;
  rc = journal_promise_file(f->staging->state, &row, layers, count);
  note_end(f, rc == 0 ? row.id : before);
  journal_file_fini(&row);
  if (rc == 0)
    staging_drop_over(f->staging);
  return rc;
}

int staged_forget(struct staged *f) {
  struct journal_file row;
  int rc = note_begin(f, &row);

  if (rc != 0)
    return rc;
  if (row.id != 0)
    rc = journal_drop_file(f->staging->state, row.id, STATE_LAZY);
  if (rc != 0)
    rc = staging_over_add(f->staging, row.id);
  note_end(f, rc == 0 ? 0 : row.id);
  journal_file_fini(&row);
  return rc;
}

void staged_drop_layers(struct staged *f, uint32_t seq) {
  struct layer *gone;

  do {
    gone = NULL;
    mtx_lock(&f->synced.lock);
    if (f->synced.count > 0 && f->synced.layers[0]->seq <= seq) {
      gone = f->synced.layers[0];
      f->synced.count--;
      memmove(f->synced.layers, f->synced.layers + 1, f->synced.count * sizeof(struct layer *));
      if (f->synced.count == 0)
        f->synced.active = false;
    }
    mtx_unlock(&f->synced.lock);
    if (gone != NULL) {
      atomic_fetch_sub(&f->staging->used, layer_held(gone));
      layer_remove_files(gone);
      layer_unref(gone);
    }
  } while (gone != NULL);
}

int staged_dress(struct staged *f, const struct kvlist *meta, bool dirty) {
  int rc = change_begin(f);

  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  for (size_t i = 0; rc == 0 && i < meta->count; i++) {
    const char *had = kvlist_get_ci(&f->synced.meta, meta->items[i].name);

    if (had != NULL && strcmp(had, meta->items[i].value) == 0)
      continue;
    f->synced.promised = false;
    rc = kvlist_set_ci(&f->synced.meta, meta->items[i].name, meta->items[i].value);
  }
  f->synced.dressed = f->synced.dressed || dirty;
  mtx_unlock(&f->synced.lock);
  if (rc == 0 && dirty)
    rc = staged_note(f, STATE_LAZY);
  change_end(f);
  return rc;
}
