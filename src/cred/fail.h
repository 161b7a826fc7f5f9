/* How providers report: one line with a code, secrets masked. */
#ifndef S3APFS_CRED_FAIL_H
#define S3APFS_CRED_FAIL_H

#include "s3apfs/aws/s3err.h"

#define CRED_NONE "NoCredentials"         /* nothing configured: -ENOENT */
#define CRED_INVALID "InvalidCredentials" /* configured, but cannot deliver */
#define CRED_EXPIRED "ExpiredCredentials"

/* Fills *error (NULL is fine) and returns err. */
int cred_fail(struct s3_error *error, int err, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
