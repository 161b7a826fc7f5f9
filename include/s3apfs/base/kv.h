/* Ordered list of name/value pairs: HTTP headers, query parameters.
 * Owns copies of both strings. Embedded (`_init/_fini`). Duplicated names are
 * kept in order. Adds return 0 or -ENOMEM. Names match case-insensitively in
 * kvlist_get_ci and byte-wise in kvlist_get. */
#ifndef S3APFS_BASE_KV_H
#define S3APFS_BASE_KV_H

#include <stddef.h>

struct buf;

struct kv {
  char *name;
  char *value;
};

struct kvlist {
  struct kv *items;
  size_t count;
  size_t cap;
};

void kvlist_init(struct kvlist *l);
void kvlist_fini(struct kvlist *l); /* wipes values: they may be tokens */
int kvlist_add(struct kvlist *l, const char *name, const char *value);
int kvlist_addf(struct kvlist *l, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Replaces the first entry of that name (case-insensitively), else adds. */
int kvlist_set_ci(struct kvlist *l, const char *name, const char *value);
void kvlist_remove_ci(struct kvlist *l, const char *name);
/* First value of that name, or NULL. */
const char *kvlist_get(const struct kvlist *l, const char *name);
const char *kvlist_get_ci(const struct kvlist *l, const char *name);
int kvlist_copy(struct kvlist *dst, const struct kvlist *src);

/* One line, "NAME=VALUE&...", percent-encoded; errors stay in the buffer. */
void kvlist_to_text(const struct kvlist *l, struct buf *out);
/* Adds what such a line holds. 0, -EUCLEAN (a pair without "="), or what
 * text_uri_decode() says. */
int kvlist_from_text(const char *text, struct kvlist *out);

#endif
