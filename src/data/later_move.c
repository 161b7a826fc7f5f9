/* Names behind: an object that moves, as a copy and then the removal of its source.
 *
 *   accepted (one row of the journal) -> copied -> the row is a removal, durably -> removed
 *
 * Once it is copied, whoever only looks goes on; whoever would change the new name waits until
 * the journal knows.
 *
 * In the queue the two are neighbours, copy first, and nothing behind a copy is sent before
 * it. One move at a time is under way; who changes something else meanwhile returns after
 * its copy is there, so that nobody who was told of the later change finds the earlier
 * one missing.
 *
 * The copy replaces what was known to stand under its key and nothing else. What another
 * host put there before the move was asked for goes too. A copy that is late (after a crash, or
 * when the store could not be reached) leaves in peace what came since, and then the
 * object keeps its old name. A copy that is there already, by an attempt that nobody
 * heard of, is known by its etag; so only services whose copies keep the etag get moves
 * this way, which the first one of a mount, made before it returns, finds out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"

#define TRIES 3
#define PROMPT_S 2
/* Who reads what was moved may have to wait for the copy: large ones are not worth that. */
#define SIZE_MAX_MOVED ((uint64_t)16 << 20)
#define ETAG_OF_BYTES 32 /* characters of an etag that depends on the content alone */
#define OVER "over"      /* in the journal's detail */
#define SIZE "size"
#define AT "at"

/* --- what is asked for --- */

static int set_text(char **to, const char *text) {
  *to = text != NULL ? strdup(text) : NULL;
  return text != NULL && *to == NULL ? -ENOMEM : 0;
}

/* A copy and the removal that follows it. */
static int pair_new(const struct store_source *from, const char *key, const char *over,
                    struct later_change **out) {
  struct later_change *c;
  struct later_change *r = NULL;
  int rc = later_change_new(LATER_COPY, key, from->etag, &c);

  if (rc != 0)
    return rc;
  rc = later_change_new(LATER_REMOVAL, from->key, from->etag, &r);
  if (rc == 0)
    rc = set_text(&c->over, over);
  if (rc != 0) {
    later_change_free(r);
    later_change_free(c);
    return rc;
  }
  c->size = from->size;
  c->removal = r;
  r->ends_move = true;
  *out = c;
  return 0;
}

static void pair_free(struct later_change *c) {
  later_change_free(c->removal);
  later_change_free(c);
}

static void pair_push(struct later *l, struct later_change *c) {
  struct later_change *r = c->removal;

  c->removal->id = c->id;
  c->removal->at = c->at;
  mtx_lock(&l->synced.lock);
  l->synced.moves++;
  later_push_locked(l, c);
  later_push_locked(l, r);
  cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
}

/* --- the journal --- */

int later_move_to_row(const struct later_change *c, struct buf *detail,
                      struct journal_change *row) {
  struct kvlist words;
  int rc = 0;

  kvlist_init(&words);
  if (c->over != NULL)
    rc = kvlist_add(&words, OVER, c->over);
  if (rc == 0)
    rc = kvlist_addf(&words, SIZE, "%llu", (unsigned long long)c->size);
  if (rc == 0)
    rc = kvlist_addf(&words, AT, "%lld", (long long)c->at);
  if (rc == 0)
    kvlist_to_text(&words, detail);
  row->target = c->removal->key;
  kvlist_fini(&words);
  return rc;
}

int later_move_load(struct later *l, const struct journal_change *row) {
  struct store_source from = {.key = row->target, .etag = row->etag};
  struct later_change *c = NULL;
  struct kvlist words;
  const char *size;
  const char *at;
  int rc;

  kvlist_init(&words);
  rc = kvlist_from_text(row->detail, &words);
  if (rc == 0) {
    size = kvlist_get_ci(&words, SIZE);
    from.size = size != NULL ? strtoull(size, NULL, 10) : 0;
    rc = pair_new(&from, row->key, kvlist_get_ci(&words, OVER), &c);
  }
  if (rc == 0) {
    at = kvlist_get_ci(&words, AT);
    c->at = at != NULL ? strtoll(at, NULL, 10) : 0;
    c->id = row->id;
    c->late = true;
    pair_push(l, c);
  }
  kvlist_fini(&words);
  return rc;
}

/* From here on nothing but the removal is left to do, whatever happens to this process. */
static int note_copied(struct later *l, const struct later_change *c) {
  struct journal_change row = {.id = c->id,
                               .what = (char *)(uintptr_t)LATER_ROW_REMOVAL,
                               .key = c->removal->key,
                               .target = (char *)(uintptr_t) "",
                               .etag = c->etag,
                               .detail = (char *)(uintptr_t) ""};

  return journal_put_change(l->state, &row, STATE_DURABLE);
}

/* --- copying --- */

static int copy_over(struct later *l, const struct later_change *c, const char *over,
                     struct store_attr *out) {
  const struct store_source from = {
      .key = c->removal->key, .etag = c->etag, .size = c->size, .plain = true};
  const struct store_condition cond = {.what = over != NULL ? STORE_IF_MATCH : STORE_IF_ABSENT,
                                       .etag = over};

  return l->inner->write->copy(l->inner, &from, c->key, NULL, &cond, out);
}

/* At first this is a race of two hosts, which the last one wins, as with any rename. */
static bool stays(const struct later *l, const struct later_change *c,
                  const struct store_attr *other) {
  bool late = c->late || later_now(l) - c->at > PROMPT_S;

  return late && later_came_since(c, other);
}

/* The target is not what was known. 0: the copy is there. */
static int copy_over_what_is_there(struct later *l, const struct later_change *c, int err,
                                   struct store_attr *out) {
  struct store_attr now;
  int rc = l->inner->ops->head(l->inner, c->key, &now, NULL);

  if (rc == -ENOENT)
    return err == -ENOENT ? err : copy_over(l, c, NULL, out);
  if (rc != 0)
    return rc;
  if (strcmp(now.etag, c->etag) == 0 && now.size == c->size) {
    *out = now;
    return 0;
  }
  if (err == -ENOENT || stays(l, c, &now))
    return err;
  return copy_over(l, c, now.etag, out);
}

/* -ESTALE, -EEXIST, -ENOENT: another host has the source or the target now. */
static int copy_moved(struct later *l, const struct later_change *c, struct store_attr *out) {
  int rc = copy_over(l, c, c->over, out);

  for (int i = 0; (rc == -ESTALE || rc == -EEXIST || rc == -ENOENT) && i < TRIES; i++)
    rc = copy_over_what_is_there(l, c, rc, out);
  return rc;
}

/* --- the thread --- */

static void give_up_move(struct later *l, const struct later_change *c) {
  atomic_store(&l->moved, false);
  log_error("'%s' could not get the name '%s' that it was given (%s): it keeps its own",
            c->removal->key, c->key, strerror(-c->err));
}

/* What is over leaves the queue. 0, or why it waits. */
static int end_move(struct later *l, struct later_change *c) {
  bool over = !later_may_pass(c->err);
  int rc = 0;

  if (over)
    rc = c->err == 0 ? note_copied(l, c) : journal_drop_changes(l->state, &c->id, 1, STATE_DURABLE);
  if (rc != 0)
    c->err = -EIO; /* the journal cannot be written: it is tried again */
  over = over && rc == 0;
  if (!over)
    later_note_failure(l, c);
  else if (c->err != 0)
    give_up_move(l, c);
  rc = over ? 0 : c->err;
  mtx_lock(&l->synced.lock);
  if (over) {
    if (c->err != 0) {
      l->synced.lost = c->err;
      later_unlink_locked(l, c->removal);
      later_change_free(c->removal);
    }
    later_unlink_locked(l, c);
    later_change_free(c);
    l->synced.moves--;
  }
  later_end_attempt_locked(&l->synced.copying, rc);
  cond_broadcast(&l->synced.done);
  if (over)
    cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
  return rc;
}

/* The first copy in the queue; NULL: there is none, and the store ends. */
static struct later_change *next_copy(struct later *l, int64_t pause, bool *last) {
  int64_t until = clock_mono_ms(&clock_system) + pause;
  struct later_change *c;

  mtx_lock(&l->synced.lock);
  if (pause > 0 && !l->synced.stop)
    cond_wait_until(&l->synced.work, &l->synced.lock, until);
  while ((c = later_first_copy_locked(l)) == NULL && !l->synced.stop)
    cond_wait(&l->synced.work, &l->synced.lock);
  *last = l->synced.stop;
  mtx_unlock(&l->synced.lock);
  return c;
}

/* Who only looks need not wait for the journal. */
static void tell_copied(struct later *l, struct later_change *c, const struct store_attr *attr) {
  if (strcmp(attr->etag, c->etag) != 0)
    atomic_store(&l->moved, false);
  mtx_lock(&l->synced.lock);
  c->copied = true;
  cond_broadcast(&l->synced.done);
  mtx_unlock(&l->synced.lock);
}

void *later_move_main(void *arg) {
  struct later *l = arg;
  struct later_change *c;
  int64_t pause = 0;
  bool last = false;

  while ((c = next_copy(l, pause, &last)) != NULL) {
    struct store_attr attr;
    int rc;

    c->err = copy_moved(l, c, &attr);
    if (c->err == 0)
      tell_copied(l, c, &attr);
    rc = end_move(l, c);
    if (rc != 0 && last)
      break; /* the next mount goes on */
    pause = later_next_pause(rc, pause);
  }
  mtx_lock(&l->synced.lock);
  l->synced.copier_ended = true;
  cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
  return NULL;
}

/* --- moving --- */

static bool is_movable(const struct store_source *from) {
  return from->plain && from->size <= SIZE_MAX_MOVED && strlen(from->etag) == ETAG_OF_BYTES;
}

/* The copy is made before this returns, and tells whether the next one may be made behind. A
 * condition that failed or was denied is none that renames need. */
static int move_first(struct later *l, struct later_change *c, struct store_attr *out) {
  int rc = copy_moved(l, c, out);

  if (rc == 0)
    atomic_store(&l->moved, strcmp(out->etag, c->etag) == 0);
  return rc == -EEXIST || rc == -ESTALE || rc == -EACCES ? -EAGAIN : rc;
}

static int accept_move(struct later *l, struct later_change *c, struct store_attr *out) {
  int rc = later_note(l, c);

  if (rc != 0)
    return rc;
  *out = (struct store_attr){.size = c->size, .mtime = c->at};
  memcpy(out->etag, c->etag, strlen(c->etag) + 1);
  pair_push(l, c);
  return 0;
}

static bool is_being_noted(const struct later_change *c, const char *what) {
  (void)what;
  return c->kind == LATER_COPY && c->copied;
}

/* Whether no other one is under way; then this one's turn is taken. */
static bool begin_move(struct later *l) {
  bool free;

  mtx_lock(&l->synced.lock);
  free = l->synced.moves == 0 && l->synced.copying.err == 0;
  l->synced.moves += free;
  mtx_unlock(&l->synced.lock);
  return free;
}

static void end_turn(struct later *l) {
  mtx_lock(&l->synced.lock);
  l->synced.moves--;
  mtx_unlock(&l->synced.lock);
}

int later_move(struct store *s, const struct store_source *from, const char *key, const char *over,
               struct store_attr *out, bool *behind) {
  struct later *l = later_of(s);
  struct later_change *c;
  int rc;

  *behind = false;
  if (l == NULL || l->at_once || !is_movable(from))
    return -EAGAIN;
  rc = later_settle_two(l, from->key, key);
  if (rc != 0)
    return rc;
  /* The disk is nearer than the store. */
  if (later_wait(l, is_being_noted, "") != 0 || !begin_move(l))
    return -EAGAIN;
  rc = pair_new(from, key, over, &c);
  if (rc == 0) {
    c->at = later_now(l);
    *behind = atomic_load(&l->moved);
    rc = *behind ? accept_move(l, c, out) : move_first(l, c, out);
    if (rc != 0 || !*behind)
      pair_free(c);
  }
  end_turn(l);
  return rc;
}
