/* Read-ahead as arithmetic; pattern.h says what the patterns are.
 *
 * Forward wins where several fit: it is by far the most frequent, and its slack
 * hides the others, so they have to show themselves several times in a row. */
#include "pattern_internal.h"

#define REORDERED 3 /* requests that one may come before */
#define BACK_STEPS 3
#define BACK_GAP ((uint64_t)128 << 10)
#define REPEATS 3
#define HOPS 4
#define SIDE_BY_SIDE 4 /* requests of a small window */

static uint64_t down(uint64_t offset, size_t grid) {
  return offset - offset % grid;
}

uint64_t pattern_up(uint64_t offset, const struct pattern_limits *l) {
  uint64_t u = down(offset + l->grid - 1, l->grid);

  return u < l->size ? u : l->size;
}

static void plan_add(struct pattern_plan *out, uint64_t from, uint64_t to) {
  if (from < to && out->count < PATTERN_RANGES_MAX)
    out->ranges[out->count++] = (struct pattern_range){from, to};
}

static uint64_t window_of(const struct pattern *p, unsigned growth,
                          const struct pattern_limits *l) {
  uint64_t window = p->run * growth;

  return window < l->window ? window : l->window;
}

/* --- what a read is --- */

static bool is_near(uint64_t next, uint64_t offset) {
  return offset <= next + PATTERN_SLACK && offset + PATTERN_SLACK >= next;
}

/* Bytes skipped behind `next`. In whole cells of the grid: what lies in those that are
 * read is fetched anyway. */
static uint64_t gap_behind(uint64_t next, uint64_t offset, const struct pattern_limits *l) {
  uint64_t done = pattern_up(next, l);
  uint64_t start = down(offset, l->grid);

  return start > done ? start - done : 0;
}

/* What a read adds to the balance: its cells, like the gaps. */
static uint64_t earned_behind(uint64_t next, uint64_t offset, uint64_t end,
                              const struct pattern_limits *l) {
  uint64_t done = pattern_up(next, l);
  uint64_t start = down(offset, l->grid);

  if (end <= next) /* fills a gap, which does not count any more */
    return 2 * (end - offset);
  start = start > done ? start : done;
  return pattern_up(end, l) > start ? pattern_up(end, l) - start : 0;
}

/* A gap in a reordered stream is filled by the requests that come next, one of a reader
 * that skips never is. At first they look alike: so a reader may owe a few requests, and
 * skips no more than it has read otherwise. */
bool pattern_goes_on(uint64_t next, int64_t balance, uint64_t offset, uint64_t end,
                     const struct pattern_limits *l) {
  int64_t credit = (int64_t)(REORDERED * (end - offset));

  return is_near(next, offset) && (int64_t)gap_behind(next, offset, l) <= balance + credit;
}

static bool goes_forward(const struct pattern *p, uint64_t offset, uint64_t end,
                         const struct pattern_limits *l) {
  return pattern_goes_on(p->next, p->balance, offset, end, l);
}

static int64_t within_slack(int64_t balance) {
  const int64_t most = (int64_t)PATTERN_SLACK;

  if (balance > most)
    return most;
  return balance < -most ? -most : balance;
}

static void note_balance(struct pattern *p, uint64_t offset, uint64_t end,
                         const struct pattern_limits *l) {
  uint64_t next = p->next;

  if (!is_near(next, offset)) { /* at a new place only debts count */
    next = offset;
    p->balance = p->balance < 0 ? p->balance : 0;
  }
  p->balance = within_slack(p->balance - (int64_t)gap_behind(next, offset, l));
  p->balance = within_slack(p->balance + (int64_t)earned_behind(next, offset, end, l));
}

static bool steps_back(const struct pattern *p, uint64_t end) {
  return p->end > p->from && end <= p->from && p->from - end <= BACK_GAP;
}

static void note_steps(struct pattern *p, uint64_t offset, uint64_t end) {
  int64_t stride = (int64_t)(offset - p->from);

  p->back_steps = steps_back(p, end) ? p->back_steps + 1 : 0;
  p->repeats = stride == p->stride && stride != 0 ? p->repeats + 1 : 0;
  p->stride = stride;
}

static bool is_strided(const struct pattern *p, uint64_t offset, uint64_t end) {
  uint64_t distance = (uint64_t)(p->stride < 0 ? -p->stride : p->stride);

  return p->repeats + 1 >= REPEATS && distance >= 2 * (end - offset);
}

/* What lies in cells that were read is no hop, and neither is a request that the kernel sent
 * a little late. */
static void note_hops(struct pattern *p, uint64_t offset, const struct pattern_limits *l) {
  if (offset + PATTERN_SLACK < p->from || offset > p->end + l->hop) {
    p->hops = 0;
    p->hops_from = offset;
  } else if (gap_behind(p->end, offset, l) > 0) {
    p->hops++;
  }
}

static enum pattern_kind kind_of(const struct pattern *p, uint64_t offset, uint64_t end,
                                 const struct pattern_limits *l) {
  if (is_strided(p, offset, end))
    return PATTERN_STRIDED;
  if (p->back_steps >= BACK_STEPS)
    return PATTERN_BACKWARD;
  if (goes_forward(p, offset, end, l))
    return PATTERN_FORWARD;
  return p->hops >= HOPS && l->hop > 0 ? PATTERN_HOPPING : PATTERN_RANDOM;
}

/* --- what to fetch --- */

/* Not in crumbs: half a window or a part at a time, or the rest. */
static bool worth_it(uint64_t bytes, uint64_t window, const struct pattern_limits *l, bool rest) {
  return rest || bytes >= window / 2 || bytes >= l->part;
}

/* While the window is small its requests are small too: on several connections their
 * bytes are here, and the window grows, several times as soon. */
static uint64_t piece_of(uint64_t window, const struct pattern_limits *l) {
  uint64_t piece = window / SIDE_BY_SIDE;

  piece = piece > l->grid ? down(piece, l->grid) : l->grid;
  return piece < l->part ? piece : l->part;
}

static void plan_pieces(uint64_t from, uint64_t to, uint64_t piece, const struct pattern_limits *l,
                        struct pattern_plan *out) {
  if (piece == l->part) {
    plan_add(out, from, to);
    return;
  }
  while (from < to) {
    bool last = out->count + 1 == PATTERN_RANGES_MAX || to - from < 2 * piece;
    uint64_t end = last ? to : from + piece;

    plan_add(out, from, end);
    from = end;
  }
}

static void plan_forward(struct pattern *p, uint64_t end, uint64_t window,
                         const struct pattern_limits *l, struct pattern_plan *out) {
  uint64_t start = pattern_up(end, l);
  uint64_t last = places_end_of(p, end, l);
  uint64_t target = window < last - end ? down(end + window, l->grid) : last;

  if (p->ahead > start)
    start = p->ahead;
  if (target < last && target > start && target - start >= l->part)
    target -= target % l->part;
  if (target <= start || !worth_it(target - start, window, l, target == last))
    return;
  plan_pieces(start, target, piece_of(window, l), l, out);
  p->ahead = target;
}

/* Somebody who begins with much at once at the start of a file goes on as a rule; a
 * small first read may be all there is. */
static uint64_t first_window(uint64_t offset, uint64_t end, const struct pattern_limits *l) {
  uint64_t window = (end - offset) * PATTERN_GROWTH;

  if (offset != 0 || end - offset < 2 * l->grid)
    return 0;
  return window < l->window ? window : l->window;
}

/* Who skips more than it reads probably soon skips again; of those who take turns some came
 * where another was by chance. */
static uint64_t forward_window(const struct pattern *p, uint64_t offset, uint64_t end,
                               const struct pattern_limits *l) {
  if (p->run == 0)
    return first_window(offset, end, l);
  if (p->balance < 0 || (p->shared && p->run < REPEATS * (end - offset)))
    return window_of(p, 1, l);
  return window_of(p, PATTERN_GROWTH, l);
}

static void note_forward(struct pattern *p, uint64_t offset, uint64_t end) {
  if (end <= p->next)
    return;
  /* What was skipped was not read. */
  p->run += end - (offset > p->next ? offset : p->next);
  p->next = end;
}

static void plan_backward(struct pattern *p, uint64_t offset, const struct pattern_limits *l,
                          struct pattern_plan *out) {
  uint64_t window = window_of(p, PATTERN_GROWTH, l);
  uint64_t start = down(offset, l->grid);
  uint64_t target = window < offset ? down(offset - window, l->grid) : 0;

  if (p->ahead < start)
    start = p->ahead;
  if (target >= start || !worth_it(start - target, window, l, target == 0))
    return;
  /* Nearest first: that is what comes next. */
  for (uint64_t to = start; to > target && out->count < PATTERN_RANGES_MAX;) {
    uint64_t from = to - target > l->part ? to - l->part : target;

    plan_add(out, from, to);
    p->ahead = from;
    to = from;
  }
}

static void plan_strided(const struct pattern *p, uint64_t offset, uint64_t end,
                         const struct pattern_limits *l, struct pattern_plan *out) {
  uint64_t cost = pattern_up(end, l) - down(offset, l->grid);
  unsigned count = p->repeats < PATTERN_RANGES_MAX ? p->repeats : PATTERN_RANGES_MAX;

  if (cost == 0)
    return;
  if ((uint64_t)count * cost > l->window)
    count = (unsigned)(l->window / cost);
  for (unsigned i = 1; i <= count; i++) {
    int64_t at = (int64_t)offset + p->stride * (int64_t)i;
    uint64_t to = (uint64_t)at + (end - offset);

    if (at < 0 || (uint64_t)at >= l->size)
      return;
    plan_add(out, down((uint64_t)at, l->grid), pattern_up(to < l->size ? to : l->size, l));
  }
}

/* One that stops has fetched twice its way at the most. */
static void plan_hopping(struct pattern *p, uint64_t end, const struct pattern_limits *l,
                         struct pattern_plan *out) {
  p->run = end - p->hops_from;
  plan_forward(p, end, window_of(p, 1, l), l, out);
}

static void keep(struct pattern_plan *out, uint64_t from, uint64_t to) {
  out->keep_from = from;
  out->keep_to = to;
}

/* The kind changes: what was fetched for the old one does not count. */
static void become(struct pattern *p, enum pattern_kind kind, uint64_t offset, uint64_t end) {
  p->kind = kind;
  p->begin = offset;
  p->next = end;
  p->run = kind == PATTERN_RANDOM ? end - offset : 0;
  p->ahead = kind == PATTERN_BACKWARD ? UINT64_MAX : 0;
  p->shared = false;
}

static void plan_kind(struct pattern *p, uint64_t offset, uint64_t end,
                      const struct pattern_limits *l, struct pattern_plan *out) {
  switch (p->kind) {
  case PATTERN_FORWARD:
    /* A late part of an older read-ahead, or a step back, asks for nothing. */
    if (end > p->next || p->run == 0)
      plan_forward(p, end, forward_window(p, offset, end, l), l, out);
    note_forward(p, offset, end);
    keep(out, offset > p->behind ? offset - p->behind : 0, UINT64_MAX);
    break;
  case PATTERN_BACKWARD:
    p->run += end - offset;
    p->next = end;
    plan_backward(p, offset, l, out);
    keep(out, 0, end + BACK_GAP);
    break;
  case PATTERN_STRIDED:
    p->next = end;
    plan_strided(p, offset, end, l, out);
    keep(out, p->stride > 0 ? down(offset, l->grid) : 0, p->stride > 0 ? UINT64_MAX : end);
    break;
  case PATTERN_HOPPING:
    p->next = end;
    plan_hopping(p, end, l, out);
    keep(out, offset > PATTERN_SLACK ? offset - PATTERN_SLACK : 0, UINT64_MAX);
    break;
  case PATTERN_RANDOM:
    break;
  }
}

/* What the read is to the pattern; false: it goes on where none was. */
static bool note_kind(struct pattern *p, uint64_t offset, uint64_t end,
                      const struct pattern_limits *l) {
  bool taken = !goes_forward(p, offset, end, l) && places_take_up(p, offset, end, l);
  enum pattern_kind kind = taken ? PATTERN_FORWARD : kind_of(p, offset, end, l);
  /* A second read that goes on makes a forward reader out of a random one. */
  bool turned = kind == PATTERN_FORWARD && p->kind == PATTERN_RANDOM;
  bool anew = !turned && (kind != p->kind || kind == PATTERN_RANDOM);

  if (anew || kind == PATTERN_STRIDED)
    places_remember(p);
  note_balance(p, offset, end, l);
  if (anew)
    become(p, kind, offset, end);
  p->kind = kind;
  return kind != PATTERN_RANDOM;
}

void pattern_note(struct pattern *p, uint64_t offset, uint64_t end, const struct pattern_limits *l,
                  struct pattern_plan *out) {
  struct pattern_limits mine = *l;
  bool forgot;

  out->count = 0;
  keep(out, 0, 0);
  p->reads++;
  note_steps(p, offset, end);
  note_hops(p, offset, l);
  p->strangers = note_kind(p, offset, end, l) ? 0 : p->strangers + 1;
  forgot = places_forget(p);
  places_share_window(p, &mine);
  plan_kind(p, offset, end, &mine, out);
  if (forgot && p->kind == PATTERN_FORWARD)
    out->keep_to = p->ahead > end ? p->ahead : end;
  p->from = offset;
  p->end = end;
}

bool pattern_is_stream(const struct pattern *p) {
  return (p->kind != PATTERN_RANDOM && p->run > 0) || places_count_shared(p) > 0;
}

void pattern_stopped(struct pattern *p, uint64_t planned, uint64_t reached) {
  if (p->ahead == planned && p->kind == PATTERN_FORWARD) {
    p->ahead = reached;
    return;
  }
  places_stopped(p, planned, reached);
}
