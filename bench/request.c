/* The start of an HTTP/1.1 request: see request.h.
 *
 * Pure functions over complete heads; the only state is struct chunks, which
 * stands between two calls wherever the bytes happened to be cut. */
#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* An operation is known by its method, a name in its query, and whether it names
 * an object to copy from. The first form that matches counts. */
struct form {
  const char *method;
  const char *query; /* NULL: any */
  bool copies;
  enum request_kind kind;
};

static const struct form forms[] = {
    {"GET", "list-type", false, REQUEST_LIST},
    {"GET", "delimiter", false, REQUEST_LIST},
    {"GET", "prefix", false, REQUEST_LIST},
    {"GET", "max-keys", false, REQUEST_LIST},
    {"GET", "uploads", false, REQUEST_OTHER},
    {"GET", "uploadId", false, REQUEST_OTHER},
    {"GET", "location", false, REQUEST_OTHER},
    {"GET", NULL, false, REQUEST_GET},
    {"HEAD", NULL, false, REQUEST_HEAD},
    {"PUT", "partNumber", true, REQUEST_PART_COPY},
    {"PUT", "partNumber", false, REQUEST_PART},
    {"PUT", NULL, true, REQUEST_COPY},
    {"PUT", NULL, false, REQUEST_PUT},
    {"POST", "uploads", false, REQUEST_CREATE},
    {"POST", "uploadId", false, REQUEST_COMPLETE},
    {"POST", "delete", false, REQUEST_DELETE_MANY},
    {"DELETE", "uploadId", false, REQUEST_ABORT},
    {"DELETE", NULL, false, REQUEST_DELETE},
};

const char *request_kind_name(enum request_kind kind) {
  static const char *const names[REQUEST_KINDS] = {
      "GET",       "HEAD",     "LIST",  "PUT",    "COPY",        "CREATE", "PART",
      "PART-COPY", "COMPLETE", "ABORT", "DELETE", "DELETE-MANY", "OTHER"};

  return names[kind];
}

size_t request_head_length(const char *text, size_t len) {
  const char *end = memmem(text, len, "\r\n\r\n", 4);

  return end != NULL ? (size_t)(end - text) + 4 : 0;
}

/* Is there a parameter of this name in the query part of [target, end)? */
static bool query_has(const char *target, const char *end, const char *name) {
  const char *at = memchr(target, '?', (size_t)(end - target));
  size_t n = strlen(name);

  while (at != NULL) {
    at++;
    if ((size_t)(end - at) >= n && memcmp(at, name, n) == 0 &&
        (at + n == end || at[n] == '=' || at[n] == '&'))
      return true;
    at = memchr(at, '&', (size_t)(end - at));
  }
  return false;
}

static enum request_kind classify(const char *head, const char *target, const char *end,
                                  bool copies) {
  size_t n = (size_t)(target - 1 - head);

  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    const struct form *f = &forms[i];

    if (strlen(f->method) == n && memcmp(f->method, head, n) == 0 && f->copies == copies &&
        (f->query == NULL || query_has(target, end, f->query)))
      return f->kind;
  }
  return REQUEST_OTHER;
}

/* The value of a header line of that name, or NULL. Lines end within the head. */
static const char *header_value(const char *line, const char *name) {
  size_t n = strlen(name);

  if (strncasecmp(line, name, n) != 0 || line[n] != ':')
    return NULL;
  line += n + 1;
  while (*line == ' ' || *line == '\t')
    line++;
  return line;
}

int request_parse(const char *head, size_t len, struct request *out) {
  const char *line_end = memmem(head, len, "\r\n", 2);
  const char *target = memchr(head, ' ', len);
  const char *end;
  struct request r = {.kind = REQUEST_OTHER};
  bool copies = false;

  if (line_end == NULL || target == NULL || target > line_end)
    return -EPROTO;
  target++;
  end = memchr(target, ' ', (size_t)(line_end - target));
  if (end == NULL)
    return -EPROTO;
  for (const char *line = line_end + 2; line + 2 < head + len;) {
    const char *value;

    if ((value = header_value(line, "content-length")) != NULL)
      r.length = strtoull(value, NULL, 10);
    else if ((value = header_value(line, "transfer-encoding")) != NULL)
      r.chunked = strncasecmp(value, "chunked", 7) == 0;
    else if (header_value(line, "x-amz-copy-source") != NULL)
      copies = true;
    line = (const char *)memmem(line, (size_t)(head + len - line), "\r\n", 2) + 2;
  }
  r.kind = classify(head, target, end, copies);
  *out = r;
  return 0;
}

void chunks_init(struct chunks *c) {
  memset(c, 0, sizeof(*c));
}

static int size_digit(struct chunks *c, char ch) {
  int digit;

  if (c->size_known)
    return 0;
  if (!isxdigit((unsigned char)ch)) {
    c->size_known = true;
    return c->in_line == 0 ? -EPROTO : 0;
  }
  if (c->left >> 60 != 0)
    return -EPROTO;
  digit = isdigit((unsigned char)ch) ? ch - '0' : tolower((unsigned char)ch) - 'a' + 10;
  c->left = c->left * 16 + (uint64_t)digit;
  return 0;
}

/* One byte of a line: of a size, of the end of data, or of the trailer. */
static int feed_line(struct chunks *c, char ch, bool *done) {
  int rc = 0;

  if (ch == '\r')
    return 0;
  if (ch != '\n') {
    if (c->at == CHUNK_SIZE)
      rc = size_digit(c, ch);
    c->in_line++;
    return rc;
  }
  if (c->at == CHUNK_SIZE) {
    c->at = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
  } else if (c->at == CHUNK_DATA_END) {
    c->at = CHUNK_SIZE;
    c->left = 0;
  } else {
    *done = c->in_line == 0;
  }
  c->in_line = 0;
  c->size_known = false;
  return 0;
}

int chunks_feed(struct chunks *c, const char *data, size_t len, size_t *used, bool *done) {
  size_t i = 0;
  bool over = false;

  while (i < len && !over) {
    if (c->at == CHUNK_DATA) {
      size_t n = len - i < c->left ? len - i : (size_t)c->left;

      i += n;
      c->left -= n;
      if (c->left == 0)
        c->at = CHUNK_DATA_END;
    } else {
      int rc = feed_line(c, data[i++], &over);

      if (rc != 0)
        return rc;
    }
  }
  *used = i;
  *done = over;
  return 0;
}
