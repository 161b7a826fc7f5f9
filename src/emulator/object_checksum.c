/* Object checksums. The first half is pure, the second speaks for requests. */
#include "object_checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exchange.h"
#include "s3apfs/base/text.h"

#define HEADER "x-amz-checksum-"

char *object_checksum_text(const struct checksum *c) {
  struct buf text;
  buf_init(&text, 0);
  checksum_encode(c, &text);
  return buf_take(&text);
}

/* --- of parts --- */

static int decode_parts(const struct object_part *parts, size_t count, enum checksum_kind kind,
                        struct checksum *out) {
  int err = 0;
  for (size_t i = 0; !err && i < count; i++) {
    err = parts[i].checksum ? checksum_decode(kind, parts[i].checksum, &out[i]) : -EINVAL;
    if (!err && out[i].parts)
      err = -EINVAL;
  }
  return err;
}

/* sums[0] becomes that of all. */
static int join(const struct object_part *parts, size_t count, struct checksum *sums) {
  int err = 0;
  for (size_t i = 1; !err && i < count; i++)
    err = checksum_append(&sums[0], &sums[i], parts[i].size);
  return err;
}

int object_checksum_of_parts(const struct object_part *parts, size_t count, enum checksum_kind kind,
                             enum checksum_type type, struct checksum *out) {
  if (!count)
    return -EINVAL;
  struct checksum *sums = calloc(count, sizeof(*sums));
  if (!sums)
    return -ENOMEM;
  int err = decode_parts(parts, count, kind, sums);
  if (!err && type == CHECKSUM_COMPOSITE)
    err = checksum_compose(sums, count, &sums[0]);
  else if (!err)
    err = join(parts, count, sums);
  if (!err)
    *out = sums[0];
  free(sums);
  return err;
}

/* --- of requests --- */

static bool is_checksum(const char *header) {
  static const char *const others[] = {"mode", "type", "algorithm"};
  if (strncasecmp(header, HEADER, strlen(HEADER)) != 0)
    return false;
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
    if (strcasecmp(header + strlen(HEADER), others[i]) == 0)
      return false;
  return true;
}

int object_checksum_announced(struct exchange *x, struct announced_checksum *out) {
  const struct kvlist *h = &x->request.headers;
  *out = (struct announced_checksum){0};
  for (size_t i = 0; i < h->count; i++) {
    const char *name = h->items[i].name;
    enum checksum_kind kind;
    if (!is_checksum(name))
      continue;
    if (checksum_kind_parse(name + strlen(HEADER), &kind))
      return reply_error(x, 501, "NotImplemented",
                         "The checksum algorithm of %s is not "
                         "implemented.",
                         name);
    if (out->value)
      return reply_error(x, 400, "InvalidRequest",
                         "Expecting a single x-amz-checksum- header. Multiple checksum Types are "
                         "not allowed.");
    *out = (struct announced_checksum){.value = h->items[i].value, .kind = kind};
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

/* A composite's text is no value for the bytes of one request. */
static int check_announced(struct exchange *x, const char *told, const struct checksum *have) {
  struct checksum want;
  int err = checksum_decode(have->kind, told, &want);
  if (err == -EINVAL || (!err && want.parts))
    return reply_error(x, 400, "InvalidRequest", "Value for %s header is invalid.",
                       checksum_header(have->kind));
  if (err)
    return reply_error(x, 500, "InternalError", "Out of memory.");
  if (!checksum_equal(have, &want))
    return reply_error(x, 400, "BadDigest",
                       "The %s you specified did not match the calculated "
                       "checksum.",
                       checksum_name(have->kind));
  return 0;
}

int object_checksum_accept(struct exchange *x, enum checksum_kind standard, struct checksum *out) {
  struct announced_checksum told;
  struct checksum have;
  int err = check_md5(x);
  if (!err)
    err = object_checksum_announced(x, &told);
  if (err)
    return err;
  if (body_checksum(&x->body, told.value ? told.kind : standard, &have))
    return reply_error(x, 500, "InternalError", "The request body cannot be read.");
  if (told.value)
    err = check_announced(x, told.value, &have);
  if (!err)
    *out = have;
  return err;
}
