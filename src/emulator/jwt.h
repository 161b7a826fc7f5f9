/* JSON web tokens as OpenID Connect providers sign them (RFC 7519, RFC 7515):
 * compact form, RS256 only. Pure. */
#ifndef S3APFS_EMULATOR_JWT_H
#define S3APFS_EMULATOR_JWT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

struct jwt {
  cJSON *header;
  cJSON *claims;
  const char *text;  /* borrowed: what was parsed */
  size_t signed_len; /* of text */
  uint8_t *signature;
  size_t signature_len;
};

/* -EINVAL: not three parts of base64url with objects in the first two. */
int jwt_parse(const char *text, struct jwt *out);
void jwt_fini(struct jwt *j);
/* pem: an RSA public key. 0, -EACCES (the signature is not of that key), -EINVAL
 * (no such key, or the header names another algorithm). */
int jwt_verify(const struct jwt *j, const char *pem);
/* "" when absent or no string. */
const char *jwt_header(const struct jwt *j, const char *name);
const char *jwt_claim(const struct jwt *j, const char *name);
/* 0 when absent. */
int64_t jwt_time(const struct jwt *j, const char *name);

#endif
