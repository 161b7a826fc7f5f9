/* An aws-chunked body. The first byte chooses the form, whether a key verifies, and
 * whether a length was announced; the second is that length, and the portion the
 * body is fed in. Whole or in portions, the outcome must be the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
  if (!ok)
    abort();
}

static int collect(void *arg, const void *bytes, size_t len) {
  require(len > 0);
  buf_append(arg, bytes, len);
  return buf_error(arg);
}

struct outcome {
  struct chunked *c;
  struct buf payload;
  int rc;
};

static void decode(struct outcome *o, struct chunked_options options, const uint8_t *body,
                   size_t size, size_t portion) {
  buf_init(&o->payload, 0);
  options.data = collect;
  options.arg = &o->payload;
  require(chunked_new(&options, &o->c) == 0);
  for (size_t at = 0; at < size; at += portion)
    if (chunked_feed(o->c, body + at, size - at < portion ? size - at : portion) != 0)
      break;
  o->rc = chunked_finish(o->c);
  require((o->rc != 0) == (chunked_fault(o->c) != CHUNKED_FAULT_NONE));
  require(chunked_length(o->c) == o->payload.len);
  if (o->rc == 0 && options.decoded_length != CHUNKED_LENGTH_UNKNOWN)
    require(chunked_length(o->c) == options.decoded_length);
}

static void same(const struct outcome *a, const struct outcome *b) {
  const struct kvlist *s = chunked_trailers(a->c);
  const struct kvlist *t = chunked_trailers(b->c);

  require(a->rc == b->rc && chunked_fault(a->c) == chunked_fault(b->c));
  require(a->payload.len == b->payload.len);
  require(memcmp(buf_cstr(&a->payload), buf_cstr(&b->payload), a->payload.len) == 0);
  require(s->count == t->count);
  for (size_t i = 0; i < s->count; i++)
    require(strcmp(s->items[i].name, t->items[i].name) == 0 &&
            strcmp(s->items[i].value, t->items[i].value) == 0);
}

static void outcome_fini(struct outcome *o) {
  chunked_free(o->c);
  buf_fini(&o->payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct sigv4_scope scope = {.region = "r", .service = "s3", .time = 1369353600};
  static const uint8_t key[32] = {1};
  struct chunked_options options = {.scope = &scope, .seed_signature = SIGV4_EMPTY_SHA256};
  struct outcome whole;
  struct outcome parts;

  if (size < 2)
    return 0;
  options.form.is_signed = (data[0] & 1) != 0;
  options.form.asymmetric = (data[0] & 2) != 0;
  options.form.trailers = (data[0] & 4) != 0;
  options.key = (data[0] & 8) != 0 ? key : NULL;
  options.decoded_length = (data[0] & 16) != 0 ? data[1] : CHUNKED_LENGTH_UNKNOWN;
  decode(&whole, options, data + 2, size - 2, size);
  decode(&parts, options, data + 2, size - 2, data[1] % 7U + 1);
  same(&whole, &parts);
  outcome_fini(&whole);
  outcome_fini(&parts);
  return 0;
}
