/* Commits: the order of things.
 *
 * A commit takes the file as it is (sealed, so later writes go above), makes a plan,
 * and brings that state to the store under the condition that the object is still
 * the one it was made from. Then, in one turn with no writer in between, the new
 * version becomes the base, the journal's row follows, and the layers go.
 *
 *   0        settled
 *   -EAGAIN  the service gave up because of a rival, or lost the upload: again
 *   -EIO,    the reply may have been lost: if the object that is there now has
 *   timeout  our size and checksum, it is ours
 *   -ESTALE, somebody else replaced the object: ours goes aside, and the file is
 *   -EEXIST  lost for its users
 *   else     everything stays staged; the error is noted */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit_internal.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/log.h"

#define AGAIN_MAX 5

void commit_result_fini(struct commit_result *r) {
  free(r->aside);
  r->aside = NULL;
}

struct plan_limits commit_limits(const struct staging *g) {
  return (struct plan_limits){.part_size = g->part_size,
                              .part_min = g->part_min,
                              .part_max = STORE_PART_MAX,
                              .copy_max = STORE_COPY_MAX,
                              .parts_max = STORE_PARTS_MAX};
}

int commit_begin(struct staged *f) {
  int rc;

  mtx_lock(&f->synced.lock);
  while (f->synced.committing)
    cond_wait(&f->synced.turn, &f->synced.lock);
  rc = f->synced.lost ? -ESTALE : 0;
  f->synced.committing = rc == 0;
  mtx_unlock(&f->synced.lock);
  return rc;
}

void commit_end(struct staged *f) {
  mtx_lock(&f->synced.lock);
  f->synced.committing = false;
  cond_broadcast(&f->synced.turn);
  mtx_unlock(&f->synced.lock);
}

/* --- attempts --- */

int commit_expect(struct attempt *a, const char *etag) {
  struct staged *f = a->file;
  struct expectation e = {
      .layer = a->state.top, .size = a->state.size, .crc = a->crc, .has_crc = a->crc_known};

  if (a->aside || staged_id(f) == 0)
    return 0;
  if (strlen(etag) < sizeof(e.etag))
    memcpy(e.etag, etag, strlen(etag) + 1);
  mtx_lock(&f->synced.lock);
  f->synced.expect = e;
  mtx_unlock(&f->synced.lock);
  return staged_note(f, STATE_LAZY);
}

bool commit_is_open(const struct expectation *e) {
  return e->has_crc || e->etag[0] != '\0';
}

bool commit_is_expected(const struct expectation *e, const struct store_detail *d) {
  if (e->size != d->attr.size)
    return false;
  if (e->etag[0] != '\0' && (strcmp(e->etag, d->attr.etag) == 0 || strcmp(e->etag, d->sum) == 0))
    return true;
  return e->has_crc && d->has_crc64nvme && e->crc == d->crc64nvme;
}

int attempt_init(struct attempt *a, struct staged *f) {
  int rc;

  memset(a, 0, sizeof(*a));
  kvlist_init(&a->meta);
  kvlist_init(&a->headers);
  a->file = f;
  a->key = f->synced.key;
  change_begin_lost(f);
  staged_seal(f);
  mtx_lock(&f->synced.lock);
  rc = snapshot_take_locked(f, &a->state);
  if (rc == 0 && f->synced.commit_upto != 0)
    snapshot_cut(&a->state, f->synced.commit_upto);
  mtx_unlock(&f->synced.lock);
  change_end(f);
  return rc;
}

void attempt_fini(struct attempt *a) {
  if (a->state.base != NULL)
    snapshot_fini_behind(&a->state, a->file->staging->pool);
  kvlist_fini(&a->meta);
  kvlist_fini(&a->headers);
  plan_fini(&a->plan);
  held_fini(a);
}

static int make_plan(struct attempt *a) {
  struct plan_limits l = commit_limits(a->file->staging);
  struct plan_run *runs;
  struct pieces p;
  int rc = snapshot_pieces(&a->state, 0, a->state.size, &p);

  if (rc == 0 && commit_may_append(a)) {
    a->plan.how = PLAN_APPEND;
    pieces_fini(&p);
    return 0;
  }
  if (rc != 0)
    return rc;
  runs = calloc(p.count + 1, sizeof(*runs));
  rc = runs != NULL ? 0 : -ENOMEM;
  for (size_t i = 0; runs != NULL && i < p.count; i++)
    runs[i] = (struct plan_run){p.items[i].from, p.items[i].to, p.items[i].kind == PIECE_BASE};
  if (rc == 0)
    rc = plan_make(runs, p.count, &l, &a->plan);
  /* A copy cannot cut. */
  if (rc == 0 && a->plan.how == PLAN_COPY && a->state.size != a->state.base->attr.size)
    rc = plan_cut(runs, p.count, &l, &a->plan);
  free(runs);
  pieces_fini(&p);
  return rc;
}

static int commit_by_put(struct attempt *a, struct store_attr *out) {
  struct staged *f = a->file;
  struct store_dress dress = commit_dress_of(a);
  struct patience patience = commit_patience();
  struct part_memory m = {0};
  const void *data = held_bytes(a, 0, a->state.size);
  size_t size = (size_t)a->state.size;
  struct pieces p;
  int rc = snapshot_pieces(&a->state, 0, a->state.size, &p);

  if (rc == 0 && size > 0 && data == NULL) {
    rc = part_memory_get(f->staging, size, &m);
    data = m.data;
    if (rc == 0)
      rc = pieces_fetch(&p, &a->state, a->file, m.data, &patience);
  }
  if (rc == 0) {
    a->crc = size > 0 ? crc64nvme(0, data, size) : 0;
    a->crc_known = true;
    if (f->store->sums != NULL)
      f->store->sums->text(f->store->sums, data, size, a->sum);
    commit_digest(a, data, size);
    rc = commit_expect(a, a->sum[0] != '\0' ? a->sum : a->md5);
  }
  if (rc == 0)
    rc = f->store->write->put(f->store, a->key, data, size, &dress, &a->condition, out);
  /* Who reads next what was just written need not ask for it. */
  if (rc == 0 && data != NULL && !a->aside)
    cache_fill(f->staging->cache, f->store, a->key, out, data);
  if (m.data != NULL)
    part_memory_put(f->staging, &m);
  pieces_fini(&p);
  return rc;
}

static int commit_by_copy(struct attempt *a, struct store_attr *out) {
  struct staged *f = a->file;
  struct store_dress dress = commit_dress_of(a);
  struct store_source from = {
      .key = f->synced.key, .etag = a->state.base->attr.etag, .size = a->state.base->attr.size};

  return f->store->write->copy(f->store, &from, a->key, &dress, &a->condition, out);
}

static int attempt_once(struct attempt *a, struct store_attr *out) {
  struct plan_limits l = commit_limits(a->file->staging);
  int rc;

  switch (a->plan.how) {
  case PLAN_PUT:
    return commit_by_put(a, out);
  case PLAN_COPY:
    rc = commit_by_copy(a, out);
    return rc == -EOPNOTSUPP && a->state.size <= l.part_size ? commit_by_put(a, out) : rc;
  case PLAN_APPEND:
    return commit_by_append(a, out);
  default:
    return commit_by_parts(a, out);
  }
}

static bool same_bytes(const struct attempt *a, const struct store_detail *d) {
  if (d->has_crc64nvme)
    return d->crc64nvme == a->crc;
  if (a->sum[0] != '\0' && d->sum[0] != '\0')
    return strcmp(a->sum, d->sum) == 0;
  return a->md5[0] != '\0' && strcmp(a->md5, d->attr.etag) == 0;
}

/* After a lost reply: whether what stands there is what was sent. */
static bool is_ours(struct attempt *a, struct store_attr *out) {
  struct staged *f = a->file;
  struct store_detail d;
  bool ours;

  if (!a->crc_known || f->store->write->detail(f->store, a->key, &d) != 0)
    return false;
  ours =
      d.attr.size == a->state.size && same_bytes(a, &d) &&
      (!a->state.base->present || a->aside || strcmp(d.attr.etag, a->state.base->attr.etag) != 0);
  if (ours)
    *out = d.attr;
  store_detail_fini(&d);
  return ours;
}

static int plan_and_send(struct attempt *a, struct store_attr *out) {
  int rc = make_plan(a);

  if (rc == 0 && a->plan.how != PLAN_APPEND)
    rc = commit_hold(a);
  if (rc == 0 && a->plan.how != PLAN_APPEND)
    rc = commit_dress(a);
  if (rc != 0)
    return rc;
  rc = -EAGAIN;
  for (int i = 0; rc == -EAGAIN && i < AGAIN_MAX; i++)
    rc = attempt_once(a, out);
  return rc;
}

int commit_attempt(struct attempt *a, struct store_attr *out) {
  int rc = plan_and_send(a, out);

  if (rc == -EOPNOTSUPP && a->plan.how == PLAN_APPEND) {
    a->no_append = true;
    plan_fini(&a->plan);
    a->plan = (struct plan){0};
    rc = plan_and_send(a, out);
  }
  if (rc == -EACCES)
    commit_explain_denial(a);
  if ((rc == -EIO || rc == -ETIMEDOUT || rc == -EPIPE || rc == -ESTALE || rc == -EEXIST) &&
      is_ours(a, out)) {
    commit_abort_upload(a->file);
    return 0;
  }
  return rc == -EAGAIN ? -EIO : rc;
}

/* --- outcomes --- */

/* The row says what is left before files go. */
static int note_rest(struct staged *f, uint32_t top) {
  bool rest;
  uint32_t first;

  mtx_lock(&f->synced.lock);
  rest = f->synced.dressed ||
         (f->synced.count > 0 && f->synced.layers[f->synced.count - 1]->seq > top);
  first = top + 1;
  f->synced.first = first > f->synced.first ? first : f->synced.first;
  f->synced.expect = (struct expectation){0};
  f->synced.err = 0;
  mtx_unlock(&f->synced.lock);
  if (staged_id(f) == 0)
    return 0;
  if (rest && !f->synced.lost)
    return staged_note(f, STATE_LAZY);
  if (staged_forget(f) != 0)
    log_debug("'%s' is in the store, and in the journal for now", f->synced.key);
  return 0;
}

int commit_settle(struct attempt *a, const struct store_attr *attr) {
  struct staged *f = a->file;
  struct base *b = NULL;
  int rc = attr != NULL ? base_new(f, f->synced.key, attr, &b) : 0;

  if (rc != 0)
    return rc;
  change_begin_lost(f);
  mtx_lock(&f->synced.lock);
  if (b != NULL) {
    struct base *old = f->synced.base;

    if (f->synced.count == 0 || f->synced.layers[f->synced.count - 1]->seq <= a->state.top)
      f->synced.size = attr->size; /* a copy's; else it is that */
    f->synced.base = b;
    b = old;
  } else {
    f->synced.lost = true;
  }
  mtx_unlock(&f->synced.lock);
  base_unref(b);
  if (a->plan.how != PLAN_PARTS)
    commit_abort_upload(f);
  rc = note_rest(f, a->state.top);
  staged_drop_layers(f, attr != NULL ? a->state.top : UINT32_MAX);
  change_end(f);
  staging_drop_over(f->staging);
  return rc;
}

void commit_note_failure(struct staged *f, int err) {
  mtx_lock(&f->synced.lock);
  f->synced.err = err;
  mtx_unlock(&f->synced.lock);
  if (staged_id(f) != 0 && staged_note(f, STATE_LAZY) != 0)
    log_error("'%s' is not in the store, and the journal cannot be written", f->synced.key);
}

int commit_settle_as(struct staged *f, const struct store_attr *attr) {
  struct attempt a;
  int rc = attempt_init(&a, f);

  if (rc == 0)
    rc = commit_settle(&a, attr);
  attempt_fini(&a);
  return rc;
}

int commit_find_unnoted(struct staged *f) {
  const struct expectation *e = &f->synced.expect;
  struct attempt a = {.file = f, .state.top = e->layer, .plan.how = PLAN_PARTS};
  struct store_detail d;
  int rc;

  if (!commit_is_open(e))
    return 0;
  rc = f->store->write->detail(f->store, f->synced.key, &d);
  if (rc != 0) /* absent, or it may not be asked: then nothing is known */
    return rc == -ENOENT || rc == -EACCES ? 0 : rc;
  if (commit_is_expected(e, &d))
    rc = commit_settle(&a, &d.attr);
  store_detail_fini(&d);
  return rc;
}

/* The layer of a failed commit that nobody was promised is written to again, or each
 * failed fsync would leave one more behind. Should that commit have succeeded after
 * all, its version becomes what lies below, and the layer stays. */
static void unseal(struct attempt *a) {
  struct staged *f = a->file;
  bool again;
  int rc = 0;

  change_begin_lost(f);
  mtx_lock(&f->synced.lock);
  again = !f->synced.active && f->synced.count > 0 && f->synced.acked < a->state.top &&
          f->synced.layers[f->synced.count - 1]->seq == a->state.top;
  if (again && f->synced.expect.layer == a->state.top)
    f->synced.expect.layer--;
  mtx_unlock(&f->synced.lock);
  if (again)
    rc = staged_note(f, STATE_LAZY);
  mtx_lock(&f->synced.lock);
  f->synced.active = f->synced.active || (again && rc == 0);
  mtx_unlock(&f->synced.lock);
  change_end(f);
}

/* Ours goes aside; what else was written meanwhile goes with it. */
static int conflict(struct staged *f, int err, struct commit_result *out) {
  int rc;

  mtx_lock(&f->synced.lock);
  f->synced.lost = true; /* nobody writes to it any more */
  f->synced.commit_upto = 0;
  mtx_unlock(&f->synced.lock);
  rc = commit_aside(f, "conflict", &out->aside);
  if (rc == 0) {
    log_warn("'%s' was replaced by somebody else while it was changed here: our content is in "
             "'%s'",
             f->synced.key, out->aside);
    return err;
  }
  if (rc == -EREMOTE)
    log_error(
        "'%s' was replaced by somebody else while it was changed here, and a conflict copy "
        "cannot be made: it is larger than staging-size, and what was sent cannot be had back",
        f->synced.key);
  else
    log_error("'%s' was replaced by somebody else while it was changed here, and a conflict copy "
              "cannot be written (%s): our content stays in the state directory",
              f->synced.key, strerror(-rc));
  commit_note_failure(f, err);
  return err;
}

/* Looks for a commit whose success nobody learned of. *over: nothing is left to do. */
static int catch_up(struct staged *f, struct commit_result *out, bool *over) {
  uint32_t first = f->synced.first;
  int rc = commit_find_unnoted(f);

  *over = false;
  if (rc != 0)
    return rc;
  if (f->synced.first != first) {
    out->committed = true;
    out->attr = f->synced.base->attr;
  }
  *over = !staged_is_dirty(f) ||
          (f->synced.commit_upto != 0 && f->synced.commit_upto < f->synced.first);
  return 0;
}

int commit_send(struct attempt *a, struct commit_result *out) {
  struct store_attr attr;
  int rc;

  commit_take_dress(a);
  rc = commit_attempt(a, &attr);
  commit_end_dress(a, rc != 0);
  if (rc != 0)
    return rc;
  commit_prepare_appends(a, &attr);
  commit_tell_stored(a, &attr);
  out->committed = true;
  out->attr = attr;
  return commit_settle(a, &attr);
}

static int commit_now(struct staged *f, struct commit_result *out) {
  struct attempt a;
  bool over;
  int rc = catch_up(f, out, &over);

  if (rc != 0 || over)
    return rc;
  rc = attempt_init(&a, f);
  if (rc == 0) {
    a.condition.what = a.state.base->present ? STORE_IF_MATCH : STORE_IF_ABSENT;
    a.condition.etag = a.state.base->attr.etag;
    rc = commit_send(&a, out);
  }
  if (rc == -EREMOTE) {
    log_error("'%s' cannot be put together: it is larger than staging-size, and the service has "
              "lost the upload that held parts of it",
              f->synced.key);
    rc = -EIO;
  }
  if (rc != 0 && rc != -ESTALE && rc != -EEXIST)
    unseal(&a);
  attempt_fini(&a);
  if (rc == -ESTALE || rc == -EEXIST)
    return conflict(f, rc, out);
  if (rc != 0)
    commit_note_failure(f, rc);
  return rc;
}

int staged_commit(struct staged *f, struct commit_result *out) {
  int rc = commit_begin(f);

  *out = (struct commit_result){0};
  if (rc != 0)
    return rc;
  if (staged_is_dirty(f) && (!staged_dress_is_alone(f) || commit_is_open(&f->synced.expect)))
    rc = commit_now(f, out);
  if (rc == 0)
    rc = commit_dress_since(f, out);
  commit_end(f);
  return rc;
}

int staged_commit_acked(struct staged *f, struct commit_result *out) {
  int rc = commit_begin(f);

  *out = (struct commit_result){0};
  if (rc != 0)
    return rc;
  if (staged_is_dirty(f) && f->synced.acked >= f->synced.first) {
    f->synced.commit_upto = f->synced.acked;
    rc = commit_now(f, out);
    f->synced.commit_upto = 0;
  }
  if (rc == 0)
    rc = commit_dress_since(f, out);
  commit_end(f);
  return rc;
}
