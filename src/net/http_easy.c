/* HTTP engine: one transfer as libcurl sees it: options, the callbacks that
 * libcurl makes on the event thread, and the errno for what libcurl says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define RECEIVE_BUFFER (128L << 10)   /* eight TLS records; one a running transfer */
#define SEND_BUFFER (512L << 10)      /* a round of the event loop sends at most one of these */
#define MAX_HEADER_BYTES (64UL << 10) /* S3 allows 8 KiB of its own, 2 KiB of the user's */

/* --- what libcurl calls -------------------------------------------------------- */

static size_t stop(struct http_transfer *t, int err, const char *why) {
  t->stopped = err;
  t->why = why;
  return 0; /* differs from any size: libcurl ends the transfer */
}

static int parse_status(const char *line, size_t len, int *out) {
  const char *sp = memchr(line, ' ', len);
  const char *end = line + len;

  if (sp == NULL || end - sp < 4)
    return -EPROTO;
  for (int i = 1; i <= 3; i++)
    if (sp[i] < '0' || sp[i] > '9')
      return -EPROTO;
  *out = (sp[1] - '0') * 100 + (sp[2] - '0') * 10 + (sp[3] - '0');
  return *out >= 100 ? 0 : -EPROTO;
}

static int add_reply_header(struct http_transfer *t, const char *line, size_t len) {
  const char *colon = memchr(line, ':', len);
  char *copy;
  int rc;

  if (colon == NULL || colon == line || line[0] == ' ' || line[0] == '\t' ||
      memchr(line, '\0', len) != NULL)
    return -EPROTO;
  copy = text_dup_n(line, len);
  if (copy == NULL)
    return -ENOMEM;
  copy[colon - line] = '\0';
  rc = kvlist_add(&t->reply.headers, text_trim(copy), text_trim(copy + (colon - line) + 1));
  explicit_bzero(copy, len);
  free(copy);
  return rc;
}

static int head_complete(struct http_transfer *t) {
  if (t->reply.status < 200) {
    t->header_state = HEADERS_INTERIM;
    return 0;
  }
  t->header_state = HEADERS_DONE;
  return t->on_headers != NULL ? t->on_headers(t->arg, &t->reply) : 0;
}

static int head_line(struct http_transfer *t, const char *line, size_t len) {
  if (len == 0)
    return head_complete(t);
  if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
    kvlist_fini(&t->reply.headers);
    t->header_state = HEADERS_OPEN;
    return parse_status(line, len, &t->reply.status);
  }
  return add_reply_header(t, line, len);
}

/* One line with its end; lines after the head are trailers, which nobody uses. */
static size_t on_header(char *data, size_t size, size_t count, void *arg) {
  struct http_transfer *t = arg;
  size_t all = size * count;
  size_t len = all;
  int rc;

  if (t->header_state == HEADERS_DONE)
    return all;
  t->header_bytes += all;
  if (t->header_bytes > MAX_HEADER_BYTES)
    return stop(t, -EPROTO, "the reply's headers are too long");
  while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
    len--;
  rc = head_line(t, data, len);
  if (rc != 0)
    return stop(t, rc, rc == -EPROTO ? "malformed reply header" : NULL);
  return all;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg) {
  struct http_transfer *t = arg;
  size_t len = size * count;
  struct bandwidth *limit = t->loop->engine->down;
  int rc;

  if (limit != NULL && len > 0 && !http_turn_take(t, limit, len))
    return CURL_WRITEFUNC_PAUSE;
  rc = t->on_data != NULL && len > 0 ? t->on_data(t->arg, data, len) : 0;
  return rc == 0 ? len : stop(t, rc, NULL);
}

/* The body, where sending is limited. */
static size_t on_send(char *data, size_t size, size_t count, void *arg) {
  struct http_transfer *t = arg;
  struct bandwidth *limit = t->loop->engine->up;
  size_t len = size * count;

  if (len > bandwidth_piece(limit))
    len = bandwidth_piece(limit);
  if (len > t->body_len - t->sent)
    len = t->body_len - t->sent;
  if (len > 0 && !http_turn_take(t, limit, len))
    return CURL_READFUNC_PAUSE;
  memcpy(data, (const char *)t->body + t->sent, len);
  t->sent += len;
  return len;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* Also when libcurl sends once more by itself. */
static int before_sending(void *arg, char *to, char *from, int to_port, int from_port) {
  struct http_transfer *t = arg;

  (void)to;
  (void)from;
  (void)to_port;
  (void)from_port;
  t->reply.again = t->sendings++ > 0;
  return CURL_PREREQFUNC_OK;
}
#endif

/* A connection that had ended meanwhile: once more from the beginning. */
static int on_rewind(void *arg, curl_off_t offset, int origin) {
  struct http_transfer *t = arg;

  if (origin != SEEK_SET || offset < 0 || (size_t)offset > t->body_len)
    return CURL_SEEKFUNC_FAIL;
  t->sent = (size_t)offset;
  return CURL_SEEKFUNC_OK;
}

static bool is_secret_header(const char *line) {
  static const char *const names[] = {"authorization:",
                                      "x-amz-security-token:",
                                      "x-amz-s3session-token:",
                                      "x-amz-sso_bearer_token:",
                                      "x-aws-ec2-metadata-token:",
                                      "x-amz-server-side-encryption-customer-key:",
                                      "x-amz-copy-source-server-side-encryption-customer-key:",
                                      "proxy-authorization:"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strncasecmp(line, names[i], strlen(names[i])) == 0)
      return true;
  return false;
}

static void log_head(const char *mark, const char *data, size_t len) {
  char *copy = text_dup_n(data, len);
  char *save = NULL;

  if (copy == NULL)
    return;
  for (char *line = strtok_r(copy, "\r\n", &save); line != NULL;
       line = strtok_r(NULL, "\r\n", &save)) {
    if (is_secret_header(line))
      log_debug("http %s %.*s: (hidden)", mark, (int)strcspn(line, ":"), line);
    else
      log_debug("http %s %s", mark, line);
  }
  explicit_bzero(copy, len);
  free(copy);
}

static int on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *arg) {
  (void)easy;
  (void)arg;
  if (type == CURLINFO_HEADER_OUT)
    log_head(">", data, len);
  else if (type == CURLINFO_HEADER_IN)
    log_head("<", data, len);
  return 0;
}

/* --- options ------------------------------------------------------------------- */

bool http_host_is_local(const char *host) {
  static const char *const prefixes[] = {"127.", "169.254.", "[::1]", "[fe80:", "[fd00:ec2:"};
  size_t len;

  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
    if (strncasecmp(host, prefixes[i], strlen(prefixes[i])) == 0)
      return true;
  len = strcspn(host, ":/?#");
  return (len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
         (len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0);
}

bool http_url_is_local(const char *url) {
  const char *at = strstr(url, "://");

  return at != NULL && http_host_is_local(at + 3);
}

static void set_protocols(CURL *c) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_tls(CURL *c, const struct http_engine *e) {
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (e->ca_bundle == NULL)
    return;
  /* The bundle replaces the system's store, it does not add to it. */
  curl_easy_setopt(c, CURLOPT_CAINFO, e->ca_is_dir ? NULL : e->ca_bundle);
  curl_easy_setopt(c, CURLOPT_CAPATH, e->ca_is_dir ? e->ca_bundle : NULL);
}

static void set_connection(CURL *c, const struct http_engine *e, const struct http_transfer *t) {
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE,
                   e->down != NULL ? (long)bandwidth_piece(e->down) : RECEIVE_BUFFER);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)e->connect_timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A name server that is silent keeps getaddrinfo() for long after a transfer's end: never wait
   * for it here. */
  curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#endif
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (e->connect_to != NULL)
    curl_easy_setopt(c, CURLOPT_CONNECT_TO, e->connect_to);
  if (t->direct || e->connect_direct)
    curl_easy_setopt(c, CURLOPT_PROXY, "");
}

static void set_callbacks(CURL *c, const struct http_engine *e, struct http_transfer *t) {
  curl_easy_setopt(c, CURLOPT_PRIVATE, t);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->message);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
#if LIBCURL_VERSION_NUM >= 0x075000
  curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_sending);
  curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
#endif
  if (e->verbose) {
    curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_debug);
  }
}

static void set_sending(CURL *c, struct http_transfer *t) {
  t->sent = 0;
  curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
  curl_easy_setopt(c, CURLOPT_READDATA, t);
  curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_rewind);
  curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
}

static void set_method(CURL *c, struct http_transfer *t) {
  bool sends = t->body_len > 0 || strcmp(t->method, "PUT") == 0 || strcmp(t->method, "POST") == 0;

  if (strcmp(t->method, "HEAD") == 0) {
    curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    return;
  }
  if (sends) {
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    if (t->body_len > SEND_BUFFER)
      curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
    if (t->loop->engine->up != NULL && t->body_len > 0)
      set_sending(c, t);
    else
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->body_len > 0 ? t->body : "");
  }
  if (strcmp(t->method, sends ? "POST" : "GET") != 0)
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method);
}

int http_easy_setup(struct http_engine *e, struct http_transfer *t) {
  CURL *c = t->easy;

  if (curl_easy_setopt(c, CURLOPT_URL, t->url) != CURLE_OK)
    return -ENOMEM;
  curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_USERAGENT, e->user_agent);
  set_protocols(c);
  set_tls(c, e);
  set_connection(c, e, t);
  set_callbacks(c, e, t);
  set_method(c, t);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
  return 0;
}

/* --- results ------------------------------------------------------------------- */

static int connect_errno(CURL *c) {
  long os = 0;

  curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &os);
  switch (os) {
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
    return -EHOSTUNREACH;
  case ETIMEDOUT:
    return -ETIMEDOUT;
  default:
    return -ECONNREFUSED;
  }
}

/* A handshake that the network broke says nothing about trust: it may be tried
 * again, while a refused certificate may not. */
static int handshake_errno(const struct http_transfer *t) {
  static const char *const broken[] = {"SSL_ERROR_SYSCALL", "Connection reset", "Broken pipe",
                                       "unexpected eof", "SSL_ERROR_ZERO_RETURN"};

  for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
    if (strstr(t->message, broken[i]) != NULL)
      return -ECONNRESET;
  return -EPROTO;
}

static int code_errno(const struct http_transfer *t, CURLcode code) {
  switch (code) {
  case CURLE_OK:
    return t->header_state == HEADERS_DONE ? 0 : -EPROTO;
  case CURLE_COULDNT_CONNECT:
    return connect_errno(t->easy);
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
    return -EHOSTUNREACH;
  case CURLE_OPERATION_TIMEDOUT:
    return -ETIMEDOUT;
  case CURLE_RECV_ERROR: /* also its code for broken chunk framing */
    return strstr(t->message, "chunk") != NULL ? -EPROTO : -ECONNRESET;
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_PARTIAL_FILE:
    return -ECONNRESET;
  case CURLE_SSL_CONNECT_ERROR:
    return handshake_errno(t);
  case CURLE_OUT_OF_MEMORY:
    return -ENOMEM;
  case CURLE_URL_MALFORMAT:
    return -EINVAL;
  default:
    return -EPROTO;
  }
}

int http_easy_errno(struct http_transfer *t, CURLcode code) {
  if (t->stopped != 0)
    return t->stopped;
  if (code != CURLE_OK && t->message[0] == '\0')
    snprintf(t->message, sizeof(t->message), "%s", curl_easy_strerror(code));
  return code_errno(t, code);
}
