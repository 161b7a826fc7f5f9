/* Signature verification.
 *
 * The order of the checks is S3's as far as it can be told from outside: the
 * form of the signature, the key, the token, the dates, the signature itself,
 * then what it promised about the body. The signature is computed anew from the
 * request as received with the client's own list of signed headers. */
#include "authenticate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws_chunked.h"
#include "s3apfs/aws/sigv4_parse.h"
#include "s3apfs/base/text.h"

#define SKEW_MAX_MS 900000
#define STREAMING "STREAMING-"

/* --- the form --- */

static int refuse_form(struct exchange *x, enum sigv4_fault fault) {
  const char *code = sigv4_fault_code(fault, exchange_has_query(x, "X-Amz-Signature"));
  int status = strcmp(code, "AccessDenied") == 0 ? 403 : 400;
  return reply_error(x, status, code, "%s", sigv4_fault_text(fault));
}

/* --- the key --- */

static int refuse_key(struct exchange *x, const char *access_key_id) {
  if (x->to.service == SERVICE_STS)
    return reply_error(x, 403, "InvalidClientTokenId",
                       "The security token included in the request is invalid.");
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "AWSAccessKeyId", access_key_id);
  int err =
      reply_error_with(x, 403, "InvalidAccessKeyId",
                       "The AWS Access Key Id you provided does not exist in our records.", &more);
  kvlist_fini(&more);
  return err;
}

static const char *token_of(const struct exchange *x, const struct sigv4_auth *c, bool express) {
  if (express) {
    const char *own = c->presigned ? exchange_query(x, "X-Amz-S3session-Token")
                                   : exchange_header(x, "x-amz-s3session-token");
    return own ? own : "";
  }
  const char *t = c->presigned ? exchange_query(x, "X-Amz-Security-Token")
                               : exchange_header(x, "x-amz-security-token");
  return t ? t : "";
}

static int check_token(struct exchange *x, const struct sigv4_auth *c, const struct world_key *k) {
  const char *wanted = k->session_token ? k->session_token : "";
  const char *sent = token_of(x, c, k->express);
  if (strcmp(wanted, sent) != 0) {
    if (x->to.service == SERVICE_STS)
      return reply_error(x, 403, "InvalidClientTokenId",
                         "The security token included in the request is invalid.");
    if (*wanted && !*sent)
      return refuse_key(x, c->access_key_id);
    return reply_error(x, 400, "InvalidToken",
                       "The provided token is malformed or otherwise "
                       "invalid.");
  }
  if (k->expiration && x->now_ms >= k->expiration * 1000)
    return x->to.service == SERVICE_STS
               ? reply_error(x, 403, "ExpiredToken",
                             "The security token included in the request is expired")
               : reply_error(x, 400, "ExpiredToken", "The provided token has expired.");
  return 0;
}

static int find_key(struct exchange *x, const struct sigv4_auth *c) {
  struct world_key k;
  int err = world_find_key(x->emulator->world, c->access_key_id, &k);
  if (err == -ENOENT)
    return refuse_key(x, c->access_key_id);
  if (err)
    return reply_error(x, 500, "InternalError", "The key cannot be looked up.");
  x->caller.key = k;
  if (!k.active)
    return refuse_key(x, c->access_key_id);
  return check_token(x, c, &x->caller.key);
}

/* --- dates --- */

static int refuse_date(struct exchange *x, const char *code, const char *message, const char *name,
                       int64_t then_s, bool skew) {
  char then[21], now[21];
  text_iso8601(then_s, then);
  text_iso8601(x->now_ms / 1000, now);
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, name, then);
  kvlist_add(&more, "ServerTime", now);
  if (skew)
    kvlist_addf(&more, "MaxAllowedSkewMilliseconds", "%d", SKEW_MAX_MS);
  int err = reply_error_with(x, 403, code, message, &more);
  kvlist_fini(&more);
  return err;
}

static int check_dates(struct exchange *x, const struct sigv4_auth *c) {
  int64_t age_ms = x->now_ms - c->time * 1000;
  if (c->presigned && age_ms < -SKEW_MAX_MS)
    return reply_error(x, 403, "AccessDenied", "Request is not yet valid");
  if (c->presigned && age_ms > c->expires_s * 1000)
    return refuse_date(x, "AccessDenied", "Request has expired", "Expires", c->time + c->expires_s,
                       false);
  if (!c->presigned && llabs(age_ms) > SKEW_MAX_MS)
    return refuse_date(
        x, x->to.service == SERVICE_STS ? "SignatureDoesNotMatch" : "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.", "RequestTime",
        c->time, true);
  return 0;
}

/* --- the signature --- */

struct check {
  const struct sigv4_auth *claim;
  struct sigv4_scope scope;
  const char *payload_hash;
  struct buf canonical;
  struct buf to_sign;
};

static int try_signature(struct exchange *x, struct check *k) {
  buf_reset(&k->canonical);
  buf_reset(&k->to_sign);
  return sigv4_auth_verify(k->claim, &x->request, x->to.service == SERVICE_STS,
                           x->caller.key.secret, k->payload_hash, &k->canonical, &k->to_sign);
}

/* Some clients send characters bare that the canonical form encodes. */
static int try_reencoded(struct exchange *x, struct check *k) {
  struct buf plain, path;
  buf_init(&plain, 0);
  buf_init(&path, 0);
  int err = text_uri_decode(&plain, x->request.path, strlen(x->request.path), false);
  if (!err)
    text_uri_encode(&path, buf_cstr(&plain), plain.len, true);
  if (!err)
    err = buf_error(&path);
  if (!err) {
    char *received = x->request.path;
    x->request.path = path.data;
    err = try_signature(x, k);
    x->request.path = received;
  }
  buf_fini(&plain);
  buf_fini(&path);
  return err;
}

static int refuse_signature(struct exchange *x, const struct check *k) {
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "AWSAccessKeyId", k->claim->access_key_id);
  kvlist_add(&more, "StringToSign", buf_cstr(&k->to_sign));
  kvlist_add(&more, "SignatureProvided", k->claim->signature);
  kvlist_add(&more, "CanonicalRequest", buf_cstr(&k->canonical));
  int err = reply_error_with(x, 403, "SignatureDoesNotMatch",
                             "The request signature we calculated does not match the signature you "
                             "provided. Check your key and signing method.",
                             &more);
  kvlist_fini(&more);
  return err;
}

static int check_signature(struct exchange *x, struct check *k) {
  int err = try_signature(x, k);
  if (err == -EKEYREJECTED) {
    err = try_reencoded(x, k);
    if (err)
      try_signature(x, k);
  }
  if (err == -EKEYREJECTED || err == -EINVAL)
    return refuse_signature(x, k);
  if (err)
    return reply_error(x, 500, "InternalError", "The signature cannot be verified.");
  return 0;
}

/* Every x-amz- header must be under the signature. */
static int check_coverage(struct exchange *x, const struct sigv4_auth *c) {
  const struct kvlist *h = &x->request.headers;
  for (size_t i = 0; i < h->count; i++) {
    const char *name = h->items[i].name;
    if (strncasecmp(name, "x-amz-", 6) != 0 || sigv4_auth_signs(c, name) ||
        strcasecmp(name, "x-amz-content-sha256") == 0)
      continue;
    struct kvlist more;
    kvlist_init(&more);
    kvlist_add(&more, "HeadersNotSigned", name);
    int err =
        reply_error_with(x, 403, "AccessDenied",
                         "There were headers present in the request which were not signed", &more);
    kvlist_fini(&more);
    return err;
  }
  return 0;
}

static const char *service_name(const struct exchange *x, const struct sigv4_auth *c) {
  if (x->to.service == SERVICE_STS)
    return strcmp(c->service, "iam") == 0 ? "iam" : "sts";
  switch (x->to.kind == ADDRESS_ACCESS_POINT ? x->to.access_point : ACCESS_POINT_GENERAL) {
  case ACCESS_POINT_OBJECT_LAMBDA:
    return x->to.by_alias ? "s3" : "s3-object-lambda";
  case ACCESS_POINT_OUTPOSTS:
    return "s3-outposts";
  case ACCESS_POINT_DIRECTORY:
    return "s3express";
  default:
    return x->to.named && world_is_directory_bucket(x->to.named) ? "s3express" : "s3";
  }
}

/* No Region's signature is good for a Multi-Region Access Point. */
static bool needs_sigv4a(const struct exchange *x) {
  return x->to.kind == ADDRESS_ACCESS_POINT && x->to.access_point == ACCESS_POINT_MULTI_REGION;
}

static int check_scope(struct exchange *x, const struct sigv4_auth *c) {
  const char *wanted = service_name(x, c);
  if (needs_sigv4a(x) && !c->asymmetric)
    return reply_error(x, 400, "InvalidRequest",
                       "The authorization mechanism you have provided is not supported. Please use "
                       "AWS4-ECDSA-P256-SHA256.");
  if (strcmp(c->service, wanted) == 0)
    return 0;
  return reply_error(x, 400, "AuthorizationHeaderMalformed",
                     "The authorization header is malformed; incorrect service \"%s\". This "
                     "endpoint belongs to \"%s\".",
                     c->service, wanted);
}

/* --- the body --- */

static int body_hex(const struct exchange *x, char hex[65]) {
  uint8_t raw[32];
  int err = body_digest(&x->body, DIGEST_SHA256, raw);
  if (err)
    return err;
  struct buf b;
  buf_init(&b, 64);
  text_hex(&b, raw, sizeof(raw));
  err = buf_error(&b);
  if (!err)
    memcpy(hex, buf_cstr(&b), 65);
  buf_fini(&b);
  return err;
}

/* The hash the client signed: told in a header (S3), or of the body (STS). */
static int find_payload_hash(struct exchange *x, const struct sigv4_auth *c) {
  const char *told = exchange_header(x, "x-amz-content-sha256");
  if (!told && c->presigned)
    told = exchange_query(x, "X-Amz-Content-Sha256");
  char computed[65];
  if (!told && c->presigned && x->to.service != SERVICE_STS)
    told = SIGV4_UNSIGNED_PAYLOAD;
  if (!told && x->to.service == SERVICE_S3)
    return reply_error(x, 400, "InvalidRequest",
                       "Missing required header for this request: x-amz-content-sha256");
  if (!told) {
    if (body_hex(x, computed))
      return reply_error(x, 500, "InternalError", "The request body cannot be read.");
    told = computed;
  }
  x->caller.payload_hash = strdup(told);
  return x->caller.payload_hash ? 0 : reply_error(x, 500, "InternalError", "Out of memory.");
}

static int check_hash(struct exchange *x) {
  const char *told = x->caller.payload_hash;
  char computed[65];
  if (strcmp(told, SIGV4_UNSIGNED_PAYLOAD) == 0)
    return 0;
  if (strlen(told) != 64 || strspn(told, "0123456789abcdefABCDEF") != 64)
    return reply_error(x, 400, "InvalidArgument",
                       "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                       "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                       "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
  if (body_hex(x, computed))
    return reply_error(x, 500, "InternalError", "The request body cannot be read.");
  if (strcasecmp(told, computed) == 0)
    return 0;
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "ClientComputedContentSHA256", told);
  kvlist_add(&more, "S3ComputedContentSHA256", computed);
  int err = reply_error_with(x, 400, "XAmzContentSHA256Mismatch",
                             "The provided 'x-amz-content-sha256' header does not match what was "
                             "computed.",
                             &more);
  kvlist_fini(&more);
  return err;
}

static int refuse_incomplete(struct exchange *x) {
  return reply_error(x, 400, "IncompleteBody", "The request body terminated unexpectedly");
}

static int refuse_trailer(struct exchange *x) {
  return reply_error(x, 400, "MalformedTrailerError",
                     "The request contained trailing data that was not well-formed or did not "
                     "conform to our published schema.");
}

static int read_decoded_length(struct exchange *x, uint64_t *out) {
  const char *told = exchange_header(x, "x-amz-decoded-content-length");
  if (!told)
    return reply_error(x, 411, "MissingContentLength",
                       "You must provide the Content-Length HTTP header.");
  if (text_parse_u64(told, out) || *out == CHUNKED_LENGTH_UNKNOWN)
    return refuse_incomplete(x);
  return 0;
}

/* key: room for the chunks' signing key, which *o borrows. */
static int prepare_chunked(struct exchange *x, const struct check *k, uint8_t key[32],
                           struct chunked_options *o) {
  *o = (struct chunked_options){.open_end = true};
  bool known = chunked_form_parse(x->caller.payload_hash, &o->form);
  if (known && !o->form.is_signed)
    return read_decoded_length(x, &o->decoded_length);
  if (!known || !k || k->claim->asymmetric || o->form.asymmetric)
    return reply_error(x, 501, "NotImplemented", "This form of signed chunks is not implemented.");
  if (sigv4_signing_key(x->caller.key.secret, &k->scope, key) || strlen(k->claim->signature) != 64)
    return reply_error(x, 500, "InternalError", "The chunks' key cannot be derived.");
  o->key = key;
  o->scope = &k->scope;
  o->seed_signature = k->claim->signature;
  return read_decoded_length(x, &o->decoded_length);
}

/* Only what x-amz-trailer announces may be in the trailer. */
static int take_trailers(struct exchange *x, const struct kvlist *trailers) {
  const char *announced = exchange_header(x, "x-amz-trailer");
  for (size_t i = 0; i < trailers->count; i++) {
    const struct kv *t = &trailers->items[i];
    if (!announced || !strcasestr(announced, t->name))
      return refuse_trailer(x);
    if (kvlist_add(&x->request.headers, t->name, t->value))
      return reply_error(x, 500, "InternalError", "Out of memory.");
  }
  return 0;
}

static int refuse_chunks(struct exchange *x, const struct check *k, enum chunked_fault fault) {
  if (fault == CHUNKED_FAULT_SIGNATURE && k)
    return refuse_signature(x, k);
  return fault == CHUNKED_FAULT_TRAILER ? refuse_trailer(x) : refuse_incomplete(x);
}

/* What comes out of the chunks becomes x->body once all of it is verified. */
static int take_chunks(struct exchange *x, const struct check *k, const struct chunked_options *o) {
  struct body plain;
  struct kvlist trailers;
  enum chunked_fault fault = CHUNKED_FAULT_NONE;
  body_init(&plain, x->body.spool_dir);
  kvlist_init(&trailers);
  int err = aws_chunked_decode(o, &x->body, &plain, &trailers, &fault);
  if (err == -EBADMSG)
    err = refuse_chunks(x, k, fault);
  else if (err)
    err = reply_error(x, 500, "InternalError", "The request body cannot be stored.");
  else
    err = take_trailers(x, &trailers);
  if (!err)
    body_replace(&x->body, &plain);
  body_fini(&plain);
  kvlist_fini(&trailers);
  return err;
}

static int decode_body(struct exchange *x, const struct check *k) {
  struct chunked_options o;
  uint8_t key[32];
  int err = prepare_chunked(x, k, key, &o);
  if (!err)
    err = take_chunks(x, k, &o);
  explicit_bzero(key, sizeof(key));
  return err;
}

static int accept_body(struct exchange *x, const struct check *k) {
  if (text_has_prefix(x->caller.payload_hash, STREAMING))
    return decode_body(x, k);
  return check_hash(x);
}

/* --- all of it --- */

static int verify(struct exchange *x, const struct sigv4_auth *c) {
  int err = check_scope(x, c);
  if (!err)
    err = find_key(x, c);
  if (!err)
    err = check_dates(x, c);
  if (!err)
    err = find_payload_hash(x, c);
  if (err)
    return err;
  struct check k = {.claim = c, .payload_hash = x->caller.payload_hash};
  sigv4_auth_scope(c, x->to.service == SERVICE_STS, &k.scope);
  buf_init(&k.canonical, 0);
  buf_init(&k.to_sign, 0);
  err = check_signature(x, &k);
  if (!err)
    err = check_coverage(x, c);
  if (!err)
    err = accept_body(x, &k);
  buf_fini(&k.canonical);
  buf_fini(&k.to_sign);
  return err;
}

static int accept_anonymous(struct exchange *x) {
  if (exchange_has_query(x, "AWSAccessKeyId") && exchange_has_query(x, "Signature"))
    return reply_error(x, 400, "InvalidRequest",
                       "The authorization mechanism you have provided is not supported. Please use "
                       "AWS4-HMAC-SHA256.");
  const char *told = exchange_header(x, "x-amz-content-sha256");
  x->caller.payload_hash = strdup(told ? told : SIGV4_UNSIGNED_PAYLOAD);
  x->caller.region = strdup("");
  if (!x->caller.payload_hash || !x->caller.region)
    return reply_error(x, 500, "InternalError", "Out of memory.");
  return accept_body(x, NULL);
}

int authenticate(struct exchange *x) {
  struct sigv4_auth c;
  enum sigv4_fault fault;
  int err = sigv4_parse_request(&x->request, &c, &fault);
  if (err == -ENOENT)
    return accept_anonymous(x);
  if (err == -EINVAL)
    return refuse_form(x, fault);
  if (err)
    return reply_error(x, 500, "InternalError", "Out of memory.");
  x->caller.region = strdup(c.region);
  err = x->caller.region ? verify(x, &c) : reply_error(x, 500, "InternalError", "Out of memory.");
  x->caller.anonymous = err != 0;
  sigv4_auth_fini(&c);
  return err;
}
