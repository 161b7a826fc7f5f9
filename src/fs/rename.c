/* Renaming: most of S3 has none, so what is renamed is copied by the service and then
 * removed by the etag that was copied. Bytes never come here. Files in stores that
 * rename by themselves (directory buckets) are left to them.
 *
 * A name is replaced by the copy in one step, as seen by everybody. When the source
 * cannot be removed afterwards, a copy under a name that was free is removed again
 * and the error says why; a copy that replaced something stays, and a line in the
 * log says that both names are left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/data/later.h"

#define TRIES 3

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1U << 0)
#define RENAME_EXCHANGE (1U << 1)
#endif

struct renaming {
  struct fs *fs;
  uint64_t parent;
  const char *name;
  uint64_t newparent;
  const char *newname;
  unsigned flags;
  struct ns_child from;
  struct ns_child to; /* key NULL: the new name is free */
  struct gate_pass pass;
  const struct root *root;
  char *key; /* of the new name, without '/' at its end */
};

/* --- one object ------------------------------------------------------------------------- */

/* The copy is there; now the source goes. */
static int remove_source(struct renaming *r, const struct store_attr *copy) {
  int rc;

  names_keep_folder(r->fs, r->parent, r->name);
  rc = names_remove(r->root, r->from.key, r->from.attr.etag);
  if (rc == 0)
    return 0;
  if (r->to.key == NULL && !names_may_be_done(rc) && names_remove(r->root, r->key, copy->etag) == 0)
    return rc;
  log_warn("'%s' was copied to '%s', but could not be removed (%s): both names are left",
           r->from.key, r->key, strerror(-rc));
  ns_distrust(r->fs->ns, r->newparent);
  return rc;
}

/* Nothing that was promised of what is about to be replaced may be sent after the copy took its
 * place; and it stays readable for who has it open. In this order: what was sent is here no more.
 */
static int prepare_target(struct renaming *r) {
  struct writing *w = r->root->options.writeback ? writing_find(r->fs, r->to.ino) : NULL;
  int rc = 0;

  if (w != NULL) {
    rc = behind_finish(r->fs, w);
    (void)writing_unknow_sent(r->fs, w);
    writing_put(r->fs, w);
  }
  if (rc != 0 && rc != -ESTALE && rc != -EEXIST) /* those: it is in a conflict copy */
    return rc;
  return writing_keep_bytes(r->fs, r->to.ino);
}

/* Nobody has it open, and both names are as the store has them: then its copy may be sent
 * behind. */
static bool may_move_behind(struct renaming *r) {
  struct store_attr seen;
  struct writing *w;

  if (r->flags != 0 || r->from.type != NS_FILE || r->from.local || !r->from.own)
    return false;
  if (r->to.key != NULL && (r->to.type != NS_FILE || r->to.local || r->to.attr.etag[0] == '\0'))
    return false;
  w = writing_find(r->fs, r->from.ino);
  if (w != NULL)
    writing_put(r->fs, w);
  return w == NULL && !fs_files_view(r->fs, r->from.ino, &seen);
}

static int copy_object(struct renaming *r, const struct store_source *from, struct store_attr *attr,
                       bool *behind) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  int rc = -EAGAIN;

  *behind = false;
  if (may_move_behind(r)) {
    names_keep_folder(r->fs, r->parent, r->name);
    rc = later_move(r->root->store, from, r->key, r->to.key != NULL ? r->to.attr.etag : NULL, attr,
                    behind);
  }
  if (rc != -EAGAIN)
    return rc;
  return names_copy(r->root, from, r->key, NULL,
                    (r->flags & RENAME_NOREPLACE) != 0 ? &absent : NULL, attr);
}

/* By the store itself, or by a copy and a removal. *attr: of the object under its new name. */
static int carry_object(struct renaming *r, const struct store_source *from,
                        struct store_attr *attr) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  bool behind = false;
  int rc = names_move(r->root, from, r->key, (r->flags & RENAME_NOREPLACE) != 0 ? &absent : NULL);

  if (rc == 0) {
    names_keep_folder(r->fs, r->parent, r->name);
    *attr = r->from.attr;
    return 0;
  }
  if (rc != -EOPNOTSUPP)
    return rc;
  rc = copy_object(r, from, attr, &behind);
  return rc == 0 && !behind ? remove_source(r, attr) : rc;
}

static int rename_object(struct renaming *r) {
  struct store_source from = {.key = r->from.key,
                              .etag = r->from.attr.etag,
                              .size = r->from.attr.size,
                              .plain = r->from.own};
  struct store_attr attr;
  struct store_attr left;
  int rc = r->to.key != NULL ? prepare_target(r) : 0;

  if (rc == 0)
    rc = carry_object(r, &from, &attr);
  if (rc == -ESTALE || rc == -ENOENT) {
    ns_expire(r->fs->ns, r->from.ino, rc);
    ns_distrust(r->fs->ns, r->parent);
  }
  if (rc == 0 && r->to.key != NULL)
    rc = names_forget(r->fs, &r->to, &left);
  if (rc == 0)
    rc = ns_moved(r->fs->ns, r->from.ino, r->newparent, r->newname, &attr);
  return rc == 0 ? names_follow(r->fs, r->from.ino, r->from.attr.etag, r->key, &attr) : rc;
}

/* --- a folder ----------------------------------------------------------------------------- */

/* A folder is only replaced when it is empty, also for other hosts. */
static int check_target(struct renaming *r, const char *folder, struct names_own *own) {
  if (r->to.key != NULL && ns_has_local(r->fs->ns, r->to.ino))
    return -ENOTEMPTY;
  return names_check_empty(r->root, folder, own);
}

static int rename_folder(struct renaming *r) {
  char *folder = text_printf("%s/", r->key);
  struct names_own own = {0};
  int rc = folder != NULL ? 0 : -ENOMEM;

  if (rc == 0 && strncmp(folder, r->from.key, strlen(r->from.key)) == 0)
    rc = -EINVAL; /* into itself */
  if (rc == 0)
    rc = check_target(r, folder, &own);
  if (rc == 0)
    rc = names_settle_below(r->fs, r->root, r->from.key);
  if (rc == 0) {
    names_keep_folder(r->fs, r->parent, r->name);
    rc = names_move_tree(r->fs, r->root, r->from.key, folder, own.marker);
    if (rc != 0) { /* what is where, the store knows */
      ns_distrust(r->fs->ns, r->from.ino);
      ns_distrust(r->fs->ns, r->newparent);
    }
  }
  if (rc == 0)
    rc = ns_moved(r->fs->ns, r->from.ino, r->newparent, r->newname, NULL);
  if (rc == 0) {
    ns_set_marker(r->fs->ns, r->from.ino, false); /* it has none if the old one had none */
    names_keep_folder(r->fs, r->from.ino, "");
    rc = names_follow_below(r->fs, r->root, folder);
  }
  free(folder);
  return rc;
}

/* --- two names swap ------------------------------------------------------------------------ */

static int settle(struct renaming *r, const struct ns_child *c) {
  bool changed;

  if (c->type == NS_DIR)
    return names_settle_below(r->fs, r->root, c->key);
  return names_settle(r->fs, c->ino, c->attr.etag, &changed);
}

/* What was staged of either is in the store, under the versions that are known. */
static int settle_both(struct renaming *r) {
  struct patience p = fs_patience(r->fs);
  struct ns_child *const both[] = {&r->from, &r->to};
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < 2; i++) {
    struct ns_child now;

    rc = settle(r, both[i]);
    if (rc == 0)
      rc = ns_child_of(r->fs->ns, both[i]->ino, &p, &now);
    if (rc != 0)
      break;
    ns_child_fini(r->fs->ns, both[i]);
    *both[i] = now;
  }
  return rc;
}

static int follow_exchanged(struct renaming *r, const struct ns_child *c, const char *key,
                            const struct store_attr *attr) {
  return c->type == NS_DIR ? names_follow_below(r->fs, r->root, key)
                           : names_follow(r->fs, c->ino, c->attr.etag, key, attr);
}

/* They swapped their names: so do what is known of them and what is open. */
static int tell_exchanged(struct renaming *r, const struct store_attr *first,
                          const struct store_attr *second) {
  char *first_key = exchange_key(&r->from, &r->to);
  char *second_key = exchange_key(&r->to, &r->from);
  int rc = first_key != NULL && second_key != NULL
               ? ns_swapped(r->fs->ns, r->from.ino, first, r->to.ino, second)
               : -ENOMEM;

  if (rc == 0)
    rc = follow_exchanged(r, &r->from, first_key, first);
  if (rc == 0)
    rc = follow_exchanged(r, &r->to, second_key, second);
  free(first_key);
  free(second_key);
  return rc;
}

/* It has its own name again, by a copy when attr has an etag; or what has it the store knows. */
static void look_again(struct renaming *r, const struct ns_child *c, uint64_t parent,
                       const struct store_attr *attr) {
  if (c->type == NS_DIR)
    ns_distrust(r->fs->ns, c->ino);
  else
    ns_expire(r->fs->ns, c->ino, -ESTALE);
  ns_distrust(r->fs->ns, parent);
  if (attr->etag[0] != '\0' && names_follow(r->fs, c->ino, c->attr.etag, c->key, attr) != 0)
    log_warn("what is open of '%s' is not saved any more", c->key);
}

static int rename_exchange(struct renaming *r) {
  struct store_attr first = {0};
  struct store_attr second = {0};
  int rc;

  if (r->to.key == NULL)
    return -ENOENT;
  rc = settle_both(r);
  if (rc != 0)
    return rc;
  rc = exchange_names(r->fs, &r->from, &r->to, &first, &second);
  if (rc == 0)
    return tell_exchanged(r, &first, &second);
  look_again(r, &r->from, r->parent, &first);
  look_again(r, &r->to, r->newparent, &second);
  return rc == -EEXIST ? -ESTALE : rc;
}

/* --- all ------------------------------------------------------------------------------------ */

static int check_types(const struct renaming *r) {
  if (r->to.key == NULL)
    return 0;
  if ((r->flags & RENAME_NOREPLACE) != 0)
    return -EEXIST;
  if (r->to.type == NS_DIR && r->from.type != NS_DIR)
    return -EISDIR;
  return r->from.type == NS_DIR && r->to.type != NS_DIR ? -ENOTDIR : 0;
}

static int rename_resolved(struct renaming *r) {
  int rc;

  if (r->from.root != r->root)
    return -EXDEV;
  if (r->to.key != NULL && r->to.ino == r->from.ino)
    return 0;
  if ((r->flags & RENAME_EXCHANGE) != 0)
    return rename_exchange(r);
  rc = check_types(r);
  if (rc != 0)
    return rc;
  return r->from.type == NS_DIR ? rename_folder(r) : rename_object(r);
}

/* With writeback, what the store does not have yet moves in the journal alone, to a name that
 * is free. -EAGAIN: it has to move in the store. */
static int rename_unsent(struct renaming *r) {
  struct writing *w;
  int rc;

  if (r->to.key != NULL || (r->flags & RENAME_EXCHANGE) != 0 || r->from.root != r->root ||
      !r->root->options.writeback || r->from.type != NS_FILE || !r->from.local ||
      r->from.attr.etag[0] != '\0')
    return -EAGAIN;
  w = writing_find(r->fs, r->from.ino);
  if (w == NULL)
    return -EAGAIN;
  rc = staged_rename_unsent(w->staged, r->key);
  if (rc == 0)
    rc = ns_moved(r->fs->ns, r->from.ino, r->newparent, r->newname, NULL);
  writing_put(r->fs, w);
  return rc;
}

/* The source as the store has it: what was staged is committed. */
static int settle_source(struct renaming *r) {
  bool changed = false;
  int rc =
      r->from.type != NS_DIR ? names_settle(r->fs, r->from.ino, r->from.attr.etag, &changed) : 0;

  if (rc == 0 && !changed)
    return 0;
  ns_child_fini(r->fs->ns, &r->from);
  return rc == 0 ? names_child(r->fs, r->parent, r->name, &r->from) : rc;
}

static int rename_in_store(struct renaming *r) {
  int rc = settle_source(r);

  return rc == 0 ? rename_resolved(r) : rc;
}

static int resolve(struct renaming *r) {
  char *key;
  int rc = names_child(r->fs, r->parent, r->name, &r->from);

  if (rc == 0)
    rc = names_place(r->fs, r->newparent, r->newname, &r->root, &key);
  if (rc != 0)
    return rc;
  r->key = key;
  rc = names_child(r->fs, r->newparent, r->newname, &r->to);
  return rc == -ENOENT ? 0 : rc;
}

static void unresolve(struct renaming *r) {
  ns_child_fini(r->fs->ns, &r->to);
  ns_child_fini(r->fs->ns, &r->from);
  free(r->key);
  r->key = NULL;
}

static int rename_names(struct renaming *r) {
  int rc = rename_unsent(r);

  return rc == -EAGAIN ? rename_in_store(r) : rc;
}

/* With nobody who changes what is moved, and what was known before they were waited for. */
static int rename_alone(struct renaming *r) {
  struct gate_move m = {.root = r->root, .own = &r->pass};
  bool folder = r->from.type == NS_DIR;
  bool waited;
  char *from = strdup(r->from.key);
  char *to = r->to.key != NULL ? strdup(r->to.key) : text_printf("%s%s", r->key, folder ? "/" : "");
  int rc = from != NULL && to != NULL ? 0 : -ENOMEM;

  if (rc == 0) {
    m.from = from;
    m.to = to;
    rc = gate_move_begin(r->fs, &m, &waited);
    if (rc == 0 && waited) {
      unresolve(r);
      rc = resolve(r);
    }
    if (rc == 0)
      rc = rename_names(r);
    gate_move_end(r->fs, &m);
  }
  free(from);
  free(to);
  return rc;
}

static int rename_once(struct renaming *r) {
  int rc = resolve(r);

  if (rc == 0)
    rc = rename_alone(r);
  unresolve(r);
  return rc;
}

int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t newparent,
              const char *newname, unsigned flags) {
  struct renaming r = {.fs = fs,
                       .parent = parent,
                       .name = name,
                       .newparent = newparent,
                       .newname = newname,
                       .flags = flags,
                       .pass = {.inos = {parent, newparent}}};
  int rc;

  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
      flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
    return -EINVAL;
  rc = gate_enter(fs, &r.pass);
  if (rc != 0)
    return rc;
  rc = -ESTALE;
  for (int i = 0; i < TRIES && rc == -ESTALE; i++)
    rc = rename_once(&r);
  gate_leave(fs, &r.pass);
  /* Nothing was done: whoever moves files between file systems reads, writes and removes. */
  return rc == -EOPNOTSUPP ? -EXDEV : rc;
}
