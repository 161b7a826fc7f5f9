/* The tree reader: a document as nodes in one arena.
 *
 * AWS replies other than listings are small, and their readers want members by
 * name, so a tree it is; it is built from xml_scan()'s events and holds nothing
 * but names, attributes and text. The text of a node is what stands in front of
 * its first child element, pieces joined (CDATA, references, around comments);
 * AWS has no mixed content, and so building stays linear for whoever sends it.
 * The number of elements and attributes is capped, because a short empty element
 * costs twenty times its bytes here.
 *
 * The arena grows in chunks and is wiped when freed: replies carry keys.
 * Threads: a document is immutable once built. */
#include "s3apfs/aws/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xml_scan.h"

/* NOLINTNEXTLINE(misc-redundant-expression): two macros that have to agree */
_Static_assert(XML_MAX_BYTES == XML_SCAN_MAX_BYTES, "the public limit is the scanner's");

#define CHUNK_BYTES ((size_t)16 << 10)

struct chunk {
  struct chunk *next;
  size_t used;
  size_t size;
  _Alignas(max_align_t) char bytes[];
};

struct attr {
  struct attr *next;
  const char *name;
  const char *value;
};

struct xml_node {
  const char *name;
  const char *text; /* NULL: none */
  struct attr *attrs;
  struct xml_node *parent;
  struct xml_node *first;
  struct xml_node *last;
  struct xml_node *next;
};

struct xml_doc {
  struct chunk *chunks;
  struct xml_node *root;
};

struct builder {
  struct xml_doc *doc;
  struct xml_node *open;
  struct buf text; /* pieces not yet stored, of `open` */
  size_t items;
};

static void *arena_alloc(struct xml_doc *d, size_t n) {
  const size_t align = _Alignof(max_align_t);
  struct chunk *c = d->chunks;
  void *out;

  n = (n + align - 1) / align * align;
  if (c == NULL || c->size - c->used < n) {
    size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

    c = malloc(sizeof(*c) + size);
    if (c == NULL)
      return NULL;
    *c = (struct chunk){.next = d->chunks, .size = size};
    d->chunks = c;
  }
  out = c->bytes + c->used;
  c->used += n;
  return out;
}

static char *arena_dup(struct xml_doc *d, const char *s, size_t len) {
  char *copy = arena_alloc(d, len + 1);

  if (copy == NULL)
    return NULL;
  memcpy(copy, s, len);
  copy[len] = '\0';
  return copy;
}

/* Gives the collected text to the open node, unless a child came first. */
static int text_flush(struct builder *b) {
  struct xml_node *n = b->open;
  int rc = buf_error(&b->text);

  if (rc == 0 && n != NULL && n->first == NULL && b->text.len > 0) {
    n->text = arena_dup(b->doc, b->text.data, b->text.len);
    rc = n->text != NULL ? 0 : -ENOMEM;
  }
  buf_reset(&b->text);
  return rc;
}

static int add_attrs(struct xml_doc *d, struct xml_node *n, const struct xml_scan_attr *attrs,
                     size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct attr *a = arena_alloc(d, sizeof(*a));

    if (a == NULL)
      return -ENOMEM;
    a->name = arena_dup(d, attrs[i].name, strlen(attrs[i].name));
    a->value = arena_dup(d, attrs[i].value, attrs[i].value_len);
    if (a->name == NULL || a->value == NULL)
      return -ENOMEM;
    a->next = n->attrs;
    n->attrs = a;
  }
  return 0;
}

static void node_link(struct builder *b, struct xml_node *n) {
  n->parent = b->open;
  if (n->parent == NULL)
    b->doc->root = n;
  else if (n->parent->last == NULL)
    n->parent->first = n;
  else
    n->parent->last->next = n;
  if (n->parent != NULL)
    n->parent->last = n;
  b->open = n;
}

static int build_open(void *arg, const char *name, const struct xml_scan_attr *attrs,
                      size_t count) {
  struct builder *b = arg;
  struct xml_node *n;
  int rc = text_flush(b);

  b->items += 1 + count;
  if (rc == 0 && b->items > XML_MAX_ITEMS)
    rc = -E2BIG;
  if (rc != 0)
    return rc;
  n = arena_alloc(b->doc, sizeof(*n));
  if (n == NULL)
    return -ENOMEM;
  *n = (struct xml_node){.name = arena_dup(b->doc, name, strlen(name))};
  if (n->name == NULL)
    return -ENOMEM;
  node_link(b, n);
  return add_attrs(b->doc, n, attrs, count);
}

static int build_text(void *arg, const char *s, size_t len) {
  struct builder *b = arg;

  buf_append(&b->text, s, len);
  return buf_error(&b->text);
}

static int build_close(void *arg, const char *name) {
  struct builder *b = arg;
  int rc = text_flush(b);

  (void)name;
  b->open = b->open->parent;
  return rc;
}

int xml_parse(const void *text, size_t len, struct xml_doc **out) {
  static const struct xml_events events = {build_open, build_text, build_close};
  struct builder b = {.doc = calloc(1, sizeof(*b.doc))};
  int rc;

  if (b.doc == NULL)
    return -ENOMEM;
  buf_init(&b.text, XML_MAX_BYTES);
  rc = xml_scan(text, len, &events, &b);
  buf_wipe(&b.text);
  if (rc != 0) {
    xml_free(b.doc);
    return rc;
  }
  *out = b.doc;
  return 0;
}

int xml_parse_reply(const void *text, size_t len, const char *root, struct xml_doc **out) {
  struct xml_doc *d = NULL;
  int rc = xml_parse(text, len, &d);

  if (rc != 0)
    return rc == -E2BIG ? -EBADMSG : rc;
  if (strcmp(d->root->name, root) != 0) {
    xml_free(d);
    return -EBADMSG;
  }
  *out = d;
  return 0;
}

void xml_free(struct xml_doc *d) {
  struct chunk *next;

  if (d == NULL)
    return;
  for (struct chunk *c = d->chunks; c != NULL; c = next) {
    next = c->next;
    explicit_bzero(c->bytes, c->used);
    free(c);
  }
  free(d);
}

const struct xml_node *xml_root(const struct xml_doc *d) {
  return d->root;
}

const char *xml_name(const struct xml_node *n) {
  return n->name;
}

static const struct xml_node *match_from(const struct xml_node *n, const char *name) {
  while (n != NULL && name != NULL && strcmp(n->name, name) != 0)
    n = n->next;
  return n;
}

const struct xml_node *xml_child(const struct xml_node *n, const char *name) {
  return n != NULL ? match_from(n->first, name) : NULL;
}

const struct xml_node *xml_first(const struct xml_node *n, const char *name) {
  return xml_child(n, name);
}

const struct xml_node *xml_next(const struct xml_node *n, const char *name) {
  return n != NULL ? match_from(n->next, name) : NULL;
}

const char *xml_text(const struct xml_node *n) {
  return n != NULL && n->text != NULL ? n->text : "";
}

const char *xml_child_text(const struct xml_node *n, const char *name) {
  return xml_text(xml_child(n, name));
}

const char *xml_attr(const struct xml_node *n, const char *name) {
  for (const struct attr *a = n != NULL ? n->attrs : NULL; a != NULL; a = a->next) {
    if (strcmp(a->name, name) == 0)
      return a->value;
  }
  return NULL;
}
