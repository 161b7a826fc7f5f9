/* One direction's bytes between two sockets: see lane.h.
 *
 * A step fills the empty pipe from the source and drains it into the sink; bytes are
 * never copied to this process. A pace is kept by a time before which no step may
 * start. A wake-up that comes late catches up, but a source that had nothing to give
 * loses its time, so that no burst ever exceeds the rate. */
#include "lane.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)
#define STEP_FREE ((size_t)1 << 20)   /* at once without a rate */
#define STEP_PACED ((size_t)64 << 10) /* with one: below a millisecond at usual rates */
#define STEPS 16                      /* before other lanes get their turn */
#define SLACK_NS 20000000             /* a late wake-up catches up on at most this */

int lane_open(struct lane *l) {
  if (pipe2(l->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
    return -errno;
  fcntl(l->pipe[1], F_SETPIPE_SZ, PIPE_SIZE); /* smaller will do: others than root have a limit */
  return 0;
}

void lane_close(struct lane *l) {
  close(l->pipe[0]);
  close(l->pipe[1]);
}

static void wake_at(struct lane_pace pace, uint64_t ns) {
  if (ns < *pace.wake_ns)
    *pace.wake_ns = ns;
}

static void charge(struct lane *l, size_t n, struct lane_pace pace) {
  if (pace.rate == 0)
    return;
  if (l->dry && l->next_ns < pace.now_ns)
    l->next_ns = pace.now_ns;
  if (l->next_ns + SLACK_NS < pace.now_ns)
    l->next_ns = pace.now_ns - SLACK_NS;
  l->next_ns += n * 1000000000U / pace.rate;
  l->dry = false;
}

/* Takes up to limit bytes into the pipe: how many, 0 at the end, -errno. */
static ssize_t fill(struct lane *l, int from, size_t limit, struct lane_pace pace) {
  size_t step = pace.rate != 0 ? STEP_PACED : STEP_FREE;
  ssize_t n;

  if (pace.rate != 0 && pace.now_ns < l->next_ns) {
    wake_at(pace, l->next_ns);
    return -EAGAIN;
  }
  n = splice(from, NULL, l->pipe[1], NULL, limit < step ? limit : step,
             SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n < 0) {
    l->dry = true;
    return -errno;
  }
  l->held += (size_t)n;
  charge(l, (size_t)n, pace);
  return n;
}

static int drain(struct lane *l, int to, uint64_t *count) {
  while (l->held > 0) {
    ssize_t n = splice(l->pipe[0], NULL, to, NULL, l->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (n <= 0)
      return n < 0 ? -errno : -EPIPE;
    l->held -= (size_t)n;
    *count += (uint64_t)n;
  }
  return 0;
}

int lane_move(struct lane *l, int from, int to, uint64_t *left, uint64_t *count,
              struct lane_pace pace) {
  for (int i = 0; i < STEPS; i++) {
    int rc = drain(l, to, count);
    ssize_t n;

    if (rc != 0 || *left == 0)
      return rc;
    n = fill(l, from, *left < SIZE_MAX ? (size_t)*left : SIZE_MAX, pace);
    if (n <= 0)
      return n == 0 ? -EPIPE : (int)n;
    *left -= (uint64_t)n;
  }
  wake_at(pace, pace.now_ns);
  return -EAGAIN;
}
