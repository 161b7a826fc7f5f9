/* Error replies: every shape AWS sends, what proxies send, and the table. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/s3err.h"
#include "s3apfs/base/text.h"

static struct s3_error from(int status, const struct kvlist *headers, const char *body) {
  struct s3_error e;

  s3_error_init(&e);
  s3_error_from_reply(&e, status, headers, body, body != NULL ? strlen(body) : 0);
  return e;
}

static void expect(int status, const char *body, const char *code, enum s3_error_class class,
                   int err) {
  struct s3_error e = from(status, NULL, body);

  cr_assert_eq(e.http_status, status);
  cr_assert_str_eq(e.code, code);
  cr_assert_eq(e.class, class, "%s: class %d", code, (int)e.class);
  cr_assert_eq(e.err, err, "%s: err %d", code, e.err);
  s3_error_fini(&e);
}

Test(s3err, starts_with_empty_strings) {
  struct s3_error e;

  s3_error_init(&e);
  cr_assert_str_eq(e.code, "");
  cr_assert_str_eq(e.message, "");
  cr_assert_str_eq(e.request_id, "");
  cr_assert_str_eq(e.host_id, "");
  cr_assert_str_eq(e.region, "");
  s3_error_fini(&e);
  cr_assert_str_eq(e.code, "");
  s3_error_fini(&e);
}

Test(s3err, reads_an_s3_error) {
  struct s3_error e =
      from(404, NULL,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
           "<Message>The specified key does not exist.</Message><Key>a&amp;b</Key>"
           "<RequestId>4442587FB7D0A2F9</RequestId><HostId>abc/def=</HostId></Error>");

  cr_assert_str_eq(e.code, "NoSuchKey");
  cr_assert_str_eq(e.message, "The specified key does not exist.");
  cr_assert_str_eq(e.request_id, "4442587FB7D0A2F9");
  cr_assert_str_eq(e.host_id, "abc/def=");
  cr_assert_eq(e.class, S3_ERR_FATAL);
  cr_assert_eq(e.err, -ENOENT);
  s3_error_fini(&e);
}

Test(s3err, reads_a_wrapped_error) {
  struct s3_error e =
      from(403, NULL,
           "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
           "<Type>Sender</Type><Code>AccessDenied</Code><Message>no\n  way</Message></Error>"
           "<RequestId>r-1</RequestId><HostId>h-1</HostId></ErrorResponse>");

  cr_assert_str_eq(e.code, "AccessDenied");
  cr_assert_str_eq(e.message, "no way");
  cr_assert_str_eq(e.request_id, "r-1");
  cr_assert_str_eq(e.host_id, "h-1");
  cr_assert_eq(e.err, -EACCES);
  s3_error_fini(&e);
}

Test(s3err, prefers_ids_from_headers) {
  struct kvlist h;
  struct s3_error e;

  kvlist_init(&h);
  kvlist_add(&h, "X-Amz-Request-Id", "from-header");
  kvlist_add(&h, "x-amz-id-2", "host-from-header");
  e = from(403, &h,
           "<Error><Code>AccessDenied</Code><RequestId>body</RequestId><HostId>b</HostId></Error>");
  cr_assert_str_eq(e.request_id, "from-header");
  cr_assert_str_eq(e.host_id, "host-from-header");
  s3_error_fini(&e);
  kvlist_fini(&h);

  kvlist_init(&h);
  kvlist_add(&h, "x-amzn-RequestId", "sts-id");
  e = from(403, &h, NULL);
  cr_assert_str_eq(e.request_id, "sts-id");
  s3_error_fini(&e);
  kvlist_fini(&h);
}

Test(s3err, takes_a_head_reply_by_status) {
  expect(403, NULL, "Forbidden", S3_ERR_FATAL, -EACCES);
  expect(404, NULL, "NotFound", S3_ERR_FATAL, -ENOENT);
  expect(412, NULL, "PreconditionFailed", S3_ERR_FATAL, -ESTALE);
  expect(416, "", "InvalidRange", S3_ERR_FATAL, -ERANGE);
  expect(500, NULL, "InternalError", S3_ERR_TRANSIENT, -EIO);
  expect(502, NULL, "BadGateway", S3_ERR_TRANSIENT, -EIO);
  expect(503, NULL, "ServiceUnavailable", S3_ERR_THROTTLED, -EIO);
  expect(504, NULL, "GatewayTimeout", S3_ERR_TRANSIENT, -ETIMEDOUT);
  expect(429, NULL, "TooManyRequests", S3_ERR_THROTTLED, -EIO);
  expect(301, NULL, "PermanentRedirect", S3_ERR_REGION, -EIO);
  expect(418, NULL, "UnexpectedReply", S3_ERR_FATAL, -EIO);
  expect(599, NULL, "UnexpectedReply", S3_ERR_TRANSIENT, -EIO);
}

/* HEAD hides why it says 400: another region when the header names one, else
 * most likely expired keys. */
Test(s3err, tells_apart_what_a_head_400_means) {
  struct kvlist h;
  struct s3_error e;

  expect(400, NULL, "BadRequest", S3_ERR_CREDENTIALS, -EACCES);
  expect(400, "<html>odd</html>", "BadRequest", S3_ERR_FATAL, -EIO);
  kvlist_init(&h);
  kvlist_add(&h, "x-amz-bucket-region", "eu-west-3");
  e = from(400, &h, NULL);
  cr_assert_eq(e.class, S3_ERR_REGION);
  cr_assert_str_eq(e.region, "eu-west-3");
  s3_error_fini(&e);
  kvlist_fini(&h);
}

Test(s3err, does_not_believe_a_strangers_404) {
  struct s3_error e = from(404, NULL,
                           "<!DOCTYPE html><html><head><TITLE>Portal:\n log in</TITLE></head>"
                           "<body>please</body></html>");

  cr_assert_eq(e.err, -EIO);
  cr_assert_str_eq(e.message, "not an S3 reply: Portal: log in");
  cr_assert_str_eq(e.code, "NotFound");
  s3_error_fini(&e);
}

Test(s3err, shows_the_first_words_of_other_bodies) {
  struct s3_error e = from(502, NULL, "<html><h1>Bad</h1><p>gateway \x01 here</p>");
  char *big = malloc(100001);

  cr_assert_str_eq(e.message, "not an S3 reply: Bad gateway here");
  cr_assert_eq(e.class, S3_ERR_TRANSIENT);
  s3_error_fini(&e);
  memset(big, 'x', 100000);
  big[100000] = '\0';
  e = from(500, NULL, big);
  cr_assert_eq(strlen(e.message), strlen("not an S3 reply: ") + 200);
  s3_error_fini(&e);
  e = from(500, NULL, "\xff\xfe broken \xc3");
  cr_assert_str_eq(e.message, "not an S3 reply: ?? broken ?");
  s3_error_fini(&e);
  free(big);
}

Test(s3err, falls_back_to_the_status_for_a_broken_document) {
  expect(403, "<Error><Code>AccessDen", "Forbidden", S3_ERR_FATAL, -EACCES);
  expect(503, "<Error></Error>", "ServiceUnavailable", S3_ERR_THROTTLED, -EIO);
  expect(403, "<Error><Code/><Message>m</Message></Error>", "Forbidden", S3_ERR_FATAL, -EACCES);
  expect(404, "<Error><Code>NeverHeardOf</Code></Error>", "NeverHeardOf", S3_ERR_FATAL, -ENOENT);
  expect(500, "<Error><Code>NeverHeardOf</Code></Error>", "NeverHeardOf", S3_ERR_TRANSIENT, -EIO);
}

Test(s3err, finds_the_region_everywhere) {
  static const struct {
    int status;
    const char *body;
    const char *region;
    enum s3_error_class class;
  } rows[] = {
      {400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>",
       "eu-central-1", S3_ERR_REGION},
      {400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>", "", S3_ERR_FATAL},
      {301,
       "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3-ap-southeast-2.amazonaws.com"
       "</Endpoint></Error>",
       "ap-southeast-2", S3_ERR_REGION},
      {307,
       "<Error><Code>TemporaryRedirect</Code><Endpoint>s3-my.b.s3.eu-west-1.amazonaws.com"
       "</Endpoint></Error>",
       "eu-west-1", S3_ERR_REGION},
      {301,
       "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.dualstack.cn-north-1.amazonaws.com.cn"
       "</Endpoint></Error>",
       "cn-north-1", S3_ERR_REGION},
      {301, "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.amazonaws.com</Endpoint></Error>",
       "us-east-1", S3_ERR_REGION},
      {301, "<Error><Code>PermanentRedirect</Code><Endpoint>evil.example.com</Endpoint></Error>",
       "", S3_ERR_REGION},
      {400, "<Error><Code>IllegalLocationConstraintException</Code></Error>", "", S3_ERR_REGION},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct s3_error e = from(rows[i].status, NULL, rows[i].body);

    cr_assert_str_eq(e.region, rows[i].region, "row %zu: %s", i, e.region);
    cr_assert_eq(e.class, rows[i].class, "row %zu", i);
    s3_error_fini(&e);
  }
}

Test(s3err, prefers_the_region_header_and_refuses_odd_ones) {
  static const char *const bad[] = {
      "evil.example.com",
      "eu west",
      "../x",
      "EU-WEST-1",
      "-x",
      "a123456789b123456789c123456789d123456789e123456789f123456789g123"};
  struct kvlist h;
  struct s3_error e;

  kvlist_init(&h);
  kvlist_add(&h, "x-amz-bucket-region", "us-west-2");
  e = from(301, &h, "<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>");
  cr_assert_str_eq(e.region, "us-west-2");
  s3_error_fini(&e);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    kvlist_set_ci(&h, "x-amz-bucket-region", bad[i]);
    e = from(301, &h, NULL);
    cr_assert_str_eq(e.region, "", "took %s", bad[i]);
    s3_error_fini(&e);
  }
  kvlist_fini(&h);
}

Test(s3err, takes_the_servers_clock) {
  struct kvlist h;
  struct s3_error e;

  e = from(403, NULL,
           "<Error><Code>RequestTimeTooSkewed</Code><RequestTime>20261122T060300Z</RequestTime>"
           "<ServerTime>2026-11-22T06:33:00Z</ServerTime></Error>");
  cr_assert_eq(e.class, S3_ERR_SKEW);
  cr_assert_eq(e.err, -EACCES);
  cr_assert_eq(e.server_time, 1795329180);
  s3_error_fini(&e);

  kvlist_init(&h);
  kvlist_add(&h, "Date", "Sun, 22 Nov 2026 06:33:00 GMT");
  e = from(403, &h, NULL);
  cr_assert_eq(e.server_time, 1795329180);
  s3_error_fini(&e);
  e = from(403, &h,
           "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>soon</ServerTime></Error>");
  cr_assert_eq(e.server_time, 1795329180);
  s3_error_fini(&e);
  kvlist_set_ci(&h, "date", "yesterday");
  e = from(403, &h, NULL);
  cr_assert_eq(e.server_time, 0);
  s3_error_fini(&e);
  kvlist_fini(&h);
  expect(403,
         "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired: "
         "20261122T060300Z is now earlier than ...</Message></Error></ErrorResponse>",
         "SignatureDoesNotMatch", S3_ERR_SKEW, -EACCES);
  expect(403, "<Error><Code>SignatureDoesNotMatch</Code><Message>The request</Message></Error>",
         "SignatureDoesNotMatch", S3_ERR_FATAL, -EACCES);
}

Test(s3err, hints_at_archived_objects) {
  struct s3_error e =
      from(403, NULL,
           "<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the "
           "object's storage class</Message><StorageClass>DEEP_ARCHIVE</StorageClass></Error>");

  cr_assert_eq(e.err, -EACCES);
  cr_assert_eq(e.class, S3_ERR_FATAL);
  cr_assert_str_eq(e.message, "The operation is not valid for the object's storage class; the "
                              "object is archived (DEEP_ARCHIVE); restore it first");
  s3_error_fini(&e);
  e = from(403, NULL, "<Error><Code>InvalidObjectState</Code></Error>");
  cr_assert_str_eq(e.message, "the object is archived; restore it first");
  s3_error_fini(&e);
}

Test(s3err, judges_a_late_error_in_a_200) {
  expect(200, "  \n <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>",
         "InternalError", S3_ERR_TRANSIENT, -EIO);
  expect(200, "<Error><Code>AccessDenied</Code></Error>", "AccessDenied", S3_ERR_FATAL, -EACCES);
  expect(200, "<Error><Code>NeverHeardOf</Code></Error>", "NeverHeardOf", S3_ERR_TRANSIENT, -EIO);
  expect(200, NULL, "UnexpectedReply", S3_ERR_TRANSIENT, -EIO);
}

static bool is_error(const char *body) {
  return s3_error_body_is_error(body, strlen(body));
}

Test(s3err, recognises_an_error_body) {
  struct buf b;

  cr_assert(is_error("<Error><Code>InternalError</Code></Error>"));
  cr_assert(is_error("  \r\n\t <?xml version=\"1.0\"?>\n<Error/>"));
  cr_assert(is_error("<s:Error xmlns:s=\"urn:x\">"));
  cr_assert(is_error("<!-- c --><ErrorResponse>"));
  cr_assert_not(is_error("<CopyObjectResult><Error/></CopyObjectResult>"));
  cr_assert_not(is_error("<Errors/>"));
  cr_assert_not(is_error(""));
  cr_assert_not(is_error("   "));
  cr_assert_not(is_error("Error"));
  cr_assert_not(is_error("<!DOCTYPE Error><Error/>"));
  cr_assert_not(s3_error_body_is_error(NULL, 0));
  cr_assert_not(s3_error_body_is_error("\0\0\0\0<Error/>", 12));
  buf_init(&b, 0);
  for (unsigned i = 0; i < 10000; i++)
    buf_putc(&b, ' ');
  buf_puts(&b, "<Error><Code>x</Code><Message>");
  for (unsigned i = 0; i < 10000; i++)
    buf_putc(&b, 'm');
  buf_puts(&b, "</Message></Error>");
  cr_assert(is_error(buf_cstr(&b)));
  buf_fini(&b);
}

Test(s3err, classifies_codes) {
  static const struct {
    int status;
    const char *code;
    enum s3_error_class class;
    int err;
  } rows[] = {
      {503, "SlowDown", S3_ERR_THROTTLED, -EIO},
      {400, "ThrottlingException", S3_ERR_THROTTLED, -EIO},
      {400, "RequestLimitExceeded", S3_ERR_THROTTLED, -EIO},
      {400, "RequestTimeout", S3_ERR_TRANSIENT, -ETIMEDOUT},
      {500, "InternalError", S3_ERR_TRANSIENT, -EIO},
      {503, "ServiceUnavailable", S3_ERR_TRANSIENT, -EIO},
      {409, "OperationAborted", S3_ERR_TRANSIENT, -EBUSY},
      {409, "ConditionalRequestConflict", S3_ERR_FATAL, -EAGAIN},
      {400, "ExpiredToken", S3_ERR_CREDENTIALS, -EACCES},
      {403, "ExpiredTokenException", S3_ERR_CREDENTIALS, -EACCES},
      {400, "InvalidToken", S3_ERR_CREDENTIALS, -EACCES},
      {400, "TokenRefreshRequired", S3_ERR_CREDENTIALS, -EACCES},
      {403, "InvalidAccessKeyId", S3_ERR_CREDENTIALS, -EACCES},
      {404, "NoSuchBucket", S3_ERR_FATAL, -ENODEV},
      {404, "NoSuchAccessPoint", S3_ERR_FATAL, -ENODEV},
      {404, "AccessGrantsInstanceNotExistsError", S3_ERR_FATAL, -ENODEV},
      {403, "StsNotAuthorizedError", S3_ERR_FATAL, -EACCES},
      {400, "KeyTooLongError", S3_ERR_FATAL, -ENAMETOOLONG},
      {400, "EntityTooLarge", S3_ERR_FATAL, -EFBIG},
      {507, "InsufficientCapacity", S3_ERR_FATAL, -ENOSPC},
      {412, "PreconditionFailed", S3_ERR_FATAL, -ESTALE},
      {405, "MethodNotAllowed", S3_ERR_FATAL, -EPERM},
      {501, "NotImplemented", S3_ERR_FATAL, -EOPNOTSUPP},
      {400, "KMS.DisabledException", S3_ERR_FATAL, -EACCES},
      {400, "KMS.ThrottlingException", S3_ERR_THROTTLED, -EIO},
      {400, "InvalidArgument", S3_ERR_FATAL, -EIO},
      {401, "", S3_ERR_FATAL, -EACCES},
      {408, "", S3_ERR_TRANSIENT, -ETIMEDOUT},
      {0, "", S3_ERR_FATAL, -EIO},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    enum s3_error_class class;
    int err;

    s3_error_classify(rows[i].status, rows[i].code, &class, &err);
    cr_assert_eq(class, rows[i].class, "%d %s", rows[i].status, rows[i].code);
    cr_assert_eq(err, rows[i].err, "%d %s", rows[i].status, rows[i].code);
  }
}

Test(s3err, every_status_has_an_errno) {
  for (int status = -1; status < 1000; status++) {
    struct s3_error e = from(status, NULL, NULL);

    cr_assert_lt(e.err, 0);
    cr_assert_gt(strlen(e.code), 0U);
    s3_error_fini(&e);
  }
}

Test(s3err, describes_transport_failures) {
  struct s3_error e;

  s3_error_init(&e);
  s3_error_from_transport(&e, -ECONNREFUSED, "Failed to connect\n");
  cr_assert_eq(e.http_status, 0);
  cr_assert_str_eq(e.code, "ConnectionRefused");
  cr_assert_str_eq(e.message, "Failed to connect");
  cr_assert_eq(e.class, S3_ERR_TRANSIENT);
  cr_assert_eq(e.err, -ECONNREFUSED);
  s3_error_from_transport(&e, -EHOSTUNREACH, NULL);
  cr_assert_str_eq(e.code, "HostNotFound");
  cr_assert_str_eq(e.message, "");
  s3_error_from_transport(&e, -EPROTO, "certificate");
  cr_assert_eq(e.class, S3_ERR_FATAL);
  s3_error_from_transport(&e, -ECANCELED, "");
  cr_assert_eq(e.class, S3_ERR_FATAL);
  cr_assert_eq(e.err, -ECANCELED);
  s3_error_from_transport(&e, 0, "");
  cr_assert_eq(e.err, -EIO);
  cr_assert_str_eq(e.code, "ConnectionError");
  s3_error_fini(&e);
}

Test(s3err, describes_itself) {
  struct s3_error e = from(403, NULL,
                           "<Error><Code>AccessDenied</Code><Message>User: x is not authorized"
                           "</Message><RequestId>R1</RequestId></Error>");
  struct s3_error other;
  struct buf b;

  buf_init(&b, 0);
  s3_error_describe(&e, &b);
  cr_assert_str_eq(buf_cstr(&b),
                   "AccessDenied (HTTP 403): User: x is not authorized [request id R1]");
  buf_reset(&b);
  s3_error_init(&other);
  s3_error_describe(&other, &b);
  cr_assert_str_eq(buf_cstr(&b), "UnknownError");
  s3_error_move(&other, &e);
  cr_assert_str_eq(e.code, "");
  cr_assert_str_eq(other.code, "AccessDenied");
  s3_error_fini(&other);
  s3_error_fini(&e);
  buf_fini(&b);
}

Test(s3err, keeps_texts_to_one_line_of_bounded_length) {
  struct buf b;
  struct s3_error e;

  buf_init(&b, 0);
  buf_puts(&b, "<Error><Code>A\nB</Code><Message>x");
  for (unsigned i = 0; i < 100000; i++)
    buf_puts(&b, "\xc3\xa4");
  buf_puts(&b, "</Message></Error>");
  e = from(400, NULL, buf_cstr(&b));
  cr_assert_str_eq(e.code, "A B");
  cr_assert_leq(strlen(e.message), 4096U);
  cr_assert_gt(strlen(e.message), 4000U);
  cr_assert(text_is_utf8(e.message, strlen(e.message)));
  s3_error_fini(&e);
  buf_fini(&b);
}

Test(s3err, can_be_filled_again) {
  struct s3_error e = from(403, NULL,
                           "<Error><Code>AccessDenied</Code><Message>m</Message>"
                           "<RequestId>r</RequestId></Error>");

  s3_error_from_reply(&e, 404, NULL, NULL, 0);
  cr_assert_str_eq(e.message, "");
  cr_assert_str_eq(e.request_id, "");
  cr_assert_str_eq(e.code, "NotFound");
  s3_error_fini(&e);
}
