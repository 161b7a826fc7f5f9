/* Reading JSON that holds secrets: what the codecs of such documents share. */
#ifndef SRC_AWS_KEYS_JSON_INTERNAL_H
#define SRC_AWS_KEYS_JSON_INTERNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"

/* One object and nothing behind it but blanks, 1 MiB at most; else NULL. */
cJSON *keys_json_open(const void *text, size_t len);
void keys_json_close(cJSON *doc); /* wipes; NULL is fine */
/* The member; null counts as absent: NULL. */
const cJSON *keys_json_member(const cJSON *doc, const char *name);
/* A string fit for a header; absent or empty leaves *out NULL unless required.
 * -EBADMSG with a line in *why that names the member and quotes nothing. */
int keys_json_value(const cJSON *doc, const char *name, bool required, char **out, struct buf *why);

#endif
