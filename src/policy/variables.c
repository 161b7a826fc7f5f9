/* Policy variables: ${key}, ${key, 'default'}, and ${*} ${?} ${$} for the three
 * characters that mean something otherwise (IAM user guide, "Policy elements:
 * Variables and tags"). They are expanded for every request, because the same
 * document serves all callers. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "pattern.h"
#include "s3apfs/base/text.h"

struct variable {
  const char *name;
  size_t name_len;
  const char *fallback; /* NULL: none */
  size_t fallback_len;
  const char *end; /* behind the closing brace */
};

static const char *skip_blanks(const char *s) {
  return s + strspn(s, " \t");
}

static int parse_fallback(const char *s, struct variable *v) {
  const char *close;

  s = skip_blanks(s);
  if (*s != '\'')
    return -EINVAL;
  close = strchr(s + 1, '\'');
  if (close == NULL)
    return -EINVAL;
  v->fallback = s + 1;
  v->fallback_len = (size_t)(close - v->fallback);
  s = skip_blanks(close + 1);
  if (*s != '}')
    return -EINVAL;
  v->end = s + 1;
  return 0;
}

/* s stands on "${". */
static int parse_variable(const char *s, struct variable *v) {
  memset(v, 0, sizeof(*v));
  s = skip_blanks(s + 2);
  v->name = s;
  v->name_len = strcspn(s, ",}'{");
  s += v->name_len;
  while (v->name_len > 0 && strchr(" \t", v->name[v->name_len - 1]) != NULL)
    v->name_len--;
  if (v->name_len == 0)
    return -EINVAL;
  if (*s == ',')
    return parse_fallback(s + 1, v);
  if (*s != '}')
    return -EINVAL;
  v->end = s + 1;
  return 0;
}

static bool is_escape(const struct variable *v) {
  return v->name_len == 1 && strchr("*?$", v->name[0]) != NULL;
}

const struct policy_context_key *pattern_find_key(const struct policy_request *r, const char *key,
                                                  size_t key_len) {
  for (size_t i = 0; i < r->context_count; i++) {
    const struct policy_context_key *k = &r->context[i];

    if (strncasecmp(k->name, key, key_len) == 0 && k->name[key_len] == '\0')
      return k->count > 0 ? k : NULL;
  }
  return NULL;
}

const char *pattern_single_value(const struct policy_request *r, const char *key, size_t key_len) {
  const struct policy_context_key *k = pattern_find_key(r, key, key_len);

  return k != NULL && k->count == 1 ? k->values[0] : NULL;
}

static int expand_variable(struct buf *out, const struct variable *v,
                           const struct policy_request *r) {
  const char *value;

  if (is_escape(v)) {
    buf_append(out, v->name, 1);
    return 0;
  }
  value = pattern_single_value(r, v->name, v->name_len);
  if (value == NULL) {
    if (v->fallback == NULL)
      return -ENOENT;
    buf_append(out, v->fallback, v->fallback_len);
    return 0;
  }
  if (!text_is_utf8(value, strlen(value)))
    return -EINVAL; /* it could hold the bytes that code wildcards */
  buf_puts(out, value);
  return 0;
}

int pattern_expand(struct buf *out, const char *text, struct pattern_rules rules,
                   const struct policy_request *r) {
  while (*text != '\0') {
    struct variable v;
    int rc;

    if (rules.variables && text_has_prefix(text, "${")) {
      rc = parse_variable(text, &v);
      if (rc == 0)
        rc = expand_variable(out, &v, r);
      if (rc != 0)
        return rc;
      text = v.end;
    } else {
      if (rules.wildcards && *text == '*')
        buf_putc(out, PATTERN_STAR);
      else if (rules.wildcards && *text == '?')
        buf_putc(out, PATTERN_ANY);
      else
        buf_putc(out, *text);
      text++;
    }
  }
  return buf_error(out);
}

int pattern_check_variables(const char *text, struct buf *why) {
  const char *at = text;

  while ((at = strstr(at, "${")) != NULL) {
    struct variable v;

    if (parse_variable(at, &v) != 0) {
      buf_printf(why, "\"%s\": a policy variable is written ${key} or ${key, 'default'}", text);
      return -EINVAL;
    }
    at = v.end;
  }
  return 0;
}
