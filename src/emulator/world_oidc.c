/* OpenID Connect providers of an account: who may sign tokens for its roles. Keys
 * are part of the world, because nothing is fetched from anywhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_internal.h"

static void provider_free(struct oidc_provider *p) {
  kvlist_fini(&p->client_ids);
  kvlist_fini(&p->keys);
  free(p->arn);
  free(p->issuer);
  free(p);
}

int oidc_provider_add(struct account *a, const char *issuer, struct oidc_provider **out) {
  struct oidc_provider *p;

  if (oidc_provider_find(a->oidc_providers, issuer) != NULL)
    return -EEXIST;
  p = calloc(1, sizeof(*p));
  if (p == NULL)
    return -ENOMEM;
  kvlist_init(&p->client_ids);
  kvlist_init(&p->keys);
  p->issuer = strdup(issuer);
  p->arn = text_printf("arn:aws:iam::%s:oidc-provider/%s", a->id, issuer);
  if (p->issuer == NULL || p->arn == NULL) {
    provider_free(p);
    return -ENOMEM;
  }
  DL_APPEND(a->oidc_providers, p);
  *out = p;
  return 0;
}

struct oidc_provider *oidc_provider_find(struct oidc_provider *list, const char *issuer) {
  struct oidc_provider *p;

  DL_FOREACH (list, p) {
    if (strcmp(p->issuer, issuer) == 0)
      return p;
  }
  return NULL;
}

void oidc_providers_free(struct oidc_provider *list) {
  struct oidc_provider *p;
  struct oidc_provider *next;

  DL_FOREACH_SAFE(list, p, next) {
    provider_free(p);
  }
}
