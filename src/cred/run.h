/* Runs a program and collects what it says. */
#ifndef S3APFS_CRED_RUN_H
#define S3APFS_CRED_RUN_H

#include <stdint.h>

#include "s3apfs/base/buf.h"

/* argv as for execvp; no shell, stdin is /dev/null. The program leads a process
 * group of its own, all of which is killed when timeout_ms pass. Output beyond
 * out's cap is -E2BIG (the group is killed), of err what exceeds its cap is
 * dropped. *status as from waitpid(). 0, -ETIMEDOUT, -E2BIG, or why it could not
 * be started. */
int run_program(char *const argv[], int64_t timeout_ms, struct buf *out, struct buf *err,
                int *status);

#endif
