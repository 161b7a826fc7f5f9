/* The vending cache of Access Grants against a scripted S3 Control. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "s3apfs/base/text.h"
#include "s3apfs/s3/grants.h"

#define ACCOUNT "333333333333"

/* What the service answers; changed by tests between calls. */
struct service {
  struct rig *rig;
  atomic_int data_access; /* calls so far */
  atomic_int identity;
  atomic_int instance;
  atomic_bool deny;
  atomic_bool broken;
  atomic_int life_s;
  const char *matched; /* NULL: each target is a scope of its own */
  atomic_int under_way;
  atomic_int most_under_way;
  char last_target[512];
};

/* "target=s3%3A%2F%2Fb%2Fscope7%2F%2A" in the request's query. */
static void target_of(const struct server_request *r, char out[256]) {
  const char *at = strstr(r->target, "target=s3");
  struct buf b;

  buf_init(&b, 0);
  cr_assert_not_null(at);
  cr_assert_eq(text_uri_decode(&b, at + 7, strcspn(at + 7, "& "), false), 0);
  snprintf(out, 256, "%s", buf_cstr(&b));
  buf_fini(&b);
}

static void answer_keys(struct server_conn *c, struct service *s, const char *matched, int n) {
  char until[21];
  char body[1024];

  text_iso8601(atomic_load(&s->rig->clock.wall_ms) / 1000 + atomic_load(&s->life_s), until);
  snprintf(body, sizeof(body),
           "<GetDataAccessResult xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">"
           "<Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>granted-secret-%d"
           "</SecretAccessKey><SessionToken>granted-token-%d</SessionToken><Expiration>%s"
           "</Expiration></Credentials><MatchedGrantTarget>%s</MatchedGrantTarget><Grantee>"
           "<GranteeType>IAM</GranteeType><GranteeIdentifier>arn:aws:iam::" ACCOUNT
           ":role/sagemaker-usera-role</GranteeIdentifier></Grantee></GetDataAccessResult>",
           n, n, n, until, matched);
  conn_reply(c, 200, "", body);
}

/* How many are answered at the same time. */
static void note_under_way(struct service *s) {
  int now = atomic_fetch_add(&s->under_way, 1) + 1;
  int most = atomic_load(&s->most_under_way);

  while (most < now && !atomic_compare_exchange_weak(&s->most_under_way, &most, now))
    ;
  usleep(1000);
  atomic_fetch_sub(&s->under_way, 1);
}

static void data_access(struct server_conn *c, const struct server_request *r, struct service *s) {
  char own[256];
  int n = atomic_fetch_add(&s->data_access, 1) + 1;

  if (s->matched == NULL) {
    target_of(r, own);
    note_under_way(s);
    answer_keys(c, s, own, n);
    return;
  }
  snprintf(s->last_target, sizeof(s->last_target), "%s", r->target); /* they ask one at a time */
  usleep(20000); /* room for others to ask at the same time */
  if (atomic_load(&s->broken))
    conn_reply(c, 500, "", "<Error><Code>InternalError</Code></Error>");
  else if (atomic_load(&s->deny))
    conn_reply(c, 403, "x-amz-request-id: RID1\r\n",
               "<ErrorResponse><Error><Code>AccessDenied</Code><Message>You do not have READ "
               "permissions to the requested S3 Prefix: x</Message></Error></ErrorResponse>");
  else
    answer_keys(c, s, s->matched, n);
}

static void service_script(struct server_conn *c, const struct server_request *r, void *arg) {
  struct service *s = arg;

  if (strcmp(r->method, "POST") == 0) {
    atomic_fetch_add(&s->identity, 1);
    conn_reply(c, 200, "",
               "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111111111111:"
               "assumed-role/x/y</Arn><UserId>A:y</UserId><Account>111111111111</Account>"
               "</GetCallerIdentityResult></GetCallerIdentityResponse>");
  } else if (strstr(r->target, "/prefix?") != NULL) {
    atomic_fetch_add(&s->instance, 1);
    conn_reply(c, 200, "",
               "<GetAccessGrantsInstanceForPrefixResult><AccessGrantsInstanceArn>arn:aws:s3:"
               "us-east-1:" ACCOUNT ":access-grants/default</AccessGrantsInstanceArn>"
               "<AccessGrantsInstanceId>default</AccessGrantsInstanceId>"
               "</GetAccessGrantsInstanceForPrefixResult>");
  } else {
    data_access(c, r, s);
  }
}

static struct grants *start(struct rig *r, struct service *s, const char *account) {
  struct s3_site site = {.region = "us-east-1",
                         .s3control_endpoint_url = r->url,
                         .sts_endpoint_url = r->url,
                         .no_account_prefix = true};
  struct grants_options o = {.account = account, .clock = &r->clock.base};
  struct control *control;
  struct grants *g;
  struct buf why;

  memset(s, 0, sizeof(*s));
  s->rig = r;
  s->matched = "s3://b/UserA/*";
  atomic_store(&s->life_s, 3600);
  rig_init(r, service_script, s);
  site.s3control_endpoint_url = site.sts_endpoint_url = r->url;
  buf_init(&why, 0);
  cr_assert_eq(control_new(r->caller, &r->keys, &site, 10000, &control, &why), 0);
  cr_assert_eq(grants_new(control, &o, &g), 0);
  buf_fini(&why);
  return g;
}

static void stop(struct rig *r, struct grants *g) {
  grants_free(g);
  rig_fini(r);
}

static struct key_source *source(struct grants *g, const char *target, enum scope_permission p) {
  struct key_source *s;

  cr_assert_eq(grants_source_new(g, target, p, &s), 0);
  return s;
}

/* The access key id, or the errno. */
static int get_id(struct key_source *s, char id[32]) {
  struct keys *k;
  int rc = key_source_get(s, &k, NULL);

  id[0] = '\0';
  if (rc != 0)
    return rc;
  snprintf(id, 32, "%s", k->access_key_id);
  keys_unref(k);
  return 0;
}

static void wait_for_calls(struct service *s, int n) {
  for (int i = 0; i < 10000 && atomic_load(&s->data_access) < n; i++)
    usleep(1000);
  cr_assert_eq(atomic_load(&s->data_access), n);
}

Test(grants, one_call_serves_the_whole_grant) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct key_source *below = source(g, "s3://b/UserA/sub/*", SCOPE_READ);
  char id[32];

  cr_assert_eq(get_id(a, id), 0);
  cr_assert_str_eq(id, "ASIA1");
  cr_assert_eq(get_id(below, id), 0);
  cr_assert_str_eq(id, "ASIA1", "a prefix inside the matched grant needs no keys of its own");
  cr_assert_eq(atomic_load(&s.data_access), 1);
  cr_assert_not_null(strstr(s.last_target, "target=s3%3A%2F%2Fb%2FUserA%2F%2A"), "%s",
                     s.last_target);
  cr_assert_eq(atomic_load(&s.identity), 0, "the account was given");
  key_source_free(below);
  key_source_free(a);
  stop(&r, g);
}

Test(grants, a_sibling_with_the_same_beginning_is_not_covered) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct key_source *sibling = source(g, "s3://b/UserA2/*", SCOPE_READ);
  char id[32];

  cr_assert_eq(get_id(a, id), 0);
  atomic_store(&s.deny, true);
  cr_assert_eq(get_id(sibling, id), -EACCES);
  cr_assert_eq(atomic_load(&s.data_access), 2);
  key_source_free(sibling);
  key_source_free(a);
  stop(&r, g);
}

Test(grants, doubled_stars_are_one) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  char id[32];

  s.matched = "s3://b/UserA/**";
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_eq(atomic_load(&s.data_access), 1);
  key_source_free(a);
  stop(&r, g);
}

Test(grants, keys_of_another_scope_are_refused) {
  static const char *const matched[] = {"s3://b/UserB/*", "s3://other/UserA/*", "s3://b/UserA/x",
                                        "nonsense"};

  for (size_t i = 0; i < sizeof(matched) / sizeof(matched[0]); i++) {
    struct rig r;
    struct service s;
    struct grants *g = start(&r, &s, ACCOUNT);
    struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
    char id[32];

    s.matched = matched[i];
    cr_assert_eq(get_id(a, id), -EIO, "%s", matched[i]);
    key_source_free(a);
    stop(&r, g);
  }
}

Test(grants, a_read_grant_does_not_answer_for_writing) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *reading = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct key_source *writing = source(g, "s3://b/UserA/*", SCOPE_READWRITE);
  struct key_source *again = source(g, "s3://b/UserA/x/*", SCOPE_READ);
  char id[32];

  cr_assert_eq(get_id(reading, id), 0);
  cr_assert_eq(get_id(writing, id), 0);
  cr_assert_str_eq(id, "ASIA2");
  cr_assert_not_null(strstr(s.last_target, "permission=READWRITE"));
  cr_assert_eq(get_id(again, id), 0);
  cr_assert_str_eq(id, "ASIA1", "the least permission that is enough");
  cr_assert_eq(atomic_load(&s.data_access), 2);
  key_source_free(again);
  key_source_free(writing);
  key_source_free(reading);
  stop(&r, g);
}

static void *get_thread(void *arg) {
  char id[32];

  return (void *)(intptr_t)get_id(arg, id);
}

static void ask_at_once(struct key_source *s, int expected) {
  pthread_t threads[16];

  for (int i = 0; i < 16; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, get_thread, s), 0);
  for (int i = 0; i < 16; i++) {
    void *rc;

    pthread_join(threads[i], &rc);
    cr_assert_eq((int)(intptr_t)rc, expected);
  }
}

Test(grants, sixteen_askers_make_one_call) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);

  ask_at_once(a, 0);
  cr_assert_eq(atomic_load(&s.data_access), 1);
  key_source_free(a);
  stop(&r, g);
}

Test(grants, a_denial_is_remembered_briefly) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct s3_error error;
  struct keys *k;
  char id[32];

  atomic_store(&s.deny, true);
  ask_at_once(a, -EACCES);
  cr_assert_eq(atomic_load(&s.data_access), 1);
  s3_error_init(&error);
  cr_assert_eq(key_source_get(a, &k, &error), -EACCES);
  cr_assert_str_eq(error.code, "AccessDenied");
  cr_assert_not_null(strstr(error.message, "READ permissions"), "%s", error.message);
  cr_assert_not_null(strstr(error.message, "RID1"));
  s3_error_fini(&error);
  atomic_store(&s.deny, false);
  rig_advance(&r, 29);
  cr_assert_eq(get_id(a, id), -EACCES);
  rig_advance(&r, 2);
  cr_assert_eq(get_id(a, id), 0, "a grant given meanwhile is seen");
  key_source_free(a);
  stop(&r, g);
}

Test(grants, keys_are_renewed_behind_the_readers) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  char id[32];

  cr_assert_eq(get_id(a, id), 0);
  rig_advance(&r, 1700);
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_eq(atomic_load(&s.data_access), 1, "never before half of their life");
  rig_advance(&r, 1300);
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_str_eq(id, "ASIA1", "the reader does not wait for the renewal");
  wait_for_calls(&s, 2);
  for (int i = 0; i < 5000 && strcmp(id, "ASIA2") != 0; i++, usleep(1000))
    cr_assert_eq(get_id(a, id), 0);
  cr_assert_str_eq(id, "ASIA2");
  key_source_free(a);
  stop(&r, g);
}

/* After a night's sleep all of them may be due in one second. */
Test(grants, many_scopes_that_are_due_at_once_are_renewed_two_at_a_time) {
  enum { SCOPES = 500 };
  static struct key_source *all[SCOPES];
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  char target[64];
  char id[32];

  s.matched = NULL;
  for (int i = 0; i < SCOPES; i++) {
    snprintf(target, sizeof(target), "s3://b/scope%d/*", i);
    all[i] = source(g, target, SCOPE_READ);
    cr_assert_eq(get_id(all[i], id), 0);
  }
  cr_assert_eq(atomic_load(&s.data_access), SCOPES);
  rig_advance(&r, 3000);
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < SCOPES; i++)
      cr_assert_eq(get_id(all[i], id), 0, "nobody waits");
  wait_for_calls(&s, 2 * SCOPES);
  cr_expect_leq(atomic_load(&s.most_under_way), 2);
  for (int i = 0; i < SCOPES; i++)
    key_source_free(all[i]);
  grants_free(g); /* whatever was still to be renewed has been */
  cr_expect_eq(atomic_load(&s.data_access), 2 * SCOPES, "each once");
  rig_fini(&r);
}

Test(grants, old_keys_stay_while_renewal_fails) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  char id[32];

  cr_assert_eq(get_id(a, id), 0);
  atomic_store(&s.deny, true); /* a grant withdrawn, or a bad hour of the service */
  rig_advance(&r, 3000);
  cr_assert_eq(get_id(a, id), 0);
  wait_for_calls(&s, 2);
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_str_eq(id, "ASIA1");
  rig_advance(&r, 601);
  cr_assert_eq(get_id(a, id), -EACCES, "over is over");
  key_source_free(a);
  stop(&r, g);
}

Test(grants, refused_keys_are_fetched_anew) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct keys *k;
  char id[32];

  cr_assert_eq(key_source_get(a, &k, NULL), 0);
  key_source_expired(a, k);
  keys_unref(k);
  cr_assert_eq(get_id(a, id), 0);
  cr_assert_str_eq(id, "ASIA2");
  key_source_free(a);
  stop(&r, g);
}

Test(grants, a_failing_service_is_no_denial) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  char id[32];
  int rc;

  atomic_store(&s.broken, true);
  rc = get_id(a, id);
  cr_assert(rc != 0 && rc != -EACCES, "%d", rc);
  atomic_store(&s.broken, false);
  cr_assert_eq(get_id(a, id), 0, "nothing was remembered");
  key_source_free(a);
  stop(&r, g);
}

/* A failure may take as long as a call may: nobody waits for one after the other. */
Test(grants, sixteen_askers_share_one_failure) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, ACCOUNT);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct s3_error error;
  struct keys *k;
  int attempts;
  int rc;

  atomic_store(&s.broken, true);
  s3_error_init(&error);
  rc = key_source_get(a, &k, &error);
  cr_assert_str_eq(error.code, "InternalError");
  s3_error_fini(&error);
  attempts = atomic_load(&s.data_access);
  ask_at_once(a, rc);
  cr_assert(atomic_load(&s.data_access) <= 4 * attempts, "%d of %d", atomic_load(&s.data_access),
            attempts);
  key_source_free(a);
  stop(&r, g);
}

Test(grants, the_instance_is_looked_up_once) {
  struct rig r;
  struct service s;
  struct grants *g = start(&r, &s, NULL);
  struct key_source *a = source(g, "s3://b/UserA/*", SCOPE_READ);
  struct key_source *w = source(g, "s3://b/UserA/*", SCOPE_WRITE);
  struct buf text;
  char id[32];

  cr_assert_eq(get_id(a, id), 0);
  cr_assert_eq(get_id(w, id), 0);
  cr_assert_eq(atomic_load(&s.identity), 1);
  cr_assert_eq(atomic_load(&s.instance), 1);
  buf_init(&text, 0);
  grants_source_describe(a, &text);
  cr_assert_not_null(strstr(buf_cstr(&text), "grant s3://b/UserA/* (READ)"), "%s", buf_cstr(&text));
  cr_assert_not_null(strstr(buf_cstr(&text), "role/sagemaker-usera-role"));
  cr_assert_null(strstr(buf_cstr(&text), "secret"));
  buf_fini(&text);
  key_source_free(w);
  key_source_free(a);
  stop(&r, g);
}
