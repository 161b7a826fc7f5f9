/* The kernel's read-ahead of a mounted file system. */
#ifndef FUSE_READAHEAD_H
#define FUSE_READAHEAD_H

/* Raises it for the file system mounted at dir where this process may (root);
 * where not, the kernel's default of 128 KiB stays. Sends no request. */
void readahead_raise(const char *dir);

#endif
