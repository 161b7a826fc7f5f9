/* Moving a folder: everything below one prefix goes below another.
 *
 *   list -> move or copy all, side by side -> list again, and what is new or changed too, until
 *   nothing is -> remove the sources of copies by etag
 *
 * A failure costs nothing: copies are removed again by their etags, until the last one is there
 * their sources stay whole; what the store moved by itself goes back. Once one source of a copy is
 * gone, or may be, all stays where it is. Sources that changed after the last listing are not
 * removed: their content stays under the old name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_tree_internal.h"
#include "s3apfs/base/array.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/data/later.h"

#define ROUNDS_MAX 5
#define BATCH 1000

static void tree_fini(struct tree *t) {
  for (size_t i = 0; i < t->count; i++)
    free(t->items[i].name);
  free(t->items);
}

static int tree_add(struct tree *t, const struct store_entry *e) {
  struct moved *m;

  if (array_room(&t->items, t->count, &t->cap, sizeof(*t->items)) != 0)
    return -ENOMEM;
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

/* --- what is left ------------------------------------------------------------------------ */

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
    if (old != NULL && !m->copied)
      memcpy(m->over, old->copied ? old->copy : old->over, sizeof(m->over));
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
  int removed = remove_all(t, true);
  int back = tree_carry_back(t);

  if (removed != 0)
    log_warn("'%s' was not moved to '%s', and some of the copies could not be removed", t->from,
             t->to);
  if (back != 0)
    log_warn("'%s' was not moved to '%s', and some of it could not be brought back: it is there",
             t->from, t->to);
  t->left = removed != 0 || back != 0;
  for (size_t i = 0; i < t->count; i++)
    t->left |= names_may_be_done(t->items[i].err) || t->items[i].over[0] != '\0';
}

/* The copies of sources that another host removed meanwhile. */
static void remove_vanished(struct tree *t) {
  if (remove_all(t, true) != 0)
    log_debug("below '%s' are copies of what is gone", t->to);
}

/* --- all --------------------------------------------------------------------------------- */

/* Goes on until a listing shows nothing that was not copied. */
static int carry_all(struct tree *t) {
  int rc = tree_list(t);

  if (rc == 0)
    rc = tree_carry(t);
  for (int i = 0; rc == 0; i++) {
    struct tree now = *t;
    bool complete = false;

    now.items = NULL;
    now.count = now.cap = 0;
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
    rc = i < ROUNDS_MAX ? tree_carry(t) : -EBUSY;
  }
  return rc;
}

/* Modes, times and links of what was copied, and of all folders; `back`: they stay after all. */
static void remember_copies(const struct tree *t, bool back) {
  const struct ns_recopied folder = {
      .from = back ? t->to : t->from, .to = back ? t->from : t->to, .again = t->again};

  for (size_t i = 0; i < t->count; i++) {
    const struct moved *m = &t->items[i];

    if (m->copied)
      ns_recopied(t->fs->ns, t->root, &folder, m->name, back ? m->copy : m->etag,
                  back ? m->etag : m->copy);
  }
  ns_folders_moved(t->fs->ns, t->root, &folder); /* last: each of these forgets its new name's */
}

/* A mount after a crash looks for what is remembered under the new names: so it is moved before
 * the first source goes. */
static int move_all(struct tree *t) {
  int rc = carry_all(t);

  if (rc == 0) {
    remember_copies(t, false);
    rc = remove_all(t, false);
    if (rc != 0 && !t->removing)
      remember_copies(t, true);
  }
  t->left = rc != 0;
  if (rc != 0 && !t->removing && !t->again)
    undo(t);
  else if (rc != 0 && t->removing)
    log_warn("'%s' was copied to '%s', but not all of it could be removed: %s", t->from, t->to,
             strerror(-rc));
  return rc;
}

int names_move_tree(struct fs *fs, const struct root *r, const char *from, const char *to,
                    const char *replaced) {
  struct carried carried = {0};
  struct tree t = {.fs = fs, .root = r, .from = from, .to = to, .carried = &carried};
  int64_t id;
  int rc = moves_begin(fs, r, from, to, &id);

  if (rc != 0)
    return rc;
  if (*replaced != '\0')
    rc = names_remove(r, to, replaced);
  if (rc == 0)
    rc = move_all(&t);
  moves_end(fs, id);
  tree_fini(&t);
  tree_carried_fini(&carried);
  return rc;
}

int names_finish_tree(struct fs *fs, const struct root *r, const char *from, const char *to) {
  struct carried carried = {0};
  struct tree t = {.fs = fs, .root = r, .from = from, .to = to, .again = true, .carried = &carried};
  int rc = move_all(&t);

  tree_fini(&t);
  tree_carried_fini(&carried);
  return rc;
}

int names_carry_tree(struct fs *fs, const struct root *r, const struct names_way *way, bool *left) {
  struct carried carried = {0};
  struct tree t = {.fs = fs,
                   .root = r,
                   .from = way->from,
                   .to = way->to,
                   .absent = true,
                   .taken_back = way->taken_back,
                   .carried = &carried};
  int rc = move_all(&t);

  *left = t.left;
  tree_fini(&t);
  tree_carried_fini(&carried);
  return rc;
}
