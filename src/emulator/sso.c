/* REST with JSON and without signatures: a bearer token, or a client's secret and a
 * refresh token or a device's code, are the proof. */
#include "sso.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
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
  if (strcmp(what, "client/register") == 0)
    return "SsoRegisterClient";
  if (strcmp(what, "device_authorization") == 0)
    return "SsoStartDeviceAuthorization";
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

static void refuse_grant(struct exchange *x, const char *type, const char *error,
                         const char *message) {
  cJSON *doc = cJSON_CreateObject();

  cJSON_AddStringToObject(doc, "error", error);
  cJSON_AddStringToObject(doc, "error_description", message);
  answer(x, 400, doc);
  reply_header(x, "x-amzn-ErrorType", type);
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

/* --- tokens --- */

#define DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"

static const struct {
  int rc;
  const char *type, *error, *message;
} refusals[] = {
    {-EPERM, "InvalidClientException", "invalid_client", "There is no such client."},
    {-EACCES, "InvalidGrantException", "invalid_grant", "There is no such token or code."},
    {-EAGAIN, "AuthorizationPendingException", "authorization_pending",
     "Nobody has allowed it yet."},
    {-ETIMEDOUT, "ExpiredTokenException", "expired_token", "The code has ended."},
    {-ECANCELED, "AccessDeniedException", "access_denied", "It was refused."},
};

static void refuse_token(struct exchange *x, int rc) {
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
    if (refusals[i].rc == rc) {
      refuse_grant(x, refusals[i].type, refusals[i].error, refusals[i].message);
      return;
    }
  refuse(x, 500, "InternalServerException", "Out of memory.");
}

static int make_token(struct exchange *x, const cJSON *request, struct world_sso_token *t) {
  struct world *w = x->emulator->world;
  const char *grant = member(request, "grantType");
  const char *id = member(request, "clientId"), *secret = member(request, "clientSecret");
  if (strcmp(grant, DEVICE_GRANT) == 0)
    return world_sso_take(w, id, secret, member(request, "deviceCode"), t);
  return world_sso_renew(w, id, secret, member(request, "refreshToken"), t);
}

static void create_token(struct exchange *x, const cJSON *request) {
  const char *grant = member(request, "grantType");
  struct world_sso_token t;
  cJSON *doc;
  int rc;

  if (strcmp(grant, "refresh_token") != 0 && strcmp(grant, DEVICE_GRANT) != 0) {
    refuse_grant(x, "UnsupportedGrantTypeException", "unsupported_grant_type",
                 "Only refresh tokens and devices' codes are taken here.");
    return;
  }
  rc = make_token(x, request, &t);
  if (rc != 0) {
    refuse_token(x, rc);
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

/* --- devices --- */

static void register_client(struct exchange *x, const cJSON *request) {
  struct world_sso_client c;
  cJSON *doc;

  if (!*member(request, "clientName") || strcmp(member(request, "clientType"), "public") != 0) {
    refuse_grant(x, "InvalidRequestException", "invalid_request",
                 "A name and the type public are expected.");
    return;
  }
  if (world_sso_register(x->emulator->world, &c) != 0) {
    refuse_token(x, -ENOMEM);
    return;
  }
  doc = cJSON_CreateObject();
  cJSON_AddStringToObject(doc, "clientId", c.id);
  cJSON_AddStringToObject(doc, "clientSecret", c.secret);
  cJSON_AddNumberToObject(doc, "clientIdIssuedAt", (double)c.issued);
  cJSON_AddNumberToObject(doc, "clientSecretExpiresAt", (double)c.expires);
  answer(x, 200, doc);
  world_sso_client_fini(&c);
}

static void add_place(struct exchange *x, cJSON *doc, const char *user_code) {
  const char *host = exchange_header(x, "Host");
  char *place = text_printf("http%s://%s" PREFIX "device", x->tls ? "s" : "", host ? host : "");
  char *complete = text_printf("%s?user_code=%s", place ? place : "", user_code);
  cJSON_AddStringToObject(doc, "verificationUri", place ? place : "");
  cJSON_AddStringToObject(doc, "verificationUriComplete", complete ? complete : "");
  free(place);
  free(complete);
}

static void start_device(struct exchange *x, const cJSON *request) {
  struct world_sso_device d;
  cJSON *doc;
  int rc;

  if (!*member(request, "startUrl")) {
    refuse_grant(x, "InvalidRequestException", "invalid_request", "A start URL is expected.");
    return;
  }
  rc = world_sso_start(x->emulator->world, member(request, "clientId"),
                       member(request, "clientSecret"), &d);
  if (rc != 0) {
    refuse_token(x, rc);
    return;
  }
  doc = cJSON_CreateObject();
  cJSON_AddStringToObject(doc, "deviceCode", d.code);
  cJSON_AddStringToObject(doc, "userCode", d.user_code);
  add_place(x, doc, d.user_code);
  cJSON_AddNumberToObject(doc, "expiresIn", (double)d.lifetime);
  cJSON_AddNumberToObject(doc, "interval", 1);
  answer(x, 200, doc);
  world_sso_device_fini(&d);
}

static void with_request(struct exchange *x, void (*run)(struct exchange *x, const cJSON *r)) {
  const char *body;
  size_t len;
  cJSON *request;

  if (exchange_load_body(x, BODY_MAX, &body, &len))
    return;
  request = cJSON_ParseWithLength(body, len);
  if (cJSON_IsObject(request))
    run(x, request);
  else
    refuse_grant(x, "InvalidRequestException", "invalid_request", "The body is no JSON object.");
  cJSON_Delete(request);
}

void sso_run(struct exchange *x) {
  bool post = strcmp(x->request.method, "POST") == 0;

  if (strcmp(x->operation, "SsoGetRoleCredentials") == 0 && strcmp(x->request.method, "GET") == 0)
    give_credentials(x);
  else if (strcmp(x->operation, "SsoCreateToken") == 0 && post)
    with_request(x, create_token);
  else if (strcmp(x->operation, "SsoRegisterClient") == 0 && post)
    with_request(x, register_client);
  else if (strcmp(x->operation, "SsoStartDeviceAuthorization") == 0 && post)
    with_request(x, start_device);
  else
    refuse(x, 404, "ResourceNotFoundException", "There is no such operation.");
}
