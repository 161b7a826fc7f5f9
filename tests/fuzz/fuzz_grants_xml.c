/* One body for every S3 Control and STS parser. What is accepted has every
 * promised member, and keys fit for a header. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/grants_xml.h"

static bool accepted(int rc) {
  require(rc == 0 || rc == -EBADMSG);
  return rc == 0;
}

static void require_text(const char *s) {
  require(s != NULL && *s != '\0');
}

static void require_key(const char *s) {
  require_text(s);
  for (; *s != '\0'; s++)
    require(*s > 0x20 && *s < 0x7f);
}

static void require_keys(const struct aws_keys *k) {
  require_key(k->access_key_id);
  require_key(k->secret_access_key);
  require_key(k->session_token);
}

static void try_control(const uint8_t *data, size_t size) {
  struct data_access d;
  struct caller_grants g;
  char *arn;

  if (accepted(data_access_parse(data, size, &d))) {
    require_keys(&d.keys);
    require_text(d.matched_target);
    require(d.grantee != NULL && d.grantee_type != NULL);
    data_access_fini(&d);
  }
  if (accepted(caller_grants_parse(data, size, &g))) {
    for (size_t i = 0; i < g.count; i++) {
      require_text(g.items[i].permission);
      require_text(g.items[i].scope);
      require(g.items[i].application_arn != NULL);
    }
    require(g.next_token == NULL || *g.next_token != '\0');
    caller_grants_fini(&g);
  }
  if (accepted(grants_instance_parse(data, size, &arn))) {
    require_text(arn);
    free(arn);
  }
}

static void try_sts(const uint8_t *data, size_t size) {
  struct caller_identity c;
  struct aws_keys k;
  char *arn;

  if (accepted(caller_identity_parse(data, size, &c))) {
    require_text(c.arn);
    require_text(c.user_id);
    require_text(c.account);
    caller_identity_fini(&c);
  }
  if (accepted(assume_role_parse(data, size, &k, &arn))) {
    require_keys(&k);
    require_text(arn);
    aws_keys_fini(&k);
    free(arn);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_control(data, size);
  try_sts(data, size);
  return 0;
}
