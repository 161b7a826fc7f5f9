/* Strict reading of a JSON configuration: every value knows its path, so that
 * an error reads "accounts[0].roles[1].trust: ...". A struct cfg lives on the
 * stack of whoever reads that value and borrows the document. Functions return
 * 0, -EINVAL with one line in the why buffer, or -ENOMEM. Strings that are
 * handed out belong to the document. */
#ifndef S3APFS_EMULATOR_CFG_H
#define S3APFS_EMULATOR_CFG_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"

struct cfg {
  const cJSON *json;
  const struct cfg *up; /* NULL at the root */
  const char *name;     /* member name; NULL for array elements */
  int index;            /* array elements */
  struct buf *why;
};

struct cfg cfg_root(const cJSON *json, struct buf *why);
/* Writes "path: message" unless a message is there already; returns -EINVAL. */
int cfg_fail(const struct cfg *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* It is an object, without repeated members, and has no others than these
 * (NULL-terminated). */
int cfg_only(const struct cfg *at, const char *const *names);
/* The member, json NULL when it is absent or null. */
struct cfg cfg_member(const struct cfg *at, const char *name);
bool cfg_has(const struct cfg *at, const char *name);

/* `*out` keeps its value when the member is absent. */
int cfg_string(const struct cfg *at, const char *name, const char **out);
int cfg_need_string(const struct cfg *at, const char *name, const char **out); /* not empty */
int cfg_bool(const struct cfg *at, const char *name, bool *out);
int cfg_int(const struct cfg *at, const char *name, int64_t min, int64_t max, int64_t *out);
/* An ISO 8601 text; seconds since 1970. */
int cfg_time(const struct cfg *at, const char *name, int64_t *out);

typedef int (*cfg_fn)(const struct cfg *item, void *arg);
/* Each element of an array member, or each member of an object member (item's
 * name is then its key). Absent is empty. */
int cfg_each(const struct cfg *at, const char *name, cfg_fn fn, void *arg);
int cfg_each_member(const struct cfg *at, const char *name, cfg_fn fn, void *arg);

#endif
