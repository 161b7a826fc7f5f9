/* A file that becomes a copy of another object: the service makes it, no bytes come here. */
#include <errno.h>

#include "commit_internal.h"

static int copy_now(struct attempt *a, const struct store_source *from, struct store_attr *out) {
  struct staged *f = a->file;
  struct store_dress dress;
  int rc = commit_dress(a);

  if (rc != 0)
    return rc;
  dress = commit_dress_of(a);
  return f->store->write->copy(f->store, from, a->key, &dress, &a->condition, out);
}

int staged_copy(struct staged *f, const struct store_source *from, struct store_attr *out) {
  struct attempt a;
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = attempt_init(&a, f);
  a.condition.what = rc == 0 && a.state.base->present ? STORE_IF_MATCH : STORE_IF_ABSENT;
  a.condition.etag = rc == 0 ? a.state.base->attr.etag : NULL;
  if (rc == 0 && (a.state.size != 0 || f->synced.key[0] == '\0'))
    rc = -EBUSY;
  if (rc == 0)
    rc = copy_now(&a, from, out);
  if (rc == 0) {
    mtx_lock(&f->synced.lock);
    f->synced.dressed = false;
    mtx_unlock(&f->synced.lock);
    rc = commit_settle(&a, out);
  }
  attempt_fini(&a);
  commit_end(f);
  return rc;
}
