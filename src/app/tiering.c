/* Wiring of the shared tier.
 *
 *   identity's keys [-> CreateSession, cached] -> never waiting -> client -> store -> tier
 *
 * It has an engine and a caller of its own: its connections, retries and time limits
 * take nothing from those of the sources. One attempt, short deadlines: whoever gets no
 * answer here asks the source. */
#include "tiering.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "s3apfs/s3/session.h"
#include "s3apfs/s3/store.h"
#include "tier_key.h"

#define CONNECTIONS 40 /* loads at once, and some to send */
#define CONNECT_TIMEOUT_MS 2000
#define START_PAUSE_US 10000 /* keys that are there are handed out in a moment */
#define START_PAUSES 300
#define DEADLINE_MS 5000 /* of sending one part; loads have a limit of their own */

struct tiering {
  const struct settings *settings;
  struct target target;
  struct http_engine *engine;
  struct caller *caller;
  struct identity *identity;
  struct key_source *session; /* of directory buckets, else NULL */
  struct key_source *keys;    /* borrowed: the session's or the identity's */
  struct key_source *prompt;
  struct store *store;
  struct pool *starter; /* one job: first keys, the bucket's Region */
  atomic_bool started;
  struct tier *tier;
};

/* --- is it meant? --- */

static bool is_bucket(enum target_kind kind) {
  return kind == TARGET_BUCKET || kind == TARGET_DIRECTORY_BUCKET || kind == TARGET_ACCESS_POINT ||
         kind == TARGET_ACCESS_POINT_ALIAS || kind == TARGET_DIRECTORY_ACCESS_POINT;
}

static bool is_directory(enum target_kind kind) {
  return kind == TARGET_DIRECTORY_BUCKET || kind == TARGET_DIRECTORY_ACCESS_POINT;
}

static int parse_tier(const struct settings *s, struct target *out, struct buf *why) {
  struct buf fault;
  int rc;

  buf_init(&fault, 65536);
  rc = target_parse(s->cache_tier, out, &fault);
  if (rc == -EINVAL)
    buf_printf(why, "cache-tier: %s", buf_cstr(&fault));
  buf_fini(&fault);
  if (rc == 0 && !is_bucket(out->kind)) {
    buf_printf(why, "cache-tier: %s is no bucket: s3://BUCKET[/PREFIX] is needed", s->cache_tier);
    target_fini(out);
    rc = -EINVAL;
  }
  return rc;
}

static int check_dir(const struct config_dir *d, const struct settings *s, const struct target *t,
                     struct buf *why) {
  if ((d->settings.grants || d->target.kind == TARGET_GRANTS) && !s->cache_tier_grants) {
    buf_printf(why,
               "%s is read by grants, and what is kept in a cache-tier outlives a grant: say "
               "cache-tier-grants=yes if that is meant",
               d->source);
    return -EINVAL;
  }
  if (s->cache_tier_profile == NULL && d->target.bucket != NULL &&
      strcmp(d->target.bucket, t->bucket) == 0 &&
      (text_has_prefix(t->prefix, d->target.prefix) ||
       text_has_prefix(d->target.prefix, t->prefix))) {
    buf_printf(why, "cache-tier: %s would be shown in what is mounted from %s: take another prefix",
               s->cache_tier, d->source);
    return -EINVAL;
  }
  return 0;
}

static const char *needless_option(const struct settings *s) {
  if (s->cache_tier_key_file != NULL)
    return "cache-tier-key-file";
  if (s->cache_tier_profile != NULL)
    return "cache-tier-profile";
  return s->cache_tier_grants ? "cache-tier-grants" : NULL;
}

int tiering_check(const struct config *c, struct buf *why) {
  const struct settings *s = &c->settings;
  uint8_t key[TIER_KEY_BYTES];
  struct target t;
  int rc;

  if (s->cache_tier == NULL) {
    if (needless_option(s) == NULL)
      return 0;
    buf_printf(why, "option '%s' means nothing without cache-tier", needless_option(s));
    return -EINVAL;
  }
  if (s->cache_tier_key_file == NULL) {
    buf_puts(why, "cache-tier needs cache-tier-key-file: nothing is kept there unsealed");
    return -EINVAL;
  }
  rc = parse_tier(s, &t, why);
  if (rc != 0)
    return rc;
  for (size_t i = 0; rc == 0 && i < c->count; i++)
    rc = check_dir(&c->dirs[i], s, &t, why);
  target_fini(&t);
  if (rc == 0)
    rc = tier_key_read(s->cache_tier_key_file, key, why);
  explicit_bzero(key, sizeof(key));
  return rc;
}

/* --- wiring --- */

/* The profile's own endpoint and Region, else the mount's. */
static int find_site(struct tiering *t, struct identities *ids, struct s3_site *site,
                     struct buf *why) {
  const struct settings *s = t->settings;
  struct settings own = *s; /* borrows */
  int rc;

  if (s->cache_tier_profile != NULL) {
    own.profile = s->cache_tier_profile;
    own.role_arn = own.external_id = own.role_session_name = own.source_identity = NULL;
    own.mfa_serial = own.credential_source = own.web_identity_token_file = NULL;
    own.endpoint_url = NULL;
    own.region = NULL;
  }
  rc = identities_get(ids, &own, &t->identity, why);
  if (rc != 0)
    return rc;
  identity_site(t->identity, &own, site);
  if (site->endpoint_url == NULL)
    site->endpoint_url = s->endpoint_url;
  if (site->region == NULL)
    site->region = s->region != NULL ? s->region : t->target.region;
  if (site->region == NULL)
    site->region = "us-east-1";
  return 0;
}

static int open_engine(struct tiering *t, struct bandwidth *down, struct bandwidth *up) {
  const struct settings *s = t->settings;
  struct http_options ho = {.max_connections = CONNECTIONS,
                            .ca_bundle = s->ca_bundle,
                            .connect_to = s->connect_to,
                            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                            .down = down,
                            .up = up,
                            .verbose = log_get_level() == LOG_LEVEL_DEBUG};
  struct caller_options co = {.max_attempts = 1};
  int rc;

  if (ho.ca_bundle == NULL)
    ho.ca_bundle = getenv("AWS_CA_BUNDLE");
  rc = http_engine_new(&ho, &t->engine);
  return rc == 0 ? caller_new(t->engine, &co, &t->caller) : rc;
}

static int open_keys(struct tiering *t, const struct s3_site *site, struct buf *why) {
  struct s3_session_options so = {.site = *site, .deadline_ms = DEADLINE_MS};
  struct cred_cache_options co = {.lead_s = S3_SESSION_LEAD_S};
  struct key_source *keys = identity_keys(t->identity);
  struct key_source *fresh;
  int rc = 0;

  if (is_directory(t->target.kind) && !site->disable_express_session_auth) {
    rc = s3_session_keys_new(t->caller, keys, t->target.bucket, &so, &fresh, why);
    if (rc != 0)
      return rc;
    rc = cred_cached_new(fresh, &co, &t->session);
    if (rc != 0)
      key_source_free(fresh);
    keys = t->session;
  }
  t->keys = keys;
  return rc == 0 ? cred_prompt_new(keys, &t->prompt) : rc;
}

static void describe(void *arg, struct buf *out) {
  struct tiering *t = arg;

  identity_describe(t->identity, out);
}

static int open_store(struct tiering *t, const struct s3_site *site, struct buf *why) {
  struct s3_client_options co = {.site = *site, .deadline_ms = DEADLINE_MS, .brief = true};
  struct s3_store_options so = {.source = t->settings->cache_tier,
                                .prefix = t->target.prefix,
                                .identity = identity_name(t->identity),
                                .quiet_denials = true,
                                .describe = describe,
                                .describe_arg = t};
  struct s3_client *client;
  int rc = s3_client_new(t->caller, t->prompt, t->target.bucket, &co, &client, why);

  if (rc != 0)
    return rc;
  rc = s3_store_new(client, &so, &t->store);
  if (rc != 0)
    s3_client_free(client);
  return rc;
}

/* The shortest of the directories': how long a proof of access counts. */
int64_t tiering_proof_ms(const struct config *c) {
  int64_t ms = settings_metadata_ttl_ms(&c->settings);

  for (size_t i = 0; i < c->count; i++)
    if (settings_metadata_ttl_ms(&c->dirs[i].settings) < ms)
      ms = settings_metadata_ttl_ms(&c->dirs[i].settings);
  return ms;
}

static int open_tier(struct tiering *t, const struct config *c, struct buf *why) {
  struct tier_options o = {.store = t->store,
                           .proof_ms = tiering_proof_ms(c),
                           .timeout_ms = t->settings->cache_tier_timeout_ms};
  int rc = tier_key_read(t->settings->cache_tier_key_file, o.key, why);

  if (rc == 0)
    rc = tier_new(&o, &t->tier);
  explicit_bzero(o.key, sizeof(o.key));
  return rc;
}

static bool has_keys(struct tiering *t) {
  struct keys *k;

  if (key_source_get(t->prompt, &k, NULL) != 0)
    return false;
  keys_unref(k);
  return true;
}

/* Asks for an object that is none, because that call follows a bucket to its Region,
 * which a ranged GET does not. */
static void start(void *arg) {
  struct tiering *t = arg;
  struct store_attr attr;
  struct keys *k;
  int rc = key_source_get(t->keys, &k, NULL);

  if (rc == 0)
    keys_unref(k);
  for (int i = 0; rc == 0 && !has_keys(t) && i < START_PAUSES; i++)
    usleep(START_PAUSE_US);
  if (rc == 0)
    (void)!t->store->ops->head(t->store, "start", &attr, NULL); /* logs by itself */
  atomic_store(&t->started, true);
}

static int begin_start(struct tiering *t) {
  int rc = pool_new("s3apfs-tier", 1, &t->starter);

  return rc == 0 ? pool_submit(t->starter, start, t) : rc;
}

int tiering_open(const struct config *c, struct identities *ids, struct bandwidth *down,
                 struct bandwidth *up, struct tiering **out, struct buf *why) {
  struct tiering *t;
  struct s3_site site;
  int rc;

  if (c->settings.cache_tier == NULL)
    return 0;
  t = calloc(1, sizeof(*t));
  if (t == NULL)
    return -ENOMEM;
  t->settings = &c->settings;
  rc = parse_tier(t->settings, &t->target, why);
  if (rc == 0)
    rc = find_site(t, ids, &site, why);
  if (rc == 0)
    rc = open_engine(t, down, up);
  if (rc == 0)
    rc = open_keys(t, &site, why);
  if (rc == 0)
    rc = open_store(t, &site, why);
  if (rc == 0)
    rc = open_tier(t, c, why);
  if (rc == 0)
    rc = begin_start(t);
  if (rc != 0) {
    if (why->len == 0)
      buf_printf(why, "cache-tier: %s", strerror(-rc));
    tiering_close(t);
    return rc;
  }
  *out = t;
  return 0;
}

void tiering_close(struct tiering *t) {
  if (t == NULL)
    return;
  pool_free(t->starter);
  tier_free(t->tier);
  store_free(t->store);
  key_source_free(t->prompt);
  key_source_free(t->session);
  caller_free(t->caller);
  http_engine_free(t->engine);
  target_fini(&t->target);
  free(t);
}

struct tier *tiering_tier(struct tiering *t) {
  return t != NULL ? t->tier : NULL;
}

bool tiering_is_ready(struct tiering *t) {
  return atomic_load(&t->started) && has_keys(t);
}

const char *tiering_source(const struct tiering *t) {
  return t->settings->cache_tier;
}
