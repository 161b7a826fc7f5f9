/* Short forms for policy tests. Documents are written with ` for ", so that they
 * stay readable in C and may hold ' (defaults of variables). */
#ifndef TESTS_POLICY_SUPPORT_H
#define TESTS_POLICY_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/policy/policy.h"

static inline char *quoted(const char *text) {
  char *s = strdup(text);

  for (char *at = s; *at != '\0'; at++)
    if (*at == '`')
      *at = '"';
  return s;
}

/* The document, or a failed test that tells why. */
static inline struct policy *must_parse(const char *text) {
  char *json = quoted(text);
  struct policy *p = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = policy_parse(json, strlen(json), &p, &why);
  cr_assert_eq(rc, 0, "%s\n%s", buf_cstr(&why), json);
  buf_fini(&why);
  free(json);
  return p;
}

/* One statement in a 2012-10-17 document. */
static inline struct policy *must_parse_statement(const char *statement) {
  char *text = malloc(strlen(statement) + 80);
  struct policy *p;

  strcpy(text, "{`Version`:`2012-10-17`,`Statement`:[");
  strcat(text, statement);
  strcat(text, "]}");
  p = must_parse(text);
  free(text);
  return p;
}

#define KEY(n, ...)                                                                                \
  (struct policy_context_key) {                                                                    \
    n, (const char *const[]){__VA_ARGS__},                                                         \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)                          \
  }
#define CONTEXT(...)                                                                               \
  .context = (const struct policy_context_key[]){__VA_ARGS__},                                     \
  .context_count =                                                                                 \
      sizeof((const struct policy_context_key[]){__VA_ARGS__}) / sizeof(struct policy_context_key)

static inline enum policy_effect identity_effect(const struct policy *p,
                                                 const struct policy_request *r) {
  struct policy_decision d;

  policy_evaluate_identity(p, r, &d);
  return d.effect;
}

static inline enum policy_effect resource_effect(const struct policy *p,
                                                 const struct policy_request *r) {
  struct policy_decision d;

  policy_evaluate_resource(p, r, &d);
  return d.effect;
}

#endif
