/* Entries and denials of the vending cache: finding, keeping, forgetting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grants_internal.h"
#include "s3apfs/base/text.h"

static bool entry_alive(const struct grants_entry *e, int64_t now) {
  return !e->ended && (e->keys->expiration == 0 || now < e->keys->expiration);
}

/* The smallest live scope that covers the target with the permission. */
struct grants_entry *grants_entry_find_locked(struct grants *g, const struct scope *target,
                                              enum scope_permission p, int64_t now) {
  struct grants_entry *best = NULL;

  for (struct grants_entry *e = g->synced.entries; e != NULL; e = e->next) {
    if ((e->permission & p) != p || !entry_alive(e, now) || !scope_covers(&e->scope, target))
      continue;
    if (best == NULL || strlen(e->scope.prefix) > strlen(best->scope.prefix) ||
        (strlen(e->scope.prefix) == strlen(best->scope.prefix) && e->permission < best->permission))
      best = e;
  }
  return best;
}

struct grants_denial **grants_denial_find_locked(struct grants *g, const char *target,
                                                 enum scope_permission p) {
  struct grants_denial **at = &g->synced.denials;

  while (*at != NULL && ((*at)->permission != p || strcmp((*at)->target, target) != 0))
    at = &(*at)->next;
  return at;
}

void grants_denial_drop_locked(struct grants_denial **at) {
  struct grants_denial *d = *at;

  if (d == NULL)
    return;
  *at = d->next;
  grants_denial_free(d);
}

void grants_denial_keep_locked(struct grants *g, const char *target, enum scope_permission p,
                               const struct s3_error *error) {
  struct grants_denial *d = calloc(1, sizeof(*d));

  grants_denial_drop_locked(grants_denial_find_locked(g, target, p));
  if (d == NULL)
    return; /* not remembered: the next asker calls again */
  d->target = strdup(target);
  d->message = strdup(error->message);
  d->request_id = strdup(error->request_id);
  d->permission = p;
  d->until_ms = clock_mono_ms(g->clock) + g->denied_ttl_ms;
  if (d->target == NULL || d->message == NULL || d->request_id == NULL) {
    grants_denial_free(d);
    return;
  }
  d->next = g->synced.denials;
  g->synced.denials = d;
}

bool grants_denial_answers_locked(struct grants *g, const char *target, enum scope_permission p,
                                  struct s3_error *error) {
  struct grants_denial **at = grants_denial_find_locked(g, target, p);

  if (*at == NULL)
    return false;
  if (clock_mono_ms(g->clock) >= (*at)->until_ms) {
    grants_denial_drop_locked(at);
    return false;
  }
  if (error != NULL) {
    char *message = text_printf("%s [request id %s]", (*at)->message, (*at)->request_id);

    s3_error_from_local(error, -EACCES, "AccessDenied", message != NULL ? message : "");
    error->call = "GetDataAccess";
    free(message);
  }
  return true;
}
