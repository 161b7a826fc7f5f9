/* Names behind: a removal that the journal learns of together with something else.
 *
 * What is staged of a file is given up with its name. A process that ends between the two would
 * leave the version before the last save; so the journal learns of both at once, and the removal is
 * noted even where it is made before the call returns: then the next process makes it. */
#include <errno.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/log.h"

/* Before this returns. Takes the change: one that was made and is still in the journal is dropped
 * there when that can be written. */
static int remove_at_once(struct later *l, struct later_change *c, const struct later_noter *n) {
  struct store_doomed d = {.key = c->key, .etag = c->etag};
  int rc = later_remove_now(&l->store, &d, 1);
  int forgotten;

  if (rc != 0)
    n->back(n->arg); /* before the journal forgets the removal */
  forgotten = journal_drop_change(l->state, c->id, STATE_DURABLE);
  if (forgotten != 0)
    log_error("the journal still has a removal of '%s' that is over: %s", c->key,
              strerror(-forgotten));
  c->gone = rc == 0;
  if (c->gone && forgotten != 0)
    later_push(l, c);
  else
    later_change_free(c);
  return rc;
}

static int note(struct later *l, const char *key, const char *etag, const struct later_noter *n,
                struct later_change **out) {
  int rc = later_settle(l, key);

  if (rc == 0)
    rc = later_change_new(LATER_REMOVAL, key, etag, out);
  if (rc != 0)
    return rc;
  rc = later_note_by(l, *out, n);
  if (rc != 0)
    later_change_free(*out);
  return rc;
}

int later_remove_noted(struct store *s, const char *key, const char *etag,
                       const struct later_noter *n) {
  struct later *l = later_of(s);
  struct later_change *c;
  int rc;

  if (l == NULL)
    return -EOPNOTSUPP;
  rc = note(l, key, etag, n, &c);
  if (rc != 0) {
    n->back(n->arg);
    return rc;
  }
  if (!l->at_once && atomic_load(&l->removed)) {
    later_push(l, c);
    return 0;
  }
  return remove_at_once(l, c, n);
}
