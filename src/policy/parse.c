/* Policy documents from text: the JSON below (json_text.c), this file the
 * document, parse_statement.c its statements. The first thing wrong ends the
 * work and is told in one line that names the statement (counted from 1) and
 * the element. A half-built document is released by the same code as a whole
 * one, so every list is valid at any time. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "s3apfs/base/text.h"
#include "s3apfs/policy/policy.h"

int parse_fail(struct parser *ps, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  buf_vprintf(&ps->remark, fmt, ap);
  va_end(ap);
  return -EINVAL;
}

int parse_fail_value(struct parser *ps, const char *value) {
  json_text_locate(ps->json, ps->len, value, &ps->remark);
  return -EINVAL;
}

static int parse_version(struct parser *ps, const cJSON *node) {
  const char *v = cJSON_GetStringValue(node);

  ps->element = "Version";
  if (v != NULL && strcmp(v, "2012-10-17") == 0) {
    ps->policy->variables = true;
    return 0;
  }
  if (v != NULL && strcmp(v, "2008-10-17") == 0)
    return 0;
  parse_fail(ps, "must be \"2012-10-17\" (or \"2008-10-17\")");
  if (v != NULL && strpbrk(v, " \t") != NULL)
    parse_fail(ps, "; \"%s\" holds blanks", v);
  return v != NULL ? parse_fail_value(ps, v) : -EINVAL;
}

static bool sid_is_taken(const struct policy *p, const struct statement *s) {
  if (s->sid == NULL || *s->sid == '\0')
    return false;
  for (size_t i = 0; i < p->count; i++)
    if (&p->statements[i] != s && strcmp(p->statements[i].sid, s->sid) == 0)
      return true;
  return false;
}

static int add_statement(struct parser *ps, const cJSON *node) {
  struct policy *p = ps->policy;
  struct statement *s = &p->statements[p->count];
  int rc;

  ps->statement = p->count + 1;
  ps->element = NULL;
  rc = parse_statement(ps, node, s);
  if (rc == 0 && sid_is_taken(p, s)) {
    ps->element = "Sid";
    parse_fail(ps, "\"%s\" is used by an earlier statement", s->sid);
    rc = -EINVAL;
  }
  if (rc != 0)
    statement_fini(s);
  else
    p->count++;
  return rc;
}

static int parse_statements(struct parser *ps, const cJSON *node) {
  size_t count = cJSON_IsArray(node) ? (size_t)cJSON_GetArraySize(node) : 1;
  const cJSON *item;
  int rc = 0;

  ps->element = "Statement";
  if (!cJSON_IsArray(node) && !cJSON_IsObject(node))
    return parse_fail(ps, "must be an array of statements");
  if (count == 0)
    return parse_fail(ps, "an empty array");
  ps->policy->statements = calloc(count, sizeof(*ps->policy->statements));
  if (ps->policy->statements == NULL)
    return -ENOMEM;
  if (cJSON_IsObject(node))
    return add_statement(ps, node);
  cJSON_ArrayForEach(item, node) {
    if (rc == 0)
      rc = add_statement(ps, item);
  }
  return rc;
}

static int check_elements(struct parser *ps, const cJSON *root) {
  const cJSON *node;

  if (!cJSON_IsObject(root))
    return parse_fail(ps, "the document must be an object");
  if (cJSON_GetObjectItemCaseSensitive(root, "Effect") != NULL &&
      cJSON_GetObjectItemCaseSensitive(root, "Statement") == NULL)
    return parse_fail(ps, "a bare statement; wrap it in "
                          "{\"Version\": \"2012-10-17\", \"Statement\": [ ... ]}");
  cJSON_ArrayForEach(node, root) {
    ps->element = node->string;
    if (strcmp(node->string, "Id") == 0) {
      if (!cJSON_IsString(node))
        return parse_fail(ps, "must be a string");
    } else if (strcmp(node->string, "Version") != 0 && strcmp(node->string, "Statement") != 0) {
      return parse_fail(ps, "unknown element");
    }
  }
  ps->element = NULL;
  return 0;
}

static int parse_document(struct parser *ps, const cJSON *root) {
  const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "Version");
  const cJSON *statements = cJSON_GetObjectItemCaseSensitive(root, "Statement");
  int rc = check_elements(ps, root);

  if (rc == 0 && version != NULL)
    rc = parse_version(ps, version);
  if (rc != 0)
    return rc;
  ps->element = NULL;
  if (statements == NULL)
    return parse_fail(ps, "Statement is missing");
  return parse_statements(ps, statements);
}

/* Longer remarks quote a whole pasted document. */
#define WHY_MAX 1000

/* What the document holds, as part of one line. */
static void tell_text(const char *s, struct buf *why) {
  size_t n = strlen(s);

  if (n > WHY_MAX) {
    n = WHY_MAX;
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
      n--;
  }
  for (size_t i = 0; i < n; i++)
    buf_putc(why, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i]);
}

static void tell(const struct parser *ps, struct buf *why) {
  if (ps->statement != 0)
    buf_printf(why, "Statement %zu: ", ps->statement);
  if (ps->element != NULL) {
    tell_text(ps->element, why);
    buf_puts(why, ": ");
  }
  tell_text(buf_cstr(&ps->remark), why);
}

int policy_parse(const char *json, size_t len, struct policy **out, struct buf *why) {
  struct parser ps = {.json = json, .len = len, .policy = calloc(1, sizeof(struct policy))};
  cJSON *root = NULL;
  int rc;

  if (ps.policy == NULL)
    return -ENOMEM;
  buf_init(&ps.remark, 0);
  rc = json_text_parse(json, len, &root, &ps.remark);
  if (rc == 0)
    rc = parse_document(&ps, root);
  if (rc == -EINVAL && why != NULL)
    tell(&ps, why);
  cJSON_Delete(root);
  buf_fini(&ps.remark);
  if (rc != 0)
    policy_free(ps.policy);
  else
    *out = ps.policy;
  return rc;
}

void policy_free(struct policy *p) {
  if (p == NULL)
    return;
  for (size_t i = 0; i < p->count; i++)
    statement_fini(&p->statements[i]);
  free(p->statements);
  free(p);
}
