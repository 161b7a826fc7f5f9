/* The last few places where one open file was read: several threads may read it, each forward
 * in a place of its own. */
#include "pattern_internal.h"

#define PATIENCE 256     /* reads elsewhere until a place is forgotten */
#define STRANGERS_MAX 16 /* reads that go on nowhere, as well */

/* A single read says little of what comes: only what follows at once goes on from there.
 * Nor do a few: random reads must not find one of several places close by. */
static bool goes_on_from(const struct pattern_place *at, uint64_t offset, uint64_t end,
                         const struct pattern_limits *l) {
  if (at->left == 0)
    return false;
  if (!at->forward)
    return offset >= at->next && offset <= pattern_up(at->next, l);
  return offset <= at->next + at->run && offset + at->run >= at->next &&
         pattern_goes_on(at->next, at->balance, offset, end, l);
}

/* The worse one to have, as far as that was left for longer. */
static bool is_less(const struct pattern_place *a, const struct pattern_place *b) {
  if (a->left == 0 || b->left == 0 || a->forward == b->forward)
    return a->left < b->left;
  return b->forward;
}

/* Notes where reading is now, in the place `at`. */
static void leave(const struct pattern *p, struct pattern_place *at) {
  bool forward = p->kind == PATTERN_FORWARD;

  *at = (struct pattern_place){.begin = forward ? p->begin : p->from,
                               .next = p->next,
                               .run = forward ? p->run : 0,
                               .ahead = p->shared ? p->ahead : 0,
                               .balance = p->balance,
                               .left = p->reads,
                               .forward = forward,
                               .shared = p->shared};
}

static bool is_worth_a_place(const struct pattern *p) {
  return p->end > 0 && p->kind != PATTERN_BACKWARD;
}

/* A stride may be that of several who take turns. */
void places_remember(struct pattern *p) {
  struct pattern_place *at = &p->places[0];

  if (!is_worth_a_place(p))
    return;
  for (unsigned i = 1; i < PATTERN_PLACES; i++)
    if (is_less(&p->places[i], at))
      at = &p->places[i];
  if (!at->forward || p->kind == PATTERN_FORWARD)
    leave(p, at);
}

bool places_take_up(struct pattern *p, uint64_t offset, uint64_t end,
                    const struct pattern_limits *l) {
  struct pattern_place *at = NULL;
  struct pattern_place was;

  for (unsigned i = 0; i < PATTERN_PLACES; i++)
    if (goes_on_from(&p->places[i], offset, end, l) && (at == NULL || is_less(at, &p->places[i])))
      at = &p->places[i];
  if (at == NULL)
    return false;
  was = *at;
  at->left = 0;
  if (is_worth_a_place(p))
    leave(p, at);
  p->kind = PATTERN_FORWARD;
  p->begin = was.begin;
  p->next = was.next;
  p->run = was.run;
  p->ahead = was.ahead;
  p->balance = was.balance;
  p->shared = true;
  return true;
}

bool places_forget(struct pattern *p) {
  bool any = false;

  for (unsigned i = 0; i < PATTERN_PLACES; i++) {
    struct pattern_place *at = &p->places[i];

    if (at->left == 0 ||
        (p->reads - at->left <= PATIENCE && !(at->forward && p->strangers > STRANGERS_MAX)))
      continue;
    any = any || at->ahead > 0;
    at->left = 0;
    at->forward = false;
  }
  return any;
}

unsigned places_count_shared(const struct pattern *p) {
  unsigned count = 0;

  for (unsigned i = 0; i < PATTERN_PLACES; i++)
    count += p->places[i].left != 0 && p->places[i].forward && p->places[i].shared;
  return count;
}

void places_share_window(struct pattern *p, struct pattern_limits *l) {
  unsigned others = places_count_shared(p);

  p->behind = PATTERN_SLACK;
  if (others == 0)
    return;
  l->window = l->window / 4 * 3 / (1 + others);
  if (l->window / 4 < PATTERN_SLACK)
    p->behind = l->window / 4;
}

uint64_t places_end_of(const struct pattern *p, uint64_t end, const struct pattern_limits *l) {
  uint64_t last = l->size;

  for (unsigned i = 0; i < PATTERN_PLACES; i++) {
    const struct pattern_place *at = &p->places[i];

    if (at->left != 0 && at->shared && at->begin >= end && at->begin < last)
      last = at->begin;
  }
  return pattern_up(last, l);
}

void places_stopped(struct pattern *p, uint64_t planned, uint64_t reached) {
  for (unsigned i = 0; i < PATTERN_PLACES; i++)
    if (p->places[i].left != 0 && p->places[i].ahead == planned)
      p->places[i].ahead = reached;
}

bool pattern_expects(const struct pattern *p, uint64_t from, uint64_t to) {
  for (unsigned i = 0; i < PATTERN_PLACES; i++) {
    const struct pattern_place *at = &p->places[i];

    if (at->left != 0 && from < at->ahead && to + p->behind > at->next)
      return true;
  }
  return false;
}
