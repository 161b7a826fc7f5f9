/* The tree of grants: ListCallerAccessGrants as the scopes of a route store.
 *
 * tree_refresh() turns the list into scopes; one thread repeats it and hands what
 * changed to the file system. A failing list leaves everything as it was: the
 * service may be away for a moment, and a grant that is gone is noticed by its
 * first denied request anyway. With several instances (accounts and Regions) the same
 * holds for each by itself; each vends for the scopes that it lists. Each scope gets a client with
 * keys of its own when it is first used: READ is asked for, and READWRITE when something is
 * changed. */
#include "tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/s3/grants.h"
#include "s3apfs/s3/store.h"
#include "s3apfs/store/route_store.h"

#define POLL_MS 60000
#define POLL_MIN_MS 1000

/* What a scope's store reads with; kept until the tree goes, as the store is. */
struct granted {
  struct tree *tree;
  struct key_source *keys;
  struct granted *next;
};

struct scope_wish {
  struct instance *instance;
  const char *scope; /* "s3://b/p*" */
  const char *bucket;
  const char *folder; /* of the prefix: "" or "a/b/" */
  bool readable;
  bool writable;
};

struct tree {
  struct instance_env env;
  struct caller *caller;
  struct identity *identity;
  const struct config_dir *dir;
  const struct s3_notes *notes; /* borrowed */
  struct instance *instances;
  size_t instance_count;
  struct store *store; /* borrowed */
  struct fs *fs;
  pthread_t thread;
  bool following;
  bool failing; /* the last refresh of the thread failed: said once */
  struct {
    struct mtx lock;
    struct cond stop;
    bool stopping;
    struct granted *granted;
  } synced;
};

/* --- one scope's store --- */

static void granted_describe(void *arg, struct buf *out) {
  struct granted *g = arg;

  identity_describe(g->tree->identity, out);
  buf_puts(out, " by ");
  grants_source_describe(g->keys, out);
}

static int granted_new(struct tree *t, const struct scope_wish *w, enum scope_permission permission,
                       struct granted **out) {
  struct granted *g = calloc(1, sizeof(*g));
  int rc;

  if (g == NULL)
    return -ENOMEM;
  g->tree = t;
  rc = grants_source_new(instance_grants(w->instance), w->scope, permission, &g->keys);
  if (rc != 0) {
    free(g);
    return rc;
  }
  mtx_lock(&t->synced.lock);
  g->next = t->synced.granted;
  t->synced.granted = g;
  mtx_unlock(&t->synced.lock);
  *out = g;
  return 0;
}

static int scope_client(struct tree *t, const struct granted *g, const struct scope_wish *w,
                        struct s3_client **out) {
  const struct settings *set = &t->dir->settings;
  struct s3_client_options co = {.site = w->instance->site,
                                 .requester_pays = set->requester_pays,
                                 .expected_bucket_owner = set->expected_bucket_owner,
                                 .deadline_ms = set->deadline_ms};
  struct buf why;
  int rc;

  settings_placing(set, &co.placing);
  buf_init(&why, 4096);
  rc = s3_client_new(t->caller, g->keys, w->bucket, &co, out, &why);
  if (rc == -EINVAL)
    log_warn("bucket %s of a grant cannot be reached: %s", w->bucket, buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

/* A client with keys of this permission; who they are is told by *g. */
static int granted_client(struct tree *t, const struct scope_wish *w,
                          enum scope_permission permission, struct granted **g,
                          struct s3_client **out) {
  int rc = granted_new(t, w, permission, g);

  return rc == 0 ? scope_client(t, *g, w, out) : rc;
}

static int scope_store(struct tree *t, const struct scope_wish *w, struct store **out) {
  struct s3_store_options so = {.source = w->scope,
                                .prefix = w->folder,
                                .identity = identity_name(t->identity),
                                .read_only = !w->writable,
                                .notes = t->notes,
                                .outage = t->store->outage,
                                .describe = granted_describe};
  struct s3_client *client = NULL;
  struct granted *reads;
  struct granted *writes;
  int rc = granted_client(t, w, w->readable ? SCOPE_READ : SCOPE_WRITE, &reads, &client);

  if (rc == 0 && w->writable && w->readable)
    rc = granted_client(t, w, SCOPE_READWRITE, &writes, &so.writer);
  if (rc == 0) {
    so.describe_arg = reads;
    rc = s3_store_new(client, &so, out);
  }
  if (rc != 0) {
    s3_client_free(so.writer);
    s3_client_free(client);
  }
  return rc;
}

static int make_scope(void *arg, const struct route *r, struct store **out) {
  struct tree *t = arg;
  char *scope = text_printf("s3://%s%s", r->prefix, r->whole ? "" : "*");
  size_t name = strcspn(r->prefix, "/");
  char *bucket = text_dup_n(r->prefix, name);
  char *folder = text_dup_n(r->prefix + name + 1,
                            (size_t)(strrchr(r->prefix, '/') - r->prefix - (ptrdiff_t)name));
  const struct scope_wish w = {.instance = &t->instances[r->origin],
                               .scope = scope,
                               .bucket = bucket,
                               .folder = folder,
                               .readable = r->can_read,
                               .writable = r->can_write && settings_writable(&t->dir->settings)};
  int rc = scope == NULL || bucket == NULL || folder == NULL ? -ENOMEM : scope_store(t, &w, out);

  free(scope);
  free(folder);
  free(bucket);
  return rc;
}

static void describe_tree(void *arg, struct buf *out) {
  struct tree *t = arg;

  identity_describe(t->identity, out);
  buf_puts(out, ", ");
  tree_describe(t, out);
}

/* --- life --- */

/* What stands in front of BUCKET/KEY for everybody who reads by these grants. Without
 * memory nothing is shared. */
static void share_tree(struct tree *t, const struct s3_site *site) {
  t->store->place =
      text_printf("grants|%s|%s/", site->endpoint_url != NULL ? site->endpoint_url : "aws",
                  site->region != NULL ? site->region : "");
}

static const char *or_empty(const char *s) {
  return s != NULL ? s : "";
}

/* Whose grants: "333333333333", or with several instances all of them. */
static void name_instances(const struct tree *t, struct buf *out) {
  const struct target *source = &t->dir->target;

  if (source->instance_count == 0)
    buf_puts(out, or_empty(t->dir->settings.account));
  for (size_t i = 0; i < source->instance_count; i++)
    buf_printf(out, "%s%s%s%s", i > 0 ? "," : "", source->instances[i].account,
               source->instances[i].region != NULL ? ":" : "",
               or_empty(source->instances[i].region));
}

static int open_instances(struct tree *t, struct buf *why) {
  const struct target *source = &t->dir->target;
  size_t count = source->instance_count;
  int rc = 0;

  t->instance_count = count > 0 ? count : 1;
  t->instances = calloc(t->instance_count, sizeof(*t->instances));
  if (t->instances == NULL) {
    t->instance_count = 0;
    return -ENOMEM;
  }
  if (count == 0)
    return instance_open(&t->instances[0], &t->env, NULL, why);
  if (t->dir->settings.account != NULL) {
    buf_puts(why, "account= does not go with a list of accounts in the source");
    return -EINVAL;
  }
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = instance_open(&t->instances[i], &t->env, &source->instances[i], why);
  return rc;
}

static int open_store(struct tree *t, const struct s3_site *site) {
  struct route_store_options o = {.make = make_scope,
                                  .describe = describe_tree,
                                  .arg = t,
                                  .writable = settings_writable(&t->dir->settings)};
  struct s3_placing placing = {0};
  struct buf domain;
  int rc;

  settings_placing(&t->dir->settings, &placing);
  buf_init(&domain, 0);
  buf_printf(&domain, "grants|%s|%s|%s|", identity_name(t->identity),
             site->endpoint_url != NULL ? site->endpoint_url : "aws", or_empty(site->region));
  name_instances(t, &domain);
  rc = buf_error(&domain);
  o.domain = buf_cstr(&domain);
  if (rc == 0)
    rc = route_store_new(&o, &t->store);
  if (rc == 0) /* every scope has the same options */
    t->store->sums = s3_sums_of(placing.checksum);
  buf_fini(&domain);
  if (rc == 0 && t->dir->settings.cache_tier_grants)
    share_tree(t, site);
  return rc;
}

int tree_new(struct caller *c, struct identity *id, const struct config_dir *dir,
             const struct s3_notes *notes, struct outage *outage, struct tree **out,
             struct store **store, struct buf *why) {
  struct tree *t = calloc(1, sizeof(*t));
  struct s3_site site;
  int rc;

  if (t == NULL)
    return -ENOMEM;
  mtx_init(&t->synced.lock, RANK_APP);
  cond_init(&t->synced.stop);
  t->caller = c;
  t->identity = id;
  t->dir = dir;
  t->notes = notes;
  t->env = (struct instance_env){c, id, &dir->settings};
  identity_site(id, &dir->settings, &site);
  rc = open_instances(t, why);
  if (rc == 0)
    rc = open_store(t, &site);
  if (rc != 0) {
    tree_free(t);
    return rc;
  }
  t->store->outage = outage;
  *out = t;
  *store = t->store;
  return 0;
}

void tree_free(struct tree *t) {
  if (t == NULL)
    return;
  tree_unfollow(t);
  while (t->synced.granted != NULL) {
    struct granted *g = t->synced.granted;

    t->synced.granted = g->next;
    key_source_free(g->keys);
    free(g);
  }
  for (size_t i = 0; i < t->instance_count; i++)
    instance_fini(&t->instances[i]);
  free(t->instances);
  cond_fini(&t->synced.stop);
  mtx_fini(&t->synced.lock);
  free(t);
}

/* --- the list --- */

static void on_change(void *arg, const char *prefix, bool gone) {
  struct tree *t = arg;

  if (t->fs != NULL)
    fs_changed_below(t->fs, t->store, prefix, gone);
}

struct routes {
  struct route *items;
  char **prefixes;
  size_t count;
};

static void add_routes(struct routes *r, const struct caller_grants *g, unsigned origin) {
  for (size_t i = 0; i < g->count; i++) {
    struct route *route = &r->items[r->count];

    if (!instance_route(&g->items[i], route, &r->prefixes[r->count]))
      continue;
    route->origin = origin;
    r->count++;
  }
}

/* What every instance said last. */
static int show(struct tree *t) {
  struct routes r = {0};
  size_t count = 1;
  int rc = -ENOMEM;

  for (size_t i = 0; i < t->instance_count; i++)
    count += t->instances[i].list.count;
  r.items = calloc(count, sizeof(*r.items));
  r.prefixes = calloc(count, sizeof(char *));
  if (r.items != NULL && r.prefixes != NULL) {
    for (size_t i = 0; i < t->instance_count; i++)
      add_routes(&r, &t->instances[i].list, (unsigned)i);
    rc = route_store_set(t->store, r.items, r.count, on_change, t);
    for (size_t i = 0; i < r.count; i++)
      free(r.prefixes[i]);
  }
  free(r.prefixes);
  free(r.items);
  return rc;
}

/* Of several: those that answer are shown. */
static void tell_failing(struct instance *one, const struct s3_error *error) {
  struct buf line;

  if (!one->failing) {
    buf_init(&line, 65536);
    s3_error_describe(error, &line);
    log_warn("the grants of account %s in %s cannot be listed, those of the other accounts are: %s",
             one->account_named, one->site.region, buf_cstr(&line));
    buf_fini(&line);
  }
  one->failing = true;
}

/* The failure of the first is kept in *error; those behind it are told in the log. */
static int refresh_all(struct tree *t, struct s3_error *error) {
  size_t failed = 0;
  int rc = 0;

  for (size_t i = 0; i < t->instance_count; i++) {
    struct instance *one = &t->instances[i];
    struct s3_error own;
    int err;

    s3_error_init(&own);
    err = instance_refresh(one, &own);
    if (err == 0)
      one->failing = false;
    else if (t->instance_count > 1)
      tell_failing(one, &own);
    if (err != 0 && failed++ == 0) {
      rc = err;
      s3_error_move(error, &own);
    }
    s3_error_fini(&own);
  }
  return failed == t->instance_count ? rc : 0;
}

int tree_refresh(struct tree *t, struct s3_error *error) {
  int rc = refresh_all(t, error);

  return rc == 0 ? show(t) : rc;
}

void tree_describe(struct tree *t, struct buf *out) {
  struct buf names;

  buf_init(&names, 0);
  name_instances(t, &names);
  buf_printf(out, "%zu scopes by grants%s%s", route_store_count(t->store),
             names.len == 0          ? ""
             : t->instance_count > 1 ? " of accounts "
                                     : " of account ",
             buf_cstr(&names));
  buf_fini(&names);
}

size_t tree_count(struct tree *t) {
  return route_store_count(t->store);
}

struct grants *tree_grants(struct tree *t, const char *key) {
  struct instance *found = &t->instances[0];
  size_t best = instance_covers(found, key);

  for (size_t i = 1; i < t->instance_count; i++) {
    size_t len = instance_covers(&t->instances[i], key);

    if (len <= best)
      continue;
    best = len;
    found = &t->instances[i];
  }
  return instance_grants(found);
}

/* --- following --- */

static int64_t period_ms(const struct tree *t) {
  int64_t ttl = settings_metadata_ttl_ms(&t->dir->settings);

  if (ttl < POLL_MIN_MS)
    return POLL_MIN_MS;
  return ttl < POLL_MS ? ttl : POLL_MS;
}

static bool wait_turn(struct tree *t) {
  int64_t until = clock_mono_ms(&clock_system) + period_ms(t);
  bool go_on;

  mtx_lock(&t->synced.lock);
  while (!t->synced.stopping && cond_wait_until(&t->synced.stop, &t->synced.lock, until))
    ;
  go_on = !t->synced.stopping;
  mtx_unlock(&t->synced.lock);
  return go_on;
}

static void refresh_quietly(struct tree *t) {
  struct s3_error error;
  struct buf line;
  int rc;

  s3_error_init(&error);
  rc = tree_refresh(t, &error);
  if (rc != 0 && !t->failing) {
    buf_init(&line, 65536);
    s3_error_describe(&error, &line);
    log_warn("%s: the grants cannot be listed, those known are shown on: %s", t->dir->source,
             buf_cstr(&line));
    buf_fini(&line);
  }
  t->failing = rc != 0;
  s3_error_fini(&error);
}

static void *follow_main(void *arg) {
  struct tree *t = arg;

  while (wait_turn(t))
    refresh_quietly(t);
  return NULL;
}

void tree_follow(struct tree *t, struct fs *fs) {
  t->fs = fs;
  t->synced.stopping = false;
  t->following = pthread_create(&t->thread, NULL, follow_main, t) == 0;
  if (!t->following)
    log_warn("%s: changes of the grants will not be noticed: no thread", t->dir->source);
}

void tree_unfollow(struct tree *t) {
  if (!t->following)
    return;
  mtx_lock(&t->synced.lock);
  t->synced.stopping = true;
  cond_signal(&t->synced.stop);
  mtx_unlock(&t->synced.lock);
  pthread_join(t->thread, NULL);
  t->following = false;
  t->fs = NULL;
}
