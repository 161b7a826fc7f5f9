/* The time that a step towards keys may take. */
#include "s3apfs/cred/context.h"

int64_t cred_context_limit(const struct cred_context *c, int64_t own_ms) {
  int64_t deadline = c->deadline_ms != NULL ? atomic_load(c->deadline_ms) : 0;

  return deadline > 0 && deadline < own_ms ? deadline : own_ms;
}
