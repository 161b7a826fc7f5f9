/* HTTP engine: turns, where bandwidth is limited.
 *
 * A transfer that may not move bytes is paused and stands in its loop's line. When the
 * bandwidth lets a piece through, the first in line goes on for one piece and then waits
 * behind the others, so all get the same. Waiting for a turn is no fault of the server's:
 * neither the time-out nor the stall clock runs meanwhile. All of it is the event thread's
 * own. */
#include "http_internal.h"
#include "s3apfs/base/clock.h"

static int64_t now_ms(void) {
  return clock_mono_ms(&clock_system);
}

static void enqueue(struct http_loop *l, struct http_transfer *t) {
  struct http_transfer **at = &l->line;

  while (*at != NULL)
    at = &(*at)->behind;
  *at = t;
  t->behind = NULL;
}

bool http_turn_take(struct http_transfer *t, struct bandwidth *b, size_t bytes) {
  struct http_loop *l = t->loop;
  bool mine = t->granted;

  t->granted = false;
  if ((mine || l->line == NULL) && bandwidth_take(b, clock_mono_us(), bytes))
    return true;
  t->waits = b;
  t->paused_ms = now_ms();
  enqueue(l, t);
  return false;
}

void http_turn_leave(struct http_loop *l, struct http_transfer *t) {
  struct http_transfer **at = &l->line;

  if (t->waits == NULL)
    return;
  while (*at != t)
    at = &(*at)->behind;
  *at = t->behind;
  t->waits = NULL;
}

static void go_on(struct http_loop *l, struct http_transfer *t) {
  int64_t now = now_ms();

  http_turn_leave(l, t);
  if (t->expires_ms != INT64_MAX)
    t->expires_ms += now - t->paused_ms;
  t->progress_ms = now;
  t->granted = true;
  curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

/* The first of those that wait for one direction may be behind others. */
static struct http_transfer *first_of(struct http_loop *l, const struct bandwidth *b) {
  struct http_transfer *t = l->line;

  while (t != NULL && t->waits != b)
    t = t->behind;
  return t;
}

static void give(struct http_loop *l, struct bandwidth *b) {
  struct http_transfer *t;

  while (b != NULL && bandwidth_wait_us(b, clock_mono_us()) == 0 && (t = first_of(l, b)) != NULL)
    go_on(l, t);
}

void http_turns_give(struct http_loop *l) {
  if (l->line == NULL)
    return;
  give(l, l->engine->down);
  give(l, l->engine->up);
}

int64_t http_turns_wait_us(struct http_loop *l) {
  struct bandwidth *const ways[] = {l->engine->down, l->engine->up};
  int64_t least = -1;

  for (int i = 0; i < 2; i++) {
    int64_t wait = ways[i] != NULL && first_of(l, ways[i]) != NULL
                       ? bandwidth_wait_us(ways[i], clock_mono_us())
                       : -1;

    if (wait >= 0 && (least < 0 || wait < least))
      least = wait;
  }
  return least;
}
