/* How a changed file goes to the store: one put, one server-side copy, parts, or (commit_append.c
 * decides that) what was added to its end. Pure. */
#ifndef S3APFS_SRC_DATA_COMMIT_PLAN_H
#define S3APFS_SRC_DATA_COMMIT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The content as runs that follow each other from 0 to its size: bytes that the
 * base object has at the same place, and everything else. */
struct plan_run {
  uint64_t from;
  uint64_t to;
  bool base;
};

struct plan_limits {
  uint64_t part_size; /* of the first parts; also the largest content put at once */
  uint64_t part_min;  /* every part but the last */
  uint64_t part_max;
  uint64_t copy_max; /* of one server-side copy that is not a part */
  unsigned parts_max;
};

enum plan_how {
  PLAN_PUT,   /* the whole content at once */
  PLAN_COPY,  /* the whole base, nothing else */
  PLAN_PARTS, /* as parts says */
  PLAN_APPEND,
};

struct plan_part {
  uint64_t from;
  uint64_t to;
  bool copy; /* server-side from the base; else read here and sent */
};

struct plan {
  enum plan_how how;
  struct plan_part *parts; /* in order, without gaps */
  size_t count;
};

/* 0; -EFBIG: it does not fit into parts_max parts; -ENOMEM. */
int plan_make(const struct plan_run *runs, size_t count, const struct plan_limits *l,
              struct plan *out);
/* The same, but never as PLAN_COPY. */
int plan_cut(const struct plan_run *runs, size_t count, const struct plan_limits *l,
             struct plan *out);
void plan_fini(struct plan *p);

/* Size of a sent part that starts at `offset`: it grows with the offset, so that
 * 10,000 parts from 8 MiB on reach 50 TB, and depends on nothing else, so that parts
 * sent while a file is written fit the plan made at its end. */
uint64_t plan_part_size(const struct plan_limits *l, uint64_t offset);

#endif
