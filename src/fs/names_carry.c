/* A move that replaces nothing and can be gone on with.
 *
 *   copied, if the new name is free -> removed, by the etag that was copied
 *
 * So it is the same whether a step is made for the first time or once more, and what another
 * host puts under either name meanwhile stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/data/commit.h"
#include "s3apfs/data/later.h"

#define TRIES 5
#define PAGE 1000

static int remove_version(const struct root *r, const char *key, const char *etag) {
  struct store_doomed d = {.key = key, .etag = etag};

  return later_remove_now(r->store, &d, 1);
}

static int carry_file(const struct root *r, const char *from, const struct store_attr *attr,
                      const char *to, struct store_attr *out, bool *left) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_source source = {.key = from, .etag = attr->etag, .size = attr->size};
  int rc = names_move(r, &source, to, &absent);

  *left = names_may_be_done(rc);
  if (rc == 0 || *left)
    *out = *attr;
  if (rc != -EOPNOTSUPP)
    return rc;
  rc = names_copy(r, &source, to, NULL, &absent, out);
  *left = names_may_be_done(rc);
  if (rc != 0)
    return rc;
  rc = remove_version(r, from, attr->etag);
  if (rc != 0)
    *left = names_may_be_done(rc) || remove_version(r, to, out->etag) != 0;
  return rc;
}

int names_carry(struct fs *fs, const struct root *r, const struct names_way *way,
                const struct store_attr *attr, struct store_attr *out, bool *left) {
  return names_is_folder(way->from) ? names_carry_tree(fs, r, way, left)
                                    : carry_file(r, way->from, attr, way->to, out, left);
}

/* --- once more ------------------------------------------------------------------------- */

/* Something has the new name. 0: it is the copy, and its source is gone now. */
static int end_copied(const struct root *r, const char *from, const struct store_attr *attr,
                      const char *to, const char *known, struct store_attr *out) {
  struct store_attr there;
  int rc = r->store->ops->head(r->store, to, &there, NULL);

  if (rc != 0)
    return rc;
  if ((known == NULL || strcmp(there.etag, known) != 0) &&
      (there.size != attr->size || !names_same(r, from, to)))
    return -EEXIST;
  *out = there;
  return remove_version(r, from, attr->etag);
}

static int try_file(const struct root *r, const char *from, const char *to, const char *known,
                    struct store_attr *out) {
  struct store_attr attr;
  bool left;
  int rc = r->store->ops->head(r->store, from, &attr, NULL);

  if (rc == -ENOENT) /* it was moved, or another host removed it */
    return 0;
  if (rc == 0)
    rc = carry_file(r, from, &attr, to, out, &left);
  return rc == -EEXIST ? end_copied(r, from, &attr, to, known, out) : rc;
}

static int carry_on_file(const struct root *r, const char *from, const char *to, const char *known,
                         struct store_attr *out) {
  int rc = -ESTALE;

  for (int i = 0; (rc == -ESTALE || rc == -ENOENT) && i < TRIES; i++)
    rc = try_file(r, from, to, known, out);
  return rc;
}

int names_carry_on(struct fs *fs, const struct root *r, const char *from, const char *to,
                   const char *known, struct store_attr *out) {
  int rc = names_is_folder(from) ? names_finish_tree(fs, r, from, to)
                                 : carry_on_file(r, from, to, known, out);

  ns_unkeep(fs->ns, r, from);
  ns_unkeep(fs->ns, r, to);
  return rc;
}

/* --- what is left ---------------------------------------------------------------------- */

/* Tries the next seconds when a name is taken. */
static int file_beside(struct fs *fs, const struct root *r, const char *from, const char *to,
                       int64_t time) {
  struct store_attr attr;
  int rc = -EEXIST;

  for (int i = 0; rc == -EEXIST && i < TRIES; i++) {
    char *name = commit_aside_key(fs->staging, r->store, to, "conflict", time + i);

    rc = name != NULL ? names_carry_on(fs, r, from, name, NULL, &attr) : -ENAMETOOLONG;
    if (rc == 0)
      log_warn("'%s' has another host's content since: what it was to have is '%s'", to, name);
    free(name);
  }
  return rc;
}

/* A folder's own object says nothing that the other one does not. */
static int entry_beside(struct fs *fs, const struct root *r, const struct store_entry *e,
                        const char *from, const char *to, int64_t time) {
  char *key;
  int rc;

  if (names_is_folder(e->name))
    return remove_version(r, e->name, e->attr.etag);
  key = text_printf("%s%s", to, e->name + strlen(from));
  rc = key != NULL ? file_beside(fs, r, e->name, key, time) : -ENOMEM;
  free(key);
  return rc;
}

/* Whatever is listed goes, so the next page is the first one. */
static int folder_beside(struct fs *fs, const struct root *r, const char *from, const char *to,
                         int64_t time) {
  size_t count = 1;
  int rc = 0;

  while (rc == 0 && count > 0) {
    struct store_page page;

    rc = r->store->ops->list(r->store, from, false, NULL, PAGE, &page);
    if (rc != 0)
      break;
    count = page.count;
    for (size_t i = 0; rc == 0 && i < count; i++)
      rc = entry_beside(fs, r, &page.entries[i], from, to, time);
    store_page_fini(&page);
  }
  return rc;
}

int names_carry_beside(struct fs *fs, const struct root *r, const char *from, const char *to,
                       int64_t time) {
  return names_is_folder(from) ? folder_beside(fs, r, from, to, time)
                               : file_beside(fs, r, from, to, time);
}
