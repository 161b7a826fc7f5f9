/* File attributes in user metadata: AWS's form first, then s3fs's, then rclone's. */
#include "s3apfs/ns/posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define NS_PER_S 1000000000LL
#define WRITER "s3apfs"

/* AWS writes the mode in octal, s3fs in decimal. */
static bool parse_mode(const char *s, int base, mode_t *out) {
  char *end;
  unsigned long v;
  mode_t type;

  if (s == NULL || *s < '0' || *s > '9')
    return false;
  v = strtoul(s, &end, base);
  if (*end != '\0' || v > 0177777)
    return false;
  type = (mode_t)v & S_IFMT;
  if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFIFO && type != S_IFSOCK)
    type = 0; /* devices too: whoever may write the object must not make one here */
  *out = type | ((mode_t)v & 01777);
  return true;
}

/* Owner 0 is nobody's to give. */
static bool parse_id(const char *s, bool zero, uint32_t *out) {
  uint64_t v;

  if (s == NULL || text_parse_u64(s, &v) != 0 || v >= UINT32_MAX || (v == 0 && !zero))
    return false;
  *out = (uint32_t)v;
  return true;
}

static bool from_seconds(uint64_t seconds, uint64_t ns, int64_t *out) {
  if (seconds > (uint64_t)(INT64_MAX / NS_PER_S) - 1)
    return false;
  *out = (int64_t)seconds * NS_PER_S + (int64_t)ns;
  return true;
}

/* "1595002920000000000ns", or milliseconds without the suffix. */
static bool parse_aws_time(const char *s, int64_t *out) {
  size_t len = s != NULL ? strlen(s) : 0;
  bool is_ns = len > 2 && strcmp(s + len - 2, "ns") == 0;
  char digits[24];
  uint64_t v;

  if (len == 0 || len >= sizeof(digits))
    return false;
  memcpy(digits, s, len + 1);
  if (is_ns)
    digits[len - 2] = '\0';
  if (text_parse_u64(digits, &v) != 0)
    return false;
  if (is_ns)
    return from_seconds(v / NS_PER_S, v % NS_PER_S, out);
  return from_seconds(v / 1000, v % 1000 * 1000000, out);
}

/* "1595002920", "1595002920.25": seconds with any number of digits behind the point. */
static bool parse_seconds(const char *s, int64_t *out) {
  const char *dot = s != NULL ? strchr(s, '.') : NULL;
  char whole[24];
  size_t len = dot != NULL ? (size_t)(dot - s) : s != NULL ? strlen(s) : 0;
  uint64_t seconds;
  uint64_t ns = 0;
  uint64_t unit = NS_PER_S / 10;

  if (len == 0 || len >= sizeof(whole))
    return false;
  memcpy(whole, s, len);
  whole[len] = '\0';
  if (text_parse_u64(whole, &seconds) != 0)
    return false;
  for (const char *p = dot != NULL ? dot + 1 : ""; *p != '\0'; p++, unit /= 10) {
    if (*p < '0' || *p > '9')
      return false;
    ns += (uint64_t)(*p - '0') * unit;
  }
  return from_seconds(seconds, ns, out);
}

void posix_from_meta(const struct kvlist *meta, struct posix *out) {
  struct posix p = {0};

  p.has_mode = parse_mode(kvlist_get_ci(meta, "file-permissions"), 8, &p.mode) ||
               parse_mode(kvlist_get_ci(meta, "mode"), 10, &p.mode);
  p.has_uid = parse_id(kvlist_get_ci(meta, "file-owner"), false, &p.uid) ||
              parse_id(kvlist_get_ci(meta, "uid"), false, &p.uid);
  p.has_gid = parse_id(kvlist_get_ci(meta, "file-group"), true, &p.gid) ||
              parse_id(kvlist_get_ci(meta, "gid"), true, &p.gid);
  p.has_mtime = parse_aws_time(kvlist_get_ci(meta, "file-mtime"), &p.mtime_ns) ||
                parse_seconds(kvlist_get_ci(meta, "mtime"), &p.mtime_ns);
  p.has_atime = parse_aws_time(kvlist_get_ci(meta, "file-atime"), &p.atime_ns) ||
                parse_seconds(kvlist_get_ci(meta, "atime"), &p.atime_ns);
  *out = p;
}

static int set_number(struct kvlist *meta, const char *name, uint32_t v) {
  char text[16];

  snprintf(text, sizeof(text), "%u", v);
  return kvlist_set_ci(meta, name, text);
}

static int set_time(struct kvlist *meta, const char *name, int64_t ns) {
  char text[32];

  snprintf(text, sizeof(text), "%lldns", (long long)(ns > 0 ? ns : 0));
  return kvlist_set_ci(meta, name, text);
}

static int set_mode(struct kvlist *meta, mode_t mode) {
  char text[16];

  mode &= ~(mode_t)(S_ISUID | S_ISGID);
  snprintf(text, sizeof(text), "0%o", (mode & S_IFMT) != 0 ? mode : mode | S_IFREG);
  return kvlist_set_ci(meta, "file-permissions", text);
}

int posix_to_meta(const struct posix *p, struct kvlist *meta) {
  int rc = kvlist_set_ci(meta, "user-agent", WRITER);

  if (rc == 0 && p->has_mode)
    rc = set_mode(meta, p->mode);
  if (rc == 0 && p->has_uid)
    rc = set_number(meta, "file-owner", p->uid);
  if (rc == 0 && p->has_gid)
    rc = set_number(meta, "file-group", p->gid);
  if (rc == 0 && p->has_mtime)
    rc = set_time(meta, "file-mtime", p->mtime_ns);
  if (rc == 0 && p->has_atime)
    rc = set_time(meta, "file-atime", p->atime_ns);
  return rc;
}

void posix_keep_bits(struct posix *p, const struct posix *known) {
  const mode_t own = S_ISUID | S_ISGID;

  if (known != NULL && known->has_mode && p->has_mode && (known->mode & ~own) == (p->mode & ~own))
    p->mode |= known->mode & own;
}

void posix_lay_over(struct posix *p, const struct posix *over) {
  if (over->has_mode)
    p->mode = ((over->mode & S_IFMT) != 0 ? over->mode : over->mode | (p->mode & S_IFMT));
  if (over->has_uid)
    p->uid = over->uid;
  if (over->has_gid)
    p->gid = over->gid;
  if (over->has_mtime)
    p->mtime_ns = over->mtime_ns;
  if (over->has_atime)
    p->atime_ns = over->atime_ns;
  if (over->has_ctime)
    p->ctime_ns = over->ctime_ns;
  p->has_ctime |= over->has_ctime;
  p->has_mode |= over->has_mode;
  p->has_uid |= over->has_uid;
  p->has_gid |= over->has_gid;
  p->has_mtime |= over->has_mtime;
  p->has_atime |= over->has_atime;
}
