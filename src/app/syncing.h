/* Bringing everything to S3 behind the control socket, which must answer in time. */
#ifndef S3APFS_APP_SYNCING_H
#define S3APFS_APP_SYNCING_H

#include <pthread.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/fs/fs.h"

struct syncing {
  struct fs *fs;
  pthread_t thread;
  struct {
    struct mtx lock;
    struct cond ended;
    bool started; /* there is a thread to join */
    bool running;
    int64_t ended_ms; /* of a pass whose end nobody was told; 0: none */
  } synced;
};

void syncing_init(struct syncing *s, struct fs *fs);
/* Waits for the pass under way. */
void syncing_fini(struct syncing *s);
/* Begins a pass over everything that was written, unless one is under way, and waits a
 * moment for its end. True: it goes on; ask again. */
bool syncing_goes_on(struct syncing *s);

#endif
