/* The tree of grants: ListCallerAccessGrants as the scopes of a route store.
 *
 * tree_refresh() turns the list into scopes; one thread repeats it and hands what
 * changed to the file system. A failing list leaves everything as it was: the
 * service may be away for a moment, and a grant that is gone is noticed by its
 * first denied request anyway. Each scope gets a client with keys of its own when
 * it is first used: READ is asked for, and READWRITE when something is changed. */
#include "tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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
  const char *scope; /* "s3://b/p*" */
  const char *bucket;
  const char *folder; /* of the prefix: "" or "a/b/" */
  bool readable;
  bool writable;
};

struct tree {
  struct caller *caller;
  struct identity *identity;
  const struct config_dir *dir;
  const struct s3_notes *notes; /* borrowed */
  struct s3_site site;
  struct control *control;
  char *account;         /* of the instance; known after the first refresh */
  struct grants *grants; /* the same */
  struct store *store;   /* borrowed */
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

static int granted_new(struct tree *t, const char *scope, enum scope_permission permission,
                       struct granted **out) {
  struct granted *g = calloc(1, sizeof(*g));
  int rc;

  if (g == NULL)
    return -ENOMEM;
  g->tree = t;
  rc = grants_source_new(t->grants, scope, permission, &g->keys);
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

static int scope_client(struct tree *t, const struct granted *g, const char *bucket,
                        struct s3_client **out) {
  const struct settings *set = &t->dir->settings;
  struct s3_client_options co = {.site = t->site,
                                 .requester_pays = set->requester_pays,
                                 .expected_bucket_owner = set->expected_bucket_owner,
                                 .deadline_ms = set->deadline_ms};
  struct buf why;
  int rc;

  settings_placing(set, &co.placing);
  buf_init(&why, 4096);
  rc = s3_client_new(t->caller, g->keys, bucket, &co, out, &why);
  if (rc == -EINVAL)
    log_warn("bucket %s of a grant cannot be reached: %s", bucket, buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

/* A client with keys of this permission; who they are is told by *g. */
static int granted_client(struct tree *t, const struct scope_wish *w,
                          enum scope_permission permission, struct granted **g,
                          struct s3_client **out) {
  int rc = granted_new(t, w->scope, permission, g);

  return rc == 0 ? scope_client(t, *g, w->bucket, out) : rc;
}

static int scope_store(struct tree *t, const struct scope_wish *w, struct store **out) {
  struct s3_store_options so = {.source = w->scope,
                                .prefix = w->folder,
                                .identity = identity_name(t->identity),
                                .read_only = !w->writable,
                                .notes = t->notes,
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
  const struct scope_wish w = {.scope = scope,
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
static void share_tree(struct tree *t) {
  t->store->place =
      text_printf("grants|%s|%s/", t->site.endpoint_url != NULL ? t->site.endpoint_url : "aws",
                  t->site.region != NULL ? t->site.region : "");
}

int tree_new(struct caller *c, struct identity *id, const struct config_dir *dir,
             const struct s3_notes *notes, struct tree **out, struct store **store,
             struct buf *why) {
  struct tree *t = calloc(1, sizeof(*t));
  struct route_store_options o = {.make = make_scope, .describe = describe_tree, .arg = t};
  char *domain;
  int rc;

  if (t == NULL)
    return -ENOMEM;
  mtx_init(&t->synced.lock, RANK_APP);
  cond_init(&t->synced.stop);
  t->caller = c;
  t->identity = id;
  t->dir = dir;
  t->notes = notes;
  identity_site(id, &dir->settings, &t->site);
  rc = control_new(c, identity_keys(id), &t->site, dir->settings.deadline_ms, &t->control, why);
  domain = text_printf("grants|%s|%s|%s|%s", identity_name(id),
                       t->site.endpoint_url != NULL ? t->site.endpoint_url : "aws",
                       t->site.region != NULL ? t->site.region : "",
                       dir->settings.account != NULL ? dir->settings.account : "");
  if (rc == 0 && domain == NULL)
    rc = -ENOMEM;
  o.domain = domain;
  o.writable = settings_writable(&dir->settings);
  if (rc == 0)
    rc = route_store_new(&o, &t->store);
  free(domain);
  if (rc != 0) {
    tree_free(t);
    return rc;
  }
  if (dir->settings.cache_tier_grants)
    share_tree(t);
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
  grants_free(t->grants);
  control_free(t->control);
  free(t->account);
  cond_fini(&t->synced.stop);
  mtx_fini(&t->synced.lock);
  free(t);
}

/* --- the list --- */

static int own_account(struct tree *t, char **out, struct s3_error *error) {
  struct caller_identity me;
  int rc;

  if (t->dir->settings.account != NULL) {
    *out = strdup(t->dir->settings.account);
    return *out != NULL ? 0 : -ENOMEM;
  }
  rc = control_caller_identity(t->control, 0, 0, &me, error);
  if (rc != 0)
    return rc;
  *out = strdup(me.account);
  caller_identity_fini(&me);
  return *out != NULL ? 0 : -ENOMEM;
}

/* The instance that lists the grants is the one that vends for them. */
static int find_instance(struct tree *t, struct s3_error *error) {
  const struct settings *set = &t->dir->settings;
  struct grants_options o = {.duration_s = (unsigned)(set->duration_ms / 1000),
                             .minimal = set->minimal};
  struct control *control;
  struct buf why;
  int rc;

  if (t->grants != NULL)
    return 0;
  if (t->account == NULL) {
    rc = own_account(t, &t->account, error);
    if (rc != 0)
      return rc;
  }
  o.account = t->account;
  buf_init(&why, 4096);
  rc = control_new(t->caller, identity_keys(t->identity), &t->site, set->deadline_ms, &control,
                   &why);
  buf_fini(&why);
  if (rc != 0)
    return rc;
  rc = grants_new(control, &o, &t->grants);
  if (rc != 0)
    control_free(control);
  return rc;
}

/* "s3://b/p*" as a route; the service may end a scope in several stars. False: it
 * names no single bucket. */
static bool route_of(const struct caller_grant *g, struct route *r, char **prefix) {
  static const char scheme[] = "s3://";
  const char *at = g->scope + sizeof(scheme) - 1;
  size_t len;

  if (!text_has_prefix(g->scope, scheme))
    return false;
  len = strlen(at);
  r->whole = len > 0 && at[len - 1] != '*';
  while (len > 0 && at[len - 1] == '*')
    len--;
  if (memchr(at, '/', len) == NULL || at[0] == '/')
    return false;
  *prefix = text_dup_n(at, len);
  r->prefix = *prefix;
  r->can_read = strstr(g->permission, "READ") != NULL;
  r->can_write = strstr(g->permission, "WRITE") != NULL;
  return *prefix != NULL;
}

static void on_change(void *arg, const char *prefix, bool gone) {
  struct tree *t = arg;

  if (t->fs != NULL)
    fs_changed_below(t->fs, t->store, prefix, gone);
}

static int show(struct tree *t, const struct caller_grants *g) {
  struct route *routes = calloc(g->count + 1, sizeof(*routes));
  char **prefixes = calloc(g->count + 1, sizeof(char *));
  size_t count = 0;
  int rc = -ENOMEM;

  for (size_t i = 0; routes != NULL && prefixes != NULL && i < g->count; i++)
    if (route_of(&g->items[i], &routes[count], &prefixes[count]))
      count++;
  if (routes != NULL && prefixes != NULL)
    rc = route_store_set(t->store, routes, count, on_change, t);
  for (size_t i = 0; prefixes != NULL && i < count; i++)
    free(prefixes[i]);
  free(prefixes);
  free(routes);
  return rc;
}

int tree_refresh(struct tree *t, struct s3_error *error) {
  struct caller_grants g;
  int rc = find_instance(t, error);

  if (rc == 0)
    rc = control_caller_grants(t->control, t->account, NULL, &g, error);
  if (rc != 0)
    return rc;
  rc = show(t, &g);
  caller_grants_fini(&g);
  return rc;
}

void tree_describe(struct tree *t, struct buf *out) {
  buf_printf(out, "%zu scopes by grants%s%s", route_store_count(t->store),
             t->dir->settings.account != NULL ? " of account " : "",
             t->dir->settings.account != NULL ? t->dir->settings.account : "");
}

size_t tree_count(struct tree *t) {
  return route_store_count(t->store);
}

struct grants *tree_grants(struct tree *t) {
  return t->grants;
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
