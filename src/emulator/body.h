/* A request's body, spooled: up to BODY_MEMORY_MAX bytes stay in memory, longer
 * ones go to an unlinked-on-fini temporary file in the data directory, from
 * where body_detach() hands them to the object store. */
#ifndef S3APFS_EMULATOR_BODY_H
#define S3APFS_EMULATOR_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3apfs/aws/checksum.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/digest.h"

#define BODY_MEMORY_MAX ((size_t)1 << 20)

struct body {
  const char *spool_dir; /* borrowed */
  struct buf memory;     /* used while path is NULL */
  char *path;            /* the temporary file */
  int fd;                /* open on path, else -1 */
  uint64_t length;
};

void body_init(struct body *b, const char *spool_dir);
void body_fini(struct body *b);
int body_append(struct body *b, const void *data, size_t len);
/* Appends a range of an open file without passing it through memory when the
 * file system can; -EIO when the file ends early. */
int body_append_file(struct body *b, int fd, uint64_t at, uint64_t len);
/* Reads up to len bytes at an offset: count read, 0 at the end, or -errno. */
ssize_t body_read(const struct body *b, uint64_t at, void *data, size_t len);
/* The bytes as an open temporary file that the caller owns and must unlink or
 * rename (*path malloc'd); the body is empty afterwards. */
int body_detach(struct body *b, int *fd, char **path);
/* Takes other's bytes; other is empty afterwards. */
void body_replace(struct body *b, struct body *other);
/* Hands all bytes to take, in order; its first non-zero result ends that and is returned. */
typedef int (*body_taker)(void *arg, const void *data, size_t len);
int body_each(const struct body *b, body_taker take, void *arg);
/* Over all bytes. */
int body_checksum(const struct body *b, enum checksum_kind kind, struct checksum *out);
int body_digest(const struct body *b, enum digest_kind kind, uint8_t *out);
/* Brings everything into memory; -EFBIG past max. */
int body_load(struct body *b, size_t max);

#endif
