/* Names that the kernel keeps cost memory here, as long as it keeps them.
 *
 * It drops them when it is short of memory itself, which need not be when this process
 * is. So when there are more nodes than may be, somebody else's thread walks the table, a
 * piece at a time, and tells the kernel of names that nobody uses that they are to be asked
 * for again; it then drops and forgets them. Files and links only: a folder may be
 * somebody's working directory. A name that is used again costs what is known of its
 * folder: most often no request.
 *
 * The hand goes round the table, so that a name that the kernel would not drop is not
 * asked for twice in a round. The thread waits between rounds, without the lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tree_internal.h"

/* What a file costs besides its name: its etag, and what the allocator takes. */
#define NODE_COST (sizeof(struct node) + 96)
#define BATCH 256 /* names told of without the lock */
#define TARGET(most) ((most) / 10 * 8)
#define PAUSE_MS 500 /* for what the kernel drops to be told of */
#define STEP_MS 20
#define FRUITLESS 3 /* rounds in a row that changed nothing */

struct excess {
  uint64_t parent;
  char *name;
};

static size_t most_of(const struct ns *n) {
  return n->names_limit / NODE_COST;
}

static bool is_idle(const struct node *i) {
  return !node_is_dir(i) && i->nlookup > 0 && i->refs == 0 && !i->gone && !i->local && !i->lost &&
         i->parent != NULL;
}

/* Up to BATCH names from where the hand is; *left: buckets of this round. */
static size_t pick_locked(struct ns *n, struct excess *out, size_t *left) {
  size_t count = 0;

  for (; *left > 0 && count < BATCH; --*left) {
    struct node *i = n->synced.buckets[n->synced.hand++ & (n->synced.bucket_count - 1)];

    for (; i != NULL && count < BATCH; i = i->chain) {
      char *name = is_idle(i) ? strdup(i->name) : NULL;

      if (name != NULL)
        out[count++] = (struct excess){i->parent->ino, name};
    }
  }
  return count;
}

static void tell(struct ns *n, struct excess *e, size_t count) {
  for (size_t k = 0; k < count; k++) {
    n->told(n->told_arg, e[k].parent, e[k].name, 0);
    free(e[k].name);
  }
}

/* One round at most. True: so many came meanwhile that it takes another. */
static bool thin_round_locked(struct ns *n) {
  struct excess batch[BATCH];
  size_t start = n->synced.node_count;
  size_t left = n->synced.bucket_count;
  size_t told = 0;

  while (!n->synced.ending && left > 0 && n->synced.node_count > TARGET(most_of(n)) &&
         told < start - TARGET(most_of(n))) {
    size_t count = pick_locked(n, batch, &left);

    mtx_unlock(&n->synced.lock);
    tell(n, batch, count);
    told += count;
    mtx_lock(&n->synced.lock);
  }
  return !n->synced.ending && n->synced.node_count > start + most_of(n) / 10;
}

static void wait_for_kernel_locked(struct ns *n) {
  const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

  for (int ms = 0; ms < PAUSE_MS && !n->synced.ending; ms += STEP_MS) {
    mtx_unlock(&n->synced.lock);
    nanosleep(&step, NULL);
    mtx_lock(&n->synced.lock);
  }
}

/* A name may have been told of before the kernel had it: its answer was still on the way. So
 * rounds go on while there are too many, and some go. */
static void thin(void *arg) {
  struct ns *n = arg;
  unsigned fruitless = 0;

  mtx_lock(&n->synced.lock);
  while (!n->synced.ending && n->synced.node_count > most_of(n) && fruitless < FRUITLESS) {
    size_t before = n->synced.node_count;

    while (thin_round_locked(n))
      continue;
    wait_for_kernel_locked(n);
    fruitless = n->synced.node_count < before ? 0 : fruitless + 1;
  }
  n->synced.thinning = false;
  n->synced.thinned = n->synced.node_count;
  mtx_unlock(&n->synced.lock);
}

/* Not again before a good part of what may be has come since: the kernel answers in
 * its own time, and names in use stay. */
void crowd_check_locked(struct ns *n) {
  size_t most = most_of(n);
  size_t again;

  if (n->told == NULL || n->names_limit == 0 || n->synced.node_count <= most || n->synced.thinning)
    return;
  if (n->synced.thinned > n->synced.node_count)
    n->synced.thinned = n->synced.node_count;
  again = n->synced.thinned + most / 10;
  if (n->synced.thinned > most && n->synced.node_count < again)
    return;
  n->synced.thinning = pool_submit(n->ahead, thin, n) == 0;
}
