/* Replies of S3 Control (Access Grants) and STS, by member names.
 *
 * Each parser checks the reply's root, so that a reply to another call (a proxy
 * mixing up connections, a portal) is refused, builds its result beside and
 * hands it out only when complete. Secrets pass through the XML tree, which
 * wipes itself, into struct aws_keys, which aws_keys_fini() wipes. */
#include "s3apfs/aws/grants_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys_check.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

bool keys_check_value(const char *s) {
  if (*s == '\0')
    return false;
  while (*s > 0x20 && *s < 0x7f)
    s++;
  return *s == '\0';
}

static void wipe_free(char *s) {
  if (s != NULL)
    explicit_bzero(s, strlen(s));
  free(s);
}

void aws_keys_fini(struct aws_keys *k) {
  wipe_free(k->access_key_id);
  wipe_free(k->secret_access_key);
  wipe_free(k->session_token);
  *k = (struct aws_keys){0};
}

static int take_optional(const struct xml_node *n, const char *name, char **out) {
  *out = strdup(xml_child_text(n, name));
  return *out != NULL ? 0 : -ENOMEM;
}

static int take(const struct xml_node *n, const char *name, char **out) {
  return *xml_child_text(n, name) != '\0' ? take_optional(n, name, out) : -EBADMSG;
}

static int take_key(const struct xml_node *n, const char *name, char **out) {
  return keys_check_value(xml_child_text(n, name)) ? take(n, name, out) : -EBADMSG;
}

/* Temporary keys: all four members are promised. */
static int take_keys(const struct xml_node *n, struct aws_keys *k) {
  int rc = take_key(n, "AccessKeyId", &k->access_key_id);

  if (rc == 0)
    rc = take_key(n, "SecretAccessKey", &k->secret_access_key);
  if (rc == 0)
    rc = take_key(n, "SessionToken", &k->session_token);
  if (rc == 0 && text_parse_iso8601(xml_child_text(n, "Expiration"), &k->expiration) != 0)
    rc = -EBADMSG;
  return rc;
}

int data_access_parse(const void *xml, size_t len, struct data_access *out) {
  struct data_access r = {0};
  const struct xml_node *root;
  const struct xml_node *grantee;
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "GetDataAccessResult", &d);

  if (rc != 0)
    return rc;
  root = xml_root(d);
  grantee = xml_child(root, "Grantee");
  rc = take_keys(xml_child(root, "Credentials"), &r.keys);
  if (rc == 0)
    rc = take(root, "MatchedGrantTarget", &r.matched_target);
  if (rc == 0)
    rc = take_optional(grantee, "GranteeType", &r.grantee_type);
  if (rc == 0)
    rc = take_optional(grantee, "GranteeIdentifier", &r.grantee);
  xml_free(d);
  if (rc == 0)
    *out = r;
  else
    data_access_fini(&r);
  return rc;
}

void data_access_fini(struct data_access *d) {
  aws_keys_fini(&d->keys);
  free(d->matched_target);
  free(d->grantee_type);
  free(d->grantee);
  *d = (struct data_access){0};
}

static int take_grant(const struct xml_node *n, struct caller_grant *g) {
  int rc = take(n, "Permission", &g->permission);

  if (rc == 0)
    rc = take(n, "GrantScope", &g->scope);
  if (rc == 0)
    rc = take_optional(n, "ApplicationArn", &g->application_arn);
  return rc;
}

static int take_grants(const struct xml_node *list, struct caller_grants *r) {
  size_t count = 0;
  int rc = 0;

  for (const struct xml_node *n = xml_first(list, "AccessGrant"); n; n = xml_next(n, "AccessGrant"))
    count++;
  if (count == 0)
    return 0;
  r->items = calloc(count, sizeof(*r->items));
  if (r->items == NULL)
    return -ENOMEM;
  for (const struct xml_node *n = xml_first(list, "AccessGrant"); n && rc == 0;
       n = xml_next(n, "AccessGrant"))
    rc = take_grant(n, &r->items[r->count++]);
  return rc;
}

int caller_grants_parse(const void *xml, size_t len, struct caller_grants *out) {
  struct caller_grants r = {0};
  const struct xml_node *root;
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "ListCallerAccessGrantsResult", &d);

  if (rc != 0)
    return rc;
  root = xml_root(d);
  rc = take_grants(xml_child(root, "CallerAccessGrantsList"), &r);
  if (rc == 0 && *xml_child_text(root, "NextToken") != '\0')
    rc = take(root, "NextToken", &r.next_token);
  xml_free(d);
  if (rc == 0)
    *out = r;
  else
    caller_grants_fini(&r);
  return rc;
}

void caller_grants_fini(struct caller_grants *g) {
  for (size_t i = 0; i < g->count; i++) {
    free(g->items[i].permission);
    free(g->items[i].scope);
    free(g->items[i].application_arn);
  }
  free(g->items);
  free(g->next_token);
  *g = (struct caller_grants){0};
}

int grants_instance_parse(const void *xml, size_t len, char **arn) {
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "GetAccessGrantsInstanceForPrefixResult", &d);

  if (rc != 0)
    return rc;
  rc = take(xml_root(d), "AccessGrantsInstanceArn", arn);
  xml_free(d);
  return rc;
}

int caller_identity_parse(const void *xml, size_t len, struct caller_identity *out) {
  struct caller_identity r = {0};
  const struct xml_node *result;
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "GetCallerIdentityResponse", &d);

  if (rc != 0)
    return rc;
  result = xml_child(xml_root(d), "GetCallerIdentityResult");
  rc = take(result, "Arn", &r.arn);
  if (rc == 0)
    rc = take(result, "UserId", &r.user_id);
  if (rc == 0)
    rc = take(result, "Account", &r.account);
  xml_free(d);
  if (rc == 0)
    *out = r;
  else
    caller_identity_fini(&r);
  return rc;
}

void caller_identity_fini(struct caller_identity *c) {
  free(c->arn);
  free(c->user_id);
  free(c->account);
  *c = (struct caller_identity){0};
}

static const struct xml_node *assume_role_result(const struct xml_node *root) {
  if (strcmp(xml_name(root), "AssumeRoleResponse") == 0)
    return xml_child(root, "AssumeRoleResult");
  if (strcmp(xml_name(root), "AssumeRoleWithWebIdentityResponse") == 0)
    return xml_child(root, "AssumeRoleWithWebIdentityResult");
  return NULL;
}

int assume_role_parse(const void *xml, size_t len, struct aws_keys *keys, char **session_arn) {
  struct aws_keys k = {0};
  const struct xml_node *result;
  struct xml_doc *d;
  int rc = xml_parse(xml, len, &d);

  if (rc != 0)
    return rc == -E2BIG ? -EBADMSG : rc;
  result = assume_role_result(xml_root(d));
  rc = take_keys(xml_child(result, "Credentials"), &k);
  if (rc == 0)
    rc = take(xml_child(result, "AssumedRoleUser"), "Arn", session_arn);
  xml_free(d);
  if (rc == 0)
    *keys = k;
  else
    aws_keys_fini(&k);
  return rc;
}

int create_session_parse(const void *xml, size_t len, struct aws_keys *keys) {
  struct aws_keys k = {0};
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "CreateSessionResult", &d);

  if (rc != 0)
    return rc;
  rc = take_keys(xml_child(xml_root(d), "Credentials"), &k);
  xml_free(d);
  if (rc == 0)
    *keys = k;
  else
    aws_keys_fini(&k);
  return rc;
}
