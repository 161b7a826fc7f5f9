/* A request in three lines (action, resource, one value for a few context keys)
 * and a policy document. Evaluation always decides, and a document that is
 * refused says why in one line. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/base/text.h"
#include "s3apfs/policy/policy.h"

#define LINES 3

static void require_decision(const struct policy_decision *d) {
  require(d->effect == POLICY_NO_MATCH || d->effect == POLICY_ALLOW || d->effect == POLICY_DENY);
  require(d->effect == POLICY_NO_MATCH || d->sid != NULL);
}

static void evaluate(const struct policy *p, char *lines[LINES]) {
  static const char *const names[] = {"aws:SourceVpce",  "s3:prefix",   "aws:SourceIp",
                                      "aws:CurrentTime", "s3:max-keys", "aws:SecureTransport"};
  const char *values[] = {lines[2], "true"};
  struct policy_context_key context[sizeof(names) / sizeof(*names)];
  struct policy_request r = {.action = lines[0], .resource = lines[1], .context = context};
  struct policy_decision d;

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
    context[r.context_count++] = (struct policy_context_key){names[i], values, 1 + i % 2};
  policy_evaluate_identity(p, &r, &d);
  require_decision(&d);
  r.principal = (struct policy_principal){
      .arn = "arn:aws:sts::123456789012:assumed-role/reader/session",
      .role_arn = "arn:aws:iam::123456789012:role/reader",
      .account = "123456789012",
  };
  policy_evaluate_identity(p, &r, &d);
  require_decision(&d);
  policy_evaluate_resource(p, &r, &d);
  require_decision(&d);
  (void)policy_is_public(p);
}

static void check(const struct policy *p) {
  int (*const checks[])(const struct policy *, struct buf *) = {
      policy_check_identity, policy_check_resource, policy_check_trust};

  for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
    struct buf why;
    int rc;

    buf_init(&why, 0);
    rc = checks[i](p, &why);
    require((rc == 0 && why.len == 0) || (rc == -EINVAL && why.len > 0));
    require(checks[i](p, NULL) == rc);
    buf_fini(&why);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *lines[LINES] = {NULL};
  struct policy *p = NULL;
  struct buf why;
  int rc;

  for (size_t i = 0; i < LINES; i++) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t n = end != NULL ? (size_t)(end - data) : size;

    lines[i] = text_dup_n((const char *)data, n);
    data += n + (end != NULL);
    size -= n + (end != NULL);
  }
  buf_init(&why, 0);
  rc = policy_parse((const char *)data, size, &p, &why);
  require(rc == 0 || (rc == -EINVAL && why.len > 0 && strchr(buf_cstr(&why), '\n') == NULL));
  if (rc == 0) {
    check(p);
    evaluate(p, lines);
    policy_free(p);
  }
  buf_fini(&why);
  for (size_t i = 0; i < LINES; i++)
    free(lines[i]);
  return 0;
}
