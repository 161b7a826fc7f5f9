/* Finding states by their names: which numbers a family of them ("DIR user N") has.
 * Folders' names are cut where they are long; the whole name is in the folder. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"
#include "state_internal.h"

/* Whether that is the folder of the family's member n. */
static bool is_folder_of(const char *folder, const char *name, unsigned long n) {
  char *whole = text_printf("%s%lu", name, n);
  struct buf other;
  bool same;

  buf_init(&other, 0);
  same = whole != NULL && state_folder_name(whole, &other) == 0 &&
         strcmp(buf_cstr(&other), folder) == 0;
  buf_fini(&other);
  free(whole);
  return same;
}

/* text: what stands before the number, the number, and an end that does not count. */
static bool take_number(const char *text, const char *before, unsigned long *n) {
  size_t len = strlen(before);

  if (!text_has_prefix(text, before) || text[len] < '0' || text[len] > '9')
    return false;
  *n = strtoul(text + len, NULL, 10);
  return true;
}

static bool is_named(const char *dir, const char *folder, const char *name, unsigned long *n) {
  char *path = text_printf("%s/%s/" STATE_NAME_FILE, dir, folder);
  struct buf whole;
  bool named;

  buf_init(&whole, 65536);
  named = path != NULL && file_read(path, &whole) == 0 && take_number(buf_cstr(&whole), name, n);
  buf_fini(&whole);
  free(path);
  return named;
}

/* States of earlier versions have no name in them, but most have their folder's. */
static bool is_member(const char *dir, const char *folder, const char *plain, const char *name,
                      unsigned long *n) {
  if (!text_has_prefix(folder, plain))
    return false;
  return (is_named(dir, folder, name, n) || take_number(folder, plain, n)) &&
         is_folder_of(folder, name, *n);
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
    if (is_member(dir, e->d_name, plain, name, &n))
      rc = fn(arg, n);
  closedir(d);
  free(plain);
  return rc;
}
