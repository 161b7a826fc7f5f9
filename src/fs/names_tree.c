/* Moving a folder: everything below one prefix goes below another.
 *
 *   list -> copy all, side by side -> list again, copy what is new or changed, until
 *   nothing is -> remove the sources by etag
 *
 * Until the last copy is there the sources stay whole, so a failure costs nothing
 * but the copies, which are removed again by their etags. Once one source is gone, or may be,
 * the copies stay. Sources that changed
 * after the last listing are not removed: their content stays under the old name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"
#include "s3apfs/data/later.h"

#define SIDE_BY_SIDE 48
#define ROUNDS_MAX 5
#define BATCH 1000

struct moved {
  char *name; /* below the folder; "" for its own object */
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  bool copied;
  bool other;                /* something else has the new name: it stays under both */
  char copy[STORE_ETAG_MAX]; /* etag of the copy */
  int err;
};

struct tree {
  const struct root *root;
  const char *from;
  const char *to;
  bool again;          /* an earlier process began: some may be copied */
  bool removing;       /* some sources are gone, or may be */
  struct moved *items; /* by name */
  size_t count;
  size_t cap;
};

static void tree_fini(struct tree *t) {
  for (size_t i = 0; i < t->count; i++)
    free(t->items[i].name);
  free(t->items);
}

static int tree_add(struct tree *t, const struct store_entry *e) {
  struct moved *m;

  if (t->count == t->cap) {
    size_t cap = t->cap != 0 ? t->cap * 2 : 64;
    struct moved *grown = realloc(t->items, cap * sizeof(*grown));

    if (grown == NULL)
      return -ENOMEM;
    t->items = grown;
    t->cap = cap;
  }
  m = &t->items[t->count];
  *m = (struct moved){.size = e->attr.size, .name = strdup(e->name + strlen(t->from))};
  if (m->name == NULL)
    return -ENOMEM;
  memcpy(m->etag, e->attr.etag, sizeof(m->etag));
  t->count++;
  return 0;
}

static int list_page(struct tree *t, char **token, bool *end) {
  struct store *s = t->root->store;
  struct store_page page;
  int rc = s->ops->list(s, t->from, false, *token, BATCH, &page);

  if (rc != 0)
    return rc;
  for (size_t i = 0; rc == 0 && i < page.count; i++)
    rc = tree_add(t, &page.entries[i]);
  free(*token);
  *token = page.next;
  page.next = NULL;
  *end = *token == NULL;
  store_page_fini(&page);
  return rc;
}

static int by_name(const void *a, const void *b) {
  const struct moved *x = a;
  const struct moved *y = b;

  return strcmp(x->name, y->name);
}

static int tree_list(struct tree *t) {
  char *token = NULL;
  bool end = false;
  int rc = 0;

  while (rc == 0 && !end)
    rc = list_page(t, &token, &end);
  free(token);
  if (rc == 0 && t->count > 1)
    qsort(t->items, t->count, sizeof(*t->items), by_name);
  return rc;
}

/* --- copying --------------------------------------------------------------------------- */

struct job {
  struct tree *tree;
  struct moved *item;
};

/* Has the new name what the old one has? Etags of what was uploaded in parts do not tell. */
static int compare_copy(const struct tree *t, struct moved *m, const char *to) {
  struct store_attr attr;
  int rc = t->root->store->ops->head(t->root->store, to, &attr, NULL);

  if (rc != 0)
    return rc;
  m->copied =
      attr.size == m->size && (strcmp(attr.etag, m->etag) == 0 || strchr(m->etag, '-') != NULL ||
                               strchr(attr.etag, '-') != NULL);
  m->other = !m->copied;
  if (m->copied)
    memcpy(m->copy, attr.etag, strlen(attr.etag) + 1);
  else
    log_warn("'%s%s' was not moved to '%s', which is something else now", t->from, m->name, to);
  return 0;
}

static void copy_item(void *arg) {
  struct job *j = arg;
  struct moved *m = j->item;
  char *from = text_printf("%s%s", j->tree->from, m->name);
  char *to = text_printf("%s%s", j->tree->to, m->name);
  struct store_source source = {.key = from, .etag = m->etag, .size = m->size};
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_attr attr;

  m->err = from != NULL && to != NULL ? names_copy(j->tree->root, &source, to, NULL,
                                                   j->tree->again ? &absent : NULL, &attr)
                                      : -ENOMEM;
  if (m->err == -EEXIST) {
    m->err = compare_copy(j->tree, m, to);
  } else if (m->err == 0) {
    m->copied = true;
    memcpy(m->copy, attr.etag, sizeof(m->copy));
  } else if (m->err == -ESTALE || m->err == -ENOENT) {
    m->err = 0; /* changed or gone meanwhile: the next listing tells */
  }
  free(from);
  free(to);
}

static int copy_missing(struct tree *t) {
  struct job *jobs = calloc(t->count + 1, sizeof(*jobs));
  struct pool *pool;
  int rc = jobs != NULL ? pool_new("copy", SIDE_BY_SIDE, &pool) : -ENOMEM;

  if (rc != 0) {
    free(jobs);
    return rc;
  }
  for (size_t i = 0; i < t->count; i++) {
    jobs[i] = (struct job){.tree = t, .item = &t->items[i]};
    if (!t->items[i].copied && !t->items[i].other && pool_submit(pool, copy_item, &jobs[i]) != 0)
      t->items[i].err = -ENOMEM;
  }
  pool_free(pool);
  free(jobs);
  for (size_t i = 0; rc == 0 && i < t->count; i++)
    rc = t->items[i].err;
  return rc;
}

/* Takes over from an earlier listing which versions were copied; true when nothing is
 * left to do. What is not there any more stays in `was`, its copy to be removed. */
static bool carry_over(struct tree *was, struct tree *now) {
  bool complete = true;

  for (size_t i = 0; i < now->count; i++) {
    struct moved *m = &now->items[i];
    struct moved *old =
        was->count != 0 ? bsearch(m, was->items, was->count, sizeof(*m), by_name) : NULL;

    if (old != NULL && old->copied && strcmp(old->etag, m->etag) == 0) {
      m->copied = true;
      memcpy(m->copy, old->copy, sizeof(m->copy));
    }
    m->other = old != NULL && old->other && strcmp(old->etag, m->etag) == 0;
    if (old != NULL)
      old->copied = false; /* its copy is, or will be, that of the new one */
    complete = complete && (m->copied || m->other);
  }
  return complete;
}

/* --- removing -------------------------------------------------------------------------- */

/* Removes copies, or sources; versions that changed meanwhile stay. */
static int remove_side(struct tree *t, bool copies, size_t from, size_t *at) {
  struct store_doomed items[BATCH];
  struct store *s = t->root->store;
  size_t count = 0;
  int rc = 0;

  for (*at = from; rc == 0 && *at < t->count && count < BATCH; ++*at) {
    const struct moved *m = &t->items[*at];
    char *key = m->copied ? text_printf("%s%s", copies ? t->to : t->from, m->name) : NULL;

    if (m->copied && key == NULL)
      rc = -ENOMEM;
    else if (m->copied)
      items[count++] = (struct store_doomed){.key = key, .etag = copies ? m->copy : m->etag};
  }
  if (rc == 0 && count > 0)
    later_remove_now(s, items, count);
  for (size_t i = 0; i < count; i++) {
    t->removing |= !copies && (items[i].err == 0 || names_may_be_done(items[i].err));
    if (rc == 0)
      rc = items[i].err == -ESTALE ? 0 : items[i].err;
  }
  for (size_t i = 0; i < count; i++)
    free((char *)(uintptr_t)items[i].key);
  return rc;
}

static int remove_all(struct tree *t, bool copies) {
  size_t at = 0;
  int rc = 0;

  while (rc == 0 && at < t->count)
    rc = remove_side(t, copies, at, &at);
  return rc;
}

static void undo(struct tree *t) {
  if (remove_all(t, true) != 0)
    log_warn("'%s' was not moved to '%s', and some of the copies could not be removed", t->from,
             t->to);
}

/* The copies of sources that another host removed meanwhile. */
static void remove_vanished(struct tree *t) {
  if (remove_all(t, true) != 0)
    log_debug("below '%s' are copies of what is gone", t->to);
}

/* --- all --------------------------------------------------------------------------------- */

/* Copies until a listing shows nothing that was not copied. */
static int copy_all(struct tree *t) {
  int rc = tree_list(t);

  if (rc == 0)
    rc = copy_missing(t);
  for (int i = 0; rc == 0; i++) {
    struct tree now = {.root = t->root, .from = t->from, .to = t->to, .again = t->again};
    bool complete = false;

    rc = tree_list(&now);
    if (rc == 0) {
      complete = carry_over(t, &now);
      remove_vanished(t);
    } else {
      tree_fini(&now);
      break;
    }
    tree_fini(t);
    *t = now;
    if (complete)
      break;
    rc = i < ROUNDS_MAX ? copy_missing(t) : -EBUSY;
  }
  return rc;
}

/* Modes, times and links of what was made here; `back`: they are not moved after all. */
static void remember_all(struct fs *fs, const struct tree *t, bool back) {
  const struct ns_recopied folder = {
      .from = back ? t->to : t->from, .to = back ? t->from : t->to, .again = t->again};

  for (size_t i = 0; i < t->count; i++) {
    const struct moved *m = &t->items[i];

    if (m->copied)
      ns_recopied(fs->ns, t->root, &folder, m->name, back ? m->copy : m->etag,
                  back ? m->etag : m->copy);
  }
  ns_folders_moved(fs->ns, t->root, &folder); /* last: each of these forgets its new name's */
}

/* A mount after a crash looks for what is remembered under the new names: so it is moved before
 * the first source goes. */
static int move_all(struct fs *fs, struct tree *t) {
  int rc = copy_all(t);

  if (rc == 0) {
    remember_all(fs, t, false);
    rc = remove_all(t, false);
    if (rc != 0 && !t->removing)
      remember_all(fs, t, true);
  }
  if (rc != 0 && !t->removing && !t->again)
    undo(t);
  else if (rc != 0 && t->removing)
    log_warn("'%s' was copied to '%s', but not all of it could be removed: %s", t->from, t->to,
             strerror(-rc));
  return rc;
}

int names_move_tree(struct fs *fs, const struct root *r, const char *from, const char *to,
                    const char *replaced) {
  struct tree t = {.root = r, .from = from, .to = to};
  int64_t id;
  int rc = moves_begin(fs, r, from, to, &id);

  if (rc != 0)
    return rc;
  if (*replaced != '\0')
    rc = names_remove(r, to, replaced);
  if (rc == 0)
    rc = move_all(fs, &t);
  moves_end(fs, id);
  tree_fini(&t);
  return rc;
}

int names_finish_tree(struct fs *fs, const struct root *r, const char *from, const char *to) {
  struct tree t = {.root = r, .from = from, .to = to, .again = true};
  int rc = move_all(fs, &t);

  tree_fini(&t);
  return rc;
}
