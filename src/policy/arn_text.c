/* Pasted ARNs. Blanks and quotation marks are legal inside object keys, so they
 * are looked for only before the key begins, and at both ends. */
#include "arn_text.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

void arn_text_split(const char *s, struct arn_text *out) {
  memset(out, 0, sizeof(*out));
  while (out->count < ARN_PARTS) {
    size_t len = out->count == ARN_RESOURCE ? strlen(s) : strcspn(s, ":");

    out->part[out->count] = s;
    out->len[out->count] = len;
    out->count++;
    if (s[len] == '\0')
      return;
    s += len + 1;
  }
}

bool arn_text_is(const struct arn_text *a, enum arn_part part, const char *value) {
  return part < a->count && a->len[part] == strlen(value) &&
         memcmp(a->part[part], value, a->len[part]) == 0;
}

bool arn_text_is_account(const char *s, size_t len) {
  return len == 12 && strspn(s, "0123456789") >= 12;
}

size_t arn_text_quote_at(const char *s) {
  /* U+2018..U+201F are e2 80 98..9f; U+00AB and U+00BB are the angle quotes. */
  const unsigned char *u = (const unsigned char *)s;

  if (u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0x98 && u[2] <= 0x9f)
    return 3;
  if (u[0] == 0xc2 && (u[1] == 0xab || u[1] == 0xbb))
    return 2;
  return 0;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where free text begins: behind the bucket's name, behind an access point's
 * name, behind the first '/' of most other resources; names of IAM have none. */
static const char *free_text(const char *s) {
  struct arn_text a;
  const char *at;

  arn_text_split(s, &a);
  if (a.count < ARN_PARTS || arn_text_is(&a, ARN_SERVICE, "iam") ||
      arn_text_is(&a, ARN_SERVICE, "sts"))
    return s + strlen(s);
  at = a.part[ARN_RESOURCE];
  if (text_has_prefix(at, "accesspoint/"))
    at += strlen("accesspoint/");
  at += strcspn(at, "/");
  return at;
}

static int find_quote(const char *s, struct buf *why) {
  const char *body = free_text(s);
  size_t len = strlen(s);

  for (const char *at = s; *at != '\0'; at++) {
    size_t n = arn_text_quote_at(at);

    if (n != 0 && (at < body || at + n == s + len)) {
      buf_printf(why, "\"%s\" holds a typographic quotation mark (%.*s); ARNs have none", s, (int)n,
                 at);
      return -EINVAL;
    }
  }
  return 0;
}

static int find_blank(const char *s, struct buf *why) {
  const char *body = free_text(s);
  size_t len = strlen(s);
  bool bad = len > 0 && is_blank(s[len - 1]) && *body == '\0';

  for (const char *at = s; at < body; at++)
    bad = bad || is_blank(*at);
  if (!bad)
    return 0;
  buf_printf(why, "\"%s\" holds a blank; write \"", s);
  for (const char *at = s; *at != '\0'; at++)
    if (at >= body || !is_blank(*at))
      buf_putc(why, *at);
  buf_puts(why, "\"");
  return -EINVAL;
}

static int find_missing_colon(const char *s, struct buf *why) {
  struct arn_text a;

  arn_text_split(s, &a);
  if (a.count != ARN_PARTS - 1 || !arn_text_is(&a, ARN_SCHEME, "arn") ||
      !arn_text_is_account(a.part[ARN_REGION], a.len[ARN_REGION]))
    return 0;
  buf_printf(why, "\"%s\" lacks a colon before the account; write \"%.*s:%s\"", s,
             (int)(a.part[ARN_REGION] - s), s, a.part[ARN_REGION]);
  return -EINVAL;
}

int arn_text_check(const char *s, struct buf *why) {
  if (find_quote(s, why) != 0 || find_blank(s, why) != 0 || find_missing_colon(s, why) != 0)
    return -EINVAL;
  return 0;
}
