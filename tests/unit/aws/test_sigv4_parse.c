/* The receiving side: what both signers produce is read back and verified, and
 * everything malformed is refused with its own fault. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/sigv4_parse.h"
#include "s3apfs/aws/sigv4a.h"
#include "s3apfs/base/text.h"

#define WHEN 1440938160 /* 2015-08-30T12:36:00Z */
#define HEX64 "b3c5a7f1d2e4960887a6b5c4d3e2f10918273645aabbccddeeff001122334455"
#define GOOD                                                                                       \
  "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/s3/aws4_request, "                          \
  "SignedHeaders=host;x-amz-date, Signature=" HEX64

static const struct sigv4_keys keys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                       "token/with+signs=="};
static const struct sigv4_scope scope = {.region = "eu-west-3", .service = "s3", .time = WHEN};

static void make(struct aws_request *r) {
  aws_request_init(r);
  cr_assert(aws_request_set(r, "GET", "https", "b.localhost:9000", "/a//b%20c/../d") == 0);
  cr_assert(kvlist_add(&r->query, "prefix", "x y") == 0);
  cr_assert(kvlist_add(&r->headers, "X-Amz-Meta-A", " 1   2 ") == 0);
  cr_assert(kvlist_add(&r->headers, "Range", "bytes=0-1") == 0);
}

static int verify(const struct sigv4_auth *a, const struct aws_request *r, const char *secret,
                  const char *hash) {
  struct buf canonical;
  struct buf string;
  int rc;

  buf_init(&canonical, 0);
  buf_init(&string, 0);
  rc = sigv4_auth_verify(a, r, false, secret, hash, &canonical, &string);
  cr_expect(text_has_prefix(buf_cstr(&canonical), "GET\n/a//"));
  cr_expect(text_has_prefix(buf_cstr(&string), "AWS4-"));
  buf_fini(&canonical);
  buf_fini(&string);
  return rc;
}

static void check_round(const struct aws_request *r, const char *hash, struct sigv4_auth *a) {
  enum sigv4_fault fault = SIGV4_FAULT_NONE;

  cr_assert(sigv4_parse_request(r, a, &fault) == 0, "fault %d", (int)fault);
  cr_expect_str_eq(a->access_key_id, "AKIDEXAMPLE");
  cr_expect_str_eq(a->date, "20150830");
  cr_expect_str_eq(a->region, "eu-west-3");
  cr_expect_str_eq(a->service, "s3");
  cr_expect(a->time == WHEN);
  cr_expect(verify(a, r, keys.secret_access_key, hash) == 0);
  cr_expect(verify(a, r, "another secret", hash) == -EKEYREJECTED);
  cr_expect(verify(a, r, keys.secret_access_key, "UNSIGNED") == -EKEYREJECTED);
}

/* Every signed part counts; what is not signed does not. */
static void check_tampering(struct aws_request *r, const struct sigv4_auth *a, const char *hash) {
  const char *secret = keys.secret_access_key;

  cr_assert(kvlist_add(&r->headers, "User-Agent", "proxy") == 0);
  cr_expect(verify(a, r, secret, hash) == 0);
  cr_assert(kvlist_set_ci(&r->headers, "x-amz-meta-a", "1 2") == 0);
  cr_expect(verify(a, r, secret, hash) == 0, "blanks are collapsed");
  cr_assert(kvlist_set_ci(&r->headers, "x-amz-meta-a", "1 3") == 0);
  cr_expect(verify(a, r, secret, hash) == -EKEYREJECTED);
  cr_assert(kvlist_set_ci(&r->headers, "x-amz-meta-a", "1 2") == 0);
  cr_assert(kvlist_add(&r->query, "acl", "") == 0);
  cr_expect(verify(a, r, secret, hash) == -EKEYREJECTED);
  kvlist_remove_ci(&r->query, "acl");
  cr_expect(verify(a, r, secret, hash) == 0);
  cr_assert(aws_request_set(r, "GET", "https", "c.localhost:9000", "/a//b%20c/../d") == 0);
  cr_expect(verify(a, r, secret, hash) == -EKEYREJECTED);
  cr_assert(aws_request_set(r, "GET", "https", "b.localhost:9000", "/a//b%20c/%2E./d") == 0);
  cr_expect(verify(a, r, secret, hash) == -EKEYREJECTED);
}

static void round_trip(bool v4a, bool presign) {
  const char *hash = presign ? SIGV4_UNSIGNED_PAYLOAD : SIGV4_EMPTY_SHA256;
  struct sigv4a_key *k = NULL;
  struct aws_request r;
  struct sigv4_auth a;
  int rc;

  make(&r);
  cr_assert(sigv4a_key_derive(keys.access_key_id, keys.secret_access_key, &k) == 0);
  if (presign)
    rc = v4a ? sigv4a_presign(&r, &keys, k, &scope, hash, 900)
             : sigv4_presign(&r, &keys, &scope, hash, 900);
  else
    rc = v4a ? sigv4a_sign_headers(&r, &keys, k, &scope, hash, true)
             : sigv4_sign_headers(&r, &keys, &scope, hash, true);
  cr_assert(rc == 0);
  check_round(&r, hash, &a);
  cr_expect(a.presigned == presign);
  cr_expect(a.asymmetric == v4a);
  cr_expect(a.expires_s == (presign ? 900 : 0));
  cr_expect(sigv4_auth_signs(&a, "Host"));
  cr_expect(sigv4_auth_signs(&a, "X-Amz-Meta-A"));
  cr_expect(sigv4_auth_signs(&a, "X-Amz-Date") == !presign);
  cr_expect(!sigv4_auth_signs(&a, "x-amz-meta"));
  cr_expect(!sigv4_auth_signs(&a, ""));
  check_tampering(&r, &a, hash);
  sigv4_auth_fini(&a);
  sigv4a_key_free(k);
  aws_request_fini(&r);
}

Test(sigv4_parse, round_trip_v4_headers) {
  round_trip(false, false);
}

Test(sigv4_parse, round_trip_v4_query) {
  round_trip(false, true);
}

Test(sigv4_parse, round_trip_v4a_headers) {
  round_trip(true, false);
}

Test(sigv4_parse, round_trip_v4a_query) {
  round_trip(true, true);
}

Test(sigv4_parse, the_key_and_the_scope_are_part_of_the_signature) {
  struct aws_request r;
  struct sigv4_auth a;
  enum sigv4_fault fault;

  make(&r);
  cr_assert(sigv4_sign_headers(&r, &keys, &scope, SIGV4_EMPTY_SHA256, true) == 0);
  cr_assert(sigv4_parse_request(&r, &a, &fault) == 0);
  free(a.region);
  a.region = strdup("us-east-1");
  cr_expect(verify(&a, &r, keys.secret_access_key, SIGV4_EMPTY_SHA256) == -EKEYREJECTED);
  sigv4_auth_fini(&a);
  aws_request_fini(&r);
}

Test(sigv4_parse, generic_services_normalise_and_double_encode) {
  struct sigv4_scope generic = scope;
  struct aws_request r;
  struct sigv4_auth a;
  struct buf canonical;
  struct buf string;
  enum sigv4_fault fault;

  generic.service = "sts";
  generic.normalize_path = true;
  generic.double_encode = true;
  make(&r);
  cr_assert(sigv4_sign_headers(&r, &keys, &generic, SIGV4_EMPTY_SHA256, false) == 0);
  cr_assert(sigv4_parse_request(&r, &a, &fault) == 0);
  buf_init(&canonical, 0);
  buf_init(&string, 0);
  cr_expect(sigv4_auth_verify(&a, &r, true, keys.secret_access_key, SIGV4_EMPTY_SHA256, &canonical,
                              &string) == 0);
  cr_expect(text_has_prefix(buf_cstr(&canonical), "GET\n/a/d\n"));
  cr_expect(sigv4_auth_verify(&a, &r, false, keys.secret_access_key, SIGV4_EMPTY_SHA256, &canonical,
                              &string) == -EKEYREJECTED);
  buf_fini(&canonical);
  buf_fini(&string);
  sigv4_auth_fini(&a);
  aws_request_fini(&r);
}

/* --- the Authorization header --- */

static void expect_fault(const char *value, enum sigv4_fault want) {
  enum sigv4_fault fault = SIGV4_FAULT_NONE;
  struct sigv4_auth a;
  int rc = sigv4_parse_authorization(value, &a, &fault);

  cr_expect(rc == (want != SIGV4_FAULT_NONE ? -EINVAL : 0), "%.200s: %d", value, rc);
  cr_expect(fault == want, "%.200s: fault %d, not %d", value, (int)fault, (int)want);
  if (rc == 0)
    sigv4_auth_fini(&a);
}

Test(sigv4_parse, accepted_spellings) {
  struct sigv4_auth a;
  enum sigv4_fault fault;

  cr_assert(sigv4_parse_authorization(GOOD, &a, &fault) == 0);
  cr_expect_str_eq(a.access_key_id, "AKID");
  cr_expect_str_eq(a.region, "us-east-1");
  cr_expect_str_eq(a.signed_headers, "host;x-amz-date");
  cr_expect_str_eq(a.signature, HEX64);
  cr_expect(!a.asymmetric && !a.presigned && a.time == 0);
  sigv4_auth_fini(&a);
  expect_fault("AWS4-HMAC-SHA256 Signature=" HEX64
               ",SignedHeaders=host,Credential=A/20150830/r/s/aws4_request",
               SIGV4_FAULT_NONE);
  expect_fault("AWS4-HMAC-SHA256   Credential=A/20150830/r/s/aws4_request ,\tSignedHeaders=host , "
               "Signature=" HEX64 " ",
               SIGV4_FAULT_NONE);
  expect_fault("AWS4-ECDSA-P256-SHA256 Credential=A/20150830/s3/aws4_request, SignedHeaders=host, "
               "Signature=3006020101020101",
               SIGV4_FAULT_NONE);
}

Test(sigv4_parse, other_schemes) {
  static const char *const values[] = {"",
                                       " ",
                                       "AWS AKID:c2ln",
                                       "Basic dTpw",
                                       "Bearer x",
                                       "AWS4-HMAC-SHA256X Credential=A/20150830/r/s/aws4_request",
                                       "aws4-hmac-sha256 Credential=A/20150830/r/s/aws4_request",
                                       "AWS4-HMAC-SHA25",
                                       "AWS4-HMAC-SHA256-PAYLOAD x=y"};

  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
    expect_fault(values[i], SIGV4_FAULT_SCHEME);
}

#define CRED "Credential=A/20150830/r/s/aws4_request"
#define HOST "SignedHeaders=host"
#define SIG "Signature=" HEX64

Test(sigv4_parse, missing_repeated_and_unknown_components) {
  static const char *const rests[] = {"",
                                      " ",
                                      " ,",
                                      " , , ",
                                      " " CRED,
                                      " " CRED ", " HOST,
                                      " " HOST ", " SIG,
                                      " " CRED ", " SIG,
                                      " " CRED ", " HOST ", " SIG ",",
                                      " " CRED ", " HOST ", " SIG ", " SIG,
                                      " " CRED ", " CRED ", " HOST ", " SIG,
                                      " " CRED ", " HOST ", " SIG ", Extra=1",
                                      " " CRED ", " HOST ", Signature=",
                                      " " CRED ", " HOST ", Signature",
                                      " " CRED ", SignedHeaders=, " SIG,
                                      " Credential=, " HOST ", " SIG,
                                      " credential=A/20150830/r/s/aws4_request, " HOST ", " SIG,
                                      " " CRED "; " HOST "; " SIG,
                                      " " CRED " " HOST " " SIG,
                                      " =" CRED ", " HOST ", " SIG};

  for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
    char *value = text_printf("AWS4-HMAC-SHA256%s", rests[i]);

    expect_fault(value, SIGV4_FAULT_COMPONENTS);
    free(value);
  }
}

static void expect_credential(const char *algorithm, const char *credential,
                              enum sigv4_fault want) {
  char *value = text_printf("%s Credential=%s, " HOST ", Signature=%s", algorithm, credential,
                            strcmp(algorithm, SIGV4_ALGORITHM) == 0 ? HEX64 : "3006020101020101");

  expect_fault(value, want);
  free(value);
}

Test(sigv4_parse, credentials) {
  static const struct {
    const char *text;
    enum sigv4_fault fault;
  } cases[] = {{"A", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830/r/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A/B/20150830/r/s/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830/r/s/aws4_request/", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830//s/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830/r//aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A B/20150830/r/s/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830/r\x01/s/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"A/20150830/r\xc3\xa9/s/aws4_request", SIGV4_FAULT_CREDENTIAL},
               {"////", SIGV4_FAULT_ACCESS_KEY},
               {"/20150830/r/s/aws4_request", SIGV4_FAULT_ACCESS_KEY},
               {"A/20150830/r/s/aws4_reques", SIGV4_FAULT_TERMINATOR},
               {"A/20150830/r/s/AWS4_REQUEST", SIGV4_FAULT_TERMINATOR},
               {"A/2015083/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/201508300/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/2015-8-3/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/20150230/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/20151330/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/2015083O/r/s/aws4_request", SIGV4_FAULT_SCOPE_DATE},
               {"A/20160229/r/s/aws4_request", SIGV4_FAULT_NONE}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    expect_credential(SIGV4_ALGORITHM, cases[i].text, cases[i].fault);
  expect_credential(SIGV4A_ALGORITHM, "A/20150830/r/s3/aws4_request", SIGV4_FAULT_CREDENTIAL);
  expect_credential(SIGV4A_ALGORITHM, "A/20150830/s3/aws4_request", SIGV4_FAULT_NONE);
  expect_credential(SIGV4A_ALGORITHM, "A/20150830/s3/aws4_reques", SIGV4_FAULT_TERMINATOR);
}

Test(sigv4_parse, signed_headers) {
  static const struct {
    const char *text;
    enum sigv4_fault fault;
  } cases[] = {{"host", SIGV4_FAULT_NONE},
               {"a;host;x-amz-date", SIGV4_FAULT_NONE},
               {"x-amz-date", SIGV4_FAULT_SIGNED_HEADERS},
               {"Host", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;", SIGV4_FAULT_SIGNED_HEADERS},
               {";host", SIGV4_FAULT_SIGNED_HEADERS},
               {"a;;host", SIGV4_FAULT_SIGNED_HEADERS},
               {";", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;host", SIGV4_FAULT_SIGNED_HEADERS},
               {"x-amz-date;host", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;x-amz-Date", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;x amz", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;x:amz", SIGV4_FAULT_SIGNED_HEADERS},
               {"host;\xff", SIGV4_FAULT_SIGNED_HEADERS},
               {"hosts", SIGV4_FAULT_SIGNED_HEADERS}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char *value = text_printf("AWS4-HMAC-SHA256 " CRED ", SignedHeaders=%s, " SIG, cases[i].text);

    expect_fault(value, cases[i].fault);
    free(value);
  }
}

static void expect_hex(const char *algorithm, const char *credential, const char *hex,
                       enum sigv4_fault want) {
  char *value = text_printf("%s Credential=%s, " HOST ", Signature=%s", algorithm, credential, hex);

  expect_fault(value, want);
  free(value);
}

Test(sigv4_parse, signatures) {
  static const char v4[] = "A/20150830/r/s/aws4_request";
  static const char v4a[] = "A/20150830/s/aws4_request";
  char hex[147];

  expect_hex(SIGV4_ALGORITHM, v4, "0", SIGV4_FAULT_SIGNATURE);
  expect_hex(SIGV4_ALGORITHM, v4, HEX64 "00", SIGV4_FAULT_SIGNATURE);
  expect_hex(SIGV4_ALGORITHM, v4, "g" HEX64, SIGV4_FAULT_SIGNATURE);
  memset(hex, 'a', sizeof(hex));
  hex[64] = '\0';
  expect_hex(SIGV4_ALGORITHM, v4, hex, SIGV4_FAULT_NONE);
  hex[63] = 'A';
  expect_hex(SIGV4_ALGORITHM, v4, hex, SIGV4_FAULT_SIGNATURE);
  hex[63] = 'g';
  expect_hex(SIGV4_ALGORITHM, v4, hex, SIGV4_FAULT_SIGNATURE);
  hex[63] = hex[64] = 'a';
  hex[144] = '\0';
  expect_hex(SIGV4A_ALGORITHM, v4a, hex, SIGV4_FAULT_NONE);
  hex[143] = '\0';
  expect_hex(SIGV4A_ALGORITHM, v4a, hex, SIGV4_FAULT_SIGNATURE);
  hex[143] = hex[144] = 'a';
  hex[146] = '\0';
  expect_hex(SIGV4A_ALGORITHM, v4a, hex, SIGV4_FAULT_SIGNATURE);
  hex[14] = '\0';
  expect_hex(SIGV4A_ALGORITHM, v4a, hex, SIGV4_FAULT_SIGNATURE);
}

static char *repeat(const char *head, char c, size_t n, const char *tail) {
  size_t head_len = strlen(head);
  char *s = malloc(head_len + n + strlen(tail) + 1);

  cr_assert(s != NULL);
  memcpy(s, head, head_len);
  memset(s + head_len, c, n);
  memcpy(s + head_len + n, tail, strlen(tail) + 1);
  return s;
}

Test(sigv4_parse, huge_input_is_refused_early) {
  static const struct {
    const char *head;
    char fill;
    size_t n;
    const char *tail;
    enum sigv4_fault fault;
  } cases[] = {
      {"", 'A', 10000000, "", SIGV4_FAULT_TOO_LONG},
      {"AWS4-HMAC-SHA256 ", ',', 10000000, "", SIGV4_FAULT_TOO_LONG},
      {"AWS4-HMAC-SHA256 ", ',', 16000, "", SIGV4_FAULT_COMPONENTS},
      {"AWS4-HMAC-SHA256 ", ' ', 16000, "", SIGV4_FAULT_COMPONENTS},
      {"AWS4-HMAC-SHA256 Credential=", '/', 15000, ", " HOST ", " SIG, SIGV4_FAULT_CREDENTIAL},
      {"AWS4-HMAC-SHA256 Credential=", 'A', 129, "/20150830/r/s/aws4_request, " HOST ", " SIG,
       SIGV4_FAULT_ACCESS_KEY},
      {"AWS4-HMAC-SHA256 Credential=", 'A', 128, "/20150830/r/s/aws4_request, " HOST ", " SIG,
       SIGV4_FAULT_NONE},
      {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=", ';', 15000, ", " SIG,
       SIGV4_FAULT_SIGNED_HEADERS},
      {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=", 'a', 15000, ";host, " SIG, SIGV4_FAULT_NONE},
      {"AWS4-HMAC-SHA256 " CRED ", " HOST ", Signature=", '0', 15000, "", SIGV4_FAULT_SIGNATURE}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char *value = repeat(cases[i].head, cases[i].fill, cases[i].n, cases[i].tail);

    expect_fault(value, cases[i].fault);
    free(value);
  }
}

Test(sigv4_parse, every_cut_of_a_header_is_refused) {
  for (size_t n = 0; n < strlen(GOOD); n++) {
    char *cut = text_dup_n(GOOD, n);
    enum sigv4_fault fault = SIGV4_FAULT_NONE;
    struct sigv4_auth a;

    cr_expect(sigv4_parse_authorization(cut, &a, &fault) == -EINVAL, "'%s'", cut);
    cr_expect(fault != SIGV4_FAULT_NONE);
    free(cut);
  }
}

/* --- whole requests --- */

static void expect_request_fault(const struct aws_request *r, enum sigv4_fault want) {
  enum sigv4_fault fault = SIGV4_FAULT_NONE;
  struct sigv4_auth a;
  int rc = sigv4_parse_request(r, &a, &fault);

  cr_expect(rc == (want == SIGV4_FAULT_NONE ? 0 : -EINVAL), "%d", rc);
  cr_expect(fault == want, "fault %d, not %d", (int)fault, (int)want);
  if (rc == 0)
    sigv4_auth_fini(&a);
}

Test(sigv4_parse, unsigned_request) {
  struct aws_request r;
  struct sigv4_auth a;
  enum sigv4_fault fault;

  make(&r);
  cr_expect(sigv4_parse_request(&r, &a, &fault) == -ENOENT);
  aws_request_fini(&r);
}

static void expect_dated(const char *name, const char *value, enum sigv4_fault want) {
  struct aws_request r;

  make(&r);
  kvlist_add(&r.headers, "authorization", GOOD);
  if (name != NULL)
    kvlist_add(&r.headers, name, value);
  expect_request_fault(&r, want);
  aws_request_fini(&r);
}

Test(sigv4_parse, request_dates) {
  static const char *const bad[] = {"",
                                    "20150830",
                                    "20150830T123600",
                                    "20150830T123600z",
                                    "20150830t123600Z",
                                    "20150830T123600ZZ",
                                    "20150830T246000Z",
                                    "20150832T123600Z",
                                    "2015-08-30T12:36:00Z",
                                    "20150830T123600+0000",
                                    "Sun, 30 Aug 2015 12:36:00 GMT",
                                    " 20150830T123600Z"};

  expect_dated("X-Amz-Date", "20150830T123600Z", SIGV4_FAULT_NONE);
  expect_dated("Date", "Sun, 30 Aug 2015 12:36:00 GMT", SIGV4_FAULT_NONE);
  expect_dated("Date", "20150830T123600Z", SIGV4_FAULT_NONE);
  expect_dated(NULL, NULL, SIGV4_FAULT_DATE);
  expect_dated("Date", "yesterday", SIGV4_FAULT_DATE);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    expect_dated("X-Amz-Date", bad[i], SIGV4_FAULT_DATE);
  expect_dated("X-Amz-Date", "20150831T000000Z", SIGV4_FAULT_DATE_MISMATCH);
  expect_dated("X-Amz-Date", "20150829T235959Z", SIGV4_FAULT_DATE_MISMATCH);
  expect_dated("Date", "Mon, 31 Aug 2015 00:00:00 GMT", SIGV4_FAULT_DATE_MISMATCH);
}

Test(sigv4_parse, x_amz_date_wins_over_date_and_may_come_once) {
  struct aws_request r;

  make(&r);
  kvlist_add(&r.headers, "Authorization", GOOD);
  kvlist_add(&r.headers, "Date", "Mon, 31 Aug 2015 00:00:00 GMT");
  kvlist_add(&r.headers, "X-Amz-Date", "20150830T000000Z");
  expect_request_fault(&r, SIGV4_FAULT_NONE);
  kvlist_add(&r.headers, "x-amz-date", "20150830T000000Z");
  expect_request_fault(&r, SIGV4_FAULT_DATE);
  aws_request_fini(&r);
}

Test(sigv4_parse, two_ways_at_once) {
  struct aws_request r;

  make(&r);
  cr_assert(sigv4_sign_headers(&r, &keys, &scope, SIGV4_EMPTY_SHA256, true) == 0);
  kvlist_add(&r.query, "X-Amz-Signature", HEX64);
  expect_request_fault(&r, SIGV4_FAULT_TWO_WAYS);
  kvlist_remove_ci(&r.query, "X-Amz-Signature");
  expect_request_fault(&r, SIGV4_FAULT_NONE);
  kvlist_add(&r.headers, "authorization", GOOD);
  expect_request_fault(&r, SIGV4_FAULT_TWO_WAYS);
  aws_request_fini(&r);
}

Test(sigv4_parse, sigv4a_needs_a_region_set) {
  struct sigv4a_key *k;
  struct aws_request r;

  make(&r);
  cr_assert(sigv4a_key_derive("A", "s", &k) == 0);
  cr_assert(sigv4a_sign_headers(&r, &keys, k, &scope, SIGV4_EMPTY_SHA256, true) == 0);
  expect_request_fault(&r, SIGV4_FAULT_NONE);
  cr_assert(kvlist_set_ci(&r.headers, "X-Amz-Region-Set", "") == 0);
  expect_request_fault(&r, SIGV4_FAULT_REGION_SET);
  kvlist_remove_ci(&r.headers, "X-Amz-Region-Set");
  expect_request_fault(&r, SIGV4_FAULT_REGION_SET);
  cr_assert(sigv4a_presign(&r, &keys, k, &scope, SIGV4_UNSIGNED_PAYLOAD, 1) == 0);
  kvlist_remove_ci(&r.headers, "Authorization");
  expect_request_fault(&r, SIGV4_FAULT_NONE);
  kvlist_remove_ci(&r.query, "X-Amz-Region-Set");
  expect_request_fault(&r, SIGV4_FAULT_REGION_SET);
  sigv4a_key_free(k);
  aws_request_fini(&r);
}

/* --- presigned --- */

/* A good presigned request with one parameter replaced, or removed when value is NULL. */
static void expect_param(const char *name, const char *value, enum sigv4_fault want) {
  struct aws_request r;

  make(&r);
  cr_assert(sigv4_presign(&r, &keys, &scope, SIGV4_UNSIGNED_PAYLOAD, 60) == 0);
  kvlist_remove_ci(&r.query, name);
  if (value != NULL)
    cr_assert(kvlist_add(&r.query, name, value) == 0);
  expect_request_fault(&r, want);
  aws_request_fini(&r);
}

Test(sigv4_parse, presigned_parameters) {
  static const char *const required[] = {"X-Amz-Algorithm", "X-Amz-Credential",
                                         "X-Amz-Date",      "X-Amz-Expires",
                                         "X-Amz-Signature", "X-Amz-SignedHeaders"};

  for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
    expect_param(required[i], NULL, SIGV4_FAULT_COMPONENTS);
  expect_param("X-Amz-Algorithm", "AWS4-HMAC-SHA1", SIGV4_FAULT_SCHEME);
  expect_param("X-Amz-Algorithm", "", SIGV4_FAULT_SCHEME);
  expect_param("X-Amz-Algorithm", SIGV4A_ALGORITHM, SIGV4_FAULT_CREDENTIAL);
  expect_param("X-Amz-Credential", "", SIGV4_FAULT_CREDENTIAL);
  expect_param("X-Amz-Credential", "A/20150830/r/s/aws4", SIGV4_FAULT_TERMINATOR);
  expect_param("X-Amz-Credential", "A/20150829/r/s/aws4_request", SIGV4_FAULT_DATE_MISMATCH);
  expect_param("X-Amz-SignedHeaders", "", SIGV4_FAULT_SIGNED_HEADERS);
  expect_param("X-Amz-SignedHeaders", "range", SIGV4_FAULT_SIGNED_HEADERS);
  expect_param("X-Amz-Signature", "", SIGV4_FAULT_SIGNATURE);
  expect_param("X-Amz-Signature", "zz", SIGV4_FAULT_SIGNATURE);
  expect_param("X-Amz-Date", "20150830", SIGV4_FAULT_DATE);
  expect_param("X-Amz-Date", "", SIGV4_FAULT_DATE);
}

Test(sigv4_parse, presigned_expiry) {
  expect_param("X-Amz-Expires", "1", SIGV4_FAULT_NONE);
  expect_param("X-Amz-Expires", "604800", SIGV4_FAULT_NONE);
  expect_param("X-Amz-Expires", "604801", SIGV4_FAULT_EXPIRES_RANGE);
  expect_param("X-Amz-Expires", "99999999999999999999999", SIGV4_FAULT_EXPIRES_RANGE);
  expect_param("X-Amz-Expires", "0", SIGV4_FAULT_EXPIRES);
  expect_param("X-Amz-Expires", "-1", SIGV4_FAULT_EXPIRES);
  expect_param("X-Amz-Expires", "", SIGV4_FAULT_EXPIRES);
  expect_param("X-Amz-Expires", "1h", SIGV4_FAULT_EXPIRES);
  expect_param("X-Amz-Expires", " 60", SIGV4_FAULT_EXPIRES);
}

Test(sigv4_parse, presigned_repeats_and_huge_values) {
  struct aws_request r;
  char *huge = repeat("", 'A', 1000000, "");

  make(&r);
  cr_assert(sigv4_presign(&r, &keys, &scope, SIGV4_UNSIGNED_PAYLOAD, 60) == 0);
  kvlist_add(&r.query, "X-Amz-Expires", "60");
  expect_request_fault(&r, SIGV4_FAULT_COMPONENTS);
  aws_request_fini(&r);
  expect_param("X-Amz-Credential", huge, SIGV4_FAULT_TOO_LONG);
  free(huge);
}

/* --- the rest --- */

Test(sigv4_parse, every_fault_has_words) {
  for (int f = SIGV4_FAULT_NONE + 1; f < SIGV4_FAULT_COUNT; f++) {
    cr_expect(sigv4_fault_code((enum sigv4_fault)f, false)[0] != '\0', "%d", f);
    cr_expect(sigv4_fault_code((enum sigv4_fault)f, true)[0] != '\0', "%d", f);
    cr_expect(sigv4_fault_text((enum sigv4_fault)f)[0] != '\0', "%d", f);
  }
  cr_expect_str_eq(sigv4_fault_code(SIGV4_FAULT_CREDENTIAL, false), "AuthorizationHeaderMalformed");
  cr_expect_str_eq(sigv4_fault_code(SIGV4_FAULT_CREDENTIAL, true),
                   "AuthorizationQueryParametersError");
  cr_expect_str_eq(sigv4_fault_code(SIGV4_FAULT_SIGNATURE, true), "SignatureDoesNotMatch");
}

Test(sigv4_parse, hex_comparison) {
  cr_expect(sigv4_hex_equal(HEX64, HEX64));
  cr_expect(sigv4_hex_equal("", ""));
  cr_expect(!sigv4_hex_equal("", "0"));
  cr_expect(!sigv4_hex_equal("00", "0"));
  cr_expect(!sigv4_hex_equal("ab", "aB"));
  cr_expect(!sigv4_hex_equal("0b", "ab"));
}
