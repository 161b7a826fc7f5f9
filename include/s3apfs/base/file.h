/* Whole-file helpers. All return 0 or -errno. */
#ifndef S3APFS_BASE_FILE_H
#define S3APFS_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "s3apfs/base/buf.h"

/* Appends the file's bytes; -EFBIG when out's cap is passed; -ETIMEDOUT: a pipe
 * that nobody wrote to for five seconds. */
int file_read(const char *path, struct buf *out);
/* Writes to a sibling temporary file, fsyncs, renames over path. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);
/* mkdir -p; -ENOTDIR when a file is in the way. */
int file_mkdirs(const char *path, mode_t mode);
/* write(2)/pread(2) in full: 0, or -errno; -EIO when pread meets the end early. */
int file_write_all(int fd, const void *data, size_t len);
int file_pread_all(int fd, void *data, size_t len, off_t at);
int file_pwrite_all(int fd, const void *data, size_t len, off_t at);

#endif
