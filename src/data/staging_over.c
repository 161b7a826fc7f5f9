/* Rows of the journal that are over, and could not be dropped: its disk was full, or failed. The
 * store has all of it, or it was given up, so nothing of them is pending; they go once the journal
 * can be written again, which is tried whenever something else was written to it and when their
 * own content made room on that disk. The file has no row any more, and gets another one. A later
 * process that still finds one sees by what the commit expected that it is over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "staging_internal.h"

void staging_over_init(struct staging *g) {
  mtx_init(&g->over.lock, RANK_DATA);
}

void staging_over_fini(struct staging *g) {
  mtx_fini(&g->over.lock);
  free(g->over.rows);
}

int staging_over_add(struct staging *g, int64_t row) {
  int64_t *grown;

  mtx_lock(&g->over.lock);
  grown = realloc(g->over.rows, (g->over.count + 1) * sizeof(*grown));
  if (grown != NULL) {
    g->over.rows = grown;
    grown[g->over.count++] = row;
  }
  mtx_unlock(&g->over.lock);
  return grown != NULL ? 0 : -ENOMEM;
}

static int64_t take(struct staging *g) {
  int64_t row = 0;

  mtx_lock(&g->over.lock);
  if (g->over.count > 0)
    row = g->over.rows[--g->over.count];
  mtx_unlock(&g->over.lock);
  return row;
}

void staging_drop_over(struct staging *g) {
  int rc = 0;
  int64_t row;

  while (rc == 0 && (row = take(g)) != 0) {
    rc = journal_drop_file(g->state, row, STATE_LAZY);
    if (rc != 0 && staging_over_add(g, row) != 0)
      log_debug("a row that is over is left to the next mount");
  }
  if (rc != 0)
    log_debug("the journal still has files that are in the store: %s", strerror(-rc));
}

bool staging_is_over(struct staging *g, int64_t row) {
  bool is = false;

  mtx_lock(&g->over.lock);
  for (size_t i = 0; i < g->over.count; i++)
    is = is || g->over.rows[i] == row;
  mtx_unlock(&g->over.lock);
  return is;
}
