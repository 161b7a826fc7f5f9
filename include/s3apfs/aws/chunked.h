/* Decoder of aws-chunked bodies (S3 API reference "Signature calculations for the
 * Authorization header: transferring payload in multiple chunks" and "... including
 * trailing headers"): bytes are pushed in any portions, payload comes out through a
 * callback.
 *
 *   HEXLEN[;chunk-signature=SIG]CRLF DATA CRLF ... 0[;chunk-signature=SIG]CRLF
 *   [name:value CRLF ...] [x-amz-trailer-signature:SIG CRLF] CRLF
 *
 * Payload is handed out before the signature of its chunk is known: nothing may be
 * made of it until chunked_finish() returned 0. */
#ifndef S3APFS_AWS_CHUNKED_H
#define S3APFS_AWS_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/aws/sigv4.h"
#include "s3apfs/aws/sigv4a.h"
#include "s3apfs/base/kv.h"

#define CHUNKED_LENGTH_UNKNOWN UINT64_MAX

/* What x-amz-content-sha256 says of the framing. */
struct chunked_form {
  bool is_signed;  /* chunks carry signatures */
  bool asymmetric; /* those are SigV4a's */
  bool trailers;   /* trailing headers may follow */
};

/* False when the value is not one of the STREAMING-... forms. */
bool chunked_form_parse(const char *content_sha256, struct chunked_form *out);

/* Everything borrowed must live as long as the decoder, but seed_signature. */
struct chunked_options {
  struct chunked_form form;
  bool open_end; /* take bodies without the empty line at the end: not all clients send it */
  uint64_t decoded_length;         /* x-amz-decoded-content-length, or CHUNKED_LENGTH_UNKNOWN */
  const uint8_t *key;              /* 32 bytes; verifies SigV4 chunks, NULL: only their form */
  const struct sigv4a_key *v4a;    /* the same for SigV4a */
  const struct sigv4_scope *scope; /* with a key: the request's */
  const char *seed_signature;      /* with a key: the request's own signature */
  /* Payload, in order. Non-zero (-errno) ends the decoding with that error. */
  int (*data)(void *arg, const void *bytes, size_t len);
  void *arg;
};

enum chunked_fault {
  CHUNKED_FAULT_NONE,
  CHUNKED_FAULT_FRAMING,    /* chunk lines, CRLFs, bytes behind the end */
  CHUNKED_FAULT_LENGTH,     /* payload longer or shorter than announced */
  CHUNKED_FAULT_SIGNATURE,  /* missing, malformed or wrong */
  CHUNKED_FAULT_TRAILER,    /* malformed, too many, or not expected */
  CHUNKED_FAULT_INCOMPLETE, /* the body ended too early */
};

struct chunked; /* one body; not for two threads at once */

/* 0, -ENOMEM, or -EINVAL (a key without scope or seed signature). */
int chunked_new(const struct chunked_options *o, struct chunked **out);
void chunked_free(struct chunked *c);
/* 0; -EINVAL (see chunked_fault); -ENOMEM, -EIO; the callback's error. The first
 * error sticks. */
int chunked_feed(struct chunked *c, const void *bytes, size_t len);
/* The body has ended: 0 when it was complete and every check passed. */
int chunked_finish(struct chunked *c);
enum chunked_fault chunked_fault(const struct chunked *c);
/* S3's error code for a fault; static. */
const char *chunked_fault_code(enum chunked_fault fault);
/* Trailing headers so far, in order, names in lower case, without
 * x-amz-trailer-signature. Valid until chunked_free(). */
const struct kvlist *chunked_trailers(const struct chunked *c);
/* Payload bytes so far. */
uint64_t chunked_length(const struct chunked *c);

#endif
