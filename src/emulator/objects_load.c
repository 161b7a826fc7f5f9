/* Reading the store's folders back at start. Single-threaded. */
#include "objects_load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object_file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

struct load {
  const char *bucket;
  objects_load_fn fn;
  void *arg;
};

static int load_file(const struct load *l, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return -errno;
  struct object_info info;
  int err = object_file_read(fd, &info);
  close(fd);
  if (err == -EBADMSG) {
    log_warn("%s is not a complete object, it is left out", path);
    return 0;
  }
  if (err)
    return err;
  err = l->fn(l->arg, l->bucket, &info.entry);
  object_info_fini(&info);
  return err;
}

/* Some file systems leave the type out. */
static bool is_folder(const struct dirent *e, const char *path) {
  struct stat st;
  if (e->d_type != DT_UNKNOWN)
    return e->d_type == DT_DIR;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

typedef int (*entry_fn)(void *arg, const char *path, const char *name, bool folder);

static int for_each_entry(const char *dir, entry_fn fn, void *arg) {
  DIR *d = opendir(dir);
  if (!d)
    return -errno;
  int err = 0;
  for (struct dirent *e; !err && (e = readdir(d)) != NULL;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    char *path = text_printf("%s/%s", dir, e->d_name);
    err = path ? fn(arg, path, e->d_name, is_folder(e, path)) : -ENOMEM;
    free(path);
  }
  closedir(d);
  return err;
}

static int load_entry(void *arg, const char *path, const char *name, bool folder) {
  (void)name;
  return folder ? for_each_entry(path, load_entry, arg) : load_file(arg, path);
}

static int load_bucket(void *arg, const char *path, const char *name, bool folder) {
  struct load *l = arg;
  l->bucket = name;
  return folder ? for_each_entry(path, load_entry, l) : 0;
}

int objects_load(const char *dir, objects_load_fn fn, void *arg) {
  struct load l = {.fn = fn, .arg = arg};
  return for_each_entry(dir, load_bucket, &l);
}

static int remove_entry(void *arg, const char *path, const char *name, bool folder) {
  (void)arg;
  (void)name;
  if (folder)
    objects_remove_folders(path);
  return 0;
}

void objects_remove_folders(const char *path) {
  for_each_entry(path, remove_entry, NULL);
  rmdir(path);
}
