/* Listings of the route store.
 *
 * A folder that a readable scope covers is that scope's own listing. Any other
 * folder is put together: first the names that lead to scopes, made up; then, one
 * after the other, the listings of those scopes that end within a name of this
 * folder. Tokens: "n:NAME" goes on behind a made-up name, "p:PREFIX\n:TOKEN" is in
 * the listing of that scope. A token whose scope is gone ends the listing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route_store_internal.h"
#include "s3apfs/base/text.h"

#define NAME_TOKEN "n:"
#define PART_TOKEN "p:"

struct assembly {
  struct route_store *r;
  const struct scope_table *t;
  const char *folder;
  size_t folder_len;
  unsigned max;
  struct store_page page;
  size_t room; /* of page.entries */
};

static int page_room(struct assembly *a, size_t more) {
  struct store_entry *grown;

  if (a->page.count + more <= a->room)
    return 0;
  grown = realloc(a->page.entries, (a->page.count + more) * sizeof(*grown));
  if (grown == NULL)
    return -ENOMEM;
  a->page.entries = grown;
  a->room = a->page.count + more;
  return 0;
}

static int put_entry(struct assembly *a, char *name, bool is_prefix,
                     const struct store_attr *attr) {
  struct store_entry e = {.name = name, .is_prefix = is_prefix};
  int rc = name == NULL ? -ENOMEM : page_room(a, 1);

  if (rc != 0) {
    free(name);
    return rc;
  }
  if (attr != NULL)
    e.attr = *attr;
  a->page.entries[a->page.count++] = e;
  return 0;
}

/* --- one scope's own listing --- */

/* The names of a scope's store get the part in front of them back. */
static int restore_names(struct store_page *p, const struct scope_entry *e) {
  for (size_t i = 0; i < p->count; i++) {
    char *whole = text_printf("%.*s%s", (int)e->strip, e->prefix, p->entries[i].name);

    if (whole == NULL)
      return -ENOMEM;
    free(p->entries[i].name);
    p->entries[i].name = whole;
  }
  return 0;
}

static int list_inner(struct route_store *r, struct scope_entry *e, const char *prefix, bool folded,
                      const char *token, const char *after, unsigned max, struct store_page *out) {
  struct store *inner;
  struct store_page page;
  int rc = route_begin(r, e, &inner);

  if (rc != 0)
    return rc;
  prefix = route_inner_key(e, prefix);
  if (after != NULL)
    rc = inner->ops->list_after(inner, prefix, folded, route_inner_key(e, after), max, &page);
  else
    rc = inner->ops->list(inner, prefix, folded, token, max, &page);
  route_end(e);
  if (rc != 0)
    return rc;
  rc = restore_names(&page, e);
  if (rc != 0)
    store_page_fini(&page);
  else
    *out = page;
  return rc;
}

/* Does a scope lie at or below this folder? */
static bool leads_on(const struct scope_table *t, const char *folder) {
  size_t at = scope_table_from(t, folder);

  return at < t->count && text_has_prefix(t->items[at]->prefix, folder);
}

/* A folder that a scope names is there although nothing lies in it: its own
 * marker says so. */
static int list_covered(struct assembly *a, struct scope_entry *e, bool folded, const char *token) {
  int rc = list_inner(a->r, e, a->folder, folded, token, NULL, a->max, &a->page);

  if (rc != 0)
    return rc;
  a->room = a->page.count;
  if (token == NULL && a->page.count == 0 && a->page.next == NULL && a->folder_len > 0 &&
      leads_on(a->t, a->folder))
    rc = put_entry(a, strdup(a->folder), false, NULL);
  return rc;
}

/* --- made-up names --- */

/* Length of the part of a scope's prefix that names a folder in this one, with
 * its slash; 0: it ends within a name. */
static size_t child_length(const struct assembly *a, const struct scope_entry *e) {
  const char *rest = e->prefix + a->folder_len;
  const char *slash = strchr(rest, '/');

  return slash != NULL ? a->folder_len + (size_t)(slash - rest) + 1 : 0;
}

static bool is_file_here(const struct assembly *a, const struct scope_entry *e) {
  return e->whole && e->can_read && e->prefix[a->folder_len] != '\0' && child_length(a, e) == 0;
}

static int put_file(struct assembly *a, struct scope_entry *e) {
  struct store_attr attr;
  struct store *inner;
  int rc = route_begin(a->r, e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->ops->head(inner, route_inner_key(e, e->prefix), &attr, NULL);
  route_end(e);
  if (rc == -ENOENT || rc == -EACCES)
    return 0;
  return rc != 0 ? rc : put_entry(a, strdup(e->prefix), false, &attr);
}

static bool is_behind(const char *name, size_t len, const char *after) {
  size_t n = strlen(after);
  int c = strncmp(name, after, len < n ? len : n);

  return c != 0 ? c > 0 : len > n;
}

static bool last_is(const struct assembly *a, const char *name, size_t len) {
  const char *last = a->page.count > 0 ? a->page.entries[a->page.count - 1].name : NULL;

  return last != NULL && strlen(last) == len && strncmp(last, name, len) == 0;
}

/* *full: the page is, and its token is set. */
static int put_names(struct assembly *a, const char *after, bool *full) {
  int rc = 0;

  *full = false;
  for (size_t i = scope_table_from(a->t, a->folder);
       rc == 0 && i < a->t->count && text_has_prefix(a->t->items[i]->prefix, a->folder); i++) {
    struct scope_entry *e = a->t->items[i];
    size_t len = child_length(a, e);
    bool file = is_file_here(a, e);

    if (file)
      len = strlen(e->prefix);
    if (len == 0 || !is_behind(e->prefix, len, after) || last_is(a, e->prefix, len))
      continue;
    if (a->page.count > 0 && a->page.count >= a->max) {
      *full = true;
      a->page.next = text_printf(NAME_TOKEN "%s", a->page.entries[a->page.count - 1].name);
      return a->page.next != NULL ? 0 : -ENOMEM;
    }
    rc = file ? put_file(a, e) : put_entry(a, text_dup_n(e->prefix, len), true, NULL);
  }
  return rc;
}

/* --- listings of scopes that end within a name --- */

static bool is_part(const struct assembly *a, const struct scope_entry *e) {
  return !e->whole && e->can_read && e->prefix[a->folder_len] != '\0' && child_length(a, e) == 0;
}

static size_t next_part(const struct assembly *a, size_t from) {
  for (size_t i = from; i < a->t->count && text_has_prefix(a->t->items[i]->prefix, a->folder);
       i++) {
    /* A longer one below a shorter one has nothing of its own. */
    if (is_part(a, a->t->items[i]) &&
        scope_table_match(a->t, a->t->items[i]->prefix, SCOPE_CAN_READ) == a->t->items[i] &&
        (a->t->up[i] == SCOPE_NONE || !is_part(a, a->t->items[a->t->up[i]])))
      return i;
  }
  return SCOPE_NONE;
}

static int set_part_token(struct assembly *a, size_t part, const char *inner) {
  a->page.next =
      text_printf(PART_TOKEN "%s\n%s", a->t->items[part]->prefix, inner != NULL ? inner : "");
  return a->page.next != NULL ? 0 : -ENOMEM;
}

static bool is_made_up(const struct assembly *a, const char *name) {
  bool folder = text_has_suffix(name, "/");

  for (size_t i = scope_table_from(a->t, name);
       i < a->t->count && text_has_prefix(a->t->items[i]->prefix, name); i++) {
    const struct scope_entry *e = a->t->items[i];

    if (folder)
      return true;
    if (strcmp(e->prefix, name) != 0)
      return false;
    if (is_file_here(a, e))
      return true;
  }
  return false;
}

/* Takes over what is not shown already. */
static int take_page(struct assembly *a, struct store_page *p) {
  int rc = page_room(a, p->count);

  for (size_t i = 0; rc == 0 && i < p->count; i++) {
    if (is_made_up(a, p->entries[i].name))
      continue;
    a->page.entries[a->page.count++] = p->entries[i];
    p->entries[i].name = NULL;
  }
  return rc;
}

/* One page of one part; the token leads to what follows. */
static int put_part(struct assembly *a, size_t part, const char *token) {
  struct scope_entry *e = a->t->items[part];
  struct store_page p;
  int rc = list_inner(a->r, e, e->prefix, true, token, NULL, a->max - (unsigned)a->page.count, &p);

  if (rc != 0)
    return rc;
  rc = take_page(a, &p);
  if (rc == 0 && p.next != NULL)
    rc = set_part_token(a, part, p.next);
  else if (rc == 0 && (part = next_part(a, part + 1)) != SCOPE_NONE)
    rc = set_part_token(a, part, NULL);
  store_page_fini(&p);
  return rc;
}

static int resume_part(struct assembly *a, const char *token) {
  const char *end = strchr(token, '\n');
  char *prefix = end != NULL ? text_dup_n(token, (size_t)(end - token)) : NULL;
  size_t at = prefix != NULL ? scope_table_from(a->t, prefix) : a->t->count;
  bool here = at < a->t->count && strcmp(a->t->items[at]->prefix, prefix) == 0 &&
              is_part(a, a->t->items[at]);

  free(prefix);
  return here ? put_part(a, at, end[1] != '\0' ? end + 1 : NULL) : 0;
}

static int assemble(struct assembly *a, const char *token) {
  bool full;
  size_t part;
  int rc;

  if (token != NULL && text_has_prefix(token, PART_TOKEN))
    return resume_part(a, token + strlen(PART_TOKEN));
  rc = put_names(a, token != NULL ? token + strlen(NAME_TOKEN) : "", &full);
  if (rc != 0 || full)
    return rc;
  part = next_part(a, scope_table_from(a->t, a->folder));
  if (part == SCOPE_NONE)
    return 0;
  return a->page.count >= a->max ? set_part_token(a, part, NULL) : put_part(a, part, NULL);
}

/* --- all --- */

/* A folder in which everything may only be written cannot be listed. */
static int list_above(struct assembly *a, bool folded, const char *token) {
  bool folder = a->folder_len == 0 || a->folder[a->folder_len - 1] == '/';
  int rc = folded && folder ? assemble(a, token) : 0;

  if (rc == 0 && a->page.count == 0 && a->page.next == NULL &&
      scope_table_match(a->t, a->folder, 0) != NULL)
    rc = -EACCES;
  return rc;
}

int route_list(struct store *s, const char *prefix, bool folded, const char *token, unsigned max,
               struct store_page *out) {
  struct route_store *r = (struct route_store *)s;
  struct scope_table *t = route_hold(r);
  struct assembly a = {.r = r, .t = t, .folder = prefix, .folder_len = strlen(prefix), .max = max};
  struct scope_entry *e = *prefix != '\0' ? scope_table_match(t, prefix, SCOPE_CAN_READ) : NULL;
  int rc;

  if (e != NULL && !e->whole)
    rc = list_covered(&a, e, folded, token);
  else
    rc = list_above(&a, folded, token);
  route_drop(r, t);
  if (rc != 0)
    store_page_fini(&a.page);
  else
    *out = a.page;
  return rc;
}

/* What is put together of several listings is in no one order. */
int route_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                     unsigned max, struct store_page *out) {
  struct route_store *r = (struct route_store *)s;
  struct scope_table *t = route_hold(r);
  struct scope_entry *e = *prefix != '\0' ? scope_table_match(t, prefix, SCOPE_CAN_READ) : NULL;
  int rc = -ENOTSUP;

  if (e != NULL && !e->whole)
    rc = list_inner(r, e, prefix, folded, NULL, after, max, out);
  route_drop(r, t);
  return rc;
}
