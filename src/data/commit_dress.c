/* What an object carries beside its bytes, kept over a change.
 *
 * A put replaces everything, so what others put on the object is asked for first (or was
 * told with bytes that the change needs, see commit_hold.c) and sent along: user metadata and
 * headers always, tags where the identity may read them. Where it may not, and there are some, the
 * change is refused rather than the tags lost. */
#include <errno.h>
#include <string.h>

#include "commit_internal.h"
#include "s3apfs/base/log.h"

#define TAGGING "x-amz-tagging"

static int lay_over(struct kvlist *under, const struct kvlist *over) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < over->count; i++) {
    if (over->items[i].value[0] == '\0')
      kvlist_remove_ci(under, over->items[i].name);
    else
      rc = kvlist_set_ci(under, over->items[i].name, over->items[i].value);
  }
  return rc;
}

static int keep_tags(struct attempt *a, const char *key) {
  struct store *s = a->file->store;
  struct buf tags;
  int rc;

  buf_init(&tags, 65536);
  rc = s->write->tags(s, key, &tags);
  if (rc == -EACCES)
    log_error("'%s' has tags, which a change would lose because reading them is denied "
              "(s3:GetObjectTagging): it is not changed (tags=drop gives them up)",
              key);
  if (rc == 0)
    rc = buf_error(&tags);
  if (rc == 0 && tags.len > 0)
    rc = kvlist_set_ci(&a->headers, TAGGING, buf_cstr(&tags));
  buf_fini(&tags);
  return rc;
}

/* Told with bytes a moment ago, or asked for now. *d: the caller's. */
static int base_detail(struct attempt *a, struct store_detail *d) {
  struct store *s = a->file->store;

  if (!a->held.is_told)
    return s->write->detail(s, a->file->synced.key, d);
  *d = a->held.detail;
  a->held.is_told = false;
  return 0;
}

static int base_dress(struct attempt *a) {
  const char *key = a->file->synced.key;
  struct store_detail d;
  int rc = base_detail(a, &d);

  if (rc == -ENOENT && a->aside)
    return 0;
  if (rc != 0)
    return rc == -ENOENT ? -ESTALE : rc;
  if (strcmp(d.attr.etag, a->state.base->attr.etag) != 0) {
    store_detail_fini(&d);
    return a->aside ? 0 : -ESTALE;
  }
  if (rc == 0)
    rc = lay_over(&a->meta, &d.meta);
  if (rc == 0)
    rc = lay_over(&a->headers, &d.headers);
  if (rc == 0 && d.tag_count > 0)
    rc = keep_tags(a, key);
  store_detail_fini(&d);
  return rc;
}

int commit_dress(struct attempt *a) {
  struct staged *f = a->file;
  int rc = a->state.base->present ? base_dress(a) : 0;

  if (rc != 0)
    return rc;
  mtx_lock(&f->synced.lock);
  rc = lay_over(&a->meta, &f->synced.meta);
  if (rc == 0)
    rc = lay_over(&a->headers, &f->synced.headers);
  mtx_unlock(&f->synced.lock);
  return rc;
}

void commit_take_dress(struct attempt *a) {
  struct staged *f = a->file;

  mtx_lock(&f->synced.lock);
  a->dressed = f->synced.dressing = f->synced.dressed;
  f->synced.dressed = false;
  mtx_unlock(&f->synced.lock);
}

void commit_end_dress(struct attempt *a, bool back) {
  struct staged *f = a->file;

  mtx_lock(&f->synced.lock);
  f->synced.dressing = false;
  f->synced.dressed = f->synced.dressed || (back && a->dressed);
  mtx_unlock(&f->synced.lock);
}

void commit_tell_stored(const struct attempt *a, const struct store_attr *attr) {
  const struct staged *f = a->file;

  if (f->staging->stored != NULL && a->meta.count > 0)
    f->staging->stored(f->staging->stored_arg, f->store, a->key, attr->etag, &a->meta);
}

void commit_explain_denial(const struct attempt *a) {
  if (kvlist_get_ci(&a->headers, TAGGING) != NULL)
    log_error("'%s' has tags, and keeping them may be what was denied (s3:PutObjectTagging): it is "
              "not changed (tags=drop gives them up)",
              a->key);
}

struct store_dress commit_dress_of(const struct attempt *a) {
  return (struct store_dress){.meta = &a->meta, .headers = &a->headers};
}
