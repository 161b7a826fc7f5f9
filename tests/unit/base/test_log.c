/* Redaction, levels, and what reaches a log file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

static void expect_redacted(const char *line, const char *want) {
  char *copy = strdup(line);

  log_redact(copy);
  cr_expect_str_eq(copy, want, "%s became %s", line, copy);
  free(copy);
}

Test(log, masks_labelled_secrets) {
  expect_redacted("Signature=abc123", "Signature=******");
  expect_redacted("GET /?X-Amz-Signature=abc&x=1", "GET /?X-Amz-Signature=***&x=1");
  expect_redacted("X-Amz-Security-Token: IQoJ+/=", "X-Amz-Security-Token: *******");
  expect_redacted("X-Amz-Security-Token=IQ%2B&a=b", "X-Amz-Security-Token=*****&a=b");
  expect_redacted("<SecretAccessKey>a/b+c</SecretAccessKey><SessionToken>t</SessionToken>",
                  "<SecretAccessKey>*****</SecretAccessKey><SessionToken>*</SessionToken>");
  expect_redacted("{\"SecretAccessKey\" : \"abc\", \"Token\": \"def\", \"Code\": \"Success\"}",
                  "{\"SecretAccessKey\" : \"***\", \"Token\": \"***\", \"Code\": \"Success\"}");
  expect_redacted("{\\\"accessToken\\\":\\\"abc\\\"}", "{\\\"accessToken\\\":\\\"***\\\"}");
  expect_redacted("aws_secret_access_key = abc", "aws_secret_access_key = ***");
  expect_redacted("AWS_SESSION_TOKEN=abc next", "AWS_SESSION_TOKEN=*** next");
  expect_redacted("X-aws-ec2-metadata-token: abc", "X-aws-ec2-metadata-token: ***");
  expect_redacted("Action=AssumeRole&TokenCode=123456&x=1",
                  "Action=AssumeRole&TokenCode=******&x=1");
  expect_redacted("x-amz-server-side-encryption-customer-key: abc=",
                  "x-amz-server-side-encryption-customer-key: ****");
}

Test(log, masks_authorization_of_any_scheme) {
  expect_redacted("Authorization: Bearer abc def", "Authorization: **************");
  expect_redacted("\"Authorization\":\"Basic dXNlcg==\"", "\"Authorization\":\"**************\"");
  expect_redacted("sent Bearer abc", "sent Bearer ***");
  expect_redacted("Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/s3/"
                  "aws4_request, SignedHeaders=host;x-amz-security-token, Signature=abc",
                  "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/s3/"
                  "aws4_request, SignedHeaders=host;x-amz-security-token, Signature=***");
}

Test(log, leaves_plain_text_alone) {
  static const char *const plain[] = {"",
                                      "AuthorizationHeaderMalformed (400)",
                                      "the session token expired at 2026-11-22T06:03:00Z",
                                      "SignedHeaders=host;x-amz-security-token;x-amz-date",
                                      "ExpiredToken: the provided token has expired",
                                      "signature",
                                      "bearer",
                                      "SignatureDoesNotMatch"};

  for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
    expect_redacted(plain[i], plain[i]);
}

Test(log, hides_registered_strings) {
  log_hide("0123456789");
  log_hide("0123456789abcdef"); /* holds the other one */
  log_hide("short");
  log_hide(NULL);
  expect_redacted("x0123456789y 0123456789abcdef short", "x**********y **************** short");
  log_hide("0123456789");
  log_unhide("0123456789");
  expect_redacted("0123456789", "**********");
  log_unhide("0123456789");
  expect_redacted("0123456789", "0123456789");
  log_unhide("0123456789abcdef");
  log_unhide("0123456789abcdef");
  log_unhide("never hidden");
  log_unhide(NULL);
}

Test(log, hidden_strings_with_separators_go_whole) {
  log_hide("part1&part2,part3");
  expect_redacted("Signature=part1&part2,part3", "Signature=*****************");
  log_unhide("part1&part2,part3");
}

Test(log, levels) {
  enum log_level level = LOG_LEVEL_ERROR;

  cr_expect_eq(log_level_parse("debug", &level), 0);
  cr_expect_eq(level, LOG_LEVEL_DEBUG);
  cr_expect_eq(log_level_parse("Debug", &level), -EINVAL);
  cr_expect_eq(log_level_parse("", &level), -EINVAL);
  cr_expect_eq(level, LOG_LEVEL_DEBUG);
}

static void write_lines(void) {
  char big[10000];

  log_set_name("unit");
  log_set_level(LOG_LEVEL_INFO);
  log_error("first\nsecond\x1b[31m");
  log_debug("not shown");
  log_info("Signature=%s", "abc");
  /* The secret would be cut in two by the limit of a line. */
  memset(big, 'x', sizeof(big));
  memcpy(big + 8185, "SECRETSECRET", 12);
  big[sizeof(big) - 1] = '\0';
  log_hide("SECRETSECRET");
  log_warn("%s", big);
  log_unhide("SECRETSECRET");
}

Test(log, files) {
  char path[] = "/tmp/s3apfs-log-XXXXXX";
  struct buf text;
  struct stat st;
  int fd = mkstemp(path);

  cr_assert_geq(fd, 0);
  close(fd);
  unlink(path);
  cr_assert_eq(log_open(path), 0);
  write_lines();
  cr_assert_eq(log_open("stderr"), 0);
  buf_init(&text, 0);
  cr_assert_eq(file_read(path, &text), 0);
  cr_expect_not_null(strstr(buf_cstr(&text), "Z unit error: first second [31m\n"));
  cr_expect_null(strstr(buf_cstr(&text), "not shown"));
  cr_expect_not_null(strstr(buf_cstr(&text), "unit info: Signature=***\n"));
  cr_expect_null(strstr(buf_cstr(&text), "SECRET"), "half a secret is one, too");
  cr_expect_lt(text.len, 9000, "long lines are cut");
  cr_assert_eq(stat(path, &st), 0);
  cr_expect_eq(st.st_mode & 0777, 0600);
  buf_fini(&text);
  unlink(path);
  cr_expect_eq(log_open("/nonexistent/dir/log"), -ENOENT);
}
