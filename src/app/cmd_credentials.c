/* s3apfs credentials: the keys that serve a source, or a path of a live mount, in
 * the form in which AWS's programs take them from a credential_process.
 *
 * A path is asked of its mount, which has the keys at hand; a source is wired here
 * as a mount would, without asking S3 anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ask.h"
#include "cli.h"
#include "prompt.h"
#include "s3apfs/base/text.h"
#include "vend.h"

#define MAX_OPTION_LISTS 64

struct credentials_args {
  const char *what;
  const char *options[MAX_OPTION_LISTS];
  size_t count;
  enum scope_permission permission;
};

static int usage(void) {
  return cli_fail(EXIT_USAGE, "usage: s3apfs credentials SOURCE|PATH [--permission "
                              "read|write|readwrite] [-o options]");
}

static int read_permission(const char *s, enum scope_permission *out) {
  static const struct {
    const char *name;
    enum scope_permission value;
  } known[] = {{"read", SCOPE_READ}, {"write", SCOPE_WRITE}, {"readwrite", SCOPE_READWRITE}};

  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if (strcmp(known[i].name, s) == 0) {
      *out = known[i].value;
      return 0;
    }
  }
  return -EINVAL;
}

static int parse(struct credentials_args *a, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-o") == 0 && i + 1 < argc && a->count < MAX_OPTION_LISTS)
      a->options[a->count++] = argv[++i];
    else if (strcmp(argv[i], "--permission") == 0 && i + 1 < argc &&
             read_permission(argv[i + 1], &a->permission) == 0)
      i++;
    else if (argv[i][0] != '-' && a->what == NULL)
      a->what = argv[i];
    else
      return -EINVAL;
  }
  return a->what != NULL ? 0 : -EINVAL;
}

static int print_document(cJSON *doc) {
  char *text = cJSON_PrintUnformatted(doc);

  if (text == NULL)
    return cli_fail(EXIT_FAILED, "out of memory");
  puts(text);
  fflush(stdout);
  explicit_bzero(text, strlen(text));
  cJSON_free(text);
  return EXIT_OK;
}

/* --- a source --- */

static int check_source(const struct config *c, struct buf *why) {
  if (c->count != 1)
    buf_puts(why, "this names several directories: give a path of the mount");
  else if (c->dirs[0].target.kind == TARGET_GRANTS)
    buf_puts(why, "this names all grants: give s3://BUCKET/PREFIX with -o access=grants, or a path "
                  "of the mount");
  else
    return 0;
  return -EINVAL;
}

static int vend_source(const struct config *c, enum scope_permission p, struct keys **out,
                       struct buf *why) {
  struct app a;
  int rc = app_open(&a, &c->settings, why);

  if (rc != 0)
    return rc;
  rc = app_open_alone(&a, c, why);
  if (rc == 0)
    rc = vend_keys(&a, c->dirs[0].path, p, out, why);
  app_close(&a);
  return rc;
}

static int of_source(const struct credentials_args *args) {
  struct config c;
  struct keys *k;
  struct buf why;
  int rc;

  buf_init(&why, 65536);
  rc = config_load(args->what, args->options, args->count, &c, &why);
  if (rc == 0) {
    rc = check_source(&c, &why);
    if (rc == 0)
      rc = vend_source(&c, args->permission, &k, &why);
    config_fini(&c);
  }
  if (rc != 0) {
    rc = cli_fail(cli_code(rc), "%s", why.len > 0 ? buf_cstr(&why) : strerror(-rc));
  } else {
    cJSON *doc = vend_document(k);

    keys_unref(k);
    rc = print_document(doc);
    cJSON_Delete(doc);
  }
  buf_fini(&why);
  return rc;
}

/* --- a path --- */

static char *path_request(const char *path, bool folder, enum scope_permission p) {
  struct buf b;

  buf_init(&b, 0);
  buf_printf(&b, "credentials %s ", scope_permission_name(p));
  text_uri_encode(&b, path, strlen(path), true);
  if (folder && *path != '\0')
    buf_putc(&b, '/');
  return buf_take(&b);
}

static int of_mount(const struct mount_entry *e, const char *path, bool folder,
                    const struct credentials_args *args) {
  const char *below = path + strlen(e->dir) + (path[strlen(e->dir)] == '/');
  char *request = path_request(below, folder, args->permission);
  const cJSON *error;
  cJSON *doc;
  int rc = request == NULL ? -ENOMEM : ask_mount(e, request, &doc);

  free(request);
  if (rc != 0)
    return cli_fail(cli_code(rc), "the mount does not answer: %s", strerror(-rc));
  error = cJSON_GetObjectItem(doc, "error");
  if (cJSON_IsString(error))
    rc = cli_fail(cJSON_IsTrue(cJSON_GetObjectItem(doc, "denied")) ? EXIT_DENIED : EXIT_FAILED,
                  "%s", error->valuestring);
  else
    rc = print_document(doc);
  cJSON_Delete(doc);
  return rc;
}

/* -ENOENT: it is no path on a mount of ours, so it is a source. */
static int of_path(const struct credentials_args *args) {
  struct mounts m;
  struct stat st;
  const struct mount_entry *e;
  char *path;
  int rc = -ENOENT;

  if (stat(args->what, &st) != 0)
    return -ENOENT;
  path = mount_point_path(args->what);
  if (path != NULL && mounts_load(&m) == 0) {
    e = mounts_holding(&m, path);
    if (e != NULL)
      rc = of_mount(e, path, S_ISDIR(st.st_mode), args);
    mounts_fini(&m);
  }
  free(path);
  return rc;
}

int cmd_credentials(int argc, char **argv) {
  struct credentials_args args = {.permission = SCOPE_READ};
  int rc;

  if (parse(&args, argc, argv) != 0)
    return usage();
  prompt_open();
  rc = of_path(&args);
  return rc == -ENOENT ? of_source(&args) : rc;
}
