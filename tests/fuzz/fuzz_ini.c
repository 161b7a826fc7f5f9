/* Configuration text; the first byte's bits are the flags. Entries are trimmed
 * and come in the order of their lines. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/base/ini.h"

struct seen {
  unsigned line;
  unsigned flags;
};

static void require_trimmed(const char *s) {
  size_t n = strlen(s);

  require(n == 0 || (strchr(" \t\r\n", s[0]) == NULL && strchr(" \t\r\n", s[n - 1]) == NULL));
}

static int on_entry(void *arg, const struct ini_entry *e) {
  struct seen *seen = arg;

  require(e->section != NULL && e->line > seen->line);
  seen->line = e->line;
  require_trimmed(e->section);
  require(e->parent == NULL || (seen->flags & INI_NESTED) != 0);
  if (e->name == NULL)
    return 0;
  require(e->value != NULL);
  require_trimmed(e->name);
  require_trimmed(e->value);
  return strcmp(e->name, "stop") == 0 ? 42 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct seen seen = {0};
  unsigned bad_line = 0;
  char *text;
  int rc;

  if (size == 0)
    return 0;
  seen.flags = data[0] & 3;
  text = malloc(size);
  memcpy(text, data + 1, size - 1);
  rc = ini_parse(text, size - 1, seen.flags, on_entry, &seen, &bad_line);
  require(rc == 0 || rc == -EINVAL || rc == 42);
  require((rc == -EINVAL) == (bad_line > 0));
  free(text);
  return 0;
}
