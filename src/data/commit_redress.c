/* What an object carries, changed alone: mode, owner, times or user metadata that were set on the
 * file while its last commit was under way, so that the version which is in the store now does
 * not have them. The object is copied onto itself, if it is still that version. */
#include <errno.h>

#include "commit_internal.h"
#include "s3apfs/base/log.h"

#define TRIES_MAX 5

bool staged_dress_is_alone(struct staged *f) {
  bool alone;

  mtx_lock(&f->synced.lock);
  alone = f->synced.dressed && f->synced.base->present && f->synced.count == 0 && !f->synced.lost &&
          f->synced.key[0] != '\0';
  mtx_unlock(&f->synced.lock);
  return alone;
}

int commit_redress(struct staged *f, struct commit_result *out) {
  struct attempt a;
  int rc = attempt_init(&a, f);

  if (rc == 0) {
    snapshot_cut(&a.state, 0);
    a.condition = (struct store_condition){.what = STORE_IF_MATCH, .etag = a.state.base->attr.etag};
    rc = commit_send(&a, out);
  }
  attempt_fini(&a);
  return rc == -ENOENT ? -ESTALE : rc;
}

int commit_dress_since(struct staged *f, struct commit_result *out) {
  int rc = 0;

  for (int i = 0; rc == 0 && i < TRIES_MAX && staged_dress_is_alone(f); i++)
    rc = commit_redress(f, out);
  if (rc == -ESTALE) {
    log_warn("'%s' was replaced by somebody else: what was set on it here is given up",
             f->synced.key);
    mtx_lock(&f->synced.lock);
    f->synced.lost = true;
    mtx_unlock(&f->synced.lock);
    rc = staged_id(f) != 0 && staged_forget(f) != 0 ? -EIO : rc;
  } else if (rc != 0) {
    commit_note_failure(f, rc);
  }
  return rc;
}

int staged_redress(struct staged *f, struct commit_result *out) {
  int rc = commit_begin(f);

  *out = (struct commit_result){0};
  if (rc != 0)
    return rc;
  rc = commit_redress(f, out);
  commit_end(f);
  return rc;
}
