/* Shared by the files of settings: the rows of the option table, which is in parts. */
#ifndef S3APFS_APP_SETTINGS_INTERNAL_H
#define S3APFS_APP_SETTINGS_INTERNAL_H

#include <stddef.h>

#include "settings.h"

enum kind {
  STRING,
  URL,
  FLAG,
  FLAG_OFF, /* yes: the member is false */
  SIZE,
  SHARE, /* a size, or a percentage */
  COUNT,
  DURATION,
  MODE,
  NUMBER_ID,
  ACCOUNT_ID,
  EITHER, /* one of two words; true: the second */
  CHOICE, /* one of settings_words[min], kept as it stands there */
  KMS_KEY,
  PERMISSION,
  LEVEL,
  KERNEL,  /* handed to the kernel as it is */
  IGNORED, /* fstab's words that mean nothing to the daemon */
  LATER,   /* named in the manual, not in this version */
};

enum place { MOUNT_ONLY, ANYWHERE };

struct row {
  const char *name;
  enum kind kind;
  enum place place;
  size_t at;
  uint64_t min;
  uint64_t max;
  const char *help;
};

#define AT(member) offsetof(struct settings, member)

/* Every row of all parts; NULL: there are no more. */
const struct row *settings_row_at(size_t i);
/* settings_values.c. NULL is a value that was not given. */
int settings_apply(struct settings *s, const struct row *r, const char *value, struct buf *why);
/* The member of a row whose value is text. */
char **settings_string_at(const struct settings *s, const struct row *r);
/* settings_writing.c: how files become objects. */
extern const struct row settings_writing_rows[];
extern const size_t settings_writing_count;
/* Lists of words, each with NULL at its end. */
extern const char *const *const settings_words[];
/* Is this a KMS key's ARN, id or alias? */
bool settings_is_kms_key(const char *value);

#endif
