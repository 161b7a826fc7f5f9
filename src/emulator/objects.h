/* The object store: for every bucket a folder of sealed files (object_file.h,
 * key_name.h) and a sorted index of its keys in memory, rebuilt at start.
 *
 * Thread-safe. A change becomes visible in one step: condition, rename(2) and
 * index entry are one unit per key, and a reader keeps the version it opened.
 * Nothing is fsynced: it need not survive a power cut, only a restart. */
#ifndef S3APFS_EMULATOR_OBJECTS_H
#define S3APFS_EMULATOR_OBJECTS_H

#include <stdbool.h>

#include "body.h"
#include "key_index.h"
#include "object_file.h"

struct objects;

/* Reads what the folder holds; creates it when absent. */
int objects_open(const char *dir, struct objects **out);
void objects_close(struct objects *o);
/* Folder for temporary files, on the same file system. */
const char *objects_spool_dir(const struct objects *o);
const char *objects_dir(const struct objects *o);

/* 0; -ENOTEMPTY when it holds a key. */
int objects_remove_bucket(struct objects *o, const char *bucket);
int objects_page(struct objects *o, const char *bucket, const struct key_query *q,
                 struct key_page *out);
/* The current version, open for reading; *fd is the caller's. -ENOENT. */
int objects_get(struct objects *o, const char *bucket, const char *key, int *fd,
                struct object_info *out);

/* What must hold of the present object for a change to happen. */
struct objects_condition {
  const char *if_match; /* etag without quotes, "*" for any, NULL for no condition */
  bool must_be_absent;  /* If-None-Match: * */
};

/* Takes the body's bytes. info->entry.key names the object; size comes from the
 * body. -EEXIST: a condition failed; -ENOENT: if_match, and there is no object. */
int objects_put(struct objects *o, const char *bucket, struct body *data, struct object_info *info,
                const struct objects_condition *condition);
/* 0 also when there was no such key and no condition; errors as objects_put. */
int objects_remove(struct objects *o, const char *bucket, const char *key,
                   const struct objects_condition *condition);
/* One step: `to` is what `from` was, etag and time included. Errors as objects_put, for
 * either condition. A token is kept for objects_renamed(). */
int objects_rename(struct objects *o, const char *bucket, const char *from, const char *to,
                   const struct objects_condition *source, const struct objects_condition *target,
                   const char *token);
/* -EALREADY: a rename with this token has done just that; -EINVAL: it did something
 * else; 0: there was none lately. */
int objects_renamed(struct objects *o, const char *bucket, const char *from, const char *to,
                    const char *token);
/* Replaces the tags of an object, which keeps its etag and time. -ENOENT. */
int objects_set_tags(struct objects *o, const char *bucket, const char *key,
                     const struct kvlist *tags);

#endif
