/* Sign-ons in JSON, over cJSON. Unknown members of a cached token stay when it is
 * written back: other programs share the file. */
#include "s3apfs/aws/sso_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys_json_internal.h"
#include "s3apfs/base/text.h"

#define LIFETIME_MAX_S 1e9
#define TIME_MAX_MS 2.5e14 /* in the year 9892 */

static int refuse(struct buf *why, const char *text) {
  if (why != NULL)
    buf_puts(why, text);
  return -EBADMSG;
}

/* False for what does not fit the integer it becomes, too. */
static bool is_between(const cJSON *item, double min, double max) {
  return cJSON_IsNumber(item) && item->valuedouble >= min && item->valuedouble <= max;
}

static void free_wiped(char *s) {
  if (s != NULL)
    explicit_bzero(s, strlen(s));
  free(s);
}

void sso_token_fini(struct sso_token *t) {
  free_wiped(t->access_token);
  free_wiped(t->refresh_token);
  free_wiped(t->client_id);
  free_wiped(t->client_secret);
  *t = (struct sso_token){0};
}

/* "2026-11-22T06:00:00Z", or with "UTC" at the end as older programs write it. */
static int take_time(const cJSON *doc, const char *name, int64_t *out) {
  const char *text = cJSON_GetStringValue(keys_json_member(doc, name));
  size_t len = text != NULL ? strlen(text) : 0;
  char iso[32];

  if (text == NULL || len >= sizeof(iso))
    return -EINVAL;
  memcpy(iso, text, len + 1);
  if (text_has_suffix(iso, "UTC"))
    memcpy(iso + len - 3, "Z", 2);
  return text_parse_iso8601(iso, out);
}

static int take_token(const cJSON *doc, struct sso_token *t, struct buf *why) {
  int rc = keys_json_value(doc, "accessToken", true, &t->access_token, why);

  if (rc == 0)
    rc = keys_json_value(doc, "refreshToken", false, &t->refresh_token, why);
  if (rc == 0)
    rc = keys_json_value(doc, "clientId", false, &t->client_id, why);
  if (rc == 0)
    rc = keys_json_value(doc, "clientSecret", false, &t->client_secret, why);
  if (rc == 0 && take_time(doc, "expiresAt", &t->expires) != 0)
    rc = refuse(why, "expiresAt is no time");
  if (rc == 0 && take_time(doc, "registrationExpiresAt", &t->registration_expires) != 0)
    t->registration_expires = 0;
  return rc;
}

int sso_token_parse(const void *json, size_t len, struct sso_token *out, struct buf *why) {
  struct sso_token t = {0};
  cJSON *doc = keys_json_open(json, len);
  int rc = doc != NULL ? take_token(doc, &t, why) : refuse(why, "it is not a JSON object");

  keys_json_close(doc);
  if (rc == 0)
    *out = t;
  else
    sso_token_fini(&t);
  return rc;
}

/* Appended; *doc is wiped. */
static int print(cJSON *doc, struct buf *out) {
  char *text = cJSON_PrintUnformatted(doc);

  keys_json_close(doc);
  if (text == NULL)
    return -ENOMEM;
  buf_puts(out, text);
  explicit_bzero(text, strlen(text));
  cJSON_free(text);
  return buf_error(out);
}

int sso_token_request(const struct sso_token *t, struct buf *out) {
  cJSON *doc = cJSON_CreateObject();

  cJSON_AddStringToObject(doc, "clientId", t->client_id);
  cJSON_AddStringToObject(doc, "clientSecret", t->client_secret);
  cJSON_AddStringToObject(doc, "grantType", "refresh_token");
  cJSON_AddStringToObject(doc, "refreshToken", t->refresh_token);
  return print(doc, out);
}

static int take_reply(const cJSON *doc, int64_t now, struct sso_token *t, struct buf *why) {
  const cJSON *seconds = keys_json_member(doc, "expiresIn");
  int rc = keys_json_value(doc, "accessToken", true, &t->access_token, why);

  if (rc == 0)
    rc = keys_json_value(doc, "refreshToken", false, &t->refresh_token, why);
  if (rc == 0 && !is_between(seconds, 1, LIFETIME_MAX_S))
    rc = refuse(why, "expiresIn is no number of seconds");
  if (rc == 0)
    t->expires = now + (int64_t)seconds->valuedouble;
  return rc;
}

/* In place of all of that name: a document may have a member twice. */
static void put(cJSON *doc, const char *name, const char *value) {
  cJSON *item;

  while ((item = cJSON_DetachItemFromObjectCaseSensitive(doc, name)) != NULL)
    keys_json_close(item);
  cJSON_AddStringToObject(doc, name, value);
}

static int update_document(const struct sso_token *t, struct buf *document) {
  cJSON *doc = keys_json_open(buf_cstr(document), document->len);
  char until[21];

  if (doc == NULL)
    return -EBADMSG;
  text_iso8601(t->expires, until);
  put(doc, "accessToken", t->access_token);
  put(doc, "expiresAt", until);
  if (t->refresh_token != NULL)
    put(doc, "refreshToken", t->refresh_token);
  if (document->len > 0)
    explicit_bzero(document->data, document->len);
  buf_reset(document);
  return print(doc, document);
}

int sso_token_renewed(struct sso_token *t, const void *reply, size_t len, int64_t now,
                      struct buf *document, struct buf *why) {
  struct sso_token fresh = {0};
  cJSON *doc = keys_json_open(reply, len);
  int rc = doc != NULL ? take_reply(doc, now, &fresh, why)
                       : refuse(why, "the reply is not a JSON object");

  keys_json_close(doc);
  if (rc == 0)
    rc = update_document(&fresh, document);
  if (rc != 0) {
    sso_token_fini(&fresh);
    return rc;
  }
  free_wiped(t->access_token);
  t->access_token = fresh.access_token;
  t->expires = fresh.expires;
  if (fresh.refresh_token != NULL) {
    free_wiped(t->refresh_token);
    t->refresh_token = fresh.refresh_token;
  }
  return 0;
}

bool sso_token_is_refused(const void *reply, size_t len) {
  static const char *const final[] = {"invalid_grant", "expired_token", "invalid_client",
                                      "unauthorized_client", "access_denied"};
  cJSON *doc = keys_json_open(reply, len);
  const char *said = cJSON_GetStringValue(keys_json_member(doc, "error"));
  bool refused = false;

  for (size_t i = 0; said != NULL && i < sizeof(final) / sizeof(final[0]); i++)
    refused = refused || strcmp(said, final[i]) == 0;
  keys_json_close(doc);
  return refused;
}

static int take_credentials(const cJSON *keys, struct aws_keys *k, struct buf *why) {
  const cJSON *end = keys_json_member(keys, "expiration");
  int rc = keys_json_value(keys, "accessKeyId", true, &k->access_key_id, why);

  if (rc == 0)
    rc = keys_json_value(keys, "secretAccessKey", true, &k->secret_access_key, why);
  if (rc == 0)
    rc = keys_json_value(keys, "sessionToken", true, &k->session_token, why);
  if (rc == 0 && !is_between(end, 1000, TIME_MAX_MS))
    rc = refuse(why, "expiration is no time");
  if (rc == 0)
    k->expiration = (int64_t)(end->valuedouble / 1000);
  return rc;
}

int sso_credentials_parse(const void *json, size_t len, struct aws_keys *out, struct buf *why) {
  struct aws_keys k = {0};
  cJSON *doc = keys_json_open(json, len);
  const cJSON *keys = keys_json_member(doc, "roleCredentials");
  int rc = cJSON_IsObject(keys) ? take_credentials(keys, &k, why)
                                : refuse(why, "the reply holds no roleCredentials");

  keys_json_close(doc);
  if (rc == 0)
    *out = k;
  else
    aws_keys_fini(&k);
  return rc;
}
