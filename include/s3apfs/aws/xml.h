/* XML in and out. Reading uses libxml2 without DTDs, entities or network and
 * matches local names, so namespaces do not matter. Writing is a small checked
 * builder over struct buf. */
#ifndef S3APFS_AWS_XML_H
#define S3APFS_AWS_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"

#define XML_MAX_BYTES ((size_t)32 << 20)
#define XML_MAX_ITEMS ((size_t)1 << 18) /* elements and attributes of one document */

struct xml_doc;
struct xml_node; /* borrowed from its document */

/* Blanks in front of the document are skipped (S3 sends them to keep a slow
 * call's connection alive). -EBADMSG when the text is not well-formed, has a
 * DTD, nests deeper than 64, is not UTF-8, has a single text over 10 MB, or is
 * empty; -E2BIG past XML_MAX_BYTES or XML_MAX_ITEMS; -ENOMEM. xml_free() wipes. */
int xml_parse(const void *text, size_t len, struct xml_doc **out);
/* The document of a reply, whose root has that name. -EBADMSG for any other, and for what
 * xml_parse() refuses; -ENOMEM. */
int xml_parse_reply(const void *text, size_t len, const char *root, struct xml_doc **out);
void xml_free(struct xml_doc *d);
const struct xml_node *xml_root(const struct xml_doc *d);
const char *xml_name(const struct xml_node *n);
/* First child element of that name, or NULL. n may be NULL. */
const struct xml_node *xml_child(const struct xml_node *n, const char *name);
/* First child element (name NULL: any), and the next sibling of the same condition. */
const struct xml_node *xml_first(const struct xml_node *n, const char *name);
const struct xml_node *xml_next(const struct xml_node *n, const char *name);
/* Text in front of the first child element, never NULL ("" for NULL or empty);
 * valid while the document lives. */
const char *xml_text(const struct xml_node *n);
/* Text of the child of that name; "" when absent. */
const char *xml_child_text(const struct xml_node *n, const char *name);
/* Attribute's value by local name, or NULL. */
const char *xml_attr(const struct xml_node *n, const char *name);

/* Writer: escapes text (and bytes XML cannot hold become U+FFFD). */
void xml_open(struct buf *out, const char *name); /* "<name>" ; may carry attributes as given */
void xml_close(struct buf *out, const char *name);
void xml_element(struct buf *out, const char *name, const char *text);
void xml_element_u64(struct buf *out, const char *name, uint64_t v);
void xml_element_bool(struct buf *out, const char *name, bool v);
void xml_escape(struct buf *out, const char *text);

#endif
