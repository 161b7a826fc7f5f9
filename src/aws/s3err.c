/* From a failed reply to struct s3_error.
 *
 * Three sources, in this order: the error document (S3's <Error>, the wrapped
 * form of STS and S3 Control), the headers (request ids, region, Date), the
 * status. A reply without a document is normal for HEAD; one with another body
 * (a proxy's or portal's page) gives its title as message, and its 404 is not
 * believed: reporting a file as missing because a proxy answered loses data.
 *
 * Nothing in a reply is trusted: texts become one line of bounded length, and a
 * region is taken only when it can be a host name's label. */
#include "s3apfs/aws/s3err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"
#include "s3err_region.h"
#include "xml_scan.h"

#define LINE_MAX_BYTES 4096 /* AWS's longest messages, policy ARNs in them, stay below 3 KiB */
#define PAGE_MAX_BYTES 4096 /* how far a foreign page is looked at */
#define EXCERPT_MAX_BYTES 200

/* What strings are before they are set, so that they are never NULL. */
static char no_text[1];

static void text_release(char *s) {
  if (s != no_text)
    free(s);
}

/* Keeps the old value when memory is short. */
static void text_assign(char **slot, const char *s) {
  char *copy = *s != '\0' ? strdup(s) : no_text;

  if (copy == NULL)
    return;
  text_release(*slot);
  *slot = copy;
}

void s3_error_init(struct s3_error *e) {
  memset(e, 0, sizeof(*e));
  e->code = no_text;
  e->message = no_text;
  e->request_id = no_text;
  e->host_id = no_text;
  e->region = no_text;
}

void s3_error_fini(struct s3_error *e) {
  text_release(e->code);
  text_release(e->message);
  text_release(e->request_id);
  text_release(e->host_id);
  text_release(e->region);
  s3_error_init(e);
}

bool s3_error_is_open(const struct s3_error *e) {
  return e->class == S3_ERR_TRANSIENT || e->class == S3_ERR_THROTTLED;
}

void s3_error_move(struct s3_error *dst, struct s3_error *src) {
  s3_error_fini(dst);
  *dst = *src;
  s3_error_init(src);
}

/* --- one line of text -------------------------------------------------------- */

static size_t cut_at_character(const char *s, size_t len, size_t max) {
  if (len <= max)
    return len;
  while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
    max--;
  return max;
}

/* Runs of blanks and control bytes become one space; at most max bytes. */
static void assign_line(char **slot, const char *s, size_t max) {
  char *line = strdup(s);
  size_t n = 0;

  if (line == NULL)
    return;
  for (; *s != '\0'; s++) {
    bool blank = (unsigned char)*s <= 0x20 || *s == 0x7f;

    if (!blank)
      line[n++] = *s;
    else if (n > 0 && line[n - 1] != ' ')
      line[n++] = ' ';
  }
  n -= n > 0 && line[n - 1] == ' ';
  line[cut_at_character(line, n, max)] = '\0';
  if (!text_is_utf8(line, strlen(line))) {
    for (char *p = line; *p != '\0'; p++)
      *p = (unsigned char)*p < 0x80 ? *p : '?';
  }
  text_assign(slot, line);
  free(line);
}

/* --- the reply's parts --------------------------------------------------------- */

static const char *header_of(const struct kvlist *headers, const char *name) {
  const char *value = headers != NULL ? kvlist_get_ci(headers, name) : NULL;

  return value != NULL ? value : "";
}

static void take_headers(struct s3_error *e, const struct kvlist *headers) {
  const char *id = header_of(headers, "x-amz-request-id");
  const char *region = header_of(headers, "x-amz-bucket-region");

  if (*id == '\0')
    id = header_of(headers, "x-amzn-requestid");
  assign_line(&e->request_id, id, LINE_MAX_BYTES);
  assign_line(&e->host_id, header_of(headers, "x-amz-id-2"), LINE_MAX_BYTES);
  if (s3err_region_is_valid(region))
    text_assign(&e->region, region);
  if (text_parse_http_date(header_of(headers, "date"), &e->server_time) != 0)
    e->server_time = 0;
}

static const struct xml_node *error_element(const struct xml_node *root) {
  if (strcmp(xml_name(root), "Error") == 0)
    return root;
  return strcmp(xml_name(root), "ErrorResponse") == 0 ? xml_child(root, "Error") : NULL;
}

static const char *member_of(const struct xml_node *root, const struct xml_node *error,
                             const char *name) {
  const char *text = xml_child_text(error, name);

  return *text != '\0' ? text : xml_child_text(root, name);
}

static void take_region(struct s3_error *e, const struct xml_node *error) {
  char *guess = NULL;

  if (*e->region == '\0' && s3err_region_is_valid(xml_child_text(error, "Region")))
    text_assign(&e->region, xml_child_text(error, "Region"));
  if (*e->region == '\0')
    guess = s3err_region_of_endpoint(xml_child_text(error, "Endpoint"));
  if (guess != NULL)
    text_assign(&e->region, guess);
  free(guess);
}

/* What AWS's words leave open: what to do about it. */
static void add_hint(struct s3_error *e, const struct xml_node *error) {
  const char *class = xml_child_text(error, "StorageClass");
  const char *between = *e->message != '\0' ? "; " : "";
  char *text = NULL;

  if (strcmp(e->code, "InvalidObjectState") == 0)
    text = text_printf("%s%sthe object is archived%s%s%s; restore it first", e->message, between,
                       *class != '\0' ? " (" : "", class, *class != '\0' ? ")" : "");
  else if (strcmp(e->code, "AccessControlListNotSupported") == 0)
    text = text_printf("%s%sits owner is enforced, which goes with the ACL "
                       "bucket-owner-full-control only",
                       e->message, between);
  if (text != NULL)
    assign_line(&e->message, text, LINE_MAX_BYTES);
  free(text);
}

/* False: not an error document. */
static bool take_document(struct s3_error *e, const void *body, size_t len) {
  struct xml_doc *d = NULL;
  const struct xml_node *root;
  const struct xml_node *error;

  if (body == NULL || len == 0 || xml_parse(body, len, &d) != 0)
    return false;
  root = xml_root(d);
  error = error_element(root);
  if (error != NULL) {
    const char *message = xml_child_text(error, "Message");

    assign_line(&e->code, xml_child_text(error, "Code"), LINE_MAX_BYTES);
    assign_line(&e->message, *message != '\0' ? message : xml_child_text(error, "message"),
                LINE_MAX_BYTES);
    if (*e->request_id == '\0')
      assign_line(&e->request_id, member_of(root, error, "RequestId"), LINE_MAX_BYTES);
    if (*e->host_id == '\0')
      assign_line(&e->host_id, member_of(root, error, "HostId"), LINE_MAX_BYTES);
    take_region(e, error);
    (void)text_parse_iso8601(xml_child_text(error, "ServerTime"), &e->server_time);
    add_hint(e, error);
  }
  xml_free(d);
  return error != NULL;
}

/* --- replies without a document ---------------------------------------------- */

static const char *name_of_status(int status) {
  static const struct {
    int status;
    const char *name;
  } names[] = {
      {301, "PermanentRedirect"},  {302, "TemporaryRedirect"},  {307, "TemporaryRedirect"},
      {308, "PermanentRedirect"},  {400, "BadRequest"},         {401, "Unauthorized"},
      {403, "Forbidden"},          {404, "NotFound"},           {405, "MethodNotAllowed"},
      {407, "ProxyDenied"},        {408, "RequestTimeout"},     {409, "Conflict"},
      {412, "PreconditionFailed"}, {413, "EntityTooLarge"},     {416, "InvalidRange"},
      {429, "TooManyRequests"},    {500, "InternalError"},      {501, "NotImplemented"},
      {502, "BadGateway"},         {503, "ServiceUnavailable"}, {504, "GatewayTimeout"},
  };

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    if (names[i].status == status)
      return names[i].name;
  }
  return "UnexpectedReply";
}

/* Drops <...> in place. */
static void strip_tags(char *s) {
  char *to = s;
  bool inside = false;

  for (; *s != '\0'; s++) {
    if (*s == '<' || *s == '>') {
      inside = *s == '<';
      *to++ = ' ';
    } else if (!inside) {
      *to++ = *s;
    }
  }
  *to = '\0';
}

/* The title of a page, or else its first words. */
static void take_page(struct s3_error *e, const char *body, size_t len) {
  char *page = text_dup_n(body, len < PAGE_MAX_BYTES ? len : PAGE_MAX_BYTES);
  char *excerpt = NULL;
  char *title;
  char *end;

  if (page == NULL)
    return;
  title = strcasestr(page, "<title>");
  end = title != NULL ? strcasestr(title, "</title>") : NULL;
  if (end != NULL)
    *end = '\0';
  strip_tags(end != NULL ? title : page);
  assign_line(&excerpt, end != NULL ? title : page, EXCERPT_MAX_BYTES);
  if (excerpt != NULL)
    e->message = text_printf("not an S3 reply: %s", excerpt);
  if (e->message == NULL)
    e->message = no_text;
  text_release(excerpt);
  free(page);
}

/* --- judging ----------------------------------------------------------------- */

static bool says_signature_too_old(const struct s3_error *e) {
  return strcmp(e->code, "SignatureDoesNotMatch") == 0 &&
         (text_has_prefix(e->message, "Signature expired") ||
          text_has_prefix(e->message, "Signature not yet current"));
}

static void judge_document(struct s3_error *e) {
  s3_error_classify(e->http_status, e->code, &e->class, &e->err);
  if (strcmp(e->code, "AuthorizationHeaderMalformed") == 0 && *e->region == '\0')
    e->class = S3_ERR_FATAL;
  if (says_signature_too_old(e))
    e->class = S3_ERR_SKEW;
  if (*e->code == '\0')
    text_assign(&e->code, name_of_status(e->http_status));
}

/* HEAD says 400 for a wrong region and for expired keys; which one, only the
 * region header tells. */
static void judge_bare(struct s3_error *e, bool has_body) {
  s3_error_classify(e->http_status, "", &e->class, &e->err);
  text_assign(&e->code, name_of_status(e->http_status));
  if (e->http_status == 400 && !has_body) {
    e->class = *e->region != '\0' ? S3_ERR_REGION : S3_ERR_CREDENTIALS;
    e->err = -EACCES;
  }
  if (e->err == -ENOENT && has_body && *e->request_id == '\0')
    e->err = -EIO;
}

void s3_error_from_reply(struct s3_error *e, int http_status, const struct kvlist *headers,
                         const void *body, size_t len) {
  bool has_body = body != NULL && len > 0;

  s3_error_fini(e);
  e->http_status = http_status;
  take_headers(e, headers);
  if (take_document(e, body, len)) {
    judge_document(e);
    return;
  }
  if (has_body)
    take_page(e, body, len);
  judge_bare(e, has_body);
}

void s3_error_from_transport(struct s3_error *e, int err, const char *message) {
  static const struct {
    int err;
    const char *code;
    enum s3_error_class class;
  } rows[] = {
      {-ETIMEDOUT, "ConnectionTimeout", S3_ERR_TRANSIENT},
      {-ECONNREFUSED, "ConnectionRefused", S3_ERR_TRANSIENT},
      {-ECONNRESET, "ConnectionReset", S3_ERR_TRANSIENT},
      {-EPIPE, "ConnectionReset", S3_ERR_TRANSIENT},
      {-EHOSTUNREACH, "HostNotFound", S3_ERR_TRANSIENT},
      {-ENETUNREACH, "NetworkUnreachable", S3_ERR_TRANSIENT},
      {-EPROTO, "ProtocolError", S3_ERR_FATAL},
      {-ECANCELED, "Canceled", S3_ERR_FATAL},
      {-ENOMEM, "OutOfMemory", S3_ERR_FATAL},
  };

  s3_error_fini(e);
  e->err = err < 0 ? err : -EIO;
  e->class = S3_ERR_FATAL;
  text_assign(&e->code, "ConnectionError");
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    if (rows[i].err == err) {
      text_assign(&e->code, rows[i].code);
      e->class = rows[i].class;
    }
  }
  assign_line(&e->message, message != NULL ? message : "", LINE_MAX_BYTES);
}

void s3_error_from_local(struct s3_error *e, int err, const char *code, const char *message) {
  s3_error_from_transport(e, err, message);
  text_assign(&e->code, code);
  e->class = S3_ERR_FATAL;
}

/* --- 200 bodies --------------------------------------------------------------- */

#define FOUND 1
#define OTHER 2

static int root_open(void *arg, const char *name, const struct xml_scan_attr *attrs, size_t count) {
  (void)arg, (void)attrs, (void)count;
  return strcmp(name, "Error") == 0 || strcmp(name, "ErrorResponse") == 0 ? FOUND : OTHER;
}

static int root_text(void *arg, const char *s, size_t len) {
  (void)arg, (void)s, (void)len;
  return 0;
}

static int root_close(void *arg, const char *name) {
  (void)arg, (void)name;
  return 0;
}

bool s3_error_body_is_error(const void *body, size_t len) {
  static const struct xml_events events = {root_open, root_text, root_close};
  const char *s = body;

  if (body == NULL)
    return false;
  while (len > 0 && strchr(" \t\r\n", *s) != NULL && *s != '\0') {
    s++;
    len--;
  }
  /* The root's tag stands at the very beginning. */
  return xml_scan(s, len < 4096 ? len : 4096, &events, NULL) == FOUND;
}

void s3_error_describe(const struct s3_error *e, struct buf *out) {
  if (e->call != NULL)
    buf_printf(out, "%s: ", e->call);
  buf_puts(out, *e->code != '\0' ? e->code : "UnknownError");
  if (e->http_status != 0)
    buf_printf(out, " (HTTP %d)", e->http_status);
  if (*e->message != '\0')
    buf_printf(out, ": %s", e->message);
  if (*e->request_id != '\0')
    buf_printf(out, " [request id %s]", e->request_id);
}
