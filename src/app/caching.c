/* Where the cache on disk is, and how large it may be. */
#include "caching.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

/* What waits to be written is memory that readers do not get meanwhile. */
#define QUEUE_SHARE(memory) ((memory) / 8 * 3)
#define LISTINGS_SHARE 16
#define LISTINGS_MAX ((uint64_t)64 << 20)

static const char *home(void) {
  const char *dir = getenv("HOME");
  const struct passwd *pw;

  if (dir != NULL && *dir == '/')
    return dir;
  pw = getpwuid(getuid()); /* mounts from fstab or systemd have no environment */
  return pw != NULL ? pw->pw_dir : NULL;
}

char *caching_default_dir(void) {
  const char *xdg = getenv("XDG_CACHE_HOME");

  if (geteuid() == 0)
    return strdup("/var/cache/s3apfs");
  if (xdg != NULL && *xdg == '/')
    return text_printf("%s/s3apfs", xdg);
  return home() != NULL ? text_printf("%s/.cache/s3apfs", home()) : NULL;
}

/* Beside the blocks, and little next to them. */
static uint64_t listings_size(uint64_t cache_size) {
  return cache_size / LISTINGS_SHARE < LISTINGS_MAX ? cache_size / LISTINGS_SHARE : LISTINGS_MAX;
}

void caching_open(const struct settings *s, struct disk **blocks, struct shelf **listings) {
  char *dir = s->cache_dir != NULL ? strdup(s->cache_dir) : caching_default_dir();
  struct disk_options o = {.dir = dir,
                           .size = s->cache_size,
                           .free_bytes = s->cache_free,
                           .free_percent = s->cache_free_percent,
                           .queue_bytes = QUEUE_SHARE(s->memory)};
  int rc;

  *blocks = NULL;
  *listings = NULL;
  if (s->cache_size == 0) {
    free(dir);
    return;
  }
  rc = dir != NULL ? disk_new(&o, blocks) : -ENOENT;
  if (rc == 0)
    rc = shelf_open(dir, listings_size(s->cache_size), listings);
  if (rc != 0)
    log_warn("there is no cache on disk: %s: %s", dir != NULL ? dir : "no home directory",
             strerror(-rc));
  free(dir);
}
