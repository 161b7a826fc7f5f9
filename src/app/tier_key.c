/* Reading and judging the key file. Nothing of it stays in memory but the key. */
#include "tier_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/text.h"

#define FILE_MAX 256 /* more than any shape of 32 bytes needs */
#define SHAPES "32 bytes, 64 hexadecimal digits, or base64 of 32 bytes"

static int refuse(struct buf *why, const char *path, const char *fault) {
  buf_printf(why, "cache-tier-key-file %s %s", path, fault);
  return -EINVAL;
}

static int check_file(int fd, const char *path, struct buf *why) {
  struct stat st;

  if (fstat(fd, &st) != 0)
    return refuse(why, path, strerror(errno));
  if (!S_ISREG(st.st_mode))
    return refuse(why, path, "is not a regular file");
  if (st.st_uid != geteuid() && st.st_uid != 0)
    return refuse(why, path, "belongs to another user");
  if ((st.st_mode & 077) != 0) {
    buf_printf(why, "cache-tier-key-file %s has mode %04o: others may use it; chmod 600 it", path,
               (unsigned)(st.st_mode & 07777));
    return -EINVAL;
  }
  if (st.st_size > FILE_MAX)
    return refuse(why, path, "is too long: it has to hold " SHAPES);
  return 0;
}

/* len of the bytes, without blanks around them. */
static const char *trim(const char *text, size_t *len) {
  while (*len > 0 && strchr(" \t\r\n", text[*len - 1]) != NULL && text[*len - 1] != '\0')
    --*len;
  while (*len > 0 && strchr(" \t\r\n", *text) != NULL && *text != '\0') {
    text++;
    --*len;
  }
  return text;
}

static bool is_hex(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] == '\0' || strchr("0123456789abcdefABCDEF", text[i]) == NULL)
      return false;
  return true;
}

static bool from_base64(const char *text, size_t len, uint8_t key[TIER_KEY_BYTES]) {
  char copy[FILE_MAX + 1];
  struct buf out;
  bool ok;

  memcpy(copy, text, len);
  copy[len] = '\0';
  buf_init(&out, FILE_MAX);
  ok = strlen(copy) == len && text_unbase64(&out, copy) == 0 && out.len == TIER_KEY_BYTES;
  if (ok)
    memcpy(key, out.data, TIER_KEY_BYTES);
  buf_wipe(&out);
  explicit_bzero(copy, sizeof(copy));
  return ok;
}

static bool is_one_byte(const uint8_t key[TIER_KEY_BYTES]) {
  return memcmp(key, key + 1, TIER_KEY_BYTES - 1) == 0;
}

static int decode(const char *bytes, size_t len, uint8_t key[TIER_KEY_BYTES], const char *path,
                  struct buf *why) {
  size_t text_len = len;
  const char *text = trim(bytes, &text_len);

  if (len == 0)
    return refuse(why, path, "is empty: it has to hold " SHAPES);
  if (text_len == TIER_KEY_BYTES && is_hex(text, text_len))
    return refuse(why, path, "holds 32 hexadecimal digits, which are 16 bytes: 64 are needed");
  if (len == TIER_KEY_BYTES)
    memcpy(key, bytes, TIER_KEY_BYTES);
  else if ((text_len != 2 * (size_t)TIER_KEY_BYTES || text_unhex(key, text, text_len) != 0) &&
           !from_base64(text, text_len, key))
    return refuse(why, path, "does not hold " SHAPES);
  return is_one_byte(key) ? refuse(why, path, "holds one byte again and again, no key") : 0;
}

static int read_all(int fd, char bytes[FILE_MAX], size_t *len) {
  *len = 0;
  while (*len < FILE_MAX) {
    ssize_t n = read(fd, bytes + *len, FILE_MAX - *len);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    if (n == 0)
      break;
    *len += (size_t)n;
  }
  return 0;
}

int tier_key_read(const char *path, uint8_t key[TIER_KEY_BYTES], struct buf *why) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char bytes[FILE_MAX];
  size_t len;
  int rc;

  if (fd < 0) {
    rc = -errno;
    buf_printf(why, "cache-tier-key-file %s: %s", path, strerror(errno));
    return rc;
  }
  rc = check_file(fd, path, why);
  if (rc == 0 && (rc = read_all(fd, bytes, &len)) != 0)
    buf_printf(why, "cache-tier-key-file %s: %s", path, strerror(-rc));
  else if (rc == 0)
    rc = decode(bytes, len, key, path, why);
  close(fd);
  explicit_bzero(bytes, sizeof(bytes));
  if (rc != 0)
    explicit_bzero(key, TIER_KEY_BYTES);
  return rc;
}
