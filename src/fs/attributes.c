/* Attributes: what objects carry in their metadata, changed by a copy of the object
 * onto itself, under the condition that it is still the version that was looked at.
 * What else it carries stays. A folder's attributes are those of its own object,
 * which is made when there is none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "names_internal.h"

#define XATTR_PREFIX "user."
#define TRIES 3

/* What is to become of the metadata; -errno ends the change. */
struct edit {
  int (*apply)(const struct edit *e, struct kvlist *meta);
  const struct posix *posix;
  const char *name;
  const char *value; /* NULL: to be removed */
  int flags;
};

static int copy_onto_itself(const struct ns_child *c, struct store_detail *d,
                            struct store_attr *out) {
  struct store_source from = {.key = c->key, .etag = d->attr.etag, .size = d->attr.size};
  const struct store_dress dress = {.meta = &d->meta, .headers = &d->headers};

  return names_copy(c->root, &from, c->key, &dress, NULL, out);
}

static int make_folder_object(const struct ns_child *c, const struct edit *e,
                              struct store_attr *out) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store *s = c->root->store;
  struct kvlist meta;
  const struct store_dress dress = {.meta = &meta};
  int rc;

  kvlist_init(&meta);
  rc = e->apply(e, &meta);
  if (rc == 0)
    rc = s->write->put(s, c->key, "", 0, &dress, &absent, out);
  kvlist_fini(&meta);
  return rc == -EEXIST ? -ESTALE : rc;
}

/* was: STORE_ETAG_MAX bytes, the version whose metadata was changed. */
static int edit_once(const struct ns_child *c, const struct edit *e, char *was,
                     struct store_attr *out, struct posix *posix) {
  struct store *s = c->root->store;
  struct store_detail d;
  int rc = s->write->detail(s, c->key, &d);

  if (rc == -ENOENT && c->type == NS_DIR) {
    *posix = (struct posix){0};
    return make_folder_object(c, e, out);
  }
  if (rc != 0)
    return rc;
  memcpy(was, d.attr.etag, sizeof(d.attr.etag));
  rc = e->apply(e, &d.meta);
  if (rc == 0) {
    *posix = (struct posix){0};
    if (c->root->options.posix != ROOT_POSIX_OFF)
      posix_from_meta(&d.meta, posix);
    posix_keep_bits(posix, c->has_posix ? &c->posix : NULL);
    if (e->posix != NULL)
      posix_lay_over(posix, e->posix);
    rc = copy_onto_itself(c, &d, out);
  }
  store_detail_fini(&d);
  return rc;
}

static int edit_object(struct fs *fs, const struct ns_child *c, const struct edit *e) {
  char was[STORE_ETAG_MAX];
  struct store_attr attr;
  struct posix posix;
  int rc = -ESTALE;

  if (c->key[0] == '\0')
    return -EPERM; /* a source's root has no object */
  for (int i = 0; i < TRIES && rc == -ESTALE; i++)
    rc = edit_once(c, e, was, &attr, &posix);
  if (rc == -E2BIG)
    rc = -ENOSPC;
  if (rc != 0)
    return rc;
  if (c->type == NS_DIR) {
    ns_set_marker(fs->ns, c->ino, true);
    return 0;
  }
  ns_stored(fs->ns, c->ino, &attr, &posix);
  return names_follow(fs, c->ino, was, c->key, &attr);
}

/* A file with something staged: attributes go along with it; for other metadata it is
 * committed first, because what is there now is to be looked at. */
static int edit_staged(struct fs *fs, const struct ns_child *c, const struct edit *e) {
  bool changed;
  int rc = e->posix != NULL ? names_dress_staged(fs, c->ino, e->posix) : -ENOENT;

  if (rc != -ENOENT)
    return rc;
  rc = e->posix == NULL ? names_settle(fs, c->ino, c->attr.etag, &changed) : 0;
  return rc == 0 ? edit_object(fs, c, e) : rc;
}

/* No object tells of it: it is what this mount shows, as long as it knows of it. */
static int edit_here(struct fs *fs, const struct ns_child *c, const struct edit *e) {
  int rc = names_dress_staged(fs, c->ino, e->posix);

  return rc == -ENOENT ? 0 : rc;
}

static int edit_child(struct fs *fs, uint64_t ino, const struct edit *e) {
  struct patience p = fs_patience(fs);
  struct ns_child c;
  int rc = ns_child_of(fs->ns, ino, &p, &c);

  if (rc != 0)
    return rc;
  rc = writing_allowed(fs, c.root);
  if (rc == 0 && e->posix != NULL && c.root->options.posix == ROOT_POSIX_OFF)
    rc = edit_here(fs, &c, e);
  else if (rc == 0 && c.type == NS_FILE)
    rc = edit_staged(fs, &c, e);
  else if (rc == 0)
    rc = edit_object(fs, &c, e);
  if (rc == 0 && e->posix != NULL)
    rc = ns_dressed(fs->ns, ino, e->posix);
  ns_child_fini(fs->ns, &c);
  return rc;
}

static int edit_inode(struct fs *fs, uint64_t ino, const struct edit *e) {
  struct gate_pass pass = {.inos = {ino}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = edit_child(fs, ino, e);
  gate_leave(fs, &pass);
  return rc;
}

/* --- mode, owner, times ------------------------------------------------------------------ */

static int apply_posix(const struct edit *e, struct kvlist *meta) {
  struct posix p;

  posix_from_meta(meta, &p);
  posix_lay_over(&p, e->posix);
  return posix_to_meta(&p, meta);
}

static struct posix wanted(const struct fs_set *set) {
  return (struct posix){.has_mode = (set->what & FS_SET_MODE) != 0,
                        .mode = set->mode & 07777,
                        .has_uid = (set->what & FS_SET_UID) != 0,
                        .uid = set->uid,
                        .has_gid = (set->what & FS_SET_GID) != 0,
                        .gid = set->gid,
                        .has_atime = (set->what & FS_SET_ATIME) != 0,
                        .atime_ns = set->atime_ns,
                        .has_mtime = (set->what & FS_SET_MTIME) != 0,
                        .mtime_ns = set->mtime_ns};
}

static mode_t type_bits(enum ns_type type) {
  static const mode_t bits[] = {[NS_FILE] = S_IFREG,
                                [NS_DIR] = S_IFDIR,
                                [NS_LINK] = S_IFLNK,
                                [NS_FIFO] = S_IFIFO,
                                [NS_SOCKET] = S_IFSOCK};

  return bits[type];
}

int fs_setattr(struct fs *fs, uint64_t ino, const struct fs_set *set, struct stat *out,
               double *attr_ttl_s) {
  struct patience p = fs_patience(fs);
  struct posix posix = wanted(set);
  const struct edit e = {.apply = apply_posix, .posix = &posix};
  struct ns_child c;
  int rc = 0;

  if (posix.has_mode) {
    rc = ns_child_of(fs->ns, ino, &p, &c);
    if (rc != 0)
      return rc;
    posix.mode |= type_bits(c.type);
    ns_child_fini(fs->ns, &c);
  }
  if (set->what != 0)
    rc = edit_inode(fs, ino, &e);
  return rc != 0 ? rc : fs_getattr(fs, ino, out, attr_ttl_s);
}

/* --- extended attributes -------------------------------------------------------------------- */

static int apply_xattr(const struct edit *e, struct kvlist *meta) {
  bool there = kvlist_get_ci(meta, e->name) != NULL;

  if (e->value == NULL && !there)
    return -ENODATA;
  if ((e->flags & XATTR_CREATE) != 0 && there)
    return -EEXIST;
  if ((e->flags & XATTR_REPLACE) != 0 && !there)
    return -ENODATA;
  if (e->value != NULL)
    return kvlist_set_ci(meta, e->name, e->value);
  kvlist_remove_ci(meta, e->name);
  return 0;
}

/* What a header can carry unchanged. */
static bool is_printable(const char *s, size_t len) {
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7e)
      return false;
  return len == 0 || (s[0] != ' ' && s[len - 1] != ' ');
}

static int bare_name(const char *name, const char **out) {
  if (strncmp(name, XATTR_PREFIX, sizeof(XATTR_PREFIX) - 1) != 0)
    return -EOPNOTSUPP;
  *out = name + sizeof(XATTR_PREFIX) - 1;
  return **out != '\0' && is_printable(*out, strlen(*out)) ? 0 : -EINVAL;
}

int fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value, size_t size,
                int flags) {
  struct edit e = {.apply = apply_xattr, .flags = flags};
  char *text;
  int rc = bare_name(name, &e.name);

  if (rc != 0)
    return rc;
  if (!is_printable(value, size))
    return -EINVAL;
  text = strndup(value, size);
  if (text == NULL)
    return -ENOMEM;
  e.value = text;
  rc = edit_inode(fs, ino, &e);
  free(text);
  return rc;
}

int fs_removexattr(struct fs *fs, uint64_t ino, const char *name) {
  struct edit e = {.apply = apply_xattr};
  int rc = bare_name(name, &e.name);

  return rc != 0 ? rc : edit_inode(fs, ino, &e);
}
