/* Identifiers: made from the kernel's randomness, and checked against the
 * naming rules of S3 and IAM. Pure but for getrandom(2). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "world_internal.h"

/* Shape of a real alias: NAME (cut), 34 characters, "s3alias"; 63 in all. */
#define ALIAS_MAX 63
#define ALIAS_CODE 34
#define ALIAS_SUFFIX "-s3alias"

static char *random_text(const char *prefix, size_t n, const char *alphabet) {
  size_t start = strlen(prefix);
  size_t letters = strlen(alphabet);
  char *s = malloc(start + n + 1);

  if (s == NULL)
    return NULL;
  memcpy(s, prefix, start);
  if (getrandom(s + start, n, 0) != (ssize_t)n) {
    free(s);
    return NULL;
  }
  for (size_t i = start; i < start + n; i++)
    s[i] = alphabet[(unsigned char)s[i] % letters];
  s[start + n] = '\0';
  return s;
}

char *world_make_id(const char *prefix, size_t n) {
  return random_text(prefix, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
}

char *world_make_secret(void) {
  return random_text("", 40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

char *world_make_uuid(void) {
  uint8_t b[16];

  if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
    return NULL;
  b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
  b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
  return text_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                     b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                     b[13], b[14], b[15]);
}

char *world_make_alias(const char *name, const char *account, const char *region, int64_t created) {
  const int room = ALIAS_MAX - ALIAS_CODE - 1 - (int)strlen(ALIAS_SUFFIX);
  char *seed = text_printf("%s/%s/%s/%lld", account, region, name, (long long)created);
  uint8_t sum[DIGEST_MAX];
  char code[ALIAS_CODE + 1];
  int used = (int)strlen(name) < room ? (int)strlen(name) : room;

  if (seed == NULL || digest_once(DIGEST_SHA512, seed, strlen(seed), sum) != 0) {
    free(seed);
    return NULL;
  }
  free(seed);
  for (size_t i = 0; i < ALIAS_CODE; i++)
    code[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[sum[i] % 36];
  code[ALIAS_CODE] = '\0';
  while (used > 1 && name[used - 1] == '-')
    used--;
  return text_printf("%.*s-%s%s", used, name, code, ALIAS_SUFFIX);
}

bool world_valid_account_id(const char *s) {
  return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static bool lower_or_digit(char c) {
  return islower((unsigned char)c) || isdigit((unsigned char)c);
}

static bool looks_like_ipv4(const char *s) {
  size_t dots = 0;

  for (; *s != '\0'; s++) {
    if (*s == '.')
      dots++;
    else if (!isdigit((unsigned char)*s))
      return false;
  }
  return dots == 3;
}

bool world_valid_bucket_name(const char *s) {
  static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
  size_t len = strlen(s);

  if (len < 3 || len > 63 || !lower_or_digit(s[0]) || !lower_or_digit(s[len - 1]))
    return false;
  if (strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len || strstr(s, "..") != NULL ||
      looks_like_ipv4(s) || text_has_prefix(s, "xn--") || text_has_prefix(s, "sthree-"))
    return false;
  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    if (text_has_suffix(s, suffixes[i]) && !world_is_directory_bucket(s))
      return false;
  }
  return true;
}

bool world_valid_access_point_name(const char *s) {
  size_t len = strlen(s);

  return len >= 3 && len <= 50 && lower_or_digit(s[0]) && lower_or_digit(s[len - 1]) &&
         strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
         !text_has_suffix(s, "-s3alias");
}

int world_canonical_id(const char *account, char out[65]) {
  /* AWS's canonical user ids are 64 hex digits without a visible relation to
   * the account; a digest has that shape and needs no table. */
  return digest_sha256_hex(account, strlen(account), out);
}
