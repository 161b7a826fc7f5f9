/* Identities are named by the first source that has them. */
#include "login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

/* Numbers of sources stay, and so do retired ones, whose files may be open. */
static bool is_first(struct app *a, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (app_source_at(a, i)->identity == app_source_at(a, n)->identity)
      return false;
  return true;
}

static void add_login(cJSON *list, size_t n, struct identity *id) {
  char *device = identity_device(id);
  struct s3_error error;
  struct keys *k = NULL;
  cJSON *o;
  int rc;

  s3_error_init(&error);
  rc = key_source_get(identity_keys(id), &k, &error);
  keys_unref(k);
  if (device != NULL || rc != 0) {
    o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "source", (double)n);
    cJSON_AddStringToObject(o, "identity", identity_name(id));
    if (device != NULL)
      cJSON_AddStringToObject(o, "device", device);
    if (rc != 0)
      cJSON_AddStringToObject(o, "problem", error.message);
    cJSON_AddItemToArray(list, o);
  }
  s3_error_fini(&error);
  free(device);
}

cJSON *login_list(struct app *a) {
  cJSON *doc = cJSON_CreateObject();
  cJSON *list = cJSON_AddArrayToObject(doc, "logins");

  const struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++)
    if (is_first(a, i))
      add_login(list, i, s->identity);
  return doc;
}

static void add_outcome(cJSON *doc, struct identity *id, int rc, const struct s3_error *error) {
  struct keys *k = NULL;
  char until[21];

  if (rc != 0) {
    cJSON_AddStringToObject(doc, "error", error->message);
    cJSON_AddBoolToObject(doc, "denied", rc == -EACCES);
    return;
  }
  if (key_source_get(identity_keys(id), &k, NULL) == 0 && k->expiration != 0) {
    text_iso8601(k->expiration, until);
    cJSON_AddStringToObject(doc, "expires", until);
  }
  keys_unref(k);
}

cJSON *login_renew(struct app *a, const char *request) {
  cJSON *doc = cJSON_CreateObject();
  const char *code = strchr(request, ' ');
  char *number = text_dup_n(request, strcspn(request, " "));
  struct s3_error error;
  uint64_t n;

  s3_error_init(&error);
  if (number == NULL || text_parse_u64(number, &n) != 0 || app_source_at(a, n) == NULL) {
    cJSON_AddStringToObject(doc, "error", "no such source");
  } else {
    struct identity *id = app_source_at(a, n)->identity;
    int rc = identity_login(id, code != NULL ? code + 1 : NULL, &error);

    add_outcome(doc, id, rc, &error);
  }
  s3_error_fini(&error);
  free(number);
  return doc;
}
