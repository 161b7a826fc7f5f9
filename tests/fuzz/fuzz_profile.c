/* The AWS shared files: the config file, a line "%%", the credentials file. The
 * first byte chooses the profile that is looked at. Files are either refused with
 * a line that says where, or every lookup gives a non-empty value or nothing; the
 * credentials file wins; commands split into words that survive quoting. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/cred/words.h"
#include "fuzz/fuzz.h"
#include "s3apfs/cred/settings.h"

struct file {
  int fd;
  char path[32];
};

static struct file config;
static struct file credentials;

static const char *fuzz_getenv(void *arg, const char *name) {
  (void)arg;
  if (strcmp(name, "AWS_CONFIG_FILE") == 0)
    return config.path;
  return strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0 ? credentials.path : NULL;
}

static const struct cred_env env = {fuzz_getenv, NULL};

static void file_put(struct file *f, const void *data, size_t size) {
  if (f->path[0] == '\0') {
    f->fd = memfd_create("profile", MFD_CLOEXEC);
    require(f->fd >= 0);
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
  }
  require(ftruncate(f->fd, 0) == 0);
  require(size == 0 || pwrite(f->fd, data, size, 0) == (ssize_t)size);
}

/* Each word in single quotes, quotes in it outside of them. */
static void require_words_survive(const char *command) {
  struct words first;
  struct words again;
  struct buf line;

  if (words_split(command, &first) != 0)
    return;
  buf_init(&line, 0);
  for (size_t i = 0; i < first.count; i++) {
    buf_puts(&line, " '");
    for (const char *c = first.items[i]; *c != '\0'; c++)
      buf_puts(&line, *c == '\'' ? "'\\''" : (char[]){*c, '\0'});
    buf_putc(&line, '\'');
  }
  require(words_split(buf_cstr(&line), &again) == 0);
  require(again.count == first.count);
  for (size_t i = 0; i < first.count; i++)
    require(strcmp(first.items[i], again.items[i]) == 0);
  words_fini(&again);
  words_fini(&first);
  buf_fini(&line);
}

static void look_up(const struct aws_profile *p) {
  static const char *const keys[] = {"aws_access_key_id", "aws_secret_access_key",
                                     "aws_session_token", "region",
                                     "role_arn",          "credential_process"};

  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    const char *either = aws_profile_get(p, keys[i]);
    const char *theirs = aws_profile_get_from(p, AWS_PROFILE_CREDENTIALS, keys[i]);

    require(either == NULL || (*either != '\0' && aws_profile_exists(p)));
    require(theirs == NULL || either == theirs);
  }
  if (aws_profile_get(p, "credential_process") != NULL)
    require_words_survive(aws_profile_get(p, "credential_process"));
}

static void read_settings(const struct aws_profile *p) {
  const char *url = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_settings_endpoint_url(&env, p, AWS_SERVICE_S3, &url, &why);
  require(rc == 0 || (rc == -EINVAL && why.len > 0));
  require(url == NULL || *url != '\0');
  (void)aws_settings_s3_use_arn_region(&env, p);
  (void)aws_settings_use_dualstack(&env, p);
  buf_fini(&why);
}

static void put_files(const char *text, size_t size) {
  const char *cut = memmem(text, size, "\n%%\n", 4);
  size_t first = cut != NULL ? (size_t)(cut - text) + 1 : size;

  file_put(&config, text, first);
  if (cut != NULL)
    file_put(&credentials, cut + 4, size - first - 3);
  else
    file_put(&credentials, "", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {NULL, "default", "dev", "two words"};
  struct aws_profile *p = NULL;
  struct buf why;
  int rc;

  if (size == 0)
    return 0;
  put_files((const char *)data + 1, size - 1);
  buf_init(&why, 0);
  rc = aws_profile_load(&env, names[data[0] & 3], &p, &why);
  require(rc == 0 || (rc == -EINVAL && why.len > 0 && p == NULL));
  if (rc == 0) {
    look_up(p);
    read_settings(p);
    aws_profile_free(p);
  }
  buf_fini(&why);
  return 0;
}
