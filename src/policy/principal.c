/* Principals of resource policies and trust policies (IAM user guide, "AWS JSON
 * policy elements: Principal" and "NotPrincipal").
 *
 * A session of an assumed role is named by its own ARN, by its role's ARN (which
 * names all its sessions) or by its account. Names never hold wildcards, only
 * the lone "*". */
#include "principal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arn_text.h"
#include "s3apfs/base/text.h"

static int add(struct principals *l, enum principal_kind kind, const char *value, size_t len) {
  struct principal *items = realloc(l->items, (l->count + 1) * sizeof(*items));

  if (items == NULL)
    return -ENOMEM;
  l->items = items;
  items[l->count].kind = kind;
  items[l->count].value = text_dup_n(value, len);
  if (items[l->count].value == NULL)
    return -ENOMEM;
  l->count++;
  return 0;
}

void principals_fini(struct principals *l) {
  for (size_t i = 0; i < l->count; i++)
    free(l->items[i].value);
  free(l->items);
  l->items = NULL;
  l->count = 0;
}

static bool is_account(const char *s) {
  return arn_text_is_account(s, strlen(s));
}

/* AIDA..., AROA..., AKIA...: four letters, then at least twelve more. */
static bool is_unique_id(const char *s) {
  size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

  return n >= 16 && s[n] == '\0' && s[0] == 'A';
}

static int add_arn(struct principals *l, const char *value, struct buf *why) {
  struct arn_text arn;

  if (arn_text_check(value, why) != 0)
    return -EINVAL;
  if (strpbrk(value, "*?") != NULL) {
    buf_printf(why,
               "\"%s\": a principal holds no wildcards; only a lone \"*\" is allowed "
               "(use a condition on aws:PrincipalArn)",
               value);
    return -EINVAL;
  }
  arn_text_split(value, &arn);
  if (arn.count != ARN_PARTS || !arn_text_is(&arn, ARN_SCHEME, "arn") ||
      !arn_text_is_account(arn.part[ARN_ACCOUNT], arn.len[ARN_ACCOUNT]) ||
      (!arn_text_is(&arn, ARN_SERVICE, "iam") && !arn_text_is(&arn, ARN_SERVICE, "sts"))) {
    buf_printf(why, "\"%s\" is not the ARN of an account, user, role or session", value);
    return -EINVAL;
  }
  if (arn_text_is(&arn, ARN_SERVICE, "iam") && arn_text_is(&arn, ARN_RESOURCE, "root"))
    return add(l, PRINCIPAL_ACCOUNT, arn.part[ARN_ACCOUNT], arn.len[ARN_ACCOUNT]);
  return add(l, PRINCIPAL_ARN, value, strlen(value));
}

static int add_aws(struct principals *l, const char *value, struct buf *why) {
  if (strcmp(value, "*") == 0)
    return add(l, PRINCIPAL_ANYONE, value, 1);
  if (is_account(value))
    return add(l, PRINCIPAL_ACCOUNT, value, 12);
  if (is_unique_id(value))
    return add(l, PRINCIPAL_UNIQUE_ID, value, strlen(value));
  return add_arn(l, value, why);
}

static int add_named(struct principals *l, enum principal_kind kind, const char *value,
                     struct buf *why) {
  if (*value == '\0' || strpbrk(value, " \t\r\n") != NULL) {
    buf_printf(why, "\"%s\" is empty or holds a blank", value);
    return -EINVAL;
  }
  return add(l, kind, value, strlen(value));
}

int principals_add(struct principals *l, const char *type, const char *value, struct buf *why) {
  if (strcmp(type, "AWS") == 0)
    return add_aws(l, value, why);
  if (strcmp(type, "Service") == 0)
    return add_named(l, PRINCIPAL_SERVICE, value, why);
  if (strcmp(type, "Federated") == 0)
    return add_named(l, PRINCIPAL_FEDERATED, value, why);
  if (strcmp(type, "CanonicalUser") == 0)
    return add_named(l, PRINCIPAL_CANONICAL, value, why);
  buf_printf(why, "unknown kind \"%s\" (AWS, Service, Federated, CanonicalUser)", type);
  return -EINVAL;
}

static bool same(const char *a, const char *b) {
  return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The account in digits at `digits` is the caller's. */
static bool same_account(const char *digits, const struct policy_principal *caller) {
  struct arn_text arn;

  if (caller->account != NULL)
    return strcmp(digits, caller->account) == 0;
  if (caller->arn == NULL)
    return false;
  arn_text_split(caller->arn, &arn);
  return arn_text_is(&arn, ARN_ACCOUNT, digits);
}

static int match_one(const struct principal *p, const struct policy_principal *caller) {
  switch (p->kind) {
  case PRINCIPAL_ANYONE:
    return POLICY_VIA_ANYONE;
  case PRINCIPAL_ACCOUNT:
    return same_account(p->value, caller) ? POLICY_VIA_ACCOUNT : POLICY_VIA_NONE;
  case PRINCIPAL_ARN:
    if (same(p->value, caller->arn))
      return POLICY_VIA_PRINCIPAL;
    return same(p->value, caller->role_arn) ? POLICY_VIA_ROLE : POLICY_VIA_NONE;
  case PRINCIPAL_SERVICE:
    return same(p->value, caller->service) ? POLICY_VIA_PRINCIPAL : POLICY_VIA_NONE;
  case PRINCIPAL_FEDERATED:
    return same(p->value, caller->federated) ? POLICY_VIA_PRINCIPAL : POLICY_VIA_NONE;
  default:
    return POLICY_VIA_NONE;
  }
}

/* The enum's order is from the closest name to the widest, after NONE. */
int principals_match(const struct principals *l, const struct policy_principal *caller) {
  int best = POLICY_VIA_NONE;

  for (size_t i = 0; i < l->count; i++) {
    int via = match_one(&l->items[i], caller);

    if (via != POLICY_VIA_NONE && (best == POLICY_VIA_NONE || via < best))
      best = via;
  }
  return best;
}

static bool names(const struct principals *l, const struct policy_principal *caller, int via) {
  for (size_t i = 0; i < l->count; i++) {
    int found = match_one(&l->items[i], caller);

    if (found == via || found == POLICY_VIA_ANYONE)
      return true;
  }
  return false;
}

static bool is_root(const struct policy_principal *caller) {
  return caller->arn != NULL && text_has_suffix(caller->arn, ":root");
}

bool principals_deny_spares(const struct principals *l, const struct policy_principal *caller) {
  if (caller->arn == NULL) /* services and nobody: no account stands behind them */
    return principals_match(l, caller) != POLICY_VIA_NONE;
  if (!names(l, caller, POLICY_VIA_ACCOUNT))
    return false;
  if (caller->role_arn != NULL && !names(l, caller, POLICY_VIA_ROLE))
    return false;
  return is_root(caller) || names(l, caller, POLICY_VIA_PRINCIPAL);
}

bool principals_name_any_of(const struct principals *l, const struct policy_principal *caller) {
  return principals_match(l, caller) != POLICY_VIA_NONE;
}
