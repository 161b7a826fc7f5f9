/* REST with JSON and without signatures: a bearer token, or a client's secret and a
 * refresh token, are the proof. */
#include "sso.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define PREFIX "/_sso/"
#define BODY_MAX ((size_t)64 << 10)

const char *sso_operation(const struct exchange *x) {
  const char *what = x->request.path + strlen(PREFIX);

  if (!text_has_prefix(x->request.path, PREFIX))
    return NULL;
  if (strcmp(what, "federation/credentials") == 0)
    return "SsoGetRoleCredentials";
  return strcmp(what, "token") == 0 ? "SsoCreateToken" : "SsoUnknown";
}

static void answer(struct exchange *x, int status, cJSON *doc) {
  char *text = cJSON_PrintUnformatted(doc);

  buf_puts(reply_json(x, status), text ? text : "{}");
  cJSON_free(text);
  cJSON_Delete(doc);
}

static void refuse(struct exchange *x, int status, const char *type, const char *message) {
  cJSON *doc = cJSON_CreateObject();

  cJSON_AddStringToObject(doc, "message", message);
  cJSON_AddStringToObject(doc, "__type", type);
  answer(x, status, doc);
  reply_header(x, "x-amzn-ErrorType", type);
}

static void refuse_grant(struct exchange *x, const char *error, const char *message) {
  cJSON *doc = cJSON_CreateObject();

  cJSON_AddStringToObject(doc, "error", error);
  cJSON_AddStringToObject(doc, "error_description", message);
  answer(x, 400, doc);
}

static void give_credentials(struct exchange *x) {
  const char *token = exchange_header(x, "x-amz-sso_bearer_token");
  const char *role = exchange_query(x, "role_name");
  const char *account = exchange_query(x, "account_id");
  struct world_key k;
  cJSON *doc;
  cJSON *keys;
  int rc;

  if (!token || !role || !account) {
    refuse(x, 400, "InvalidRequestException", "A parameter is missing.");
    return;
  }
  rc = world_sso_keys(x->emulator->world, token, account, role, &k);
  if (rc == -EACCES) {
    refuse(x, 401, "UnauthorizedException", "Session token not found or invalid");
  } else if (rc != 0) {
    refuse(x, rc == -ENOENT ? 403 : 500, "ForbiddenException", "No access");
  } else {
    doc = cJSON_CreateObject();
    keys = cJSON_AddObjectToObject(doc, "roleCredentials");
    cJSON_AddStringToObject(keys, "accessKeyId", k.access_key_id);
    cJSON_AddStringToObject(keys, "secretAccessKey", k.secret);
    cJSON_AddStringToObject(keys, "sessionToken", k.session_token);
    cJSON_AddNumberToObject(keys, "expiration", (double)k.expiration * 1000);
    answer(x, 200, doc);
    world_key_fini(&k);
  }
}

static const char *member(const cJSON *doc, const char *name) {
  const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(doc, name));

  return s ? s : "";
}

static void renew(struct exchange *x, const cJSON *request) {
  struct world_sso_token t;
  cJSON *doc;
  int rc;

  if (strcmp(member(request, "grantType"), "refresh_token") != 0) {
    refuse_grant(x, "unsupported_grant_type", "Only refresh tokens are taken here.");
    return;
  }
  rc = world_sso_renew(x->emulator->world, member(request, "clientId"),
                       member(request, "clientSecret"), member(request, "refreshToken"), &t);
  if (rc != 0) {
    refuse_grant(x, rc == -EPERM ? "invalid_client" : "invalid_grant", "Invalid refresh token");
    return;
  }
  doc = cJSON_CreateObject();
  cJSON_AddStringToObject(doc, "accessToken", t.access_token);
  cJSON_AddNumberToObject(doc, "expiresIn", (double)t.lifetime);
  cJSON_AddStringToObject(doc, "refreshToken", t.refresh_token);
  cJSON_AddStringToObject(doc, "tokenType", "Bearer");
  answer(x, 200, doc);
  world_sso_token_fini(&t);
}

static void create_token(struct exchange *x) {
  const char *body;
  size_t len;
  cJSON *request;

  if (exchange_load_body(x, BODY_MAX, &body, &len))
    return;
  request = cJSON_ParseWithLength(body, len);
  if (cJSON_IsObject(request))
    renew(x, request);
  else
    refuse_grant(x, "invalid_request", "The body is no JSON object.");
  cJSON_Delete(request);
}

void sso_run(struct exchange *x) {
  if (strcmp(x->operation, "SsoGetRoleCredentials") == 0 && strcmp(x->request.method, "GET") == 0)
    give_credentials(x);
  else if (strcmp(x->operation, "SsoCreateToken") == 0 && strcmp(x->request.method, "POST") == 0)
    create_token(x);
  else
    refuse(x, 404, "ResourceNotFoundException", "There is no such operation.");
}
