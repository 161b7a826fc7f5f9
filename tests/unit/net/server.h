/* A scripted HTTP server on loopback for the tests of the client's network
 * layer: one thread a connection, the script answers each request as it likes,
 * badly included. */
#ifndef TESTS_UNIT_NET_SERVER_H
#define TESTS_UNIT_NET_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct server;
struct server_conn;

struct server_request {
  unsigned number;     /* from 0, over all connections */
  unsigned connection; /* from 0 */
  const char *method;
  const char *target;
  const char *head; /* everything up to the empty line */
  const char *body;
  size_t body_len;
};

typedef void (*server_script)(struct server_conn *c, const struct server_request *r, void *arg);

/* Serves until server_stop(). With tls a new self-signed certificate for
 * `localhost` is made; its PEM goes to a file named by server_ca_file(). */
struct server *server_start(server_script script, void *arg, bool tls);
void server_stop(struct server *s);
unsigned server_port(const struct server *s);
const char *server_ca_file(const struct server *s);
unsigned server_connections(struct server *s);
unsigned server_requests(struct server *s);

/* For scripts. Raw bytes; a whole reply with Content-Length; header value of
 * the request copied into out ("" when absent). */
void conn_send(struct server_conn *c, const char *bytes, size_t len);
void conn_puts(struct server_conn *c, const char *text);
void conn_reply(struct server_conn *c, int status, const char *headers, const char *body);
void conn_close(struct server_conn *c);
void conn_reset(struct server_conn *c);
/* Says nothing until the server stops or the client leaves. */
void conn_hold(struct server_conn *c);
void request_header(const struct server_request *r, const char *name, char *out, size_t size);

/* A port on loopback where nobody listens. */
unsigned closed_port(void);

#endif
