/* Reader for INI-shaped files: s3apfs configurations and AWS profile files.
 * Values have no length limit but the file's (INI_MAX_FILE).
 *
 * Grammar: `[section]` lines; `name = value` (first '=' splits, both trimmed);
 * lines starting with '#' or ';' and empty lines are skipped; ` #` or ` ;`
 * inside a value starts a comment when INI_INLINE_COMMENTS is given. With
 * INI_NESTED an indented `name = value` below an entry with an empty value is
 * delivered with `parent` set to that entry's name (AWS: `s3 =` blocks). */
#ifndef S3APFS_BASE_INI_H
#define S3APFS_BASE_INI_H

#include <stddef.h>

#define INI_MAX_FILE ((size_t)4 << 20)

enum ini_flags { INI_INLINE_COMMENTS = 1, INI_NESTED = 2 };

struct ini_entry {
  const char *section; /* text between the brackets, trimmed; "" before the first */
  const char *parent;  /* NULL unless nested */
  const char *name;    /* NULL for the section line itself */
  const char *value;
  unsigned line; /* from 1 */
};

/* Called for each section line and entry; non-zero stops and is returned. */
typedef int (*ini_fn)(void *arg, const struct ini_entry *e);

/* Parses text of len bytes. `*bad_line` gets the line of a syntax error, for
 * which -EINVAL is returned (an entry without '=', an unclosed bracket, a NUL
 * byte). Otherwise 0, -ENOMEM or the callback's value. */
int ini_parse(const char *text, size_t len, unsigned flags, ini_fn fn, void *arg,
              unsigned *bad_line);
/* Reads the file first; -errno of open/read, -EFBIG past INI_MAX_FILE. */
int ini_parse_file(const char *path, unsigned flags, ini_fn fn, void *arg, unsigned *bad_line);

#endif
