/* The only place that drives libxml2's parser, and where it is locked down.
 *
 * Replies come from whoever answers on the wire, so: the parser runs without a
 * DTD (a DOCTYPE stops it), hence without entities beyond the five predefined
 * ones; without network access; without its "huge" mode (text of one element
 * ends at 10 MB); always as UTF-8, whatever the declaration claims, so that no
 * converter of the C library is involved; depth and size are capped here.
 * libxml2 reports through a handler that drops the message: nothing reaches
 * stderr. It parses its own copy of the text; replies may hold keys, so what is
 * left of that copy is wiped.
 *
 * Threads: pure; libxml2's global set-up is done once. */
#include "xml_scan.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ATTRS_MAX 32 /* AWS uses at most two; more is not one of its replies */

#if LIBXML_VERSION >= 21200
typedef const xmlError *parser_error;
#else
typedef xmlErrorPtr parser_error;
#endif

struct scan {
  const struct xml_events *ev;
  void *arg;
  xmlParserCtxtPtr ctxt;
  unsigned depth;
  int rc;
};

static void scan_stop(struct scan *s, int rc) {
  if (rc == 0 || s->rc != 0)
    return;
  s->rc = rc;
  xmlStopParser(s->ctxt);
}

/* libxml2 hands attributes over as five pointers each: local name, prefix,
 * namespace, begin and end of the value. */
static void on_open(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                    int ns_count, const xmlChar **ns, int attr_count, int defaulted,
                    const xmlChar **raw) {
  struct scan *s = user;
  struct xml_scan_attr attrs[ATTRS_MAX];

  (void)prefix, (void)uri, (void)ns_count, (void)ns, (void)defaulted;
  if (s->rc != 0)
    return;
  if (++s->depth > XML_SCAN_MAX_DEPTH || attr_count > ATTRS_MAX) {
    scan_stop(s, -EBADMSG);
    return;
  }
  for (int i = 0; i < attr_count; i++) {
    const xmlChar **a = raw + (size_t)i * 5;

    attrs[i].name = (const char *)a[0];
    attrs[i].value = (const char *)a[3];
    attrs[i].value_len = (size_t)(a[4] - a[3]);
  }
  scan_stop(s, s->ev->open(s->arg, (const char *)name, attrs, (size_t)attr_count));
}

static void on_close(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
  struct scan *s = user;

  (void)prefix, (void)uri;
  if (s->rc != 0)
    return;
  s->depth--;
  scan_stop(s, s->ev->close(s->arg, (const char *)name));
}

static void on_text(void *user, const xmlChar *text, int len) {
  struct scan *s = user;

  if (s->rc == 0)
    scan_stop(s, s->ev->text(s->arg, (const char *)text, (size_t)len));
}

static void on_dtd(void *user, const xmlChar *name, const xmlChar *external,
                   const xmlChar *system) {
  (void)name, (void)external, (void)system;
  scan_stop(user, -EBADMSG);
}

static void on_error(void *user, parser_error error) {
  (void)user, (void)error;
}

static void library_set_up(void) {
  xmlInitParser();
}

/* Where the document starts, when its first bytes can only be UTF-8. */
static const char *document_start(const char *text, size_t *len) {
  if (*len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    *len -= 3;
  }
  while (*len > 0 && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
    text++;
    *len -= 1;
  }
  return *len >= 4 && *text == '<' && memchr(text, '\0', 4) == NULL ? text : NULL;
}

static void wipe_input(xmlParserInputPtr input) {
  if (input != NULL && input->base != NULL && input->end > input->base)
    explicit_bzero((void *)(uintptr_t)input->base, (size_t)(input->end - input->base));
}

static int scan_run(struct scan *s) {
  xmlSAXHandler sax = {
      .initialized = XML_SAX2_MAGIC,
      .startElementNs = on_open,
      .endElementNs = on_close,
      .characters = on_text,
      .ignorableWhitespace = on_text,
      .cdataBlock = on_text,
      .internalSubset = on_dtd,
      .serror = on_error,
  };

  xmlCtxtUseOptions(s->ctxt, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOERROR |
                                 XML_PARSE_NOWARNING);
  *s->ctxt->sax = sax;
  s->ctxt->userData = s;
  xmlParseDocument(s->ctxt);
  if (s->rc == 0 && s->ctxt->errNo == XML_ERR_NO_MEMORY)
    s->rc = -ENOMEM;
  if (s->rc == 0 && s->ctxt->wellFormed == 0)
    s->rc = -EBADMSG;
  wipe_input(s->ctxt->input);
  /* A DTD behind an earlier error is still read, into a document of its own. */
  xmlFreeDoc(s->ctxt->myDoc);
  s->ctxt->myDoc = NULL;
  return s->rc;
}

int xml_scan(const void *text, size_t len, const struct xml_events *ev, void *arg) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct scan s = {.ev = ev, .arg = arg};
  const char *start;
  int rc;

  if (len > XML_SCAN_MAX_BYTES)
    return -E2BIG;
  start = text != NULL ? document_start(text, &len) : NULL;
  if (start == NULL)
    return -EBADMSG;
  pthread_once(&once, library_set_up);
  s.ctxt = xmlCreateMemoryParserCtxt(start, (int)len);
  if (s.ctxt == NULL)
    return -ENOMEM;
  rc = scan_run(&s);
  xmlFreeParserCtxt(s.ctxt);
  return rc;
}
