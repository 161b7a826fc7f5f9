/* The store whose keys are escaped: reading.
 *
 * Most keys are their own escaped form and go through as they are. A listing asks for the
 * unescaped prefix and escapes what comes; what then lies elsewhere (a name that is too
 * long goes on in a folder of its own) is left out or folded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "escape_store.h"
#include "s3apfs/base/text.h"

int escape_real_key(const struct escape_store *e, const char *escaped, char **out, bool *twin) {
  struct buf key;
  int rc;

  buf_init(&key, 0);
  rc = escape_undo(escaped, &key, twin);
  if (rc == 0 && key.len > store_key_max(e->inner))
    rc = -ENAMETOOLONG;
  *out = rc == 0 ? buf_take(&key) : NULL;
  buf_fini(&key);
  return rc == 0 && *out == NULL ? -ENOMEM : rc;
}

/* --- gets -------------------------------------------------------------------------------- */

/* A get's key has to stay as long as the get does, which only its owner knows: those that
 * differ, few as they are, stay as long as the store. */
static const char *keep_key(struct escape_store *e, char *key) {
  struct kept *k;

  mtx_lock(&e->synced.lock);
  HASH_FIND_STR(e->synced.keys, key, k);
  if (k == NULL) {
    k = calloc(1, sizeof(*k));
    if (k != NULL) {
      k->key = key;
      key = NULL;
      HASH_ADD_KEYPTR(hh, e->synced.keys, k->key, strlen(k->key), k);
    }
  }
  mtx_unlock(&e->synced.lock);
  free(key);
  return k != NULL ? k->key : NULL;
}

static int escape_get(struct store *s, struct store_get *g) {
  struct escape_store *e = escape_self(s);
  bool twin;
  char *key;
  int rc;

  if (strstr(g->key, ESCAPE_MARK) != NULL) {
    rc = escape_real_key(e, g->key, &key, &twin);
    if (rc != 0)
      return rc == -ENOMEM ? rc : -ENOENT;
    g->key = keep_key(e, key);
    if (g->key == NULL)
      return -ENOMEM;
  }
  return e->inner->ops->get(e->inner, g);
}

static void escape_get_cancel(struct store *s, struct store_get *g) {
  struct escape_store *e = escape_self(s);

  e->inner->ops->get_cancel(e->inner, g);
}

/* --- heads ------------------------------------------------------------------------------- */

/* Beside a folder, or else its plain name is the only one. */
static int check_twin(struct escape_store *e, const char *key) {
  char *folder = text_printf("%s/", key);
  struct store_page page = {0};
  int rc = folder == NULL ? -ENOMEM : e->inner->ops->list(e->inner, folder, false, NULL, 1, &page);

  free(folder);
  if (rc != 0)
    return rc;
  rc = page.count > 0 ? 0 : -ENOENT;
  store_page_fini(&page);
  return rc;
}

static int escape_head(struct store *s, const char *name, struct store_attr *out,
                       struct kvlist *meta) {
  struct escape_store *e = escape_self(s);
  bool twin;
  char *key;
  int rc = escape_real_key(e, name, &key, &twin);

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  if (twin)
    rc = check_twin(e, key);
  if (rc == 0)
    rc = e->inner->ops->head(e->inner, key, out, meta);
  free(key);
  return rc;
}

/* --- listings ------------------------------------------------------------------------------ */

static bool is_last(const struct store_page *p, const char *name) {
  return p->count > 0 && strcmp(p->entries[p->count - 1].name, name) == 0;
}

/* One entry under its escaped name, when that lies below the prefix. */
static int add_entry(struct store_page *p, const struct store_entry *from, const char *prefix,
                     bool folded) {
  struct store_entry *to = &p->entries[p->count];
  struct buf name;
  char *slash;
  int rc;

  buf_init(&name, 0);
  rc = escape_key(from->name, &name);
  if (rc != 0 || !text_has_prefix(buf_cstr(&name), prefix)) {
    buf_fini(&name);
    return rc;
  }
  *to = *from;
  slash = folded ? strchr(name.data + strlen(prefix), '/') : NULL;
  if (slash != NULL) {
    to->is_prefix = true;
    slash[1] = '\0';
  }
  if (to->is_prefix)
    memset(&to->attr, 0, sizeof(to->attr));
  to->name = strdup(buf_cstr(&name));
  buf_fini(&name);
  if (to->name == NULL)
    return -ENOMEM;
  if (to->is_prefix && is_last(p, to->name))
    free(to->name); /* several names go on in it */
  else
    p->count++;
  return 0;
}

static int escape_page(struct store_page *from, const char *prefix, bool folded,
                       struct store_page *out) {
  struct store_page p = {.entries = calloc(from->count + 1, sizeof(*p.entries))};
  int rc = p.entries != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; rc == 0 && i < from->count; i++)
    rc = add_entry(&p, &from->entries[i], prefix, folded);
  if (rc != 0) {
    store_page_fini(&p);
    return rc;
  }
  p.next = from->next;
  from->next = NULL;
  *out = p;
  return 0;
}

static int escape_list(struct store *s, const char *prefix, bool folded, const char *token,
                       unsigned max, struct store_page *out) {
  struct escape_store *e = escape_self(s);
  struct store_page page = {0};
  bool twin;
  char *key;
  int rc = escape_real_key(e, prefix, &key, &twin);

  if (rc == -EINVAL) { /* nothing can be there */
    *out = (struct store_page){0};
    return 0;
  }
  if (rc != 0)
    return rc;
  rc = e->inner->ops->list(e->inner, key, folded, token, max, &page);
  free(key);
  if (rc == 0)
    rc = escape_page(&page, prefix, folded, out);
  store_page_fini(&page);
  return rc;
}

static int escape_explain(struct store *s, const char *name, struct buf *out) {
  struct escape_store *e = escape_self(s);
  bool twin;
  char *key;
  int rc = escape_real_key(e, name, &key, &twin);

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  rc = e->inner->ops->explain(e->inner, key, out);
  free(key);
  return rc;
}

static int escape_elsewhere(struct store *s, const char *name, struct store_elsewhere *out) {
  struct escape_store *e = escape_self(s);
  bool twin;
  char *key;
  int rc = escape_real_key(e, name, &key, &twin);

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  rc =
      e->inner->ops->elsewhere != NULL ? e->inner->ops->elsewhere(e->inner, key, out) : -EOPNOTSUPP;
  free(key);
  return rc;
}

/* --- life ---------------------------------------------------------------------------------- */

static void escape_free(struct escape_store *e) {
  struct kept *k = e->synced.keys;

  HASH_CLEAR(hh, e->synced.keys); /* the list of all of them stays */
  while (k != NULL) {
    struct kept *next = k->hh.next;

    free(k->key);
    free(k);
    k = next;
  }
  free(e->store.domain);
  free(e->store.realm);
  mtx_fini(&e->synced.lock);
  free(e);
}

static void escape_destroy(struct store *s) {
  struct escape_store *e = escape_self(s);

  store_free(e->inner);
  escape_free(e);
}

static const struct store_ops ops = {
    .get = escape_get,
    .get_cancel = escape_get_cancel,
    .head = escape_head,
    .list = escape_list,
    .explain = escape_explain,
    .elsewhere = escape_elsewhere,
    .destroy = escape_destroy,
};

int escape_store_new(struct store *inner, struct store **out) {
  struct escape_store *e = calloc(1, sizeof(*e));

  if (e == NULL)
    return -ENOMEM;
  mtx_init(&e->synced.lock, RANK_STORE);
  e->inner = inner;
  e->store = (struct store){.ops = &ops,
                            .write = inner->write != NULL ? &escape_write_ops : NULL,
                            .domain = text_printf("%s|escaped", inner->domain),
                            .realm = text_printf("%s|escaped", store_realm(inner)),
                            .outage = inner->outage,
                            .sums = inner->sums,
                            .scoped = inner->scoped,
                            .read_only = inner->read_only,
                            .appends = inner->appends};
  if (e->store.domain == NULL || e->store.realm == NULL) {
    escape_free(e);
    return -ENOMEM;
  }
  *out = &e->store;
  return 0;
}
