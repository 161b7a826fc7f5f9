/* CloudTrail-shaped records of what was called, one JSON object a line
 * (CloudTrail user guide, "CloudTrail record contents"). One call gives one
 * record for each account that AWS would tell: the caller's, and the owner of
 * the bucket or access point; they share a sharedEventID. */
#ifndef S3APFS_EMULATOR_TRAILS_H
#define S3APFS_EMULATOR_TRAILS_H

#include "exchange.h"

struct trails;

/* Appends to the file (mode 0600, made when absent). -errno. */
int trails_open(const char *path, struct trails **out);
void trails_close(struct trails *t); /* NULL allowed */
/* Records an exchange whose reply is complete. t NULL: nothing. A record that
 * cannot be written is logged and lost, as the call must not fail for it. */
void trails_add(struct trails *t, const struct exchange *x);

#endif
