/* The start of an HTTP/1.1 request, as far as a relay that counts S3 requests
 * needs it: where it ends, how its body is framed, what S3 operation it is.
 * Source: RFC 9112; the operations' forms are those of the Amazon S3 API. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_kind {
  REQUEST_GET,
  REQUEST_HEAD,
  REQUEST_LIST,
  REQUEST_PUT,
  REQUEST_COPY,
  REQUEST_CREATE, /* of a multipart upload */
  REQUEST_PART,
  REQUEST_PART_COPY,
  REQUEST_COMPLETE,
  REQUEST_ABORT,
  REQUEST_DELETE,
  REQUEST_DELETE_MANY,
  REQUEST_OTHER,
  REQUEST_KINDS
};

struct request {
  enum request_kind kind;
  bool chunked;
  uint64_t length; /* of the body, unless chunked */
};

/* The operation's name for people. */
const char *request_kind_name(enum request_kind kind);

/* Length of the request line and headers with the empty line that ends them; 0
 * when the text does not hold all of them yet. */
size_t request_head_length(const char *text, size_t len);

/* Reads a complete head. 0, or -EPROTO for what is no HTTP/1.1 request. */
int request_parse(const char *head, size_t len, struct request *out);

/* Follows a body in chunked encoding. */
struct chunks {
  enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER } at;
  uint64_t left;   /* of the data of this chunk */
  size_t in_line;  /* bytes of the line so far */
  bool size_known; /* the digits are over, an extension follows */
};

void chunks_init(struct chunks *c);

/* Moves over up to len bytes; *used of them belong to this body, *done tells that
 * it ended there. 0 or -EPROTO. */
int chunks_feed(struct chunks *c, const char *data, size_t len, size_t *used, bool *done);

#endif
