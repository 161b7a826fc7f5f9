/* The HTTP server, on libmicrohttpd with a thread for each connection.
 *
 * So every stage may block: file I/O, scripted delays, hanging replies. States
 * of a request: announced (its target is known, struct pending exists), begun
 * (head read into the exchange), receiving (body spooled), answered. A head
 * that is malformed is remembered and answered when the body has been read, so
 * that the client gets to read the answer. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "s3apfs/base/text.h"
#include "send.h"
#include "service.h"

/* Long tokens, 2 KB of metadata and keys of 3 KB percent-encoded fit with ease;
 * also the size of the reads that uploads arrive in. */
#define CONNECTION_MEMORY ((size_t)256 << 10)
#define CONNECTIONS_MAX 4000U
#define BACKLOG 1024
/* Finding a port that is free on both loopback addresses. */
#define PORT_TRIES 20

struct door {
  struct server *server;
  struct listener listener;
  struct MHD_Daemon *daemons[2]; /* IPv4, IPv6 (NULL where there is none) */
};

struct server {
  struct emulator *emulator;
  struct server_options options;
  struct door *doors;
  size_t door_count;
};

/* --- one request --- */

struct pending {
  char *target;
  bool begun;
  bool is_open; /* exchange is initialised */
  bool refused; /* the head was bad */
  int body_err;
  struct exchange x;
};

static void *on_target(void *cls, const char *uri, struct MHD_Connection *c) {
  (void)cls;
  (void)c;
  struct pending *p = calloc(1, sizeof(*p));
  if (p && !(p->target = strdup(uri))) {
    free(p);
    p = NULL;
  }
  return p;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
                         enum MHD_RequestTerminationCode why) {
  (void)cls;
  (void)c;
  (void)why;
  struct pending *p = *con_cls;
  if (!p)
    return;
  if (p->is_open)
    exchange_fini(&p->x);
  free(p->target);
  free(p);
  *con_cls = NULL;
}

struct header_walk {
  struct kvlist *headers;
  const char *host;
  int err;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 const char *value) {
  (void)kind;
  struct header_walk *w = cls;
  if (strcasecmp(name, "Host") == 0)
    w->host = value ? value : "";
  else
    w->err = kvlist_add(w->headers, name, value ? value : "");
  return w->err ? MHD_NO : MHD_YES;
}

/* IPv6's loopback counts as 127.0.0.1, so that aws:SourceIp does not depend on
 * how a client resolves "localhost". */
static char *peer_of(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *i =
      MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char text[INET6_ADDRSTRLEN] = "127.0.0.1";
  if (i && i->client_addr->sa_family == AF_INET) {
    struct sockaddr_in a;
    memcpy(&a, i->client_addr, sizeof(a));
    inet_ntop(AF_INET, &a.sin_addr, text, sizeof(text));
  }
  return strdup(text);
}

static int split_target(struct exchange *x, const char *method, const char *host) {
  char *path = text_dup_n(x->target, strcspn(x->target, "?"));
  if (!path)
    return -ENOMEM;
  int err = aws_request_set(&x->request, method, x->tls ? "https" : "http", host, path);
  free(path);
  const char *query = strchr(x->target, '?');
  if (!err && query)
    err = aws_request_parse_query(query + 1, &x->request.query);
  return err;
}

static int begin(struct door *d, struct pending *p, struct MHD_Connection *c, const char *method) {
  struct exchange *x = &p->x;
  p->is_open = true;
  int err = exchange_init(x, d->server->emulator, &d->listener);
  if (err)
    return err;
  x->tls = d->server->options.tls_cert != NULL;
  x->target = p->target;
  p->target = NULL;
  struct header_walk w = {.headers = &x->request.headers};
  MHD_get_connection_values(c, MHD_HEADER_KIND, on_header, &w);
  x->peer = peer_of(c);
  if (w.err || !x->peer)
    return -ENOMEM;
  err = split_target(x, method, w.host ? w.host : "");
  if (err == -EINVAL || (!err && !w.host)) {
    p->refused = true;
    reply_error(x, 400, w.host ? "InvalidURI" : "MissingHostHeader", "%s",
                w.host ? "Couldn't parse the specified URI." : "The Host header is missing.");
    return 0;
  }
  return err;
}

static enum MHD_Result answer(struct pending *p, struct MHD_Connection *c) {
  struct exchange *x = &p->x;
  if (p->body_err)
    reply_error(x, 500, "InternalError", "The request body cannot be stored.");
  else if (!p->refused && !admin_handle(x))
    service_run(x);
  return send_reply(x, c);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **con_cls) {
  (void)url;
  (void)version;
  struct pending *p = *con_cls;
  if (!p)
    return MHD_NO;
  if (!p->begun) {
    p->begun = true;
    return begin(cls, p, c, method) ? MHD_NO : MHD_YES;
  }
  if (*len) {
    if (!p->body_err)
      p->body_err = body_append(&p->x.body, data, *len);
    p->x.received += *len;
    *len = 0;
    return MHD_YES;
  }
  return answer(p, c);
}

/* --- doors --- */

static int bind_loopback(int family, uint16_t port) {
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0)
    return -errno;
  struct sockaddr_in v4 = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {
      .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const struct sockaddr *addr = family == AF_INET ? (const void *)&v4 : (const void *)&v6;
  socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, addr, size) || listen(fd, BACKLOG)) {
    int err = -errno;
    close(fd);
    return err;
  }
  return fd;
}

static uint16_t bound_port(int fd) {
  struct sockaddr_in a = {0};
  socklen_t size = sizeof(a);
  return getsockname(fd, (struct sockaddr *)&a, &size) ? 0 : ntohs(a.sin_port);
}

/* A machine without IPv6 has the first address only. */
static int bind_both(uint16_t port, int fds[2], uint16_t *bound) {
  int v6 = -EADDRINUSE;
  for (int i = 0; i < PORT_TRIES && v6 == -EADDRINUSE; i++) {
    int v4 = bind_loopback(AF_INET, port);
    if (v4 < 0)
      return v4;
    *bound = bound_port(v4);
    v6 = bind_loopback(AF_INET6, *bound);
    if (v6 == -EADDRINUSE) {
      close(v4);
      if (port)
        return v6;
      continue;
    }
    fds[0] = v4;
    fds[1] = v6 >= 0 ? v6 : -1;
    return 0;
  }
  return v6;
}

static struct MHD_Daemon *start_daemon(struct door *d, int fd, bool v6) {
  const struct server_options *o = &d->server->options;
  unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                   MHD_USE_SUPPRESS_DATE_NO_CLOCK | (v6 ? MHD_USE_IPv6 : 0) |
                   (o->tls_cert ? MHD_USE_TLS : 0);
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->tls_cert},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key},
      {MHD_OPTION_END, 0, NULL},
  };
  return MHD_start_daemon(flags, 0, NULL, NULL, on_request, d, MHD_OPTION_LISTEN_SOCKET, fd,
                          MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                          on_completed, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                          MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_ARRAY,
                          o->tls_cert ? tls : tls + 2, MHD_OPTION_END);
}

static int open_door(struct server *s, uint16_t port, const char *endpoint_id, struct buf *why) {
  struct door *d = &s->doors[s->door_count];
  int fds[2];
  int err = bind_both(port, fds, &d->listener.port);
  if (err) {
    buf_printf(why, "port %u: %s", port, strerror(-err));
    return err;
  }
  d->server = s;
  d->listener.endpoint_id = endpoint_id ? strdup(endpoint_id) : NULL;
  s->door_count++;
  for (int i = 0; i < 2; i++) {
    if (fds[i] < 0)
      continue;
    d->daemons[i] = start_daemon(d, fds[i], i == 1);
    if (!d->daemons[i]) {
      close(fds[i]);
      buf_printf(why, "port %u: the HTTP server does not start%s", d->listener.port,
                 s->options.tls_cert ? "; are certificate and key right?" : "");
      err = -EIO;
    }
  }
  return err;
}

static int open_doors(struct server *s, const struct world_endpoints *e, struct buf *why) {
  s->doors = calloc(e->count + 1, sizeof(*s->doors));
  if (!s->doors)
    return -ENOMEM;
  int err = open_door(s, s->options.port, NULL, why);
  for (size_t i = 0; !err && i < e->count; i++)
    err = open_door(s, (uint16_t)e->items[i].port, e->items[i].id, why);
  return err;
}

int server_start(struct emulator *e, const struct server_options *o, struct server **out,
                 struct buf *why) {
  struct server *s = calloc(1, sizeof(*s));
  struct world_endpoints endpoints;
  if (!s)
    return -ENOMEM;
  s->emulator = e;
  s->options = *o;
  int err = world_list_endpoints(e->world, &endpoints);
  if (!err) {
    err = open_doors(s, &endpoints, why);
    world_endpoints_fini(&endpoints);
  }
  if (err) {
    server_stop(s);
    return err;
  }
  *out = s;
  return 0;
}

void server_stop(struct server *s) {
  atomic_store(&s->emulator->stopping, true);
  for (size_t i = 0; i < s->door_count; i++) {
    for (int k = 0; k < 2; k++)
      if (s->doors[i].daemons[k])
        MHD_stop_daemon(s->doors[i].daemons[k]);
    free(s->doors[i].listener.endpoint_id);
  }
  free(s->doors);
  free(s);
}

uint16_t server_port(const struct server *s) {
  return s->doors[0].listener.port;
}

void server_describe(const struct server *s, struct buf *out) {
  buf_printf(out, "{\"port\": %u, \"endpoints\": {", server_port(s));
  for (size_t i = 1; i < s->door_count; i++)
    buf_printf(out, "%s\"%s\": %u", i > 1 ? ", " : "", s->doors[i].listener.endpoint_id,
               s->doors[i].listener.port);
  buf_puts(out, "}}\n");
}
