/* The S3 client's core: endpoint, common headers, blocking calls.
 *
 * A client is immutable but for `synced.where`, the endpoint in use. When a
 * reply says that a bucket or alias lives in another Region, the endpoint is
 * resolved again for it and the call repeated once; targets named by ARN carry
 * their Region and are never moved. */
#include "s3apfs/s3/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client_internal.h"
#include "s3apfs/base/text.h"

#define DEFAULT_DEADLINE_MS 60000

static int copy_string(const char *from, const char **to) {
  *to = from != NULL ? strdup(from) : NULL;
  return from != NULL && *to == NULL ? -ENOMEM : 0;
}

static int site_copy(const struct s3_site *from, struct s3_site *to) {
  *to = *from;
  to->region = to->endpoint_url = to->s3control_endpoint_url = to->sts_endpoint_url = NULL;
  if (copy_string(from->region, &to->region) != 0 ||
      copy_string(from->endpoint_url, &to->endpoint_url) != 0)
    return -ENOMEM;
  return 0;
}

static int placing_copy(const struct s3_placing *from, struct s3_placing *to) {
  *to = (struct s3_placing){
      .checksum = from->checksum, .drop_tags = from->drop_tags, .keep_tags = from->keep_tags};
  if (copy_string(from->sse, &to->sse) != 0 || copy_string(from->kms_key, &to->kms_key) != 0 ||
      copy_string(from->bucket_key, &to->bucket_key) != 0 ||
      copy_string(from->storage_class, &to->storage_class) != 0)
    return -ENOMEM;
  return copy_string(from->acl, &to->acl);
}

static void placing_fini(struct s3_placing *p) {
  free((void *)p->sse);
  free((void *)p->kms_key);
  free((void *)p->bucket_key);
  free((void *)p->storage_class);
  free((void *)p->acl);
}

static int where_new(const struct s3_client *c, const char *region, struct s3_where **out,
                     struct buf *why) {
  struct s3_endpoint_params p = {
      .bucket = c->bucket,
      .region = region,
      .endpoint = c->site.endpoint_url,
      .use_fips = c->site.use_fips,
      .use_dual_stack = c->site.use_dual_stack,
      .force_path_style = c->site.path_style,
      .use_arn_region = c->site.use_arn_region,
      .disable_multi_region_access_points = c->site.disable_multi_region_access_points,
      .disable_s3express_session_auth = c->site.disable_express_session_auth,
  };
  struct s3_where *w = calloc(1, sizeof(*w));
  int rc;

  if (w == NULL)
    return -ENOMEM;
  rc = endpoint_resolve_s3(&p, &w->endpoint, why);
  if (rc != 0) {
    free(w);
    return rc;
  }
  atomic_init(&w->refs, 1);
  *out = w;
  return 0;
}

void s3_where_unref(struct s3_where *w) {
  if (w == NULL || atomic_fetch_sub(&w->refs, 1) != 1)
    return;
  endpoint_fini(&w->endpoint);
  free(w);
}

struct s3_where *s3_client_where(struct s3_client *c) {
  struct s3_where *w;

  mtx_lock(&c->synced.lock);
  w = c->synced.where;
  atomic_fetch_add(&w->refs, 1);
  mtx_unlock(&c->synced.lock);
  return w;
}

int s3_client_new(struct caller *caller, struct key_source *keys, const char *bucket,
                  const struct s3_client_options *o, struct s3_client **out, struct buf *why) {
  struct s3_client *c = calloc(1, sizeof(*c));
  int rc;

  if (c == NULL)
    return -ENOMEM;
  mtx_init(&c->synced.lock, RANK_S3);
  c->caller = caller;
  c->keys = keys;
  c->plain_keys = o->plain_keys;
  c->requester_pays = o->requester_pays;
  c->deadline_ms = o->deadline_ms != 0 ? o->deadline_ms : DEFAULT_DEADLINE_MS;
  c->brief = o->brief;
  c->region_fixed = text_has_prefix(bucket, "arn:");
  c->lambda = strstr(bucket, ":s3-object-lambda:") != NULL || text_has_suffix(bucket, "--ol-s3");
  c->directory = text_has_suffix(bucket, "--x-s3") || text_has_suffix(bucket, "--xa-s3");
  c->multi_region = c->region_fixed && text_has_suffix(bucket, ".mrap");
  atomic_init(&c->ranges, S3_RANGES_UNKNOWN);
  c->bucket = strdup(bucket);
  rc = c->bucket == NULL ? -ENOMEM : site_copy(&o->site, &c->site);
  if (rc == 0)
    rc = placing_copy(&o->placing, &c->placing);
  if (rc == 0 && c->lambda)
    rc = s3_lambda_sizes_new(&c->sizes);
  if (rc == 0 && o->expected_bucket_owner != NULL) {
    c->expected_bucket_owner = strdup(o->expected_bucket_owner);
    rc = c->expected_bucket_owner == NULL ? -ENOMEM : 0;
  }
  if (rc == 0)
    rc = where_new(c, c->site.region, &c->synced.where, why);
  if (rc != 0) {
    s3_client_free(c);
    return rc;
  }
  *out = c;
  return 0;
}

void s3_client_free(struct s3_client *c) {
  if (c == NULL)
    return;
  s3_where_unref(c->synced.where);
  s3_lambda_sizes_free(c->sizes);
  mtx_fini(&c->synced.lock);
  free((void *)c->site.region);
  free((void *)c->site.endpoint_url);
  placing_fini(&c->placing);
  free(c->expected_bucket_owner);
  free(c->bucket);
  free(c);
}

void s3_client_describe(struct s3_client *c, struct buf *out) {
  struct s3_where *w = s3_client_where(c);

  buf_printf(out, "%s://%s%s", w->endpoint.scheme, w->endpoint.host, w->endpoint.path);
  s3_where_unref(w);
}

void s3_client_region(struct s3_client *c, struct buf *out) {
  struct s3_where *w = s3_client_where(c);

  buf_puts(out, w->endpoint.signing_region);
  s3_where_unref(w);
}

int s3_client_follow_region(struct s3_client *c, const struct s3_error *e) {
  struct s3_where *now;
  struct s3_where *next = NULL;
  struct buf why;
  bool moved; /* by another call, since this one was signed */
  int rc = -ENOENT;

  if (c->region_fixed || e->class != S3_ERR_REGION || e->region[0] == '\0')
    return -ENOENT;
  now = s3_client_where(c);
  moved = strcmp(now->endpoint.signing_region, e->region) == 0;
  buf_init(&why, 0);
  if (!moved)
    rc = where_new(c, e->region, &next, &why);
  buf_fini(&why);
  s3_where_unref(now);
  if (moved)
    return 0;
  if (rc != 0)
    return -ENOENT;
  mtx_lock(&c->synced.lock);
  now = c->synced.where;
  c->synced.where = next;
  mtx_unlock(&c->synced.lock);
  s3_where_unref(now);
  return 0;
}

static int request_path(const struct s3_where *w, const char *key, struct buf *out) {
  buf_puts(out, w->endpoint.path);
  if (key != NULL || out->len == 0)
    buf_putc(out, '/');
  if (key != NULL)
    text_uri_encode(out, key, strlen(key), true);
  return buf_error(out);
}

int s3_client_request(struct s3_client *c, const struct s3_where *w, const char *method,
                      const char *key, struct aws_request *out) {
  struct buf path;
  int rc;

  buf_init(&path, 0);
  aws_request_init(out);
  rc = request_path(w, key, &path);
  if (rc == 0)
    rc = aws_request_set(out, method, w->endpoint.scheme, w->endpoint.host, buf_cstr(&path));
  if (rc == 0 && c->requester_pays)
    rc = kvlist_add(&out->headers, "x-amz-request-payer", "requester");
  if (rc == 0 && c->expected_bucket_owner != NULL)
    rc = kvlist_add(&out->headers, "x-amz-expected-bucket-owner", c->expected_bucket_owner);
  buf_fini(&path);
  if (rc != 0)
    aws_request_fini(out);
  return rc;
}

void s3_client_call(struct s3_client *c, const struct s3_where *w, const struct aws_request *r,
                    struct call_request *out) {
  *out = (struct call_request){
      .request = r,
      .keys = c->keys,
      .auth = w->endpoint.auth,
      .signing_name = w->endpoint.signing_name,
      .signing_region = w->endpoint.signing_region,
      .deadline_mono_ms = clock_mono_ms(&clock_system) + c->deadline_ms,
  };
}

static int op_once(struct s3_client *c, struct s3_op *op, struct http_reply *reply,
                   struct buf *body, struct s3_error *error) {
  struct s3_where *w = s3_client_where(c);
  struct aws_request r;
  struct call_request q;
  int rc = s3_client_request(c, w, op->method, op->key, &r);

  if (rc == 0) {
    if (op->query != NULL)
      rc = kvlist_copy(&r.query, op->query);
    for (size_t i = 0; rc == 0 && op->headers != NULL && i < op->headers->count; i++)
      rc = kvlist_add(&r.headers, op->headers->items[i].name, op->headers->items[i].value);
    s3_client_call(c, w, &r, &q);
    if (op->plain && c->plain_keys != NULL) {
      q.keys = c->plain_keys;
      q.auth = AUTH_SIGV4;
    }
    q.accept = op->accept;
    q.arg = op->arg;
    q.body = op->body;
    q.body_len = op->body_len;
    q.max_attempts = op->max_attempts;
    q.stall_timeout_ms = op->silence_ms;
    q.deadline_mono_ms += op->more_ms;
    q.quiet_ms = op->silence_ms > c->deadline_ms ? op->silence_ms : c->deadline_ms;
    q.repeated = &op->repeated;
    if (rc == 0)
      rc = call_perform(c->caller, &q, reply, body, error);
    aws_request_fini(&r);
  }
  s3_where_unref(w);
  return rc;
}

int s3_client_do(struct s3_client *c, struct s3_op *op, struct http_reply *reply, struct buf *body,
                 struct s3_error *error) {
  int rc = op_once(c, op, reply, body, error);

  if (rc != 0 && s3_client_follow_region(c, error) == 0) {
    s3_error_fini(error);
    s3_error_init(error);
    rc = op_once(c, op, reply, body, error);
  }
  return rc;
}

int s3_client_head(struct s3_client *c, const char *key, struct store_attr *out,
                   struct kvlist *meta, struct s3_error *error) {
  struct s3_op op = {.method = "HEAD", .key = key};
  struct http_reply reply;
  struct kvlist headers;
  struct buf body;
  int rc = 0;

  kvlist_init(&headers);
  op.headers = &headers;
  if (!c->lambda)
    rc = s3_ask_checksum(&headers);
  if (rc == 0)
    rc = s3_client_do(c, &op, &reply, &body, error);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = s3_attr_from_headers(&reply.headers, c->lambda, out);
  if (rc == 0 && c->lambda) {
    out->etag[0] = '\0'; /* of the object that the function works on, not of what it makes */
    s3_lambda_apply(c->sizes, key, &out->size);
  }
  if (rc == 0 && meta != NULL)
    rc = s3_meta_from_headers(&reply.headers, meta);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc;
}

static int list_query(const char *prefix, const char *delimiter, const char *token,
                      const char *after, unsigned max, struct kvlist *q) {
  int rc = 0;

  rc |= kvlist_add(q, "list-type", "2");
  rc |= kvlist_add(q, "encoding-type", "url");
  rc |= kvlist_addf(q, "max-keys", "%u", max);
  rc |= kvlist_add(q, "prefix", prefix);
  if (delimiter != NULL)
    rc |= kvlist_add(q, "delimiter", delimiter);
  if (token != NULL)
    rc |= kvlist_add(q, "continuation-token", token);
  if (after != NULL)
    rc |= kvlist_add(q, "start-after", after);
  return rc != 0 ? -ENOMEM : 0;
}

/* A listing tells of the objects that the function works on. */
static void apply_lambda(struct s3_client *c, struct listing *l) {
  for (size_t i = 0; i < l->object_count; i++) {
    l->objects[i].etag[0] = '\0';
    s3_lambda_apply(c->sizes, l->objects[i].key, &l->objects[i].size);
  }
}

int s3_client_list(struct s3_client *c, const char *prefix, const char *delimiter,
                   const char *token, const char *after, unsigned max, struct listing *out,
                   struct s3_error *error) {
  struct s3_op op = {.method = "GET"};
  struct http_reply reply;
  struct kvlist query;
  struct buf body;
  int rc;

  /* Directory buckets list folders only. */
  if (c->directory && *prefix != '\0' && !text_has_suffix(prefix, "/")) {
    s3_error_from_local(error, -EACCES, "InvalidPrefix", "a directory bucket lists folders only");
    return -EACCES;
  }
  if (c->directory && after != NULL)
    return -ENOTSUP;
  kvlist_init(&query);
  rc = list_query(prefix, delimiter, token, after, max, &query);
  op.query = &query;
  if (rc == 0)
    rc = s3_client_do(c, &op, &reply, &body, error);
  kvlist_fini(&query);
  if (rc != 0)
    return rc;
  rc = listing_parse(buf_cstr(&body), body.len, out);
  if (rc == 0 && c->lambda)
    apply_lambda(c, out);
  if (rc == -EBADMSG)
    s3_error_from_local(error, -EIO, "MalformedReply", "the listing is not one that S3 would send");
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? -EIO : rc;
}
