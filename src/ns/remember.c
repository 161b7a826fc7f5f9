/* What is remembered of own versions over remounts.
 *
 * A listing does not tell metadata. What this mount itself wrote it knows, and notes
 * in its state by key and etag: a listed version that is remembered shows its mode,
 * owner, times and type without a request. Absent members are noted as values that
 * nothing has; of a file that has no mode, only when all that its metadata says is known. Of
 * directories (folders.c) the version is "": their objects are not looked at. Losing such a note
 * costs a HEAD, so failures are no errors. */
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/state/known.h"

#define NO_ID ((uint32_t)-1)
#define NO_TIME INT64_MIN

static struct known known_of(const struct posix *p) {
  return (struct known){.mode = p->has_mode ? p->mode : 0,
                        .uid = p->has_uid ? p->uid : NO_ID,
                        .gid = p->has_gid ? p->gid : NO_ID,
                        .mtime_ns = p->has_mtime ? p->mtime_ns : NO_TIME,
                        .atime_ns = p->has_atime ? p->atime_ns : NO_TIME,
                        .ctime_ns = p->has_ctime ? p->ctime_ns : NO_TIME};
}

static struct posix posix_of(const struct known *k) {
  return (struct posix){.has_mode = k->mode != 0,
                        .mode = k->mode,
                        .has_uid = k->uid != NO_ID,
                        .uid = k->uid,
                        .has_gid = k->gid != NO_ID,
                        .gid = k->gid,
                        .has_mtime = k->mtime_ns != NO_TIME,
                        .mtime_ns = k->mtime_ns,
                        .has_atime = k->atime_ns != NO_TIME,
                        .atime_ns = k->atime_ns,
                        .has_ctime = k->ctime_ns != NO_TIME,
                        .ctime_ns = k->ctime_ns};
}

void memo_take_from_locked(const struct node *i, struct memo *out) {
  if (node_is_dir(i) || i->file.etag == NULL)
    return;
  out->from = node_key_locked(i);
  memcpy(out->from_etag, i->file.etag, strlen(i->file.etag) + 1);
}

void memo_take_locked(struct ns *n, const struct node *i, struct memo *out) {
  bool known = i->posix != NULL && (i->posix->has_mode || i->whole);

  if (n->state == NULL || node_is_dir(i) || i->gone || i->local || (!known && out->from == NULL) ||
      i->file.etag == NULL || i->file.etag[0] == '\0')
    return;
  out->root = i->root;
  if (known)
    out->posix = *i->posix;
  out->known = known;
  memcpy(out->etag, i->file.etag, strlen(i->file.etag) + 1);
  out->key = node_key_locked(i);
}

void memo_keep(struct ns *n, struct memo *m) {
  struct known k = known_of(&m->posix);
  int rc = 0;

  if (m->key != NULL && m->from != NULL)
    rc = known_move(n->state, m->root->store->domain, m->from, m->from_etag, m->key, m->etag,
                    STATE_LAZY);
  if (m->key != NULL && m->known)
    rc = known_put(n->state, m->root->store->domain, m->key, m->etag, &k, STATE_LAZY);
  if (rc != 0)
    log_debug("the attributes of '%s' are not remembered", m->key);
  free(m->key);
  free(m->from);
  m->key = m->from = NULL;
}

void memo_drop(struct ns *n, const struct root *r, const char *key) {
  if (n->state != NULL && known_drop(n->state, r->store->domain, key, STATE_LAZY) != 0)
    log_debug("the attributes of '%s' are still remembered", key);
}

static bool told_before(struct ns *n, const struct root *r, const char *from, const char *etag) {
  struct known k;

  if (known_get(n->state, r->store->domain, from, etag, &k) != 0)
    return true;
  known_fini(&k);
  return false;
}

static int is_folder(void *arg, const char *key, const char *etag, const struct known *k) {
  (void)arg;
  (void)key;
  (void)k;
  return *etag == '\0';
}

void ns_recopied(struct ns *n, const struct root *r, const struct ns_recopied *folder,
                 const char *name, const char *etag, const char *copy_etag) {
  char *from = text_printf("%s%s", folder->from, name);
  char *to = text_printf("%s%s", folder->to, name);

  if (from != NULL && to != NULL) {
    if (n->state != NULL && !(folder->again && told_before(n, r, from, etag)) &&
        known_move(n->state, r->store->domain, from, etag, to, copy_etag, STATE_LAZY) != 0)
      log_debug("the attributes of '%s' are not remembered", to);
    shelving_drop_path(n, r, from, strlen(folder->from) - 1);
    shelving_drop_path(n, r, to, strlen(folder->to) - 1);
  }
  free(from);
  free(to);
}

void ns_folders_moved(struct ns *n, const struct root *r, const struct ns_recopied *folder) {
  if (n->state == NULL)
    return;
  if (folder->again &&
      known_each(n->state, r->store->domain, folder->from, false, is_folder, NULL) <= 0)
    return;
  mtx_lock(&n->synced.lock);
  folders_moved_locked(n, r, folder->from, folder->to);
  mtx_unlock(&n->synced.lock);
  if (known_move_folders(n->state, r->store->domain, folder->from, folder->to, STATE_LAZY) != 0)
    log_debug("the attributes of folders below '%s' are not remembered", folder->to);
}

void ns_remember(struct ns *n, const struct root *r, const char *key, const char *etag,
                 const struct posix *posix) {
  struct known k = {0};

  if (n->state == NULL)
    return;
  if (posix == NULL) {
    memo_drop(n, r, key);
    return;
  }
  k = known_of(posix);
  if (known_put(n->state, r->store->domain, key, etag, &k, STATE_LAZY) != 0)
    log_debug("the attributes of '%s' are not remembered", key);
}

bool memo_find(struct ns *n, const struct root *r, const char *folder, struct posix *out) {
  struct known k;

  if (n->state == NULL || r->options.posix == ROOT_POSIX_OFF ||
      known_get(n->state, r->store->domain, folder, "", &k) != 0)
    return false;
  *out = posix_of(&k);
  known_fini(&k);
  return true;
}

struct filling {
  struct page *page;
  size_t prefix;
};

static struct item *find_item(struct page *page, const char *name, const char *etag) {
  size_t len = strlen(name);
  struct item *it;
  char folder[NS_NAME_MAX + 1];

  if (len > 0 && name[len - 1] == '/') {
    if (len > sizeof(folder))
      return NULL;
    memcpy(folder, name, len - 1);
    folder[len - 1] = '\0';
    return page_find(page, folder, true);
  }
  it = page_find(page, name, false);
  return it != NULL && strcmp(it->etag, etag) == 0 ? it : NULL;
}

static int fill_one(void *arg, const char *key, const char *etag, const struct known *k) {
  struct filling *f = arg;
  struct item *it = find_item(f->page, key + f->prefix, etag);
  struct posix posix = posix_of(k);

  return it != NULL ? page_know(f->page, it, &posix) : 0;
}

void memo_fill(struct ns *n, const struct root *r, const char *prefix, struct page *page) {
  struct filling f = {.page = page, .prefix = strlen(prefix)};

  if (n->state == NULL || page->count == 0 || r->options.posix == ROOT_POSIX_OFF)
    return;
  if (known_each(n->state, r->store->domain, prefix, true, fill_one, &f) != 0)
    log_debug("what is remembered of '%s' was not read", prefix);
}
