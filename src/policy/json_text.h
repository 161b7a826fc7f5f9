/* The JSON text below a policy document: lexical checks that the JSON library
 * does not make, and places in it for messages. */
#ifndef S3APFS_POLICY_JSON_TEXT_H
#define S3APFS_POLICY_JSON_TEXT_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "s3apfs/base/buf.h"

/* One value and nothing behind it, UTF-8, at most 64 KiB and 16 levels deep, no
 * name twice in an object, no NUL. -EINVAL with a remark in *why; -ENOMEM. The caller
 * frees *out with cJSON_Delete(). */
int json_text_parse(const char *json, size_t len, cJSON **out, struct buf *why);

/* Appends " (line L, column C)" of the first string that spells s; nothing when
 * it is written with escapes. */
void json_text_locate(const char *json, size_t len, const char *s, struct buf *why);

#endif
