/* Parsing over cJSON, verification over OpenSSL. */
#include "jwt.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

/* base64url without padding, into ordinary base64 first. */
static int decode(const char *s, size_t len, struct buf *out) {
  struct buf plain;
  int rc;

  buf_init(&plain, 0);
  for (size_t i = 0; i < len; i++)
    buf_putc(&plain, s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i]);
  while (plain.len % 4 != 0)
    buf_putc(&plain, '=');
  rc = buf_error(&plain);
  if (rc == 0)
    rc = memchr(s, '=', len) != NULL ? -EINVAL : text_unbase64(out, buf_cstr(&plain));
  buf_fini(&plain);
  return rc;
}

static cJSON *decode_object(const char *s, size_t len) {
  struct buf text;
  cJSON *o = NULL;

  buf_init(&text, 0);
  if (decode(s, len, &text) == 0)
    o = cJSON_ParseWithLength(buf_cstr(&text), text.len);
  buf_fini(&text);
  if (cJSON_IsObject(o))
    return o;
  cJSON_Delete(o);
  return NULL;
}

int jwt_parse(const char *text, struct jwt *out) {
  const char *first = strchr(text, '.');
  const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
  struct jwt j = {.text = text};
  struct buf signature;

  if (second == NULL || strchr(second + 1, '.') != NULL)
    return -EINVAL;
  buf_init(&signature, 0);
  j.signed_len = (size_t)(second - text);
  j.header = decode_object(text, (size_t)(first - text));
  j.claims = decode_object(first + 1, (size_t)(second - first) - 1);
  if (j.header == NULL || j.claims == NULL ||
      decode(second + 1, strlen(second + 1), &signature) != 0) {
    buf_fini(&signature);
    jwt_fini(&j);
    return -EINVAL;
  }
  j.signature_len = signature.len;
  j.signature = (uint8_t *)buf_take(&signature);
  *out = j;
  return 0;
}

void jwt_fini(struct jwt *j) {
  cJSON_Delete(j->header);
  cJSON_Delete(j->claims);
  free(j->signature);
  *j = (struct jwt){0};
}

static EVP_PKEY *read_key(const char *pem) {
  BIO *b = BIO_new_mem_buf(pem, -1);
  EVP_PKEY *key = b != NULL ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL;

  BIO_free(b);
  if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
    EVP_PKEY_free(key);
    return NULL;
  }
  return key;
}

int jwt_verify(const struct jwt *j, const char *pem) {
  EVP_PKEY *key = strcmp(jwt_header(j, "alg"), "RS256") == 0 ? read_key(pem) : NULL;
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  int rc = -EINVAL;

  if (key != NULL && c != NULL && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1)
    rc = EVP_DigestVerify(c, j->signature, j->signature_len, (const unsigned char *)j->text,
                          j->signed_len) == 1
             ? 0
             : -EACCES;
  EVP_MD_CTX_free(c);
  EVP_PKEY_free(key);
  return rc;
}

static const char *string_of(const cJSON *o, const char *name) {
  const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

  return s != NULL ? s : "";
}

const char *jwt_header(const struct jwt *j, const char *name) {
  return string_of(j->header, name);
}

const char *jwt_claim(const struct jwt *j, const char *name) {
  return string_of(j->claims, name);
}

int64_t jwt_time(const struct jwt *j, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(j->claims, name);

  return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 2.5e11
             ? (int64_t)item->valuedouble
             : 0;
}
