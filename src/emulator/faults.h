/* What goes wrong on purpose: latency and bandwidth for everything, and scripted
 * faults for requests that match. Set at start or through the admin endpoint.
 *
 * A fault in JSON, every member optional but "effect":
 *   {"operation": "GetObject", "method": "GET", "bucket": "b", "key": "a*",
 *    "skip": 2, "count": 1,                 matching requests to let pass; to hit (-1: all)
 *    "effect": "error", "status": 503, "code": "SlowDown", "message": "...",
 *    "ms": 100, "headers": {"ETag": "\"x\""}, "after": false, "bytes": 0}
 * Effects: "error" answers so instead of acting (or, with "after", after having
 * acted); "drop" closes the connection after `bytes` of the body (before the
 * status line when 0, and before acting when "after": false is said); "longer"
 * sends `bytes` more than Content-Length says; "shorter" closes `bytes` before
 * the end; "hang" stops after `bytes` and keeps the connection open (without a
 * status line and without acting when "after": false is said); "garbage" sends
 * text that is no XML; "slow" sends at `bytes` a second; "none" is for `ms`
 * (wait before acting) and `headers` (replace or add; null removes) alone, which
 * go with every effect. */
#ifndef S3APFS_EMULATOR_FAULTS_H
#define S3APFS_EMULATOR_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

struct faults;

enum fault_kind {
  FAULT_NONE,
  FAULT_ERROR,
  FAULT_DROP,
  FAULT_LONGER,
  FAULT_SHORTER,
  FAULT_HANG,
  FAULT_GARBAGE,
  FAULT_SLOW
};

/* What is to happen to one request. */
struct fault_effect {
  enum fault_kind kind;
  int status;
  char *code;
  char *message;
  uint64_t bytes;
  int64_t ms;
  bool after;
  bool before;           /* "after": false was given */
  struct kvlist headers; /* value "" removes */
};
void fault_effect_init(struct fault_effect *e);
void fault_effect_fini(struct fault_effect *e);

struct fault_subject {
  const char *operation;
  const char *method;
  const char *bucket;
  const char *key;
};

int faults_new(struct faults **out);
void faults_free(struct faults *f);
/* One fault or an array of them, NUL-terminated; all or none are added. -EINVAL
 * with *why. */
int faults_add(struct faults *f, const char *json, size_t len, struct buf *why);
void faults_clear(struct faults *f);
/* All faults with the number of hits so far, as JSON. */
int faults_print(struct faults *f, struct buf *out);
/* The first fault that matches and is not used up counts a hit; general latency
 * is added to ms. *out is initialised by the callee. 0 or -ENOMEM. */
int faults_pick(struct faults *f, const struct fault_subject *s, struct fault_effect *out);

void faults_set_latency(struct faults *f, int64_t ms);
/* Bytes a second for each connection; 0 = no limit. */
void faults_set_bandwidth(struct faults *f, uint64_t bytes_per_s);
uint64_t faults_bandwidth(struct faults *f);

#endif
