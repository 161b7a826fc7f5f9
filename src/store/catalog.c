/* The roots of a mount: a small array, searched linearly; each has a place of its own,
 * because others point to it. */
#include "s3apfs/store/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define NAME_BYTES_MAX 255

void catalog_init(struct catalog *c) {
  *c = (struct catalog){0};
}

static bool component_ok(const char *s, size_t len) {
  if (len == 0 || len > NAME_BYTES_MAX || !text_is_utf8(s, len))
    return false;
  return !(len == 1 && s[0] == '.') && !(len == 2 && memcmp(s, "..", 2) == 0);
}

/* "" or names joined by single slashes. */
static bool path_ok(const char *path) {
  if (*path == '\0')
    return true;
  for (;;) {
    size_t len = strcspn(path, "/");

    if (!component_ok(path, len))
      return false;
    if (path[len] == '\0')
      return true;
    path += len + 1;
  }
}

/* outer is inner, or a folder above it. */
static bool path_covers(const char *outer, const char *inner) {
  size_t len = strlen(outer);

  return len == 0 || (strncmp(outer, inner, len) == 0 && (inner[len] == '/' || inner[len] == '\0'));
}

static int catalog_check(const struct catalog *c, const char *path) {
  if (!path_ok(path))
    return -EINVAL;
  for (size_t i = 0; i < c->count; i++) {
    const struct root *r = c->roots[i];

    if (atomic_load(&r->retired))
      continue;
    if (strcmp(r->path, path) == 0)
      return -EEXIST;
    if (path_covers(r->path, path) || path_covers(path, r->path))
      return -ENOTDIR;
  }
  return 0;
}

static struct root *root_new(const char *path, struct store *s, const struct root_options *o) {
  struct root *r = calloc(1, sizeof(*r));

  if (r == NULL)
    return NULL;
  r->path = strdup(path);
  r->store = s;
  r->options = *o;
  if (r->path == NULL) {
    free(r);
    return NULL;
  }
  return r;
}

int catalog_add(struct catalog *c, const char *path, struct store *s,
                const struct root_options *o) {
  struct root **roots;
  struct root *r;
  int rc = catalog_check(c, path);

  if (rc != 0)
    return rc;
  roots = realloc(c->roots, (c->count + 1) * sizeof(struct root *));
  if (roots == NULL)
    return -ENOMEM;
  c->roots = roots;
  r = root_new(path, s, o);
  if (r == NULL)
    return -ENOMEM;
  r->index = c->count;
  s->proof_ms = o->metadata_ttl_ms;
  c->roots[c->count++] = r;
  return 0;
}

void catalog_fini(struct catalog *c) {
  for (size_t i = 0; i < c->count; i++) {
    free(c->roots[i]->path);
    store_free(c->roots[i]->store);
    free(c->roots[i]);
  }
  free(c->roots);
  catalog_init(c);
}
