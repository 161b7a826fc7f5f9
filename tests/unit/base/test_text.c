/* Text tools: codes, numbers, sizes, globs; malformed input of each. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

Test(text, prefixes_and_suffixes) {
  cr_expect(text_has_prefix("abc", "ab"));
  cr_expect(text_has_prefix("abc", ""));
  cr_expect_not(text_has_prefix("ab", "abc"));
  cr_expect(text_has_suffix("abc", "bc"));
  cr_expect(text_has_suffix("abc", ""));
  cr_expect_not(text_has_suffix("bc", "abc"));
}

Test(text, copies) {
  char *s = text_dup_n("abcdef", 3);

  cr_expect_str_eq(s, "abc");
  free(s);
  s = text_printf("%s-%d", "x", 7);
  cr_expect_str_eq(s, "x-7");
  free(s);
}

Test(text, trims_blanks_only_at_the_ends) {
  char inner[] = " \t a b \r\n";
  char all[] = "   ";

  cr_expect_str_eq(text_trim(inner), "a b");
  cr_expect_str_eq(text_trim(all), "");
}

Test(text, utf8) {
  static const struct {
    const char *s;
    size_t len;
    bool valid;
  } cases[] = {
      {"", 0, true},
      {"plain", 5, true},
      {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 9, true},
      {"a\0b", 3, true},
      {"\xf4\x8f\xbf\xbf", 4, true},      /* the last code point */
      {"\xf4\x90\x80\x80", 4, false},     /* past it */
      {"\xc0\xaf", 2, false},             /* over-long slash */
      {"\xe0\x80\xaf", 3, false},         /* and in three bytes */
      {"\xf0\x80\x80\xaf", 4, false},     /* and in four */
      {"\xed\xa0\x80", 3, false},         /* surrogate */
      {"\xed\x9f\xbf", 3, true},          /* just below them */
      {"\x80", 1, false},                 /* lone continuation */
      {"\xc3", 1, false},                 /* cut */
      {"\xe2\x82", 2, false},             /* cut */
      {"\xc3(", 2, false},                /* not continued */
      {"\xf8\x88\x80\x80\x80", 5, false}, /* five bytes */
      {"\xff", 1, false},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_expect_eq(text_is_utf8(cases[i].s, cases[i].len), cases[i].valid, "case %zu", i);
}

Test(text, percent_code) {
  struct buf out;

  buf_init(&out, 0);
  text_uri_encode(&out, "aZ9-._~/ +*%\xc3\xbc\0", 15, false);
  cr_expect_str_eq(buf_cstr(&out), "aZ9-._~%2F%20%2B%2A%25%C3%BC%00");
  buf_reset(&out);
  text_uri_encode(&out, "a/b c", 5, true);
  cr_expect_str_eq(buf_cstr(&out), "a/b%20c");
  buf_fini(&out);
}

static void expect_decoded(const char *s, bool plus, const char *want, size_t len) {
  struct buf out;

  buf_init(&out, 0);
  cr_expect_eq(text_uri_decode(&out, s, strlen(s), plus), 0, "%s", s);
  cr_expect_eq(out.len, len, "%s: %zu", s, out.len);
  cr_expect_arr_eq(buf_cstr(&out), want, len, "%s", s);
  buf_fini(&out);
}

Test(text, percent_decode) {
  static const char *const bad[] = {"%", "%4", "a%", "%zz", "%4g", "%%41"};
  struct buf out;

  expect_decoded("a%2fb%2Fc+d", false, "a/b/c+d", 7);
  expect_decoded("c+d%2B", true, "c d+", 4);
  expect_decoded("a%00b", false, "a\0b", 3);
  buf_init(&out, 0);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_uri_decode(&out, bad[i], strlen(bad[i]), false), -EINVAL, "%s", bad[i]);
  cr_expect_eq(text_uri_decode(&out, "%41", 2, false), -EINVAL, "the length counts, not the NUL");
  buf_fini(&out);
}

Test(text, percent_code_round_trip_of_all_bytes) {
  char all[256];
  struct buf coded;
  struct buf back;

  for (int i = 0; i < 256; i++)
    all[i] = (char)i;
  buf_init(&coded, 0);
  buf_init(&back, 0);
  text_uri_encode(&coded, all, sizeof(all), false);
  cr_expect_eq(text_uri_decode(&back, buf_cstr(&coded), coded.len, true), 0);
  cr_assert_eq(back.len, sizeof(all));
  cr_expect_arr_eq(back.data, all, sizeof(all));
  buf_fini(&coded);
  buf_fini(&back);
}

Test(text, hex) {
  struct buf out;
  uint8_t raw[4];

  buf_init(&out, 0);
  text_hex(&out, "\x00\xab\xff", 3);
  cr_expect_str_eq(buf_cstr(&out), "00abff");
  buf_fini(&out);
  cr_assert_eq(text_unhex(raw, "00aBFf", 6), 0);
  cr_expect_arr_eq(raw, ((uint8_t[]){0, 0xab, 0xff}), 3);
  cr_expect_eq(text_unhex(raw, "0", 1), -EINVAL);
  cr_expect_eq(text_unhex(raw, "0g", 2), -EINVAL);
  cr_expect_eq(text_unhex(raw, " 1", 2), -EINVAL);
}

Test(text, base64) {
  static const struct {
    const char *plain;
    const char *coded;
  } cases[] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
               {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct buf out;

    buf_init(&out, 0);
    text_base64(&out, cases[i].plain, strlen(cases[i].plain));
    cr_expect_str_eq(buf_cstr(&out), cases[i].coded);
    buf_reset(&out);
    cr_expect_eq(text_unbase64(&out, cases[i].coded), 0, "%s", cases[i].coded);
    cr_expect_str_eq(buf_cstr(&out), cases[i].plain);
    buf_fini(&out);
  }
}

Test(text, base64_is_strict) {
  static const char *const bad[] = {"Z",        "Zg",     "Zg=",  "Zg=a", "====", "Z===",
                                    "Zg==Zg==", "Zm9v\n", "Zm 9", "-_-_", "Zh==", "Zm9="};
  struct buf out;

  buf_init(&out, 0);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_unbase64(&out, bad[i]), -EINVAL, "%s", bad[i]);
  buf_fini(&out);
}

Test(text, unsigned_numbers) {
  uint64_t v = 7;

  cr_expect_eq(text_parse_u64("0", &v), 0);
  cr_expect_eq(v, 0);
  cr_expect_eq(text_parse_u64("18446744073709551615", &v), 0);
  cr_expect_eq(v, UINT64_MAX);
  cr_expect_eq(text_parse_u64("18446744073709551616", &v), -ERANGE);
  cr_expect_eq(text_parse_u64("99999999999999999999999", &v), -ERANGE);
  cr_expect_eq(v, UINT64_MAX, "written only on success");
  cr_expect_eq(text_parse_u64("", &v), -EINVAL);
  cr_expect_eq(text_parse_u64("-1", &v), -EINVAL);
  cr_expect_eq(text_parse_u64("+1", &v), -EINVAL);
  cr_expect_eq(text_parse_u64(" 1", &v), -EINVAL);
  cr_expect_eq(text_parse_u64("1 ", &v), -EINVAL);
  cr_expect_eq(text_parse_u64("0x1", &v), -EINVAL);
}

Test(text, sizes) {
  static const struct {
    const char *s;
    uint64_t v;
  } good[] = {
      {"0", 0},           {"512", 512},           {"512B", 512},        {"1K", 1024},
      {"1k", 1024},       {"192M", 192ULL << 20}, {"20G", 20ULL << 30}, {"20GiB", 20ULL << 30},
      {"3TB", 3ULL << 40}};
  static const char *const bad[] = {"",    "M",   "1.5G", "1X",    "1GG",
                                    "1iB", "-1M", "1 M",  "1GiBx", "1P"};
  uint64_t v = 0;

  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    cr_expect_eq(text_parse_size(good[i].s, &v), 0, "%s", good[i].s);
    cr_expect_eq(v, good[i].v, "%s", good[i].s);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_parse_size(bad[i], &v), -EINVAL, "%s", bad[i]);
  cr_expect_eq(text_parse_size("16777216T", &v), -ERANGE);
  cr_expect_eq(text_parse_size("16777215T", &v), 0);
}

Test(text, durations) {
  static const struct {
    const char *s;
    int64_t ms;
  } good[] = {{"0", 0},       {"60", 60000},   {"60s", 60000},  {"500ms", 500},
              {"5m", 300000}, {"2h", 7200000}, {"1d", 86400000}};
  static const char *const bad[] = {"", "s", "1w", "1.5h", "-1s", "1 s", "1S", "1sm"};
  int64_t ms = 0;

  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    cr_expect_eq(text_parse_duration(good[i].s, &ms), 0, "%s", good[i].s);
    cr_expect_eq(ms, good[i].ms, "%s", good[i].s);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(text_parse_duration(bad[i], &ms), -EINVAL, "%s", bad[i]);
  cr_expect_eq(text_parse_duration("9223372036854775807d", &ms), -ERANGE);
  cr_expect_eq(text_parse_duration("9223372036854775808ms", &ms), -ERANGE);
}

Test(text, booleans) {
  bool v = false;

  cr_expect(text_parse_bool("Yes", &v) == 0 && v);
  cr_expect(text_parse_bool("off", &v) == 0 && !v);
  cr_expect(text_parse_bool("1", &v) == 0 && v);
  cr_expect_eq(text_parse_bool("", &v), -EINVAL);
  cr_expect_eq(text_parse_bool("maybe", &v), -EINVAL);
  cr_expect(v, "written only on success");
}

Test(text, globs) {
  static const struct {
    const char *pattern;
    const char *s;
    bool match;
  } cases[] = {{"", "", true},
               {"", "a", false},
               {"*", "", true},
               {"*", "a/b", true},
               {"a*", "a", true},
               {"a?c", "abc", true},
               {"a?c", "ac", false},
               {"*.csv", "x.csv", true},
               {"*.csv", "x.csv2", false},
               {"a*b*c", "a1b2b3c", true},
               {"a*b*c", "a1c", false},
               {"**a", "bba", true},
               {"a\\*", "a*", false},
               {"?", "", false},
               {"ab", "a", false}};
  char long_s[4001];

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    cr_expect_eq(text_glob_match(cases[i].pattern, cases[i].s), cases[i].match, "%s on %s",
                 cases[i].pattern, cases[i].s);
  memset(long_s, 'a', 4000);
  long_s[4000] = '\0';
  cr_expect_not(text_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", long_s), "ends in good time");
}
