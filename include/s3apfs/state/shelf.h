/* Kept listings: what a folder held when it was last listed, over remounts.
 *
 * DIR/listings/ (0700) has one file for each folder, named by a hash of domain and
 * prefix, which stand in it in full. It is written and read piece by piece, so that a large
 * folder takes no more memory than a piece. Every piece carries a checksum, which goes on
 * from that of the one before it; what is damaged, torn or foreign is as good as absent and
 * goes. All together stay below a limit, one of them below half of it; the oldest go first.
 * Several mounts of one user may share the directory. What fails here costs a request to
 * the store and nothing else. Thread-safe; a writer and a reader are one thread's. */
#ifndef S3APFS_STATE_SHELF_H
#define S3APFS_STATE_SHELF_H

#include <stddef.h>
#include <stdint.h>

#define SHELF_PIECE_MAX ((size_t)1 << 20)

struct shelf;
struct shelf_writer;
struct shelf_reader;

/* -errno when the directory cannot be used. limit: bytes on disk. */
int shelf_open(const char *dir, uint64_t limit, struct shelf **out);
void shelf_close(struct shelf *s);
void shelf_drop(struct shelf *s, const char *domain, const char *prefix);
/* Removes all listings of a directory that no mount need have open. */
int shelf_clear(const char *dir);

/* -EFBIG: names that are too long. */
int shelf_writer_open(struct shelf *s, const char *domain, const char *prefix,
                      struct shelf_writer **out);
/* The next piece, 1 to SHELF_PIECE_MAX bytes. -EFBIG: more than one listing may take. */
int shelf_writer_add(struct shelf_writer *w, const void *data, size_t len);
/* Frees it. rc 0: what was added takes the place of what was kept; else that stays, and rc comes
 * back. */
int shelf_writer_end(struct shelf_writer *w, int rc);

/* saved_ms: when it was put, milliseconds since 1970. -ENOENT. */
int shelf_reader_open(struct shelf *s, const char *domain, const char *prefix,
                      struct shelf_reader **out, int64_t *saved_ms);
/* The next piece, sound, until the next call; *len 0: that was all, and all of it was there.
 * -ENOENT: it is damaged, and removed. */
int shelf_reader_next(struct shelf_reader *r, const char **data, size_t *len);
void shelf_reader_close(struct shelf_reader *r);

#endif
