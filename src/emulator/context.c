/* Condition keys of a request. Plain data, one thread. */
#include "context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"
#include "s3apfs/base/text.h"

void context_init(struct context *c) {
  memset(c, 0, sizeof(*c));
}

void context_fini(struct context *c) {
  for (size_t i = 0; i < c->count; i++) {
    for (size_t j = 0; j < c->keys[i].count; j++)
      free((char *)(uintptr_t)c->keys[i].values[j]);
    free((void *)(uintptr_t)c->keys[i].values);
    free((char *)(uintptr_t)c->keys[i].name);
  }
  free(c->keys);
  memset(c, 0, sizeof(*c));
}

static struct policy_context_key *find_or_add(struct context *c, const char *name) {
  for (size_t i = 0; i < c->count; i++) {
    if (strcasecmp(c->keys[i].name, name) == 0)
      return &c->keys[i];
  }
  if (array_room(&c->keys, c->count, &c->cap, sizeof(*c->keys)) != 0)
    return NULL;
  memset(&c->keys[c->count], 0, sizeof(*c->keys));
  c->keys[c->count].name = strdup(name);
  if (c->keys[c->count].name == NULL)
    return NULL;
  return &c->keys[c->count++];
}

void context_add(struct context *c, const char *name, const char *value) {
  struct policy_context_key *key;
  const char **values;
  char *copy;

  if (value == NULL || c->err != 0)
    return;
  key = find_or_add(c, name);
  copy = strdup(value);
  values = key != NULL && copy != NULL
               ? realloc((void *)(uintptr_t)key->values, (key->count + 1) * sizeof(*values))
               : NULL;
  if (values == NULL) {
    free(copy);
    c->err = -ENOMEM;
    return;
  }
  values[key->count++] = copy;
  key->values = values;
}

void context_add_bool(struct context *c, const char *name, bool value) {
  context_add(c, name, value ? "true" : "false");
}

void context_addf(struct context *c, const char *name, const char *fmt, ...) {
  struct buf text;
  va_list ap;

  buf_init(&text, 0);
  va_start(ap, fmt);
  buf_vprintf(&text, fmt, ap);
  va_end(ap);
  if (buf_error(&text) != 0)
    c->err = buf_error(&text);
  else
    context_add(c, name, buf_cstr(&text));
  buf_fini(&text);
}

void context_add_tags(struct context *c, const char *prefix, const struct kvlist *tags) {
  for (size_t i = 0; tags != NULL && i < tags->count; i++) {
    char *name = text_printf("%s/%s", prefix, tags->items[i].name);

    if (name == NULL)
      c->err = -ENOMEM;
    else
      context_add(c, name, tags->items[i].value);
    free(name);
  }
}

/* --- the caller --- */

/* Session tags take the place of the role's tags of the same key. */
static void add_principal_tags(struct context *c, const struct credential *caller) {
  const struct kvlist *own = caller->role != NULL   ? &caller->role->tags
                             : caller->user != NULL ? &caller->user->tags
                                                    : NULL;

  context_add_tags(c, "aws:PrincipalTag", &caller->session_tags);
  for (size_t i = 0; own != NULL && i < own->count; i++) {
    if (kvlist_get_ci(&caller->session_tags, own->items[i].name) == NULL) {
      struct kvlist one = {.items = &own->items[i], .count = 1};

      context_add_tags(c, "aws:PrincipalTag", &one);
    }
  }
}

/* Only requests with temporary keys carry these (absent for access keys of a
 * user, which is why policies test them with BoolIfExists). */
static void add_session_keys(struct context *c, const struct world *w,
                             const struct credential *caller) {
  char text[21];

  if (caller->token == NULL)
    return;
  context_add_bool(c, "aws:MultiFactorAuthPresent", caller->mfa);
  if (caller->mfa)
    context_addf(c, "aws:MultiFactorAuthAge", "%lld", (long long)(world_now(w) - caller->mfa_time));
  text_iso8601(caller->created, text);
  context_add(c, "aws:TokenIssueTime", text);
  context_add(c, "aws:SourceIdentity", caller->source_identity);
  context_add(c, "identitystore:UserId", caller->directory_user);
  context_add(c, "s3:AccessGrantsInstanceArn", caller->grants_instance);
}

static void add_principal_arn(struct context *c, const struct credential *caller) {
  if (caller->role != NULL)
    context_add(c, "aws:PrincipalArn", caller->role->arn);
  else if (caller->user != NULL)
    context_add(c, "aws:PrincipalArn", caller->user->arn);
  else
    context_addf(c, "aws:PrincipalArn", "arn:aws:iam::%s:root", caller->account->id);
}

void context_add_caller_locked(struct context *c, const struct world *w,
                               const struct credential *caller) {
  int64_t now = world_now(w);
  char text[21];
  struct buf id;

  text_iso8601(now, text);
  context_add(c, "aws:CurrentTime", text);
  context_addf(c, "aws:EpochTime", "%lld", (long long)now);
  context_add_bool(c, "aws:PrincipalIsAWSService", false);
  if (caller == NULL) {
    context_add(c, "aws:PrincipalType", "Anonymous");
    context_add(c, "aws:userid", "anonymous");
    return;
  }
  context_add(c, "aws:PrincipalType",
              caller->role != NULL   ? "AssumedRole"
              : caller->user != NULL ? "User"
                                     : "Account");
  context_add(c, "aws:PrincipalAccount", caller->account->id);
  if (caller->account->in_organization)
    context_add(c, "aws:PrincipalOrgID", w->synced.organization);
  if (caller->user != NULL)
    context_add(c, "aws:username", caller->user->name);
  buf_init(&id, 0);
  credential_user_id(caller, &id);
  context_add(c, "aws:userid", buf_cstr(&id));
  buf_fini(&id);
  add_principal_arn(c, caller);
  add_principal_tags(c, caller);
  add_session_keys(c, w, caller);
}

/* --- connection and resource --- */

void context_add_connection_locked(struct context *c, struct world *w, const struct connection *n) {
  const struct vpc_endpoint *e =
      n->endpoint_id != NULL ? world_endpoint_locked(w, n->endpoint_id) : NULL;

  context_add_bool(c, "aws:SecureTransport", n->secure);
  context_add(c, "aws:UserAgent", n->user_agent);
  /* Behind a VPC endpoint the public address is not known: aws:SourceIp is
   * absent there, and aws:VpcSourceIp has the private one. */
  if (e == NULL) {
    context_add(c, "aws:SourceIp", n->source_ip);
    return;
  }
  context_add(c, "aws:SourceVpce", e->id);
  context_add(c, "aws:SourceVpc", e->vpc);
  context_add(c, "aws:VpcSourceIp", n->source_ip);
}

void context_add_resource_locked(struct context *c, const struct world *w, const char *account) {
  const struct account *a;

  context_add(c, "aws:ResourceAccount", account);
  context_add(c, "s3:ResourceAccount", account);
  DL_FOREACH (w->synced.accounts, a) {
    if (a->in_organization && strcmp(a->id, account) == 0)
      context_add(c, "aws:ResourceOrgID", w->synced.organization);
  }
}

/* --- the principal --- */

void principal_text_init(struct principal_text *p, const struct credential *caller) {
  memset(p, 0, sizeof(*p));
  buf_init(&p->arn, 0);
  if (caller == NULL)
    return;
  credential_arn(caller, &p->arn);
  p->principal.arn = buf_cstr(&p->arn);
  p->principal.account = caller->account->id;
  if (caller->role != NULL)
    p->principal.role_arn = caller->role->arn;
}

void principal_text_fini(struct principal_text *p) {
  buf_fini(&p->arn);
}
