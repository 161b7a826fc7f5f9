/* A thread that runs one pass of fs_sync() at a time: many who ask share it. */
#include "syncing.h"

#include <errno.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"

#define MOMENT_MS 300
#define TELL_MS 3000 /* whoever asked has come back by then */

void syncing_init(struct syncing *s, struct fs *fs) {
  *s = (struct syncing){.fs = fs};
  mtx_init(&s->synced.lock, RANK_CONTROL);
  cond_init(&s->synced.ended);
}

static void *run(void *arg) {
  struct syncing *s = arg;
  unsigned failed = 0;
  int rc = fs_sync(s->fs, &failed);

  if (rc != 0)
    log_debug("%u files could not be brought to S3", failed);
  mtx_lock(&s->synced.lock);
  s->synced.running = false;
  s->synced.ended_ms = clock_mono_ms(&clock_system);
  cond_broadcast(&s->synced.ended);
  mtx_unlock(&s->synced.lock);
  return NULL;
}

/* Only one thread, that of the control socket, asks. */
static void join(struct syncing *s) {
  if (s->synced.started)
    pthread_join(s->thread, NULL);
  s->synced.started = false;
}

static void begin(struct syncing *s) {
  join(s);
  s->synced.running = true;
  s->synced.started = pthread_create(&s->thread, NULL, run, s) == 0;
  if (!s->synced.started)
    run(s);
}

bool syncing_goes_on(struct syncing *s) {
  int64_t now = clock_mono_ms(&clock_system);
  bool running;
  bool told;

  mtx_lock(&s->synced.lock);
  running = s->synced.running;
  told = s->synced.ended_ms == 0 || now - s->synced.ended_ms > TELL_MS;
  mtx_unlock(&s->synced.lock);
  if (!running && told)
    begin(s);
  mtx_lock(&s->synced.lock);
  while (s->synced.running && cond_wait_until(&s->synced.ended, &s->synced.lock, now + MOMENT_MS))
    ;
  running = s->synced.running;
  if (!running)
    s->synced.ended_ms = 0;
  mtx_unlock(&s->synced.lock);
  return running;
}

void syncing_fini(struct syncing *s) {
  join(s);
  cond_fini(&s->synced.ended);
  mtx_fini(&s->synced.lock);
}
