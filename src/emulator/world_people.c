/* Accounts, users and roles, and the policies written on them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_free.h"
#include "world_internal.h"

/* A role's session may last this long unless it says otherwise (IAM's default). */
#define DEFAULT_MAX_SESSION 3600

/* --- inline policies ---------------------------------------------------------------------------
 */

struct named_document *named_document_find(struct named_document *list, const char *name) {
  struct named_document *d;

  DL_FOREACH (list, d) {
    if (strcmp(d->name, name) == 0)
      return d;
  }
  return NULL;
}

int named_document_set(struct named_document **list, const char *name, const char *text, size_t len,
                       struct buf *why) {
  struct named_document *d = named_document_find(*list, name);
  int rc;

  if (d != NULL)
    return document_set(&d->doc, text, len, why);
  d = calloc(1, sizeof(*d));
  if (d == NULL)
    return -ENOMEM;
  d->name = strdup(name);
  rc = d->name == NULL ? -ENOMEM : document_set(&d->doc, text, len, why);
  if (rc != 0) {
    free(d->name);
    free(d);
    return rc;
  }
  DL_APPEND(*list, d);
  return 0;
}

void named_document_remove(struct named_document **list, struct named_document *d) {
  DL_DELETE(*list, d);
  document_fini(&d->doc);
  free(d->name);
  free(d);
}

static void free_documents(struct named_document **list) {
  while (*list != NULL)
    named_document_remove(list, *list);
}

/* --- accounts ------------------------------------------------------------------------------------
 */

struct account *world_account_locked(struct world *w, const char *id) {
  struct account *a;

  DL_FOREACH (w->synced.accounts, a) {
    if (strcmp(a->id, id) == 0)
      return a;
  }
  return NULL;
}

int world_add_account_locked(struct world *w, const char *id, struct account **out) {
  struct account *a;

  if (world_account_locked(w, id) != NULL)
    return -EEXIST;
  a = calloc(1, sizeof(*a));
  if (a == NULL)
    return -ENOMEM;
  a->id = strdup(id);
  if (a->id == NULL) {
    free(a);
    return -ENOMEM;
  }
  DL_APPEND(w->synced.accounts, a);
  *out = a;
  return 0;
}

/* --- users --- */

static void free_user(struct user *u) {
  mfa_devices_free(&u->mfa);
  free_documents(&u->policies);
  document_fini(&u->boundary);
  kvlist_fini(&u->tags);
  free(u->name);
  free(u->path);
  free(u->id);
  free(u->arn);
  free(u);
}

struct user *world_user_locked(struct account *a, const char *name) {
  struct user *u;

  DL_FOREACH (a->users, u) {
    if (strcasecmp(u->name, name) == 0)
      return u;
  }
  return NULL;
}

int world_add_user_locked(struct world *w, struct account *a, const char *name, const char *path,
                          const char *id, struct user **out) {
  struct user *u;

  if (world_user_locked(a, name) != NULL)
    return -EEXIST;
  u = calloc(1, sizeof(*u));
  if (u == NULL)
    return -ENOMEM;
  u->account = a;
  u->created = world_now(w);
  u->name = strdup(name);
  u->path = strdup(path);
  u->id = id != NULL ? strdup(id) : world_make_id("AIDA", 17);
  u->arn = text_printf("arn:aws:iam::%s:user%s%s", a->id, path, name);
  kvlist_init(&u->tags);
  if (u->name == NULL || u->path == NULL || u->id == NULL || u->arn == NULL) {
    free_user(u);
    return -ENOMEM;
  }
  DL_APPEND(a->users, u);
  *out = u;
  return 0;
}

static void remove_credentials(struct world *w, const struct user *u, const struct role *r) {
  struct credential *c;
  struct credential *next;

  HASH_ITER (hh, w->synced.credentials, c, next) {
    if ((u != NULL && c->user == u) || (r != NULL && c->role == r))
      world_remove_credential_locked(w, c);
  }
}

void world_remove_user_locked(struct world *w, struct user *u) {
  remove_credentials(w, u, NULL);
  DL_DELETE(u->account->users, u);
  free_user(u);
}

/* --- roles --- */

static void free_role(struct role *r) {
  free_documents(&r->policies);
  document_fini(&r->boundary);
  document_fini(&r->trust);
  kvlist_fini(&r->tags);
  free(r->description);
  free(r->name);
  free(r->path);
  free(r->id);
  free(r->arn);
  free(r);
}

struct role *world_role_locked(struct account *a, const char *name) {
  struct role *r;

  DL_FOREACH (a->roles, r) {
    if (strcasecmp(r->name, name) == 0)
      return r;
  }
  return NULL;
}

struct role *world_role_by_arn_locked(struct world *w, const char *arn) {
  struct account *a;
  struct role *r;

  DL_FOREACH (w->synced.accounts, a) {
    DL_FOREACH (a->roles, r) {
      if (strcmp(r->arn, arn) == 0)
        return r;
    }
  }
  return NULL;
}

int world_add_role_locked(struct world *w, struct account *a, const char *name, const char *path,
                          const char *id, struct role **out) {
  struct role *r;

  if (world_role_locked(a, name) != NULL)
    return -EEXIST;
  r = calloc(1, sizeof(*r));
  if (r == NULL)
    return -ENOMEM;
  r->account = a;
  r->created = world_now(w);
  r->max_session = DEFAULT_MAX_SESSION;
  r->name = strdup(name);
  r->path = strdup(path);
  r->id = id != NULL ? strdup(id) : world_make_id("AROA", 17);
  r->arn = text_printf("arn:aws:iam::%s:role%s%s", a->id, path, name);
  kvlist_init(&r->tags);
  if (r->name == NULL || r->path == NULL || r->id == NULL || r->arn == NULL) {
    free_role(r);
    return -ENOMEM;
  }
  DL_APPEND(a->roles, r);
  *out = r;
  return 0;
}

void world_remove_role_locked(struct world *w, struct role *r) {
  remove_credentials(w, NULL, r);
  DL_DELETE(r->account->roles, r);
  free_role(r);
}

static void free_account(struct account *a) {
  struct user *u;
  struct user *next_user;
  struct role *r;
  struct role *next_role;

  DL_FOREACH_SAFE(a->users, u, next_user) {
    free_user(u);
  }
  DL_FOREACH_SAFE(a->roles, r, next_role) {
    free_role(r);
  }
  oidc_providers_free(a->oidc_providers);
  mfa_devices_free(&a->mfa);
  free(a->id);
  free(a);
}

void world_free_people(struct world *w) {
  struct account *a;
  struct account *next;

  world_drop_credentials_locked(w);
  DL_FOREACH_SAFE(w->synced.accounts, a, next) {
    free_account(a);
  }
  w->synced.accounts = NULL;
}
