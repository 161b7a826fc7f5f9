/* Cached sign-ons and replies of the portal and the OIDC service. A refusal explains
 * itself in one printable line; a token that is renewed reads back as what it became. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/sso_json.h"

static void judge(int rc, struct buf *why) {
  require(rc == 0 || rc == -EBADMSG);
  require((rc == 0) == (why->len == 0));
  for (size_t i = 0; i < why->len; i++)
    require(why->data[i] >= 0x20 && why->data[i] < 0x7f);
  buf_reset(why);
}

static void renew(struct sso_token *t, const char *json, size_t size) {
  static const char reply[] = "{\"accessToken\":\"new\",\"expiresIn\":60}";
  struct buf document;
  struct sso_token again;

  buf_init(&document, 0);
  buf_append(&document, json, size);
  require(sso_token_renewed(t, reply, sizeof(reply) - 1, 0, &document, NULL) == 0);
  require(sso_token_parse(buf_cstr(&document), document.len, &again, NULL) == 0);
  require(strcmp(again.access_token, "new") == 0 && again.expires == 60);
  sso_token_fini(&again);
  buf_wipe(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* An exact copy, so that reading past the end shows. */
  char *json = malloc(size > 0 ? size : 1);
  struct sso_token t;
  struct aws_keys k;
  struct buf why;
  int rc;

  memcpy(json, data, size);
  buf_init(&why, 0);
  rc = sso_token_parse(json, size, &t, &why);
  judge(rc, &why);
  if (rc == 0) {
    renew(&t, json, size);
    sso_token_fini(&t);
  }
  rc = sso_credentials_parse(json, size, &k, &why);
  judge(rc, &why);
  if (rc == 0)
    aws_keys_fini(&k);
  buf_fini(&why);
  free(json);
  return 0;
}
