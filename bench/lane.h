/* One direction's bytes between two sockets, moved by splice() and held to a pace. */
#ifndef BENCH_LANE_H
#define BENCH_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_NEVER UINT64_MAX

struct lane {
  int pipe[2];
  size_t held;      /* bytes in the pipe */
  uint64_t next_ns; /* when the pace allows the next step */
  bool dry;         /* the source had nothing: time not used is lost */
};

/* rate: bytes a second, 0 without limit. *wake_ns is lowered to the time at which it
 * makes sense to try again. Times are of CLOCK_MONOTONIC. */
struct lane_pace {
  uint64_t rate;
  uint64_t now_ns;
  uint64_t *wake_ns;
};

/* 0 or -errno. A lane of zeros may be closed only after it was opened. */
int lane_open(struct lane *l);
void lane_close(struct lane *l);

/* Moves up to *left bytes and adds what arrived to *count. 0 when they are over;
 * -EAGAIN when it has to wait for a socket or for *wake_ns; -EPIPE when the source
 * ended and everything was delivered; another -errno of the sockets. */
int lane_move(struct lane *l, int from, int to, uint64_t *left, uint64_t *count,
              struct lane_pace pace);

#endif
