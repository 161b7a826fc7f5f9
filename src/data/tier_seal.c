/* The codec of the shared tier's objects; the header states the format. */
#include "tier_seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/aead.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "s3apfs/base/xxh.h"

#define HEAD 12 /* format and key id: what is associated */
static const uint8_t format[4] = {'S', '3', 'T', 1};

struct tier_version {
  const struct tier_keys *keys;
  struct aead *aead;
  uint64_t size;
  struct buf id;
  /* head, id, cell, length: the first and the last two are filled in for each cell */
  struct buf associated;
};

static int derive(const uint8_t key[TIER_KEY], const char *what, uint8_t out[32]) {
  return digest_hmac_sha256(key, TIER_KEY, what, strlen(what), out);
}

int tier_keys_init(struct tier_keys *k, const uint8_t key[TIER_KEY]) {
  uint8_t id[32];
  int rc = derive(key, "s3apfs tier 1 names", k->names);

  if (rc == 0)
    rc = derive(key, "s3apfs tier 1 cells", k->cells);
  if (rc == 0)
    rc = derive(key, "s3apfs tier 1 id", id);
  if (rc == 0)
    memcpy(k->id, id, sizeof(k->id));
  else
    tier_keys_fini(k);
  return rc;
}

void tier_keys_fini(struct tier_keys *k) {
  explicit_bzero(k, sizeof(*k));
}

static void put_number(void *at, uint64_t n) {
  uint8_t *out = at;

  for (int i = 0; i < 8; i++)
    out[i] = (uint8_t)(n >> (8 * i));
}

static void add_number(struct buf *b, uint64_t n) {
  uint8_t bytes[8];

  put_number(bytes, n);
  buf_append(b, bytes, sizeof(bytes));
}

/* A text in two pieces. */
static void add_text(struct buf *b, const char *first, const char *second) {
  add_number(b, strlen(first) + strlen(second));
  buf_puts(b, first);
  buf_puts(b, second);
}

static int fill_version(struct tier_version *v, const char *place, const char *key,
                        const char *etag) {
  uint8_t cell_key[32];
  int rc;

  add_text(&v->id, place, key);
  add_text(&v->id, etag, "");
  add_number(&v->id, v->size);
  buf_append(&v->associated, format, sizeof(format));
  buf_append(&v->associated, v->keys->id, TIER_KEY_ID);
  buf_append(&v->associated, v->id.data, v->id.len);
  add_number(&v->associated, 0);
  add_number(&v->associated, 0);
  rc = buf_error(&v->id) != 0 ? buf_error(&v->id) : buf_error(&v->associated);
  if (rc == 0)
    rc =
        digest_hmac_sha256(v->keys->cells, sizeof(v->keys->cells), v->id.data, v->id.len, cell_key);
  if (rc == 0)
    rc = aead_new(cell_key, &v->aead);
  explicit_bzero(cell_key, sizeof(cell_key));
  return rc;
}

int tier_version_new(const struct tier_keys *k, const char *place, const char *key,
                     const char *etag, uint64_t size, struct tier_version **out) {
  struct tier_version *v = calloc(1, sizeof(*v));
  int rc;

  if (v == NULL)
    return -ENOMEM;
  v->keys = k;
  v->size = size;
  buf_init(&v->id, 0);
  buf_init(&v->associated, 0);
  rc = fill_version(v, place, key, etag);
  if (rc != 0) {
    tier_version_free(v);
    return rc;
  }
  *out = v;
  return 0;
}

void tier_version_free(struct tier_version *v) {
  if (v == NULL)
    return;
  aead_free(v->aead);
  buf_fini(&v->id);
  buf_fini(&v->associated);
  free(v);
}

uint64_t tier_version_hash(const struct tier_version *v) {
  return xxh64_of(v->id.data, v->id.len, 0);
}

int tier_version_name(const struct tier_version *v, uint64_t part, char out[TIER_NAME + 1]) {
  uint8_t mac[32];
  struct buf b;
  int rc;

  buf_init(&b, 0);
  buf_append(&b, v->id.data, v->id.len);
  add_number(&b, part);
  rc = buf_error(&b);
  if (rc == 0)
    rc = digest_hmac_sha256(v->keys->names, sizeof(v->keys->names), b.data, b.len, mac);
  buf_reset(&b);
  if (rc == 0)
    text_hex(&b, mac, sizeof(mac));
  if (rc == 0)
    rc = buf_error(&b);
  if (rc == 0)
    memcpy(out, buf_cstr(&b), TIER_NAME + 1);
  buf_fini(&b);
  return rc;
}

size_t tier_cell_length(uint64_t size, uint64_t cell) {
  uint64_t at = cell * DATA_GRID;

  if (at >= size)
    return 0;
  return size - at < DATA_GRID ? (size_t)(size - at) : DATA_GRID;
}

size_t tier_part_sealed(uint64_t size, uint64_t part) {
  uint64_t at = part * DATA_PART;
  size_t len;

  if (at >= size)
    return 0;
  len = size - at < DATA_PART ? (size_t)(size - at) : DATA_PART;
  return len + (len + DATA_GRID - 1) / DATA_GRID * TIER_OVERHEAD;
}

static void associate(struct tier_version *v, uint64_t cell, size_t len) {
  char *end = v->associated.data + v->associated.len;

  put_number(end - 16, cell);
  put_number(end - 8, len);
}

int tier_seal(struct tier_version *v, uint64_t cell, const void *plain, void *frame) {
  size_t len = tier_cell_length(v->size, cell);
  uint8_t *at = frame;
  int rc;

  associate(v, cell, len);
  memcpy(at, v->associated.data, HEAD);
  rc = aead_random(at + HEAD, AEAD_NONCE);
  if (rc != 0)
    return rc;
  return aead_seal(v->aead, at + HEAD, v->associated.data, v->associated.len, plain, len,
                   at + HEAD + AEAD_NONCE, at + HEAD + AEAD_NONCE + len);
}

int tier_open(struct tier_version *v, uint64_t cell, const void *frame, void *plain) {
  size_t len = tier_cell_length(v->size, cell);
  uint8_t nonce[AEAD_NONCE];
  uint8_t tag[AEAD_TAG];
  const uint8_t *at = frame;

  if (len == 0 || memcmp(at, format, sizeof(format)) != 0)
    return -EBADMSG;
  if (memcmp(at + sizeof(format), v->keys->id, TIER_KEY_ID) != 0)
    return -ENOKEY;
  associate(v, cell, len);
  memcpy(nonce, at + HEAD, sizeof(nonce));
  memcpy(tag, at + HEAD + AEAD_NONCE + len, sizeof(tag));
  memmove(plain, at + HEAD + AEAD_NONCE, len); /* the cipher takes the same memory or another */
  return aead_open(v->aead, nonce, v->associated.data, v->associated.len, plain, len, plain, tag);
}
