/* The disk cache's inside: disk.c (life, reading), disk_keep.c (writing behind),
 * disk_file.c (the files of one version), disk_whole.c (files that the kernel may
 * read), disk_space.c (room), disk_floor.c (what has to stay free), disk_dir.c (a directory looked
 * at from outside). */
#ifndef S3APFS_SRC_DATA_DISK_H
#define S3APFS_SRC_DATA_DISK_H

#include <stdatomic.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <uthash.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/data/cache.h"
#include "s3apfs/data/disk.h"

#define DISK_BLOCK DATA_GRID
#define DISK_NAME_LEN 32 /* hexadecimal digits of the hash */
#define DISK_ID_MAX 8192
/* Larger ones would need megabytes of checksums in memory. */
#define DISK_OBJECT_MAX ((uint64_t)256 << 30)

/* --- format: NAME.m and, for objects of more than one block, NAME.d ---
 *
 * NAME.m: struct disk_head, the id, zeros up to a multiple of 8, one checksum (XXH3
 * of the block, seeded with its number and the file's hash; 0: not here) a block, and
 * for objects of at most one block its bytes. NAME.d: the object's bytes at their
 * offsets, sparse. Numbers are in the machine's byte order: a cache does not move. */
struct disk_head {
  char magic[8];
  uint32_t id_len;
  uint32_t queue; /* enum disk_queue; this and what follows may change */
  uint64_t size;
  uint64_t check; /* XXH3 of magic, id_len, size and id */
  uint64_t born;  /* orders a queue; milliseconds since 1970 */
  uint32_t uses;  /* opened again since then, at most DISK_USES_MAX */
  uint32_t unused;
};
#define DISK_MAGIC "s3apfs\0001"

enum disk_queue { DISK_SMALL, DISK_MAIN };
#define DISK_USES_MAX 3

enum disk_file_state {
  DISK_UNKNOWN, /* not looked for yet */
  DISK_LOOKING, /* somebody looks, which does not take long: the rest wait */
  DISK_MAKING,  /* the writer makes it: absent for the rest */
  DISK_ABSENT,
  DISK_OPEN,
  DISK_BROKEN, /* cannot be used in this life */
};

/* A file and its state: what was verified is the same as long as this is. */
struct disk_print {
  dev_t dev;
  ino_t ino;
  int64_t changed_s;
  int64_t changed_ns;
};

/* A version all of whose blocks this process verified. */
#define DISK_WHOLES 1024
struct disk_whole {
  uint64_t hash[2];
  struct disk_print print;
};

struct disk_file {
  struct disk *disk;
  atomic_uint refs;
  atomic_bool dropped; /* to be used no more, whatever its state */
  atomic_int state;    /* enum disk_file_state; what follows is fixed once it is DISK_OPEN */
  uint64_t hash[2];
  char *id;
  uint64_t size;
  int map_fd;
  int data_fd;  /* -1: the bytes stand in the map */
  int plain_fd; /* data without O_DIRECT, for ends; may be data_fd */
  atomic_uint_fast64_t *sums;
  bool found;             /* was there when it was looked for; fixed as the descriptors are */
  struct {                /* disk_whole.c; once it is open, under the disk's lock */
    unsigned char *sound; /* a block: read from disk and verified; NULL: no data file */
    uint64_t count;       /* of those */
    bool written;         /* since then */
    struct disk_print print;
  } whole;
  UT_hash_handle hh;
};

/* Extents that are to be written, in the order they came. */
struct disk_job;
struct disk_jobs {
  struct disk_job *head;
  struct disk_job *last; /* of a list that is not empty */
};

struct disk {
  char *dir;
  int dir_fd;
  uint64_t limit;
  uint64_t free_bytes;
  unsigned free_percent;
  int (*measure)(int fd, struct statvfs *out);
  size_t queue_bytes;
  struct pool *readers;
  struct pool *writer; /* one thread: makes room and files */
  struct pool *movers; /* write */
  atomic_uint_fast64_t hit_bytes;
  atomic_uint_fast64_t filled_bytes;
  atomic_uint_fast64_t skipped_bytes;
  atomic_uint_fast64_t bad_blocks;
  atomic_uint_fast64_t evicted_files;
  atomic_uint_fast64_t used;
  atomic_uint_fast64_t granted; /* of these: room made, bytes not written yet */
  atomic_size_t queued;
  atomic_bool failing;
  atomic_bool ending;           /* what only looks ahead stops */
  atomic_int_fast64_t retry_ms; /* no writing before */
  atomic_int_fast64_t slow_until_ms;
  atomic_bool giving; /* the writer looks whether blocks are to be given back */
  pthread_t looker;
  bool looks;
  /* the writer's own */
  bool scanned;
  uint64_t written_since_scan;
  int64_t scanned_ms;
  int64_t full_until_ms; /* there was nothing that could go */
  bool said_full;
  uint64_t ghosts[1024][2];
  unsigned ghost_next;
  struct {
    struct mtx lock;
    struct cond ended;        /* ending */
    struct cond settled;      /* a file is no longer looked for or made; nothing is queued */
    struct disk_file *files;  /* in use, by hash */
    struct disk_jobs waiting; /* for room and files */
    struct disk_jobs ready;   /* to be written */
    struct disk_whole wholes[DISK_WHOLES];
    unsigned whole_next; /* the place that the next one takes */
  } synced;
};

/* --- disk.c --- */
void disk_synced_init(struct disk *d);
void disk_synced_fini(struct disk *d);

/* --- disk_file.c --- */
/* A handle on the version's files, shared between its users; NULL: no memory, or
 * a version that is not kept. Nothing is opened yet. */
struct disk_file *disk_file_get(struct disk *d, const char *id, uint64_t size);
struct disk_file *disk_file_ref(struct disk_file *f);
void disk_file_put(struct disk_file *f);
uint64_t disk_file_blocks(const struct disk_file *f);
/* Looks for the files the first time, or waits for who does; true when they can be
 * used. */
bool disk_file_open(struct disk_file *f);
/* Every block of [offset, offset + length) is there; offset on the grid, the end
 * there or at the object's. */
bool disk_file_has(struct disk_file *f, uint64_t offset, size_t length);
/* One block, verified; nothing is written beyond it. -EIO: damaged and dropped. */
int disk_file_read(struct disk_file *f, uint64_t block, void *dst);
/* The two halves of that for several blocks: all their bytes by one read, and what one of
 * them is worth. rc: how its read went. */
int disk_file_fetch(struct disk_file *f, uint64_t block, size_t blocks, void *dst);
int disk_file_verify(struct disk_file *f, uint64_t block, const void *data, int rc);
/* Makes the files when there are none; the writer's. -errno; -EAGAIN: not now, and no
 * fault of the disk. */
int disk_file_make(struct disk_file *f);
/* Keeps whole blocks of a file that is open. data may be read up to the end of its last
 * page. `haste`: rather through the page cache than wait for the disk. -errno. */
int disk_file_write(struct disk_file *f, uint64_t offset, const void *data, size_t length,
                    bool haste);
void disk_name(const uint64_t hash[2], char out[DISK_NAME_LEN + 1]);
/* "chunks/AB/NAME" + suffix */
void disk_path(const uint64_t hash[2], char suffix, char out[64]);
uint64_t disk_block_sum(const uint64_t hash[2], uint64_t block, const void *data, size_t len);
uint64_t disk_head_check(const struct disk_head *h, const char *id);
/* Offset of the checksums in a map. */
size_t disk_sums_at(size_t id_len);

/* --- disk_whole.c --- */
/* The files were opened or made; -ENOMEM. And they are about to be closed. */
int disk_whole_open(struct disk_file *f);
void disk_whole_close_locked(struct disk_file *f);
/* Something is about to be written; a block is about to be read; how that went. */
void disk_whole_written(struct disk_file *f);
void disk_whole_reading(struct disk_file *f);
void disk_whole_sound(struct disk_file *f, uint64_t block, bool sound);

/* --- disk_dir.c --- */
struct disk_entry;
/* The id that stands in the map; NULL when it is none. */
char *disk_read_id(int dir_fd, const struct disk_entry *e);

/* --- disk_floor.c --- */
/* How much would be missing of what has to stay free, were so many bytes more written. False: the
 * file system does not say. */
bool disk_floor_lacks(const struct disk *d, uint64_t bytes, uint64_t *lacking);
/* Looks now and then whether blocks are to be given back, until it is stopped, when the disk is
 * ending. 0 or -errno. */
int disk_floor_start(struct disk *d);
void disk_floor_stop(struct disk *d);

/* --- disk_space.c --- */
/* Makes room for `bytes` more; the writer's. False: there is none. The room is held
 * until disk_space_settle(): a scan does not see such bytes yet. */
bool disk_space_make(struct disk *d, uint64_t bytes);
void disk_space_settle(struct disk *d, uint64_t bytes);
/* Removes what is beyond the limit or keeps the file system from having its floor free; the
 * writer's. */
void disk_space_give_back(struct disk *d);
/* Whether a version that is kept anew was here not long ago. */
bool disk_ghost(const struct disk *d, const uint64_t hash[2]);
/* Calls fn for each version of a directory until it returns non-zero. */
struct disk_entry {
  uint64_t hash[2];
  struct disk_head head;
  uint64_t bytes; /* on disk, both files */
};
int disk_walk(int dir_fd, int (*fn)(void *arg, const struct disk_entry *e), void *arg);
int disk_remove(int dir_fd, const uint64_t hash[2]);

#endif
