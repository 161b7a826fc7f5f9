/* Checksums that go along with bytes: CRC64NVME, unless the user wishes another.
 *
 * CRC64NVME is computed in any case, because what is staged and resumed is told by it. An
 * upload's checksum is FULL_OBJECT where S3 can join those of its parts (the CRCs), else
 * COMPOSITE (SHA1, SHA256): then each part's has to be named at the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "change.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/s3/store.h"

int s3_bytes_init(const struct s3_client *c, const void *data, size_t len, struct s3_bytes *out) {
  *out = (struct s3_bytes){.data = data, .len = len, .crc64nvme = crc64nvme(0, data, len)};
  if (c->placing.checksum != CHECKSUM_CRC64NVME)
    return checksum_once(c->placing.checksum, data, len, &out->sum);
  checksum_from_crc64nvme(out->crc64nvme, &out->sum);
  return 0;
}

int s3_sum_header(const struct checksum *sum, struct kvlist *headers) {
  struct buf text;
  int rc;

  buf_init(&text, 0);
  checksum_encode(sum, &text);
  rc = buf_error(&text);
  if (rc == 0)
    rc = kvlist_add(headers, checksum_header(sum->kind), buf_cstr(&text));
  buf_fini(&text);
  return rc;
}

void s3_sum_text(const struct checksum *sum, char out[STORE_SUM_MAX]) {
  struct buf text;

  out[0] = '\0';
  if (sum->kind == CHECKSUM_CRC64NVME)
    return;
  buf_init(&text, 0);
  checksum_encode(sum, &text);
  if (buf_error(&text) == 0)
    snprintf(out, STORE_SUM_MAX, "%s %s", checksum_name(sum->kind), buf_cstr(&text));
  buf_fini(&text);
}

enum checksum_type s3_sum_type(enum checksum_kind kind) {
  return checksum_allows(kind, CHECKSUM_FULL_OBJECT) ? CHECKSUM_FULL_OBJECT : CHECKSUM_COMPOSITE;
}

static void text_of(const struct store_sums *s, const void *data, size_t len, char *out) {
  struct checksum sum;

  out[0] = '\0';
  if (checksum_once((enum checksum_kind)s->kind, data, len, &sum) == 0)
    s3_sum_text(&sum, out);
}

const struct store_sums *s3_sums_of(enum checksum_kind kind) {
  static const struct store_sums all[CHECKSUM_KINDS] = {
      [CHECKSUM_CRC32] = {.kind = CHECKSUM_CRC32, .name = "CRC32", .text = text_of},
      [CHECKSUM_CRC32C] = {.kind = CHECKSUM_CRC32C, .name = "CRC32C", .text = text_of},
      [CHECKSUM_SHA256] = {.kind = CHECKSUM_SHA256, .name = "SHA256", .text = text_of},
      [CHECKSUM_SHA1] = {.kind = CHECKSUM_SHA1, .name = "SHA1", .text = text_of},
  };

  return kind != CHECKSUM_CRC64NVME ? &all[kind] : NULL;
}
