/* The published SigV4 and SigV4a conformance suites, every case, by headers and
 * presigned, each stage compared with the suite's file: canonical request, string
 * to sign, signature, signed request. ECDSA signatures are random, so those are
 * verified with the suite's public key. The suite is found through
 * $S3APFS_VECTORS or beside the project; without it the tests skip. */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3apfs/aws/sigv4a.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

struct vector {
  char *dir;
  const char *name;
  cJSON *context;
  char *text;    /* request.txt */
  char *target;  /* as in the request line */
  char *headers; /* the header block, with its last newline */
  const char *body;
  struct aws_request request;
  struct sigv4_keys keys;
  struct sigv4_scope scope;
  char payload_hash[65];
  bool sign_body;
  int64_t expires;
  size_t own_headers; /* how many the request came with */
  size_t own_params;
  struct sigv4a_key *suite_key; /* v4a: public-key.json */
  struct sigv4a_key *key;       /* v4a: derived */
};

static const char *vectors_root(void) {
  const char *root = getenv("S3APFS_VECTORS");

  return root != NULL ? root : "../shared/vectors";
}

static char *read_text(const char *dir, const char *name) {
  char *path = text_printf("%s/%s", dir, name);
  FILE *f = fopen(path, "rb");
  struct buf b;
  char chunk[4096];
  size_t n;

  free(path);
  if (f == NULL)
    return NULL;
  buf_init(&b, 0);
  while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
    buf_append(&b, chunk, n);
  fclose(f);
  return buf_take(&b);
}

static void chomp(char *s) {
  size_t n = strlen(s);

  while (n > 0 && s[n - 1] == '\n')
    s[--n] = '\0';
}

/* --- reading a case --- */

static const char *json_text(const cJSON *o, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

  return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool json_true(const cJSON *o, const char *name) {
  return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name));
}

static void load_context(struct vector *v) {
  char *text = read_text(v->dir, "context.json");
  const cJSON *creds;

  cr_assert(text != NULL, "%s: no context.json", v->name);
  v->context = cJSON_Parse(text);
  free(text);
  cr_assert(v->context != NULL, "%s: context.json does not parse", v->name);
  creds = cJSON_GetObjectItemCaseSensitive(v->context, "credentials");
  v->keys.access_key_id = json_text(creds, "access_key_id");
  v->keys.secret_access_key = json_text(creds, "secret_access_key");
  v->keys.session_token = json_text(creds, "token");
  v->scope.region = json_text(v->context, "region");
  v->scope.service = json_text(v->context, "service");
  v->scope.normalize_path = json_true(v->context, "normalize");
  v->scope.double_encode = true;
  v->scope.omit_token_from_signature = json_true(v->context, "omit_session_token");
  v->sign_body = json_true(v->context, "sign_body");
  v->expires = (int64_t)cJSON_GetNumberValue(
      cJSON_GetObjectItemCaseSensitive(v->context, "expiration_in_seconds"));
  cr_assert(text_parse_iso8601(json_text(v->context, "timestamp"), &v->scope.time) == 0);
}

static void load_header(struct vector *v, char *line) {
  char *colon = strchr(line, ':');

  if (line[0] == ' ') { /* a folded line belongs to the header before */
    struct kv *last = &v->request.headers.items[v->request.headers.count - 1];
    char *joined = text_printf("%s\n%s", last->value, line);

    free(last->value);
    last->value = joined;
    return;
  }
  cr_assert(colon != NULL, "%s: header line '%s'", v->name, line);
  *colon = '\0';
  if (strcasecmp(line, "host") == 0) {
    free(v->request.host);
    v->request.host = strdup(colon + 1);
  } else {
    cr_assert(kvlist_add(&v->request.headers, line, colon + 1) == 0);
  }
}

static void load_request(struct vector *v) {
  char *line_end;
  char *block_end;
  char *method_end;
  char *target_end;
  char *query;
  char *lines;
  char *save = NULL;

  v->text = read_text(v->dir, "request.txt");
  cr_assert(v->text != NULL, "%s: no request.txt", v->name);
  block_end = strstr(v->text, "\n\n");
  v->body = block_end != NULL ? block_end + 2 : "";
  if (block_end != NULL)
    block_end[1] = '\0';
  line_end = strchr(v->text, '\n');
  cr_assert(line_end != NULL);
  v->headers = line_end + 1;
  *line_end = '\0';
  method_end = strchr(v->text, ' ');
  target_end = strrchr(v->text, ' ');
  cr_assert(method_end != NULL && target_end > method_end);
  *method_end = '\0';
  *target_end = '\0';
  v->target = method_end + 1;
  query = strchr(v->target, '?');
  lines = text_dup_n(v->target, query != NULL ? (size_t)(query - v->target) : strlen(v->target));
  cr_assert(aws_request_set(&v->request, v->text, "https", "", lines) == 0);
  free(lines);
  if (query != NULL)
    cr_assert(aws_request_parse_query(query + 1, &v->request.query) == 0);
  lines = strdup(v->headers);
  for (char *l = strtok_r(lines, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
    load_header(v, l);
  free(lines);
  v->own_headers = v->request.headers.count;
  v->own_params = v->request.query.count;
  cr_assert(digest_sha256_hex(v->body, strlen(v->body), v->payload_hash) == 0);
}

static void load_keys(struct vector *v) {
  char *text = read_text(v->dir, "public-key.json");
  char x[65];
  char y[65];
  cJSON *json;

  cr_assert(sigv4a_key_derive(v->keys.access_key_id, v->keys.secret_access_key, &v->key) == 0);
  if (text == NULL)
    return;
  json = cJSON_Parse(text);
  cr_assert(sigv4a_key_from_public(json_text(json, "X"), json_text(json, "Y"), &v->suite_key) == 0);
  cr_assert(sigv4a_key_public(v->key, x, y) == 0);
  cr_expect_str_eq(x, json_text(json, "X"), "%s: derived X", v->name);
  cr_expect_str_eq(y, json_text(json, "Y"), "%s: derived Y", v->name);
  cJSON_Delete(json);
  free(text);
}

static void vector_load(struct vector *v, const char *dir, const char *name, bool v4a) {
  memset(v, 0, sizeof(*v));
  v->dir = text_printf("%s/%s", dir, name);
  v->name = name;
  aws_request_init(&v->request);
  load_context(v);
  load_request(v);
  if (v4a)
    load_keys(v);
}

static void vector_free(struct vector *v) {
  aws_request_fini(&v->request);
  sigv4a_key_free(v->suite_key);
  sigv4a_key_free(v->key);
  cJSON_Delete(v->context);
  free(v->text);
  free(v->dir);
}

/* --- comparing --- */

/* False when the suite has no such file. Trailing newlines do not count. */
static bool expect_file(const struct vector *v, const char *file, const char *got) {
  char *want = read_text(v->dir, file);
  char *have = strdup(got);

  if (want != NULL) {
    chomp(want);
    chomp(have);
    cr_expect_str_eq(have, want, "%s/%s:\n got: %s\nwant: %s", v->name, file, have, want);
  }
  free(have);
  free(want);
  return want != NULL;
}

/* Cuts the signature out: behind `mark` up to a blank or newline. */
static char *cut_signature(char *text, const char *mark) {
  char *at = strstr(text, mark);
  char *signature;
  size_t n;

  cr_assert(at != NULL);
  at += strlen(mark);
  n = strspn(at, "0123456789abcdef");
  signature = text_dup_n(at, n);
  memmove(at, at + n, strlen(at + n) + 1);
  return signature;
}

static void verify_both(const struct vector *v, const char *string_to_sign, const char *signature) {
  cr_expect(sigv4a_verify(v->suite_key, string_to_sign, signature) == 0,
            "%s: signature does not verify with the suite's key", v->name);
  cr_expect(sigv4a_verify(v->key, string_to_sign, signature) == 0,
            "%s: signature does not verify with the derived key", v->name);
}

/* Signed request: exact for HMAC; for ECDSA both signatures are cut out first and verified. */
static void expect_signed(const struct vector *v, const char *file, struct buf *got,
                          const char *mark, const char *string_to_sign) {
  char *want = read_text(v->dir, file);
  char *have = buf_take(got);
  char *signature;

  cr_assert(want != NULL && have != NULL, "%s/%s", v->name, file);
  chomp(want);
  chomp(have);
  if (v->key != NULL) {
    signature = cut_signature(want, mark);
    verify_both(v, string_to_sign, signature);
    free(signature);
    signature = cut_signature(have, mark);
    verify_both(v, string_to_sign, signature);
    free(signature);
  }
  cr_expect_str_eq(have, want, "%s/%s:\n got: %s\nwant: %s", v->name, file, have, want);
  free(have);
  free(want);
}

static void check_signature(const struct vector *v, const char *file, const char *string_to_sign) {
  char *want = read_text(v->dir, file);
  uint8_t key[32];
  char hex[65];

  cr_assert(want != NULL, "%s/%s", v->name, file);
  chomp(want);
  if (v->key != NULL) {
    verify_both(v, string_to_sign, want);
  } else {
    cr_assert(sigv4_signing_key(v->keys.secret_access_key, &v->scope, key) == 0);
    cr_assert(sigv4_signature(key, string_to_sign, hex) == 0);
    cr_expect_str_eq(hex, want, "%s/%s", v->name, file);
  }
  free(want);
}

/* The stages over the signed request, as a verifier runs them. */
static void check_stages(const struct vector *v, const char *form, const char *signed_headers,
                         const char *skip, struct buf *string_to_sign) {
  const char *algorithm = v->key != NULL ? SIGV4A_ALGORITHM : SIGV4_ALGORITHM;
  char *file = text_printf("%s-canonical-request.txt", form);
  struct aws_request r = v->request;
  struct buf canonical;

  buf_init(&canonical, 0);
  sigv4_canonical_request(&r, &v->scope, signed_headers, v->payload_hash, skip, &canonical);
  cr_assert(buf_error(&canonical) == 0);
  cr_expect(expect_file(v, file, buf_cstr(&canonical)), "%s/%s is missing", v->name, file);
  free(file);
  file = text_printf("%s-string-to-sign.txt", form);
  cr_assert(sigv4_string_to_sign(algorithm, &v->scope, buf_cstr(&canonical), string_to_sign) == 0);
  cr_expect(expect_file(v, file, buf_cstr(string_to_sign)), "%s/%s is missing", v->name, file);
  free(file);
  file = text_printf("%s-signature.txt", form);
  check_signature(v, file, buf_cstr(string_to_sign));
  free(file);
  buf_fini(&canonical);
}

static void sign_headers(struct vector *v) {
  int rc = v->key != NULL ? sigv4a_sign_headers(&v->request, &v->keys, v->key, &v->scope,
                                                v->payload_hash, v->sign_body)
                          : sigv4_sign_headers(&v->request, &v->keys, &v->scope, v->payload_hash,
                                               v->sign_body);

  cr_assert(rc == 0, "%s: signing: %d", v->name, rc);
}

static char *signed_headers_of(const char *authorization) {
  const char *at = strstr(authorization, "SignedHeaders=");

  cr_assert(at != NULL);
  at += strlen("SignedHeaders=");
  return text_dup_n(at, strcspn(at, ","));
}

static void check_header_form(struct vector *v) {
  struct buf string_to_sign;
  struct buf text;
  char *signed_headers;

  sign_headers(v);
  signed_headers = signed_headers_of(kvlist_get_ci(&v->request.headers, "Authorization"));
  buf_init(&string_to_sign, 0);
  check_stages(v, "header", signed_headers, NULL, &string_to_sign);
  buf_init(&text, 0);
  buf_printf(&text, "%s %s HTTP/1.1\n%s", v->request.method, v->target, v->headers);
  if (text.data[text.len - 1] != '\n')
    buf_putc(&text, '\n');
  for (size_t i = v->own_headers; i < v->request.headers.count; i++)
    buf_printf(&text, "%s:%s\n", v->request.headers.items[i].name,
               v->request.headers.items[i].value);
  buf_printf(&text, "\n%s", v->body);
  expect_signed(v, "header-signed-request.txt", &text, ", Signature=", buf_cstr(&string_to_sign));
  buf_fini(&string_to_sign);
  free(signed_headers);
}

/* The suite leaves the token out of what is signed, but not out of the request. */
static void hide_unsigned_token(struct vector *v, struct aws_request *seen) {
  aws_request_init(seen);
  cr_assert(aws_request_set(seen, v->request.method, "https", v->request.host, v->request.path) ==
            0);
  cr_assert(kvlist_copy(&seen->headers, &v->request.headers) == 0);
  cr_assert(kvlist_copy(&seen->query, &v->request.query) == 0);
  if (v->scope.omit_token_from_signature)
    kvlist_remove_ci(&seen->query, "X-Amz-Security-Token");
}

static void check_query_form(struct vector *v) {
  struct aws_request whole;
  struct aws_request seen;
  struct buf string_to_sign;
  struct buf text;
  char sep = strchr(v->target, '?') != NULL ? '&' : '?';
  int rc =
      v->key != NULL
          ? sigv4a_presign(&v->request, &v->keys, v->key, &v->scope, v->payload_hash, v->expires)
          : sigv4_presign(&v->request, &v->keys, &v->scope, v->payload_hash, v->expires);

  cr_assert(rc == 0, "%s: presigning: %d", v->name, rc);
  hide_unsigned_token(v, &seen);
  whole = v->request;
  v->request = seen;
  buf_init(&string_to_sign, 0);
  check_stages(v, "query", kvlist_get(&seen.query, "X-Amz-SignedHeaders"), "X-Amz-Signature",
               &string_to_sign);
  v->request = whole;
  aws_request_fini(&seen);
  buf_init(&text, 0);
  buf_printf(&text, "%s %s", v->request.method, v->target);
  for (size_t i = v->own_params; i < v->request.query.count; i++) {
    const struct kv *p = &v->request.query.items[i];

    buf_printf(&text, "%c%s=", sep, p->name);
    text_uri_encode(&text, p->value, strlen(p->value), false);
    sep = '&';
  }
  buf_printf(&text, " HTTP/1.1\n%s", v->headers);
  if (text.data[text.len - 1] != '\n')
    buf_putc(&text, '\n');
  buf_printf(&text, "\n%s", v->body);
  expect_signed(v, "query-signed-request.txt", &text,
                "X-Amz-Signature=", buf_cstr(&string_to_sign));
  buf_fini(&string_to_sign);
}

/* Two SigV4a cases come without expectations: what can be said of them is that
 * parameters of one name are ordered by value. */
static void check_unpublished(struct vector *v) {
  struct buf query;

  buf_init(&query, 0);
  aws_request_canonical_query(&v->request.query, NULL, &query);
  if (strcmp(v->name, "get-vanilla-query-order-key") == 0)
    cr_expect_str_eq(buf_cstr(&query), "Param1=Value1&Param1=value2");
  else
    cr_expect_str_eq(buf_cstr(&query), "Param1=value1&Param1=value2", "%s", v->name);
  buf_fini(&query);
}

static bool has_expectations(const struct vector *v) {
  char *text = read_text(v->dir, "header-canonical-request.txt");

  free(text);
  return text != NULL;
}

static void run_case(const char *dir, const char *name, bool v4a, size_t counts[2]) {
  struct vector v;

  vector_load(&v, dir, name, v4a);
  if (!has_expectations(&v)) {
    check_unpublished(&v);
    counts[1]++;
  } else {
    check_header_form(&v);
    vector_free(&v);
    vector_load(&v, dir, name, v4a);
    check_query_form(&v);
    counts[0]++;
  }
  vector_free(&v);
}

static void run_suite(const char *suite, bool v4a) {
  char *dir = text_printf("%s/signing/%s", vectors_root(), suite);
  size_t counts[2] = {0, 0};
  DIR *d = opendir(dir);

  if (d == NULL) {
    fprintf(stderr, "signing vectors %s: skipped, no folder %s\n", suite, dir);
    free(dir);
    cr_skip_test("no signing vectors");
  }
  for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
    if (e->d_name[0] != '.')
      run_case(dir, e->d_name, v4a, counts);
  closedir(d);
  free(dir);
  fprintf(stderr,
          "signing vectors %s: %zu cases ran (header and query), %zu without expectations\n", suite,
          counts[0], counts[1]);
  cr_assert(counts[0] > 0, "the folder is there but no case ran");
}

Test(sigv4_vectors, v4) {
  run_suite("v4", false);
}

Test(sigv4_vectors, v4a) {
  run_suite("v4a", true);
}
