/* Keys: sharing, hiding, derived signing keys. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/net/keys_internal.h"
#include "s3apfs/base/log.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static struct keys *example(void) {
  struct keys *k = NULL;

  cr_assert_eq(keys_new("AKIDEXAMPLE", SECRET, "token-of-the-session", 1234, "111122223333",
                        "profile demo", &k),
               0);
  return k;
}

Test(keys, copies_and_hides) {
  struct keys *k = example();
  char line[] = "a " SECRET " b token-of-the-session c";
  char later[] = "a " SECRET " b";

  cr_assert_str_eq(k->secret_access_key, SECRET);
  cr_assert_eq(k->expiration, 1234);
  log_redact(line);
  cr_assert_eq(strstr(line, "wJalr"), NULL, "%s", line);
  cr_assert_eq(strstr(line, "token-of"), NULL, "%s", line);
  cr_assert_eq(keys_ref(k), k);
  keys_unref(k);
  keys_unref(k);
  keys_unref(NULL);
  log_redact(later);
  cr_assert_neq(strstr(later, SECRET), NULL, "no longer hidden once gone");
}

static char *who_of(const struct keys *k) {
  struct buf b;

  buf_init(&b, 0);
  cr_assert_eq(keys_who(k, &b), 0);
  return buf_take(&b);
}

/* Two access keys under one name are two principals, as far as anybody knows. */
Test(keys, who_is_the_access_key_until_more_is_known) {
  static const char *const ids[] = {"AKIAONE", "AKIATWO", "AKIAONE"};
  struct keys *k[3];
  char *who[3];

  for (int i = 0; i < 3; i++) {
    cr_assert_eq(keys_new(ids[i], SECRET, NULL, 0, NULL, "profile demo", &k[i]), 0);
    who[i] = who_of(k[i]);
    cr_expect_null(strstr(who[i], "AKIA"), "an id is not told");
  }
  cr_expect_str_neq(who[0], who[1]);
  cr_expect_str_eq(who[0], who[2]);
  for (int i = 0; i < 2; i++) {
    free(who[i]);
    cr_assert_eq(keys_set_who(k[i], "role arn:aws:iam::111122223333:role/r"), 0);
    who[i] = who_of(k[i]);
    cr_expect_str_eq(who[i], "role arn:aws:iam::111122223333:role/r");
  }
  for (int i = 0; i < 3; i++) {
    free(who[i]);
    keys_unref(k[i]);
  }
}

Test(keys, empty_token_is_none) {
  struct keys *k = NULL;

  cr_assert_eq(keys_new("AKID", SECRET, "", 0, NULL, "x", &k), 0);
  cr_assert_null(k->session_token);
  cr_assert_null(k->account);
  keys_unref(k);
}

Test(keys, signing_keys_are_those_of_the_day_region_and_service) {
  static const char *const regions[] = {"us-east-1", "eu-west-1", "x-1", "x-2", "x-3"};
  struct keys *k = example();

  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 30; i++) {
      struct sigv4_scope scope = {.region = regions[i % 5],
                                  .service = i % 2 == 0 ? "s3" : "sts",
                                  .time = 1785715200 + (i / 10) * 86400 + i};
      uint8_t want[32];
      uint8_t got[32];

      cr_assert_eq(sigv4_signing_key(SECRET, &scope, want), 0);
      cr_assert_eq(keys_signing_key(k, &scope, got), 0);
      cr_assert_arr_eq(got, want, 32);
      cr_assert_eq(keys_signing_key(k, &scope, got), 0);
      cr_assert_arr_eq(got, want, 32);
    }
  }
  keys_unref(k);
}

Test(keys, cached_key_signs_the_same) {
  struct sigv4_keys plain = {.access_key_id = "AKIDEXAMPLE", .secret_access_key = SECRET};
  struct sigv4_scope scope = {.region = "us-east-1", .service = "s3", .time = 1785715200};
  struct keys *k = example();
  struct aws_request r;
  char first[512];
  uint8_t key[32];

  aws_request_init(&r);
  cr_assert_eq(aws_request_set(&r, "GET", "https", "b.s3.amazonaws.com", "/k"), 0);
  cr_assert_eq(sigv4_sign_headers(&r, &plain, &scope, SIGV4_EMPTY_SHA256, true), 0);
  snprintf(first, sizeof(first), "%s", kvlist_get_ci(&r.headers, "Authorization"));
  cr_assert_eq(keys_signing_key(k, &scope, key), 0);
  scope.signing_key = key;
  cr_assert_eq(sigv4_sign_headers(&r, &plain, &scope, SIGV4_EMPTY_SHA256, true), 0);
  cr_assert_str_eq(kvlist_get_ci(&r.headers, "Authorization"), first);
  aws_request_fini(&r);
  keys_unref(k);
}

static void *derive(void *arg) {
  struct keys *k = arg;
  const struct sigv4a_key *key = NULL;
  struct sigv4_scope scope = {.region = "r", .service = "s3", .time = 1785715200};
  uint8_t out[32];

  cr_assert_eq(keys_sigv4a_key(k, &key), 0);
  cr_assert_eq(keys_signing_key(k, &scope, out), 0);
  keys_unref(k);
  return (void *)(uintptr_t)key;
}

Test(keys, threads_share_one_asymmetric_key) {
  struct keys *k = example();
  pthread_t threads[8];
  void *got[8];
  char x[65];
  char y[65];

  for (int i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, derive, keys_ref(k)), 0);
  for (int i = 0; i < 8; i++)
    pthread_join(threads[i], &got[i]);
  for (int i = 1; i < 8; i++)
    cr_assert_eq(got[i], got[0]);
  cr_assert_eq(sigv4a_key_public(got[0], x, y), 0);
  cr_assert_str_eq(x, "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1");
  keys_unref(k);
}
