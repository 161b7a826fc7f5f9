/* The request half of an exchange: its life and its lookups. */
#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "objects.h"
#include "s3apfs/base/text.h"

void address_init(struct address *a) {
  memset(a, 0, sizeof(*a));
}

void address_fini(struct address *a) {
  free(a->named);
  free(a->bucket);
  free(a->account);
  free(a->access_point_arn);
  free(a->key);
  address_init(a);
}

/* AWS's ids look like 16 upper-case letters and digits, and base64 of about 76. */
static int make_ids(struct exchange *x) {
  static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  uint8_t raw[16 + 57];
  if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
    return -EIO;
  for (size_t i = 0; i < 16; i++)
    x->request_id[i] = digits[raw[i] % 32];
  struct buf b;
  buf_init(&b, 0);
  text_base64(&b, raw + 16, 57);
  int err = buf_error(&b);
  if (!err)
    memcpy(x->host_id, buf_cstr(&b), sizeof(x->host_id) - 1);
  buf_fini(&b);
  return err;
}

int exchange_init(struct exchange *x, struct emulator *e, const struct listener *l) {
  memset(x, 0, sizeof(*x));
  x->emulator = e;
  x->listener = l;
  x->operation = "";
  x->now_ms = clock_wall_ms(&e->clock.clock);
  aws_request_init(&x->request);
  body_init(&x->body, objects_spool_dir(e->objects));
  address_init(&x->to);
  x->caller.anonymous = true;
  fault_effect_init(&x->fault);
  kvlist_init(&x->reply.headers);
  buf_init(&x->reply.body, 0);
  x->reply.fd = -1;
  return make_ids(x);
}

void exchange_fini(struct exchange *x) {
  free(x->target);
  free(x->peer);
  aws_request_fini(&x->request);
  body_fini(&x->body);
  address_fini(&x->to);
  world_bucket_fini(&x->bucket);
  fault_effect_fini(&x->fault);
  world_key_fini(&x->caller.key);
  free(x->caller.region);
  free(x->caller.payload_hash);
  kvlist_fini(&x->reply.headers);
  buf_fini(&x->reply.body);
  if (x->reply.fd >= 0)
    close(x->reply.fd);
  free(x->reply.error_code);
}

const char *exchange_header(const struct exchange *x, const char *name) {
  return kvlist_get_ci(&x->request.headers, name);
}

const char *exchange_query(const struct exchange *x, const char *name) {
  return kvlist_get(&x->request.query, name);
}

bool exchange_has_query(const struct exchange *x, const char *name) {
  return exchange_query(x, name) != NULL;
}

int exchange_load_body(struct exchange *x, size_t max, const char **text, size_t *len) {
  int err = body_load(&x->body, max);
  if (err == -EFBIG) {
    reply_error(x, 400, "MaxMessageLengthExceeded", "Your request was too big.");
    return err;
  }
  if (err)
    return reply_error(x, 500, "InternalError", "The request body cannot be read.");
  *text = buf_cstr(&x->body.memory);
  *len = x->body.memory.len;
  return 0;
}
