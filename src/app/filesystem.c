/* Catalog, caches and journal become one struct fs. */
#include "filesystem.h"

#include <errno.h>
#include <string.h>

#include "caching.h"
#include "s3apfs/base/log.h"
#include "s3apfs/state/journal.h"

static int make_fs(struct app *a, const struct config *c, struct state *state, struct fs **out) {
  struct fs_options o = {.memory = c->settings.memory,
                         .disk = a->disk,
                         .shelf = a->shelf,
                         .tier = tiering_tier(a->tiering),
                         .deadline_ms = c->settings.deadline_ms,
                         .state = state,
                         .staging_size = c->settings.staging_size,
                         .part_size = c->settings.part_size};
  struct catalog catalog;
  int rc = app_catalog(a, &catalog);

  if (rc != 0)
    return rc;
  rc = fs_new(&catalog, &o, out);
  if (rc != 0)
    catalog_fini(&catalog);
  return rc;
}

static int seen_file(void *arg, struct journal_file *row) {
  (void)row;
  *(bool *)arg = true;
  return 0;
}

static int seen_change(void *arg, struct journal_change *row) {
  (void)row;
  *(bool *)arg = true;
  return 0;
}

/* Nothing is to be sent that an earlier process promised. */
static bool owes_nothing(struct state *state) {
  bool any = false;

  return state == NULL || (journal_each_file(state, seen_file, &any) == 0 &&
                           journal_each_change(state, seen_change, &any) == 0 && !any);
}

/* What an earlier process promised comes first. */
static void recover(struct fs *fs) {
  struct fs_recovered r;
  int rc = fs_recover(fs, &r);

  if (rc != 0)
    log_error("the journal cannot be read: %s", strerror(-rc));
  else if (r.committed + r.aside + r.left > 0)
    log_warn("of an earlier mount: %u files were finished, %u copies kept, %u still wait",
             r.committed, r.aside, r.left);
}

int filesystem_new(struct app *a, const struct config *c, struct state *state, struct fs **out,
                   struct buf *why) {
  bool idle = owes_nothing(state); /* before anybody sends some of it */
  int rc;

  caching_open(&c->settings, &a->disk, &a->shelf);
  rc = make_fs(a, c, state, out);
  if (rc != 0)
    buf_printf(why, "cannot build the file system: %s", strerror(-rc));
  else if (state != NULL)
    recover(*out);
  if (rc == 0 && idle)
    app_show_first(a, *out);
  return rc;
}
