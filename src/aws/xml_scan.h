/* One pass over hostile XML as open/text/close events; the tree reader and the
 * listing codec stand on it. */
#ifndef S3APFS_AWS_XML_SCAN_H
#define S3APFS_AWS_XML_SCAN_H

#include <stddef.h>

#define XML_SCAN_MAX_BYTES ((size_t)32 << 20)
#define XML_SCAN_MAX_DEPTH 64

struct xml_scan_attr {
  const char *name;  /* local name */
  const char *value; /* value_len bytes, not terminated */
  size_t value_len;
};

/* Names are local names. Everything is valid during the event only. A value
 * other than 0 stops the scan and becomes its result. Text comes in pieces:
 * CDATA, references and long runs are separate events. */
struct xml_events {
  int (*open)(void *arg, const char *name, const struct xml_scan_attr *attrs, size_t count);
  int (*text)(void *arg, const char *s, size_t len);
  int (*close)(void *arg, const char *name);
};

/* Blanks and a byte order mark in front are skipped (S3 keeps connections alive
 * with blanks). 0; -EBADMSG: not well-formed, a DTD, deeper than XML_SCAN_MAX_DEPTH,
 * not UTF-8, empty; -E2BIG past XML_SCAN_MAX_BYTES; -ENOMEM; or what an event gave.
 * Events that came before an error was found have been delivered. */
int xml_scan(const void *text, size_t len, const struct xml_events *ev, void *arg);

#endif
