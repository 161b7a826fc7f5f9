/* What a user may name as SOURCE. A refusal explains itself in one line; an
 * accepted prefix is a folder without a leading slash. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/target.h"

static void require_sane(const struct target *t) {
  size_t n = strlen(t->prefix);

  require((t->bucket == NULL) == (t->kind == TARGET_GRANTS));
  require(n == 0 || (t->prefix[0] != '/' && t->prefix[n - 1] == '/'));
  require(t->account == NULL || strspn(t->account, "0123456789") == 12);
  require(*target_kind_name(t->kind) != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *source = malloc(size + 1);
  struct target t;
  struct buf why;
  int rc;

  memcpy(source, data, size);
  source[size] = '\0';
  buf_init(&why, 0);
  rc = target_parse(source, &t, &why);
  require(rc == 0 || rc == -EINVAL);
  if (rc == 0) {
    require_sane(&t);
    target_fini(&t);
  } else {
    require(why.len > 0 && strchr(buf_cstr(&why), '\n') == NULL);
  }
  buf_fini(&why);
  free(source);
  return 0;
}
