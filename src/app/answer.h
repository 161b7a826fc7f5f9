/* What a mount answers on its control socket: pid, status, explain PATH. */
#ifndef S3APFS_APP_ANSWER_H
#define S3APFS_APP_ANSWER_H

#include "app.h"
#include "reload.h"
#include "s3apfs/fs/fs.h"
#include "syncing.h"

struct answer {
  struct app *app;
  struct fs *fs;
  const char *source;
  const char *dir;
  int64_t started_ms;        /* monotonic */
  struct reload *reload;     /* NULL: there is nothing to reload */
  int64_t umount_timeout_ms; /* 0: none */
  struct syncing syncing;
};

void answer_init(struct answer *a, struct app *app, struct fs *fs, const char *source,
                 const char *dir);
/* Nothing is asked any more; waits for what is being brought to S3. */
void answer_fini(struct answer *a);
/* What a document about a mount begins with, whoever answers. */
void answer_begin(struct cJSON *doc, const char *dir, const char *source, int64_t started_ms);
/* The answer to "pid". */
void answer_pid(struct cJSON *doc, int64_t umount_timeout_ms);
/* The documents of two of its answers. */
struct cJSON *answer_status(struct answer *a);
struct cJSON *answer_sync(struct answer *a);
/* A control_fn; arg is a struct answer. */
void answer_request(void *arg, const char *request, struct buf *reply);

#endif
