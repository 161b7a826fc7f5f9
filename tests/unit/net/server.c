/* The scripted server. An accepting thread, a thread for each connection; all
 * are joined by server_stop(), which wakes those that hold by shutting their
 * sockets down. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define MAX_HEAD 65536

struct server_conn {
  struct server *server;
  pthread_t thread;
  unsigned index;
  int fd;
  SSL *ssl;
  bool closed;
};

struct server {
  int fd;
  unsigned port;
  pthread_t thread;
  server_script script;
  void *arg;
  SSL_CTX *ctx;
  char ca_file[64];
  pthread_mutex_t lock;
  bool stop;
  unsigned requests;
  unsigned count;
  struct server_conn conns[MAX_CONNECTIONS];
};

static void die(const char *what) {
  fprintf(stderr, "test server: %s: %s\n", what, strerror(errno));
  abort();
}

static int listen_loopback(unsigned *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(a);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, (struct sockaddr *)&a, &len) != 0)
    die("listen");
  *port = ntohs(a.sin_port);
  return fd;
}

unsigned closed_port(void) {
  unsigned port;

  close(listen_loopback(&port));
  return port;
}

static void make_certificate(struct server *s) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *x = X509_new();
  X509_EXTENSION *san =
      X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,DNS:*.localhost");
  int fd;
  FILE *f;

  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             (const unsigned char *)"localhost", -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  X509_add_ext(x, san, -1);
  if (X509_sign(x, key, EVP_sha256()) == 0)
    die("X509_sign");
  snprintf(s->ca_file, sizeof(s->ca_file), "/tmp/s3apfs-test-ca-XXXXXX");
  fd = mkstemp(s->ca_file);
  f = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (f == NULL || PEM_write_X509(f, x) != 1 || fclose(f) != 0)
    die("certificate file");
  s->ctx = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate(s->ctx, x) != 1 || SSL_CTX_use_PrivateKey(s->ctx, key) != 1)
    die("certificate");
  X509_EXTENSION_free(san);
  X509_free(x);
  EVP_PKEY_free(key);
}

static ssize_t conn_read(struct server_conn *c, char *at, size_t room) {
  if (c->ssl != NULL)
    return SSL_read(c->ssl, at, (int)room);
  return recv(c->fd, at, room, 0);
}

void conn_send(struct server_conn *c, const char *bytes, size_t len) {
  while (len > 0 && !c->closed) {
    ssize_t n =
        c->ssl != NULL ? SSL_write(c->ssl, bytes, (int)len) : send(c->fd, bytes, len, MSG_NOSIGNAL);

    if (n <= 0) {
      c->closed = true;
      return;
    }
    bytes += n;
    len -= (size_t)n;
  }
}

void conn_puts(struct server_conn *c, const char *text) {
  conn_send(c, text, strlen(text));
}

void conn_reply(struct server_conn *c, int status, const char *headers, const char *body) {
  char head[4096];

  snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n", status,
           strlen(body), headers);
  conn_puts(c, head);
  conn_puts(c, body);
}

void conn_close(struct server_conn *c) {
  c->closed = true;
}

void conn_reset(struct server_conn *c) {
  struct linger l = {1, 0};

  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
  c->closed = true;
}

void conn_hold(struct server_conn *c) {
  char sink[4096];

  while (conn_read(c, sink, sizeof(sink)) > 0)
    ;
  c->closed = true;
}

void request_header(const struct server_request *r, const char *name, char *out, size_t size) {
  size_t len = strlen(name);

  out[0] = '\0';
  for (const char *at = strstr(r->head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
    at += 2;
    if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
      at += len + 1;
      at += strspn(at, " ");
      snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
      return;
    }
  }
}

struct message {
  char *text;
  size_t len;
  size_t cap;
};

/* Reads until `want` bytes are there (0: until the head is complete). */
static bool fill(struct server_conn *c, struct message *m, size_t want) {
  while (want != 0 ? m->len < want : strstr(m->text, "\r\n\r\n") == NULL) {
    ssize_t n;

    if (m->cap - m->len < MAX_HEAD) {
      m->cap = m->cap * 2 + 2 * MAX_HEAD;
      m->text = realloc(m->text, m->cap);
      if (m->text == NULL)
        die("realloc");
    }
    n = conn_read(c, m->text + m->len, m->cap - m->len - 1);
    if (n <= 0)
      return false;
    m->len += (size_t)n;
    m->text[m->len] = '\0';
  }
  return true;
}

static unsigned next_number(struct server *s) {
  unsigned n;

  pthread_mutex_lock(&s->lock);
  n = s->requests++;
  pthread_mutex_unlock(&s->lock);
  return n;
}

static bool serve_one(struct server_conn *c, struct message *m) {
  struct server_request r = {.connection = c->index};
  char length[32];
  char *end;
  char *head;
  size_t body_at;
  size_t all;

  if (!fill(c, m, 0))
    return false;
  end = strstr(m->text, "\r\n\r\n");
  body_at = (size_t)(end - m->text) + 4;
  head = strndup(m->text, body_at - 2);
  r.head = head;
  request_header(&r, "Content-Length", length, sizeof(length));
  r.body_len = strtoul(length, NULL, 10);
  all = body_at + r.body_len;
  if (!fill(c, m, all)) {
    free(head);
    return false;
  }
  r.number = next_number(c->server);
  r.body = m->text + body_at;
  r.method = strtok_r(m->text, " ", &end);
  r.target = strtok_r(NULL, " ", &end);
  c->server->script(c, &r, c->server->arg);
  free(head);
  m->len -= all;
  memmove(m->text, m->text + all, m->len);
  m->text[m->len] = '\0';
  return !c->closed;
}

static void *conn_main(void *arg) {
  struct server_conn *c = arg;
  struct message m = {calloc(1, 2 * MAX_HEAD), 0, 2 * MAX_HEAD};

  if (c->server->ctx != NULL) {
    c->ssl = SSL_new(c->server->ctx);
    SSL_set_fd(c->ssl, c->fd);
    c->closed = SSL_accept(c->ssl) != 1;
  }
  while (!c->closed && serve_one(c, &m))
    ;
  if (c->ssl != NULL) {
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
  }
  pthread_mutex_lock(&c->server->lock);
  close(c->fd);
  c->fd = -1;
  pthread_mutex_unlock(&c->server->lock);
  free(m.text);
  return NULL;
}

static void *accept_main(void *arg) {
  struct server *s = arg;
  int one = 1;

  for (;;) {
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    struct server_conn *c;

    if (fd < 0)
      return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    pthread_mutex_lock(&s->lock);
    if (s->stop || s->count == MAX_CONNECTIONS) {
      pthread_mutex_unlock(&s->lock);
      close(fd);
      continue;
    }
    c = &s->conns[s->count];
    *c = (struct server_conn){.server = s, .index = s->count, .fd = fd};
    if (pthread_create(&c->thread, NULL, conn_main, c) != 0)
      die("pthread_create");
    s->count++;
    pthread_mutex_unlock(&s->lock);
  }
}

struct server *server_start(server_script script, void *arg, bool tls) {
  struct server *s = calloc(1, sizeof(*s));

  if (s == NULL)
    die("calloc");
  signal(SIGPIPE, SIG_IGN); /* SSL_write has no MSG_NOSIGNAL */
  s->script = script;
  s->arg = arg;
  pthread_mutex_init(&s->lock, NULL);
  if (tls)
    make_certificate(s);
  s->fd = listen_loopback(&s->port);
  if (pthread_create(&s->thread, NULL, accept_main, s) != 0)
    die("pthread_create");
  return s;
}

void server_stop(struct server *s) {
  pthread_mutex_lock(&s->lock);
  s->stop = true;
  shutdown(s->fd, SHUT_RDWR);
  for (unsigned i = 0; i < s->count; i++)
    if (s->conns[i].fd >= 0)
      shutdown(s->conns[i].fd, SHUT_RDWR);
  pthread_mutex_unlock(&s->lock);
  pthread_join(s->thread, NULL);
  for (unsigned i = 0; i < s->count; i++)
    pthread_join(s->conns[i].thread, NULL);
  close(s->fd);
  if (s->ctx != NULL) {
    SSL_CTX_free(s->ctx);
    unlink(s->ca_file);
  }
  pthread_mutex_destroy(&s->lock);
  free(s);
}

unsigned server_port(const struct server *s) {
  return s->port;
}

const char *server_ca_file(const struct server *s) {
  return s->ca_file;
}

unsigned server_connections(struct server *s) {
  unsigned n;

  pthread_mutex_lock(&s->lock);
  n = s->count;
  pthread_mutex_unlock(&s->lock);
  return n;
}

unsigned server_requests(struct server *s) {
  unsigned n;

  pthread_mutex_lock(&s->lock);
  n = s->requests;
  pthread_mutex_unlock(&s->lock);
  return n;
}
