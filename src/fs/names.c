/* Names: making and removing.
 *
 * Each change is made in the store first and told to the tree afterwards; the store may
 * be one that sends removals and folders' objects behind (data/later.h). Removals carry the
 * etag of the version that is known; when another host replaced it before, the new
 * version is looked at once and then removed, because it is the name that is to go.
 *
 * A folder may exist in S3 only by what lies in it. So that it does not vanish with
 * its last name, it gets an object of its own (`folder/`) before that goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define KEEP_FILE ".s3keep"
#define TRIES 3 /* against versions that change faster than they can be removed */
#define TARGET_MAX 4095
#define FOLDER_TYPE "application/x-directory"
#define FILE_TYPE "application/octet-stream"
#define LINK_TYPE FILE_TYPE

int names_place(struct fs *fs, uint64_t parent, const char *name, const struct root **root,
                char **key) {
  int rc = ns_place(fs->ns, parent, name, root, key);

  if (rc != 0)
    return rc;
  rc = writing_allowed(fs, *root);
  if (rc != 0)
    free(*key);
  return rc;
}

int names_child(struct fs *fs, uint64_t parent, const char *name, struct ns_child *out) {
  struct patience p = fs_patience(fs);
  int rc = ns_child_get(fs->ns, parent, name, &p, out);

  if (rc != 0)
    return rc;
  rc = out->key[0] == '\0' ? -EBUSY : writing_allowed(fs, out->root); /* a source's own root */
  if (rc != 0)
    ns_child_fini(fs->ns, out);
  return rc;
}

/* --- making -------------------------------------------------------------------------- */

struct posix names_made_by(const struct fs_maker *by, mode_t type) {
  return (struct posix){.has_mode = true,
                        .mode = type | (by->mode & 07777),
                        .has_uid = true,
                        .uid = by->uid,
                        .has_gid = true,
                        .gid = by->gid,
                        .has_mtime = true,
                        .mtime_ns = clock_wall_ms(&clock_system) * 1000000};
}

/* An object that is not there yet. */
static int put_new(const struct root *r, const char *key, const char *bytes, const char *type,
                   const struct posix *posix, struct store_attr *out) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct kvlist meta;
  struct kvlist headers;
  const struct store_dress dress = {.meta = &meta, .headers = &headers};
  int rc;

  kvlist_init(&meta);
  kvlist_init(&headers);
  rc = root_dress(r, posix, &meta);
  if (rc == 0)
    rc = kvlist_add(&headers, "Content-Type", type);
  if (rc == 0)
    rc = r->store->write->put(r->store, key, bytes, strlen(bytes), &dress, &absent, out);
  kvlist_fini(&meta);
  kvlist_fini(&headers);
  return rc;
}

/* rc: how the store was told. */
static int end_made(struct fs *fs, uint64_t parent, const char *name, const struct ns_made *m,
                    int rc, struct fs_entry *out) {
  struct ns_attr a;

  if (rc == -EEXIST)
    ns_distrust(fs->ns, parent);
  if (rc != 0)
    return rc;
  rc = ns_made(fs->ns, parent, name, m, &a);
  if (rc == 0)
    fs_fill_entry(&a, out);
  return rc;
}

static int make_folder(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
                       struct fs_entry *out) {
  struct posix posix = names_made_by(by, S_IFDIR);
  const struct ns_made m = {.type = NS_DIR, .posix = &posix};
  const struct root *r;
  struct store_attr attr;
  char *folder;
  char *key;
  int rc = names_place(fs, parent, name, &r, &key);

  if (rc != 0)
    return rc;
  folder = text_printf("%s/", key);
  if (folder == NULL)
    rc = -ENOMEM;
  else if (!r->options.escaped && strlen(folder) > store_key_max(r->store))
    rc = -ENAMETOOLONG; /* it would be found out when the object is sent, behind the call */
  else
    rc = put_new(r, folder, "", FOLDER_TYPE, &posix, &attr);
  free(folder);
  free(key);
  return end_made(fs, parent, name, &m, rc, out);
}

int fs_mkdir(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
             struct fs_entry *out) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = make_folder(fs, parent, name, by, out);
  gate_leave(fs, &pass);
  return rc;
}

static int make_link(struct fs *fs, uint64_t parent, const char *name, const char *target,
                     const struct fs_maker *by, struct fs_entry *out) {
  struct posix posix = names_made_by(by, S_IFLNK);
  struct store_attr attr;
  const struct ns_made m = {.type = NS_LINK, .attr = &attr, .posix = &posix};
  const struct root *r;
  char *key;
  int rc;

  if (*target == '\0')
    return -ENOENT;
  if (strlen(target) > TARGET_MAX)
    return -ENAMETOOLONG;
  posix.mode = S_IFLNK | 0777;
  rc = names_place(fs, parent, name, &r, &key);
  if (rc != 0)
    return rc;
  rc = r->options.posix == ROOT_POSIX_OFF ? -EPERM /* it would be a file to everybody */
                                          : put_new(r, key, target, LINK_TYPE, &posix, &attr);
  free(key);
  return end_made(fs, parent, name, &m, rc, out);
}

int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target,
               const struct fs_maker *by, struct fs_entry *out) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = make_link(fs, parent, name, target, by, out);
  gate_leave(fs, &pass);
  return rc;
}

static enum ns_type type_made(mode_t type) {
  return type == S_IFIFO ? NS_FIFO : type == S_IFSOCK ? NS_SOCKET : NS_FILE;
}

int names_mknod(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
                struct fs_entry *out) {
  mode_t type = (by->mode & S_IFMT) != 0 ? by->mode & S_IFMT : S_IFREG;
  struct posix posix = names_made_by(by, type);
  struct store_attr attr;
  const struct ns_made m = {.type = type_made(type), .attr = &attr, .posix = &posix};
  const struct root *r;
  char *key;
  int rc;

  if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK)
    return -EPERM; /* a device of this host would be one of every host */
  rc = names_place(fs, parent, name, &r, &key);
  if (rc != 0)
    return rc;
  rc = r->options.posix == ROOT_POSIX_OFF && type != S_IFREG
           ? -EPERM
           : put_new(r, key, "", FILE_TYPE, &posix, &attr);
  free(key);
  return end_made(fs, parent, name, &m, rc, out);
}

int fs_mknod(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
             struct fs_entry *out) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = names_mknod(fs, parent, name, by, out);
  gate_leave(fs, &pass);
  return rc;
}

/* --- removing ------------------------------------------------------------------------ */

/* Is this listed key something else than the folder's own object and `name`? */
static bool is_other(const char *listed, const char *folder, const char *name) {
  size_t len = strlen(name);

  listed += strlen(folder);
  if (*listed == '\0')
    return false;
  return strncmp(listed, name, len) != 0 || (listed[len] != '\0' && listed[len] != '/');
}

static bool lists_others(const struct ns_child *dir, const char *name) {
  struct store *s = dir->root->store;
  struct store_page page;
  bool others = false;

  if (s->ops->list(s, dir->key, true, NULL, 4, &page) != 0)
    return false;
  for (size_t i = 0; i < page.count; i++)
    others |= is_other(page.entries[i].name, dir->key, name);
  store_page_fini(&page);
  return others;
}

static void keep_folder(struct fs *fs, const struct ns_child *dir, const char *name) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store *s = dir->root->store;
  struct store_attr attr;
  int rc;

  if (dir->marker || dir->key[0] == '\0' || lists_others(dir, name))
    return;
  rc = s->write->put(s, dir->key, "", 0, NULL, &absent, &attr);
  if (rc == 0 || rc == -EEXIST)
    ns_set_marker(fs->ns, dir->ino, true);
  else
    log_debug("'%s' gets no object of its own: %s", dir->key, strerror(-rc));
}

void names_keep_folder(struct fs *fs, uint64_t parent, const char *name) {
  struct patience p = fs_patience(fs);
  struct ns_child dir;

  if (ns_has_others(fs->ns, parent, name) || ns_child_of(fs->ns, parent, &p, &dir) != 0)
    return;
  keep_folder(fs, &dir, name);
  ns_child_fini(fs->ns, &dir);
}

int names_remove(const struct root *r, const char *key, const char *etag) {
  struct store_doomed d = {.key = key, .etag = etag[0] != '\0' ? etag : NULL};

  return r->store->write->remove(r->store, &d, 1);
}

static int unlink_version(struct fs *fs, uint64_t parent, const char *name) {
  struct ns_child c;
  int rc = names_child(fs, parent, name, &c);

  if (rc != 0)
    return rc;
  rc = c.type != NS_DIR ? names_unlink(fs, parent, name, &c) : -EISDIR;
  if (rc == -ESTALE) {
    ns_expire(fs->ns, c.ino, rc);
    ns_distrust(fs->ns, parent);
  }
  ns_child_fini(fs->ns, &c);
  return rc;
}

int fs_unlink(struct fs *fs, uint64_t parent, const char *name) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = -ESTALE;
  for (int i = 0; i < TRIES && rc == -ESTALE; i++)
    rc = unlink_version(fs, parent, name);
  if (rc == 0)
    ns_removed(fs->ns, parent, name);
  gate_leave(fs, &pass);
  return rc;
}

/* An entry of the folder's first page: its own object, the keep file, or content. */
static int judge_entry(const struct store_entry *e, const char *folder, struct names_own *own) {
  const char *name = e->name + strlen(folder);

  if (*name == '\0')
    memcpy(own->marker, e->attr.etag, sizeof(own->marker));
  else if (strcmp(name, KEEP_FILE) == 0)
    memcpy(own->keep, e->attr.etag, sizeof(own->keep));
  else
    return -ENOTEMPTY;
  return 0;
}

int names_check_empty(const struct root *r, const char *folder, struct names_own *own) {
  struct store_page page;
  int rc = r->store->ops->list(r->store, folder, false, NULL, 3, &page);

  *own = (struct names_own){0};
  if (rc != 0)
    return rc;
  for (size_t i = 0; rc == 0 && i < page.count; i++)
    rc = judge_entry(&page.entries[i], folder, own);
  if (rc == 0 && page.next != NULL)
    rc = -ENOTEMPTY;
  store_page_fini(&page);
  return rc;
}

static int remove_own(const struct root *r, const char *folder, const struct names_own *own) {
  char *keep = text_printf("%s" KEEP_FILE, folder);
  struct store_doomed items[2];
  size_t count = 0;
  int rc = keep != NULL ? 0 : -ENOMEM;

  if (own->keep[0] != '\0')
    items[count++] = (struct store_doomed){.key = keep, .etag = own->keep};
  if (own->marker[0] != '\0')
    items[count++] = (struct store_doomed){.key = folder, .etag = own->marker};
  if (rc == 0 && count > 0)
    rc = r->store->write->remove(r->store, items, count);
  free(keep);
  return rc;
}

static int rmdir_child(struct fs *fs, uint64_t parent, const char *name, const struct ns_child *c) {
  struct names_own own;
  int rc;

  if (c->type != NS_DIR)
    return -ENOTDIR;
  if (ns_has_local(fs->ns, c->ino))
    return -ENOTEMPTY;
  rc = names_check_empty(c->root, c->key, &own);
  if (rc != 0)
    return rc;
  names_keep_folder(fs, parent, name);
  return remove_own(c->root, c->key, &own);
}

static int remove_folder(struct fs *fs, uint64_t parent, const char *name) {
  struct ns_child c;
  int rc = names_child(fs, parent, name, &c);

  if (rc != 0)
    return rc;
  rc = rmdir_child(fs, parent, name, &c);
  ns_child_fini(fs->ns, &c);
  if (rc == 0)
    ns_removed(fs->ns, parent, name);
  return rc == -ESTALE ? -EBUSY : rc; /* another host works in it */
}

int fs_rmdir(struct fs *fs, uint64_t parent, const char *name) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = remove_folder(fs, parent, name);
  gate_leave(fs, &pass);
  return rc;
}
