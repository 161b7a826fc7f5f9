/* One pass over the text finds what people paste wrongly (typographic quotes,
 * strings left open) and what a hostile text could hide (NUL, depth, repeated
 * names, of which two readers may see different ones); then cJSON builds the
 * tree. cJSON alone would accept a NUL escape by cutting the string there. */
#include "json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "arn_text.h"
#include "s3apfs/base/text.h"

#define DEPTH_MAX 16
/* AWS's own limits are at most 20,480 characters, some without counting blanks. */
#define LENGTH_MAX (64 * 1024)

struct scan {
  const char *json;
  size_t len;
  size_t at;
  bool in_string;
  unsigned depth;
  size_t quote; /* where the first typographic quotation mark stands; len = none */
  struct buf *why;
};

static void put_place(struct buf *why, const char *json, size_t at) {
  size_t line = 1;
  size_t column = 1;

  for (size_t i = 0; i < at; i++) {
    if (json[i] == '\n') {
      line++;
      column = 1;
    } else if (((unsigned char)json[i] & 0xc0) != 0x80) {
      column++;
    }
  }
  buf_printf(why, " (line %zu, column %zu)", line, column);
}

static int refuse(const struct scan *s, size_t at, const char *remark) {
  if (s->quote < s->len) {
    buf_printf(s->why, "typographic quotation mark %.*s where JSON wants \"",
               (int)arn_text_quote_at(s->json + s->quote), s->json + s->quote);
    at = s->quote;
  } else {
    buf_puts(s->why, remark);
  }
  put_place(s->why, s->json, at);
  return -EINVAL;
}

/* s->at stands on a byte inside a string. */
static int scan_string(struct scan *s) {
  unsigned char c = (unsigned char)s->json[s->at];

  if (c == '"')
    s->in_string = false;
  else if (c < 0x20)
    return refuse(s, s->at, "a string is not closed on its line");
  else if (c == '\\') {
    if (s->len - s->at >= 6 && memcmp(s->json + s->at, "\\u0000", 6) == 0)
      return refuse(s, s->at, "NUL inside a string");
    s->at++;
  }
  return 0;
}

static int scan_structure(struct scan *s) {
  char c = s->json[s->at];

  if (c == '"')
    s->in_string = true;
  else if (c == '\0')
    return refuse(s, s->at, "NUL byte");
  else if (c == '{' || c == '[') {
    if (++s->depth > DEPTH_MAX)
      return refuse(s, s->at, "nested too deeply");
  } else if ((c == '}' || c == ']') && s->depth > 0)
    s->depth--;
  return 0;
}

static int scan_text(struct scan *s) {
  for (s->at = 0; s->at < s->len; s->at++) {
    int rc;

    /* Long enough behind a lead byte: the text was found to be UTF-8. */
    if ((unsigned char)s->json[s->at] >= 0x80 && s->quote == s->len &&
        arn_text_quote_at(s->json + s->at) != 0)
      s->quote = s->at;
    rc = s->in_string ? scan_string(s) : scan_structure(s);
    if (rc != 0)
      return rc;
  }
  if (s->in_string)
    return refuse(s, s->len, "a string is not closed");
  return 0;
}

static int check_names(const cJSON *node, struct buf *why) {
  const cJSON *a;
  const cJSON *b;

  cJSON_ArrayForEach(a, node) {
    int rc = check_names(a, why);

    if (rc != 0)
      return rc;
    if (!cJSON_IsObject(node))
      continue;
    for (b = a->next; b != NULL; b = b->next) {
      if (strcmp(a->string, b->string) == 0) {
        buf_printf(why, "\"%s\" appears twice in one object", a->string);
        return -EINVAL;
      }
    }
  }
  return 0;
}

static int build(const struct scan *s, cJSON **out) {
  const char *end = s->json;
  cJSON *root = cJSON_ParseWithLengthOpts(s->json, s->len, &end, false);
  size_t at = (size_t)(end - s->json);
  int rc;

  if (root == NULL) /* cJSON does not tell a lack of memory from bad text */
    return refuse(s, at,
                  "not valid JSON: a comma, quotation mark or brace is missing or misplaced");
  while (at < s->len && strchr(" \t\r\n", s->json[at]) != NULL)
    at++;
  rc = at < s->len ? refuse(s, at, "text behind the end of the document")
                   : check_names(root, s->why);
  if (rc != 0)
    cJSON_Delete(root);
  else
    *out = root;
  return rc;
}

int json_text_parse(const char *json, size_t len, cJSON **out, struct buf *why) {
  struct scan s = {.json = json, .len = len, .quote = len, .why = why};
  int rc;

  if (len > LENGTH_MAX) {
    buf_printf(why, "longer than %d bytes", LENGTH_MAX);
    return -EINVAL;
  }
  if (!text_is_utf8(json, len)) {
    buf_puts(why, "not valid UTF-8");
    return -EINVAL;
  }
  if (len >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0)
    return refuse(&s, 0, "begins with a byte order mark");
  rc = scan_text(&s);
  return rc != 0 ? rc : build(&s, out);
}

void json_text_locate(const char *json, size_t len, const char *s, struct buf *why) {
  struct buf quoted;
  const char *at;

  buf_init(&quoted, 0);
  buf_printf(&quoted, "\"%s\"", s);
  at = buf_error(&quoted) == 0 ? memmem(json, len, buf_cstr(&quoted), quoted.len) : NULL;
  if (at != NULL)
    put_place(why, json, (size_t)(at - json));
  buf_fini(&quoted);
}
