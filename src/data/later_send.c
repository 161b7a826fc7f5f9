/* Names behind: the thread that sends, and the journal.
 *
 * It takes what is at the head of the queue and of one kind: removals go in one request where
 * the service takes that, folders' objects side by side. What may pass is tried again, at
 * growing intervals, before anything behind it; what cannot succeed is given up with a line in
 * the log, because nobody waits for its errno any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"

#define REMOVALS_MAX 1000
#define FOLDERS_MAX 64
#define FOLDER_THREADS 8
#define PAUSE_MS 500
#define PAUSE_MAX_MS 30000
/* An object that another host put there so long before it was removed here was meant. */
#define MEANT_S 2
#define REMOVE "remove" /* in the journal */
#define FOLDER "folder"
#define FOLDER_TYPE "application/x-directory"

/* --- the journal --- */

/* A row to be written is only read. */
static char *constant(const char *text) {
  return (char *)(uintptr_t)text;
}

int later_accept(struct later *l, struct later_change *c) {
  struct buf detail;
  struct journal_change row = {.domain = l->store.domain,
                               .what = constant(c->folder ? FOLDER : REMOVE),
                               .key = c->key,
                               .target = constant(""),
                               .etag = c->etag != NULL ? c->etag : constant("")};
  int rc;

  buf_init(&detail, 0);
  kvlist_to_text(&c->meta, &detail);
  rc = buf_error(&detail);
  row.detail = constant(buf_cstr(&detail));
  if (rc == 0)
    rc = journal_add_change(l->state, &row, STATE_LAZY);
  buf_fini(&detail);
  if (rc != 0) {
    later_change_free(c);
    return rc;
  }
  c->id = row.id;
  later_push(l, c);
  return 0;
}

static int load_one(void *arg, struct journal_change *row) {
  struct later *l = arg;
  bool folder = strcmp(row->what, FOLDER) == 0;
  struct later_change *c;
  int rc;

  if (strcmp(row->domain, l->store.domain) != 0 || (!folder && strcmp(row->what, REMOVE) != 0))
    return 0;
  c = calloc(1, sizeof(*c));
  if (c == NULL)
    return -ENOMEM;
  kvlist_init(&c->meta);
  c->id = row->id;
  c->folder = folder;
  c->key = strdup(row->key);
  c->etag = row->etag[0] != '\0' ? strdup(row->etag) : NULL;
  rc = c->key != NULL && (row->etag[0] == '\0' || c->etag != NULL)
           ? kvlist_from_text(row->detail, &c->meta)
           : -ENOMEM;
  if (rc != 0)
    later_change_free(c);
  else
    later_push(l, c);
  return rc;
}

int later_load(struct later *l) {
  return journal_each_change(l->state, load_one, l);
}

/* --- sending --- */

static bool may_pass(int err) {
  return err == -EIO || err == -ETIMEDOUT || err == -EAGAIN || err == -ENOMEM ||
         err == -ECONNREFUSED || err == -ECONNRESET || err == -EHOSTUNREACH || err == -EPROTO;
}

/* Another version stands there now. It goes too, unless it came after the removal. */
static int remove_newer(struct later *l, struct later_change *c) {
  struct store_doomed d = {.key = c->key};
  struct store_attr attr;
  int rc = l->inner->ops->head(l->inner, c->key, &attr, NULL);

  if (rc == -ENOENT)
    return 0;
  if (rc != 0)
    return rc;
  if (c->at == 0 || attr.mtime + MEANT_S >= c->at) {
    log_warn("'%s' was replaced by another host when it was removed here: the other's stays",
             c->key);
    return 0;
  }
  d.etag = attr.etag;
  return l->inner->write->remove(l->inner, &d, 1);
}

static void send_removals(struct later *l, struct later_change **batch, size_t count) {
  struct store_doomed *items = calloc(count, sizeof(*items));

  for (size_t i = 0; items != NULL && i < count; i++)
    items[i] = (struct store_doomed){.key = batch[i]->key, .etag = batch[i]->etag};
  if (items != NULL)
    l->inner->write->remove(l->inner, items, count);
  for (size_t i = 0; i < count; i++) {
    batch[i]->err = items != NULL ? items[i].err : -ENOMEM;
    if (batch[i]->err == -ESTALE)
      batch[i]->err = remove_newer(l, batch[i]);
  }
  free(items);
}

struct making {
  struct later *later;
  struct later_change *change;
};

static void make_folder(void *arg) {
  struct making *m = arg;
  struct later_change *c = m->change;
  struct store *inner = m->later->inner;
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct kvlist headers;
  const struct store_dress dress = {.meta = &c->meta, .headers = &headers};
  struct store_attr attr;

  kvlist_init(&headers);
  c->err = kvlist_add(&headers, "Content-Type", FOLDER_TYPE);
  if (c->err == 0)
    c->err = inner->write->put(inner, c->key, "", 0, &dress, &absent, &attr);
  if (c->err == -EEXIST) /* another host was faster, or an attempt whose reply was lost */
    c->err = 0;
  kvlist_fini(&headers);
}

static void send_folders(struct later *l, struct later_change **batch, size_t count) {
  struct making making[FOLDERS_MAX];
  struct pool *pool;

  if (pool_new("s3apfs-folders", count < FOLDER_THREADS ? (unsigned)count : FOLDER_THREADS,
               &pool) != 0) {
    for (size_t i = 0; i < count; i++)
      batch[i]->err = -ENOMEM;
    return;
  }
  for (size_t i = 0; i < count; i++) {
    making[i] = (struct making){l, batch[i]};
    if (pool_submit(pool, make_folder, &making[i]) != 0)
      batch[i]->err = -ENOMEM;
  }
  pool_free(pool);
}

static size_t take_batch_locked(struct later *l, struct later_change **batch) {
  struct later_change *c = l->synced.head;
  bool folder = c != NULL && c->folder;
  size_t count = 0;

  for (; c != NULL && c->folder == folder && count < (folder ? FOLDERS_MAX : REMOVALS_MAX);
       c = c->next)
    batch[count++] = c;
  return count;
}

static void give_up(struct later *l, const struct later_change *c) {
  atomic_store(c->folder ? &l->made : &l->removed, false);
  log_error("'%s' could not be %s: %s", c->key, c->folder ? "made" : "removed", strerror(-c->err));
}

/* The journal forgets what is over, durably: a removal sent again might meet an equal
 * object that was made since. */
static int forget(struct later *l, struct later_change *const *batch, size_t count) {
  int64_t *ids = calloc(count, sizeof(*ids));
  size_t over = 0;
  int rc = ids != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; ids != NULL && i < count; i++)
    if (!may_pass(batch[i]->err))
      ids[over++] = batch[i]->id;
  if (rc == 0 && over > 0)
    rc = journal_drop_changes(l->state, ids, over, STATE_DURABLE);
  free(ids);
  return rc;
}

static void note_failure(struct later *l, const struct later_change *c) {
  struct journal_change row = {
      .id = c->id, .etag = c->etag != NULL ? c->etag : constant(""), .err = c->err};
  struct buf detail;

  buf_init(&detail, 0);
  kvlist_to_text(&c->meta, &detail);
  if (buf_error(&detail) == 0) {
    row.detail = constant(buf_cstr(&detail));
    if (journal_put_change(l->state, &row, STATE_LAZY) != 0)
      log_debug("the journal does not know why '%s' waits", c->key);
  }
  buf_fini(&detail);
}

static void unlink_locked(struct later *l, struct later_change *c) {
  struct later_change **at = &l->synced.head;

  while (*at != c)
    at = &(*at)->next;
  *at = c->next;
  if (l->synced.tail == &c->next)
    l->synced.tail = at;
  HASH_DEL(l->synced.by_key, c);
}

/* What is over leaves the queue; the rest stays where it is. 0, or why something waits. */
static int end_batch(struct later *l, struct later_change **batch, size_t count) {
  int rc = forget(l, batch, count);

  for (size_t i = 0; i < count; i++) {
    if (rc != 0)
      batch[i]->err = -EIO; /* the journal cannot be written: everything waits */
    else if (may_pass(batch[i]->err))
      note_failure(l, batch[i]);
    else if (batch[i]->err != 0)
      give_up(l, batch[i]);
  }
  mtx_lock(&l->synced.lock);
  for (size_t i = 0; i < count; i++) {
    if (may_pass(batch[i]->err)) {
      rc = batch[i]->err;
      continue;
    }
    unlink_locked(l, batch[i]);
    later_change_free(batch[i]);
  }
  l->synced.err = rc;
  l->synced.attempts++;
  cond_broadcast(&l->synced.done);
  mtx_unlock(&l->synced.lock);
  return rc;
}

/* One attempt for what is at the head. */
static int send_some(struct later *l, size_t count, struct later_change **batch) {
  if (batch[0]->folder)
    send_folders(l, batch, count);
  else
    send_removals(l, batch, count);
  return end_batch(l, batch, count);
}

/* Waits for work, or for the pause to end; somebody who waits for us ends it. */
static size_t next_batch(struct later *l, int64_t pause, struct later_change **batch, bool *last) {
  int64_t until = clock_mono_ms(&clock_system) + pause;
  size_t count;

  mtx_lock(&l->synced.lock);
  if (pause > 0 && !l->synced.stop)
    cond_wait_until(&l->synced.work, &l->synced.lock, until);
  while (l->synced.head == NULL && !l->synced.stop)
    cond_wait(&l->synced.work, &l->synced.lock);
  *last = l->synced.stop;
  count = take_batch_locked(l, batch);
  mtx_unlock(&l->synced.lock);
  return count;
}

static void *send_main(void *arg) {
  static const int64_t first = PAUSE_MS;
  struct later *l = arg;
  struct later_change **batch = calloc(REMOVALS_MAX, sizeof(struct later_change *));
  int64_t pause = 0;
  bool last = false;
  size_t count;

  while (batch != NULL && (count = next_batch(l, pause, batch, &last)) > 0) {
    int rc = send_some(l, count, batch);

    if (rc != 0 && last)
      break; /* the next mount goes on */
    pause = rc == 0 ? 0 : pause == 0 ? first : pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
  }
  free(batch);
  return NULL;
}

int later_start(struct later *l) {
  int rc = -pthread_create(&l->thread, NULL, send_main, l);

  l->running = rc == 0;
  return rc;
}

void later_stop(struct later *l) {
  if (!l->running)
    return;
  mtx_lock(&l->synced.lock);
  l->synced.stop = true;
  cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
  pthread_join(l->thread, NULL);
  l->running = false;
}
