/* Names behind: the thread that sends, and the journal.
 *
 * It takes what is at the head of the queue and of one kind: removals go in one request where
 * the service takes that, folders' objects side by side; it stops at a copy, which another
 * thread sends (later_move.c). What may pass is tried again, at
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
/* In the journal: */
#define FOLDER "folder"
#define MOVE "move"
#define FOLDER_TYPE "application/x-directory"

const char LATER_ROW_REMOVAL[] = "remove";

/* --- the journal --- */

/* A row to be written is only read. */
static char *constant(const char *text) {
  return (char *)(uintptr_t)text;
}

/* What the journal keeps of it beside keys; the row's strings are those of the two. */
static int to_row(const struct later_change *c, struct buf *detail, struct journal_change *row) {
  const char *what = c->kind == LATER_FOLDER ? FOLDER : LATER_ROW_REMOVAL;
  int rc = 0;

  *row = (struct journal_change){.id = c->id,
                                 .what = constant(c->kind == LATER_COPY ? MOVE : what),
                                 .key = c->key,
                                 .target = constant(""),
                                 .etag = c->etag != NULL ? c->etag : constant(""),
                                 .err = c->err};
  if (c->kind == LATER_COPY)
    rc = later_move_to_row(c, detail, row);
  else
    kvlist_to_text(&c->meta, detail);
  rc = rc == 0 ? buf_error(detail) : rc;
  row->detail = constant(buf_cstr(detail));
  return rc;
}

int later_note_by(struct later *l, struct later_change *c, const struct later_noter *n) {
  struct journal_change row;
  struct buf detail;
  int rc = later_ensure(l);

  if (rc != 0)
    return rc;
  buf_init(&detail, 0);
  rc = to_row(c, &detail, &row);
  row.domain = l->store.domain;
  if (rc == 0)
    rc = n->note(n->arg, &row);
  buf_fini(&detail);
  c->id = row.id;
  return rc;
}

static int add_row(void *arg, struct journal_change *row) {
  return journal_add_change(arg, row, STATE_LAZY);
}

int later_note(struct later *l, struct later_change *c) {
  const struct later_noter plain = {.note = add_row, .arg = l->state};

  return later_note_by(l, c, &plain);
}

int later_accept(struct later *l, struct later_change *c) {
  int rc = later_note(l, c);

  if (rc != 0)
    later_change_free(c);
  else
    later_push(l, c);
  return rc;
}

static int load_one(void *arg, struct journal_change *row) {
  struct later *l = arg;
  bool folder = strcmp(row->what, FOLDER) == 0;
  struct later_change *c;
  int rc;

  if (strcmp(row->domain, l->store.domain) != 0)
    return 0;
  if (strcmp(row->what, MOVE) == 0)
    return later_move_load(l, row);
  if (!folder && strcmp(row->what, LATER_ROW_REMOVAL) != 0)
    return 0;
  rc = later_change_new(folder ? LATER_FOLDER : LATER_REMOVAL, row->key,
                        row->etag[0] != '\0' ? row->etag : NULL, &c);
  if (rc != 0)
    return rc;
  c->id = row->id;
  c->at = 0;
  rc = folder ? kvlist_from_text(row->detail, &c->meta) : 0;
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

bool later_may_pass(int err) {
  return err == -EIO || err == -ETIMEDOUT || err == -EAGAIN || err == -ENOMEM ||
         err == -ECONNREFUSED || err == -ECONNRESET || err == -EHOSTUNREACH || err == -EPROTO;
}

bool later_came_since(const struct later_change *c, const struct store_attr *other) {
  return c->at == 0 || other->mtime + MEANT_S >= c->at;
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
  if (later_came_since(c, &attr)) {
    log_warn("'%s' was replaced by another host when it was removed here: the other's stays",
             c->key);
    return 0;
  }
  d.etag = attr.etag;
  return l->inner->write->remove(l->inner, &d, 1);
}

static void send_removals(struct later *l, struct later_change **batch, size_t count) {
  struct store_doomed *items = calloc(count, sizeof(*items));
  size_t n = 0;

  for (size_t i = 0; items != NULL && i < count; i++)
    if (!batch[i]->gone)
      items[n++] = (struct store_doomed){.key = batch[i]->key, .etag = batch[i]->etag};
  if (n > 0)
    l->inner->write->remove(l->inner, items, n);
  n = 0;
  for (size_t i = 0; i < count; i++) {
    struct later_change *c = batch[i];

    c->err = c->gone ? 0 : items != NULL ? items[n++].err : -ENOMEM;
    if (c->err == -ESTALE)
      c->err = remove_newer(l, c);
    c->gone = c->err == 0;
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

/* Folders, past the removals that end moves: those may come a little later, or each would
 * cost a folder behind it a round trip, and the other way round. */
static size_t take_folders_locked(struct later *l, struct later_change **batch) {
  size_t count = 0;

  for (struct later_change *c = l->synced.head; c != NULL && count < FOLDERS_MAX; c = c->next) {
    if (c->kind == LATER_FOLDER)
      batch[count++] = c;
    else if (c->kind == LATER_COPY || !c->ends_move)
      break;
  }
  return count;
}

static size_t take_removals_locked(struct later *l, struct later_change **batch) {
  size_t count = 0;

  for (struct later_change *c = l->synced.head;
       c != NULL && c->kind == LATER_REMOVAL && count < REMOVALS_MAX; c = c->next)
    batch[count++] = c;
  return count;
}

/* They take turns. */
static size_t take_batch_locked(struct later *l, struct later_change **batch) {
  size_t count = l->synced.removals_next ? take_removals_locked(l, batch) : 0;

  if (count == 0)
    count = take_folders_locked(l, batch);
  if (count == 0)
    count = take_removals_locked(l, batch);
  l->synced.removals_next = count > 0 && batch[0]->kind == LATER_FOLDER;
  return count;
}

static void give_up(struct later *l, const struct later_change *c) {
  bool folder = c->kind == LATER_FOLDER;

  atomic_store(folder ? &l->made : &l->removed, false);
  log_error("'%s' could not be %s: %s", c->key, folder ? "made" : "removed", strerror(-c->err));
}

/* The journal forgets what is over, durably: a removal sent again might meet an equal
 * object that was made since. */
static int forget(struct later *l, struct later_change *const *batch, size_t count) {
  int64_t *ids = calloc(count, sizeof(*ids));
  size_t over = 0;
  int rc = ids != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; ids != NULL && i < count; i++)
    if (!later_may_pass(batch[i]->err))
      ids[over++] = batch[i]->id;
  if (rc == 0 && over > 0)
    rc = journal_drop_changes(l->state, ids, over, STATE_DURABLE);
  free(ids);
  return rc;
}

void later_note_failure(struct later *l, const struct later_change *c) {
  struct journal_change row;
  struct buf detail;

  buf_init(&detail, 0);
  if (to_row(c, &detail, &row) == 0 && journal_put_change(l->state, &row, STATE_LAZY) != 0)
    log_debug("the journal does not know why '%s' waits", c->key);
  buf_fini(&detail);
}

void later_unlink_locked(struct later *l, struct later_change *c) {
  struct later_change **at = &l->synced.head;

  while (*at != c)
    at = &(*at)->next;
  *at = c->next;
  if (l->synced.tail == &c->next)
    l->synced.tail = at;
  HASH_DEL(l->synced.by_key, c);
}

void later_end_attempt_locked(struct later_lane *lane, int rc) {
  lane->err = rc;
  lane->attempts++;
}

/* What is over leaves the queue; the rest stays where it is. 0, or why something waits. */
static int end_batch(struct later *l, struct later_change **batch, size_t count) {
  int rc = forget(l, batch, count);

  for (size_t i = 0; i < count; i++) {
    if (rc != 0)
      batch[i]->err = -EIO; /* the journal cannot be written: everything waits */
    else if (later_may_pass(batch[i]->err))
      later_note_failure(l, batch[i]);
    else if (batch[i]->err != 0)
      give_up(l, batch[i]);
  }
  mtx_lock(&l->synced.lock);
  for (size_t i = 0; i < count; i++) {
    if (later_may_pass(batch[i]->err)) {
      rc = batch[i]->err;
      continue;
    }
    later_unlink_locked(l, batch[i]);
    later_change_free(batch[i]);
  }
  later_end_attempt_locked(&l->synced.sending, rc);
  cond_broadcast(&l->synced.done);
  mtx_unlock(&l->synced.lock);
  return rc;
}

/* One attempt for what is at the head. */
static int send_some(struct later *l, size_t count, struct later_change **batch) {
  if (batch[0]->kind == LATER_FOLDER)
    send_folders(l, batch, count);
  else
    send_removals(l, batch, count);
  return end_batch(l, batch, count);
}

struct later_change *later_first_copy_locked(struct later *l) {
  struct later_change *c = l->synced.head;

  while (c != NULL && c->kind != LATER_COPY)
    c = c->next;
  return c;
}

/* There is something to send; or there never will be: nothing is left, or a copy that stays. */
static bool may_go_on_locked(struct later *l) {
  const struct later_change *c = l->synced.head;

  if (c != NULL && c->kind != LATER_COPY)
    return true;
  return l->synced.stop && (c == NULL || l->synced.copier_ended);
}

/* Waits for work, or for the pause to end; somebody who waits for us ends it. */
static size_t next_batch(struct later *l, int64_t pause, struct later_change **batch, bool *last) {
  int64_t until = clock_mono_ms(&clock_system) + pause;
  size_t count;

  mtx_lock(&l->synced.lock);
  if (pause > 0 && !l->synced.stop)
    cond_wait_until(&l->synced.work, &l->synced.lock, until);
  while (!may_go_on_locked(l))
    cond_wait(&l->synced.work, &l->synced.lock);
  *last = l->synced.stop;
  count = take_batch_locked(l, batch);
  mtx_unlock(&l->synced.lock);
  return count;
}

int64_t later_next_pause(int rc, int64_t pause) {
  static const int64_t first = PAUSE_MS;

  if (rc == 0 || pause == 0)
    return rc == 0 ? 0 : first;
  return pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
}

static void *send_main(void *arg) {
  struct later *l = arg;
  struct later_change **batch = calloc(REMOVALS_MAX, sizeof(struct later_change *));
  int64_t pause = 0;
  bool last = false;
  size_t count;

  while (batch != NULL && (count = next_batch(l, pause, batch, &last)) > 0) {
    int rc = send_some(l, count, batch);

    if (rc != 0 && last)
      break; /* the next mount goes on */
    pause = later_next_pause(rc, pause);
  }
  free(batch);
  return NULL;
}

static int start_locked(struct later *l) {
  int rc = l->running ? 0 : -pthread_create(&l->thread, NULL, send_main, l);

  l->running = rc == 0;
  if (rc == 0)
    rc = -pthread_create(&l->copier, NULL, later_move_main, l);
  l->copying = rc == 0;
  l->synced.copier_ended = rc != 0;
  return rc;
}

int later_ensure(struct later *l) {
  int rc = 0;

  mtx_lock(&l->synced.lock);
  if (!l->copying && !l->synced.stop)
    rc = start_locked(l);
  mtx_unlock(&l->synced.lock);
  return rc;
}

void later_stop(struct later *l) {
  mtx_lock(&l->synced.lock);
  l->synced.stop = true;
  cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
  if (l->copying)
    pthread_join(l->copier, NULL);
  if (l->running)
    pthread_join(l->thread, NULL);
  l->running = l->copying = false;
}
