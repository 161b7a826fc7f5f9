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

#define LOOK_ATTEMPTS 3

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

bool s3_settle(struct s3_store *s, const char *key, const struct s3_traits *traits,
               struct store_attr *out) {
  struct store_detail d;
  struct s3_try t;
  bool ours = false;

  s3_try_init(&t);
  t.attempts = LOOK_ATTEMPTS;
  if (s3_change_detail(s->writer, key, &d, &t) == 0) {
    ours = same_bytes(traits, &d) &&
           (traits->dress == NULL || same_meta(traits->dress->meta, &d.meta));
    if (ours)
      *out = d.attr;
    store_detail_fini(&d);
  }
  log_debug("'%s' in %s: a reply was lost, the change %s", key, s->source,
            ours ? "was made" : "is not seen");
  s3_try_fini(&t);
  return ours;
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
