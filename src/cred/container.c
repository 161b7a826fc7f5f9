/* Provider: the credential endpoint of a container (Amazon ECS, EKS Pod
 * Identity; AWS SDKs and Tools Reference Guide, "Container credential
 * provider").
 *
 * Configured by the environment, read at each get, and so is the file with the
 * authorization token, which the platform rotates. The token is a secret that
 * plain HTTP shows to everybody on the way, so that only addresses of this host
 * and of the two platforms are taken without TLS. What is no passing trouble
 * (4xx, a broken document) is not tried again. The path of the address is never
 * told: on ECS it is all one needs to get the keys. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fail.h"
#include "fetch.h"
#include "metadata.h"
#include "s3apfs/aws/keys_json.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"

#define WHO "container credentials"
#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define ATTEMPTS 3
#define TIMEOUT_MS 2000
#define RETRY_DELAY_MS 1000
#define HOST_MAX 256
#define REPLY_MAX ((size_t)64 << 10)
#define TOKEN_MAX ((size_t)16 << 10)

struct container_source {
  struct key_source base;
  struct cred_context context;
  int64_t retry_delay_ms;
};

/* --- address ---------------------------------------------------------------------------- */

static bool is_printable(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
      return false;
  return true;
}

/* The host of an absolute URL, without brackets. */
static bool take_host(const char *url, char host[HOST_MAX]) {
  const char *from = strstr(url, "://") + 3;
  size_t len = strcspn(from, "/?#");
  const char *end;

  if (memchr(from, '@', len) != NULL || memchr(from, '\\', len) != NULL)
    return false;
  if (*from == '[') {
    from++;
    end = memchr(from, ']', len - 1);
  } else {
    end = from + strcspn(from, ":/?#");
  }
  if (end == NULL || end == from || end - from >= HOST_MAX)
    return false;
  memcpy(host, from, (size_t)(end - from));
  host[end - from] = '\0';
  return true;
}

/* IPv6 addresses count in their shortest spelling only, in which the engine
 * knows them too as addresses that no proxy is asked for. */
static bool is_platform_or_loopback(const char *host) {
  static const char *const names[] = {"localhost", "169.254.170.2", "169.254.170.23",
                                      "fd00:ec2::23", "::1"};
  struct in_addr four;

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcasecmp(host, names[i]) == 0)
      return true;
  return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

static int check_full(const char *url, char host[HOST_MAX], struct s3_error *error) {
  bool tls = strncasecmp(url, "https://", 8) == 0;

  if ((!tls && strncasecmp(url, "http://", 7) != 0) || !is_printable(url) || !take_host(url, host))
    return cred_fail(error, -EINVAL, CRED_INVALID, WHO ": " FULL_URI " is no http or https URL");
  if (!tls && !is_platform_or_loopback(host))
    return cred_fail(error, -EINVAL, CRED_INVALID,
                     WHO ": " FULL_URI " names %s, which is asked by https only", host);
  return 0;
}

/* *url is the caller's to free. */
static int find_address(const struct cred_env *env, char **url, char host[HOST_MAX],
                        struct s3_error *error) {
  const char *relative = cred_env_get(env, RELATIVE_URI);
  const char *full = cred_env_get(env, FULL_URI);
  int rc = 0;

  if (relative == NULL && full == NULL)
    return cred_fail(error, -ENOENT, CRED_NONE, WHO ": not configured");
  if (relative != NULL && (*relative != '/' || !is_printable(relative)))
    return cred_fail(error, -EINVAL, CRED_INVALID,
                     WHO ": " RELATIVE_URI " is no path that begins with /");
  if (relative != NULL)
    snprintf(host, HOST_MAX, "%s", "169.254.170.2");
  else
    rc = check_full(full, host, error);
  if (rc != 0)
    return rc;
  *url = relative != NULL ? text_printf("http://%s%s", host, relative) : strdup(full);
  return *url != NULL ? 0 : cred_fail(error, -ENOMEM, CRED_INVALID, WHO ": no memory");
}

/* --- authorization ---------------------------------------------------------------------- */

static int add_token(struct kvlist *headers, const char *token, const char *variable,
                     struct s3_error *error) {
  if (*token == '\0')
    return cred_fail(error, -EINVAL, CRED_INVALID, WHO ": the token of %s is empty", variable);
  for (const char *c = token; *c != '\0'; c++)
    if (iscntrl((unsigned char)*c))
      return cred_fail(error, -EINVAL, CRED_INVALID,
                       WHO ": the token of %s has a line end or another control character in it",
                       variable);
  return kvlist_add(headers, "authorization", token);
}

static int add_token_of_file(struct kvlist *headers, const char *path, struct s3_error *error) {
  struct buf text;
  int rc;

  buf_init(&text, TOKEN_MAX);
  rc = file_read(path, &text);
  if (rc != 0)
    rc = cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID,
                   WHO ": %s (" TOKEN_FILE ") cannot be read: %s", path, strerror(-rc));
  else if (strlen(buf_cstr(&text)) != text.len)
    rc = cred_fail(error, -EINVAL, CRED_INVALID, WHO ": %s (" TOKEN_FILE ") is no text", path);
  else
    rc = add_token(headers, buf_cstr(&text), TOKEN_FILE, error);
  buf_wipe(&text);
  return rc;
}

static int fill_headers(const struct cred_env *env, struct kvlist *headers,
                        struct s3_error *error) {
  const char *path = cred_env_get(env, TOKEN_FILE);
  const char *token = cred_env_get(env, TOKEN);
  int rc = kvlist_add(headers, "accept", "application/json");

  if (rc == 0 && path != NULL)
    rc = add_token_of_file(headers, path, error);
  else if (rc == 0 && token != NULL)
    rc = add_token(headers, token, TOKEN, error);
  return rc == -ENOMEM ? cred_fail(error, rc, CRED_INVALID, WHO ": no memory") : rc;
}

/* --- reply ------------------------------------------------------------------------------ */

/* Amazon ECS says whose keys they are; others' are told apart by their ids. */
static void tell_role(struct keys *k, const struct buf *body) {
  char *arn = keys_json_role_arn(buf_cstr(body), body->len);
  char *who = arn != NULL ? text_printf("role %s", arn) : NULL;

  if (who != NULL && keys_set_who(k, who) != 0)
    log_debug(WHO ": no memory for the role's name");
  free(who);
  free(arn);
}

static int read_reply(const char *host, const struct buf *body, struct keys **out,
                      struct s3_error *error) {
  int rc = metadata_keys(WHO, host, body, out, error);

  if (rc == 0)
    tell_role(*out, body);
  return rc;
}

static bool is_passing(int rc, int status) {
  return rc == 0 ? status >= 500 || status == 429 : rc != -ENOMEM && rc != -E2BIG;
}

static void pause_ms(int64_t ms) {
  struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

  while (nanosleep(&t, &t) != 0 && errno == EINTR)
    ;
}

static bool is_time(const struct fetch_request *q) {
  return clock_mono_ms(&clock_system) < q->until_mono_ms;
}

static int ask(const struct container_source *self, const struct fetch_request *q, const char *host,
               struct keys **out, struct s3_error *error) {
  struct buf body;
  int status = 0;
  int rc;

  buf_init(&body, REPLY_MAX);
  rc = fetch(q, &status, &body);
  for (int i = 1; i < ATTEMPTS && is_passing(rc, status) && is_time(q); i++) {
    pause_ms(self->retry_delay_ms);
    buf_wipe(&body);
    buf_init(&body, REPLY_MAX);
    rc = fetch(q, &status, &body);
  }
  if (rc != 0)
    rc = cred_fail(error, rc == -ENOENT ? -EIO : rc, CRED_INVALID, WHO ": %s cannot be asked: %s",
                   host, strerror(-rc));
  else if (status != 200)
    rc = cred_fail(error, -EACCES, CRED_INVALID, WHO ": %s answered with status %d", host, status);
  else
    rc = read_reply(host, &body, out, error);
  buf_wipe(&body);
  return rc;
}

static int container_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct container_source *self = (struct container_source *)s;
  const struct cred_env *env = &self->context.env;
  int64_t own_ms = ATTEMPTS * (TIMEOUT_MS + self->retry_delay_ms);
  struct fetch_request q = {.ca_bundle = cred_env_get(env, "AWS_CA_BUNDLE"),
                            .timeout_ms = TIMEOUT_MS,
                            .until_mono_ms = clock_mono_ms(&clock_system) +
                                             cred_context_limit(&self->context, own_ms)};
  char host[HOST_MAX];
  struct kvlist headers;
  char *url = NULL;
  int rc = find_address(env, &url, host, error);

  if (rc != 0)
    return rc;
  kvlist_init(&headers);
  rc = fill_headers(env, &headers, error);
  q.url = url;
  q.headers = &headers;
  if (rc == 0)
    rc = ask(self, &q, host, out, error);
  kvlist_fini(&headers);
  free(url);
  return rc;
}

static void container_destroy(struct key_source *s) {
  free((struct container_source *)s);
}

static const struct key_source_ops container_ops = {.get = container_get,
                                                    .destroy = container_destroy};

int cred_container_new(const struct cred_context *c, int64_t retry_delay_ms,
                       struct key_source **out) {
  struct container_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &container_ops;
  self->context = *c;
  self->retry_delay_ms = retry_delay_ms != 0 ? retry_delay_ms : RETRY_DELAY_MS;
  *out = &self->base;
  return 0;
}
