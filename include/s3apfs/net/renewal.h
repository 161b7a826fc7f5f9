/* When temporary keys are renewed. Pure. */
#ifndef S3APFS_NET_RENEWAL_H
#define S3APFS_NET_RENEWAL_H

#include <stdint.h>

/* Wall time (same unit as the arguments' seconds) from which keys fetched at
 * `fetched` and ending at `expiration` are to be renewed: 80 % of their life or
 * 15 minutes before the end, whichever is earlier, never before half of it, and
 * brought forward by up to a twentieth of the life by `random` in [0, 1) so that
 * many scopes do not renew at once. INT64_MAX when they never end (0). */
int64_t renewal_due(int64_t fetched, int64_t expiration, double random);
/* The next try when the source returned the same keys or failed: a tenth of
 * what remains, at least a second. */
int64_t renewal_again(int64_t now, int64_t expiration);

#endif
