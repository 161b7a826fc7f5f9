/* Checksums over base's CRCs and digests. One table names the algorithms; a
 * stream is either a running CRC or a digest state. Everything but a stream is a
 * pure value; a stream belongs to one thread at a time. */
#include "s3apfs/aws/checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

struct algorithm {
  const char *name;
  const char *header;
  const char *element;
  size_t size;
  enum crc_kind crc;
  bool full_object;
  bool composite;
};

static const struct algorithm algorithms[CHECKSUM_KINDS] = {
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8,
                            CRC_64NVME, true, false},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, CRC_32, true, true},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, CRC_32C, true,
                         true},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, CRC_NONE, false,
                         true},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, CRC_NONE, false, true},
};

struct checksum_stream {
  enum checksum_kind kind;
  uint64_t crc;
  struct digest *digest; /* NULL for CRCs */
};

int checksum_kind_parse(const char *s, enum checksum_kind *out) {
  for (unsigned i = 0; i < CHECKSUM_KINDS; i++) {
    if (strcasecmp(algorithms[i].name, s) == 0) {
      *out = (enum checksum_kind)i;
      return 0;
    }
  }
  return -EINVAL;
}

const char *checksum_name(enum checksum_kind kind) {
  return algorithms[kind].name;
}

const char *checksum_header(enum checksum_kind kind) {
  return algorithms[kind].header;
}

const char *checksum_element(enum checksum_kind kind) {
  return algorithms[kind].element;
}

size_t checksum_size(enum checksum_kind kind) {
  return algorithms[kind].size;
}

int checksum_type_parse(const char *s, enum checksum_type *out) {
  bool composite = strcmp(s, "COMPOSITE") == 0;

  if (!composite && strcmp(s, "FULL_OBJECT") != 0)
    return -EINVAL;
  *out = composite ? CHECKSUM_COMPOSITE : CHECKSUM_FULL_OBJECT;
  return 0;
}

const char *checksum_type_name(enum checksum_type type) {
  return type == CHECKSUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

bool checksum_allows(enum checksum_kind kind, enum checksum_type type) {
  return type == CHECKSUM_COMPOSITE ? algorithms[kind].composite : algorithms[kind].full_object;
}

int checksum_find_header(const struct kvlist *headers, enum checksum_kind *kind,
                         const char **value) {
  for (unsigned i = 0; i < CHECKSUM_KINDS; i++) {
    const char *found = kvlist_get_ci(headers, algorithms[i].header);

    if (found != NULL) {
      *kind = (enum checksum_kind)i;
      *value = found;
      return 0;
    }
  }
  return -ENOENT;
}

/* --- streams ------------------------------------------------------------------- */

static enum digest_kind digest_of(enum checksum_kind kind) {
  return kind == CHECKSUM_SHA1 ? DIGEST_SHA1 : DIGEST_SHA256;
}

static uint64_t crc_load(const struct checksum *c) {
  uint64_t v = 0;

  for (size_t i = 0; i < checksum_size(c->kind); i++)
    v = v << 8 | c->bytes[i];
  return v;
}

static void crc_store(struct checksum *c, uint64_t v) {
  for (size_t i = checksum_size(c->kind); i > 0; i--) {
    c->bytes[i - 1] = (uint8_t)v;
    v >>= 8;
  }
}

int checksum_new(enum checksum_kind kind, struct checksum_stream **out) {
  struct checksum_stream *s = calloc(1, sizeof(*s));
  int rc = 0;

  if (s == NULL)
    return -ENOMEM;
  s->kind = kind;
  if (algorithms[kind].crc == CRC_NONE)
    rc = digest_new(digest_of(kind), &s->digest);
  if (rc == 0)
    *out = s;
  else
    free(s);
  return rc;
}

void checksum_update(struct checksum_stream *s, const void *data, size_t len) {
  if (s->digest != NULL)
    digest_update(s->digest, data, len);
  else
    s->crc = crc_update(algorithms[s->kind].crc, s->crc, data, len);
}

int checksum_final(struct checksum_stream *s, struct checksum *out) {
  struct checksum c = {.kind = s->kind};
  int rc = 0;

  if (s->digest != NULL)
    rc = digest_final(s->digest, c.bytes);
  else
    crc_store(&c, s->crc);
  if (rc == 0)
    *out = c;
  return rc;
}

void checksum_free(struct checksum_stream *s) {
  if (s == NULL)
    return;
  digest_free(s->digest);
  free(s);
}

int checksum_once(enum checksum_kind kind, const void *data, size_t len, struct checksum *out) {
  struct checksum c = {.kind = kind};
  int rc = 0;

  if (algorithms[kind].crc != CRC_NONE)
    crc_store(&c, crc_update(algorithms[kind].crc, 0, data, len));
  else
    rc = digest_once(digest_of(kind), data, len, c.bytes);
  if (rc == 0)
    *out = c;
  return rc;
}

/* --- text ---------------------------------------------------------------------- */

void checksum_encode(const struct checksum *c, struct buf *out) {
  text_base64(out, c->bytes, checksum_size(c->kind));
  if (c->parts > 0)
    buf_printf(out, "-%u", c->parts);
}

/* What stands behind the '-', or 0 when there is none. */
static int parse_parts(const char *dash, unsigned *out) {
  uint64_t n = 0;

  if (dash != NULL &&
      (dash[1] == '0' || text_parse_u64(dash + 1, &n) != 0 || n == 0 || n > CHECKSUM_MAX_PARTS))
    return -EINVAL;
  *out = (unsigned)n;
  return 0;
}

int checksum_decode(enum checksum_kind kind, const char *text, struct checksum *out) {
  struct checksum c = {.kind = kind};
  const char *dash = strchr(text, '-');
  size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
  struct buf raw;
  char *digits;
  int rc = parse_parts(dash, &c.parts);

  if (rc != 0 || len > (size_t)CHECKSUM_MAX_BYTES * 2)
    return -EINVAL;
  digits = text_dup_n(text, len);
  if (digits == NULL)
    return -ENOMEM;
  buf_init(&raw, CHECKSUM_MAX_BYTES * 2);
  rc = text_unbase64(&raw, digits);
  if (rc == 0 && raw.len != checksum_size(kind))
    rc = -EINVAL;
  if (rc == 0) {
    memcpy(c.bytes, raw.data, raw.len);
    *out = c;
  }
  buf_fini(&raw);
  free(digits);
  return rc;
}

bool checksum_equal(const struct checksum *a, const struct checksum *b) {
  return a->kind == b->kind && a->parts == b->parts &&
         memcmp(a->bytes, b->bytes, checksum_size(a->kind)) == 0;
}

int checksum_check(const struct checksum *actual, const char *text) {
  struct checksum wanted;
  int rc = checksum_decode(actual->kind, text, &wanted);

  if (rc != 0)
    return rc;
  return checksum_equal(actual, &wanted) ? 0 : -EBADMSG;
}

/* --- parts --------------------------------------------------------------------- */

int checksum_compose(const struct checksum *parts, size_t count, struct checksum *out) {
  struct checksum c;
  struct buf all;
  int rc;

  if (count == 0 || count > CHECKSUM_MAX_PARTS)
    return -EINVAL;
  buf_init(&all, 0);
  for (size_t i = 0; i < count; i++) {
    if (parts[i].kind != parts[0].kind || parts[i].parts != 0) {
      buf_fini(&all);
      return -EINVAL;
    }
    buf_append(&all, parts[i].bytes, checksum_size(parts[i].kind));
  }
  rc = buf_error(&all);
  if (rc == 0)
    rc = checksum_once(parts[0].kind, all.data, all.len, &c);
  buf_fini(&all);
  if (rc != 0)
    return rc;
  c.parts = (unsigned)count;
  *out = c;
  return 0;
}

int checksum_append(struct checksum *whole, const struct checksum *next, uint64_t len) {
  uint64_t a = crc_load(whole);
  uint64_t b = crc_load(next);

  if (whole->kind != next->kind || whole->parts != 0 || next->parts != 0)
    return -EINVAL;
  if (algorithms[whole->kind].crc == CRC_NONE)
    return -EOPNOTSUPP;
  crc_store(whole, crc_combine(algorithms[whole->kind].crc, a, b, len));
  return 0;
}

void checksum_from_crc64nvme(uint64_t crc, struct checksum *out) {
  *out = (struct checksum){.kind = CHECKSUM_CRC64NVME};
  for (unsigned i = 0; i < 8; i++)
    out->bytes[i] = (uint8_t)(crc >> (56 - 8 * i));
}

int checksum_to_crc64nvme(const struct checksum *c, uint64_t *out) {
  uint64_t crc;

  if (checksum_to_crc(c, &crc) != CRC_64NVME)
    return -EINVAL;
  *out = crc;
  return 0;
}

enum crc_kind checksum_to_crc(const struct checksum *c, uint64_t *out) {
  enum crc_kind kind = c->parts == 0 ? algorithms[c->kind].crc : CRC_NONE;

  if (kind != CRC_NONE)
    *out = crc_load(c);
  return kind;
}
