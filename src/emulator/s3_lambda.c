/* The function behind an Object Lambda access point, on a reply that is the whole
 * object: transformed in memory, cut to the range, told with the headers that
 * such a function tells. */
#include "s3_lambda.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "conditions.h"
#include "s3apfs/aws/checksum.h"
#include "s3apfs/base/file.h"

#define OBJECT_MAX ((size_t)64 << 20)

bool lambda_is(const struct exchange *x) {
  return x->to.kind == ADDRESS_ACCESS_POINT && x->to.access_point == ACCESS_POINT_OBJECT_LAMBDA;
}

int lambda_refuse(struct exchange *x) {
  if (!lambda_is(x) || x->to.function.takes_ranges)
    return 0;
  if (!exchange_header(x, "Range") && !exchange_query(x, "partNumber"))
    return 0;
  return reply_error(x, 501, "NotImplemented",
                     "A header you provided implies functionality that is not implemented.");
}

/* The whole object as bytes of the reply. */
static int load(struct exchange *x, struct buf *out) {
  struct reply *r = &x->reply;
  if (r->length > OBJECT_MAX)
    return -EFBIG;
  char *bytes = malloc((size_t)r->length + 1);
  int err = bytes ? file_pread_all(r->fd, bytes, (size_t)r->length, (off_t)r->offset) : -ENOMEM;
  if (!err)
    buf_append(out, bytes, (size_t)r->length);
  free(bytes);
  return err ? err : buf_error(out);
}

static int transform(const struct exchange *x, struct buf *bytes) {
  size_t len = bytes->len;
  if (x->to.function.transform == FUNCTION_UPPER)
    for (size_t i = 0; i < len; i++)
      bytes->data[i] = (char)toupper((unsigned char)bytes->data[i]);
  if (x->to.function.transform != FUNCTION_TWICE || !len)
    return 0;
  char *copy = malloc(len);
  if (!copy)
    return -ENOMEM;
  for (size_t i = 0; i < len; i++)
    copy[i] = bytes->data[i];
  buf_append(bytes, copy, len);
  free(copy);
  return buf_error(bytes);
}

/* They are of the object below the function. */
static void drop_checksums(struct kvlist *headers) {
  for (enum checksum_kind k = 0; k < CHECKSUM_KINDS; k++)
    kvlist_remove_ci(headers, checksum_header(k));
  kvlist_remove_ci(headers, "x-amz-checksum-type");
}

static void tell(struct exchange *x, const struct buf *bytes) {
  struct range r = {0};
  kvlist_remove_ci(&x->reply.headers, "Accept-Ranges");
  drop_checksums(&x->reply.headers);
  if (x->to.function.tells_version)
    reply_headerf(x, "ETag", "\"made-of-%zu-bytes\"", bytes->len);
  else
    kvlist_remove_ci(&x->reply.headers, "ETag");
  if (range_parse(exchange_header(x, "Range"), bytes->len, &r)) {
    reply_error(x, 416, "InvalidRange", "The requested range is not satisfiable");
    return;
  }
  if (!r.whole) {
    x->reply.status = 206;
    reply_headerf(x, "Content-Range", "bytes %llu-%llu/%zu", (unsigned long long)r.offset,
                  (unsigned long long)(r.offset + r.length - 1), bytes->len);
  }
  close(x->reply.fd);
  x->reply.fd = -1;
  buf_reset(&x->reply.body);
  buf_append(&x->reply.body, buf_cstr(bytes) + r.offset, (size_t)r.length);
  x->reply.hide_length = x->to.function.hides_length && r.whole;
}

void lambda_transform(struct exchange *x) {
  struct buf bytes;
  if (!lambda_is(x) || x->reply.fd < 0)
    return;
  buf_init(&bytes, 2 * OBJECT_MAX + 1);
  if (load(x, &bytes) || transform(x, &bytes))
    reply_error(x, 500, "LambdaRuntimeError", "The function ended with an error.");
  else
    tell(x, &bytes);
  buf_fini(&bytes);
}
