/* SigV4a: the asymmetric variant.
 *
 * The private scalar is derived from the credentials by the counter-mode KDF of
 * NIST SP 800-108 over HMAC-SHA-256 (candidates above the group order minus two
 * are passed over), so both sides get the same key pair from the same secret.
 * A key is immutable once made; signing uses a context of its own per call, so
 * threads may share a key. Secrets are wiped as soon as OpenSSL has them. */
#include "s3apfs/aws/sigv4a.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "sigv4_internal.h"

#define COORD 32              /* bytes of a coordinate or scalar of P-256 */
#define POINT (1 + 2 * COORD) /* uncompressed: 0x04 X Y */
#define DER_MAX 72            /* SEQUENCE of two INTEGERs of up to 33 bytes */
#define KDF_LAST_COUNTER 254  /* the service gives up there too */

struct sigv4a_key {
  EVP_PKEY *pkey;
  bool can_sign;
  uint8_t point[POINT];
};

/* --- key derivation --- */

/* The order of the group, minus two. */
static const uint8_t scalar_limit[COORD] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f};

static int kdf_candidate(const struct buf *secret, const char *access_key_id, uint8_t counter,
                         uint8_t out[COORD]) {
  static const uint8_t round[] = {0, 0, 0, 1};
  static const uint8_t bits[] = {0, 0, 1, 0}; /* 256 */
  struct buf input;
  int rc;

  buf_init(&input, 0);
  buf_append(&input, round, sizeof(round));
  buf_puts(&input, SIGV4A_ALGORITHM);
  buf_putc(&input, '\0');
  buf_puts(&input, access_key_id);
  buf_putc(&input, (char)counter);
  buf_append(&input, bits, sizeof(bits));
  rc = buf_error(&input);
  if (rc == 0)
    rc = digest_hmac_sha256(buf_cstr(secret), secret->len, buf_cstr(&input), input.len, out);
  buf_fini(&input);
  return rc;
}

/* Big-endian, in place; the caller made sure that it does not overflow. */
static void scalar_increment(uint8_t d[COORD]) {
  for (size_t i = COORD; i-- > 0;)
    if (++d[i] != 0)
      break;
}

static int derive_scalar(const char *access_key_id, const char *secret_access_key,
                         uint8_t d[COORD]) {
  struct buf secret;
  int rc;

  buf_init(&secret, 0);
  buf_puts(&secret, "AWS4A");
  buf_puts(&secret, secret_access_key);
  rc = buf_error(&secret);
  for (unsigned counter = 1; rc == 0; counter++) {
    if (counter > KDF_LAST_COUNTER) {
      rc = -EIO;
      break;
    }
    rc = kdf_candidate(&secret, access_key_id, (uint8_t)counter, d);
    if (rc == 0 && memcmp(d, scalar_limit, COORD) <= 0) {
      scalar_increment(d);
      break;
    }
  }
  buf_wipe(&secret);
  return rc;
}

/* --- key objects --- */

/* The public point of a scalar. */
static int scalar_point(const BIGNUM *d, uint8_t point[POINT]) {
  EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT *q = group != NULL ? EC_POINT_new(group) : NULL;
  int rc = -ENOMEM;

  if (q != NULL)
    rc = EC_POINT_mul(group, q, d, NULL, NULL, NULL) == 1 &&
                 EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, point, POINT, NULL) ==
                     POINT
             ? 0
             : -EIO;
  EC_POINT_free(q);
  EC_GROUP_free(group);
  return rc;
}

static EVP_PKEY *pkey_from_params(OSSL_PARAM *params, int selection) {
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  EVP_PKEY *pkey = NULL;

  if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
      EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
    pkey = NULL;
  EVP_PKEY_CTX_free(ctx);
  ERR_clear_error();
  return pkey;
}

/* d: NULL for a public key. -EINVAL when the point is not on the curve. */
static int key_new(const BIGNUM *d, const uint8_t point[POINT], struct sigv4a_key **out) {
  struct sigv4a_key *k = calloc(1, sizeof(*k));
  OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
  OSSL_PARAM *params = NULL;

  if (k != NULL && build != NULL &&
      OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, POINT) == 1 &&
      (d == NULL || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1))
    params = OSSL_PARAM_BLD_to_param(build);
  OSSL_PARAM_BLD_free(build);
  if (params == NULL) {
    free(k);
    return -ENOMEM;
  }
  k->pkey = pkey_from_params(params, d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
  OSSL_PARAM_free(params);
  if (k->pkey == NULL) {
    free(k);
    return -EINVAL;
  }
  k->can_sign = d != NULL;
  memcpy(k->point, point, POINT);
  *out = k;
  return 0;
}

int sigv4a_key_derive(const char *access_key_id, const char *secret_access_key,
                      struct sigv4a_key **out) {
  uint8_t scalar[COORD];
  uint8_t point[POINT];
  BIGNUM *d = NULL;
  int rc = derive_scalar(access_key_id, secret_access_key, scalar);

  if (rc == 0 && ((d = BN_secure_new()) == NULL || BN_bin2bn(scalar, COORD, d) == NULL))
    rc = -ENOMEM;
  explicit_bzero(scalar, sizeof(scalar));
  if (rc == 0) {
    BN_set_flags(d, BN_FLG_CONSTTIME);
    rc = scalar_point(d, point);
  }
  if (rc == 0)
    rc = key_new(d, point, out);
  BN_clear_free(d);
  return rc;
}

int sigv4a_key_from_public(const char *x_hex, const char *y_hex, struct sigv4a_key **out) {
  uint8_t point[POINT] = {POINT_CONVERSION_UNCOMPRESSED};

  if (strlen(x_hex) != (size_t)2 * COORD || strlen(y_hex) != (size_t)2 * COORD ||
      text_unhex(point + 1, x_hex, (size_t)2 * COORD) != 0 ||
      text_unhex(point + 1 + COORD, y_hex, (size_t)2 * COORD) != 0)
    return -EINVAL;
  return key_new(NULL, point, out);
}

void sigv4a_key_free(struct sigv4a_key *k) {
  if (k == NULL)
    return;
  EVP_PKEY_free(k->pkey);
  free(k);
}

static int coord_hex(const uint8_t *coord, char hex[65]) {
  struct buf text;
  int rc;

  buf_init(&text, 64);
  text_hex(&text, coord, COORD);
  rc = buf_error(&text);
  if (rc == 0)
    memcpy(hex, buf_cstr(&text), 65);
  buf_fini(&text);
  return rc;
}

int sigv4a_key_public(const struct sigv4a_key *k, char x_hex[65], char y_hex[65]) {
  int rc = coord_hex(k->point + 1, x_hex);

  return rc != 0 ? rc : coord_hex(k->point + 1 + COORD, y_hex);
}

/* --- signatures --- */

int sigv4a_signature(const struct sigv4a_key *k, const char *string_to_sign, struct buf *hex) {
  const uint8_t *text = (const uint8_t *)string_to_sign;
  EVP_MD_CTX *ctx;
  uint8_t der[DER_MAX];
  size_t len = sizeof(der);
  int rc = 0;

  if (!k->can_sign)
    return -EINVAL;
  ctx = EVP_MD_CTX_new();
  if (ctx == NULL)
    return -ENOMEM;
  if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) != 1 ||
      EVP_DigestSign(ctx, der, &len, text, strlen(string_to_sign)) != 1)
    rc = -EIO;
  EVP_MD_CTX_free(ctx);
  if (rc != 0)
    return rc;
  text_hex(hex, der, len);
  return buf_error(hex);
}

int sigv4a_verify(const struct sigv4a_key *k, const char *string_to_sign,
                  const char *signature_hex) {
  const uint8_t *text = (const uint8_t *)string_to_sign;
  size_t len = strlen(signature_hex);
  uint8_t der[DER_MAX];
  EVP_MD_CTX *ctx;
  int verdict;

  if (len == 0 || len > sizeof(der) * 2 || text_unhex(der, signature_hex, len) != 0)
    return -EINVAL;
  ctx = EVP_MD_CTX_new();
  if (ctx == NULL)
    return -ENOMEM;
  if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) != 1) {
    EVP_MD_CTX_free(ctx);
    return -EIO;
  }
  verdict = EVP_DigestVerify(ctx, der, len / 2, text, strlen(string_to_sign));
  EVP_MD_CTX_free(ctx);
  ERR_clear_error();
  if (verdict == 1)
    return 0;
  return verdict == 0 ? -EKEYREJECTED : -EINVAL;
}

static int draft_sign(const struct sigv4_draft *d, const struct sigv4a_key *k, struct buf *hex) {
  buf_init(hex, (size_t)DER_MAX * 2);
  return sigv4a_signature(k, buf_cstr(&d->string_to_sign), hex);
}

int sigv4a_sign_headers(struct aws_request *r, const struct sigv4_keys *keys,
                        const struct sigv4a_key *k, const struct sigv4_scope *scope,
                        const char *payload_hash, bool add_content_sha256) {
  struct sigv4_draft d;
  struct buf hex;
  int rc =
      sigv4_draft_headers(&d, r, keys, SIGV4A_ALGORITHM, scope, payload_hash, add_content_sha256);

  buf_init(&hex, 0);
  if (rc == 0)
    rc = draft_sign(&d, k, &hex);
  if (rc == 0)
    rc = sigv4_seal_headers(&d, r, keys, SIGV4A_ALGORITHM, scope, buf_cstr(&hex));
  buf_fini(&hex);
  sigv4_draft_fini(&d);
  return rc;
}

int sigv4a_presign(struct aws_request *r, const struct sigv4_keys *keys, const struct sigv4a_key *k,
                   const struct sigv4_scope *scope, const char *payload_hash, int64_t expires_s) {
  struct sigv4_draft d;
  struct buf hex;
  int rc = sigv4_draft_query(&d, r, keys, SIGV4A_ALGORITHM, scope, payload_hash, expires_s);

  buf_init(&hex, 0);
  if (rc == 0)
    rc = draft_sign(&d, k, &hex);
  if (rc == 0)
    rc = sigv4_seal_query(r, buf_cstr(&hex));
  buf_fini(&hex);
  sigv4_draft_fini(&d);
  return rc;
}
