/* Signed calls: what follows a failed attempt. Runs on the call's owner. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "call_internal.h"

/* S3 refuses at 15 minutes; a HEAD's bare 403 with a Date this far off is more
 * likely the clock than the policy. */
#define SUSPICIOUS_SKEW_S 240
#define LISTENING_SLACK_MS 2000
#define RETRY_AFTER_SLACK_MS 5000 /* how far a server may stretch our own pause */

static double random_unit(void) {
  uint64_t bits = 0;

  if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
    return 0.5;
  return (double)(bits >> 11) / (double)(1ULL << 53);
}

static struct call_judgement give_up(void) {
  return (struct call_judgement){.again = false};
}

static struct call_judgement at_once(void) {
  return (struct call_judgement){.again = true, .delay_ms = 0};
}

static struct call_judgement renew(struct call *call) {
  if (call->keys == NULL || call->renewed)
    return give_up();
  call->renewed = true;
  call->renew_next = true;
  return at_once();
}

static struct call_judgement set_clock(struct call *call) {
  struct caller *c = call->caller;

  if (call->keys == NULL || call->skewed || call->error.server_time == 0)
    return give_up();
  call->skewed = true;
  atomic_store(&c->offset_s, call->error.server_time - clock_wall_ms(c->clock) / 1000);
  return at_once();
}

static bool clock_is_off(struct call *call) {
  int64_t off = call->error.server_time - caller_now(call->caller);

  return call->error.server_time != 0 && (off > SUSPICIOUS_SKEW_S || off < -SUSPICIOUS_SKEW_S);
}

static bool clock_is_suspicious(struct call *call) {
  return call->error.http_status == 403 && clock_is_off(call);
}

/* Keys that ended unnoticed because our clock is slow must not pass for living ones. */
static struct call_judgement renew_by_their_clock(struct call *call) {
  struct caller *c = call->caller;

  if (clock_is_off(call))
    atomic_store(&c->offset_s, call->error.server_time - clock_wall_ms(c->clock) / 1000);
  return renew(call);
}

static int64_t pause_of(struct call *call, bool throttled, int64_t retry_after_ms) {
  struct caller *c = call->caller;
  int64_t delay =
      retry_delay_ms(++call->retries, throttled, c->base_delay_ms, c->max_delay_ms, random_unit());

  if (retry_after_ms <= delay)
    return delay;
  return retry_after_ms < delay + RETRY_AFTER_SLACK_MS ? retry_after_ms
                                                       : delay + RETRY_AFTER_SLACK_MS;
}

/* A time-out whose attempt took longer than its silence had moved something before. */
static void note_quiet(struct call *call) {
  int64_t took = clock_mono_ms(&clock_system) - call->sent_ms;

  if (call->error.http_status != 0 || call->error.err != -ETIMEDOUT)
    call->quiet_ms = 0;
  else if (took > call->stall_ms + LISTENING_SLACK_MS)
    call->quiet_ms = call->stall_ms;
  else
    call->quiet_ms += took;
}

static bool is_over(const struct call *call, int64_t delay) {
  int64_t deadline = call->q.deadline_mono_ms;

  if (deadline != 0 && clock_mono_ms(&clock_system) + delay >= deadline)
    return true;
  return call->q.quiet_ms != 0 && call->quiet_ms + delay >= call->q.quiet_ms;
}

static struct call_judgement retry(struct call *call, int64_t retry_after_ms) {
  unsigned max = call->q.max_attempts != 0 ? call->q.max_attempts : call->caller->max_attempts;
  bool throttled = call->error.class == S3_ERR_THROTTLED;
  int64_t delay;

  if (call->attempts >= max)
    return give_up();
  delay = pause_of(call, throttled, retry_after_ms);
  note_quiet(call);
  if (is_over(call, delay)) {
    call->error.err = -ETIMEDOUT;
    return give_up();
  }
  if (!retry_bucket_take(&call->caller->bucket, call->error.err == -ETIMEDOUT, &call->tokens))
    return give_up();
  return (struct call_judgement){.again = true, .delay_ms = delay};
}

struct call_judgement call_judge(struct call *call, int64_t retry_after_ms) {
  switch (call->error.class) {
  case S3_ERR_CREDENTIALS:
    return renew_by_their_clock(call);
  case S3_ERR_SKEW:
    return set_clock(call);
  case S3_ERR_TRANSIENT:
  case S3_ERR_THROTTLED:
    return retry(call, retry_after_ms);
  default:
    return clock_is_suspicious(call) ? set_clock(call) : give_up();
  }
}
