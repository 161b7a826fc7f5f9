/* Identities of a mount.
 *
 * One per distinct set of options that say whose keys they are. The profile is
 * read once for Region and endpoints; keys come from the cached chain, which reads
 * the files again whenever it renews. The caller's ARN is asked of
 * STS for display only: at most one attempt a minute, two seconds long, and the
 * first answer is kept until the keys' source changes its access key id. */
#include "identity.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "assume.h"
#include "prompt.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "s3apfs/cred/settings.h"
#include "s3apfs/s3/control.h"

#define ASK_EVERY_MS 60000
#define ASK_TIMEOUT_MS 2000

struct identity {
  struct caller *caller;
  char *key; /* everything that makes the keys what they are */
  char *name;
  struct settings settings; /* a copy: what the keys' context borrows from */
  atomic_int_fast64_t deadline_ms;
  struct cred_env env;
  struct aws_profile *profile;
  struct key_source *keys;
  const char *s3_url; /* borrowed from environment or profile */
  const char *s3control_url;
  const char *sts_url;
  struct {
    struct mtx lock;
    char *arn;
    char *arn_of; /* access key id it was learned with */
    int64_t asked_ms;
    bool asking;
    char *serial; /* of the MFA device that a code was asked of, or NULL */
  } synced;
  struct identity *next;
};

/* Of all sessions together: a thousand sources must not be a thousand threads. */
#define RENEWAL_THREADS 16

struct identities {
  struct caller *caller;
  struct pool *renewals;
  struct identity *list;
};

int identities_new(struct caller *c, struct identities **out) {
  struct identities *all = calloc(1, sizeof(*all));
  int rc;

  if (all == NULL)
    return -ENOMEM;
  all->caller = c;
  rc = pool_new("s3apfs-session", RENEWAL_THREADS, &all->renewals);
  if (rc != 0) {
    free(all);
    return rc;
  }
  *out = all;
  return 0;
}

struct pool *identities_renewals(struct identities *all) {
  return all->renewals;
}

static void identity_free(struct identity *id) {
  key_source_free(id->keys);
  aws_profile_free(id->profile);
  mtx_fini(&id->synced.lock);
  free(id->synced.arn);
  free(id->synced.arn_of);
  free(id->synced.serial);
  settings_fini(&id->settings);
  free(id->key);
  free(id->name);
  free(id);
}

void identities_free(struct identities *all) {
  if (all == NULL)
    return;
  while (all->list != NULL) {
    struct identity *id = all->list;

    all->list = id->next;
    identity_free(id);
  }
  pool_free(all->renewals);
  free(all);
}

static int endpoint_urls(struct identity *id, struct buf *why) {
  const struct cred_env *env = &id->env;
  int rc = aws_settings_endpoint_url(env, id->profile, AWS_SERVICE_S3, &id->s3_url, why);

  if (rc == 0)
    rc = aws_settings_endpoint_url(env, id->profile, AWS_SERVICE_S3_CONTROL, &id->s3control_url,
                                   why);
  if (rc == 0)
    rc = aws_settings_endpoint_url(env, id->profile, AWS_SERVICE_STS, &id->sts_url, why);
  return rc;
}

/* Which device it is about is remembered, for login. */
static int ask_code(void *arg, const char *serial, struct buf *code) {
  struct identity *id = arg;
  char *copy = strdup(serial);

  mtx_lock(&id->synced.lock);
  if (copy != NULL) {
    free(id->synced.serial);
    id->synced.serial = copy;
  }
  mtx_unlock(&id->synced.lock);
  return prompt_mfa_code(NULL, serial, code);
}

static int cached_keys(struct identity *id, struct buf *why) {
  const struct settings *s = &id->settings;
  struct cred_context c = {.env = id->env,
                           .caller = id->caller,
                           .region = s->region,
                           .sts_endpoint_url = s->sts_endpoint_url,
                           .use_fips = s->fips,
                           .use_dual_stack = s->dualstack,
                           .deadline_ms = &id->deadline_ms,
                           .mfa_code = ask_code,
                           .mfa_arg = id};
  struct cred_cache_options o = {.clock = caller_clock(id->caller)};
  struct key_source *fresh;
  int rc = assume_keys(&c, s, &fresh, why);

  if (rc != 0)
    return rc;
  rc = cred_cached_new(fresh, &o, &id->keys);
  if (rc != 0)
    key_source_free(fresh);
  return rc;
}

static char *written(void (*write)(const struct settings *s, struct buf *out),
                     const struct settings *s) {
  struct buf b;

  buf_init(&b, 0);
  write(s, &b);
  return buf_take(&b);
}

struct option_variable {
  const char *option; /* its value; NULL: the environment counts */
  const char *name;
  const char *hidden; /* another variable, which says the same in another way; NULL: none */
};

/* The process's environment; options go ahead of it. */
static const char *identity_getenv(void *arg, const char *name) {
  const struct settings *s = &((const struct identity *)arg)->settings;
  const struct option_variable all[] = {
      {s->config_file, "AWS_CONFIG_FILE", NULL},
      {s->credentials_file, "AWS_SHARED_CREDENTIALS_FILE", NULL},
      {s->container_credentials_uri, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
      {s->container_token_file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
       "AWS_CONTAINER_AUTHORIZATION_TOKEN"},
  };

  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    if (all[i].option != NULL && strcmp(name, all[i].name) == 0)
      return all[i].option;
    if (all[i].option != NULL && all[i].hidden != NULL && strcmp(name, all[i].hidden) == 0)
      return NULL;
  }
  return cred_env_process.getenv(cred_env_process.arg, name);
}

static int identity_fill(struct identity *id, struct buf *why) {
  const char *profile = id->settings.profile;
  int rc;

  id->name = written(assume_name, &id->settings);
  if (id->name == NULL)
    return -ENOMEM;
  rc = assume_check_files(&id->settings, why);
  if (rc != 0)
    return rc;
  rc = aws_profile_load(&id->env, profile, &id->profile, why);
  if (rc != 0)
    return rc;
  if (profile != NULL && !aws_profile_exists(id->profile)) {
    buf_printf(why, "there is no profile '%s' in %s or %s", profile,
               aws_profile_config_path(id->profile), aws_profile_credentials_path(id->profile));
    return -EINVAL;
  }
  rc = endpoint_urls(id, why);
  return rc == 0 ? cached_keys(id, why) : rc;
}

/* Takes the key. */
static int identity_new(struct identities *all, const struct settings *s, char *key,
                        struct identity **out, struct buf *why) {
  struct identity *id = calloc(1, sizeof(*id));
  int rc;

  if (id == NULL) {
    free(key);
    return -ENOMEM;
  }
  mtx_init(&id->synced.lock, RANK_APP);
  id->caller = all->caller;
  id->env = (struct cred_env){identity_getenv, id};
  atomic_init(&id->deadline_ms, s->deadline_ms);
  id->key = key;
  settings_init(&id->settings);
  rc = settings_copy(&id->settings, s);
  if (rc == 0)
    rc = identity_fill(id, why);
  if (rc != 0) {
    identity_free(id);
    return rc;
  }
  id->next = all->list;
  all->list = id;
  *out = id;
  return 0;
}

int identities_get(struct identities *all, const struct settings *s, struct identity **out,
                   struct buf *why) {
  char *key = written(assume_key, s);
  struct identity *id;

  if (key == NULL)
    return -ENOMEM;
  for (id = all->list; id != NULL && strcmp(id->key, key) != 0; id = id->next)
    ;
  if (id == NULL)
    return identity_new(all, s, key, out, why);
  free(key);
  atomic_store(&id->deadline_ms, s->deadline_ms);
  *out = id;
  return 0;
}

struct key_source *identity_keys(struct identity *id) {
  return id->keys;
}

const char *identity_name(const struct identity *id) {
  return id->name;
}

char *identity_device(struct identity *id) {
  char *serial;

  mtx_lock(&id->synced.lock);
  serial = id->synced.serial != NULL ? strdup(id->synced.serial) : NULL;
  mtx_unlock(&id->synced.lock);
  return serial;
}

int identity_login(struct identity *id, const char *code, struct s3_error *error) {
  char *serial = identity_device(id);
  int rc = serial != NULL && code != NULL ? prompt_give(serial, code) : 0;

  if (rc == 0)
    rc = cred_cached_renew(id->keys, error);
  else
    s3_error_from_local(error, rc, "NoMemory", "no memory");
  prompt_give("", NULL);
  free(serial);
  return rc;
}

static const char *first_of(const char *a, const char *b) {
  return a != NULL ? a : b;
}

void identity_site(const struct identity *id, const struct settings *s, struct s3_site *out) {
  const struct cred_env *env = &id->env;

  *out = (struct s3_site){
      .region = first_of(s->region, aws_settings_region(env, id->profile)),
      .endpoint_url = first_of(s->endpoint_url, id->s3_url),
      .s3control_endpoint_url = first_of(s->s3control_endpoint_url, id->s3control_url),
      .sts_endpoint_url = first_of(s->sts_endpoint_url, id->sts_url),
      .use_fips = s->fips || aws_settings_use_fips(env, id->profile),
      .use_dual_stack = s->dualstack || aws_settings_use_dualstack(env, id->profile),
      .path_style = s->path_style || aws_settings_s3_path_style(id->profile),
      .use_arn_region = aws_settings_s3_use_arn_region(env, id->profile),
      .disable_multi_region_access_points = aws_settings_s3_disable_multi_region(env, id->profile),
      .disable_express_session_auth = aws_settings_s3_disable_express_auth(env, id->profile),
  };
}

/* Whether this thread is to ask STS now. */
static bool ask_due(struct identity *id, const char *access_key_id) {
  int64_t now = clock_mono_ms(&clock_system);
  bool due;

  mtx_lock(&id->synced.lock);
  due = !id->synced.asking &&
        (id->synced.arn == NULL || strcmp(id->synced.arn_of, access_key_id) != 0) &&
        (id->synced.asked_ms == 0 || now - id->synced.asked_ms >= ASK_EVERY_MS);
  if (due) {
    id->synced.asked_ms = now;
    id->synced.asking = true;
  }
  mtx_unlock(&id->synced.lock);
  return due;
}

static int ask_arn(struct identity *id, const struct settings *s, char **out) {
  struct caller_identity me;
  struct s3_site site;
  struct control *control;
  struct s3_error error;
  struct buf why;
  int rc;

  identity_site(id, s, &site);
  if (site.region == NULL)
    site.region = "us-east-1";
  s3_error_init(&error);
  buf_init(&why, 0);
  rc = control_new(id->caller, id->keys, &site, ASK_TIMEOUT_MS, &control, &why);
  if (rc == 0) {
    rc = control_caller_identity(control, ASK_TIMEOUT_MS, 1, &me, &error);
    control_free(control);
  }
  if (rc == 0) {
    *out = strdup(me.arn);
    caller_identity_fini(&me);
    rc = *out != NULL ? 0 : -ENOMEM;
  }
  buf_fini(&why);
  s3_error_fini(&error);
  return rc;
}

static void learn_arn(struct identity *id, const struct settings *s, const char *access_key_id) {
  char *of = strdup(access_key_id);
  char *arn = NULL;
  int rc = of == NULL ? -ENOMEM : ask_arn(id, s, &arn);

  mtx_lock(&id->synced.lock);
  id->synced.asking = false;
  if (rc == 0) {
    char *old_arn = id->synced.arn;
    char *old_of = id->synced.arn_of;

    id->synced.arn = arn;
    id->synced.arn_of = of;
    arn = old_arn;
    of = old_of;
  }
  mtx_unlock(&id->synced.lock);
  free(arn);
  free(of);
}

void identity_learn(struct identity *id, const struct settings *s) {
  struct keys *k;

  if (key_source_get(id->keys, &k, NULL) != 0)
    return;
  if (ask_due(id, k->access_key_id))
    learn_arn(id, s, k->access_key_id);
  keys_unref(k);
}

void identity_describe(struct identity *id, struct buf *out) {
  mtx_lock(&id->synced.lock);
  buf_puts(out, id->synced.arn != NULL ? id->synced.arn : id->name);
  mtx_unlock(&id->synced.lock);
}
