/* Provider: the first of several that has something configured.
 *
 * Until one has delivered, each get asks in order and stops at the first answer
 * that is not "nothing configured". Afterwards the chain is bound to that one:
 * if its configuration goes away, that is an error, not a change of identity.
 * The binding is an atomic index; nothing else changes. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "s3apfs/cred/provider.h"

struct chain_link {
  char *name;
  struct key_source *source;
};

struct chain {
  struct key_source base;
  struct chain_link *links;
  size_t count;
  atomic_long bound; /* index, or -1 */
};

static int bound_get(struct chain_link *l, struct keys **out, struct s3_error *error) {
  int rc = key_source_get(l->source, out, error);

  if (rc != -ENOENT)
    return rc;
  return cred_fail(error, -EACCES, CRED_INVALID,
                   "the credentials used so far are no longer configured (%s)", l->name);
}

/* The last link's own reason is told too: a service that did not answer may have
 * been meant. */
static int fail_none(const struct chain *self, struct s3_error *error) {
  struct buf names;
  int rc;

  buf_init(&names, 0);
  for (size_t i = 0; i < self->count; i++)
    buf_printf(&names, "%s%s", i > 0 ? ", " : "", self->links[i].name);
  rc = cred_fail(error, -ENOENT, CRED_NONE, "no AWS credentials are configured; looked at: %s (%s)",
                 buf_cstr(&names), error != NULL ? error->message : "");
  buf_fini(&names);
  return rc;
}

static int chain_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct chain *self = (struct chain *)s;
  long bound = atomic_load(&self->bound);

  if (bound >= 0)
    return bound_get(&self->links[bound], out, error);
  for (size_t i = 0; i < self->count; i++) {
    int rc = key_source_get(self->links[i].source, out, error);

    if (rc == 0)
      atomic_compare_exchange_strong(&self->bound, &bound, (long)i);
    if (rc != -ENOENT)
      return rc;
  }
  return fail_none(self, error);
}

static void chain_expired(struct key_source *s, const struct keys *k) {
  struct chain *self = (struct chain *)s;
  long bound = atomic_load(&self->bound);

  if (bound >= 0)
    key_source_expired(self->links[bound].source, k);
}

static void chain_destroy(struct key_source *s) {
  struct chain *self = (struct chain *)s;

  for (size_t i = 0; i < self->count; i++) {
    key_source_free(self->links[i].source);
    free(self->links[i].name);
  }
  free(self->links);
  free(self);
}

static const struct key_source_ops chain_ops = {chain_get, chain_expired, chain_destroy};

int cred_chain_new(const struct cred_link *links, size_t count, struct key_source **out) {
  struct chain *self = calloc(1, sizeof(*self));
  bool whole = true;

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &chain_ops;
  atomic_init(&self->bound, -1);
  self->links = calloc(count > 0 ? count : 1, sizeof(*self->links));
  if (self->links == NULL) {
    free(self);
    return -ENOMEM;
  }
  for (; whole && self->count < count; self->count++)
    whole = (self->links[self->count].name = strdup(links[self->count].name)) != NULL;
  if (!whole) { /* the sources stay the caller's */
    chain_destroy(&self->base);
    return -ENOMEM;
  }
  for (size_t i = 0; i < count; i++)
    self->links[i].source = links[i].source;
  *out = &self->base;
  return 0;
}
