/* Credential documents in JSON, over cJSON.
 *
 * The documents are secrets: messages name members, never values, and cJSON's
 * copies of the strings are wiped before they are freed. A JSON null counts as
 * an absent member, as credential helpers print it for optional ones. */
#include "s3apfs/aws/keys_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys_check.h"
#include "keys_json_internal.h"
#include "s3apfs/base/text.h"

#define DOCUMENT_MAX_BYTES ((size_t)1 << 20) /* a session token is a few KiB at most */

struct member_names {
  const char *token;
  const char *account; /* NULL: not in this shape */
};

static int refuse(struct buf *why, const char *subject, const char *fault) {
  if (why != NULL)
    buf_printf(why, "%s %s", subject, fault);
  return -EBADMSG;
}

static void wipe_tree(cJSON *item) {
  for (; item != NULL; item = item->next) {
    if (item->valuestring != NULL)
      explicit_bzero(item->valuestring, strlen(item->valuestring));
    wipe_tree(item->child);
  }
}

void keys_json_close(cJSON *doc) {
  wipe_tree(doc);
  cJSON_Delete(doc);
}

/* One object and nothing behind it but blanks. */
cJSON *keys_json_open(const void *text, size_t len) {
  const char *json = text;
  const char *end = NULL;
  cJSON *doc;

  if (json == NULL || len == 0 || len > DOCUMENT_MAX_BYTES)
    return NULL;
  doc = cJSON_ParseWithLengthOpts(json, len, &end, 0);
  while (doc != NULL && end < json + len && *end != '\0' && strchr(" \t\r\n", *end) != NULL)
    end++;
  if (cJSON_IsObject(doc) && (end == json + len || *end == '\0'))
    return doc;
  keys_json_close(doc);
  return NULL;
}

const cJSON *keys_json_member(const cJSON *doc, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(doc, name);

  return cJSON_IsNull(item) ? NULL : item;
}

/* A value fit for a header; absent or empty leaves *out NULL unless required. */
int keys_json_value(const cJSON *doc, const char *name, bool required, char **out,
                    struct buf *why) {
  const cJSON *item = keys_json_member(doc, name);
  const char *text = item != NULL ? cJSON_GetStringValue(item) : "";

  if (text == NULL)
    return refuse(why, name, "is not a string");
  if (*text == '\0')
    return required ? refuse(why, name, "is missing or empty") : 0;
  if (!keys_check_value(text))
    return refuse(why, name, "holds blanks, control or non-ASCII characters");
  *out = strdup(text);
  return *out != NULL ? 0 : -ENOMEM;
}

static int take_expiration(const cJSON *doc, int64_t *out, struct buf *why) {
  const cJSON *item = keys_json_member(doc, "Expiration");
  const char *text = item != NULL ? cJSON_GetStringValue(item) : "";

  if (text == NULL || (*text != '\0' && text_parse_iso8601(text, out) != 0))
    return refuse(why, "Expiration", "is not an ISO 8601 time");
  return 0;
}

static int take_keys(const cJSON *doc, const struct member_names *names, struct aws_keys *out,
                     char **account, struct buf *why) {
  struct aws_keys k = {0};
  char *id = NULL;
  int rc = keys_json_value(doc, "AccessKeyId", true, &k.access_key_id, why);

  if (rc == 0)
    rc = keys_json_value(doc, "SecretAccessKey", true, &k.secret_access_key, why);
  if (rc == 0)
    rc = keys_json_value(doc, names->token, false, &k.session_token, why);
  if (rc == 0)
    rc = take_expiration(doc, &k.expiration, why);
  if (rc == 0 && names->account != NULL)
    rc = keys_json_value(doc, names->account, false, &id, why);
  if (rc != 0) {
    aws_keys_fini(&k);
    return rc;
  }
  *out = k;
  if (account != NULL)
    *account = id;
  else
    free(id);
  return 0;
}

int keys_json_parse_process(const void *json, size_t len, struct aws_keys *out, char **account,
                            struct buf *why) {
  static const struct member_names names = {"SessionToken", "AccountId"};
  cJSON *doc = keys_json_open(json, len);
  const cJSON *version = keys_json_member(doc, "Version");
  int rc;

  if (doc == NULL)
    return refuse(why, "the output", "is not a JSON object");
  if (!cJSON_IsNumber(version) || version->valuedouble != 1.0)
    rc = refuse(why, "Version", "is not 1");
  else
    rc = take_keys(doc, &names, out, account, why);
  keys_json_close(doc);
  return rc;
}

int keys_json_parse_metadata(const void *json, size_t len, struct aws_keys *out, struct buf *why) {
  static const struct member_names names = {"Token", NULL};
  cJSON *doc = keys_json_open(json, len);
  const cJSON *code = keys_json_member(doc, "Code");
  int rc;

  if (doc == NULL)
    return refuse(why, "the reply", "is not a JSON object");
  if (code != NULL && (!cJSON_IsString(code) || strcmp(code->valuestring, "Success") != 0))
    rc = refuse(why, "Code", "is not Success: the service has no keys to give");
  else
    rc = take_keys(doc, &names, out, NULL, why);
  keys_json_close(doc);
  return rc;
}

char *keys_json_role_arn(const void *json, size_t len) {
  cJSON *doc = keys_json_open(json, len);
  const char *text = cJSON_GetStringValue(keys_json_member(doc, "RoleArn"));
  char *arn = NULL;

  if (text != NULL && text_has_prefix(text, "arn:") && keys_check_value(text))
    arn = strdup(text);
  keys_json_close(doc);
  return arn;
}
