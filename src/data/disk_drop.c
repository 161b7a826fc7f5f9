/* Dropping what lies below a prefix: a grant that was taken back takes its bytes along.
 *
 * Files in use are marked first, so that nothing more is read from them or written
 * to them; then the directory is walked. A file that is made between both is made
 * by somebody whom the store has just answered. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "s3apfs/base/text.h"

struct drop {
  struct disk *disk;
  const char *id_prefix;
};

static void mark_in_use(struct disk *d, const char *id_prefix) {
  struct disk_file *f;
  struct disk_file *next;

  mtx_lock(&d->synced.lock);
  HASH_ITER (hh, d->synced.files, f, next) {
    if (text_has_prefix(f->id, id_prefix))
      atomic_store(&f->dropped, true);
  }
  mtx_unlock(&d->synced.lock);
}

/* What cannot be removed stays, and is not found: its keys are asked for no more. */
static int drop_entry(void *arg, const struct disk_entry *e) {
  struct drop *drop = arg;
  char *id = disk_read_id(drop->disk->dir_fd, e);

  if (id != NULL && text_has_prefix(id, drop->id_prefix))
    (void)!disk_remove(drop->disk->dir_fd, e->hash);
  free(id);
  return 0;
}

void disk_drop_file(struct disk_file *f) {
  atomic_store(&f->dropped, true);
  (void)!disk_remove(f->disk->dir_fd, f->hash);
}

void disk_drop(struct disk *d, const char *id_prefix) {
  struct drop drop = {d, id_prefix};

  mark_in_use(d, id_prefix);
  (void)!disk_walk(d->dir_fd, drop_entry, &drop);
}
