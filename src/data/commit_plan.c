/* Planning an upload.
 *
 * Cuts are free: a part may start at any byte. Runs of the base are copied by the
 * service, the rest is sent. Every part but the last must have part_min bytes, so
 *   - a run of the base that is shorter, and not the last, is sent along with its
 *     neighbours (its bytes are fetched for that);
 *   - a run of ours that is shorter takes what it lacks from the base behind it,
 *     and all of that when what would be left is too short itself.
 * When that makes more parts than the service takes, longer and longer runs of the
 * base are sent along too, until it fits.
 *
 * Part sizes: p(o) = max(part_size, o / 96) in whole MiB. The first 96 parts are of
 * part_size; then each is a ninety-sixth of what lies before it, until 5 GiB is
 * reached at 480 GiB after about 720 parts; the other 9,280 reach 50 TB. */
#include "commit_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"

#define MIB ((uint64_t)1 << 20)
#define GROWTH 96

void plan_fini(struct plan *p) {
  free(p->parts);
  *p = (struct plan){0};
}

uint64_t plan_part_size(const struct plan_limits *l, uint64_t offset) {
  uint64_t size = l->part_size;

  if (offset / GROWTH > size)
    size = (offset / GROWTH + MIB - 1) / MIB * MIB;
  return size < l->part_max ? size : l->part_max;
}

/* --- runs --- */

struct runs {
  struct plan_run *items;
  size_t count;
};

static void append_run(struct runs *r, struct plan_run run) {
  struct plan_run *last = r->count > 0 ? &r->items[r->count - 1] : NULL;

  if (run.from >= run.to)
    return;
  if (last != NULL && last->base == run.base)
    last->to = run.to;
  else
    r->items[r->count++] = run;
}

static uint64_t run_length(const struct plan_run *r) {
  return r->to - r->from;
}

/* Short runs of the base become ours. */
static void drop_short_bases(const struct plan_run *in, size_t count, uint64_t shortest,
                             struct runs *out) {
  out->count = 0;
  for (size_t i = 0; i < count; i++) {
    struct plan_run run = in[i];

    if (run.base && i + 1 < count && run_length(&run) < shortest)
      run.base = false;
    append_run(out, run);
  }
}

/* Short runs of ours take from the base behind them. In place: what is written
 * never overtakes what is read. */
static void fill_short_runs(struct runs *r, uint64_t part_min) {
  size_t count = r->count;

  r->count = 0;
  for (size_t i = 0; i < count; i++) {
    struct plan_run run = r->items[i];
    struct plan_run *last;

    append_run(r, run);
    last = &r->items[r->count - 1];
    if (last->base || i + 1 == count || run_length(last) >= part_min)
      continue;
    last->to += part_min - run_length(last);
    if (last->to >= r->items[i + 1].to ||
        (i + 2 < count && r->items[i + 1].to - last->to < part_min))
      r->items[i + 1].base = false;
    if (!r->items[i + 1].base)
      last->to = r->items[i + 1].from; /* joined in the next step */
    else
      r->items[i + 1].from = last->to;
  }
}

/* --- parts --- */

static int add_part(struct plan *p, size_t *cap, uint64_t from, uint64_t to, bool copy) {
  if (array_room(&p->parts, p->count, cap, sizeof(*p->parts)) != 0)
    return -ENOMEM;
  p->parts[p->count++] = (struct plan_part){from, to, copy};
  return 0;
}

static int cut_sent(struct plan *p, size_t *cap, const struct plan_run *r, bool last,
                    const struct plan_limits *l) {
  uint64_t at = r->from;
  int rc = 0;

  while (rc == 0 && at < r->to) {
    uint64_t size = plan_part_size(l, at);
    uint64_t end = r->to - at > size ? at + size : r->to;

    if (!last && end < r->to && r->to - end < l->part_min)
      end = r->to - at <= l->part_max ? r->to : r->to - l->part_min;
    rc = add_part(p, cap, at, end, false);
    at = end;
  }
  return rc;
}

/* As few copies as the service takes: each is a request, and costs no bytes. */
static int cut_copied(struct plan *p, size_t *cap, const struct plan_run *r,
                      const struct plan_limits *l) {
  uint64_t length = run_length(r);
  uint64_t pieces = (length + l->part_max - 1) / l->part_max;
  uint64_t size = (length + pieces - 1) / pieces;
  int rc = 0;

  for (uint64_t at = r->from; rc == 0 && at < r->to; at += size)
    rc = add_part(p, cap, at, r->to - at > size ? at + size : r->to, true);
  return rc;
}

static int cut_runs(const struct runs *r, const struct plan_limits *l, struct plan *out) {
  struct plan p = {.how = PLAN_PARTS};
  size_t cap = 0;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < r->count; i++) {
    if (r->items[i].base)
      rc = cut_copied(&p, &cap, &r->items[i], l);
    else
      rc = cut_sent(&p, &cap, &r->items[i], i + 1 == r->count, l);
  }
  if (rc == 0 && p.count > l->parts_max)
    rc = -EFBIG;
  if (rc != 0)
    plan_fini(&p);
  else
    *out = p;
  return rc;
}

static int plan_parts(const struct plan_run *runs, size_t count, const struct plan_limits *l,
                      struct plan *out) {
  uint64_t size = runs[count - 1].to;
  struct runs r = {.items = calloc(count, sizeof(*r.items))};
  int rc = r.items != NULL ? -EFBIG : -ENOMEM;

  for (uint64_t shortest = l->part_min; rc == -EFBIG; shortest *= 2) {
    drop_short_bases(runs, count, shortest, &r);
    fill_short_runs(&r, l->part_min);
    rc = cut_runs(&r, l, out);
    if (shortest > size)
      break;
  }
  free(r.items);
  return rc;
}

int plan_cut(const struct plan_run *runs, size_t count, const struct plan_limits *l,
             struct plan *out) {
  uint64_t size = count > 0 ? runs[count - 1].to : 0;

  if (size <= l->part_size) {
    *out = (struct plan){.how = PLAN_PUT};
    return 0;
  }
  return plan_parts(runs, count, l, out);
}

int plan_make(const struct plan_run *runs, size_t count, const struct plan_limits *l,
              struct plan *out) {
  if (count == 1 && runs[0].base && runs[0].to <= l->copy_max) {
    *out = (struct plan){.how = PLAN_COPY};
    return 0;
  }
  return plan_cut(runs, count, l, out);
}
