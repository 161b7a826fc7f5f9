/* Object checksums. The first half is pure, the second speaks for requests. */
#include "checksum.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exchange.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/text.h"

#define STEP ((size_t)32 << 10)

struct algorithm {
  const char *name;
  const char *header;
  const char *element;
  size_t size;
};

static const struct algorithm algorithms[CHECKSUM_COUNT] = {
    [CHECKSUM_NONE] = {"", "", "", 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
};

const char *checksum_name(enum checksum c) {
  return algorithms[c].name;
}

const char *checksum_header(enum checksum c) {
  return algorithms[c].header;
}

const char *checksum_element(enum checksum c) {
  return algorithms[c].element;
}

enum checksum checksum_parse(const char *name) {
  for (int c = CHECKSUM_CRC32; c < CHECKSUM_COUNT; c++)
    if (strcasecmp(name, algorithms[c].name) == 0)
      return (enum checksum)c;
  return CHECKSUM_NONE;
}

/* --- of bytes --- */

static uint64_t crc_step(enum checksum c, uint64_t crc, const void *data, size_t len) {
  if (c == CHECKSUM_CRC32)
    return crc32_ieee((uint32_t)crc, data, len);
  if (c == CHECKSUM_CRC32C)
    return crc32c((uint32_t)crc, data, len);
  return crc64nvme(crc, data, len);
}

static void put_crc(enum checksum c, uint64_t crc, struct buf *out) {
  if (algorithms[c].size == 4) {
    uint32_t be = htobe32((uint32_t)crc);
    text_base64(out, &be, sizeof(be));
  } else {
    uint64_t be = htobe64(crc);
    text_base64(out, &be, sizeof(be));
  }
}

static int crc_of_body(const struct body *b, enum checksum c, struct buf *out) {
  char step[STEP];
  uint64_t at = 0, crc = 0;
  ssize_t n;
  while ((n = body_read(b, at, step, sizeof(step))) > 0) {
    crc = crc_step(c, crc, step, (size_t)n);
    at += (uint64_t)n;
  }
  if (n < 0)
    return (int)n;
  put_crc(c, crc, out);
  return buf_error(out);
}

static enum digest_kind digest_of(enum checksum c) {
  return c == CHECKSUM_SHA1 ? DIGEST_SHA1 : DIGEST_SHA256;
}

int checksum_of_body(const struct body *b, enum checksum c, struct buf *out) {
  if (c < CHECKSUM_SHA1)
    return crc_of_body(b, c, out);
  uint8_t raw[DIGEST_MAX];
  int err = body_digest(b, digest_of(c), raw);
  if (err)
    return err;
  text_base64(out, raw, algorithms[c].size);
  return buf_error(out);
}

/* --- of parts --- */

static int decode(const struct object_part *p, enum checksum c, struct buf *raw) {
  buf_reset(raw);
  int err = p->checksum ? text_unbase64(raw, p->checksum) : -EINVAL;
  return !err && raw->len != algorithms[c].size ? -EINVAL : err;
}

static uint64_t crc_value(const struct buf *raw) {
  uint64_t v = 0;
  for (size_t i = 0; i < raw->len; i++)
    v = v << 8 | (uint8_t)raw->data[i];
  return v;
}

static uint64_t crc_join(enum checksum c, uint64_t a, uint64_t b, uint64_t len_b) {
  if (c == CHECKSUM_CRC32)
    return crc32_ieee_combine((uint32_t)a, (uint32_t)b, len_b);
  if (c == CHECKSUM_CRC32C)
    return crc32c_combine((uint32_t)a, (uint32_t)b, len_b);
  return crc64nvme_combine(a, b, len_b);
}

static int put_composite(const struct buf *all, size_t count, enum checksum c, struct buf *out) {
  if (c < CHECKSUM_SHA1) {
    put_crc(c, crc_step(c, 0, buf_cstr(all), all->len), out);
  } else {
    uint8_t raw[DIGEST_MAX];
    int err = digest_once(digest_of(c), buf_cstr(all), all->len, raw);
    if (err)
      return err;
    text_base64(out, raw, algorithms[c].size);
  }
  buf_printf(out, "-%zu", count);
  return buf_error(out);
}

int checksum_of_parts(const struct object_part *parts, size_t count, enum checksum c,
                      bool composite, struct buf *out) {
  struct buf raw, all;
  buf_init(&raw, 0);
  buf_init(&all, 0);
  uint64_t crc = 0;
  int err = 0;
  for (size_t i = 0; !err && i < count; i++) {
    err = decode(&parts[i], c, &raw);
    if (!err && composite)
      buf_append(&all, raw.data, raw.len);
    else if (!err)
      crc = i ? crc_join(c, crc, crc_value(&raw), parts[i].size) : crc_value(&raw);
  }
  if (!err)
    err = buf_error(&all);
  if (!err && composite)
    err = put_composite(&all, count, c, out);
  else if (!err)
    put_crc(c, crc, out);
  buf_fini(&raw);
  buf_fini(&all);
  return err ? err : buf_error(out);
}

/* --- of requests --- */

int checksum_announced(struct exchange *x, enum checksum *c, const char **value) {
  *c = CHECKSUM_NONE;
  *value = NULL;
  const struct kvlist *h = &x->request.headers;
  for (size_t i = 0; i < h->count; i++) {
    const char *name = h->items[i].name;
    if (strncasecmp(name, "x-amz-checksum-", 15) != 0 || strcasecmp(name + 15, "mode") == 0 ||
        strcasecmp(name + 15, "type") == 0 || strcasecmp(name + 15, "algorithm") == 0)
      continue;
    enum checksum found = checksum_parse(name + 15);
    if (found == CHECKSUM_NONE)
      return reply_error(x, 501, "NotImplemented",
                         "The checksum algorithm of %s is not "
                         "implemented.",
                         name);
    if (*c != CHECKSUM_NONE)
      return reply_error(x, 400, "InvalidRequest",
                         "Expecting a single x-amz-checksum- header. Multiple checksum Types are "
                         "not allowed.");
    *c = found;
    *value = h->items[i].value;
  }
  return 0;
}

static int check_md5(struct exchange *x) {
  const char *told = exchange_header(x, "Content-MD5");
  if (!told)
    return 0;
  struct buf want;
  uint8_t have[16];
  buf_init(&want, 0);
  int err = text_unbase64(&want, told);
  if (err || want.len != sizeof(have))
    err = reply_error(x, 400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
  else if (body_digest(&x->body, DIGEST_MD5, have))
    err = reply_error(x, 500, "InternalError", "The request body cannot be read.");
  else if (memcmp(want.data, have, sizeof(have)) != 0)
    err = reply_error(x, 400, "BadDigest",
                      "The Content-MD5 you specified did not match what we received.");
  buf_fini(&want);
  return err;
}

static int check_announced(struct exchange *x, enum checksum c, const char *told,
                           const char *have) {
  struct buf raw;
  buf_init(&raw, 0);
  int err = text_unbase64(&raw, told);
  if (err || raw.len != algorithms[c].size)
    err = reply_error(x, 400, "InvalidRequest", "Value for %s header is invalid.",
                      algorithms[c].header);
  else if (strcmp(told, have) != 0)
    err = reply_error(x, 400, "BadDigest",
                      "The %s you specified did not match the calculated "
                      "checksum.",
                      algorithms[c].name);
  buf_fini(&raw);
  return err;
}

int checksum_accept(struct exchange *x, enum checksum standard, enum checksum *c, char **value) {
  const char *told;
  enum checksum kind;
  int err = check_md5(x);
  if (!err)
    err = checksum_announced(x, &kind, &told);
  if (err)
    return err;
  if (kind == CHECKSUM_NONE)
    kind = standard;
  struct buf have;
  buf_init(&have, 0);
  if (checksum_of_body(&x->body, kind, &have))
    err = reply_error(x, 500, "InternalError", "The request body cannot be read.");
  if (!err && told)
    err = check_announced(x, kind, told, buf_cstr(&have));
  if (!err && !(*value = buf_take(&have)))
    err = reply_error(x, 500, "InternalError", "Out of memory.");
  buf_fini(&have);
  if (!err)
    *c = kind;
  return err;
}
