/* Finding states by their names: which numbers a family of them ("DIR user N") has. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "state_internal.h"

/* The number in a folder's name that begins as the family's do; the digest at its end says whether
 * it is one of them. */
static bool is_member(const char *folder, const char *plain, const char *name, unsigned long *n) {
  struct buf other;
  char *whole;
  char *end;
  bool same;

  if (!text_has_prefix(folder, plain) || folder[strlen(plain)] < '0' || folder[strlen(plain)] > '9')
    return false;
  *n = strtoul(folder + strlen(plain), &end, 10);
  whole = *end == '-' ? text_printf("%s%lu", name, *n) : NULL;
  buf_init(&other, 0);
  same = whole != NULL && state_folder_name(whole, &other) == 0 &&
         strcmp(buf_cstr(&other), folder) == 0;
  buf_fini(&other);
  free(whole);
  return same;
}

/* A folder's name without its digest. */
static char *plain_name(const char *name) {
  struct buf b;
  char *out = NULL;

  buf_init(&b, 0);
  if (state_folder_name(name, &b) == 0)
    out = text_dup_n(buf_cstr(&b), (size_t)(strrchr(buf_cstr(&b), '-') - buf_cstr(&b)));
  buf_fini(&b);
  return out;
}

int state_find(const char *dir, const char *name, state_found_fn fn, void *arg) {
  char *plain = plain_name(name);
  const struct dirent *e;
  unsigned long n;
  int rc = 0;
  DIR *d;

  if (plain == NULL)
    return -ENOMEM;
  d = opendir(dir);
  if (d == NULL) {
    rc = errno == ENOENT ? 0 : -errno;
    free(plain);
    return rc;
  }
  while (rc == 0 && (e = readdir(d)) != NULL)
    if (is_member(e->d_name, plain, name, &n))
      rc = fn(arg, n);
  closedir(d);
  free(plain);
  return rc;
}
