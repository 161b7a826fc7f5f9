/* aws-chunked bodies: the spools around aws's decoder, which judges a chunk after
 * its payload came out. That payload waits in a spool of its own, for the caller
 * to use or drop as a whole. */
#include "aws_chunked.h"

#include <errno.h>

static int store(void *arg, const void *bytes, size_t len) {
  return body_append(arg, bytes, len);
}

static int feed(void *arg, const void *bytes, size_t len) {
  return chunked_feed(arg, bytes, len);
}

int aws_chunked_decode(const struct chunked_options *how, const struct body *in, struct body *out,
                       struct kvlist *trailers, enum chunked_fault *fault) {
  struct chunked_options o = *how;
  struct chunked *c;
  o.data = store;
  o.arg = out;
  int err = chunked_new(&o, &c);
  if (err)
    return err;
  err = body_each(in, feed, c);
  if (!err)
    err = chunked_finish(c);
  if (!err)
    err = kvlist_copy(trailers, chunked_trailers(c));
  if (chunked_fault(c) != CHUNKED_FAULT_NONE) {
    *fault = chunked_fault(c);
    err = -EBADMSG;
  }
  chunked_free(c);
  return err;
}
