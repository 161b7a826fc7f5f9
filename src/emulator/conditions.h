/* Conditional requests and ranges (RFC 9110 section 13, RFC 9110 section 14,
 * with S3's reading of them). */
#ifndef S3APFS_EMULATOR_CONDITIONS_H
#define S3APFS_EMULATOR_CONDITIONS_H

#include "exchange.h"
#include "objects.h"

/* Names of the four headers: If-Match and friends, or a copy source's. */
struct condition_names {
  const char *match;
  const char *none_match;
  const char *modified_since;
  const char *unmodified_since;
};
extern const struct condition_names conditions_of_read;
extern const struct condition_names conditions_of_copy_source;

/* 0; otherwise answered: 412, or 304 where the request reads. */
int conditions_check(struct exchange *x, const struct condition_names *names,
                     const struct key_entry *e);

/* If-Match / If-None-Match of a write. *etag is owned storage behind out. 0, or answered. */
int conditions_of_write(struct exchange *x, struct objects_condition *out, char **etag);
/* Answers what objects_put or objects_remove said: 412, 404, 409, 500. */
int conditions_refuse(struct exchange *x, int err);

struct range {
  uint64_t offset;
  uint64_t length;
  bool whole; /* no range, or one to be ignored */
};
/* value: "bytes=...", or NULL. -ERANGE when nothing of it lies inside size. Pure. */
int range_parse(const char *value, uint64_t size, struct range *out);

#endif
