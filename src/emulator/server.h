/* The emulator's doors: one port for the internet and one for each VPC
 * endpoint, on both loopback addresses. */
#ifndef S3APFS_EMULATOR_SERVER_H
#define S3APFS_EMULATOR_SERVER_H

#include "exchange.h"

struct server;

struct server_options {
  uint16_t port;        /* 0: any free one */
  const char *tls_cert; /* PEM text, or NULL for plain HTTP */
  const char *tls_key;
};

/* Opens all doors; the emulator must outlive the server. 0; -EADDRINUSE and the
 * like with one line in *why. */
int server_start(struct emulator *e, const struct server_options *o, struct server **out,
                 struct buf *why);
/* Ends delays and hanging replies, waits for requests in progress, closes. */
void server_stop(struct server *s);
uint16_t server_port(const struct server *s);
/* {"port": N, "endpoints": {"vpce-...": N}}. */
void server_describe(const struct server *s, struct buf *out);

#endif
