/* What a mount knows of the shared tier: what it holds, and whether it works. Pure:
 * the time is an argument (monotonic milliseconds), the caller's lock is around it. */
#ifndef S3APFS_SRC_DATA_TIER_KNOWN_H
#define S3APFS_SRC_DATA_TIER_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

enum tier_answer { TIER_UNSEEN, TIER_HELD, TIER_ABSENT };

/* Answers by 64-bit hashes, of versions and of parts, in a table of fixed size: what
 * takes another's place makes it unseen. An absence counts for TIER_ABSENT_MS, as
 * somebody else may fill it in. */
#define TIER_KNOWN_SIZE 8192
#define TIER_ABSENT_MS 60000
struct tier_known {
  struct {
    uint64_t hash;
    int64_t until_ms; /* of an absence */
    enum tier_answer answer;
  } slots[TIER_KNOWN_SIZE];
  unsigned misses;  /* versions that were asked for the first time and absent, in a row */
  unsigned skipped; /* versions not asked for since then */
};

enum tier_answer tier_known_get(const struct tier_known *k, uint64_t hash, int64_t now_ms);
void tier_known_set(struct tier_known *k, uint64_t hash, enum tier_answer a, int64_t now_ms);
/* Is it worth asking for this part? What is known of it decides, else what is known
 * of its version; a version never seen is asked for, unless many such were absent:
 * then one in TIER_RARELY. */
#define TIER_DOUBT 16
#define TIER_RARELY 8
bool tier_known_likely(struct tier_known *k, uint64_t version, uint64_t part, int64_t now_ms);
/* The tier was asked for a part, and held it or not. */
void tier_known_note(struct tier_known *k, uint64_t version, uint64_t part, bool held,
                     int64_t now_ms);

/* A circuit breaker: after TIER_FAILURES failures in a row nothing passes for
 * TIER_PAUSE_MS, then one trial; each trial that fails doubles the pause. */
#define TIER_FAILURES 3
#define TIER_PAUSE_MS 10000
#define TIER_PAUSE_MAX_MS 300000
struct tier_gate {
  unsigned failures;
  int64_t pause_ms; /* 0: open */
  int64_t until_ms;
  bool trial; /* one is under way */
};
/* Whether one may pass now; if so, its end has to be noted. */
bool tier_gate_pass(struct tier_gate *g, int64_t now_ms);
bool tier_gate_is_shut(const struct tier_gate *g);
/* True: this shut or opened it. */
bool tier_gate_note(struct tier_gate *g, bool works, int64_t now_ms);
/* What passed said nothing about the tier. */
void tier_gate_withdraw(struct tier_gate *g);

#endif
