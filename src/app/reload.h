/* A changed configuration file for a live mount: directories come and go. */
#ifndef S3APFS_APP_RELOAD_H
#define S3APFS_APP_RELOAD_H

#include "app.h"
#include "s3apfs/fs/fs.h"

struct reload;
struct cJSON;

/* Everything is borrowed; c is the configuration that the mount began with. NULL: no
 * memory. */
struct reload *reload_new(struct app *app, struct fs *fs, const struct config *c);
/* No call is under way. */
void reload_free(struct reload *r);
/* {"lines": [...]} of what changed and what cannot, with "failed": N for directories that
 * are not as the file wants them; or {"error": one line}, then nothing changed. r NULL: the
 * mount has no file. Blocks as long as new sources need to answer. */
struct cJSON *reload_answer(struct reload *r);
/* The same for SIGHUP: the lines go to the log. arg: the struct reload, or NULL. */
void reload_hangup(void *arg);

#endif
