/* aws-chunked decoding, as a push parser.
 *
 *   SIZE --"0"--> TRAILER --empty line--> DONE
 *    |  ^            | ^
 *    v  |            +-+ a trailing header
 *   DATA -> DATA_END
 *
 * Lines are gathered in a small capped buffer, payload passes straight through to
 * the callback and into the running hash of its chunk. Signatures form a chain:
 * `previous` is the last one that was accepted, at first the request's own. The
 * first error sticks, whatever comes later. One thread at a time. */
#include "s3apfs/aws/chunked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/sigv4_parse.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "sigv4_internal.h"

#define SIZE_LINE_MAX 256 /* 16 digits, the extension, a padded DER signature */
#define TRAILER_LINE_MAX ((size_t)8 << 10)
#define TRAILER_COUNT_MAX 16
#define V4A_HEX_MAX 144 /* shorter ones are padded with '*' to this length */
#define CHUNK_SIGNATURE "chunk-signature="
#define TRAILER_SIGNATURE "x-amz-trailer-signature"

enum state { SIZE, DATA, DATA_END, TRAILER, DONE };

struct chunked {
  struct chunked_options o;
  enum state state;
  enum chunked_fault fault;
  int err;
  struct buf line;
  uint64_t left;   /* payload bytes the chunk still has */
  uint64_t length; /* payload bytes seen */
  struct digest *hash;
  char *signature; /* the current chunk's, NULL when unsigned */
  char *previous;
  struct kvlist trailers;
  bool trailer_signed;
};

bool chunked_form_parse(const char *content_sha256, struct chunked_form *out) {
  static const struct {
    const char *value;
    struct chunked_form form;
  } forms[] = {{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", {false, false, true}},
               {"STREAMING-" SIGV4_ALGORITHM "-PAYLOAD", {true, false, false}},
               {"STREAMING-" SIGV4_ALGORITHM "-PAYLOAD-TRAILER", {true, false, true}},
               {"STREAMING-" SIGV4A_ALGORITHM "-PAYLOAD", {true, true, false}},
               {"STREAMING-" SIGV4A_ALGORITHM "-PAYLOAD-TRAILER", {true, true, true}}};

  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    if (strcmp(content_sha256, forms[i].value) == 0) {
      *out = forms[i].form;
      return true;
    }
  }
  return false;
}

static int fail(struct chunked *c, enum chunked_fault fault) {
  c->fault = fault;
  return -EINVAL;
}

static bool verifies(const struct chunked *c) {
  return c->o.form.is_signed && (c->o.form.asymmetric ? c->o.v4a != NULL : c->o.key != NULL);
}

int chunked_new(const struct chunked_options *o, struct chunked **out) {
  struct chunked *c = calloc(1, sizeof(*c));

  if (c == NULL)
    return -ENOMEM;
  c->o = *o;
  c->o.seed_signature = NULL;
  buf_init(&c->line, TRAILER_LINE_MAX);
  kvlist_init(&c->trailers);
  if (verifies(c)) {
    if (o->scope == NULL || o->seed_signature == NULL) {
      chunked_free(c);
      return -EINVAL;
    }
    c->previous = strdup(o->seed_signature);
    if (c->previous == NULL) {
      chunked_free(c);
      return -ENOMEM;
    }
  }
  *out = c;
  return 0;
}

void chunked_free(struct chunked *c) {
  if (c == NULL)
    return;
  digest_free(c->hash);
  kvlist_fini(&c->trailers);
  buf_fini(&c->line);
  free(c->signature);
  free(c->previous);
  free(c);
}

/* --- signatures --- */

static const char *algorithm(const struct chunked *c) {
  return c->o.form.asymmetric ? SIGV4A_ALGORITHM : SIGV4_ALGORITHM;
}

/* Copies a signature of the right form, padding removed. */
static int take_signature(struct chunked *c, const char *text, size_t len) {
  char *copy;

  if (c->o.form.asymmetric) {
    if (len > V4A_HEX_MAX)
      return fail(c, CHUNKED_FAULT_SIGNATURE);
    while (len > 0 && text[len - 1] == '*')
      len--;
  }
  if (c->o.form.asymmetric ? len == 0 || len % 2 != 0 : len != 64)
    return fail(c, CHUNKED_FAULT_SIGNATURE);
  for (size_t i = 0; i < len; i++)
    if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
      return fail(c, CHUNKED_FAULT_SIGNATURE);
  copy = text_dup_n(text, len);
  if (copy == NULL)
    return -ENOMEM;
  free(c->signature);
  c->signature = copy;
  return 0;
}

static int compare_signature(const struct chunked *c, const char *string_to_sign) {
  char hex[65];
  int rc;

  if (c->o.form.asymmetric)
    return sigv4a_verify(c->o.v4a, string_to_sign, c->signature);
  rc = sigv4_signature(c->o.key, string_to_sign, hex);
  if (rc == 0 && !sigv4_hex_equal(hex, c->signature))
    rc = -EKEYREJECTED;
  return rc;
}

/* Judges c->signature over a string and moves the chain on. */
static int accept_signature(struct chunked *c, struct buf *string) {
  int rc = buf_error(string);

  if (rc == 0)
    rc = compare_signature(c, buf_cstr(string));
  buf_fini(string);
  if (rc == -EKEYREJECTED || rc == -EINVAL)
    return fail(c, CHUNKED_FAULT_SIGNATURE);
  if (rc != 0)
    return rc;
  free(c->previous);
  c->previous = c->signature;
  c->signature = NULL;
  return 0;
}

static int raw_hex(const uint8_t raw[32], char hex[65]) {
  struct buf text;
  int rc;

  buf_init(&text, 64);
  text_hex(&text, raw, 32);
  rc = buf_error(&text);
  if (rc == 0)
    memcpy(hex, buf_cstr(&text), 65);
  buf_fini(&text);
  return rc;
}

static int end_chunk(struct chunked *c) {
  struct buf string;
  uint8_t raw[32];
  char hash[65];
  int rc;

  if (!verifies(c))
    return 0;
  rc = digest_final(c->hash, raw);
  if (rc == 0)
    rc = raw_hex(raw, hash);
  if (rc != 0)
    return rc;
  buf_init(&string, 0);
  sigv4_put_chunk_string(algorithm(c), c->o.scope, c->previous, hash, &string);
  return accept_signature(c, &string);
}

static int check_trailer_signature(struct chunked *c) {
  struct buf string;
  struct buf text;
  char hash[65];
  int rc;

  buf_init(&text, 0);
  for (size_t i = 0; i < c->trailers.count; i++)
    buf_printf(&text, "%s:%s\n", c->trailers.items[i].name, c->trailers.items[i].value);
  rc = buf_error(&text);
  if (rc == 0)
    rc = digest_sha256_hex(buf_cstr(&text), text.len, hash);
  buf_fini(&text);
  if (rc != 0)
    return rc;
  buf_init(&string, 0);
  sigv4_put_trailer_string(algorithm(c), c->o.scope, c->previous, hash, &string);
  return accept_signature(c, &string);
}

/* --- lines --- */

/* 1 to 16 hex digits, up to a ';' or the end. */
static int parse_size(const char *line, uint64_t *size, const char **rest) {
  size_t digits = strspn(line, "0123456789abcdefABCDEF");
  uint64_t v = 0;

  if (digits == 0 || digits > 16 || (line[digits] != '\0' && line[digits] != ';'))
    return -EINVAL;
  for (size_t i = 0; i < digits; i++) {
    char c = line[i];
    int d = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

    v = v << 4 | (uint64_t)d;
  }
  *size = v;
  *rest = line + digits;
  return 0;
}

static int parse_extension(struct chunked *c, const char *rest) {
  if (!c->o.form.is_signed)
    return rest[0] == '\0' ? 0 : fail(c, CHUNKED_FAULT_FRAMING);
  if (rest[0] != ';' || !text_has_prefix(rest + 1, CHUNK_SIGNATURE))
    return fail(c, CHUNKED_FAULT_SIGNATURE);
  rest += 1 + strlen(CHUNK_SIGNATURE);
  return take_signature(c, rest, strlen(rest));
}

static int begin_hash(struct chunked *c) {
  if (!verifies(c))
    return 0;
  digest_free(c->hash);
  c->hash = NULL;
  return digest_new(DIGEST_SHA256, &c->hash);
}

static int end_payload(struct chunked *c) {
  if (c->o.decoded_length != CHUNKED_LENGTH_UNKNOWN && c->length != c->o.decoded_length)
    return fail(c, CHUNKED_FAULT_LENGTH);
  c->state = TRAILER;
  return end_chunk(c);
}

static int take_size_line(struct chunked *c, const char *line) {
  const char *rest;
  uint64_t size;
  int rc;

  if (parse_size(line, &size, &rest) != 0)
    return fail(c, CHUNKED_FAULT_FRAMING);
  if (size > CHUNKED_LENGTH_UNKNOWN - 1 - c->length ||
      (c->o.decoded_length != CHUNKED_LENGTH_UNKNOWN && size > c->o.decoded_length - c->length))
    return fail(c, CHUNKED_FAULT_LENGTH);
  rc = parse_extension(c, rest);
  if (rc == 0)
    rc = begin_hash(c);
  if (rc != 0)
    return rc;
  if (size == 0)
    return end_payload(c);
  c->left = size;
  c->state = DATA;
  return 0;
}

static int end_body(struct chunked *c) {
  if (c->o.form.is_signed && c->o.form.trailers && !c->trailer_signed)
    return fail(c, CHUNKED_FAULT_SIGNATURE);
  c->state = DONE;
  return 0;
}

/* Lowers the name in place; false when it is not a token or the value holds controls. */
static bool check_trailer(char *name, const char *value) {
  static const char marks[] = "!#$%&'*+-.^_`|~";

  if (name[0] == '\0')
    return false;
  for (char *p = name; *p != '\0'; p++) {
    if (*p >= 'A' && *p <= 'Z')
      *p = (char)(*p - 'A' + 'a');
    else if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && strchr(marks, *p) == NULL)
      return false;
  }
  for (const char *p = value; *p != '\0'; p++)
    if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
      return false;
  return true;
}

static int take_trailer_signature(struct chunked *c, const char *value) {
  int rc;

  if (!c->o.form.is_signed)
    return fail(c, CHUNKED_FAULT_TRAILER);
  rc = take_signature(c, value, strlen(value));
  if (rc == 0 && verifies(c))
    rc = check_trailer_signature(c);
  c->trailer_signed = rc == 0;
  return rc;
}

static int take_trailer_line(struct chunked *c, char *line) {
  char *colon = strchr(line, ':');
  char *value;

  if (line[0] == '\0')
    return end_body(c);
  if (!c->o.form.trailers || c->trailer_signed || colon == NULL)
    return fail(c, CHUNKED_FAULT_TRAILER);
  *colon = '\0';
  value = text_trim(colon + 1);
  if (!check_trailer(line, value))
    return fail(c, CHUNKED_FAULT_TRAILER);
  if (strcmp(line, TRAILER_SIGNATURE) == 0)
    return take_trailer_signature(c, value);
  if (c->trailers.count == TRAILER_COUNT_MAX || kvlist_get(&c->trailers, line) != NULL)
    return fail(c, CHUNKED_FAULT_TRAILER);
  return kvlist_add(&c->trailers, line, value);
}

static enum chunked_fault line_fault(const struct chunked *c) {
  return c->state == TRAILER ? CHUNKED_FAULT_TRAILER : CHUNKED_FAULT_FRAMING;
}

/* A complete line, its LF included. */
static int take_line(struct chunked *c) {
  struct buf *b = &c->line;
  int rc;

  if (b->len < 2 || b->data[b->len - 2] != '\r')
    return fail(c, line_fault(c));
  b->data[b->len -= 2] = '\0';
  if (strlen(b->data) != b->len || strpbrk(b->data, "\r\n") != NULL)
    return fail(c, line_fault(c));
  rc = c->state == SIZE ? take_size_line(c, b->data) : take_trailer_line(c, b->data);
  buf_reset(b);
  return rc;
}

/* Bytes used, or a negative error. */
static ssize_t feed_line(struct chunked *c, const char *bytes, size_t len) {
  size_t max = c->state == SIZE ? SIZE_LINE_MAX : TRAILER_LINE_MAX;
  const char *lf = memchr(bytes, '\n', len);
  size_t n = lf != NULL ? (size_t)(lf - bytes) + 1 : len;
  int rc;

  if (n > max - c->line.len)
    return fail(c, line_fault(c));
  buf_append(&c->line, bytes, n);
  rc = buf_error(&c->line);
  if (rc == 0 && lf != NULL)
    rc = take_line(c);
  return rc != 0 ? rc : (ssize_t)n;
}

/* --- payload --- */

static ssize_t feed_data(struct chunked *c, const char *bytes, size_t len) {
  size_t n = len < c->left ? len : (size_t)c->left;
  int rc;

  if (verifies(c))
    digest_update(c->hash, bytes, n);
  rc = c->o.data(c->o.arg, bytes, n);
  if (rc > 0)
    rc = -EIO;
  c->left -= n;
  c->length += n;
  if (rc == 0 && c->left == 0) {
    rc = end_chunk(c);
    c->state = DATA_END;
  }
  return rc != 0 ? rc : (ssize_t)n;
}

static ssize_t feed_data_end(struct chunked *c, const char *bytes) {
  static const char end[] = "\r\n";

  if (bytes[0] != end[c->line.len])
    return fail(c, CHUNKED_FAULT_FRAMING);
  buf_append(&c->line, bytes, 1);
  if (buf_error(&c->line) != 0)
    return buf_error(&c->line);
  if (c->line.len == 2) {
    buf_reset(&c->line);
    c->state = SIZE;
  }
  return 1;
}

static ssize_t feed_some(struct chunked *c, const char *bytes, size_t len) {
  switch (c->state) {
  case SIZE:
  case TRAILER:
    return feed_line(c, bytes, len);
  case DATA:
    return feed_data(c, bytes, len);
  case DATA_END:
    return feed_data_end(c, bytes);
  case DONE:
    break;
  }
  return fail(c, CHUNKED_FAULT_FRAMING);
}

int chunked_feed(struct chunked *c, const void *bytes, size_t len) {
  const char *p = bytes;

  while (c->err == 0 && len > 0) {
    ssize_t n = feed_some(c, p, len);

    if (n < 0) {
      c->err = (int)n;
      break;
    }
    p += n;
    len -= (size_t)n;
  }
  return c->err;
}

int chunked_finish(struct chunked *c) {
  if (c->err == 0 && c->o.open_end && c->state == TRAILER && c->line.len == 0)
    c->err = end_body(c);
  if (c->err == 0 && c->state != DONE)
    c->err = fail(c, CHUNKED_FAULT_INCOMPLETE);
  return c->err;
}

enum chunked_fault chunked_fault(const struct chunked *c) {
  return c->fault;
}

const struct kvlist *chunked_trailers(const struct chunked *c) {
  return &c->trailers;
}

uint64_t chunked_length(const struct chunked *c) {
  return c->length;
}

const char *chunked_fault_code(enum chunked_fault fault) {
  switch (fault) {
  case CHUNKED_FAULT_SIGNATURE:
    return "SignatureDoesNotMatch";
  case CHUNKED_FAULT_TRAILER:
    return "MalformedTrailerError";
  case CHUNKED_FAULT_FRAMING:
  case CHUNKED_FAULT_LENGTH:
  case CHUNKED_FAULT_INCOMPLETE:
    return "IncompleteBody";
  case CHUNKED_FAULT_NONE:
    break;
  }
  return "";
}
