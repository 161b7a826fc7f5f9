/* Commands that ask S3 Control about an account: arguments, identity, errors. */
#ifndef S3APFS_APP_INQUIRY_H
#define S3APFS_APP_INQUIRY_H

#include "s3apfs/s3/control.h"
#include "settings.h"

struct inquiry {
  struct settings settings;
  bool json;
};

/* Reads [--account ID] [--region R] [--profile P] [--json] [-o options], then runs
 * show(); the exit code. */
int inquiry_run(int argc, char **argv, const char *command, int (*show)(const struct inquiry *q));
/* Calls list() for the account given, else for the caller's own. 0, or the exit
 * code after one line was said: "WHAT as IDENTITY: ...". */
int inquiry_ask(const struct inquiry *q, const char *what,
                int (*list)(struct control *c, const char *account, void *out,
                            struct s3_error *error),
                void *out);

#endif
