/* aws-chunked bodies, decoded from one spool into another.
 *
 * States: size line, data, CRLF, ... until the size 0, then trailer lines until
 * an empty one or the end (clients differ in whether they send the last CRLF).
 * A signed chunk is held in memory as a whole, because its signature comes
 * first and nothing unverified is to be kept. */
#include "aws_chunked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"

/* Size lines carry a signature, trailer lines a checksum: both well below. */
#define LINE_MAX_BYTES 4096
/* AWS recommends at least 64 KiB and clients stay around that. */
#define SIGNED_CHUNK_MAX ((uint64_t)64 << 20)
#define STEP ((size_t)32 << 10)

struct cursor {
  const struct body *in;
  uint64_t at;
};

/* The next line without its CRLF; -ENODATA at the very end. */
static int read_line(struct cursor *c, char line[LINE_MAX_BYTES]) {
  ssize_t n = body_read(c->in, c->at, line, LINE_MAX_BYTES - 1);
  if (n <= 0)
    return n < 0 ? (int)n : -ENODATA;
  line[n] = '\0';
  char *end = memchr(line, '\r', (size_t)n);
  if (!end || end[1] != '\n' || memchr(line, 0, (size_t)(end - line)))
    return -EBADMSG;
  *end = '\0';
  c->at += (uint64_t)(end - line) + 2;
  return 0;
}

static int expect_crlf(struct cursor *c) {
  char two[2];
  if (body_read(c->in, c->at, two, 2) != 2 || two[0] != '\r' || two[1] != '\n')
    return -EBADMSG;
  c->at += 2;
  return 0;
}

static int parse_size_line(const char *line, uint64_t *size, const char **signature) {
  size_t digits = strspn(line, "0123456789abcdefABCDEF");
  const char *rest = line + digits;
  if (digits == 0 || digits > 12)
    return -EBADMSG;
  *size = strtoull(line, NULL, 16);
  *signature = NULL;
  if (text_has_prefix(rest, ";chunk-signature="))
    *signature = rest + strlen(";chunk-signature=");
  else if (*rest)
    return -EBADMSG;
  return 0;
}

static int advance_signature(struct aws_chunked *c, const char *claimed, const char *computed) {
  if (!claimed || strcmp(claimed, computed) != 0)
    return -EKEYREJECTED;
  memcpy(c->previous, computed, sizeof(c->previous));
  return 0;
}

static int copy_signed(struct aws_chunked *c, struct cursor *from, uint64_t size,
                       const char *claimed, struct body *out) {
  if (size > SIGNED_CHUNK_MAX || size > from->in->length - from->at)
    return -EBADMSG;
  char *data = malloc(size + 1);
  if (!data)
    return -ENOMEM;
  char computed[65];
  ssize_t n = body_read(from->in, from->at, data, size);
  int err = n == (ssize_t)size ? 0 : -EBADMSG;
  if (!err)
    err = sigv4_chunk_signature(c->key, &c->scope, c->previous, data, size, computed);
  if (!err)
    err = advance_signature(c, claimed, computed);
  if (!err && size)
    err = body_append(out, data, size);
  free(data);
  from->at += size;
  return err;
}

static int copy_plain(struct cursor *from, uint64_t size, struct body *out) {
  char step[STEP];
  while (size > 0) {
    size_t want = size < sizeof(step) ? (size_t)size : sizeof(step);
    ssize_t n = body_read(from->in, from->at, step, want);
    if (n <= 0)
      return n < 0 ? (int)n : -EBADMSG;
    int err = body_append(out, step, (size_t)n);
    if (err)
      return err;
    from->at += (uint64_t)n;
    size -= (uint64_t)n;
  }
  return 0;
}

static int decode_chunks(struct aws_chunked *c, struct cursor *from, struct body *out) {
  char line[LINE_MAX_BYTES];
  uint64_t size;
  const char *signature;
  do {
    int err = read_line(from, line);
    if (!err)
      err = parse_size_line(line, &size, &signature);
    if (!err && c->is_signed)
      err = copy_signed(c, from, size, signature, out);
    else if (!err)
      err = copy_plain(from, size, out);
    if (!err && size)
      err = expect_crlf(from);
    if (err)
      return err == -ENODATA ? -EBADMSG : err;
  } while (size);
  return 0;
}

static int check_trailer_signature(struct aws_chunked *c, const struct buf *signed_text,
                                   const char *claimed) {
  char computed[65];
  int err = buf_error(signed_text);
  if (!err)
    err = sigv4_trailer_signature(c->key, &c->scope, c->previous, buf_cstr(signed_text),
                                  signed_text->len, computed);
  return err ? err : advance_signature(c, claimed, computed);
}

static int decode_trailer(struct aws_chunked *c, struct cursor *from, struct kvlist *trailers) {
  char line[LINE_MAX_BYTES];
  char claimed[65] = "";
  struct buf text;
  buf_init(&text, 0);
  int err;
  while ((err = read_line(from, line)) == 0 && *line) {
    char *value = strchr(line, ':');
    if (!value) {
      err = -EBADMSG;
      break;
    }
    *value = '\0';
    char *trimmed = text_trim(value + 1);
    if (strcasecmp(line, "x-amz-trailer-signature") == 0) {
      if (strlen(trimmed) == 64)
        memcpy(claimed, trimmed, 65);
      continue;
    }
    buf_printf(&text, "%s:%s\n", line, trimmed);
    err = kvlist_add(trailers, line, trimmed);
    if (err)
      break;
  }
  if (err == -ENODATA)
    err = 0;
  if (!err && c->is_signed && c->has_trailer)
    err = check_trailer_signature(c, &text, claimed);
  buf_fini(&text);
  return err;
}

int aws_chunked_decode(struct aws_chunked *c, const struct body *in, struct body *out,
                       struct kvlist *trailers) {
  struct cursor from = {.in = in};
  int err = decode_chunks(c, &from, out);
  return err ? err : decode_trailer(c, &from, trailers);
}
