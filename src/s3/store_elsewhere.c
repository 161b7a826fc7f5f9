/* The S3 store: copies from one store to another, made by the service.
 *
 * The request is the target's, so its credentials alone decide, on both sides; nothing of the
 * source's is used. Only stores that sign with an identity's own keys take part: what is
 * reached by a grant is not to be had, or given away, with anything broader. S3 copies within
 * one Region here and between targets of the usual kind. Whoever is refused reads
 * and writes; for a while no other copy from there is tried. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "store_internal.h"

#define REFUSED_MS 5000

/* Buckets and access points; not those of functions, file systems, Outposts, directory buckets
 * and many Regions. */
static bool may_take_part(const struct s3_store *s, const struct s3_client *c) {
  return s->direct && !c->lambda && !c->directory && !c->multi_region &&
         strstr(c->bucket, ":s3-outposts:") == NULL && !text_has_suffix(c->bucket, "--op-s3") &&
         !text_has_suffix(c->bucket, "-ext-s3alias");
}

/* Who copies: the endpoint, and the Region behind it. */
static char *service_of(struct s3_client *c) {
  struct buf b;

  buf_init(&b, 0);
  buf_printf(&b, "%s|", c->site.endpoint_url != NULL ? c->site.endpoint_url : "");
  s3_client_region(c, &b);
  return buf_take(&b);
}

static char *name_of(struct s3_store *s, const char *key) {
  struct buf b;
  char *full;

  if (s3_store_full_key(s, key, &full) != 0)
    return NULL;
  buf_init(&b, 0);
  s3_put_source(s->client, full, &b);
  free(full);
  return buf_take(&b);
}

int s3_store_elsewhere(struct store *st, const char *name, struct store_elsewhere *out) {
  struct s3_store *s = s3_store_self(st);
  const char *owner = s->client->expected_bucket_owner;

  if (!may_take_part(s, s->client))
    return -EOPNOTSUPP;
  out->service = service_of(s->client);
  out->container = strdup(s->client->bucket);
  out->name = name_of(s, name);
  out->owner = owner != NULL ? strdup(owner) : NULL;
  if (out->service != NULL && out->container != NULL && out->name != NULL &&
      (owner == NULL || out->owner != NULL))
    return 0;
  store_elsewhere_fini(out);
  return -ENOMEM;
}

static bool is_same_service(struct s3_client *c, const struct store_elsewhere *from) {
  char *own = service_of(c);
  bool same = own != NULL && strcmp(own, from->service) == 0;

  free(own);
  return same;
}

static bool was_refused(struct s3_store *s, const struct store_elsewhere *from) {
  bool was;

  mtx_lock(&s->synced.lock);
  was = s->synced.refused != NULL && strcmp(s->synced.refused, from->container) == 0 &&
        s->synced.refused_until_ms > clock_mono_ms(&clock_system);
  mtx_unlock(&s->synced.lock);
  return was;
}

static void note_refusal(struct s3_store *s, const struct store_elsewhere *from,
                         const struct s3_error *e) {
  char *container = strdup(from->container);
  struct buf line;

  mtx_lock(&s->synced.lock);
  free(s->synced.refused);
  s->synced.refused = container;
  s->synced.refused_until_ms = clock_mono_ms(&clock_system) + REFUSED_MS;
  mtx_unlock(&s->synced.lock);
  buf_init(&line, 0);
  s3_error_describe(e, &line);
  log_info("copies from %s to %s are read and written: %s", from->container, s->source,
           buf_cstr(&line));
  buf_fini(&line);
}

/* An answer about this object or its target says nothing of the next one. */
static bool is_refusal(int rc) {
  return rc != -ENOENT && rc != -ESTALE && rc != -EEXIST && rc != -EAGAIN && rc != -ENOMEM;
}

static int copy_to(struct s3_store *s, const struct store_elsewhere *from, const char *key,
                   const struct store_dress *dress, const struct store_condition *cond,
                   struct store_attr *out, struct s3_try *t) {
  const struct store_condition *send = NULL;
  struct s3_copying w = {.replace = true, .dress = dress, .elsewhere = from};
  struct s3_traits traits = {.size = from->size,
                             .has_crc64nvme = from->crc_kind == CRC_64NVME,
                             .crc64nvme = from->crc,
                             .etag = from->etag,
                             .dress = dress};
  unsigned honours;
  int rc = s3_conditions_get(s, &honours);

  if (rc == 0 && (honours & S3_HONOURS_SOURCE) == 0)
    rc = -EOPNOTSUPP; /* another version might be copied */
  if (rc == 0)
    rc = s3_prepare_condition(s, key, cond, S3_HONOURS_COPY, &send, t);
  if (rc != 0)
    return rc;
  rc = s3_change_copy(s->writer, key, &w, send, out, t);
  if (rc != 0 && (s3_error_is_open(&t->error) || (t->repeated && rc == -ESTALE))) {
    int seen = s3_settle(s, key, &traits, out, t);

    if (seen != -ENOENT)
      return seen;
  }
  if (rc != 0 && is_refusal(rc))
    note_refusal(s, from, &t->error);
  return rc;
}

int s3_store_copy_from(struct store *st, const struct store_elsewhere *from, const char *name,
                       const struct store_dress *dress, const struct store_condition *cond,
                       struct store_attr *out) {
  struct s3_store *s = s3_store_self(st);
  struct s3_try t;
  char *key;
  int rc;

  if (!may_take_part(s, s->writer) || !is_same_service(s->writer, from) || was_refused(s, from))
    return -EOPNOTSUPP;
  rc = s3_store_full_key(s, name, &key);
  if (rc != 0)
    return rc;
  s3_try_init(&t);
  rc = copy_to(s, from, key, dress, cond, out, &t);
  s3_try_fini(&t);
  free(key);
  return rc;
}
