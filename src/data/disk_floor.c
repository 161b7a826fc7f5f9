/* What has to stay free of the file system.
 *
 * Who writes makes room first (disk_space.c), but others take space, too: a thread looks now
 * and then, and where too little is free the writer gives blocks back. */
#include "disk.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/pool.h"

#define LOOK_MS 5000

bool disk_floor_lacks(const struct disk *d, uint64_t bytes, uint64_t *lacking) {
  struct statvfs st;
  uint64_t avail;
  uint64_t wanted;

  if (d->measure(d->dir_fd, &st) != 0)
    return false;
  avail = (uint64_t)st.f_bavail * st.f_frsize;
  wanted = d->free_bytes != 0 ? d->free_bytes
                              : (uint64_t)st.f_blocks * st.f_frsize / 100 * d->free_percent;
  wanted += bytes + atomic_load(&d->granted);
  *lacking = wanted > avail ? wanted - avail : 0;
  return true;
}

static void give_back(void *arg) {
  struct disk *d = arg;

  disk_space_give_back(d);
  atomic_store(&d->giving, false);
}

static void look(struct disk *d) {
  uint64_t lacking;

  if (!disk_floor_lacks(d, 0, &lacking) || lacking == 0 || atomic_exchange(&d->giving, true))
    return;
  if (pool_submit(d->writer, give_back, d) != 0)
    atomic_store(&d->giving, false);
}

static void *look_main(void *arg) {
  struct disk *d = arg;

  pthread_setname_np(pthread_self(), "s3apfs-floor");
  mtx_lock(&d->synced.lock);
  while (!atomic_load(&d->ending)) {
    int64_t next = clock_mono_ms(&clock_system) + LOOK_MS;

    mtx_unlock(&d->synced.lock);
    look(d);
    mtx_lock(&d->synced.lock);
    while (!atomic_load(&d->ending) && cond_wait_until(&d->synced.ended, &d->synced.lock, next))
      ;
  }
  mtx_unlock(&d->synced.lock);
  return NULL;
}

int disk_floor_start(struct disk *d) {
  int rc = -pthread_create(&d->looker, NULL, look_main, d);

  d->looks = rc == 0;
  return rc;
}

void disk_floor_stop(struct disk *d) {
  if (!d->looks)
    return;
  mtx_lock(&d->synced.lock);
  cond_broadcast(&d->synced.ended);
  mtx_unlock(&d->synced.lock);
  pthread_join(d->looker, NULL);
  d->looks = false;
}
