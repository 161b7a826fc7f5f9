/* One thread that polls a signalfd, the parent's pipe, and a pipe to be stopped by. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

struct watch {
  pthread_t thread;
  int signals;
  int parent;
  int stop[2];
};

static void *watch_main(void *arg) {
  struct watch *w = arg;
  struct pollfd p[3] = {{.fd = w->signals, .events = POLLIN},
                        {.fd = w->stop[0], .events = POLLIN},
                        {.fd = w->parent}}; /* an error there: nobody reads any more */

  while (poll(p, 3, -1) < 0 && errno == EINTR)
    ;
  if (p[1].revents != 0)
    return NULL;
  log_error("given up before anything was mounted");
  _exit(1);
}

static void watch_release(struct watch *w) {
  if (w->signals >= 0)
    close(w->signals);
  if (w->stop[0] >= 0)
    close(w->stop[0]);
  if (w->stop[1] >= 0)
    close(w->stop[1]);
  free(w);
}

struct watch *watch_start(int parent) {
  struct watch *w = calloc(1, sizeof(*w));
  sigset_t set;

  if (w == NULL)
    return NULL;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  w->parent = parent;
  w->stop[0] = w->stop[1] = -1;
  w->signals = signalfd(-1, &set, SFD_CLOEXEC);
  if (w->signals < 0 || pipe(w->stop) != 0 ||
      pthread_create(&w->thread, NULL, watch_main, w) != 0) {
    watch_release(w);
    return NULL;
  }
  return w;
}

void watch_stop(struct watch *w) {
  if (w == NULL)
    return;
  if (file_write_all(w->stop[1], "x", 1) == 0)
    pthread_join(w->thread, NULL);
  watch_release(w);
}
