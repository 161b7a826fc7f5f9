/* The frame of the control planes: finds the operation, reads the body, runs
 * the operation under the world's lock, saves what changed, and writes errors
 * in the form of the service. Any number of threads; an exchange is one call. */
#include "control_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define BODY_MAX ((size_t)1 << 20)
#define PAGE_MAX 1000

#define NS_S3CONTROL "http://awss3control.amazonaws.com/doc/2018-08-20/"
#define NS_STS "https://sts.amazonaws.com/doc/2011-06-15/"
#define NS_IAM "https://iam.amazonaws.com/doc/2010-05-08/"

void control_reply_init(struct control_reply *r) {
  memset(r, 0, sizeof(*r));
  buf_init(&r->body, 0);
}

void control_reply_fini(struct control_reply *r) {
  buf_wipe(&r->body);
}

/* --- writing replies --- */

static const char *plane_namespace(enum control_plane p) {
  return p == CONTROL_S3 ? NS_S3CONTROL : p == CONTROL_STS ? NS_STS : NS_IAM;
}

static void start_document(struct control *c, int status) {
  c->r->status = status;
  c->r->content_type = c->q->plane == CONTROL_S3 ? "application/xml" : "text/xml";
  buf_reset(&c->r->body);
  buf_puts(&c->r->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

static void write_error(struct control *c, const char *code, const char *message) {
  struct buf *b = &c->r->body;

  if (c->q->plane == CONTROL_S3)
    xml_open(b, "ErrorResponse");
  else
    buf_printf(b, "<ErrorResponse xmlns=\"%s\">", plane_namespace(c->q->plane));
  xml_open(b, "Error");
  if (c->q->plane != CONTROL_S3)
    xml_element(b, "Type", c->r->status >= 500 ? "Receiver" : "Sender");
  xml_element(b, "Code", code);
  xml_element(b, "Message", message);
  xml_close(b, "Error");
  xml_element(b, "RequestId", c->q->request_id);
  if (c->q->plane == CONTROL_S3)
    xml_element(b, "HostId", c->q->request_id);
  xml_close(b, "ErrorResponse");
}

void control_write_error(struct control *c, int status, const char *code, const char *fmt, ...) {
  struct buf message;
  va_list ap;

  buf_init(&message, 0);
  va_start(ap, fmt);
  buf_vprintf(&message, fmt, ap);
  va_end(ap);
  start_document(c, status);
  c->r->error_code = code;
  write_error(c, code, buf_cstr(&message));
  buf_fini(&message);
}

/* Query services wrap the result: <XResponse><XResult>...</XResult>
 * <ResponseMetadata/></XResponse>; S3 Control has the result alone. */
struct buf *control_open(struct control *c, const char *root) {
  struct buf *b = &c->r->body;

  start_document(c, 200);
  if (c->q->plane == CONTROL_S3) {
    buf_printf(b, "<%s xmlns=\"%s\">", root, plane_namespace(c->q->plane));
    return b;
  }
  buf_printf(b, "<%sResponse xmlns=\"%s\"><%sResult>", root, plane_namespace(c->q->plane), root);
  return b;
}

void control_close(struct control *c, const char *root) {
  struct buf *b = &c->r->body;

  if (c->q->plane == CONTROL_S3) {
    xml_close(b, root);
    return;
  }
  buf_printf(b, "</%sResult><ResponseMetadata>", root);
  xml_element(b, "RequestId", c->q->request_id);
  buf_printf(b, "</ResponseMetadata></%sResponse>", root);
}

int control_empty(struct control *c, int status) {
  c->r->status = status;
  c->r->content_type = "application/xml";
  buf_reset(&c->r->body);
  return 0;
}

void control_time(struct buf *out, const char *name, int64_t seconds) {
  char text[21];

  text_iso8601(seconds, text);
  xml_element(out, name, text);
}

void control_write_credentials(struct buf *out, const struct credential *session) {
  xml_open(out, "Credentials");
  xml_element(out, "AccessKeyId", session->id);
  xml_element(out, "SecretAccessKey", session->secret);
  xml_element(out, "SessionToken", session->token);
  control_time(out, "Expiration", session->expiration);
  xml_close(out, "Credentials");
}

/* --- lists: the token is the position, in base64 so that nobody counts on it --- */

struct page {
  size_t first, last; /* [first, last) */
};

static int parse_token(const char *token, size_t *at) {
  struct buf text;
  uint64_t v = 0;
  int rc;

  buf_init(&text, 64);
  rc = text_unbase64(&text, token);
  if (rc == 0)
    rc =
        text_has_prefix(buf_cstr(&text), "at:") ? text_parse_u64(buf_cstr(&text) + 3, &v) : -EINVAL;
  buf_fini(&text);
  if (rc == 0)
    *at = (size_t)v;
  return rc;
}

static int read_page(struct control *c, size_t count, struct page *out) {
  const char *token = kvlist_get(c->q->query, "nextToken");
  const char *max = kvlist_get(c->q->query, "maxResults");
  uint64_t limit = PAGE_MAX;
  size_t first = 0;

  if (max != NULL && (text_parse_u64(max, &limit) != 0 || limit > PAGE_MAX))
    return control_error(c, 400, "InvalidRequest", "maxResults must be from 0 to %d.", PAGE_MAX);
  if (limit == 0)
    limit = PAGE_MAX;
  if (token != NULL && *token != '\0' && parse_token(token, &first) != 0)
    return control_error(c, 400, "InvalidToken", "The continuation token is not valid.");
  out->first = first < count ? first : count;
  out->last = limit < count - out->first ? out->first + (size_t)limit : count;
  return 0;
}

static void write_token(struct buf *out, size_t at) {
  struct buf plain;
  struct buf coded;

  buf_init(&plain, 0);
  buf_init(&coded, 0);
  buf_printf(&plain, "at:%zu", at);
  text_base64(&coded, plain.data, plain.len);
  xml_element(out, "NextToken", buf_cstr(&coded));
  buf_fini(&plain);
  buf_fini(&coded);
}

int control_write_list(struct control *c, const struct control_list *l, const void *of) {
  struct page page;
  struct buf *out;
  size_t count = 0;
  size_t i = 0;
  int rc;

  for (const void *p = l->next(c, of, NULL); p != NULL; p = l->next(c, of, p))
    count++;
  rc = read_page(c, count, &page);
  if (rc != 0)
    return rc;
  out = control_open(c, l->root);
  xml_open(out, l->list);
  for (const void *p = l->next(c, of, NULL); i < page.last; p = l->next(c, of, p), i++) {
    if (i < page.first)
      continue;
    xml_open(out, l->item);
    l->write(out, p);
    xml_close(out, l->item);
  }
  xml_close(out, l->list);
  if (page.last < count)
    write_token(out, page.last);
  control_close(c, l->root);
  return 0;
}

/* --- finding and running --- */

static void parse_pair(struct kvlist *out, const char *s, size_t len, int *rc) {
  const char *eq = memchr(s, '=', len);
  size_t name_len = eq != NULL ? (size_t)(eq - s) : len;
  struct buf name;
  struct buf value;

  buf_init(&name, 0);
  buf_init(&value, 0);
  *rc = text_uri_decode(&name, s, name_len, true);
  if (*rc == 0 && eq != NULL)
    *rc = text_uri_decode(&value, eq + 1, len - name_len - 1, true);
  if (*rc == 0)
    *rc = kvlist_add(out, buf_cstr(&name), buf_cstr(&value));
  buf_wipe(&name);
  buf_wipe(&value);
}

/* The form of a query service: the body of a POST, or the query of a GET. */
static int parse_form(const struct control_request *q, struct kvlist *out) {
  const char *at = q->body;
  const char *end = q->body + q->body_len;
  int rc = 0;

  if (q->body_len == 0)
    return kvlist_copy(out, q->query);
  while (rc == 0 && at < end) {
    const char *amp = memchr(at, '&', (size_t)(end - at));
    size_t len = amp != NULL ? (size_t)(amp - at) : (size_t)(end - at);

    if (len > 0)
      parse_pair(out, at, len, &rc);
    at += len + 1;
  }
  return rc;
}

static const struct control_operation *find_query_operation(const struct control_request *q,
                                                            const struct kvlist *form) {
  const char *action = kvlist_get(form, "Action");

  if (action == NULL)
    return NULL;
  return q->plane == CONTROL_STS ? sts_find(action) : iam_find(action);
}

const char *control_operation_name(const struct control_request *q) {
  const struct control_operation *op = NULL;
  struct kvlist form;
  const char *id;
  size_t id_len;

  if (q->plane == CONTROL_S3) {
    op = s3control_find(q, &id, &id_len);
    return op != NULL ? op->name : "Unknown";
  }
  kvlist_init(&form);
  if (parse_form(q, &form) == 0)
    op = find_query_operation(q, &form);
  kvlist_fini(&form);
  return op != NULL ? op->name : "Unknown";
}

static void run(struct control *c, const struct control_operation *op) {
  bool changed;

  world_lock(c->w);
  c->caller =
      c->q->access_key_id != NULL ? world_live_credential_locked(c->w, c->q->access_key_id) : NULL;
  if (c->q->access_key_id != NULL && c->caller == NULL)
    control_write_error(c, 403,
                        c->q->plane == CONTROL_S3 ? "InvalidAccessKeyId" : "InvalidClientTokenId",
                        "The access key is no longer valid.");
  else
    op->run(c);
  changed = c->changed && c->r->status < 300;
  if (changed)
    world_touch_locked(c->w);
  world_unlock(c->w);
  if (changed && world_save(c->w) != 0)
    control_write_error(c, 500, "InternalError", "The change could not be written to disk.");
}

static void handle_s3control(struct control *c) {
  struct xml_doc *doc = NULL;
  const char *id = NULL;
  size_t id_len = 0;
  const struct control_operation *op = s3control_find(c->q, &id, &id_len);

  if (op == NULL) {
    control_write_error(c, 405, "MethodNotAllowed",
                        "The specified method is not allowed against this resource.");
    return;
  }
  if (c->q->body_len > BODY_MAX ||
      (c->q->body_len > 0 && xml_parse(c->q->body, c->q->body_len, &doc) != 0)) {
    control_write_error(c, 400, "MalformedXML",
                        "The XML you provided was not well-formed or did not validate against our "
                        "published schema");
    return;
  }
  c->body = doc != NULL ? xml_root(doc) : NULL;
  c->id = id_len > 0 ? text_dup_n(id, id_len) : NULL;
  if (id_len > 0 && c->id == NULL)
    (void)control_no_memory(c);
  else
    run(c, op);
  free(c->id);
  xml_free(doc);
}

static void handle_query_service(struct control *c) {
  const struct control_operation *op;
  struct kvlist form;
  const char *action;

  kvlist_init(&form);
  c->params = &form;
  if (c->q->body_len > BODY_MAX || parse_form(c->q, &form) != 0) {
    control_write_error(c, 400, "MalformedQueryString",
                        "The query string contains a syntax error.");
    kvlist_fini(&form);
    return;
  }
  action = kvlist_get(&form, "Action");
  op = find_query_operation(c->q, &form);
  if (op == NULL)
    control_write_error(c, 400, action == NULL ? "MissingAction" : "InvalidAction",
                        "Could not find operation %s.", action == NULL ? "(none)" : action);
  else
    run(c, op);
  kvlist_fini(&form);
}

void control_handle(struct world *w, const struct control_request *q, struct control_reply *r) {
  struct control c = {.w = w, .q = q, .r = r};

  if (q->plane == CONTROL_S3)
    handle_s3control(&c);
  else
    handle_query_service(&c);
  if (buf_error(&r->body) != 0 || r->status == 0) {
    log_error("%s: the reply could not be built", control_operation_name(q));
    buf_reset(&r->body);
    r->status = 500;
    r->content_type = "application/xml";
    r->error_code = "InternalError";
  }
}
