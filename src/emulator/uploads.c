/* Multipart uploads as folders. Parts and uploads are sealed files that appear
 * by rename, so whoever lists or reads sees whole ones only. */
#include "uploads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

#define ID_BYTES 24

struct uploads {
  char *dir;
  char *spool;
};

/* --- paths --- */

/* Ids come from clients: only what uploads_create makes may become a path. */
static bool good_id(const char *id) {
  return strlen(id) == 2 * ID_BYTES && strspn(id, "0123456789abcdef") == 2 * ID_BYTES;
}

static char *upload_path(const struct uploads *u, const char *bucket, const char *id,
                         const char *name) {
  return text_printf("%s/%s/%s/%s", u->dir, bucket, id, name);
}

static char *part_path(const struct uploads *u, const char *bucket, const char *id,
                       unsigned number) {
  return text_printf("%s/%s/%s/part-%05u", u->dir, bucket, id, number);
}

static int rename_in(const struct uploads *u, const char *bucket, const char *id, const char *from,
                     const char *to) {
  char *a = upload_path(u, bucket, id, from), *b = upload_path(u, bucket, id, to);
  int err = !a || !b ? -ENOMEM : rename(a, b) ? -errno : 0;
  free(a);
  free(b);
  return err;
}

/* --- walking --- */

typedef int (*name_fn)(void *arg, const char *name);

static int for_each_name(const char *dir, name_fn fn, void *arg) {
  DIR *d = opendir(dir);
  if (!d)
    return errno == ENOENT ? 0 : -errno;
  int err = 0;
  for (struct dirent *e; !err && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.')
      err = fn(arg, e->d_name);
  closedir(d);
  return err;
}

/* --- life --- */

struct recovery {
  const struct uploads *u;
  const char *bucket;
};

static int recover_upload(void *arg, const char *id) {
  const struct recovery *r = arg;
  int err = rename_in(r->u, r->bucket, id, "completing", "upload");
  return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

static int recover_bucket(void *arg, const char *bucket) {
  struct recovery r = {.u = arg, .bucket = bucket};
  char *path = text_printf("%s/%s", r.u->dir, bucket);
  int err = path ? for_each_name(path, recover_upload, &r) : -ENOMEM;
  free(path);
  return err;
}

int uploads_open(const char *dir, struct uploads **out) {
  struct uploads *u = calloc(1, sizeof(*u));
  if (!u)
    return -ENOMEM;
  u->dir = text_printf("%s/uploads", dir);
  u->spool = text_printf("%s/spool", dir);
  int err = u->dir && u->spool ? file_mkdirs(u->dir, 0700) : -ENOMEM;
  if (!err)
    err = for_each_name(u->dir, recover_bucket, u);
  if (err) {
    uploads_close(u);
    return err;
  }
  *out = u;
  return 0;
}

void uploads_close(struct uploads *u) {
  if (!u)
    return;
  free(u->dir);
  free(u->spool);
  free(u);
}

static int make_id(char **out) {
  uint8_t raw[ID_BYTES];
  struct buf hex;
  if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
    return -EIO;
  buf_init(&hex, 0);
  text_hex(&hex, raw, sizeof(raw));
  *out = buf_take(&hex);
  return *out ? 0 : -ENOMEM;
}

/* Takes the bytes, seals them with info and renames them to path. */
static int store(struct body *data, const struct object_info *info, const char *path) {
  int fd;
  char *temporary;
  int err = body_detach(data, &fd, &temporary);
  if (err)
    return err;
  err = object_file_seal(fd, info);
  close(fd);
  if (!err && rename(temporary, path))
    err = -errno;
  if (err)
    unlink(temporary);
  free(temporary);
  return err;
}

static int create_in(struct uploads *u, const char *bucket, const struct object_info *info,
                     const char *id) {
  char *folder = text_printf("%s/%s/%s", u->dir, bucket, id);
  char *path = upload_path(u, bucket, id, "upload");
  struct body nothing;
  body_init(&nothing, u->spool);
  int err = folder && path ? file_mkdirs(folder, 0700) : -ENOMEM;
  if (!err)
    err = store(&nothing, info, path);
  body_fini(&nothing);
  free(folder);
  free(path);
  return err;
}

int uploads_create(struct uploads *u, const char *bucket, const struct object_info *info,
                   char **id) {
  char *fresh;
  int err = make_id(&fresh);
  if (err)
    return err;
  err = create_in(u, bucket, info, fresh);
  if (err)
    free(fresh);
  else
    *id = fresh;
  return err;
}

/* --- looking --- */

static int read_sealed(char *path, int *fd, struct object_info *out) {
  if (!path)
    return -ENOMEM;
  int opened = open(path, O_RDONLY | O_CLOEXEC);
  bool absent = opened < 0 && (errno == ENOENT || errno == ENOTDIR);
  free(path);
  if (opened < 0)
    return absent ? -ENOENT : -EIO;
  int err = object_file_read(opened, out);
  if (err || !fd)
    close(opened);
  else
    *fd = opened;
  return err;
}

int uploads_find(struct uploads *u, const char *bucket, const char *key, const char *id,
                 struct object_info *out) {
  struct object_info o = {0};
  if (!good_id(id))
    return -ENOENT;
  int err = read_sealed(upload_path(u, bucket, id, "upload"), NULL, &o);
  if (err)
    return err;
  if (strcmp(o.entry.key, key) != 0) {
    object_info_fini(&o);
    return -ENOENT;
  }
  *out = o;
  return 0;
}

int uploads_get_part(struct uploads *u, const char *bucket, const char *id, unsigned number,
                     int *fd, struct object_info *out) {
  return read_sealed(part_path(u, bucket, id, number), fd, out);
}

int uploads_put_part(struct uploads *u, const char *bucket, const char *id, unsigned number,
                     struct body *data, struct object_info *part) {
  char *path = part_path(u, bucket, id, number);
  int err = path ? store(data, part, path) : -ENOMEM;
  free(path);
  return err;
}

struct numbers {
  unsigned *items;
  size_t count;
};

static int take_number(void *arg, const char *name) {
  struct numbers *n = arg;
  if (!text_has_prefix(name, "part-") || n->count == UPLOAD_PARTS_MAX)
    return 0;
  n->items[n->count++] = (unsigned)strtoul(name + 5, NULL, 10);
  return 0;
}

static int by_number(const void *a, const void *b) {
  unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
  return x < y ? -1 : x > y;
}

int uploads_part_numbers(struct uploads *u, const char *bucket, const char *id, unsigned **out,
                         size_t *count) {
  struct numbers n = {.items = calloc(UPLOAD_PARTS_MAX, sizeof(unsigned))};
  char *path = text_printf("%s/%s/%s", u->dir, bucket, id);
  int err = n.items && path ? for_each_name(path, take_number, &n) : -ENOMEM;
  free(path);
  if (err) {
    free(n.items);
    return err;
  }
  qsort(n.items, n.count, sizeof(*n.items), by_number);
  *out = n.items;
  *count = n.count;
  return 0;
}

/* --- ending --- */

int uploads_claim(struct uploads *u, const char *bucket, const char *id) {
  return good_id(id) ? rename_in(u, bucket, id, "upload", "completing") : -ENOENT;
}

void uploads_unclaim(struct uploads *u, const char *bucket, const char *id) {
  rename_in(u, bucket, id, "completing", "upload");
}

static int remove_in(void *arg, const char *name) {
  char *path = text_printf("%s/%s", (const char *)arg, name);
  int err = path ? (unlink(path) ? -errno : 0) : -ENOMEM;
  free(path);
  return err == -ENOENT ? 0 : err;
}

int uploads_remove(struct uploads *u, const char *bucket, const char *id) {
  if (!good_id(id))
    return -ENOENT;
  char *path = text_printf("%s/%s/%s", u->dir, bucket, id);
  int err = path ? for_each_name(path, remove_in, path) : -ENOMEM;
  /* A part that arrives in between makes the folder stay: once more. */
  if (!err && rmdir(path) && errno == ENOTEMPTY) {
    err = for_each_name(path, remove_in, path);
    rmdir(path);
  }
  free(path);
  return err;
}

/* --- listing --- */

void upload_list_fini(struct upload_list *l) {
  for (size_t i = 0; i < l->count; i++) {
    free(l->items[i].id);
    free(l->items[i].key);
    free(l->items[i].owner);
    free(l->items[i].storage_class);
  }
  free(l->items);
  memset(l, 0, sizeof(*l));
}

struct listing_state {
  struct uploads *u;
  const char *bucket;
  struct upload_list *list;
};

static int list_one(void *arg, const char *id) {
  struct listing_state *s = arg;
  struct object_info o;
  int err = read_sealed(upload_path(s->u, s->bucket, id, "upload"), NULL, &o);
  if (err)
    return err == -ENOENT ? 0 : err;
  struct upload_entry *grown = reallocarray(s->list->items, s->list->count + 1, sizeof(*grown));
  char *copy = strdup(id);
  if (grown)
    s->list->items = grown;
  if (grown && copy) {
    grown[s->list->count++] = (struct upload_entry){.id = copy,
                                                    .key = o.entry.key,
                                                    .owner = o.entry.owner,
                                                    .storage_class = o.entry.storage_class,
                                                    .started_ms = o.entry.mtime_ms};
    o.entry.key = o.entry.owner = o.entry.storage_class = NULL;
  } else {
    free(copy);
    err = -ENOMEM;
  }
  object_info_fini(&o);
  return err;
}

static int by_key_and_start(const void *a, const void *b) {
  const struct upload_entry *x = a, *y = b;
  int order = strcmp(x->key, y->key);
  if (order)
    return order;
  if (x->started_ms != y->started_ms)
    return x->started_ms < y->started_ms ? -1 : 1;
  return strcmp(x->id, y->id);
}

int uploads_list(struct uploads *u, const char *bucket, struct upload_list *out) {
  struct upload_list list = {0};
  struct listing_state s = {.u = u, .bucket = bucket, .list = &list};
  char *path = text_printf("%s/%s", u->dir, bucket);
  int err = path ? for_each_name(path, list_one, &s) : -ENOMEM;
  free(path);
  if (err) {
    upload_list_fini(&list);
    return err;
  }
  if (list.count)
    qsort(list.items, list.count, sizeof(*list.items), by_key_and_start);
  *out = list;
  return 0;
}
