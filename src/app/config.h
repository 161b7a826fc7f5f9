/* What is to be mounted: one source at the mount's root, or the directories of a
 * configuration file. */
#ifndef S3APFS_APP_CONFIG_H
#define S3APFS_APP_CONFIG_H

#include "s3apfs/aws/target.h"
#include "settings.h"

struct config_dir {
  char *path;   /* "" = the mount's root, else "a" or "a/b" */
  char *source; /* as written */
  struct target target;
  struct settings settings;
  unsigned line; /* of its section in the file; 0 for a command-line source */
};

struct config {
  char *file;     /* NULL when the source came from the command line */
  char *path;     /* of the file, absolute */
  char **options; /* lists of the command line, which are laid over the file */
  size_t option_count;
  struct settings settings; /* of the whole mount */
  struct config_dir *dirs;
  size_t count;
};

/* source: any SOURCE form, or the path of a configuration file (an existing
 * regular file). options: lists as behind -o, which win over the file's [mount].
 * 0; -EINVAL (or an open error) with one line in *why, with file and line where
 * a file is at fault; -ENOMEM. */
int config_load(const char *source, const char *const *options, size_t option_count,
                struct config *out, struct buf *why);
/* Reads the file of a configuration again, by the same options. As config_load(). */
int config_load_again(const struct config *c, struct config *out, struct buf *why);
/* A copy of its own. 0 or -ENOMEM; then nothing is left in *d. */
int config_dir_copy(struct config_dir *d, const struct config_dir *from);
void config_dir_fini(struct config_dir *d);
/* "FILE:LINE: WHAT" in *why, which `what` may be part of; returns -ECANCELED, told apart from the
 * INI parser's own -EINVAL. */
int config_fail_at(const char *file, unsigned line, const char *what, struct buf *why);
/* A copy of its own. 0 or -ENOMEM. */
int config_copy(struct config *dst, const struct config *src);
void config_fini(struct config *c);

#endif
