/* Not more often than so: attempts that many identities of one process would repeat. */
#ifndef S3APFS_SRC_CRED_SELDOM_H
#define S3APFS_SRC_CRED_SELDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Whether something may be tried now, seconds since 1970, that may be tried every `every_s`
 * seconds; true counts as an attempt. Any thread. Two names in 2^32 are taken for one. */
bool seldom_allows(const char *name, int64_t now_s, int64_t every_s);

#endif
