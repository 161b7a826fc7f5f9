/* A file that becomes a copy of another object: the service makes it, no bytes come here. */
#include <errno.h>

#include "commit_internal.h"

/* One of them. */
struct original {
  const struct store_source *here;
  const struct store_elsewhere *elsewhere;
};

static int copy_now(struct attempt *a, const struct original *from, struct store_attr *out) {
  struct store *s = a->file->store;
  struct store_dress dress;
  int rc = commit_dress(a);

  if (rc != 0)
    return rc;
  dress = commit_dress_of(a);
  return from->here != NULL
             ? s->write->copy(s, from->here, a->key, &dress, &a->condition, out)
             : s->write->copy_from(s, from->elsewhere, a->key, &dress, &a->condition, out);
}

static int become(struct staged *f, const struct original *from, struct store_attr *out) {
  struct attempt a;
  int rc = commit_begin(f);

  if (rc != 0)
    return rc;
  rc = attempt_init(&a, f);
  a.condition.what = rc == 0 && a.state.base->present ? STORE_IF_MATCH : STORE_IF_ABSENT;
  a.condition.etag = rc == 0 ? a.state.base->attr.etag : NULL;
  if (rc == 0 && (a.state.size != 0 || f->synced.key[0] == '\0'))
    rc = -EBUSY;
  if (rc == 0) {
    commit_take_dress(&a);
    rc = copy_now(&a, from, out);
    commit_end_dress(&a, rc != 0);
    if (rc == 0)
      rc = commit_settle(&a, out);
  }
  attempt_fini(&a);
  commit_end(f);
  return rc;
}

int staged_copy(struct staged *f, const struct store_source *from, struct store_attr *out) {
  return become(f, &(struct original){.here = from}, out);
}

int staged_copy_from(struct staged *f, const struct store_elsewhere *from, struct store_attr *out) {
  if (f->store->write->copy_from == NULL)
    return -EOPNOTSUPP;
  return become(f, &(struct original){.elsewhere = from}, out);
}
