/* Names copied from web pages and word processors carry blanks, curly quotes
 * and long dashes. None of them can be in an ARN, an alias or a bucket name, so
 * the parser refuses them there and shows the spelling without; a key prefix
 * may hold any character and is left alone. Pure. */
#include "target_private.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "s3apfs/base/text.h"

enum blemish { BLEMISH_BLANK = 1, BLEMISH_QUOTE = 2, BLEMISH_CURLY_QUOTE = 4, BLEMISH_DASH = 8 };

static const struct {
  const char *bytes; /* UTF-8 */
  const char *instead;
  enum blemish kind;
} blemishes[] = {
    {" ", "", BLEMISH_BLANK},
    {"\t", "", BLEMISH_BLANK},
    {"\r", "", BLEMISH_BLANK},
    {"\n", "", BLEMISH_BLANK},
    {"\xc2\xa0", "", BLEMISH_BLANK},     /* no-break space */
    {"\xe2\x80\x89", "", BLEMISH_BLANK}, /* thin space */
    {"\xe2\x80\x8b", "", BLEMISH_BLANK}, /* zero width space */
    {"\xe2\x80\xaf", "", BLEMISH_BLANK}, /* narrow no-break space */
    {"\xef\xbb\xbf", "", BLEMISH_BLANK}, /* byte order mark */
    {"\"", "", BLEMISH_QUOTE},
    {"'", "", BLEMISH_QUOTE},
    {"`", "", BLEMISH_QUOTE},
    {"\xe2\x80\x98", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x99", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x9a", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x9c", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x9d", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x9e", "", BLEMISH_CURLY_QUOTE},
    {"\xc2\xab", "", BLEMISH_CURLY_QUOTE},
    {"\xc2\xbb", "", BLEMISH_CURLY_QUOTE},
    {"\xe2\x80\x90", "-", BLEMISH_DASH}, /* hyphen */
    {"\xe2\x80\x91", "-", BLEMISH_DASH}, /* no-break hyphen */
    {"\xe2\x80\x92", "-", BLEMISH_DASH},
    {"\xe2\x80\x93", "-", BLEMISH_DASH},
    {"\xe2\x80\x94", "-", BLEMISH_DASH},
    {"\xe2\x88\x92", "-", BLEMISH_DASH}, /* minus */
};

#define BLEMISH_COUNT (sizeof(blemishes) / sizeof(blemishes[0]))

/* Index of the blemish that s starts with, or BLEMISH_COUNT. */
static size_t blemish_at(const char *s) {
  size_t i = 0;

  while (i < BLEMISH_COUNT && !text_has_prefix(s, blemishes[i].bytes))
    i++;
  return i;
}

static const char *skip_components(const char *s, int count) {
  for (s += strcspn(s, "/:"); count > 1 && *s != '\0'; count--)
    s += 1 + strcspn(s + 1, "/:");
  return s;
}

/* Behind an ARN's bucket, access point or Outposts access point. */
static const char *arn_head_end(const char *arn) {
  const char *s = arn;
  size_t type;

  for (int colons = 0; colons < 5; colons++) {
    s = strchr(s, ':');
    if (s == NULL)
      return arn + strlen(arn);
    s++;
  }
  type = strcspn(s, "/:");
  if (s[type] == '\0')
    return s + type;
  if (type >= strlen("outpost") && memmem(s, type, "outpost", strlen("outpost")) != NULL)
    return skip_components(s, 4);
  /* arn:P:s3:::BUCKET/PREFIX has neither type nor region. */
  return s - arn >= 2 && s[-2] == ':' ? s + type : skip_components(s, 2);
}

size_t target_head_length(const char *source) {
  const char *arn = strstr(source, "arn:");
  const char *scheme = strstr(source, "://");
  const char *slash = strchr(source, '/');

  if (arn != NULL && (slash == NULL || arn < slash || (scheme != NULL && arn == scheme + 3)))
    return (size_t)(arn_head_end(arn) - source);
  if (scheme != NULL && slash == scheme + 1)
    return (size_t)(scheme + 3 + strcspn(scheme + 3, "/") - source);
  return slash != NULL ? (size_t)(slash - source) : strlen(source);
}

/* Appends source's head without blemishes; returns the set of kinds dropped. */
static unsigned clean_head(const char *source, size_t head, struct buf *out) {
  unsigned found = 0;

  for (size_t i = 0; i < head;) {
    size_t b = blemish_at(source + i);

    if (b == BLEMISH_COUNT) {
      buf_putc(out, source[i++]);
      continue;
    }
    buf_puts(out, blemishes[b].instead);
    found |= (unsigned)blemishes[b].kind;
    i += strlen(blemishes[b].bytes);
  }
  return found;
}

/* The prefix as it stands, but without the quote that closes the head's. */
static void append_prefix(const char *prefix, bool quoted, struct buf *out) {
  size_t n = strlen(prefix);

  for (size_t i = 0; quoted && i < BLEMISH_COUNT; i++) {
    bool quote = blemishes[i].kind == BLEMISH_QUOTE || blemishes[i].kind == BLEMISH_CURLY_QUOTE;

    if (quote && text_has_suffix(prefix, blemishes[i].bytes)) {
      n -= strlen(blemishes[i].bytes);
      break;
    }
  }
  buf_append(out, prefix, n);
}

static void name_blemishes(unsigned found, struct buf *why) {
  static const struct {
    enum blemish kind;
    const char *name;
  } names[] = {{BLEMISH_CURLY_QUOTE, "typographic quotes"},
               {BLEMISH_QUOTE, "quotes"},
               {BLEMISH_DASH, "typographic dashes"},
               {BLEMISH_BLANK, "blanks"}};
  const char *glue = "";

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if ((found & (unsigned)names[i].kind) == 0)
      continue;
    buf_printf(why, "%s%s", glue, names[i].name);
    glue = " and ";
  }
}

int target_check_spelling(const char *source, struct buf *why) {
  size_t head = target_head_length(source);
  struct buf clean;
  unsigned found;
  int rc;

  buf_init(&clean, 0);
  found = clean_head(source, head, &clean);
  append_prefix(source + head, (found & (BLEMISH_QUOTE | BLEMISH_CURLY_QUOTE)) != 0, &clean);
  rc = buf_error(&clean);
  if (rc == 0 && found != 0) {
    buf_puts(why, "the name holds ");
    name_blemishes(found, why);
    if (clean.len > 0)
      buf_printf(why, "; did you mean %s", buf_cstr(&clean));
    rc = -EINVAL;
  }
  buf_fini(&clean);
  return rc;
}
