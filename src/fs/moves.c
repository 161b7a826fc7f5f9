/* Moves of folders, noted in the journal so that the next mount finishes what a crash cut.
 *
 *   noted (on the disk) -> copies, removals (names_tree.c) -> forgotten (on the disk)
 *
 * Forgetting is durable before the rename returns: what is made under the old name afterwards
 * must not be moved by a later mount. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"

#define MOVE "move folder" /* in the journal */

/* A row to be written is only read. */
static char *constant(const char *text) {
  return (char *)(uintptr_t)text;
}

int moves_begin(struct fs *fs, const struct root *r, const char *from, const char *to,
                int64_t *id) {
  struct journal_change row = {.domain = r->store->domain,
                               .what = constant(MOVE),
                               .key = constant(from),
                               .target = constant(to),
                               .etag = constant(""),
                               .detail = constant("")};
  int rc = fs->state != NULL ? journal_add_change(fs->state, &row, STATE_DURABLE) : 0;

  *id = rc == 0 ? row.id : 0;
  return rc;
}

void moves_end(struct fs *fs, int64_t id) {
  int rc = id != 0 ? journal_drop_change(fs->state, id, STATE_DURABLE) : 0;

  if (rc == 0)
    return;
  log_error("the journal still has a move that is over (%s); until it can be written, the next "
            "mount would move what is made under the old name",
            strerror(-rc));
  unnoted_over(fs, id, rc);
}

static int finish_one(void *arg, struct journal_change *row) {
  const struct finishing *f = arg;
  struct fs *fs = f->fs;
  const struct root *r = finishing_root(f, row->domain);
  const char *from = row->key;
  const char *to = row->target;
  int rc;

  if (strcmp(row->what, MOVE) != 0 || r == NULL)
    return 0;
  rc = r->store->write->ready(r->store);
  if (rc == 0)
    rc = names_finish_tree(fs, r, from, to);
  ns_unkeep(fs->ns, r, from);
  ns_unkeep(fs->ns, r, to);
  if (rc == 0) {
    moves_end(fs, row->id);
    log_warn("'%s' was being moved when an earlier s3apfs ended: it is '%s' now", row->key, to);
  } else {
    log_warn("'%s' was being moved to '%s' when an earlier s3apfs ended, and is not all there yet: "
             "%s",
             row->key, to, strerror(-rc));
    unnoted_left(fs, row->id, rc);
  }
  return 0;
}

int moves_finish(struct fs *fs, const struct root *only) {
  struct finishing f = {fs, only};

  return journal_each_change(fs->state, finish_one, &f);
}
