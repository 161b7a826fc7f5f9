/* Unfinished multipart uploads, on disk only:
 *   DIR/uploads/BUCKET/ID/upload          sealed, no bytes: key, metadata, checksum kind
 *   DIR/uploads/BUCKET/ID/part-00001      sealed: a part's bytes, etag, checksum
 * An upload that is being completed has its "upload" renamed to "completing",
 * which is what makes two completions, or completing and aborting, exclude each
 * other. Thread-safe by the file system; no state in memory. */
#ifndef S3APFS_EMULATOR_UPLOADS_H
#define S3APFS_EMULATOR_UPLOADS_H

#include "body.h"
#include "object_file.h"

#define UPLOAD_PARTS_MAX 10000

struct uploads;

/* dir: the emulator's data folder. Completions that a crash cut off are undone. */
int uploads_open(const char *dir, struct uploads **out);
void uploads_close(struct uploads *u);

/* info: entry.key, headers, tags, owner, class, checksum kind, mtime = start. */
int uploads_create(struct uploads *u, const char *bucket, const struct object_info *info,
                   char **id);
/* -ENOENT: no such upload of that key. */
int uploads_find(struct uploads *u, const char *bucket, const char *key, const char *id,
                 struct object_info *out);
/* Takes the body's bytes. -ENOENT when the upload has gone meanwhile. */
int uploads_put_part(struct uploads *u, const char *bucket, const char *id, unsigned number,
                     struct body *data, struct object_info *part);
/* A part's description; with fd also its bytes. -ENOENT. */
int uploads_get_part(struct uploads *u, const char *bucket, const char *id, unsigned number,
                     int *fd, struct object_info *out);
/* Ascending numbers of the parts that are there; owned. */
int uploads_part_numbers(struct uploads *u, const char *bucket, const char *id, unsigned **out,
                         size_t *count);
/* Begins a completion: -ENOENT when there is none to complete (any more). */
int uploads_claim(struct uploads *u, const char *bucket, const char *id);
void uploads_unclaim(struct uploads *u, const char *bucket, const char *id);
/* Removes it with its parts, claimed or not. */
int uploads_remove(struct uploads *u, const char *bucket, const char *id);

struct upload_entry { /* owned */
  char *id;
  char *key;
  char *owner;
  char *storage_class;
  int64_t started_ms;
};
struct upload_list {
  struct upload_entry *items;
  size_t count;
};
/* In order of key, then start. */
int uploads_list(struct uploads *u, const char *bucket, struct upload_list *out);
void upload_list_fini(struct upload_list *l);

#endif
