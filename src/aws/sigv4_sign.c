/* Signing: which headers take part, what is added before the signature, and the
 * signature itself, by headers or in the query.
 *
 * A request goes through two steps, shared with SigV4a: draft (everything the
 * signature covers is in place, string to sign computed) and seal (the signature
 * is added). Signing a signed request again replaces what the first run added,
 * so a retry may sign the same object with a new date. No threads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"
#include "sigv4_internal.h"

#define TOKEN_HEADER "X-Amz-Security-Token"
#define EXPRESS_TOKEN_HEADER "x-amz-s3session-token"
#define EXPRESS_TOKEN_PARAM "X-Amz-S3session-Token"

/* Hop-by-hop headers and those that proxies and HTTP libraries change. */
static bool header_is_signed(const char *name) {
  static const char *const never[] = {
      "authorization", "connection",        "expect",  "host",       "keep-alive",     "te",
      "trailer",       "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"};

  for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
    if (strcasecmp(name, never[i]) == 0)
      return false;
  return strncasecmp(name, "proxy-", 6) != 0;
}

static char *lower_dup(const char *s) {
  char *copy = strdup(s);

  for (char *p = copy; p != NULL && *p != '\0'; p++)
    if (*p >= 'A' && *p <= 'Z')
      *p = (char)(*p - 'A' + 'a');
  return copy;
}

static int name_order(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join_unique(char **names, size_t count, struct buf *out) {
  qsort(names, count, sizeof(*names), name_order);
  for (size_t i = 0; i < count; i++) {
    if (i != 0 && strcmp(names[i - 1], names[i]) == 0)
      continue;
    if (i != 0)
      buf_putc(out, ';');
    buf_puts(out, names[i]);
  }
}

static void list_signed(const struct aws_request *r, const char *skip, struct buf *out) {
  char **names = calloc(r->headers.count + 1, sizeof(*names));
  bool short_of_memory = names == NULL;
  size_t count = 0;

  if (names != NULL && (names[count++] = lower_dup("host")) == NULL)
    short_of_memory = true;
  for (size_t i = 0; !short_of_memory && i < r->headers.count; i++) {
    const char *name = r->headers.items[i].name;

    if (!header_is_signed(name) || (skip != NULL && strcasecmp(name, skip) == 0))
      continue;
    if ((names[count++] = lower_dup(name)) == NULL)
      short_of_memory = true;
  }
  if (!short_of_memory)
    join_unique(names, count, out);
  else if (out->err == 0)
    out->err = -ENOMEM;
  while (count > 0)
    free(names[--count]);
  free(names);
}

void sigv4_signed_headers(const struct aws_request *r, struct buf *out) {
  list_signed(r, NULL, out);
}

/* --- draft and seal --- */

static int draft_string(struct sigv4_draft *d, const struct aws_request *r, const char *algorithm,
                        const struct sigv4_scope *scope, const char *payload_hash,
                        const char *skip_query) {
  struct buf canonical;
  int rc;

  buf_init(&canonical, 0);
  sigv4_canonical_request(r, scope, buf_cstr(&d->signed_headers), payload_hash, skip_query,
                          &canonical);
  rc = buf_error(&canonical);
  if (rc == 0)
    rc = sigv4_string_to_sign(algorithm, scope, buf_cstr(&canonical), &d->string_to_sign);
  buf_wipe(&canonical);
  return rc;
}

static void draft_init(struct sigv4_draft *d) {
  buf_init(&d->signed_headers, 0);
  buf_init(&d->string_to_sign, 0);
}

void sigv4_draft_fini(struct sigv4_draft *d) {
  buf_fini(&d->signed_headers);
  buf_fini(&d->string_to_sign);
}

static const char *keys_token(const struct sigv4_keys *keys) {
  return keys->session_token != NULL && keys->session_token[0] != '\0' ? keys->session_token : NULL;
}

static void forget_headers(struct aws_request *r, bool content_sha256) {
  static const char *const added[] = {TOKEN_HEADER, EXPRESS_TOKEN_HEADER, "X-Amz-Date",
                                      "X-Amz-Region-Set", "Authorization"};

  for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
    kvlist_remove_ci(&r->headers, added[i]);
  if (content_sha256)
    kvlist_remove_ci(&r->headers, "x-amz-content-sha256");
}

int sigv4_draft_headers(struct sigv4_draft *d, struct aws_request *r, const struct sigv4_keys *keys,
                        const char *algorithm, const struct sigv4_scope *scope,
                        const char *payload_hash, bool add_content_sha256) {
  const char *token = keys_token(keys);
  const char *token_name = scope->s3express_token ? EXPRESS_TOKEN_HEADER : TOKEN_HEADER;
  char stamp[17];

  draft_init(d);
  text_iso8601_basic(scope->time, stamp);
  forget_headers(r, add_content_sha256);
  if ((token != NULL && kvlist_add(&r->headers, token_name, token) != 0) ||
      kvlist_add(&r->headers, "X-Amz-Date", stamp) != 0 ||
      (sigv4_is_asymmetric(algorithm) &&
       kvlist_add(&r->headers, "X-Amz-Region-Set", scope->region) != 0) ||
      (add_content_sha256 && kvlist_add(&r->headers, "x-amz-content-sha256", payload_hash) != 0))
    return -ENOMEM;
  list_signed(r, scope->omit_token_from_signature ? token_name : NULL, &d->signed_headers);
  if (buf_error(&d->signed_headers) != 0)
    return buf_error(&d->signed_headers);
  return draft_string(d, r, algorithm, scope, payload_hash, NULL);
}

int sigv4_seal_headers(const struct sigv4_draft *d, struct aws_request *r,
                       const struct sigv4_keys *keys, const char *algorithm,
                       const struct sigv4_scope *scope, const char *signature) {
  struct buf line;
  int rc;

  buf_init(&line, 0);
  buf_printf(&line, "%s Credential=%s/", algorithm, keys->access_key_id);
  sigv4_put_scope(algorithm, scope, &line);
  buf_printf(&line, ", SignedHeaders=%s, Signature=%s", buf_cstr(&d->signed_headers), signature);
  rc = buf_error(&line);
  if (rc == 0)
    rc = kvlist_add(&r->headers, "Authorization", buf_cstr(&line));
  buf_fini(&line);
  return rc;
}

static void forget_query(struct aws_request *r) {
  static const char *const added[] = {
      "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",
      "X-Amz-SignedHeaders", "X-Amz-Expires",    "X-Amz-Security-Token",
      EXPRESS_TOKEN_PARAM,   "X-Amz-Region-Set", "X-Amz-Signature"};

  for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
    kvlist_remove_ci(&r->query, added[i]);
}

static int add_credential(struct aws_request *r, const struct sigv4_keys *keys,
                          const char *algorithm, const struct sigv4_scope *scope) {
  struct buf credential;
  int rc;

  buf_init(&credential, 0);
  buf_printf(&credential, "%s/", keys->access_key_id);
  sigv4_put_scope(algorithm, scope, &credential);
  rc = buf_error(&credential);
  if (rc == 0)
    rc = kvlist_add(&r->query, "X-Amz-Credential", buf_cstr(&credential));
  buf_fini(&credential);
  return rc;
}

int sigv4_draft_query(struct sigv4_draft *d, struct aws_request *r, const struct sigv4_keys *keys,
                      const char *algorithm, const struct sigv4_scope *scope,
                      const char *payload_hash, int64_t expires_s) {
  const char *token = keys_token(keys);
  const char *token_name = scope->s3express_token ? EXPRESS_TOKEN_PARAM : TOKEN_HEADER;
  char stamp[17];
  int rc;

  draft_init(d);
  text_iso8601_basic(scope->time, stamp);
  forget_query(r);
  list_signed(r, NULL, &d->signed_headers);
  rc = buf_error(&d->signed_headers);
  if (rc == 0)
    rc = kvlist_add(&r->query, "X-Amz-Algorithm", algorithm);
  if (rc == 0)
    rc = add_credential(r, keys, algorithm, scope);
  if (rc != 0)
    return rc;
  if (kvlist_add(&r->query, "X-Amz-Date", stamp) != 0 ||
      kvlist_add(&r->query, "X-Amz-SignedHeaders", buf_cstr(&d->signed_headers)) != 0 ||
      kvlist_addf(&r->query, "X-Amz-Expires", "%lld", (long long)expires_s) != 0 ||
      (token != NULL && kvlist_add(&r->query, token_name, token) != 0) ||
      (sigv4_is_asymmetric(algorithm) &&
       kvlist_add(&r->query, "X-Amz-Region-Set", scope->region) != 0))
    return -ENOMEM;
  return draft_string(d, r, algorithm, scope, payload_hash,
                      scope->omit_token_from_signature ? token_name : NULL);
}

int sigv4_seal_query(struct aws_request *r, const char *signature) {
  return kvlist_add(&r->query, "X-Amz-Signature", signature);
}

/* --- SigV4 --- */

static int draft_sign(const struct sigv4_draft *d, const struct sigv4_keys *keys,
                      const struct sigv4_scope *scope, char hex[65]) {
  uint8_t key[32];
  int rc = 0;

  if (scope->signing_key != NULL)
    return sigv4_signature(scope->signing_key, buf_cstr(&d->string_to_sign), hex);
  rc = sigv4_signing_key(keys->secret_access_key, scope, key);
  if (rc == 0)
    rc = sigv4_signature(key, buf_cstr(&d->string_to_sign), hex);
  explicit_bzero(key, sizeof(key));
  return rc;
}

int sigv4_sign_headers(struct aws_request *r, const struct sigv4_keys *keys,
                       const struct sigv4_scope *scope, const char *payload_hash,
                       bool add_content_sha256) {
  struct sigv4_draft d;
  char hex[65];
  int rc =
      sigv4_draft_headers(&d, r, keys, SIGV4_ALGORITHM, scope, payload_hash, add_content_sha256);

  if (rc == 0)
    rc = draft_sign(&d, keys, scope, hex);
  if (rc == 0)
    rc = sigv4_seal_headers(&d, r, keys, SIGV4_ALGORITHM, scope, hex);
  sigv4_draft_fini(&d);
  return rc;
}

int sigv4_presign(struct aws_request *r, const struct sigv4_keys *keys,
                  const struct sigv4_scope *scope, const char *payload_hash, int64_t expires_s) {
  struct sigv4_draft d;
  char hex[65];
  int rc = sigv4_draft_query(&d, r, keys, SIGV4_ALGORITHM, scope, payload_hash, expires_s);

  if (rc == 0)
    rc = draft_sign(&d, keys, scope, hex);
  if (rc == 0)
    rc = sigv4_seal_query(r, hex);
  sigv4_draft_fini(&d);
  return rc;
}
