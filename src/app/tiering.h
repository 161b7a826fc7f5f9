/* The shared tier as the settings want it: its bucket, its keys, its connections. */
#ifndef S3APFS_APP_TIERING_H
#define S3APFS_APP_TIERING_H

#include "config.h"
#include "identity.h"
#include "s3apfs/data/tier.h"

/* Whether what the configuration says about it can be meant: options that belong
 * together, a bucket that is not one of the sources, grants only where allowed, and a key
 * file that can be used. Asks nobody. 0; -EINVAL (or the key file's errno) with one line
 * in *why. */
int tiering_check(const struct config *c, struct buf *why);

struct tiering;
/* *out NULL: none is wanted. Starts to fetch keys and waits for nobody: a tier that
 * cannot be reached is one that is not used. The configuration
 * and the bandwidths (NULL: no limit) must outlive it. */
int tiering_open(const struct config *c, struct identities *ids, struct bandwidth *down,
                 struct bandwidth *up, struct tiering **out, struct buf *why);
/* What uses the tier is gone. NULL is fine. */
void tiering_close(struct tiering *t);
/* NULL of NULL. */
struct tier *tiering_tier(struct tiering *t);
/* Its keys are there. */
bool tiering_is_ready(struct tiering *t);
/* As the user wrote it. */
const char *tiering_source(const struct tiering *t);

/* How long a proof of access counts, by the directories of a configuration. */
int64_t tiering_proof_ms(const struct config *c);

#endif
