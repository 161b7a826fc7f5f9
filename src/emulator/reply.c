/* The reply half of an exchange: headers, documents and error documents.
 *
 * Nothing here fails towards its caller. Memory running out sticks in the body
 * buffer and server.c then sends a bare 500. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

static void drop_content(struct reply *r) {
  buf_reset(&r->body);
  if (r->fd >= 0)
    close(r->fd);
  r->fd = -1;
  r->offset = 0;
  r->length = 0;
}

void reply_header(struct exchange *x, const char *name, const char *value) {
  if (kvlist_set_ci(&x->reply.headers, name, value))
    x->reply.body.err = -ENOMEM;
}

void reply_headerf(struct exchange *x, const char *name, const char *fmt, ...) {
  struct buf b;
  buf_init(&b, 0);
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(&b, fmt, ap);
  va_end(ap);
  reply_header(x, name, buf_cstr(&b));
  buf_fini(&b);
}

void reply_status(struct exchange *x, int status) {
  drop_content(&x->reply);
  x->reply.status = status;
}

struct buf *reply_xml(struct exchange *x, int status) {
  reply_status(x, status);
  reply_header(x, "Content-Type", "application/xml");
  buf_puts(&x->reply.body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  return &x->reply.body;
}

struct buf *reply_json(struct exchange *x, int status) {
  reply_status(x, status);
  reply_header(x, "Content-Type", "application/json");
  return &x->reply.body;
}

static void error_document(struct exchange *x, const char *code, const char *message,
                           const struct kvlist *elements, struct buf *out) {
  if (x->to.service == SERVICE_S3CONTROL)
    xml_open(out, "ErrorResponse");
  xml_open(out, "Error");
  xml_element(out, "Code", code);
  xml_element(out, "Message", message);
  for (size_t i = 0; elements && i < elements->count; i++)
    xml_element(out, elements->items[i].name, elements->items[i].value);
  xml_element(out, "RequestId", x->request_id);
  xml_element(out, "HostId", x->host_id);
  xml_close(out, "Error");
  if (x->to.service == SERVICE_S3CONTROL)
    xml_close(out, "ErrorResponse");
}

static void error_document_query(struct exchange *x, const char *code, const char *message,
                                 struct buf *out) {
  xml_open(out, "ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"");
  xml_open(out, "Error");
  xml_element(out, "Type", x->reply.status < 500 ? "Sender" : "Receiver");
  xml_element(out, "Code", code);
  xml_element(out, "Message", message);
  xml_close(out, "Error");
  xml_element(out, "RequestId", x->request_id);
  xml_close(out, "ErrorResponse");
}

int reply_error_with(struct exchange *x, int status, const char *code, const char *message,
                     const struct kvlist *elements) {
  struct buf *out = reply_xml(x, status);
  free(x->reply.error_code);
  x->reply.error_code = strdup(code);
  if (x->to.service == SERVICE_STS)
    error_document_query(x, code, message, out);
  else
    error_document(x, code, message, elements, out);
  if (x->request.method && strcmp(x->request.method, "HEAD") == 0)
    buf_reset(out);
  return -EPROTO;
}

int reply_error(struct exchange *x, int status, const char *code, const char *fmt, ...) {
  struct buf message;
  buf_init(&message, 0);
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(&message, fmt, ap);
  va_end(ap);
  struct kvlist elements;
  kvlist_init(&elements);
  const struct address *to = &x->to;
  if (to->service == SERVICE_S3 && to->key && *to->key)
    kvlist_add(&elements, "Key", to->key);
  if (to->service == SERVICE_S3 && to->named && *to->named)
    kvlist_add(&elements, "BucketName", to->named);
  if (to->service == SERVICE_S3)
    kvlist_addf(&elements, "Resource", "%s", x->request.path ? x->request.path : "/");
  int err = reply_error_with(x, status, code, buf_cstr(&message), &elements);
  kvlist_fini(&elements);
  buf_fini(&message);
  return err;
}
