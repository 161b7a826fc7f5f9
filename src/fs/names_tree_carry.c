/* Moving a folder: its objects, each by itself.
 *
 * A store that renames (directory buckets) does it in one step: there is no copy, and no source
 * that has to be removed afterwards; the version stays what it is. What it does not rename is
 * copied. Nothing is put over what somebody else made under the new name: a move is made only
 * where that is free. What is remembered of a version goes ahead of it, so that the mount after a
 * crash finds it wherever the version is; but behind it in the first step of an exchange, which
 * that mount takes back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_tree_internal.h"
#include "s3apfs/base/array.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"

#define SIDE_BY_SIDE 48
#define REFUSALS_MAX 3 /* then a store that never did it is asked no more */

struct job {
  struct tree *tree;
  struct moved *item;
};

/* --- by the store itself ----------------------------------------------------------------- */

static void remember(struct tree *t, const char *name, const char *etag, bool back) {
  const struct ns_recopied folder = {
      .from = back ? t->to : t->from, .to = back ? t->from : t->to, .again = t->again};

  ns_recopied(t->fs->ns, t->root, &folder, name, etag, etag);
}

static bool may_move(const struct tree *t) {
  return t->root->store->write->move != NULL && (atomic_load(&t->carried->moves) != 0 ||
                                                 atomic_load(&t->carried->refusals) < REFUSALS_MAX);
}

/* -EOPNOTSUPP: it has to be copied, as folders' own objects always have. */
static int move_item(struct tree *t, struct moved *m, const char *from, const char *to) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_source source = {.key = from, .etag = m->etag, .size = m->size};
  int rc;

  if (text_has_suffix(to, "/") || !may_move(t))
    return -EOPNOTSUPP;
  if (!t->taken_back)
    remember(t, m->name, m->etag, false);
  rc = names_move(t->root, &source, to, &absent);
  if ((rc == 0) == t->taken_back)
    remember(t, m->name, m->etag, rc != 0);
  if (rc == 0)
    atomic_fetch_add(&t->carried->moves, 1);
  else if (rc == -EOPNOTSUPP)
    atomic_fetch_add(&t->carried->refusals, 1);
  m->carried = rc == 0 || names_may_be_done(rc);
  return rc;
}

static int note_carried(struct carried *c, const struct moved *m) {
  if (array_room(&c->items, c->count, &c->cap, sizeof(*c->items)) != 0)
    return -ENOMEM;
  c->items[c->count].name = strdup(m->name);
  if (c->items[c->count].name == NULL)
    return -ENOMEM;
  memcpy(c->items[c->count].etag, m->etag, sizeof(m->etag));
  c->count++;
  return 0;
}

void tree_carried_fini(struct carried *c) {
  for (size_t i = 0; i < c->count; i++)
    free(c->items[i].name);
  free(c->items);
}

/* --- by a copy ----------------------------------------------------------------------------- */

/* Has the new name what the old one has? */
static int compare_copy(const struct tree *t, struct moved *m, const char *from, const char *to) {
  struct store *s = t->root->store;
  struct store_attr attr;
  int rc = s->ops->head(s, to, &attr, NULL);

  if (rc != 0)
    return rc;
  m->copied =
      attr.size == m->size && (strcmp(attr.etag, m->etag) == 0 || names_same(t->root, from, to));
  m->other = !m->copied;
  if (m->copied)
    memcpy(m->copy, attr.etag, strlen(attr.etag) + 1);
  return 0;
}

/* What has to hold of the new name; NULL: nothing. */
static const struct store_condition *condition_of(const struct tree *t, const struct moved *m,
                                                  struct store_condition *out) {
  *out = (struct store_condition){.what = m->over[0] != '\0' ? STORE_IF_MATCH : STORE_IF_ABSENT,
                                  .etag = m->over};
  return t->again || t->absent ? out : NULL;
}

static int copy_item(struct tree *t, struct moved *m, const char *from, const char *to) {
  struct store_source source = {.key = from, .etag = m->etag, .size = m->size};
  struct store_condition cond;
  struct store_attr attr;
  int rc = names_copy(t->root, &source, to, NULL, condition_of(t, m, &cond), &attr);

  m->copied = rc == 0;
  if (rc == 0)
    memcpy(m->copy, attr.etag, sizeof(m->copy));
  return rc;
}

/* --- both ---------------------------------------------------------------------------------- */

/* The new name is taken: by what an earlier process copied, or by somebody else. */
static int judge_taken(struct tree *t, struct moved *m, const char *from, const char *to) {
  int rc = t->absent ? -EEXIST : 0;

  if (t->again)
    rc = compare_copy(t, m, from, to);
  else
    m->other = !t->absent;
  if (rc == 0 && m->other)
    log_warn("'%s' was not moved to '%s', which is something else now", from, to);
  return rc;
}

static void carry_item(void *arg) {
  struct job *j = arg;
  struct moved *m = j->item;
  char *from = text_printf("%s%s", j->tree->from, m->name);
  char *to = text_printf("%s%s", j->tree->to, m->name);

  m->err = from != NULL && to != NULL ? move_item(j->tree, m, from, to) : -ENOMEM;
  if (m->err == -EOPNOTSUPP)
    m->err = copy_item(j->tree, m, from, to);
  if (m->err == -EEXIST)
    m->err = judge_taken(j->tree, m, from, to);
  if (m->err == -ESTALE || m->err == -ENOENT)
    m->err = 0; /* changed or gone meanwhile: the next listing tells */
  free(from);
  free(to);
}

static int first_error(struct tree *t) {
  int rc = 0;

  for (size_t i = 0; i < t->count; i++) {
    const struct moved *m = &t->items[i];

    if (m->carried && note_carried(t->carried, m) != 0 && rc == 0)
      rc = -ENOMEM;
    if (rc == 0)
      rc = m->err;
  }
  return rc;
}

int tree_carry(struct tree *t) {
  struct job *jobs = calloc(t->count + 1, sizeof(*jobs));
  struct pool *pool;
  int rc = jobs != NULL ? pool_new("copy", SIDE_BY_SIDE, &pool) : -ENOMEM;

  if (rc != 0) {
    free(jobs);
    return rc;
  }
  for (size_t i = 0; i < t->count; i++) {
    jobs[i] = (struct job){.tree = t, .item = &t->items[i]};
    if (!t->items[i].copied && !t->items[i].other && pool_submit(pool, carry_item, &jobs[i]) != 0)
      t->items[i].err = -ENOMEM;
  }
  pool_free(pool);
  free(jobs);
  return first_error(t);
}

/* --- and back ------------------------------------------------------------------------------ */

struct return_job {
  struct tree *tree;
  size_t at; /* in carried */
  int err;
};

/* What was not moved after all, or is gone or changed since, is left alone. */
static void return_item(void *arg) {
  struct return_job *j = arg;
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  const char *name = j->tree->carried->items[j->at].name;
  const char *etag = j->tree->carried->items[j->at].etag;
  char *from = text_printf("%s%s", j->tree->to, name);
  char *to = text_printf("%s%s", j->tree->from, name);
  struct store_source source = {.key = from, .etag = etag};

  j->err = from != NULL && to != NULL ? names_move(j->tree->root, &source, to, &absent) : -ENOMEM;
  if (j->err == 0)
    remember(j->tree, name, etag, true);
  else if (j->err == -ENOENT || j->err == -ESTALE)
    j->err = 0;
  free(from);
  free(to);
}

int tree_carry_back(struct tree *t) {
  size_t count = t->carried->count;
  struct return_job *jobs = calloc(count + 1, sizeof(*jobs));
  struct pool *pool;
  int rc = jobs != NULL ? pool_new("copy", SIDE_BY_SIDE, &pool) : -ENOMEM;

  for (size_t i = 0; rc == 0 && i < count; i++) {
    jobs[i] = (struct return_job){.tree = t, .at = i};
    if (pool_submit(pool, return_item, &jobs[i]) != 0)
      jobs[i].err = -ENOMEM;
  }
  if (rc == 0)
    pool_free(pool);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = jobs[i].err;
  free(jobs);
  return rc;
}
