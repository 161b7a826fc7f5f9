/* Requests without signatures, answers in plain text and one JSON document. A
 * token is a time and a keyed digest of instance and time; nothing is kept. */
#include "instance.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

#define PREFIX "/_instance/"
#define TOKEN "latest/api/token"
#define CREDENTIALS "latest/meta-data/iam/security-credentials"
#define REGION "latest/meta-data/placement/region"
#define ZONE "latest/meta-data/placement/availability-zone"
#define TTL_HEADER "x-aws-ec2-metadata-token-ttl-seconds"
#define TOKEN_HEADER "x-aws-ec2-metadata-token"
#define TTL_MAX 21600

/* What follows /_instance/ID/; the id goes to *id. */
static const char *split(const struct exchange *x, char **id) {
  const char *from = x->request.path + strlen(PREFIX);
  const char *end = strchrnul(from, '/');

  *id = text_dup_n(from, (size_t)(end - from));
  return *end == '/' ? end + 1 + strspn(end + 1, "/") : end;
}

const char *instance_operation(const struct exchange *x) {
  const char *what;
  char *id;

  if (!text_has_prefix(x->request.path, PREFIX))
    return NULL;
  what = split(x, &id);
  free(id);
  if (strcmp(what, TOKEN) == 0)
    return "MetadataToken";
  if (strcmp(what, CREDENTIALS) == 0 || strcmp(what, CREDENTIALS "/") == 0)
    return "MetadataRole";
  if (text_has_prefix(what, CREDENTIALS "/"))
    return "MetadataCredentials";
  return text_has_prefix(what, REGION) || text_has_prefix(what, ZONE) ? "MetadataRegion"
                                                                      : "MetadataUnknown";
}

static void answer(struct exchange *x, int status, const char *text) {
  reply_status(x, status);
  reply_header(x, "Content-Type", "text/plain");
  buf_puts(&x->reply.body, text);
}

/* --- tokens --- */

/* The process's address space is its secret: good enough to notice made-up tokens. */
static void sign(const struct exchange *x, const char *id, int64_t until, struct buf *out) {
  static const char key[] = "of the emulator's instances";
  uint8_t mac[32] = {0};
  struct buf text;

  buf_init(&text, 0);
  buf_printf(&text, "%s %lld %u", id, (long long)until, x->listener->port);
  if (digest_hmac_sha256(key, sizeof(key) - 1, buf_cstr(&text), text.len, mac) == 0) {
    buf_printf(out, "%lld-", (long long)until);
    text_hex(out, mac, sizeof(mac));
  }
  buf_fini(&text);
}

static void give_token(struct exchange *x, const char *id) {
  const char *ttl = exchange_header(x, TTL_HEADER);
  struct buf token;
  uint64_t seconds;

  if (exchange_header(x, "X-Forwarded-For")) {
    answer(x, 403, "");
    return;
  }
  if (!ttl || text_parse_u64(ttl, &seconds) || seconds < 1 || seconds > TTL_MAX) {
    answer(x, 400, "");
    return;
  }
  buf_init(&token, 0);
  sign(x, id, x->now_ms / 1000 + (int64_t)seconds, &token);
  answer(x, 200, buf_cstr(&token));
  reply_header(x, TTL_HEADER, ttl);
  buf_fini(&token);
}

static bool has_token(const struct exchange *x, const char *id) {
  const char *given = exchange_header(x, TOKEN_HEADER);
  struct buf expected;
  char *end;
  long long until;
  bool good;

  if (!given)
    return false;
  until = strtoll(given, &end, 10);
  if (until * 1000 <= x->now_ms)
    return false;
  buf_init(&expected, 0);
  sign(x, id, until, &expected);
  good = strcmp(buf_cstr(&expected), given) == 0;
  buf_fini(&expected);
  return good;
}

/* --- what is told --- */

static void give_credentials(struct exchange *x, const struct world_instance *i, const char *role) {
  struct world_key k;
  char text[21];
  cJSON *o;
  char *json;

  if (strcmp(role, i->role_name) != 0 || world_instance_keys(x->emulator->world, i->id, &k) != 0) {
    answer(x, 404, "");
    return;
  }
  o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "Code", "Success");
  text_iso8601(x->now_ms / 1000, text);
  cJSON_AddStringToObject(o, "LastUpdated", text);
  cJSON_AddStringToObject(o, "Type", "AWS-HMAC");
  cJSON_AddStringToObject(o, "AccessKeyId", k.access_key_id);
  cJSON_AddStringToObject(o, "SecretAccessKey", k.secret);
  cJSON_AddStringToObject(o, "Token", k.session_token);
  text_iso8601(k.expiration, text);
  cJSON_AddStringToObject(o, "Expiration", text);
  json = cJSON_Print(o);
  answer(x, json ? 200 : 500, json ? json : "");
  cJSON_free(json);
  cJSON_Delete(o);
  world_key_fini(&k);
}

static void give_place(struct exchange *x, const char *what, const struct world_instance *i) {
  answer(x, 200, i->region);
  if (text_has_prefix(what, ZONE))
    buf_putc(&x->reply.body, 'a');
}

static void run(struct exchange *x, const char *what, const struct world_instance *i) {
  if (strcmp(what, TOKEN) == 0 && strcmp(x->request.method, "PUT") == 0)
    give_token(x, i->id);
  else if (strcmp(x->request.method, "GET") != 0)
    answer(x, 405, "");
  else if (!has_token(x, i->id))
    answer(x, 401, "");
  else if (strcmp(x->operation, "MetadataRole") == 0)
    answer(x, *i->role_name ? 200 : 404, i->role_name);
  else if (strcmp(x->operation, "MetadataCredentials") == 0)
    give_credentials(x, i, what + strlen(CREDENTIALS "/"));
  else if (strcmp(x->operation, "MetadataRegion") == 0)
    give_place(x, what, i);
  else
    answer(x, 404, "");
}

void instance_run(struct exchange *x) {
  struct world_instance i;
  char *id;
  const char *what = split(x, &id);

  if (!id || world_find_instance(x->emulator->world, id, &i)) {
    answer(x, 404, "");
  } else {
    run(x, what, &i);
    world_instance_fini(&i);
  }
  free(id);
}
