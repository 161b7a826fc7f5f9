/* The object store's renames, and the tokens of the last ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objects_internal.h"
#include "s3apfs/base/text.h"

static char *describe_rename(const char *bucket, const char *from, const char *to) {
  return text_printf("%s\n%s\n%s", bucket, from, to);
}

int objects_renamed(struct objects *o, const char *bucket, const char *from, const char *to,
                    const char *token) {
  char *what = describe_rename(bucket, from, to);
  int rc = what ? 0 : -ENOMEM;
  mtx_lock(&o->synced.lock);
  for (size_t i = 0; what && i < RENAMES_KEPT; i++) {
    const struct renamed *r = &o->synced.renames[i];
    if (r->token && strcmp(r->token, token) == 0)
      rc = strcmp(r->what, what) == 0 ? -EALREADY : -EINVAL;
  }
  mtx_unlock(&o->synced.lock);
  free(what);
  return rc;
}

static void note_rename(struct objects *o, const char *token, char *what) {
  char *copy = strdup(token);
  if (!copy || !what) {
    free(copy);
    free(what);
    return;
  }
  mtx_lock(&o->synced.lock);
  struct renamed *r = &o->synced.renames[o->synced.rename_count++ % RENAMES_KEPT];
  struct renamed old = *r;
  *r = (struct renamed){copy, what};
  mtx_unlock(&o->synced.lock);
  free(old.token);
  free(old.what);
}

/* The object under its new key, as a sealed file that is not in place yet. */
static int prepare_rename(struct objects *o, const char *bucket, const char *from, const char *to,
                          struct object_info *info, char **path) {
  int fd;
  int err = objects_get(o, bucket, from, &fd, info);
  if (err)
    return err;
  struct body data;
  body_init(&data, o->spool);
  err = body_append_file(&data, fd, 0, info->entry.size);
  close(fd);
  free(info->entry.key);
  info->entry.key = strdup(to);
  if (!err && !info->entry.key)
    err = -ENOMEM;
  if (!err)
    err = body_detach(&data, &fd, path);
  if (!err) {
    err = object_file_seal(fd, info);
    close(fd);
    if (err) {
      unlink(*path);
      free(*path);
    }
  }
  body_fini(&data);
  if (err)
    object_info_fini(info);
  return err;
}

static int swap_names(struct objects *o, const char *bucket, const char *from, const char *fresh,
                      const struct object_info *info) {
  char *old = objects_path(o, bucket, from);
  char *place = objects_path(o, bucket, info->entry.key);
  int err = old && place ? objects_move_into_place(fresh, place) : -ENOMEM;
  if (!err)
    err = objects_index_put(o, bucket, &info->entry);
  if (!err) {
    unlink(old);
    objects_index_remove(o, bucket, from);
  }
  free(old);
  free(place);
  return err;
}

/* Both keys are held, the lesser one first. */
static int commit_rename(struct objects *o, const char *bucket, const char *from, const char *fresh,
                         const struct object_info *info, const struct objects_condition *source,
                         const struct objects_condition *target) {
  const char *to = info->entry.key;
  bool ordered = strcmp(from, to) < 0;
  struct key_guard *first, *second;
  int err = objects_guard_enter(o, bucket, ordered ? from : to, &first);
  if (err)
    return err;
  err = objects_guard_enter(o, bucket, ordered ? to : from, &second);
  if (!err) {
    err = objects_check(o, bucket, from, source);
    if (!err)
      err = objects_check(o, bucket, to, target);
    if (!err)
      err = swap_names(o, bucket, from, fresh, info);
    objects_guard_leave(o, second);
  }
  objects_guard_leave(o, first);
  return err;
}

int objects_rename(struct objects *o, const char *bucket, const char *from, const char *to,
                   const struct objects_condition *source, const struct objects_condition *target,
                   const char *token) {
  struct object_info info;
  char *path;
  int err = prepare_rename(o, bucket, from, to, &info, &path);
  if (err)
    return err;
  err = commit_rename(o, bucket, from, path, &info, source, target);
  if (err)
    unlink(path);
  else if (token)
    note_rename(o, token, describe_rename(bucket, from, to));
  free(path);
  object_info_fini(&info);
  return err;
}
