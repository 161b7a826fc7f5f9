/* s3apfs login: gives a live mount what its keys wait for. MFA codes are asked for
 * on the terminal, or read from the standard input, one a line; a single sign-on
 * that was renewed by other means is taken up at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "prompt.h"
#include "s3apfs/base/text.h"

static int read_code(const char *device, struct buf *code) {
  char line[64];

  if (isatty(STDIN_FILENO))
    return prompt_mfa_code(NULL, device, code);
  if (fgets(line, sizeof(line), stdin) == NULL)
    return -ENXIO;
  buf_puts(code, text_trim(line));
  explicit_bzero(line, sizeof(line));
  return 0;
}

static bool is_code(const struct buf *code) {
  return code->len == 6 && strspn(buf_cstr(code), "0123456789") == 6;
}

static int tell(const cJSON *reply, const char *identity) {
  const cJSON *error = cJSON_GetObjectItem(reply, "error");
  const char *until = cJSON_GetStringValue(cJSON_GetObjectItem(reply, "expires"));

  if (cJSON_IsString(error))
    return cli_fail(cJSON_IsTrue(cJSON_GetObjectItem(reply, "denied")) ? EXIT_DENIED : EXIT_FAILED,
                    "%s", error->valuestring);
  printf("%s: %s%s\n", identity, until != NULL ? "until " : "has keys", until != NULL ? until : "");
  return EXIT_OK;
}

static int renew(const struct mount_entry *e, int source, const char *identity, const char *code) {
  char *request = text_printf("login %d%s%s", source, *code != '\0' ? " " : "", code);
  cJSON *reply = NULL;
  int rc = request == NULL ? -ENOMEM : ask_mount(e, request, &reply);

  if (request != NULL)
    explicit_bzero(request, strlen(request));
  free(request);
  rc = rc != 0 ? (int)cli_fail(EXIT_FAILED, "the mount does not answer: %s", strerror(-rc))
               : tell(reply, identity);
  cJSON_Delete(reply);
  return rc;
}

static int login_one(const struct mount_entry *e, const cJSON *item) {
  const cJSON *number = cJSON_GetObjectItem(item, "source");
  const char *identity = cJSON_GetStringValue(cJSON_GetObjectItem(item, "identity"));
  const char *device = cJSON_GetStringValue(cJSON_GetObjectItem(item, "device"));
  struct buf code;
  int rc = 0;

  if (!cJSON_IsNumber(number) || identity == NULL)
    return cli_fail(EXIT_FAILED, "the mount's answer is malformed");
  buf_init(&code, 64);
  if (device != NULL)
    rc = read_code(device, &code);
  if (rc == 0 && (device == NULL || is_code(&code)))
    rc = renew(e, number->valueint, identity, buf_cstr(&code));
  else
    rc = cli_fail(EXIT_USAGE,
                  rc != 0 ? "%s: there is no code to read for %s"
                          : "%s: a code of %s has six digits",
                  identity, device);
  buf_wipe(&code);
  return rc;
}

static int login_all(const struct mount_entry *e) {
  const cJSON *list;
  const cJSON *item;
  cJSON *doc = NULL;
  int code = EXIT_OK;
  int rc = ask_mount(e, "login", &doc);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "the mount does not answer: %s", strerror(-rc));
  list = cJSON_GetObjectItem(doc, "logins");
  cJSON_ArrayForEach(item, list) {
    rc = login_one(e, item);
    code = rc != EXIT_OK ? rc : code;
  }
  if (cJSON_GetArraySize(list) == 0)
    printf("%s: nothing waits for a login\n", e->dir);
  cJSON_Delete(doc);
  return code;
}

int cmd_login(int argc, char **argv) {
  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs login DIR");
  prompt_open();
  return cli_at_mount(argv[1], login_all);
}
