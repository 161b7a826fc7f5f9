/* The chunk cache on disk: blocks of object versions that survive restarts.
 *
 * One cache directory is shared by all mounts of one user. Every block carries a
 * checksum and is verified whenever it is read, so that nothing damaged, torn or
 * foreign is ever given out; a version's files are named by a hash of its id
 * (realm, key, etag, size), which stands in them in full. Whatever fails here
 * costs a request to the store and nothing else. Thread-safe. */
#ifndef S3APFS_DATA_DISK_H
#define S3APFS_DATA_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"

struct disk;
struct statvfs;

struct disk_options {
  const char *dir;     /* made, mode 0700, when it does not exist */
  uint64_t size;       /* most bytes on disk */
  uint64_t free_bytes; /* leave so much of the file system free; or, when 0, */
  unsigned free_percent;
  int (*measure)(int fd, struct statvfs *out); /* the file system; NULL: fstatvfs */
  size_t queue_bytes; /* when more waits to be written, it goes through the page cache */
};

/* -errno when the directory cannot be used. Nothing is scanned. */
int disk_new(const struct disk_options *o, struct disk **out);
/* Every cache over it is freed. Writes what is queued. */
void disk_free(struct disk *d);
const char *disk_dir(const struct disk *d);

struct disk_stats {
  uint64_t used; /* bytes on disk; as of the last look at the directory */
  uint64_t limit;
  uint64_t hit_bytes;
  uint64_t filled_bytes;
  uint64_t skipped_bytes; /* not kept: the disk was too slow or had no room */
  uint64_t bad_blocks;
  uint64_t evicted_files;
  bool failing; /* the last write failed */
};
void disk_stats(struct disk *d, struct disk_stats *out);

/* --- a directory without a mount --- */
struct disk_report {
  uint64_t versions;
  uint64_t bytes;
  uint64_t blocks;     /* verified */
  uint64_t bad_blocks; /* dropped */
};
/* Counts versions and bytes. -errno. */
int disk_dir_stat(const char *dir, struct disk_report *out);
/* Reads every block and drops those that do not match. */
int disk_dir_verify(const char *dir, struct disk_report *out);
/* Removes everything that is the cache's; open mounts go on without. */
int disk_dir_clear(const char *dir, struct disk_report *out);

#endif
