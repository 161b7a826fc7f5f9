/* A table of answers and a breaker; see the header. */
#include "tier_known.h"

static unsigned slot_of(uint64_t hash) {
  return (unsigned)(hash % TIER_KNOWN_SIZE);
}

enum tier_answer tier_known_get(const struct tier_known *k, uint64_t hash, int64_t now_ms) {
  unsigned i = slot_of(hash);

  if (k->slots[i].hash != hash || k->slots[i].answer == TIER_UNSEEN)
    return TIER_UNSEEN;
  if (k->slots[i].answer == TIER_ABSENT && now_ms >= k->slots[i].until_ms)
    return TIER_UNSEEN;
  return k->slots[i].answer;
}

void tier_known_set(struct tier_known *k, uint64_t hash, enum tier_answer a, int64_t now_ms) {
  unsigned i = slot_of(hash);

  k->slots[i].hash = hash;
  k->slots[i].answer = a;
  k->slots[i].until_ms = now_ms + TIER_ABSENT_MS;
}

static bool worth_a_try(struct tier_known *k) {
  return k->misses < TIER_DOUBT || k->skipped++ % TIER_RARELY == 0;
}

bool tier_known_likely(struct tier_known *k, uint64_t version, uint64_t part, int64_t now_ms) {
  enum tier_answer a = tier_known_get(k, part, now_ms);

  if (a == TIER_UNSEEN)
    a = tier_known_get(k, version, now_ms);
  if (a != TIER_UNSEEN)
    return a == TIER_HELD;
  if (worth_a_try(k))
    return true;
  tier_known_set(k, version, TIER_ABSENT, now_ms);
  return false;
}

void tier_known_note(struct tier_known *k, uint64_t version, uint64_t part, bool held,
                     int64_t now_ms) {
  enum tier_answer before = tier_known_get(k, version, now_ms);

  tier_known_set(k, part, held ? TIER_HELD : TIER_ABSENT, now_ms);
  if (held) {
    tier_known_set(k, version, TIER_HELD, now_ms);
    k->misses = 0;
  } else if (before == TIER_UNSEEN) {
    tier_known_set(k, version, TIER_ABSENT, now_ms);
    k->misses++;
  }
}

bool tier_gate_is_shut(const struct tier_gate *g) {
  return g->pause_ms != 0;
}

bool tier_gate_pass(struct tier_gate *g, int64_t now_ms) {
  if (g->pause_ms == 0)
    return true;
  if (g->trial || now_ms < g->until_ms)
    return false;
  g->trial = true;
  return true;
}

static bool gate_failed(struct tier_gate *g, int64_t now_ms) {
  bool shut = g->pause_ms != 0;

  if (shut && !g->trial)
    return false; /* of the same time as what shut it */
  g->trial = false;
  if (!shut && ++g->failures < TIER_FAILURES)
    return false;
  g->pause_ms = shut ? g->pause_ms * 2 : TIER_PAUSE_MS;
  if (g->pause_ms > TIER_PAUSE_MAX_MS)
    g->pause_ms = TIER_PAUSE_MAX_MS;
  g->until_ms = now_ms + g->pause_ms;
  return !shut;
}

bool tier_gate_note(struct tier_gate *g, bool works, int64_t now_ms) {
  bool opened = g->pause_ms != 0;

  if (!works)
    return gate_failed(g, now_ms);
  *g = (struct tier_gate){0};
  return opened;
}

void tier_gate_withdraw(struct tier_gate *g) {
  g->trial = false;
}
