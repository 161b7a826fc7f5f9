/* The S3 object store: keys relative to a prefix, errors to errno, denials and
 * failures logged once where they are mapped.
 *
 * Log lines are limited: the first of a kind (operation and AWS code) at once,
 * repetitions at most every LOG_EVERY_MS with their number, so that a scan over
 * denied objects is one line and not a flood. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "store_internal.h"

#define LOG_EVERY_MS 30000
#define PROBE_KEYS 100    /* a reply of one segment or two */
#define PAGE_ENTRIES 1000 /* the most that S3 lists at once */

/* Whether this kind of failure is to be logged now; *skipped gets how many of
 * its kind were not. */
static bool log_due(struct s3_store *s, const char *op, const char *code, unsigned *skipped) {
  int64_t now = clock_mono_ms(&clock_system);
  struct log_kind *k = NULL;
  char what[sizeof(k->what)];
  bool due;

  snprintf(what, sizeof(what), "%s %.40s", op, code);
  mtx_lock(&s->synced.lock);
  for (unsigned i = 0; i < LOG_KINDS && k == NULL; i++)
    if (strcmp(s->synced.kinds[i].what, what) == 0)
      k = &s->synced.kinds[i];
  if (k == NULL) {
    k = &s->synced.kinds[s->synced.next++ % LOG_KINDS];
    *k = (struct log_kind){.last_ms = now - LOG_EVERY_MS};
    memcpy(k->what, what, sizeof(what));
  }
  due = now - k->last_ms >= LOG_EVERY_MS;
  *skipped = k->skipped;
  k->skipped = due ? 0 : k->skipped + 1;
  if (due)
    k->last_ms = now;
  mtx_unlock(&s->synced.lock);
  return due;
}

static void describe_to(struct s3_store *s, struct buf *out) {
  if (s->describe != NULL)
    s->describe(s->describe_arg, out);
}

/* Answers to questions rather than failures. */
static bool is_answer(int err) {
  return err == -ENOENT || err == -ECANCELED || err == -ESTALE || err == -ERANGE ||
         err == -EEXIST || err == -EPIPE || err == -EAGAIN;
}

/* Nobody answered, or only to say that it is out of order. What credentials wait for counts:
 * their errno is that of the service that did not answer. */
static bool is_unreachable(int err, const struct s3_error *e) {
  if (e->http_status != 0)
    return e->http_status >= 500;
  return err == -ETIMEDOUT || err == -ECONNREFUSED || err == -ECONNRESET || err == -EPIPE ||
         err == -EHOSTUNREACH || err == -ENETUNREACH;
}

static bool is_reading(const char *op) {
  return strcmp(op, "GET") == 0 || strcmp(op, "HEAD") == 0 || strcmp(op, "LIST") == 0;
}

/* One line when it begins, one when it ends. Who refuses changes alone can be reached. */
static void note_outage(struct s3_store *s, const char *op, int err, const struct s3_error *e) {
  struct buf line;

  if (s->store.outage == NULL || !is_unreachable(err, e) ||
      (e->http_status != 0 && !is_reading(op)) || !outage_begin(s->store.outage, err))
    return;
  buf_init(&line, 0);
  s3_error_describe(e, &line);
  log_warn("%s cannot be reached; what is known of it is shown (offline=lenient): %s", s->source,
           buf_cstr(&line));
  buf_fini(&line);
}

static void note_answer(struct s3_store *s) {
  if (s->store.outage != NULL && outage_end(s->store.outage))
    log_warn("%s can be reached again", s->source);
}

int s3_store_map_error(struct s3_store *s, const char *op, const char *key, int err,
                       struct s3_error *e) {
  struct buf line;
  unsigned skipped;

  note_outage(s, op, err, e);
  if (e->http_status != 0 && !is_unreachable(err, e))
    note_answer(s);
  if (is_answer(err) || !log_due(s, op, e->code, &skipped))
    return err;
  buf_init(&line, 0);
  buf_printf(&line, "%s '%s' in %s as ", op, key, s->source);
  describe_to(s, &line);
  buf_puts(&line, ": ");
  if (e->err != 0)
    s3_error_describe(e, &line);
  else
    buf_printf(&line, "the request could not be made: %s", strerror(-err));
  if (skipped != 0)
    buf_printf(&line, " (and %u more since the last such line)", skipped);
  log_warn("%s", buf_cstr(&line));
  buf_fini(&line);
  return err;
}

/* Nobody said of a name that it may not be seen when there were no keys to ask with. */
static int denied_or_keyless(int err, bool keyless) {
  return err == -EACCES && keyless ? -ENOKEY : err;
}

int s3_store_full_key(const struct s3_store *s, const char *key, char **out) {
  *out = text_printf("%s%s", s->prefix, key);
  return *out != NULL ? 0 : -ENOMEM;
}

static int get_failed(void *arg, int err, struct s3_error *e) {
  const struct s3_store *s = arg;

  if (err == -EACCES && s->quiet_denials)
    return err;
  return s3_store_map_error(arg, "GET", "an object", err, e);
}

static int s3_store_get(struct store *st, struct store_get *g) {
  struct s3_store *s = s3_store_self(st);
  char *key;
  int rc = s3_store_full_key(s, g->key, &key);

  if (rc != 0)
    return rc;
  if (s->writer != s->client)
    g->detail = NULL; /* who writes may be told more than who reads */
  rc = s3_client_get(s->client, key, g, get_failed, s);
  free(key);
  return rc;
}

static void s3_store_get_cancel(struct store *st, struct store_get *g) {
  s3_client_get_cancel(s3_store_self(st)->client, g);
}

static int s3_store_head(struct store *st, const char *name, struct store_attr *out,
                         struct kvlist *meta) {
  struct s3_store *s = s3_store_self(st);
  struct s3_error error;
  char *key;
  int rc = s3_store_full_key(s, name, &key);

  if (rc != 0)
    return rc;
  s3_error_init(&error);
  rc = s3_client_head(s->client, key, out, meta, &error);
  if (rc == 0)
    note_answer(s);
  if (rc != 0 && !(rc == -EACCES && s->quiet_denials))
    rc = s3_store_map_error(s, "HEAD", key, rc, &error);
  rc = denied_or_keyless(rc, error.keyless);
  s3_error_fini(&error);
  free(key);
  return rc;
}

static int take_entry(struct store_page *page, const char *name, bool is_prefix,
                      const struct listing_object *o) {
  struct store_entry *e = &page->entries[page->count];
  int rc = 0;

  e->name = strdup(name);
  if (e->name == NULL)
    return -ENOMEM;
  e->is_prefix = is_prefix;
  page->count++;
  if (o == NULL)
    return 0;
  e->attr.size = o->size;
  e->attr.mtime = o->mtime;
  e->attr.archived =
      strcmp(o->storage_class, "GLACIER") == 0 || strcmp(o->storage_class, "DEEP_ARCHIVE") == 0;
  if (o->etag[0] != '\0' && strlen(o->etag) < STORE_ETAG_MAX)
    memcpy(e->attr.etag, o->etag, strlen(o->etag) + 1);
  else if (o->etag[0] != '\0')
    rc = -EIO;
  return rc;
}

/* The part of a listed name below the root; NULL for the root's own marker. A
 * server that lists outside the prefix asked for is refused. */
static int below_prefix(const struct s3_store *s, const char *listed, const char **name) {
  if (!text_has_prefix(listed, s->prefix))
    return -EIO;
  listed += strlen(s->prefix);
  *name = *listed != '\0' ? listed : NULL;
  return 0;
}

/* Objects and prefixes come as two sorted lists; the page is their merge. */
static int merge_listing(const struct s3_store *s, const struct listing *l,
                         struct store_page *page) {
  size_t o = 0;
  size_t p = 0;
  int rc = 0;

  page->entries = calloc(l->object_count + l->prefix_count + 1, sizeof(*page->entries));
  if (page->entries == NULL)
    return -ENOMEM;
  while (rc == 0 && (o < l->object_count || p < l->prefix_count)) {
    bool object = p == l->prefix_count ||
                  (o < l->object_count && strcmp(l->objects[o].key, l->prefixes[p]) <= 0);
    const struct listing_object *at = object ? &l->objects[o++] : NULL;
    const char *name;

    rc = below_prefix(s, object ? at->key : l->prefixes[p++], &name);
    if (rc == 0 && name != NULL)
      rc = take_entry(page, name, !object, at);
  }
  return rc;
}

static int page_from_listing(const struct s3_store *s, struct listing *l, struct store_page *out) {
  struct store_page page = {0};
  int rc = merge_listing(s, l, &page);

  if (rc != 0) {
    store_page_fini(&page);
    return rc;
  }
  page.next = l->next_token;
  l->next_token = NULL;
  *out = page;
  return 0;
}

static int list_from(struct s3_store *s, const char *prefix, bool folded, const char *token,
                     const char *after, unsigned max, struct store_page *out) {
  struct s3_error error;
  struct listing l;
  char *full;
  int rc = s3_store_full_key(s, prefix, &full);

  if (rc != 0)
    return rc;
  s3_error_init(&error);
  rc = s3_client_list(s->client, full, folded ? "/" : NULL, token, after, max, &l, &error);
  if (rc == 0) {
    note_answer(s);
    rc = page_from_listing(s, &l, out);
    listing_fini(&l);
  } else if (rc != -ENOTSUP) {
    rc = s3_store_map_error(s, "LIST", full, rc, &error);
    rc = denied_or_keyless(rc, error.keyless || error.class == S3_ERR_CREDENTIALS);
  }
  s3_error_fini(&error);
  free(full);
  return rc;
}

/* --- a name in a directory bucket ---
 *
 * Directory buckets list whole folders, in no order: what comes first of the names
 * that begin in a certain way is known when the folder has been gone through, or
 * the name itself has been met. */

/* Takes the entry out of the page when it comes before what is there. */
static void take_first(struct store_page *page, const char *prefix, struct store_page *first) {
  for (size_t i = 0; i < page->count; i++) {
    struct store_entry *e = &page->entries[i];
    struct store_entry old = first->entries[0];

    if (!text_has_prefix(e->name, prefix) || (first->count == 1 && strcmp(e->name, old.name) >= 0))
      continue;
    first->entries[0] = *e;
    first->count = 1;
    *e = old; /* goes with the page */
  }
}

static int search_folder(struct s3_store *s, const char *folder, const char *prefix,
                         struct store_page *first) {
  int64_t until = clock_mono_ms(&clock_system) + s->client->deadline_ms;
  struct store_page page = {0};
  char *token = NULL;
  int rc;

  do {
    rc = list_from(s, folder, true, token, NULL, PAGE_ENTRIES, &page);
    free(token);
    token = NULL;
    if (rc != 0)
      break;
    take_first(&page, prefix, first);
    token = page.next;
    page.next = NULL;
    store_page_fini(&page);
    page = (struct store_page){0};
    if (token != NULL && clock_mono_ms(&clock_system) >= until)
      rc = -ETIMEDOUT;
  } while (rc == 0 && token != NULL &&
           (first->count == 0 || strcmp(first->entries[0].name, prefix) != 0));
  free(token);
  return rc;
}

static int list_name(struct s3_store *s, const char *prefix, struct store_page *out) {
  const char *slash = strrchr(prefix, '/');
  struct store_page first = {.entries = calloc(1, sizeof(*first.entries))};
  char *folder = strndup(prefix, slash != NULL ? (size_t)(slash + 1 - prefix) : 0);
  int rc = first.entries == NULL || folder == NULL ? -ENOMEM : 0;

  if (rc == 0)
    rc = search_folder(s, folder, prefix, &first);
  free(folder);
  if (rc == 0)
    *out = first;
  else
    store_page_fini(&first);
  return rc;
}

static bool is_name(const struct s3_store *s, const char *prefix) {
  return s->client->directory && *prefix != '\0' && !text_has_suffix(prefix, "/");
}

static int s3_store_list(struct store *st, const char *prefix, bool folded, const char *token,
                         unsigned max, struct store_page *out) {
  struct s3_store *s = s3_store_self(st);

  if (is_name(s, prefix) && folded && token == NULL && max == 1)
    return list_name(s, prefix, out);
  return list_from(s, prefix, folded, token, NULL, max, out);
}

static int s3_store_list_after(struct store *st, const char *prefix, bool folded, const char *after,
                               unsigned max, struct store_page *out) {
  struct s3_store *s = s3_store_self(st);
  char *full;
  int rc = s3_store_full_key(s, after, &full);

  if (rc != 0)
    return rc;
  rc = list_from(s, prefix, folded, NULL, full, max, out);
  free(full);
  return rc;
}

static int s3_store_explain(struct store *st, const char *key, struct buf *out) {
  struct s3_store *s = s3_store_self(st);

  buf_printf(out, "%s%s%s through ", s->source, *key != '\0' ? ", key " : "", key);
  s3_client_describe(s->client, out);
  buf_puts(out, " as ");
  describe_to(s, out);
  if (st->write != NULL)
    s3_conditions_describe(s, out);
  return buf_error(out);
}

static void free_names(struct s3_store *s) {
  free(s->store.domain);
  free(s->store.place);
  free(s->store.realm);
  free(s->source);
  free(s->prefix);
  free(s->synced.refused);
}

static void s3_store_destroy(struct store *st) {
  struct s3_store *s = s3_store_self(st);

  if (s->writer != s->client)
    s3_client_free(s->writer);
  s3_client_free(s->client);
  cond_fini(&s->conditions.probed);
  mtx_fini(&s->conditions.lock);
  mtx_fini(&s->synced.lock);
  free_names(s);
  free(s);
}

static const struct store_ops s3_store_ops = {
    .get = s3_store_get,
    .get_cancel = s3_store_get_cancel,
    .head = s3_store_head,
    .list = s3_store_list,
    .list_after = s3_store_list_after,
    .explain = s3_store_explain,
    .elsewhere = s3_store_elsewhere,
    .destroy = s3_store_destroy,
};

/* What separates caches: where the bytes come from, and who reads them. */
static char *make_domain(struct s3_client *c, const struct s3_store_options *o) {
  struct buf b;

  buf_init(&b, 0);
  s3_client_describe(c, &b);
  buf_printf(&b, "|%s|%s", o->prefix, o->identity);
  return buf_take(&b);
}

/* In front of a key: the object's address, whoever reads it. */
static char *make_place(struct s3_client *c, const char *prefix) {
  struct buf b;

  buf_init(&b, 0);
  s3_client_describe(c, &b);
  buf_printf(&b, "/%s", prefix);
  return buf_take(&b);
}

int s3_store_new(struct s3_client *c, const struct s3_store_options *o, struct store **out) {
  struct s3_store *s = calloc(1, sizeof(*s));

  if (s == NULL)
    return -ENOMEM;
  s->store.domain = make_domain(c, o);
  s->store.place = make_place(c, o->prefix);
  s->source = strdup(o->source);
  s->prefix = strdup(o->prefix);
  if (s->store.domain == NULL || s->store.place == NULL || s->source == NULL || s->prefix == NULL) {
    free_names(s);
    free(s);
    return -ENOMEM;
  }
  mtx_init(&s->synced.lock, RANK_STORE);
  mtx_init(&s->conditions.lock, RANK_STORE);
  cond_init(&s->conditions.probed);
  s->store.ops = &s3_store_ops;
  if (!o->read_only)
    s->store.write = c->directory ? &s3_store_directory_write_ops : &s3_store_write_ops;
  s->store.read_only = o->read_only;
  s->store.above = strlen(s->prefix);
  s->store.appends = c->directory;
  s->store.outage = o->outage;
  s->quiet_denials = o->quiet_denials;
  s->direct = o->direct;
  s->client = c;
  s->writer = o->writer != NULL ? o->writer : c;
  s->store.sums = s3_sums_of(s->writer->placing.checksum);
  s->notes = o->notes;
  s->describe = o->describe;
  s->describe_arg = o->describe_arg;
  *out = &s->store;
  return 0;
}

/* The Region is known now, and with it the same address for everybody. */
static void settle_place(struct s3_store *s) {
  char *place = make_place(s->client, s->prefix);

  if (place == NULL)
    return;
  free(s->store.place);
  s->store.place = place;
}

int s3_store_probe(struct store *st, struct store_page *first, struct s3_error *error) {
  struct s3_store *s = s3_store_self(st);
  struct listing l;
  int rc = s3_client_list(s->client, s->prefix, "/", NULL, NULL, PROBE_KEYS, &l, error);

  settle_place(s);
  if (rc != 0)
    return rc;
  rc = page_from_listing(s, &l, first);
  listing_fini(&l);
  return rc;
}

void s3_store_endpoint(struct store *s, struct buf *out) {
  s3_client_describe(s3_store_self(s)->client, out);
}

void s3_store_region(struct store *s, struct buf *out) {
  s3_client_region(s3_store_self(s)->client, out);
}
