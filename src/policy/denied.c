/* Access-denied messages. Reading goes backwards: first the reason, which the
 * service writes last, then what stands before it. A caller chooses the object
 * key and so a part of the message, but never its end. */
#include "s3apfs/policy/denied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"

/* AWS's name of a layer; the first row of a phrase is what reading gives. */
static const struct {
  enum policy_layer layer;
  const char *phrase;
  const char *article;
} phrases[] = {
    {POLICY_LAYER_IDENTITY, "identity-based policy", "an"},
    {POLICY_LAYER_RESOURCE, "resource-based policy", "a"},
    {POLICY_LAYER_ACCESS_POINT, "resource-based policy", "a"},
    {POLICY_LAYER_BUCKET, "resource-based policy", "a"},
    {POLICY_LAYER_ENDPOINT, "VPC endpoint policy", "a"},
    {POLICY_LAYER_SCP, "service control policy", "a"},
    {POLICY_LAYER_RCP, "resource control policy", "a"},
    {POLICY_LAYER_BOUNDARY, "permissions boundary", "a"},
    {POLICY_LAYER_SESSION, "session policy", "a"},
    {POLICY_LAYER_TRUST, "role trust policy", "the"},
};
#define PHRASES (sizeof(phrases) / sizeof(phrases[0]))

#define USER "User: "
#define PERFORM " is not authorized to perform: "
#define RESOURCE " on resource: "
#define NO_POLICY " because no "
#define ALLOWS " allows the "
#define EXPLICIT_DENY " with an explicit deny in "
#define PUBLIC_PREVENTED " because public "
#define PUBLIC_SETTING " setting in S3 Block Public Access"
#define SSE_C_BLOCKED " because this bucket has blocked upload requests that specify "
#define SSE_C_NAME "Server Side Encryption with Customer provided keys (SSE-C)."
#define GRANT_START "You do not have "
#define GRANT_MIDDLE " permissions to the requested S3 Prefix: "
#define GRANTS_SERVICE "access-grants.s3.amazonaws.com"

/* --- writing
 * --------------------------------------------------------------------------------------- */

static void describe_reason(const struct denied *d, struct buf *out) {
  for (size_t i = 0; i < PHRASES; i++) {
    if (phrases[i].layer != d->layer)
      continue;
    if (!d->explicit_deny && d->layer != POLICY_LAYER_RCP) {
      buf_printf(out, NO_POLICY "%s" ALLOWS "%s action", phrases[i].phrase, d->action);
      return;
    }
    buf_printf(out, EXPLICIT_DENY "%s %s", phrases[i].article, phrases[i].phrase);
    if (d->policy_arn != NULL)
      buf_printf(out, ": %s", d->policy_arn);
    return;
  }
}

static void describe_block(const struct denied *d, struct buf *out) {
  bool policy = text_has_suffix(d->action, "Policy");

  if (d->layer == POLICY_LAYER_SSE_C)
    buf_puts(out, SSE_C_BLOCKED SSE_C_NAME);
  else
    buf_printf(out, PUBLIC_PREVENTED "%s are prevented by the %s" PUBLIC_SETTING ".",
               policy ? "policies" : "ACLs", policy ? "BlockPublicPolicy" : "BlockPublicAcls");
}

void denied_describe(const struct denied *d, struct buf *out) {
  if (d->layer == POLICY_LAYER_UNKNOWN || d->action == NULL) {
    buf_puts(out, "Access Denied");
    return;
  }
  if (d->layer == POLICY_LAYER_GRANT) {
    buf_printf(out, GRANT_START "%s" GRANT_MIDDLE "%s", d->action,
               d->resource != NULL ? d->resource : "");
    return;
  }
  buf_printf(out, USER "%s" PERFORM "%s", d->principal != NULL ? d->principal : "anonymous",
             d->action);
  if (d->resource != NULL && text_has_prefix(d->action, "s3")) /* S3 alone quotes the ARN */
    buf_printf(out, RESOURCE "\"%s\"", d->resource);
  else if (d->resource != NULL)
    buf_printf(out, RESOURCE "%s", d->resource);
  if (d->layer == POLICY_LAYER_BPA || d->layer == POLICY_LAYER_SSE_C)
    describe_block(d, out);
  else
    describe_reason(d, out);
}

/* --- reading
 * --------------------------------------------------------------------------------------- */

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One line, single blanks, no blank and no full stop at the end; a blank in
 * front, so that phrases that begin with one are found anywhere. */
static int normalize(const char *s, struct buf *out) {
  buf_putc(out, ' ');
  for (; *s != '\0'; s++) {
    if (!is_blank(*s))
      buf_putc(out, *s);
    else if (out->len > 0 && out->data[out->len - 1] != ' ')
      buf_putc(out, ' ');
  }
  if (buf_error(out) != 0)
    return -ENOMEM;
  while (out->len > 1 && strchr(" .", out->data[out->len - 1]) != NULL)
    out->data[--out->len] = '\0';
  return 0;
}

static char *find_last(char *s, const char *phrase) {
  size_t n = strlen(phrase);
  char *found = NULL;

  for (; *s != '\0'; s++)
    if (strncasecmp(s, phrase, n) == 0)
      found = s;
  return found;
}

static int keep(const char **at, const char *s, size_t len) {
  *at = text_dup_n(s, len);
  return *at != NULL ? 0 : -ENOMEM;
}

static enum policy_layer layer_of_phrase(const char *s, size_t len) {
  for (size_t i = 0; i < PHRASES; i++)
    if (strlen(phrases[i].phrase) == len && strncasecmp(s, phrases[i].phrase, len) == 0)
      return phrases[i].layer;
  return POLICY_LAYER_UNKNOWN;
}

/* reason stands behind " because no ". */
static int read_implicit(const char *reason, struct denied *out) {
  const char *allows = strcasestr(reason, ALLOWS);
  const char *action;

  if (allows == NULL)
    return 0;
  out->layer = layer_of_phrase(reason, (size_t)(allows - reason));
  action = allows + strlen(ALLOWS);
  return keep(&out->action, action, strcspn(action, " "));
}

/* reason stands behind " with an explicit deny in ". */
static int read_explicit(const char *reason, struct denied *out) {
  const char *colon;
  size_t len;

  reason += strcspn(reason, " "); /* the article */
  reason += *reason == ' ' ? 1 : 0;
  colon = strstr(reason, ": arn:");
  len = colon != NULL ? (size_t)(colon - reason) : strlen(reason);
  out->explicit_deny = true;
  out->layer = layer_of_phrase(reason, len);
  return colon != NULL ? keep(&out->policy_arn, colon + 2, strlen(colon + 2)) : 0;
}

/* Finds the reason that stands last, reads it and cuts it off the text. */
static int read_reason(char *text, struct denied *out) {
  char *implicit = find_last(text, NO_POLICY);
  char *said = find_last(text, EXPLICIT_DENY);
  char *prevented = find_last(text, PUBLIC_PREVENTED);
  char *blocked = find_last(text, SSE_C_BLOCKED);
  char *cut = implicit;
  int rc = 0;

  if (said > cut)
    cut = said;
  if (prevented > cut && strcasestr(prevented, PUBLIC_SETTING) != NULL)
    cut = prevented;
  if (blocked > cut)
    cut = blocked;
  if (cut == NULL)
    return 0;
  if (cut == prevented || cut == blocked) {
    out->layer = cut == blocked ? POLICY_LAYER_SSE_C : POLICY_LAYER_BPA;
    out->explicit_deny = true;
  } else if (cut == said) {
    rc = read_explicit(cut + strlen(EXPLICIT_DENY), out);
  } else {
    rc = read_implicit(cut + strlen(NO_POLICY), out);
  }
  *cut = '\0';
  return rc;
}

static int read_principal(const char *text, const char *end, struct denied *out) {
  const char *user = strcasestr(text, " " USER);
  const char *from = user != NULL ? user + strlen(" " USER) : NULL;

  if (from == NULL || from > end) /* "StsNotAuthorizedError: SERVICE is not ..." */
    for (from = end; from > text && from[-1] != ' ';)
      from--;
  return keep(&out->principal, from, (size_t)(end - from));
}

static int read_resource(const char *at, struct denied *out) {
  size_t len = strlen(at);

  if (len >= 2 && at[0] == '"' && at[len - 1] == '"')
    return keep(&out->resource, at + 1, len - 2);
  return keep(&out->resource, at, len);
}

/* Who may not do what on which resource; the reason is cut off already. */
static int read_subject(const char *text, struct denied *out) {
  const char *perform = strcasestr(text, PERFORM);
  const char *action = perform != NULL ? perform + strlen(PERFORM) : NULL;
  const char *resource;
  int rc;

  if (action == NULL)
    return 0;
  free((void *)out->action);
  out->action = NULL;
  rc = keep(&out->action, action, strcspn(action, " "));
  if (rc == 0)
    rc = read_principal(text, perform, out);
  resource = strcasestr(action, RESOURCE);
  if (rc == 0 && resource != NULL)
    rc = read_resource(resource + strlen(RESOURCE), out);
  return rc;
}

static int read_grant(const char *text, struct denied *out) {
  const char *start = strcasestr(text, " " GRANT_START);
  const char *middle = start != NULL ? strcasestr(start, GRANT_MIDDLE) : NULL;
  const char *permission = start != NULL ? start + strlen(" " GRANT_START) : NULL;
  int rc;

  if (middle == NULL || middle <= permission)
    return 0;
  out->layer = POLICY_LAYER_GRANT;
  rc = keep(&out->action, permission, (size_t)(middle - permission));
  return rc != 0 ? rc : read_resource(middle + strlen(GRANT_MIDDLE), out);
}

/* What the words leave open and the names tell. */
static void refine(struct denied *d) {
  if (d->layer == POLICY_LAYER_RESOURCE && d->resource != NULL) {
    if (strstr(d->resource, ":accesspoint/") != NULL)
      d->layer = POLICY_LAYER_ACCESS_POINT;
    else if (strstr(d->resource, ":s3:::") != NULL)
      d->layer = POLICY_LAYER_BUCKET;
  }
  if (d->layer == POLICY_LAYER_UNKNOWN && d->principal != NULL && d->action != NULL &&
      strcmp(d->principal, GRANTS_SERVICE) == 0 && strcmp(d->action, "sts:AssumeRole") == 0)
    d->layer = POLICY_LAYER_TRUST;
}

int denied_parse(const char *message, struct denied *out) {
  struct denied d = {0};
  struct buf text;
  int rc;

  buf_init(&text, 0);
  rc = normalize(message, &text);
  if (rc == 0)
    rc = read_grant(text.data, &d);
  if (rc == 0 && d.layer != POLICY_LAYER_GRANT) {
    rc = read_reason(text.data, &d);
    if (rc == 0)
      rc = read_subject(text.data, &d);
  }
  buf_fini(&text);
  if (rc != 0) {
    denied_fini(&d);
    return rc;
  }
  refine(&d);
  *out = d;
  return 0;
}

void denied_fini(struct denied *d) {
  free((void *)d->principal);
  free((void *)d->action);
  free((void *)d->resource);
  free((void *)d->policy_arn);
  memset(d, 0, sizeof(*d));
}
