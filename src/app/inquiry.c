/* What the commands that ask S3 Control have in common. */
#include "inquiry.h"

#include <errno.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "prompt.h"
#include "s3apfs/base/text.h"

typedef int list_fn(struct control *c, const char *account, void *out, struct s3_error *error);

static int usage(const char *command) {
  return cli_fail(EXIT_USAGE,
                  "usage: s3apfs %s [--account ID] [--region R] [--profile P] [--json] [-o "
                  "options]",
                  command);
}

static int parse(struct inquiry *q, int argc, char **argv, struct buf *why) {
  static const char *const valued[] = {"account", "region", "profile"};

  for (int i = 1; i < argc; i++) {
    const char *name = NULL;
    int rc;

    if (strcmp(argv[i], "--json") == 0) {
      q->json = true;
      continue;
    }
    if (i + 1 == argc)
      return -EINVAL;
    for (size_t v = 0; v < 3; v++)
      if (text_has_prefix(argv[i], "--") && strcmp(argv[i] + 2, valued[v]) == 0)
        name = valued[v];
    if (name != NULL)
      rc = settings_set(&q->settings, name, argv[++i], false, why);
    else if (strcmp(argv[i], "-o") == 0)
      rc = settings_set_list(&q->settings, argv[++i], why);
    else
      rc = -EINVAL;
    if (rc != 0)
      return rc;
  }
  return 0;
}

int inquiry_run(int argc, char **argv, const char *command, int (*show)(const struct inquiry *q)) {
  struct inquiry q = {0};
  struct buf why;
  int rc;

  prompt_open();
  settings_init(&q.settings);
  buf_init(&why, 4096);
  rc = parse(&q, argc, argv, &why);
  if (rc != 0)
    rc = why.len != 0 ? cli_fail(EXIT_USAGE, "%s", buf_cstr(&why)) : usage(command);
  else
    rc = show(&q);
  buf_fini(&why);
  settings_fini(&q.settings);
  return rc;
}

static int list_for(struct control *control, const struct settings *s, list_fn *list, void *out,
                    struct s3_error *error) {
  struct caller_identity me;
  int rc;

  if (s->account != NULL)
    return list(control, s->account, out, error);
  rc = control_caller_identity(control, 0, 0, &me, error);
  if (rc != 0)
    return rc;
  rc = list(control, me.account, out, error);
  caller_identity_fini(&me);
  return rc;
}

static int list_as(struct app *a, const struct settings *s, const char *what, list_fn *list,
                   void *out, struct buf *why) {
  struct identity *id;
  struct control *control;
  struct s3_error error;
  struct s3_site site;
  int rc = identities_get(a->identities, s, &id, why);

  if (rc != 0)
    return rc;
  identity_site(id, s, &site);
  rc = control_new(a->caller, identity_keys(id), &site, s->deadline_ms, &control, why);
  if (rc != 0)
    return rc;
  s3_error_init(&error);
  rc = list_for(control, s, list, out, &error);
  if (rc != 0) {
    buf_printf(why, "%s as ", what);
    identity_learn(id, s);
    identity_describe(id, why);
    buf_puts(why, ": ");
    s3_error_describe(&error, why);
  }
  s3_error_fini(&error);
  control_free(control);
  return rc;
}

int inquiry_ask(const struct inquiry *q, const char *what, list_fn *list, void *out) {
  struct app a;
  struct buf why;
  int rc;

  buf_init(&why, 65536);
  rc = app_open(&a, &q->settings, &why);
  if (rc == 0) {
    rc = list_as(&a, &q->settings, what, list, out, &why);
    app_close(&a);
  }
  if (rc != 0)
    rc = cli_fail(cli_code(rc), "%s", buf_cstr(&why));
  buf_fini(&why);
  return rc;
}
