/* The world document: one JSON object that describes a whole world; its
 * complete description is docs/emulator.md. The same form is written to
 * world.json, so that reading is also restoring.
 *
 * Reading runs under the world's lock. Accounts come first, since everything
 * else names them. On an error the world is left half filled and is only good
 * for world_free(). */
#include "world_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX ((size_t)64 << 20)

int config_copy(char **field, const char *s) {
  char *copy;

  if (s == NULL)
    return 0;
  copy = strdup(s);
  if (copy == NULL)
    return -ENOMEM;
  free(*field);
  *field = copy;
  return 0;
}

int config_document(const struct cfg *at, const char *name, struct document *out) {
  struct cfg m = cfg_member(at, name);
  struct buf detail;
  char *text = NULL;
  int rc;

  if (m.json == NULL)
    return 0;
  if (cJSON_IsString(m.json))
    text = strdup(m.json->valuestring);
  else if (cJSON_IsObject(m.json))
    text = cJSON_PrintUnformatted(m.json);
  else
    return cfg_fail(&m, "a policy document is expected");
  if (text == NULL)
    return -ENOMEM;
  buf_init(&detail, 0);
  rc = document_set(out, text, strlen(text), &detail);
  if (rc == -EINVAL)
    cfg_fail(&m, "%s", buf_cstr(&detail));
  buf_fini(&detail);
  free(text);
  return rc;
}

static int read_tag(const struct cfg *item, void *arg) {
  if (!cJSON_IsString(item->json))
    return cfg_fail(item, "a string is expected");
  return kvlist_add(arg, item->name, item->json->valuestring);
}

int config_tags(const struct cfg *at, const char *name, struct kvlist *out) {
  return cfg_each_member(at, name, read_tag, out);
}

int config_bpa(const struct cfg *at, const char *name, bool *has, struct block_public_access *out) {
  static const char *const names[] = {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
                                      "RestrictPublicBuckets", NULL};
  static const struct block_public_access off = {false, false, false, false};
  struct cfg m = cfg_member(at, name);
  struct block_public_access bpa = off;
  int rc;

  if (m.json == NULL)
    return 0;
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = cfg_bool(&m, names[0], &bpa.block_acls);
  if (rc == 0)
    rc = cfg_bool(&m, names[1], &bpa.ignore_acls);
  if (rc == 0)
    rc = cfg_bool(&m, names[2], &bpa.block_policy);
  if (rc == 0)
    rc = cfg_bool(&m, names[3], &bpa.restrict_buckets);
  if (rc == 0) {
    *has = true;
    *out = bpa;
  }
  return rc;
}

int config_account(const struct cfg *at, struct world *w, const char *name, struct account **out) {
  const char *id = NULL;
  int rc = cfg_need_string(at, name, &id);

  if (rc != 0)
    return rc;
  *out = world_account_locked(w, id);
  if (*out == NULL) {
    struct cfg m = cfg_member(at, name);

    return cfg_fail(&m, "account %s is not among \"accounts\"", id);
  }
  return 0;
}

/* --- the top level -------------------------------------------------------------------------------
 */

static int read_member(const struct cfg *item, void *arg) {
  struct world *w = arg;
  struct account *a;

  if (!cJSON_IsString(item->json))
    return cfg_fail(item, "an account id is expected");
  a = world_account_locked(w, item->json->valuestring);
  if (a == NULL)
    return cfg_fail(item, "account %s is not among \"accounts\"", item->json->valuestring);
  a->in_organization = true;
  return 0;
}

static int read_organization(const struct cfg *root, struct world *w) {
  static const char *const names[] = {"id", "accounts", NULL};
  struct cfg m = cfg_member(root, "organization");
  const char *id = NULL;
  int rc;

  if (m.json == NULL)
    return 0;
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = cfg_need_string(&m, "id", &id);
  if (rc == 0)
    rc = config_copy(&w->synced.organization, id);
  return rc == 0 ? cfg_each(&m, "accounts", read_member, w) : rc;
}

/* In the order of enum authorize_bucket_side. */
static const char *const bucket_sides[] = {"identity", "owner", "bucket-arn"};

static int read_bucket_side(const struct cfg *at, enum authorize_bucket_side *out) {
  struct cfg m = cfg_member(at, "bucket-side");
  const char *s = NULL;
  int rc = cfg_string(at, "bucket-side", &s);

  if (rc != 0 || s == NULL)
    return rc;
  for (size_t i = 0; i < sizeof(bucket_sides) / sizeof(bucket_sides[0]); i++) {
    if (strcmp(s, bucket_sides[i]) == 0) {
      *out = (enum authorize_bucket_side)i;
      return 0;
    }
  }
  return cfg_fail(&m, "identity, owner or bucket-arn is expected");
}

static int read_assumptions(const struct cfg *root, struct world *w) {
  static const char *const names[] = {"bucket-side",
                                      "access-point-needs-both",
                                      "strict-access-point-arn",
                                      "cross-account-needs-identity",
                                      "account-principal-grants",
                                      NULL};
  struct authorize_options *o = &w->synced.assumptions;
  struct cfg m = cfg_member(root, "assumptions");
  int rc;

  if (m.json == NULL)
    return 0;
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = read_bucket_side(&m, &o->bucket_side);
  if (rc == 0)
    rc = cfg_bool(&m, names[1], &o->access_point_needs_both);
  if (rc == 0)
    rc = cfg_bool(&m, names[2], &o->strict_access_point_arn);
  if (rc == 0)
    rc = cfg_bool(&m, names[3], &o->cross_account_needs_identity);
  if (rc == 0)
    rc = cfg_bool(&m, names[4], &o->account_principal_grants);
  return rc;
}

static int read_server(const struct cfg *root, struct world *w) {
  struct cfg m = cfg_member(root, "server");
  char *text;

  if (m.json == NULL)
    return 0;
  if (!cJSON_IsObject(m.json))
    return cfg_fail(&m, "an object is expected");
  text = cJSON_PrintUnformatted(m.json);
  if (text == NULL)
    return -ENOMEM;
  free(w->synced.server);
  w->synced.server = text;
  return 0;
}

static int read_root(const struct cfg *root, struct world *w) {
  static const char *const names[] = {"region",
                                      "organization",
                                      "assumptions",
                                      "server",
                                      "accounts",
                                      "buckets",
                                      "access-points",
                                      "access-grants",
                                      "vpc-endpoints",
                                      "instances",
                                      "sso",
                                      "config-hash",
                                      NULL};
  const char *region = NULL;
  int rc = cfg_only(root, names);

  if (rc == 0)
    rc = cfg_string(root, "region", &region);
  if (rc == 0)
    rc = config_copy(&w->synced.region, region);
  if (rc == 0)
    rc = cfg_each(root, "accounts", config_read_account, w);
  if (rc == 0)
    rc = read_organization(root, w);
  if (rc == 0)
    rc = read_assumptions(root, w);
  if (rc == 0)
    rc = read_server(root, w);
  if (rc == 0)
    rc = cfg_each(root, "buckets", config_read_bucket, w);
  if (rc == 0)
    rc = cfg_each(root, "access-points", config_read_access_point, w);
  if (rc == 0)
    rc = cfg_each(root, "access-grants", config_read_grants, w);
  if (rc == 0)
    rc = cfg_each(root, "vpc-endpoints", config_read_endpoint, w);
  if (rc == 0)
    rc = cfg_each(root, "instances", config_read_instance, w);
  if (rc == 0)
    rc = config_read_sso(root, w);
  return rc;
}

static int syntax_error(const char *json, const char *at, struct buf *why) {
  unsigned line = 1;
  const char *start = json;

  for (const char *p = json; p < at; p++) {
    if (*p == '\n') {
      line++;
      start = p + 1;
    }
  }
  buf_printf(why, "line %u, column %zu: this is not JSON", line, (size_t)(at - start) + 1);
  return -EINVAL;
}

int world_config_parse(struct world *w, const char *json, size_t len, struct buf *why) {
  const char *end = json;
  cJSON *doc;
  struct cfg root;
  int rc;

  if (len > CONFIG_MAX)
    return -EFBIG;
  doc = cJSON_ParseWithLengthOpts(json, len, &end, 0);
  while (doc != NULL && end < json + len && strchr(" \t\r\n", *end) != NULL && *end != '\0')
    end++;
  if (doc == NULL || end != json + len) {
    cJSON_Delete(doc);
    return syntax_error(json, end, why);
  }
  root = cfg_root(doc, why);
  world_lock(w);
  rc = read_root(&root, w);
  world_unlock(w);
  cJSON_Delete(doc);
  return rc;
}

/* --- writing --- */

static void print_organization(cJSON *root, const struct world *w) {
  const struct account *a;
  cJSON *object;
  cJSON *members;

  if (w->synced.organization == NULL)
    return;
  object = cJSON_AddObjectToObject(root, "organization");
  config_put_string(object, "id", w->synced.organization);
  members = cJSON_AddArrayToObject(object, "accounts");
  DL_FOREACH (w->synced.accounts, a) {
    if (a->in_organization)
      cJSON_AddItemToArray(members, cJSON_CreateString(a->id));
  }
}

static void print_assumptions(cJSON *root, const struct authorize_options *o) {
  cJSON *object = cJSON_AddObjectToObject(root, "assumptions");

  config_put_string(object, "bucket-side", bucket_sides[o->bucket_side]);
  cJSON_AddBoolToObject(object, "access-point-needs-both", o->access_point_needs_both);
  cJSON_AddBoolToObject(object, "strict-access-point-arn", o->strict_access_point_arn);
  cJSON_AddBoolToObject(object, "cross-account-needs-identity", o->cross_account_needs_identity);
  cJSON_AddBoolToObject(object, "account-principal-grants", o->account_principal_grants);
}

static cJSON *print_root(struct world *w) {
  cJSON *root = cJSON_CreateObject();

  config_put_string(root, "config-hash", w->config_hash);
  config_put_string(root, "region", w->synced.region);
  print_assumptions(root, &w->synced.assumptions);
  print_organization(root, w);
  if (w->synced.server != NULL)
    cJSON_AddRawToObject(root, "server", w->synced.server);
  cJSON_AddItemToObject(root, "accounts", config_print_accounts(w));
  cJSON_AddItemToObject(root, "buckets", config_print_buckets(w));
  cJSON_AddItemToObject(root, "access-points", config_print_access_points(w));
  cJSON_AddItemToObject(root, "access-grants", config_print_grants(w));
  cJSON_AddItemToObject(root, "vpc-endpoints", config_print_endpoints(w));
  cJSON_AddItemToObject(root, "instances", config_print_instances(w));
  cJSON_AddItemToObject(root, "sso", config_print_sso(w));
  return root;
}

int world_config_print(struct world *w, struct buf *out) {
  cJSON *root;
  char *text;

  world_lock(w);
  root = print_root(w);
  world_unlock(w);
  text = root != NULL ? cJSON_Print(root) : NULL;
  cJSON_Delete(root);
  if (text == NULL)
    return -ENOMEM;
  buf_puts(out, text);
  explicit_bzero(text, strlen(text));
  free(text);
  return buf_error(out);
}
