/* Credential documents. A refusal explains itself in one printable line; what is
 * accepted is fit for headers. */
#include <errno.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/keys_json.h"

static void require_key(const char *s) {
  require(s != NULL && *s != '\0');
  for (; *s != '\0'; s++)
    require(*s > 0x20 && *s < 0x7f);
}

static void judge(int rc, struct aws_keys *k, struct buf *why) {
  require(rc == 0 || rc == -EBADMSG);
  require((rc == 0) == (why->len == 0));
  for (size_t i = 0; i < why->len; i++)
    require(why->data[i] >= 0x20 && why->data[i] < 0x7f);
  if (rc == 0) {
    require_key(k->access_key_id);
    require_key(k->secret_access_key);
    if (k->session_token != NULL)
      require_key(k->session_token);
    aws_keys_fini(k);
  }
  buf_reset(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* An exact copy, so that reading past the end shows. */
  char *json = malloc(size > 0 ? size : 1);
  char *account = NULL;
  struct aws_keys k;
  struct buf why;

  memcpy(json, data, size);
  buf_init(&why, 0);
  judge(keys_json_parse_process(json, size, &k, &account, &why), &k, &why);
  if (account != NULL)
    require_key(account);
  free(account);
  judge(keys_json_parse_metadata(json, size, &k, &why), &k, &why);
  buf_fini(&why);
  free(json);
  return 0;
}
