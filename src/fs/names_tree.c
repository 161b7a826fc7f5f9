/* Moving a folder: everything below one prefix goes below another.
 *
 *   list -> copy all, side by side -> list again, copy what is new or changed, until
 *   nothing is -> remove the sources by etag
 *
 * Until the last copy is there the sources stay whole, so a failure costs nothing
 * but the copies, which are removed again by their etags. Sources that changed
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
  char copy[STORE_ETAG_MAX]; /* etag of the copy */
  int err;
};

struct tree {
  const struct root *root;
  const char *from;
  const char *to;
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

static void copy_item(void *arg) {
  struct job *j = arg;
  struct moved *m = j->item;
  char *from = text_printf("%s%s", j->tree->from, m->name);
  char *to = text_printf("%s%s", j->tree->to, m->name);
  struct store_source source = {.key = from, .etag = m->etag, .size = m->size};
  struct store_attr attr;

  m->err = from != NULL && to != NULL ? names_copy(j->tree->root, &source, to, NULL, NULL, &attr)
                                      : -ENOMEM;
  if (m->err == 0) {
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
    if (!t->items[i].copied && pool_submit(pool, copy_item, &jobs[i]) != 0)
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
    if (old != NULL)
      old->copied = false; /* its copy is, or will be, that of the new one */
    complete = complete && m->copied;
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
  if (rc == 0 && count > 0) {
    later_remove_now(s, items, count);
    for (size_t i = 0; rc == 0 && i < count; i++)
      rc = items[i].err == -ESTALE ? 0 : items[i].err;
  }
  for (size_t i = 0; i < count; i++)
    free((char *)(uintptr_t)items[i].key);
  return rc;
}

static int remove_all(struct tree *t, bool copies, bool *began) {
  size_t at = 0;
  int rc = 0;

  while (rc == 0 && at < t->count) {
    rc = remove_side(t, copies, at, &at);
    *began |= rc == 0;
  }
  return rc;
}

static void undo(struct tree *t) {
  bool began = false;

  if (remove_all(t, true, &began) != 0)
    log_warn("'%s' was not moved to '%s', and some of the copies could not be removed", t->from,
             t->to);
}

/* The copies of sources that another host removed meanwhile. */
static void remove_vanished(struct tree *t) {
  bool began = false;

  if (remove_all(t, true, &began) != 0)
    log_debug("below '%s' are copies of what is gone", t->to);
}

/* --- all --------------------------------------------------------------------------------- */

/* Copies until a listing shows nothing that was not copied. */
static int copy_all(struct tree *t) {
  int rc = tree_list(t);

  if (rc == 0)
    rc = copy_missing(t);
  for (int i = 0; rc == 0; i++) {
    struct tree now = {.root = t->root, .from = t->from, .to = t->to};
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

/* Modes, times and links of what was made here. */
static void remember_all(struct fs *fs, const struct tree *t) {
  const struct ns_recopied folder = {t->from, t->to};

  for (size_t i = 0; i < t->count; i++)
    if (t->items[i].copied)
      ns_recopied(fs->ns, t->root, &folder, t->items[i].name, t->items[i].etag, t->items[i].copy);
  ns_folders_moved(fs->ns, t->root, &folder); /* afterwards: each object's name is cleared first */
}

int names_move_tree(struct fs *fs, const struct root *r, const char *from, const char *to) {
  struct tree t = {.root = r, .from = from, .to = to};
  bool began = false;
  int rc = copy_all(&t);

  if (rc == 0)
    rc = remove_all(&t, false, &began);
  if (rc == 0)
    remember_all(fs, &t);
  if (rc != 0 && !began)
    undo(&t);
  else if (rc != 0)
    log_warn("'%s' was copied to '%s', but not all of it could be removed: %s", from, to,
             strerror(-rc));
  tree_fini(&t);
  return rc;
}
