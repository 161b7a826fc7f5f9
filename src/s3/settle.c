/* Conditions and lost replies.
 *
 * Was it done? After a lost reply a change is looked for before anything else
 * happens to its object: an object with the size, the bytes and the metadata that
 * were sent is the one we made. It might have been made by somebody who sent the
 * very same; then nothing is lost either. */
#include <errno.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "store_internal.h"

static bool same_meta(const struct kvlist *want, const struct kvlist *have) {
  if ((want != NULL ? want->count : 0) != have->count)
    return false;
  for (size_t i = 0; i < have->count; i++) {
    const char *value = kvlist_get_ci(have, want->items[i].name);

    if (value == NULL || strcmp(value, want->items[i].value) != 0)
      return false;
  }
  return true;
}

static bool same_bytes(const struct s3_traits *w, const struct store_detail *d) {
  if (d->attr.size != w->size)
    return false;
  if (w->any_bytes)
    return true;
  if (w->has_crc64nvme && d->has_crc64nvme)
    return w->crc64nvme == d->crc64nvme;
  if (w->sum[0] != '\0' && d->sum[0] != '\0')
    return strcmp(w->sum, d->sum) == 0;
  return w->etag != NULL && strcmp(w->etag, d->attr.etag) == 0;
}

static bool was_answered(int rc, const struct s3_try *look) {
  return rc == 0 || (look->error.http_status != 0 && !s3_error_is_open(&look->error));
}

static int compare(const struct s3_traits *traits, const struct store_detail *d,
                   struct store_attr *out) {
  if (!same_bytes(traits, d) ||
      (traits->dress != NULL && !same_meta(traits->dress->meta, &d->meta)))
    return -ENOENT;
  *out = d->attr;
  return 0;
}

int s3_settle(struct s3_store *s, const char *key, const struct s3_traits *traits,
              struct store_attr *out, struct s3_try *t) {
  struct store_detail d;
  struct s3_try look;
  int rc;

  s3_try_init(&look);
  look.attempts = S3_LOOK_ATTEMPTS;
  rc = s3_change_detail(s->writer, key, &d, &look);
  if (!was_answered(rc, &look)) {
    s3_try_again(t);
    s3_error_move(&t->error, &look.error);
  } else if (rc == 0) {
    rc = compare(traits, &d, out);
    store_detail_fini(&d);
  } else {
    rc = -ENOENT;
  }
  log_debug("'%s' in %s: a reply was lost, the change %s", key, s->source,
            rc == 0         ? "was made"
            : rc == -ENOENT ? "is not seen"
                            : "cannot be looked for");
  s3_try_fini(&look);
  return rc;
}

int s3_check_now(struct s3_store *s, const char *key, const struct store_condition *cond,
                 struct s3_try *t) {
  struct store_attr a;
  int rc;

  if (cond == NULL || cond->what == STORE_IF_ANY)
    return 0;
  rc = s3_client_head(s->writer, key, &a, NULL, &t->error);
  if (rc == 0 && cond->what == STORE_IF_ABSENT)
    return -EEXIST;
  if (rc == 0)
    return strcmp(a.etag, cond->etag) == 0 ? 0 : -ESTALE;
  if (rc != -ENOENT)
    return rc;
  s3_try_again(t);
  return cond->what == STORE_IF_ABSENT ? 0 : -ESTALE;
}

int s3_prepare_condition(struct s3_store *s, const char *key, const struct store_condition *cond,
                         enum s3_honours kind, const struct store_condition **send,
                         struct s3_try *t) {
  unsigned honours;
  int rc;

  *send = NULL;
  if (cond == NULL || cond->what == STORE_IF_ANY)
    return 0;
  rc = s3_conditions_get(s, &honours);
  if (rc != 0)
    return rc;
  if ((honours & (unsigned)kind) == 0)
    return s3_check_now(s, key, cond, t);
  *send = cond;
  return 0;
}
