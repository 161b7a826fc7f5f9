/* Signing as S3 wants it: request forms, header choice, and the examples with
 * known signatures from the S3 API reference ("Authenticating Requests"). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/sigv4.h"
#include "s3apfs/aws/sigv4a.h"
#include "s3apfs/base/text.h"

#define DOC_DATE 1369353600 /* 2013-05-24T00:00:00Z */

static const struct sigv4_keys doc_keys = {"AKIAIOSFODNN7EXAMPLE",
                                           "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_scope doc_scope = {
    .region = "us-east-1", .service = "s3", .time = DOC_DATE};

static void make(struct aws_request *r, const char *method, const char *path) {
  aws_request_init(r);
  cr_assert(aws_request_set(r, method, "https", "examplebucket.s3.amazonaws.com", path) == 0);
}

static void expect_signature(const struct aws_request *r, const char *want) {
  const char *authorization = kvlist_get_ci(&r->headers, "Authorization");

  cr_assert(authorization != NULL);
  cr_expect(text_has_suffix(authorization, want), "%s\nwants %s", authorization, want);
}

/* --- requests --- */

Test(aws_request, url_has_the_encoded_sorted_query) {
  struct aws_request r;
  struct buf url;

  make(&r, "GET", "/a%20b/c//d");
  kvlist_add(&r.query, "prefix", "a b/+~");
  kvlist_add(&r.query, "list-type", "2");
  kvlist_add(&r.query, "acl", "");
  buf_init(&url, 0);
  aws_request_url(&r, &url);
  cr_expect_str_eq(buf_cstr(&url), "https://examplebucket.s3.amazonaws.com/a%20b/c//d"
                                   "?acl=&list-type=2&prefix=a%20b%2F%2B~");
  buf_fini(&url);
  aws_request_fini(&r);
}

Test(aws_request, url_without_query_has_no_question_mark) {
  struct aws_request r;
  struct buf url;

  make(&r, "GET", "/");
  buf_init(&url, 0);
  aws_request_url(&r, &url);
  cr_expect_str_eq(buf_cstr(&url), "https://examplebucket.s3.amazonaws.com/");
  buf_fini(&url);
  aws_request_fini(&r);
}

Test(aws_request, set_replaces_the_line_and_keeps_the_rest) {
  struct aws_request r;

  make(&r, "GET", "/a");
  kvlist_add(&r.headers, "x", "1");
  cr_assert(aws_request_set(&r, "PUT", "http", "h:1", r.path) == 0);
  cr_expect_str_eq(r.method, "PUT");
  cr_expect_str_eq(r.path, "/a");
  cr_expect_str_eq(r.host, "h:1");
  cr_expect(r.headers.count == 1);
  aws_request_fini(&r);
}

static void expect_query(const char *raw, const char *skip, const char *want) {
  struct kvlist query;
  struct buf out;

  kvlist_init(&query);
  cr_assert(aws_request_parse_query(raw, &query) == 0, "%s", raw);
  buf_init(&out, 0);
  aws_request_canonical_query(&query, skip, &out);
  cr_expect_str_eq(buf_cstr(&out), want, "'%s' gives '%s'", raw, buf_cstr(&out));
  buf_fini(&out);
  kvlist_fini(&query);
}

Test(aws_request, canonical_query_orders_by_encoded_name_then_value) {
  expect_query("", NULL, "");
  expect_query("uploads", NULL, "uploads=");
  expect_query("&&a=1&&", NULL, "a=1");
  expect_query("a=b=c", NULL, "a=b%3Dc");
  expect_query("a=2&a=10&a=1", NULL, "a=1&a=10&a=2");
  expect_query("a-b=1&a=2", NULL, "a=2&a-b=1"); /* '-' sorts before '=' */
  expect_query("b=1&B=2", NULL, "B=2&b=1");
  expect_query("k=a+b", NULL, "k=a%2Bb");
  expect_query("k=%e1%88%b4&k%2f=1", NULL, "k=%E1%88%B4&k%2F=1");
  expect_query("a=1&X-Amz-Signature=0&b=2", "X-Amz-Signature", "a=1&b=2");
  expect_query("X-Amz-Signature=0", "X-Amz-Signature", "");
}

Test(aws_request, bad_escapes_are_refused) {
  static const char *const bad[] = {"a=%", "a=%4", "a=%zz", "%=1", "a=1&b=%a", "a=%00", "%00=1"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct kvlist query;

    kvlist_init(&query);
    cr_expect(aws_request_parse_query(bad[i], &query) == -EINVAL, "%s", bad[i]);
    kvlist_fini(&query);
  }
}

Test(aws_request, many_parameters_and_long_values) {
  struct kvlist query;
  struct buf out;
  char *big = malloc(300001);

  cr_assert(big != NULL);
  memset(big, '/', 300000);
  big[300000] = '\0';
  kvlist_init(&query);
  for (int i = 0; i < 5000; i++)
    cr_assert(kvlist_addf(&query, "n", "%d", i) == 0);
  cr_assert(kvlist_add(&query, "big", big) == 0);
  buf_init(&out, 0);
  aws_request_canonical_query(&query, NULL, &out);
  cr_expect(buf_error(&out) == 0);
  cr_expect(text_has_prefix(buf_cstr(&out), "big=%2F%2F"));
  cr_expect(text_has_suffix(buf_cstr(&out), "&n=999"));
  cr_expect(out.len > 900000);
  buf_fini(&out);
  buf_init(&out, 100);
  aws_request_canonical_query(&query, NULL, &out);
  cr_expect(buf_error(&out) == -E2BIG);
  buf_fini(&out);
  kvlist_fini(&query);
  free(big);
}

/* --- which path, which headers --- */

static void expect_path(const char *path, bool normalize, bool twice, const char *want) {
  struct sigv4_scope scope = doc_scope;
  struct aws_request r;
  struct buf out;
  char *head = text_printf("GET\n%s\n\nhost:", want);

  scope.normalize_path = normalize;
  scope.double_encode = twice;
  make(&r, "GET", path);
  buf_init(&out, 0);
  sigv4_canonical_request(&r, &scope, "host", SIGV4_EMPTY_SHA256, NULL, &out);
  cr_expect(text_has_prefix(buf_cstr(&out), head), "%s: %s", path, buf_cstr(&out));
  free(head);
  buf_fini(&out);
  aws_request_fini(&r);
}

Test(sigv4, path_forms) {
  expect_path("/a//b/../%2E./x%20y", false, false, "/a//b/../%2E./x%20y");
  expect_path("/a//b/../x%20y/", true, false, "/a/x%20y/");
  expect_path("/a//b/../x%20y", true, true, "/a/x%2520y");
  expect_path("/x%20y//", false, true, "/x%2520y//");
  expect_path("", false, false, "/");
  expect_path("", true, true, "/");
  expect_path("/../../..", true, false, "/");
  expect_path("/a/b/./.././../c", true, false, "/c");
  expect_path("/...", true, false, "/...");
}

static void expect_signed_names(struct aws_request *r, const char *want) {
  struct buf names;

  buf_init(&names, 0);
  sigv4_signed_headers(r, &names);
  cr_expect(buf_error(&names) == 0);
  cr_expect_str_eq(buf_cstr(&names), want);
  buf_fini(&names);
}

Test(sigv4, headers_that_travel_badly_are_not_signed) {
  struct aws_request r;

  make(&r, "GET", "/");
  expect_signed_names(&r, "host");
  kvlist_add(&r.headers, "X-Amz-Meta-B", "1");
  kvlist_add(&r.headers, "x-amz-meta-b", "2");
  kvlist_add(&r.headers, "Range", "bytes=0-1");
  kvlist_add(&r.headers, "Content-Type", "text/plain");
  kvlist_add(&r.headers, "User-Agent", "x");
  kvlist_add(&r.headers, "Expect", "100-continue");
  kvlist_add(&r.headers, "Proxy-Authorization", "x");
  kvlist_add(&r.headers, "Connection", "close");
  kvlist_add(&r.headers, "Transfer-Encoding", "chunked");
  kvlist_add(&r.headers, "TE", "trailers");
  kvlist_add(&r.headers, "X-Amzn-Trace-Id", "x");
  kvlist_add(&r.headers, "Authorization", "x");
  expect_signed_names(&r, "content-type;host;range;x-amz-meta-b");
  aws_request_fini(&r);
}

Test(sigv4, the_given_header_list_is_honoured) {
  struct aws_request r;
  struct buf out;

  make(&r, "PUT", "/k");
  kvlist_add(&r.headers, "B", " 2\t 3 ");
  kvlist_add(&r.headers, "A", "1");
  kvlist_add(&r.headers, "b", "4");
  buf_init(&out, 0);
  sigv4_canonical_request(&r, &doc_scope, "b;host;missing", SIGV4_UNSIGNED_PAYLOAD, NULL, &out);
  cr_expect_str_eq(buf_cstr(&out), "PUT\n/k\n\nb:2 3,4\nhost:examplebucket.s3.amazonaws.com\n"
                                   "missing:\n\nb;host;missing\nUNSIGNED-PAYLOAD");
  buf_fini(&out);
  aws_request_fini(&r);
}

/* --- published examples --- */

Test(sigv4, published_get_object) {
  struct aws_request r;

  make(&r, "GET", "/test.txt");
  kvlist_add(&r.headers, "Range", "bytes=0-9");
  cr_assert(sigv4_sign_headers(&r, &doc_keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  expect_signature(&r, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  aws_request_fini(&r);
}

Test(sigv4, published_put_object_with_an_encoded_key) {
  struct aws_request r;

  make(&r, "PUT", "/test%24file.text");
  kvlist_add(&r.headers, "Date", "Fri, 24 May 2013 00:00:00 GMT");
  kvlist_add(&r.headers, "x-amz-storage-class", "REDUCED_REDUNDANCY");
  cr_assert(sigv4_sign_headers(&r, &doc_keys, &doc_scope,
                               "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                               true) == 0);
  expect_signature(&r, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  aws_request_fini(&r);
}

Test(sigv4, published_list_and_lifecycle) {
  struct aws_request r;

  make(&r, "GET", "/");
  kvlist_add(&r.query, "prefix", "J");
  kvlist_add(&r.query, "max-keys", "2");
  cr_assert(sigv4_sign_headers(&r, &doc_keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  expect_signature(&r, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  aws_request_fini(&r);
  make(&r, "GET", "/");
  kvlist_add(&r.query, "lifecycle", "");
  cr_assert(sigv4_sign_headers(&r, &doc_keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  expect_signature(&r, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  aws_request_fini(&r);
}

Test(sigv4, published_presigned_get) {
  struct aws_request r;

  make(&r, "GET", "/test.txt");
  cr_assert(sigv4_presign(&r, &doc_keys, &doc_scope, SIGV4_UNSIGNED_PAYLOAD, 86400) == 0);
  cr_expect_str_eq(kvlist_get(&r.query, "X-Amz-Signature"),
                   "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  cr_expect_str_eq(r.query.items[r.query.count - 1].name, "X-Amz-Signature");
  aws_request_fini(&r);
}

Test(sigv4, published_chunk_signatures) {
  uint8_t key[32];
  char hex[65];
  char *a = malloc(65536);

  cr_assert(a != NULL);
  memset(a, 'a', 65536);
  cr_assert(sigv4_signing_key(doc_keys.secret_access_key, &doc_scope, key) == 0);
  cr_assert(sigv4_chunk_signature(
                key, &doc_scope, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                a, 65536, hex) == 0);
  cr_expect_str_eq(hex, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
  cr_assert(sigv4_chunk_signature(key, &doc_scope, hex, a, 1024, hex) == 0);
  cr_expect_str_eq(hex, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
  cr_assert(sigv4_chunk_signature(key, &doc_scope, hex, a, 0, hex) == 0);
  cr_expect_str_eq(hex, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
  free(a);
}

Test(sigv4, published_trailer_signature) {
  static const char trailer[] = "x-amz-checksum-crc32c:sOO8/Q==\n";
  uint8_t key[32];
  char hex[65];

  cr_assert(sigv4_signing_key(doc_keys.secret_access_key, &doc_scope, key) == 0);
  cr_assert(sigv4_trailer_signature(
                key, &doc_scope, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                trailer, strlen(trailer), hex) == 0);
  cr_expect_str_eq(hex, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435");
}

/* --- signing details --- */

Test(sigv4, signing_again_replaces_the_first_signature) {
  const struct sigv4_keys with_token = {"AKIDOTHER", "other", "tok/en+="};
  struct sigv4_scope later = doc_scope;
  struct aws_request r;
  size_t count;

  make(&r, "GET", "/test.txt");
  kvlist_add(&r.headers, "Range", "bytes=0-9");
  later.time += 86400;
  cr_assert(sigv4_sign_headers(&r, &with_token, &later, SIGV4_UNSIGNED_PAYLOAD, true) == 0);
  cr_expect_str_eq(kvlist_get_ci(&r.headers, "x-amz-security-token"), "tok/en+=");
  count = r.headers.count;
  cr_assert(sigv4_sign_headers(&r, &doc_keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  expect_signature(&r, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  cr_expect(r.headers.count == count - 1);
  cr_expect(kvlist_get_ci(&r.headers, "x-amz-security-token") == NULL);
  aws_request_fini(&r);

  make(&r, "GET", "/test.txt");
  cr_assert(sigv4_presign(&r, &with_token, &later, SIGV4_UNSIGNED_PAYLOAD, 5) == 0);
  cr_assert(sigv4_presign(&r, &doc_keys, &doc_scope, SIGV4_UNSIGNED_PAYLOAD, 86400) == 0);
  cr_expect_str_eq(kvlist_get(&r.query, "X-Amz-Signature"),
                   "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  aws_request_fini(&r);
}

Test(sigv4, express_sessions_have_their_own_token) {
  const struct sigv4_keys session = {"AKID", "secret", "session"};
  struct sigv4_scope scope = doc_scope;
  struct aws_request r;

  scope.service = "s3express";
  scope.s3express_token = true;
  make(&r, "GET", "/k");
  cr_assert(sigv4_sign_headers(&r, &session, &scope, SIGV4_EMPTY_SHA256, true) == 0);
  cr_expect_str_eq(kvlist_get_ci(&r.headers, "x-amz-s3session-token"), "session");
  cr_expect(kvlist_get_ci(&r.headers, "x-amz-security-token") == NULL);
  cr_expect(strstr(kvlist_get_ci(&r.headers, "authorization"),
                   "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-s3session-token,") !=
            NULL);
  cr_assert(sigv4_presign(&r, &session, &scope, SIGV4_UNSIGNED_PAYLOAD, 300) == 0);
  cr_expect_str_eq(kvlist_get(&r.query, "X-Amz-S3session-Token"), "session");
  cr_expect(kvlist_get(&r.query, "X-Amz-Security-Token") == NULL);
  aws_request_fini(&r);
}

Test(sigv4, an_empty_token_is_no_token) {
  const struct sigv4_keys keys = {"AKID", "secret", ""};
  struct aws_request r;

  make(&r, "GET", "/k");
  cr_assert(sigv4_sign_headers(&r, &keys, &doc_scope, SIGV4_EMPTY_SHA256, false) == 0);
  cr_expect(kvlist_get_ci(&r.headers, "x-amz-security-token") == NULL);
  cr_expect(kvlist_get_ci(&r.headers, "x-amz-content-sha256") == NULL);
  aws_request_fini(&r);
}

Test(sigv4, long_tokens_and_secrets) {
  struct sigv4_keys keys = {"AKID", NULL, NULL};
  struct aws_request r;
  char *token = malloc(65537);
  char first[65];

  cr_assert(token != NULL);
  memset(token, 't', 65536);
  token[65536] = '\0';
  keys.session_token = token;
  keys.secret_access_key = token;
  make(&r, "GET", "/k");
  cr_assert(sigv4_sign_headers(&r, &keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  snprintf(first, sizeof(first), "%s",
           strstr(kvlist_get_ci(&r.headers, "authorization"), "Signature=") + 10);
  token[65535] = 'u';
  cr_assert(sigv4_sign_headers(&r, &keys, &doc_scope, SIGV4_EMPTY_SHA256, true) == 0);
  cr_expect(!text_has_suffix(kvlist_get_ci(&r.headers, "authorization"), first));
  aws_request_fini(&r);
  free(token);
}

Test(sigv4, credential_scope) {
  struct buf out;

  buf_init(&out, 0);
  sigv4_credential_scope(&doc_scope, &out);
  cr_expect_str_eq(buf_cstr(&out), "20130524/us-east-1/s3/aws4_request");
  buf_fini(&out);
}

/* --- SigV4a keys and signatures --- */

static const char doc_x[] = "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1";
static const char doc_y[] = "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518";

Test(sigv4a, a_public_key_only_verifies) {
  struct sigv4a_key *own;
  struct sigv4a_key *seen;
  struct buf hex;
  char x[65];
  char y[65];

  cr_assert(sigv4a_key_derive("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &own) ==
            0);
  cr_assert(sigv4a_key_public(own, x, y) == 0);
  cr_expect_str_eq(x, doc_x);
  cr_expect_str_eq(y, doc_y);
  cr_assert(sigv4a_key_from_public(x, y, &seen) == 0);
  buf_init(&hex, 0);
  cr_expect(sigv4a_signature(seen, "text", &hex) == -EINVAL);
  cr_assert(sigv4a_signature(own, "text", &hex) == 0);
  cr_expect(sigv4a_verify(seen, "text", buf_cstr(&hex)) == 0);
  cr_expect(sigv4a_verify(seen, "texT", buf_cstr(&hex)) == -EKEYREJECTED);
  hex.data[hex.len - 1] = hex.data[hex.len - 1] == '0' ? '1' : '0';
  cr_expect(sigv4a_verify(seen, "text", buf_cstr(&hex)) == -EKEYREJECTED);
  buf_fini(&hex);
  sigv4a_key_free(own);
  sigv4a_key_free(seen);
  sigv4a_key_free(NULL);
}

Test(sigv4a, keys_differ_by_id_and_by_secret) {
  static const char *const pairs[][2] = {{"A", "s"}, {"B", "s"}, {"A", "t"}};
  char seen[3][65];
  char y[65];

  for (size_t i = 0; i < 3; i++) {
    struct sigv4a_key *k;

    cr_assert(sigv4a_key_derive(pairs[i][0], pairs[i][1], &k) == 0);
    cr_assert(sigv4a_key_public(k, seen[i], y) == 0);
    sigv4a_key_free(k);
  }
  cr_expect(strcmp(seen[0], seen[1]) != 0);
  cr_expect(strcmp(seen[0], seen[2]) != 0);
  cr_expect(strcmp(seen[1], seen[2]) != 0);
}

Test(sigv4a, malformed_keys_and_signatures_are_refused) {
  static const char *const bad[] = {
      "", "0", "zz", "30", "00", "3006020101020101ff", "deadbeef", "30060201010201"};
  struct sigv4a_key *k = NULL;
  char *huge = malloc(100001);

  cr_assert(huge != NULL);
  memset(huge, '3', 100000);
  huge[100000] = '\0';
  cr_expect(sigv4a_key_from_public("00", doc_y, &k) == -EINVAL);
  cr_expect(sigv4a_key_from_public(doc_x, huge, &k) == -EINVAL);
  cr_expect(sigv4a_key_from_public(doc_y, doc_x, &k) == -EINVAL, "a point off the curve");
  cr_expect(sigv4a_key_from_public(
                doc_x, "z65ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518", &k) ==
            -EINVAL);
  cr_expect(k == NULL);
  cr_assert(sigv4a_key_from_public(doc_x, doc_y, &k) == 0);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect(sigv4a_verify(k, "text", bad[i]) == -EINVAL, "'%s'", bad[i]);
  cr_expect(sigv4a_verify(k, "text", huge) == -EINVAL);
  cr_expect(sigv4a_verify(k, "text", "3006020101020101") == -EKEYREJECTED);
  sigv4a_key_free(k);
  free(huge);
}
