/* Wiring of one directory.
 *
 * direct: identity's keys -> client -> store
 * grants: identity's keys -> vending cache -> granted keys -> client -> store; the
 *         identity's own keys never sign a data request then
 * directory buckets: identity's keys -> CreateSession, cached -> client -> store
 *
 * A source that cannot be used at mount time stays wired when others can: its
 * store answers with the errno of the day and heals by itself. */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "s3apfs/s3/session.h"
#include "s3apfs/s3/store.h"
#include "tree.h"

struct grants_entry {
  char *key; /* what makes a cache shareable */
  struct grants *grants;
  struct grants_entry *next;
};

struct grants_set {
  struct caller *caller;
  struct grants_entry *entries;
};

int grants_set_new(struct caller *c, struct grants_set **out) {
  struct grants_set *set = calloc(1, sizeof(*set));

  if (set == NULL)
    return -ENOMEM;
  set->caller = c;
  *out = set;
  return 0;
}

void grants_set_free(struct grants_set *set) {
  if (set == NULL)
    return;
  while (set->entries != NULL) {
    struct grants_entry *e = set->entries;

    set->entries = e->next;
    grants_free(e->grants);
    free(e->key);
    free(e);
  }
  free(set);
}

static const char *or_empty(const char *s) {
  return s != NULL ? s : "";
}

static int grants_make(struct grants_set *set, struct identity *id, const struct settings *s,
                       const struct s3_site *site, struct grants **out, struct buf *why) {
  struct grants_options o = {.clock = caller_clock(set->caller),
                             .account = s->account,
                             .duration_s = (unsigned)(s->duration_ms / 1000),
                             .minimal = s->minimal};
  struct control *control;
  int rc = control_new(set->caller, identity_keys(id), site, s->deadline_ms, &control, why);

  if (rc != 0)
    return rc;
  rc = grants_new(control, &o, out);
  if (rc != 0)
    control_free(control);
  return rc;
}

static int grants_set_get(struct grants_set *set, struct identity *id, const struct settings *s,
                          struct grants **out, struct buf *why) {
  struct grants_entry *e;
  struct s3_site site;
  char *key;
  int rc;

  identity_site(id, s, &site);
  key = text_printf("%s|%s|%s|%d|%lld|%s|%s", identity_name(id), or_empty(s->account),
                    or_empty(site.region), (int)s->minimal, (long long)s->duration_ms,
                    or_empty(site.s3control_endpoint_url), or_empty(site.sts_endpoint_url));
  if (key == NULL)
    return -ENOMEM;
  for (e = set->entries; e != NULL && strcmp(e->key, key) != 0; e = e->next)
    ;
  if (e != NULL) {
    free(key);
    *out = e->grants;
    return 0;
  }
  e = calloc(1, sizeof(*e));
  rc = e == NULL ? -ENOMEM : grants_make(set, id, s, &site, &e->grants, why);
  if (rc != 0) {
    free(e);
    free(key);
    return rc;
  }
  e->key = key;
  e->next = set->entries;
  set->entries = e;
  *out = e->grants;
  return 0;
}

static int open_granted(struct source *s, struct grants_set *set, struct buf *why) {
  const struct config_dir *d = s->dir;
  char *target;
  int rc = grants_set_get(set, s->identity, &d->settings, &s->grants, why);

  if (rc != 0)
    return rc;
  target = text_printf("s3://%s/%s*", d->target.bucket, d->target.prefix);
  rc = target == NULL ? -ENOMEM
                      : grants_source_new(s->grants, target, d->settings.permission, &s->granted);
  free(target);
  return rc;
}

static bool is_directory(enum target_kind kind) {
  return kind == TARGET_DIRECTORY_BUCKET || kind == TARGET_DIRECTORY_ACCESS_POINT;
}

static int open_session(struct source *s, struct caller *c, const struct s3_site *site,
                        bool read_only, struct key_source **out, struct buf *why) {
  const struct config_dir *d = s->dir;
  struct s3_session_options so = {
      .site = *site, .read_only = read_only, .deadline_ms = d->settings.deadline_ms};
  struct cred_cache_options co = {.lead_s = S3_SESSION_LEAD_S, .pool = s->renewals};
  struct key_source *fresh;
  int rc = s3_session_keys_new(c, identity_keys(s->identity), d->target.bucket, &so, &fresh, why);

  if (rc != 0)
    return rc;
  rc = cred_cached_new(fresh, &co, out);
  if (rc != 0)
    key_source_free(fresh);
  return rc;
}

static struct key_source *keys_of(const struct source *s) {
  if (s->granted != NULL)
    return s->granted;
  return s->session != NULL ? s->session : identity_keys(s->identity);
}

/* Where nobody names a Region: an ARN's own, or a zone's, else where redirects start from. */
static void complete_site(const struct target *t, struct s3_site *site) {
  if (site->region == NULL)
    site->region = t->region != NULL && *t->region != '\0' ? t->region : "us-east-1";
}

static int open_granted_writer(struct source *s) {
  const struct config_dir *d = s->dir;
  char *target = text_printf("s3://%s/%s*", d->target.bucket, d->target.prefix);
  int rc = target == NULL ? -ENOMEM
                          : grants_source_new(s->grants, target, SCOPE_READWRITE, &s->changing);

  free(target);
  return rc;
}

/* What may change something is asked for by the first change: READWRITE of a grant with
 * permission=auto, a session of a directory bucket that is not ReadOnly. */
static int open_writer(struct source *s, struct caller *c, const struct s3_client_options *co,
                       struct s3_client **out, struct buf *why) {
  const struct config_dir *d = s->dir;
  int rc = 0;

  if (!settings_writable(&d->settings))
    return 0;
  if (s->granted != NULL && d->settings.permission_auto)
    rc = open_granted_writer(s);
  else if (s->session != NULL)
    rc = open_session(s, c, &co->site, false, &s->changing, why);
  else
    return 0;
  return rc == 0 ? s3_client_new(c, s->changing, d->target.bucket, co, out, why) : rc;
}

static int open_store(struct source *s, struct caller *c, struct buf *why) {
  const struct config_dir *d = s->dir;
  struct s3_client_options co = {.requester_pays = d->settings.requester_pays,
                                 .expected_bucket_owner = d->settings.expected_bucket_owner,
                                 .deadline_ms = d->settings.deadline_ms};
  struct s3_store_options so = {.source = d->source,
                                .prefix = d->target.prefix,
                                .identity = identity_name(s->identity),
                                .read_only = !settings_writable(&d->settings),
                                .direct = s->granted == NULL,
                                .notes = s->notes,
                                .outage = d->settings.lenient ? &s->outage : NULL,
                                .describe = source_describe,
                                .describe_arg = s};
  struct s3_client *client;
  int rc;

  settings_placing(&d->settings, &co.placing);
  identity_site(s->identity, &d->settings, &co.site);
  complete_site(&d->target, &co.site);
  if (is_directory(d->target.kind) && !co.site.disable_express_session_auth) {
    rc = open_session(s, c, &co.site, true, &s->session, why);
    if (rc != 0)
      return rc;
    co.plain_keys = identity_keys(s->identity);
  }
  rc = s3_client_new(c, keys_of(s), d->target.bucket, &co, &client, why);
  if (rc != 0)
    return rc;
  rc = open_writer(s, c, &co, &so.writer, why);
  if (rc == 0)
    rc = s3_store_new(client, &so, &s->store);
  if (rc != 0) {
    s3_client_free(so.writer);
    s3_client_free(client);
  }
  return rc;
}

static int open_target(struct source *s, struct caller *c, struct grants_set *grants,
                       struct buf *why) {
  int rc = s->dir->settings.grants ? open_granted(s, grants, why) : 0;

  return rc == 0 ? open_store(s, c, why) : rc;
}

int source_open(struct source *s, const struct config_dir *dir, struct caller *c,
                struct identities *ids, struct grants_set *grants, const struct s3_notes *notes,
                struct buf *why) {
  int rc;

  memset(s, 0, sizeof(*s));
  s->notes = notes;
  s->renewals = identities_renewals(ids);
  rc = config_dir_copy(&s->own, dir);
  if (rc != 0)
    return rc;
  dir = s->dir = &s->own;
  rc = identities_get(ids, &dir->settings, &s->identity, why);
  if (rc == 0 && dir->target.kind == TARGET_GRANTS)
    rc = tree_new(c, s->identity, dir, notes, dir->settings.lenient ? &s->outage : NULL, &s->tree,
                  &s->store, why);
  else if (rc == 0)
    rc = open_target(s, c, grants, why);
  if (rc != 0)
    source_close(s);
  return rc;
}

void source_close(struct source *s) {
  if (!s->store_given)
    store_free(s->store);
  key_source_free(s->granted);
  key_source_free(s->changing);
  key_source_free(s->session);
  tree_free(s->tree);
  store_page_fini(&s->first);
  config_dir_fini(&s->own);
  free(s->note);
  free(s->problem);
  s->store = NULL;
  s->tree = NULL;
  s->granted = s->changing = s->session = NULL;
  s->note = s->problem = NULL;
}

/* For a denied grants source: what the caller does have in that bucket. */
static void append_granted_prefixes(struct source *s, struct buf *why) {
  struct caller_grants g;
  struct s3_error error;
  struct buf account;
  char *bucket = text_printf("s3://%s/", s->dir->target.bucket);
  char *target = text_printf("s3://%s/%s*", s->dir->target.bucket, s->dir->target.prefix);

  s3_error_init(&error);
  buf_init(&account, 0);
  if (bucket != NULL && target != NULL &&
      grants_account(s->grants, target, &account, &error) == 0 &&
      grants_list(s->grants, buf_cstr(&account), NULL, &g, &error) == 0) {
    const char *lead = "; granted there: ";

    for (size_t i = 0; i < g.count; i++) {
      if (!text_has_prefix(g.items[i].scope, bucket))
        continue;
      buf_printf(why, "%s%s (%s)", lead, g.items[i].scope, g.items[i].permission);
      lead = ", ";
    }
    if (strcmp(lead, ", ") != 0)
      buf_puts(why, "; nothing is granted there");
    caller_grants_fini(&g);
  }
  buf_fini(&account);
  s3_error_fini(&error);
  free(bucket);
  free(target);
}

/* Only a plain AccessDenied on LIST leaves room for reading by name; keys that
 * are wrong or ended are wrong for everything. */
static bool may_read_by_name(const struct source *s, const struct s3_error *e) {
  struct keys *k;

  if (strcmp(e->code, "AccessDenied") != 0 || e->http_status != 403)
    return false;
  if (s->granted == NULL && s->session == NULL)
    return true;
  if (key_source_get(keys_of(s), &k, NULL) != 0)
    return false;
  keys_unref(k);
  return true;
}

/* The principal behind the keys; what was proved to work is in the cache. */
static int append_who(struct source *s, struct buf *out) {
  struct keys *k;
  int rc = key_source_get(identity_keys(s->identity), &k, NULL);

  if (rc != 0)
    return rc;
  rc = keys_who(k, out);
  keys_unref(k);
  return rc;
}

/* Another one in each mount. */
static int append_nobody(struct buf *out) {
  uint64_t random[2];

  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
    return -EIO;
  buf_printf(out, "unknown %016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
  return 0;
}

/* Who reads here: what one principal was given, another one must not get from the
 * caches. A source that cannot be used now may turn out to be anybody's. */
static int settle_realm(struct source *s, bool usable) {
  struct buf b;
  int rc;

  buf_init(&b, 0);
  buf_printf(&b, "%s|%s", s->store->domain, s->granted != NULL ? "by grant, " : "");
  rc = usable ? append_who(s, &b) : -ENOENT;
  if (rc != 0)
    rc = append_nobody(&b);
  if (rc == 0)
    s->store->realm = buf_take(&b);
  buf_fini(&b);
  return s->store->realm != NULL ? 0 : -ENOMEM;
}

static int probe(struct source *s, struct buf *why) {
  struct s3_error error;
  int rc;

  s3_error_init(&error);
  s->first_asked_ms = clock_mono_ms(&clock_system);
  rc =
      s->tree != NULL ? tree_refresh(s->tree, &error) : s3_store_probe(s->store, &s->first, &error);
  s->listed = rc == 0 && s->tree == NULL;
  if (rc == 0 && s->tree != NULL && tree_count(s->tree) == 0)
    s->note = strdup("nothing is granted yet");
  if (s->tree == NULL && rc == -EACCES && may_read_by_name(s, &error)) {
    s->note = strdup("listing is not allowed, names must be known");
    rc = 0;
  } else if (rc != 0) {
    identity_learn(s->identity, &s->dir->settings);
    buf_printf(why, "%s as ", s->dir->source);
    identity_describe(s->identity, why);
    buf_puts(why, ": ");
    s3_error_describe(&error, why);
    if (rc == -EACCES && s->grants != NULL)
      append_granted_prefixes(s, why);
    s->problem = strdup(buf_cstr(why));
    if (rc == -EACCES && error.http_status == 0 && strcmp(error.code, "AccessDenied") != 0)
      rc = -ENOKEY; /* nobody denied anything: there are no keys to ask with */
  }
  s3_error_fini(&error);
  return rc;
}

int source_probe(struct source *s, struct buf *why) {
  int rc = probe(s, why);
  int settled = settle_realm(s, rc == 0);

  return rc == 0 ? settled : rc;
}

void source_describe(void *source, struct buf *out) {
  struct source *s = source;

  identity_describe(s->identity, out);
  if (s->tree != NULL) {
    buf_puts(out, ", ");
    tree_describe(s->tree, out);
  }
  if (s->granted == NULL)
    return;
  buf_puts(out, " by ");
  grants_source_describe(s->granted, out);
}
