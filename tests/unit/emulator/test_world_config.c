/* The world document: what it accepts, what it refuses and with which path, and
 * that a printed world reads back as the same world. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/emulator/world_internal.h"
#include "s3apfs/base/file.h"
#include "worlds.h"

#define TRUST                                                                                      \
  "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"}," \
  "\"Action\":\"sts:AssumeRole\"}}"

static void refused(const char *json, const char *expected) {
  struct world *w;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(world_new(world_test_clock(), &w), 0);
  cr_expect_eq(world_config_parse(w, json, strlen(json), &why), -EINVAL, "%s", json);
  cr_expect(strstr(buf_cstr(&why), expected) == buf_cstr(&why), "\"%s\" should start with \"%s\"",
            buf_cstr(&why), expected);
  buf_fini(&why);
  world_free(w);
}

Test(world_config, errors_name_the_path) {
  refused("{\"acounts\":[]}", "acounts: unknown key");
  refused("[]", "an object is expected");
  refused("{\"accounts\":{}}", "accounts: an array is expected");
  refused("{\"accounts\":[{\"id\":\"12\"}]}", "accounts[0]: \"12\" is no account id");
  refused("{\"accounts\":[{}]}", "accounts[0]: \"id\" is missing");
  refused("{\"accounts\":[{\"id\":\"111111111111\"},{\"id\":\"111111111111\"}]}",
          "accounts[1]: account 111111111111 is given twice");
  refused("{\"accounts\":[{\"id\":\"111111111111\",\"roles\":[{\"name\":\"a\",\"trust\":" TRUST
          "},{\"name\":\"b\",\"trust\":{\"Version\":\"2012-10-17\"}}]}]}",
          "accounts[0].roles[1].trust: ");
  refused("{\"accounts\":[{\"id\":\"111111111111\",\"roles\":[{\"name\":\"a\"}]}]}",
          "accounts[0].roles[0]: \"trust\" is missing");
  refused("{\"accounts\":[{\"id\":\"111111111111\",\"users\":[{\"name\":\"a\",\"policies\":"
          "{\"p\":7}}]}]}",
          "accounts[0].users[0].policies.p: a policy document is expected");
  refused("{\"accounts\":[{\"id\":\"111111111111\",\"users\":[{\"name\":\"a\",\"path\":\"x\"}]}]}",
          "accounts[0].users[0].path: must start and end with a slash");
  refused("{\"buckets\":[{\"name\":\"b-1\",\"account\":\"111111111111\"}]}",
          "buckets[0].account: account 111111111111 is not among");
  refused("{\"assumptions\":{\"bucket-side\":\"maybe\"}}", "assumptions.bucket-side: ");
  refused("{\"region\":\"a\",\"region\":\"b\"}", "\"region\" is given twice");
  refused("{\"vpc-endpoints\":[{\"id\":\"vpce-1\",\"vpc\":\"vpc-1\",\"port\":70000}]}",
          "vpc-endpoints[0].port: a whole number from 0 to 65535");
}

#define PROVIDER(rest)                                                                             \
  "{\"accounts\":[{\"id\":\"111111111111\",\"oidc-providers\":[{\"issuer\":\"" rest "}]}]}"

Test(world_config, token_issuers_are_checked_and_kept) {
  struct world *w = world_from(PROVIDER("https://t.example.com/p\",\"client-ids\":[\"a\",\"b\"],"
                                        "\"keys\":{\"k\":\"pem\"}"));
  struct buf text;

  buf_init(&text, 0);
  cr_assert_eq(world_config_print(w, &text), 0);
  world_free(w);
  w = world_from(buf_cstr(&text));
  world_lock(w);
  {
    const struct account *a = world_account_locked(w, "111111111111");
    const struct oidc_provider *p = oidc_provider_find(a->oidc_providers, "t.example.com/p");

    cr_assert_not_null(p);
    cr_assert_str_eq(p->arn, "arn:aws:iam::111111111111:oidc-provider/t.example.com/p");
    cr_assert_not_null(kvlist_get(&p->client_ids, "b"));
    cr_assert_str_eq(kvlist_get(&p->keys, "k"), "pem");
  }
  world_unlock(w);
  world_free(w);
  buf_fini(&text);
  refused(PROVIDER("http://t.example.com\""), "accounts[0].oidc-providers[0]: the issuer is no");
  refused(PROVIDER("https://t.example.com\",\"client-ids\":[7]"),
          "accounts[0].oidc-providers[0].client-ids[0]: a client's name is expected");
}

Test(world_config, instances_are_checked_and_kept) {
  struct world *w =
      world_from("{\"instances\":[{\"id\":\"i-1\",\"role\":\"arn:x\",\"session-duration\":900}]}");
  struct buf text;

  buf_init(&text, 0);
  cr_assert_eq(world_config_print(w, &text), 0);
  cr_assert_not_null(strstr(buf_cstr(&text), "\"i-1\""));
  cr_assert_not_null(strstr(buf_cstr(&text), "900"));
  buf_fini(&text);
  world_free(w);
  refused("{\"instances\":[{\"id\":\"i-1\",\"role\":\"r\"},{\"id\":\"i-1\",\"role\":\"r\"}]}",
          "instances[1]: instance i-1 is given twice");
  refused("{\"instances\":[{\"id\":\"i-1\"}]}", "instances[0]: \"role\" is missing");
}

Test(world_config, sign_ons_are_checked_and_kept) {
  struct world *w =
      world_from("{\"sso\":{\"client-id\":\"c\",\"client-secret\":\"s\",\"users\":[{"
                 "\"name\":\"ann\",\"access-token\":"
                 "\"a\",\"refresh-token\":\"r-of-ann\"},{\"name\":\"bob\",\"id\":\"b1\","
                 "\"groups\":[\"g1\",\"g2\"],\"context\":\"c-of-bob\"}],\"roles\":[{\"name\":"
                 "\"Reader\",\"account\":\"1\",\"role\":"
                 "\"arn:x\"}]}}");
  struct world *again;
  struct buf text;
  struct buf second;

  buf_init(&text, 0);
  buf_init(&second, 0);
  cr_assert_eq(world_config_print(w, &text), 0);
  cr_assert_not_null(strstr(buf_cstr(&text), "r-of-ann"));
  again = world_from(buf_cstr(&text));
  cr_assert_eq(world_config_print(again, &second), 0);
  cr_assert_str_eq(buf_cstr(&text), buf_cstr(&second));
  world_free(again);
  world_free(w);
  buf_fini(&second);
  buf_fini(&text);
  refused("{\"sso\":{\"users\":[{\"name\":\"x\"}]}}", "sso.users[0]: \"access-token\" is missing");
  refused("{\"sso\":{\"users\":[{\"name\":\"x\",\"access-token\":\"t\",\"context\":\"c\"}]}}",
          "sso.users[0]: who has groups or a context needs an id");
}

Test(world_config, syntax_errors_name_line_and_column) {
  refused("", "line 1, column 1");
  refused("{\n  \"region\": ,\n}", "line 2, column");
  refused("{} x", "line 1, column 4");
  refused("{\"region\": \"a\"", "line 1");
}

Test(world_config, access_key_ids_are_unique_in_the_whole_world) {
  refused(
      "{\"accounts\":[{\"id\":\"111111111111\",\"users\":[{\"name\":\"a\",\"access-keys\":[{\"id\":"
      "\"AKIA1\",\"secret\":\"s\"}]},{\"name\":\"b\",\"access-keys\":[{\"id\":\"AKIA1\","
      "\"secret\":\"s\"}]}]}]}",
      "accounts[0].users[1].access-keys[0]: access key id AKIA1 is used twice");
}

Test(world_config, grants_are_checked) {
  const char *head =
      "{\"accounts\":[{\"id\":\"111111111111\"}],\"access-grants\":[{\"account\":"
      "\"111111111111\",\"locations\":[{\"id\":\"l\",\"scope\":\"s3://b-1\",\"role\":"
      "\"arn:aws:iam::111111111111:role/r\"}],\"grants\":[";
  static const char *const cases[][2] = {
      {"{\"location\":\"x\",\"permission\":\"READ\",\"grantee\":{\"id\":\"a\"}}",
       "access-grants[0].grants[0]: location \"x\""},
      {"{\"location\":\"l\",\"permission\":\"ALL\",\"grantee\":{\"id\":\"a\"}}",
       "access-grants[0].grants[0]: permission: READ, WRITE"},
      {"{\"location\":\"l\",\"permission\":\"READ\",\"sub-prefix\":\"p/"
       "\",\"grantee\":{\"id\":\"a\"}}",
       "access-grants[0].grants[0]: the scope must end in a star"},
      {"{\"location\":\"l\",\"permission\":\"READ\",\"grantee\":{\"type\":\"X\",\"id\":\"a\"}}",
       "access-grants[0].grants[0].grantee: type"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char json[1024];

    snprintf(json, sizeof(json), "%s%s]}]}", head, cases[i][0]);
    refused(json, cases[i][1]);
  }
}

Test(world_config, the_demo_world_reads_and_prints_back_the_same) {
  struct world *w = world_from_file("tests/worlds/seed_000_001.json");
  struct world *again;
  struct buf first;
  struct buf second;

  buf_init(&first, 0);
  buf_init(&second, 0);
  cr_assert_eq(world_config_print(w, &first), 0);
  again = world_from(buf_cstr(&first));
  cr_assert_eq(world_config_print(again, &second), 0);
  cr_expect_str_eq(buf_cstr(&first), buf_cstr(&second));
  buf_fini(&first);
  buf_fini(&second);
  world_free(again);
  world_free(w);
}

Test(world_config, keys_sessions_and_places_are_found) {
  struct world *w = world_from_file("tests/worlds/seed_000_001.json");
  struct world_access_point p;
  struct world_bucket b;
  struct world_key k;

  cr_assert_eq(world_find_key(w, "ASIAEXAMPLEDEMOROLE1", &k), 0);
  cr_expect_str_eq(k.arn, "arn:aws:sts::111111111111:assumed-role/demo/DemoNotebookInstance");
  cr_expect_str_eq(k.user_id, "AROAEXAMPLEDEMO000000:DemoNotebookInstance");
  cr_expect_not_null(k.session_token);
  world_key_fini(&k);
  cr_assert_eq(world_find_key(w, "AKIAEXAMPLESCIENT001", &k), 0);
  cr_expect_null(k.session_token);
  cr_expect_eq(k.expiration, 0);
  world_key_fini(&k);
  cr_expect_eq(world_find_key(w, "AKIANOBODY", &k), -ENOENT);
  cr_assert_eq(world_find_bucket(w, "test-bucket-1", &b), 0);
  cr_expect_str_eq(b.account, "222222222222");
  world_bucket_fini(&b);
  cr_assert_eq(world_find_access_point(w, "222222222222", NULL, "test-ap-1", &p), 0);
  cr_expect_str_eq(p.bucket, "test-bucket-1");
  cr_expect_null(p.vpc);
  world_access_point_fini(&p);
  cr_expect_eq(world_find_access_point(w, "222222222222", "eu-west-1", "test-ap-1", &p), -ENOENT);
  cr_assert_eq(world_find_access_point_by_alias(
                   w, "test-ap-1-examplealias0000000000000000000000-s3alias", &p),
               0);
  world_access_point_fini(&p);
  world_free(w);
}

Test(world_config, made_aliases_are_stable_legal_and_short) {
  const char *json =
      "{\"accounts\":[{\"id\":\"111111111111\"}],\"access-points\":[{\"name\":"
      "\"a-very-long-access-point-name-which-is-cut-there\",\"account\":\"111111111111\","
      "\"bucket\":\"b-1\"}]}";
  struct world_access_point p[2];

  for (int i = 0; i < 2; i++) {
    struct world *w = world_from(json);

    cr_assert_eq(world_find_access_point(w, "111111111111", NULL,
                                         "a-very-long-access-point-name-which-is-cut-there", &p[i]),
                 0);
    world_free(w);
  }
  cr_expect_str_eq(p[0].alias, p[1].alias);
  cr_expect_leq(strlen(p[0].alias), 63);
  cr_expect_str_eq(p[0].alias + strlen(p[0].alias) - 8, "-s3alias");
  world_access_point_fini(&p[0]);
  world_access_point_fini(&p[1]);
}

/* --- keeping --- */

static char folder[64];
static char config[96];

static void make_folder(void) {
  snprintf(folder, sizeof(folder), "/tmp/s3apfs-world-XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(config, sizeof(config), "%s/config.json", folder);
}

static void write_config(const char *text) {
  cr_assert_eq(file_write_atomic(config, text, strlen(text), 0600), 0);
}

static struct world *open_world(void) {
  struct world *w;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(world_new(world_test_clock(), &w), 0);
  cr_assert_eq(world_open(w, config, folder, &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return w;
}

static void remove_folder(void) {
  static const char *const names[] = {"config.json", "world.json", "world.json.old"};
  char path[128];

  for (size_t i = 0; i < 3; i++) {
    snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
}

Test(world_save, changes_outlive_a_restart) {
  struct world_bucket b;
  struct stat st;
  char path[128];
  struct world *w;

  make_folder();
  write_config("{\"accounts\":[{\"id\":\"111111111111\"}]}");
  w = open_world();
  cr_assert_eq(
      world_create_bucket(w, "new-bucket", "111111111111", "eu-west-3", OWNERSHIP_OBJECT_WRITER),
      0);
  cr_assert_eq(world_save(w), 0);
  world_free(w);
  snprintf(path, sizeof(path), "%s/world.json", folder);
  cr_assert_eq(stat(path, &st), 0);
  cr_expect_eq(st.st_mode & 0777, 0600, "it holds secrets");
  w = open_world();
  cr_assert_eq(world_find_bucket(w, "new-bucket", &b), 0);
  cr_expect_str_eq(b.region, "eu-west-3");
  cr_expect_eq(b.ownership, OWNERSHIP_OBJECT_WRITER);
  world_bucket_fini(&b);
  world_free(w);
  remove_folder();
}

Test(world_save, a_changed_configuration_starts_anew_and_keeps_the_old_state) {
  struct world_bucket b;
  char path[128];
  struct world *w;

  make_folder();
  write_config("{\"accounts\":[{\"id\":\"111111111111\"}]}");
  w = open_world();
  cr_assert_eq(world_create_bucket(w, "new-bucket", "111111111111", "eu-west-3",
                                   OWNERSHIP_BUCKET_OWNER_ENFORCED),
               0);
  cr_assert_eq(world_save(w), 0);
  world_free(w);
  write_config("{\"accounts\":[{\"id\":\"111111111111\"}],\"region\":\"eu-west-1\"}");
  w = open_world();
  cr_expect_eq(world_find_bucket(w, "new-bucket", &b), -ENOENT);
  snprintf(path, sizeof(path), "%s/world.json.old", folder);
  cr_expect_eq(access(path, R_OK), 0);
  world_free(w);
  remove_folder();
}

Test(world_save, a_broken_state_is_told_and_not_overwritten) {
  struct world *w;
  struct buf why;
  char path[128];

  make_folder();
  write_config("{\"accounts\":[{\"id\":\"111111111111\"}]}");
  snprintf(path, sizeof(path), "%s/world.json", folder);
  cr_assert_eq(file_write_atomic(path, "{\"accounts\":", 12, 0600), 0);
  buf_init(&why, 0);
  cr_assert_eq(world_new(world_test_clock(), &w), 0);
  cr_expect_eq(world_open(w, config, folder, &why), -EINVAL);
  cr_expect_gt(why.len, 0);
  cr_expect_eq(access(path, R_OK), 0);
  buf_fini(&why);
  world_free(w);
  remove_folder();
}

Test(world_buckets, names_and_owners) {
  struct world *w =
      world_from("{\"accounts\":[{\"id\":\"111111111111\"},{\"id\":\"222222222222\"}]}");
  static const char *const bad[] = {"ab",      "Upper",   "a..b",      "-a-b",    "a_b",
                                    "1.2.3.4", "xn--abc", "x-s3alias", "b--x-s3", ""};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(world_create_bucket(w, bad[i], "111111111111", "us-east-1",
                                     OWNERSHIP_BUCKET_OWNER_ENFORCED),
                 -EINVAL, "%s", bad[i]);
  cr_expect_eq(
      world_create_bucket(w, "good", "111111111111", "us-east-1", OWNERSHIP_BUCKET_OWNER_ENFORCED),
      0);
  cr_expect_eq(
      world_create_bucket(w, "good", "111111111111", "us-east-1", OWNERSHIP_BUCKET_OWNER_ENFORCED),
      -EEXIST);
  cr_expect_eq(
      world_create_bucket(w, "good", "222222222222", "us-east-1", OWNERSHIP_BUCKET_OWNER_ENFORCED),
      -EBUSY);
  world_free(w);
}

Test(world_buckets, public_policies_are_refused_while_blocked) {
  const char *open =
      "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":"
      "\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::good/*\"}}";
  struct block_public_access off = {false, false, false, false};
  struct world *w = world_from("{\"accounts\":[{\"id\":\"111111111111\"}]}");
  struct buf why;
  bool public = false;

  buf_init(&why, 0);
  cr_assert_eq(
      world_create_bucket(w, "good", "111111111111", "us-east-1", OWNERSHIP_BUCKET_OWNER_ENFORCED),
      0);
  cr_expect_eq(world_set_bucket_policy(w, "good", open, strlen(open), &why), -EPERM);
  cr_expect_eq(world_set_bucket_policy(w, "good", "{", 1, &why), -EINVAL);
  cr_assert_eq(world_set_bucket_bpa(w, "good", &off), 0);
  cr_expect_eq(world_set_bucket_policy(w, "good", open, strlen(open), &why), 0);
  cr_expect_eq(world_get_bucket_policy_public(w, "good", &public), 0);
  cr_expect(public);
  buf_fini(&why);
  world_free(w);
}
