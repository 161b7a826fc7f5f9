/* How a file is being read, and what to fetch before it is asked for. Pure: no
 * I/O, no locks, no clock.
 *
 *   random    no read follows from the one before: nothing is fetched ahead
 *   forward   reads go on where others ended; the kernel sends the parts of one
 *             read-ahead to several threads in any order, so "where" has slack,
 *             for gaps that are filled soon or make up less than what is read
 *   backward  each read ends where the one before began
 *   strided   reads of one size at one distance, larger than the reads
 *   hopping   each read begins a little behind the one before, again and again (a listing of
 *             an archive): where what lies between takes less time to fetch than a round trip
 *             for each read, all of it is fetched
 *
 * Several threads may read one open file, each forward in a place of its own: the last few
 * places are remembered, and a read that goes on at one of them takes it up again. Those that
 * take turns share the window, and what was fetched for one is kept while others are read.
 *
 * What is fetched ahead grows with what was read in the pattern: PATTERN_GROWTH
 * times of it, up to the limits, and once that for a forward reader that skipped
 * more than it read lately; with a hopping one's way, as much again. A read that breaks the pattern
 * starts anew. */
#ifndef S3APFS_SRC_DATA_PATTERN_H
#define S3APFS_SRC_DATA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A reader at full speed is served from all connections within three round
 * trips; one that stops has fetched eight times what it used at the most. */
#define PATTERN_GROWTH 8
#define PATTERN_RANGES_MAX 16

#define PATTERN_PLACES 8

enum pattern_kind {
  PATTERN_RANDOM,
  PATTERN_FORWARD,
  PATTERN_BACKWARD,
  PATTERN_STRIDED,
  PATTERN_HOPPING
};

/* Where reading was left for another place. */
struct pattern_place {
  uint64_t begin;
  uint64_t next;
  uint64_t run;
  uint64_t ahead;
  int64_t balance;
  uint64_t left; /* which read was the first elsewhere; 0: no place */
  bool forward;  /* by several reads */
  bool shared;   /* it was taken up before: readers take turns */
};

struct pattern {
  enum pattern_kind kind;
  uint64_t begin; /* where a forward read began */
  uint64_t next;  /* where a forward read goes on */
  uint64_t run;   /* bytes read in the pattern */
  uint64_t ahead; /* fetched up to here (backward: down to here) */
  uint64_t from;  /* the last read */
  uint64_t end;
  int64_t balance;     /* bytes read less those skipped; no more than a few requests */
  int64_t stride;      /* distance of the last two reads */
  unsigned repeats;    /* how often it was the same */
  unsigned back_steps; /* reads in a row that ended where the last began */
  unsigned hops;       /* in a row */
  uint64_t hops_from;  /* where the first began */
  bool shared;         /* there are other places that take turns with this one */
  uint64_t reads;      /* all of them */
  uint64_t behind;     /* how much of what was read stays, for requests that come late */
  unsigned strangers;  /* reads in a row that went on nowhere */
  struct pattern_place places[PATTERN_PLACES];
};

struct pattern_limits {
  uint64_t size; /* of the file */
  size_t window; /* bytes that may be fetched ahead */
  size_t part;   /* a good size for one request */
  size_t grid;   /* requests begin and end on multiples of it, or at the end */
  size_t hop;    /* what is skipped by a hop at most; 0: a round trip costs less than it */
};

struct pattern_range {
  uint64_t from;
  uint64_t to;
};

/* What a read leads to. */
struct pattern_plan {
  struct pattern_range ranges[PATTERN_RANGES_MAX]; /* to fetch, in order of use */
  size_t count;
  /* What was fetched ahead and lies outside of this is no longer expected. */
  uint64_t keep_from;
  uint64_t keep_to;
};

/* Notes the read of [offset, end), end > offset, and plans. */
void pattern_note(struct pattern *p, uint64_t offset, uint64_t end, const struct pattern_limits *l,
                  struct pattern_plan *out);
/* What was fetched ahead in [from, to) is still expected by somebody who reads at another place
 * than the last read did. */
bool pattern_expects(const struct pattern *p, uint64_t from, uint64_t to);
/* Reads are such that something is fetched ahead of them. */
bool pattern_is_stream(const struct pattern *p);
/* Fetching stopped at `reached` although the plan went on to `planned`. */
void pattern_stopped(struct pattern *p, uint64_t planned, uint64_t reached);

#endif
