/* Provider: keys that were given. */
#include <errno.h>
#include <stdlib.h>

#include "s3apfs/cred/provider.h"

struct static_source {
  struct key_source base;
  struct keys *keys;
};

static int static_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct static_source *self = (struct static_source *)s;

  (void)error;
  *out = keys_ref(self->keys);
  return 0;
}

static void static_destroy(struct key_source *s) {
  struct static_source *self = (struct static_source *)s;

  keys_unref(self->keys);
  free(self);
}

static const struct key_source_ops static_ops = {.get = static_get, .destroy = static_destroy};

int cred_static_new(struct keys *keys, struct key_source **out) {
  struct static_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &static_ops;
  self->keys = keys_ref(keys);
  *out = &self->base;
  return 0;
}
