/* CreateSession as a key source.
 *
 * A GET of `?session` at the bucket's own host, signed with the caller's plain
 * keys for the service s3express, is answered with keys that sign everything else
 * in that bucket. This source asks each time; keeping, renewing ahead of the end
 * and making concurrent askers wait for one call is the cache's business. A
 * refused session says nothing about the plain keys, so it is not passed on to
 * them. Immutable; any thread. */
#include "s3apfs/s3/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/text.h"

#define DEFAULT_DEADLINE_MS 60000

struct session_source {
  struct key_source base;
  struct caller *caller;
  struct key_source *plain; /* borrowed */
  struct endpoint endpoint;
  bool read_only;
  int64_t deadline_ms;
};

static int session_request(const struct session_source *s, struct aws_request *r) {
  const struct endpoint *e = &s->endpoint;
  char *path = text_printf("%s/", e->path);
  int rc;

  aws_request_init(r);
  rc = path == NULL ? -ENOMEM : aws_request_set(r, "GET", e->scheme, e->host, path);
  free(path);
  if (rc == 0)
    rc = kvlist_add(&r->query, "session", "");
  if (rc == 0 && s->read_only)
    rc = kvlist_add(&r->headers, "x-amz-create-session-mode", "ReadOnly");
  if (rc != 0)
    aws_request_fini(r);
  return rc;
}

static int session_ask(struct session_source *s, struct buf *body, struct s3_error *error) {
  struct http_reply reply;
  struct aws_request r;
  int rc = session_request(s, &r);
  struct call_request q = {
      .request = &r,
      .keys = s->plain,
      .auth = AUTH_SIGV4,
      .signing_name = s->endpoint.signing_name,
      .signing_region = s->endpoint.signing_region,
      .deadline_mono_ms = clock_mono_ms(&clock_system) + s->deadline_ms,
  };

  if (rc != 0)
    return rc;
  rc = call_perform(s->caller, &q, &reply, body, error);
  if (rc == 0)
    kvlist_fini(&reply.headers);
  aws_request_fini(&r);
  return rc;
}

/* Named after whoever asked. */
static int session_keys(struct session_source *s, const struct aws_keys *k, struct keys **out,
                        struct s3_error *error) {
  struct keys *plain;
  int rc = key_source_get(s->plain, &plain, error);

  if (rc != 0)
    return rc;
  rc = keys_new(k->access_key_id, k->secret_access_key, k->session_token, k->expiration,
                plain->account, plain->identity, out);
  keys_unref(plain);
  return rc;
}

static int session_get(struct key_source *source, struct keys **out, struct s3_error *error) {
  struct session_source *s = (struct session_source *)source;
  struct s3_error own;
  struct aws_keys k;
  struct buf body;
  int rc;

  s3_error_init(&own);
  rc = session_ask(s, &body, &own);
  if (rc == 0) {
    rc = create_session_parse(buf_cstr(&body), body.len, &k);
    buf_wipe(&body);
    if (rc == -EBADMSG) {
      rc = -EIO;
      s3_error_from_local(&own, rc, "MalformedReply", "the reply lacks what the call promises");
    }
    if (rc == 0) {
      rc = session_keys(s, &k, out, &own);
      aws_keys_fini(&k);
    }
  }
  if (rc != 0 && error != NULL) {
    own.call = "CreateSession";
    s3_error_move(error, &own);
  }
  s3_error_fini(&own);
  return rc;
}

static void session_destroy(struct key_source *source) {
  struct session_source *s = (struct session_source *)source;

  endpoint_fini(&s->endpoint);
  free(s);
}

static const struct key_source_ops session_ops = {session_get, NULL, session_destroy};

int s3_session_keys_new(struct caller *c, struct key_source *plain, const char *bucket,
                        const struct s3_session_options *o, struct key_source **out,
                        struct buf *why) {
  struct s3_endpoint_params p = {
      .bucket = bucket,
      .region = o->site.region,
      .endpoint = o->site.endpoint_url,
      .use_fips = o->site.use_fips,
      .use_dual_stack = o->site.use_dual_stack,
      .force_path_style = o->site.path_style,
      .disable_s3express_session_auth = true,
  };
  struct session_source *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  rc = endpoint_resolve_s3(&p, &s->endpoint, why);
  if (rc != 0) {
    free(s);
    return rc;
  }
  s->base.ops = &session_ops;
  s->caller = c;
  s->plain = plain;
  s->read_only = o->read_only;
  s->deadline_ms = o->deadline_ms != 0 ? o->deadline_ms : DEFAULT_DEADLINE_MS;
  *out = &s->base;
  return 0;
}
