/* One thread that polls a signalfd, the parent's pipe, and a pipe to be stopped by. */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

struct watch {
  pthread_t thread;
  void (*hangup)(void *arg); /* NULL: a signal ends the process */
  void *arg;
  int signals;
  int parent;
  int stop[2];
};

/* True: a signal was taken, or the parent has gone. False: it is to stop. */
static bool wait_event(struct watch *w) {
  struct pollfd p[3] = {{.fd = w->signals, .events = POLLIN},
                        {.fd = w->stop[0], .events = POLLIN},
                        {.fd = w->parent}}; /* an error there: nobody reads any more */
  struct signalfd_siginfo info;

  while (poll(p, 3, -1) < 0 && errno == EINTR)
    ;
  if (p[1].revents != 0)
    return false;
  if (p[0].revents != 0 && read(w->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
    log_debug("a signal was taken by somebody else");
  return true;
}

static void *watch_main(void *arg) {
  struct watch *w = arg;

  while (wait_event(w)) {
    if (w->hangup == NULL) {
      log_error("given up before anything was mounted");
      _exit(1);
    }
    w->hangup(w->arg);
  }
  return NULL;
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

static struct watch *start(const struct watch *how, const sigset_t *set) {
  struct watch *w = malloc(sizeof(*w));

  if (w == NULL)
    return NULL;
  *w = *how;
  w->stop[0] = w->stop[1] = -1;
  w->signals = signalfd(-1, set, SFD_CLOEXEC);
  if (w->signals < 0 || pipe2(w->stop, O_CLOEXEC) != 0 ||
      pthread_create(&w->thread, NULL, watch_main, w) != 0) {
    watch_release(w);
    return NULL;
  }
  return w;
}

struct watch *watch_start(int parent) {
  const struct watch how = {.parent = parent};
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return start(&how, &set);
}

struct watch *watch_hangups(void (*fn)(void *arg), void *arg) {
  const struct watch how = {.hangup = fn, .arg = arg, .parent = -1};
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  signal(SIGHUP, SIG_DFL); /* what is ignored, as below nohup(1), does not arrive */
  return start(&how, &set);
}

void watch_stop(struct watch *w) {
  if (w == NULL)
    return;
  if (file_write_all(w->stop[1], "x", 1) == 0)
    pthread_join(w->thread, NULL);
  watch_release(w);
}
