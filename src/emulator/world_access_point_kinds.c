/* Access points other than the general ones: how each kind is named (S3 user
 * guide, "Naming access points" of each), and sessions of directory buckets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_internal.h"

#define SESSION_S 300 /* CreateSession: five minutes */

static const char *const kind_names[] = {
    [ACCESS_POINT_GENERAL] = "general",     [ACCESS_POINT_OBJECT_LAMBDA] = "object-lambda",
    [ACCESS_POINT_OUTPOSTS] = "outposts",   [ACCESS_POINT_MULTI_REGION] = "multi-region",
    [ACCESS_POINT_DIRECTORY] = "directory",
};

const char *world_access_point_kind_name(enum access_point_kind kind) {
  return kind_names[kind];
}

int world_access_point_kind_parse(const char *s, enum access_point_kind *out) {
  for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
    if (strcmp(kind_names[i], s) == 0) {
      *out = (enum access_point_kind)i;
      return 0;
    }
  }
  return -EINVAL;
}

/* BASE--ZONE behind which the suffix follows. */
static bool has_zone(const char *name, const char *suffix) {
  size_t len = strlen(name);
  size_t end = strlen(suffix);

  if (!text_has_suffix(name, suffix) || len == end)
    return false;
  for (size_t i = len - end; i > 2; i--)
    if (name[i - 1] == '-' && name[i - 2] == '-')
      return i < len - end;
  return false;
}

bool world_is_directory_bucket(const char *name) {
  return has_zone(name, "--x-s3");
}

static char *make_arn(const struct access_point *p, enum access_point_kind kind,
                      const char *outpost, const char *alias) {
  switch (kind) {
  case ACCESS_POINT_OBJECT_LAMBDA:
    return text_printf("arn:aws:s3-object-lambda:%s:%s:accesspoint/%s", p->region, p->account->id,
                       p->name);
  case ACCESS_POINT_OUTPOSTS:
    return text_printf("arn:aws:s3-outposts:%s:%s:outpost/%s/accesspoint/%s", p->region,
                       p->account->id, outpost, p->name);
  case ACCESS_POINT_MULTI_REGION:
    return text_printf("arn:aws:s3::%s:accesspoint/%s", p->account->id, alias);
  case ACCESS_POINT_DIRECTORY:
    return text_printf("arn:aws:s3express:%s:%s:accesspoint/%s", p->region, p->account->id,
                       p->name);
  default:
    return text_printf("arn:aws:s3:%s:%s:accesspoint/%s", p->region, p->account->id, p->name);
  }
}

/* Only Outposts' and Multi-Region aliases cannot be made from the name. */
static char *make_alias(const struct access_point *p, enum access_point_kind kind,
                        const char *alias) {
  if (alias != NULL)
    return strdup(alias);
  if (kind == ACCESS_POINT_OBJECT_LAMBDA)
    return text_printf("%s-alias--ol-s3", p->name);
  return strdup(p->name);
}

static bool fits(const struct access_point *p, enum access_point_kind kind, const char *outpost,
                 const char *alias) {
  switch (kind) {
  case ACCESS_POINT_OBJECT_LAMBDA:
    return alias == NULL || text_has_suffix(alias, "--ol-s3");
  case ACCESS_POINT_OUTPOSTS:
    return outpost != NULL && text_has_prefix(outpost, "op-") &&
           (alias == NULL || text_has_suffix(alias, "--op-s3"));
  case ACCESS_POINT_MULTI_REGION:
    return alias != NULL && text_has_suffix(alias, ".mrap");
  case ACCESS_POINT_DIRECTORY:
    return has_zone(p->name, "--xa-s3");
  default:
    return true;
  }
}

int world_set_access_point_kind_locked(struct access_point *p, enum access_point_kind kind,
                                       const char *outpost, const char *alias) {
  char *new_alias;
  char *arn;

  if (kind == ACCESS_POINT_GENERAL)
    return 0;
  if (!fits(p, kind, outpost, alias))
    return -EINVAL;
  if (outpost != NULL && (p->outpost = strdup(outpost)) == NULL)
    return -ENOMEM;
  new_alias = make_alias(p, kind, alias);
  arn = make_arn(p, kind, outpost, alias);
  if (new_alias == NULL || arn == NULL) {
    free(new_alias);
    free(arn);
    return -ENOMEM;
  }
  free(p->alias);
  free(p->arn);
  p->kind = kind;
  p->alias = new_alias;
  p->arn = arn;
  return 0;
}

static int session_of(struct world *w, const struct credential *of, const char *arn, bool read_only,
                      struct credential **out) {
  struct session_wish wish = {.account = of->account,
                              .user = of->user,
                              .role = of->role,
                              .name = of->session_name,
                              .duration = SESSION_S};
  int rc = world_add_session_locked(w, &wish, out);

  if (rc != 0)
    return rc;
  (*out)->express_read_only = read_only;
  (*out)->express_arn = strdup(arn);
  if ((*out)->express_arn != NULL)
    return 0;
  world_remove_credential_locked(w, *out);
  return -ENOMEM;
}

int world_create_express_session(struct world *w, const char *access_key_id, const char *arn,
                                 bool read_only, struct world_key *out) {
  const struct credential *of;
  struct credential *session = NULL;
  char *id = NULL;
  int rc;

  world_lock(w);
  of = world_live_credential_locked(w, access_key_id);
  rc = of == NULL ? -ENOENT : session_of(w, of, arn, read_only, &session);
  if (rc == 0)
    id = strdup(session->id);
  world_unlock(w);
  if (rc == 0)
    rc = id == NULL ? -ENOMEM : world_find_key(w, id, out);
  free(id);
  return rc;
}
