/* Dates: every form that AWS sends, round trips, and what is none. */
#include <criterion/criterion.h>
#include <errno.h>

#include "s3apfs/base/text.h"

#define MOMENT 1795327380 /* 2026-11-22T06:03:00Z */

Test(text_time, iso8601_forms) {
  static const char *const same[] = {"2026-11-22T06:03:00Z",        "2026-11-22T06:03:00.000Z",
                                     "2026-11-22T06:03:00.999999Z", "2026-11-22T06:03:00+00:00",
                                     "2026-11-22T06:03:00+0000",    "2026-11-22T01:33:00-04:30",
                                     "2026-11-22T07:03:00+01:00",   "20261122T060300Z",
                                     "2026-11-22 06:03:00Z",        "2026-11-22t06:03:00z"};
  int64_t t;

  for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
    t = 0;
    cr_expect_eq(text_parse_iso8601(same[i], &t), 0, "%s", same[i]);
    cr_expect_eq(t, MOMENT, "%s: %lld", same[i], (long long)t);
  }
  cr_expect_eq(text_parse_iso8601("1970-01-01T00:00:00Z", &t), 0);
  cr_expect_eq(t, 0);
  cr_expect_eq(text_parse_iso8601("2024-02-29T00:00:00Z", &t), 0, "a leap day");
}

Test(text_time, iso8601_malformed) {
  static const char *const bad[] = {"",
                                    "2026",
                                    "2026-11-22",
                                    "2026-11-22T06:03:00",
                                    "2026-11-22T06:03Z",
                                    "2026-13-22T06:03:00Z",
                                    "2026-00-22T06:03:00Z",
                                    "2026-11-31T06:03:00Z",
                                    "2026-02-29T06:03:00Z",
                                    "2100-02-29T06:03:00Z",
                                    "2026-11-00T06:03:00Z",
                                    "2026-11-22T24:03:00Z",
                                    "2026-11-22T06:60:00Z",
                                    "2026-11-22T06:03:61Z",
                                    "2026-11-22T06:03:00ZZ",
                                    "2026-11-22T06:03:00+1",
                                    "2026-1122T06:03:00Z",
                                    "2026-11-22T060300Z",
                                    "20261122T06:03:00Z",
                                    "+026-11-22T06:03:00Z",
                                    "1899-11-22T06:03:00Z",
                                    "1795327380"};
  int64_t t = 1;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_parse_iso8601(bad[i], &t), -EINVAL, "%s", bad[i]);
  cr_expect_eq(t, 1, "written only on success");
}

Test(text_time, iso8601_writers) {
  char s[32];

  text_iso8601(MOMENT, s);
  cr_expect_str_eq(s, "2026-11-22T06:03:00Z");
  text_iso8601_basic(MOMENT, s);
  cr_expect_str_eq(s, "20261122T060300Z");
  text_iso8601_ms((int64_t)MOMENT * 1000 + 7, s);
  cr_expect_str_eq(s, "2026-11-22T06:03:00.007Z");
  text_iso8601_ms(-1, s);
  cr_expect_str_eq(s, "1969-12-31T23:59:59.999Z");
  text_iso8601(INT64_MAX, s);
  text_iso8601_ms(INT64_MAX, s);
  text_iso8601_basic(INT64_MAX, s);
  text_http_date(INT64_MAX, s);
  text_http_date(INT64_MIN, s);
}

Test(text_time, http_dates) {
  static const char *const bad[] = {"",
                                    "Sun, ",
                                    "Sun, 22 Nov 2026",
                                    "Sun, 22 Nov 2026 06:03:00",
                                    "Sun, 22 Nov 2026 06:03:00 UTC",
                                    "Sun, 22 Nix 2026 06:03:00 GMT",
                                    "Sun, 31 Nov 2026 06:03:00 GMT",
                                    "Sun, 2 Nov 2026 06:03:00 GMT",
                                    "Sun, 22 Nov 26 06:03:00 GMT",
                                    "Sunday, 22-Nov-26 06:03:00 GMT",
                                    "2026-11-22T06:03:00Z"};
  char s[30];
  int64_t t = 0;

  text_http_date(MOMENT, s);
  cr_expect_str_eq(s, "Sun, 22 Nov 2026 06:03:00 GMT");
  cr_expect_eq(text_parse_http_date(s, &t), 0);
  cr_expect_eq(t, MOMENT);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_parse_http_date(bad[i], &t), -EINVAL, "%s", bad[i]);
  cr_expect_eq(t, MOMENT);
}
