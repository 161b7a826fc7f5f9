/* How safe a noted change is when the call that noted it returns. */
#ifndef S3APFS_STATE_SYNC_H
#define S3APFS_STATE_SYNC_H

/* STATE_LAZY: it outlives the process; STATE_DURABLE: it is on the disk, and with
 * it every lazy one before. */
enum state_sync { STATE_LAZY, STATE_DURABLE };

#endif
