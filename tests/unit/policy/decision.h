/* A small world for authorize tests: documents as text, a request, a verdict. */
#ifndef TESTS_POLICY_DECISION_H
#define TESTS_POLICY_DECISION_H

#include "s3apfs/policy/authorize.h"
#include "support.h"

/* Documents may be NULL: not there. One identity, session policy and SCP is enough. */
struct scene {
  struct policy_principal who;
  const char *identity;
  const char *boundary;
  const char *session;
  const char *scp;
  const char *access_point;
  const char *bucket;
  const char *endpoint;
  const char *ap_account; /* NULL: by bucket name */
  const char *bucket_account;
  bool restrict_ap;
  bool restrict_bucket;
  struct authorize_options options;
};

struct deed {
  const char *action;
  const char *ap_arn;
  const char *bucket_arn;
  enum policy_layer kind; /* UNKNOWN: a bucket */
  const struct policy_context_key *context;
  size_t context_count;
};

struct outcome {
  bool allowed;
  bool explicit_deny;
  enum policy_layer layer;
  char sid[64];
  char resource[256];
};

static inline struct policy *optional(const char *text) {
  return text != NULL ? must_parse(text) : NULL;
}

static inline struct policy_set set_of(const struct policy **p) {
  return (struct policy_set){p, *p != NULL ? 1 : 0};
}

static inline struct outcome act(const struct scene *s, const struct deed *d) {
  struct policy *docs[] = {optional(s->identity), optional(s->boundary),     optional(s->session),
                           optional(s->scp),      optional(s->access_point), optional(s->bucket),
                           optional(s->endpoint)};
  const struct policy *identity = docs[0];
  const struct policy *session = docs[2];
  const struct policy *scp = docs[3];
  struct authorize_caller caller = {.principal = s->who,
                                    .identity = set_of(&identity),
                                    .boundary = docs[1],
                                    .session = set_of(&session),
                                    .scps = set_of(&scp)};
  struct authorize_resource ap = {POLICY_LAYER_ACCESS_POINT, d->ap_arn, s->ap_account, docs[4],
                                  s->restrict_ap};
  struct authorize_resource bucket = {
      d->kind != POLICY_LAYER_UNKNOWN ? d->kind : POLICY_LAYER_BUCKET, d->bucket_arn,
      s->bucket_account, docs[5], s->restrict_bucket};
  struct authorize_request r = {.caller = &caller,
                                .action = d->action,
                                .resource = &bucket,
                                .access_point = s->ap_account != NULL ? &ap : NULL,
                                .endpoint = docs[6],
                                .context = d->context,
                                .context_count = d->context_count};
  struct authorize_verdict v;
  struct outcome out;

  authorize_decide(&r, &s->options, &v);
  out = (struct outcome){.allowed = v.allowed, .explicit_deny = v.explicit_deny, .layer = v.layer};
  snprintf(out.sid, sizeof(out.sid), "%s", v.sid);
  snprintf(out.resource, sizeof(out.resource), "%s", v.resource);
  for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++)
    policy_free(docs[i]);
  return out;
}

#define EXPECT_ALLOWED(scene, deed)                                                                \
  do {                                                                                             \
    struct outcome got = act(scene, deed);                                                         \
    cr_expect(got.allowed, "refused by the %s", policy_layer_name(got.layer));                     \
  } while (0)

#define EXPECT_REFUSED(scene, deed, wanted, said)                                                  \
  do {                                                                                             \
    struct outcome got = act(scene, deed);                                                         \
    cr_expect_not(got.allowed, "allowed by the %s", policy_layer_name(got.layer));                 \
    cr_expect_eq(got.layer, wanted, "told the %s", policy_layer_name(got.layer));                  \
    cr_expect_eq(got.explicit_deny, said);                                                         \
  } while (0)

#define IMPLICIT false
#define EXPLICIT true

#endif
