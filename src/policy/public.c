/* "Public" in the sense of Block Public Access (S3 user guide, "The meaning of
 * public"): an Allow for everyone counts as public unless a condition pins it
 * to fixed values of a key from the list below. Fixed means: a positive test
 * that an absent key fails, and values without wildcards and variables. */
#include <string.h>
#include <strings.h>

#include "arn_text.h"
#include "document.h"
#include "s3apfs/base/text.h"
#include "s3apfs/policy/policy.h"
#include "scalar.h"

static const char *const pinning_keys[] = {
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOwner",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:userid",
    "s3:DataAccessPointAccount",
    "s3:DataAccessPointArn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
};

/* Wider blocks of addresses count as everyone. */
#define IPV4_LEAST_BITS 8
#define IPV6_LEAST_BITS 32

static bool is_pinning_key(const char *key) {
  for (size_t i = 0; i < sizeof(pinning_keys) / sizeof(pinning_keys[0]); i++)
    if (strcasecmp(key, pinning_keys[i]) == 0)
      return true;
  return false;
}

static bool is_fixed_text(const char *value) {
  return strpbrk(value, "*?") == NULL && strstr(value, "${") == NULL;
}

/* An access point's name may be open as long as its account is fixed. */
static bool is_fixed_access_point(const char *value) {
  struct arn_text a;

  arn_text_split(value, &a);
  return a.count == ARN_PARTS && strstr(value, "${") == NULL &&
         arn_text_is_account(a.part[ARN_ACCOUNT], a.len[ARN_ACCOUNT]);
}

static bool is_fixed_network(const char *value) {
  struct ip_network net;

  if (scalar_parse_network(value, &net) != 0)
    return false;
  return net.bits >= (strchr(value, ':') != NULL ? IPV6_LEAST_BITS : IPV4_LEAST_BITS);
}

static bool value_is_fixed(const struct condition *c, const char *value) {
  if (c->op.family == OP_IP)
    return is_fixed_network(value);
  if (strcasecmp(c->key, "s3:DataAccessPointArn") == 0)
    return is_fixed_access_point(value);
  return is_fixed_text(value);
}

static bool pins(const struct condition *c) {
  bool address = c->op.family == OP_IP && strcasecmp(c->key, "aws:SourceIp") == 0;
  bool name = c->op.family <= OP_ARN && is_pinning_key(c->key);

  if ((!address && !name) || c->op.negated || c->op.if_exists || c->op.set == OP_FOR_ALL_VALUES)
    return false;
  for (size_t i = 0; i < c->values.count; i++)
    if (!value_is_fixed(c, c->values.items[i]))
      return false;
  return true;
}

static bool grants_everyone(const struct statement *s) {
  if (s->deny || s->principals.count == 0)
    return false;
  if (s->not_principal)
    return true;
  for (size_t i = 0; i < s->principals.count; i++)
    if (s->principals.items[i].kind == PRINCIPAL_ANYONE)
      return true;
  return false;
}

bool policy_is_public(const struct policy *p) {
  for (size_t i = 0; i < p->count; i++) {
    const struct statement *s = &p->statements[i];
    bool pinned = false;

    if (!grants_everyone(s))
      continue;
    for (size_t j = 0; j < s->condition_count; j++)
      pinned = pinned || pins(&s->conditions[j]);
    if (!pinned)
      return true;
  }
  return false;
}
