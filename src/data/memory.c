/* The cache's memory: who may have it, and the buffers it is made of.
 *
 * Memory is reserved before an extent exists. A reader reserves all that one
 * read lacks in one step and holds no pin while it waits, so readers cannot
 * wait for each other in a circle: every pinned extent loads and is put back
 * without needing more memory. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <utlist.h>

/* From here on memory comes from the kernel and goes back to it: the allocator
 * would keep freed megabytes resident. */
#define MMAP_MIN ((size_t)64 << 10)
#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)

/* --- buffers --- */

static size_t capacity_of(size_t length) {
  return (length + PAGE - 1) / PAGE * PAGE;
}

static void *map(size_t length) {
  void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return p != MAP_FAILED ? p : NULL;
}

/* On a border of huge pages, which the kernel pins, for the disk and for its own copying,
 * in a fraction of the time. What sticks out on both sides is given back. */
static void *map_huge(size_t length) {
  size_t end = (length + PAGE - 1) / PAGE * PAGE;
  unsigned char *p = map(end + HUGE - PAGE);
  size_t before;

  if (p == NULL)
    return NULL;
  before = (HUGE - (uintptr_t)p % HUGE) % HUGE;
  if (before > 0)
    munmap(p, before);
  if (before < HUGE - PAGE)
    munmap(p + before + end, HUGE - PAGE - before);
  /* a kernel without them goes on with small ones */
  (void)!madvise(p + before, length / HUGE * HUGE, MADV_HUGEPAGE);
  return p + before;
}

static void *buffer_map(const struct cache *c, size_t capacity) {
  return capacity % HUGE == 0 ? map_huge(capacity + c->slack) : map(capacity + c->slack);
}

static void buffer_unmap(const struct cache *c, void *data, size_t capacity) {
  munmap(data, capacity + c->slack);
}

/* Used pages are handed on: fresh ones cost a fault and a zeroing each, which is
 * more than receiving their bytes costs. One that is a quarter too large will do. */
static void *spare_take_locked(struct cache *c, size_t wanted, size_t *capacity) {
  for (unsigned i = c->synced.spare_count; i-- > 0;) {
    struct spare s = c->synced.spares[i];

    if (s.capacity < wanted || s.capacity - wanted > wanted / 4)
      continue;
    c->synced.spares[i] = c->synced.spares[--c->synced.spare_count];
    c->synced.spare_bytes -= s.capacity;
    *capacity = s.capacity;
    return s.data;
  }
  return NULL;
}

void *buffers_take_locked(struct cache *c, size_t length, size_t *capacity) {
  size_t wanted = capacity_of(length);
  void *data;

  if (length < MMAP_MIN) {
    *capacity = length;
    return malloc(length + (c->slack != 0 ? TIER_CELL_ROOM : 0));
  }
  data = spare_take_locked(c, wanted, capacity);
  if (data != NULL)
    return data;
  *capacity = wanted;
  return buffer_map(c, wanted);
}

void buffers_give_locked(struct cache *c, void *data, size_t capacity) {
  if (capacity < MMAP_MIN) {
    free(data);
    return;
  }
  while (c->synced.spare_count > 0 && (c->synced.spare_count == SPARES_MAX ||
                                       c->synced.spare_bytes + capacity > c->spare_limit)) {
    struct spare s = c->synced.spares[--c->synced.spare_count];

    c->synced.spare_bytes -= s.capacity;
    buffer_unmap(c, s.data, s.capacity);
  }
  if (capacity > c->spare_limit) {
    buffer_unmap(c, data, capacity);
    return;
  }
  c->synced.spares[c->synced.spare_count++] = (struct spare){data, capacity};
  c->synced.spare_bytes += capacity;
}

int buffers_init(struct cache *c) {
  size_t limit = budget_size(c->budget) / SPARE_SHARE;

  if (!budget_try(c->budget, limit))
    return -ENOMEM;
  c->spare_limit = limit;
  return 0;
}

void buffers_fini(struct cache *c) {
  while (c->synced.spare_count > 0) {
    struct spare s = c->synced.spares[--c->synced.spare_count];

    buffer_unmap(c, s.data, s.capacity);
  }
  budget_release(c->budget, c->spare_limit);
}

/* --- who may have it --- */

bool memory_evict_locked(struct cache *c, bool demand) {
  enum shelf from = c->synced.shelves[SHELF_IDLE] != NULL || !demand ? SHELF_IDLE : SHELF_WANTED;
  struct extent *e = c->synced.shelves[from];

  if (e == NULL)
    return false;
  DL_DELETE(c->synced.shelves[from], e);
  e->shelf = SHELF_NONE;
  c->synced.stats.evicted++;
  extent_unmap_locked(e);
  extent_settle_locked(e);
  return true;
}

/* What a stream went over is in the kernel's pages, and its buffer still in the
 * processor's cache: the next part had better use that one than a cold one. */
static void recycle_passed_locked(struct cache *c) {
  struct extent *e = c->synced.shelves[SHELF_IDLE];

  if (e != NULL && e->passed && c->synced.spare_bytes + e->capacity <= c->spare_limit)
    memory_evict_locked(c, false);
}

bool memory_try_locked(struct cache *c, size_t bytes, bool demand) {
  if (!demand)
    recycle_passed_locked(c);
  while (!budget_try(c->budget, bytes))
    if (!memory_evict_locked(c, demand))
      return false;
  return true;
}

/* Something may have become evictable: readers that wait for memory come first. */
void memory_feed_locked(struct cache *c) {
  while (c->synced.demanded > 0 &&
         budget_size(c->budget) - budget_used(c->budget) < c->synced.demanded)
    if (!memory_evict_locked(c, true))
      return;
}

static bool demand_now(struct cache *c, size_t bytes) {
  bool got;

  mtx_lock(&c->synced.lock);
  got = memory_try_locked(c, bytes, true);
  mtx_unlock(&c->synced.lock);
  return got;
}

static void demand_count(struct cache *c, size_t add, size_t sub) {
  mtx_lock(&c->synced.lock);
  c->synced.demanded += add;
  c->synced.demanded -= sub;
  mtx_unlock(&c->synced.lock);
}

int memory_demand(struct cache *c, size_t bytes, const struct patience *p) {
  int rc;

  if (demand_now(c, bytes))
    return 0;
  demand_count(c, bytes, 0);
  for (;;) {
    if (c->disk != NULL)
      disk_relieve(c->disk);
    rc = patience_check(p);
    if (rc != 0 || demand_now(c, bytes))
      break;
    rc = budget_reserve(c->budget, bytes, patience_slice(p));
    if (rc != -ETIMEDOUT)
      break;
  }
  demand_count(c, 0, bytes);
  return rc;
}

bool memory_borrow(struct cache *c, size_t bytes) {
  bool got;

  mtx_lock(&c->synced.lock);
  got = c->synced.demanded == 0 && memory_try_locked(c, bytes, false);
  mtx_unlock(&c->synced.lock);
  return got;
}

void memory_return(struct cache *c, size_t bytes) {
  budget_release(c->budget, bytes);
}
