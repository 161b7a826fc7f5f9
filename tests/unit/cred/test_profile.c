/* The shared files: grammar, sections, merging. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/cred/words.h"
#include "fixture.h"
#include "s3apfs/cred/profile.h"

static struct aws_profile *load(struct fixture *f, const char *name) {
  struct aws_profile *p = NULL;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(aws_profile_load(&f->env, name, &p, &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return p;
}

static void expect(struct fixture *f, const char *name, const char *key, const char *want) {
  struct aws_profile *p = load(f, name);
  const char *got = aws_profile_get(p, key);

  if (want == NULL)
    cr_assert_null(got, "%s of %s is %s", key, aws_profile_name(p), got);
  else
    cr_assert(got != NULL && strcmp(got, want) == 0, "%s of %s is %s", key, aws_profile_name(p),
              got != NULL ? got : "(none)");
  aws_profile_free(p);
}

Test(profile, no_files_are_empty_files) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  p = load(&f, NULL);
  cr_assert_str_eq(aws_profile_name(p), "default");
  cr_assert_not(aws_profile_is_named(p));
  cr_assert_not(aws_profile_exists(p));
  cr_assert_null(aws_profile_get(p, "region"));
  aws_profile_free(p);
  aws_profile_free(NULL);
  fixture_fini(&f);
}

Test(profile, which_one) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  fixture_set(&f, "AWS_DEFAULT_PROFILE", "older");
  p = load(&f, NULL);
  cr_assert_str_eq(aws_profile_name(p), "older");
  aws_profile_free(p);
  fixture_set(&f, "AWS_PROFILE", "newer");
  p = load(&f, NULL);
  cr_assert_str_eq(aws_profile_name(p), "newer");
  cr_assert(aws_profile_is_named(p));
  aws_profile_free(p);
  p = load(&f, "mine");
  cr_assert_str_eq(aws_profile_name(p), "mine");
  aws_profile_free(p);
  fixture_fini(&f);
}

Test(profile, sections_by_file) {
  struct fixture f;

  fixture_init(&f);
  fixture_config(&f, "[default]\nregion = d\n[profile dev]\nregion=v\n[bare]\nregion = b\n"
                     "[profile \"two words\"]\nregion = w\n[profile 'single q']\nregion = s\n"
                     "[profile not quoted]\nregion = n\n[  profile   spaced  ]\nregion = sp\n"
                     "[profile \"open]\nregion = o\n");
  fixture_credentials(&f,
                      "[bare]\nx = from-credentials\n[two words]\ny = z\n[profile odd]\nx = o\n");
  expect(&f, NULL, "region", "d");
  expect(&f, "dev", "region", "v");
  expect(&f, "bare", "region", NULL);
  expect(&f, "bare", "x", "from-credentials");
  expect(&f, "two words", "region", "w");
  expect(&f, "two words", "y", "z");
  expect(&f, "single q", "region", "s");
  expect(&f, "not", "region", NULL);
  expect(&f, "not quoted", "region", NULL);
  expect(&f, "spaced", "region", "sp");
  expect(&f, "profile odd", "x", "o");
  expect(&f, "odd", "x", NULL);
  fixture_fini(&f);
}

Test(profile, default_is_hidden_by_profile_default) {
  struct fixture f;

  fixture_init(&f);
  fixture_config(&f,
                 "[default]\nregion = plain\noutput = json\n[profile default]\nregion = full\n");
  expect(&f, NULL, "region", "full");
  expect(&f, NULL, "output", NULL);
  fixture_fini(&f);
}

Test(profile, credentials_win_key_by_key) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  fixture_config(&f, "[profile p]\nregion = config\nAWS_Access_Key_Id = C\n");
  fixture_credentials(&f, "[p]\naws_access_key_id = K\n");
  expect(&f, "p", "region", "config");
  expect(&f, "p", "aws_access_key_id", "K");
  p = load(&f, "p");
  cr_assert_str_eq(aws_profile_get_from(p, AWS_PROFILE_CONFIG, "aws_access_key_id"), "C");
  cr_assert_null(aws_profile_get_from(p, AWS_PROFILE_CREDENTIALS, "region"));
  aws_profile_free(p);
  fixture_fini(&f);
}

Test(profile, values) {
  struct fixture f;
  char *text = NULL;
  char token[3000];

  fixture_init(&f);
  memset(token, 'T', sizeof(token) - 1);
  token[sizeof(token) - 1] = '\0';
  cr_assert_gt(
      asprintf(&text,
               "\n# comment\n; another\n[profile v]\r\nA = b = c == d\r\n"
               "spaces =   x y\t \nhash = a#b # gone\nsemi = a;b ; gone\nempty =\n"
               "token = %s\ntwice = 1\ntwice = 2\n[profile w]\nx = y\n[profile v]\nmore = m\n",
               token),
      0);
  fixture_config(&f, text);
  free(text);
  expect(&f, "v", "a", "b = c == d");
  expect(&f, "v", "spaces", "x y");
  expect(&f, "v", "hash", "a#b");
  expect(&f, "v", "semi", "a;b");
  expect(&f, "v", "empty", NULL);
  expect(&f, "v", "token", token);
  expect(&f, "v", "twice", "2");
  expect(&f, "v", "more", "m");
  fixture_fini(&f);
}

Test(profile, nested_blocks_and_other_sections) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  fixture_config(&f, "[profile n]\ns3 =\n  use_arn_region = true\n  Addressing_Style=path\n"
                     "region = r\n[services local]\ns3 =\n  endpoint_url = http://a\n"
                     "sts =\n  endpoint_url = http://b\n[sso-session corp]\nsso_region = q\n");
  p = load(&f, "n");
  cr_assert_str_eq(aws_profile_get_nested(p, "s3", "use_arn_region"), "true");
  cr_assert_str_eq(aws_profile_get_nested(p, "s3", "addressing_style"), "path");
  cr_assert_null(aws_profile_get(p, "use_arn_region"));
  cr_assert_null(aws_profile_get_nested(p, "s3", "region"));
  cr_assert_str_eq(aws_profile_get(p, "region"), "r");
  cr_assert(aws_profile_has_section(p, "services", "local"));
  cr_assert_not(aws_profile_has_section(p, "services", "corp"));
  cr_assert_str_eq(aws_profile_section_get(p, "services", "local", "sts", "endpoint_url"),
                   "http://b");
  cr_assert_str_eq(aws_profile_section_get(p, "sso-session", "corp", NULL, "sso_region"), "q");
  aws_profile_free(p);
  fixture_fini(&f);
}

Test(profile, paths_from_the_environment) {
  struct fixture f;

  fixture_init(&f);
  fixture_file(&f, "elsewhere/c", "[profile e]\nregion = here\n");
  fixture_file(&f, "elsewhere/k", "[e]\naws_account_id = 1\n");
  fixture_set(&f, "AWS_CONFIG_FILE", "~/elsewhere/c");
  fixture_set(&f, "AWS_SHARED_CREDENTIALS_FILE", fixture_file(&f, "elsewhere/k", "[e]\nx = 1\n"));
  expect(&f, "e", "region", "here");
  expect(&f, "e", "x", "1");
  fixture_fini(&f);
}

static void expect_refused(const char *config, int err, const char *told) {
  struct aws_profile *p = NULL;
  struct fixture f;
  struct buf why;

  fixture_init(&f);
  fixture_config(&f, config);
  buf_init(&why, 0);
  cr_assert_eq(aws_profile_load(&f.env, NULL, &p, &why), err, "%s", config);
  cr_assert_null(p);
  cr_assert_neq(strstr(buf_cstr(&why), told), NULL, "%s", buf_cstr(&why));
  cr_assert_eq(strstr(buf_cstr(&why), "s3cr3t"), NULL, "nothing is quoted");
  buf_fini(&why);
  fixture_fini(&f);
}

Test(profile, malformed_files_name_the_line) {
  expect_refused("[default]\nregion = x\ns3cr3t-without-equals\n", -EINVAL, "/.aws/config:3:");
  expect_refused("[default\nregion = x\n", -EINVAL, "config:1:");
  expect_refused("[default]\n= s3cr3t\n", -EINVAL, "config:2:");
}

Test(profile, unreadable_file_is_told) {
  struct aws_profile *p = NULL;
  struct fixture f;
  struct buf why;

  fixture_init(&f);
  fixture_set(&f, "AWS_CONFIG_FILE", f.dir);
  buf_init(&why, 0);
  cr_assert_eq(aws_profile_load(&f.env, NULL, &p, &why), -EISDIR);
  cr_assert_neq(strstr(buf_cstr(&why), f.dir), NULL);
  buf_fini(&why);
  fixture_fini(&f);
}

Test(profile, no_home_is_no_files) {
  struct fixture f;

  fixture_init(&f);
  fixture_config(&f, "[default]\nregion = x\n");
  fixture_set(&f, "HOME", "");
  expect(&f, NULL, "region", NULL);
  fixture_fini(&f);
}

/* --- words ------------------------------------------------------------------------------ */

static void expect_words(const char *text, size_t count, const char *joined) {
  struct words w;
  char got[256] = "";

  cr_assert_eq(words_split(text, &w), 0, "%s", text);
  cr_assert_eq(w.count, count, "%s: %zu", text, w.count);
  for (size_t i = 0; i < w.count; i++) {
    strcat(got, w.items[i]);
    strcat(got, "|");
  }
  cr_assert_str_eq(got, joined);
  cr_assert(w.count == 0 || w.items[w.count] == NULL);
  words_fini(&w);
}

Test(words, split_like_a_shell) {
  expect_words("", 0, "");
  expect_words(" \t ", 0, "");
  expect_words("a  b\tc ", 3, "a|b|c|");
  expect_words("'a b' \"c d\" e\\ f", 3, "a b|c d|e f|");
  expect_words("a'b'\"c\"d", 1, "abcd|");
  expect_words("'' \"\"", 2, "||");
  expect_words("\"a\\\"b\\\\c\\d\"", 1, "a\"b\\c\\d|");
  expect_words("'a\\b'", 1, "a\\b|");
  expect_words("$HOME `x` $(y) *", 4, "$HOME|`x`|$(y)|*|");
}

Test(words, malformed) {
  static const char *const bad[] = {"'a", "\"a", "a\\", "a 'b", "\"a\\\""};
  struct words w;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_assert_eq(words_split(bad[i], &w), -EINVAL, "%s", bad[i]);
}
