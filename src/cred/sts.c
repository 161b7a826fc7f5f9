/* STS calls: endpoint, form, signature. */
#include "sts.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "s3apfs/cred/settings.h"

#define TIMEOUT_MS 30000
#define ATTEMPTS 3
#define REGION_DEFAULT "us-east-1"

static int find_endpoint(const struct cred_context *c, const struct aws_profile *p,
                         struct endpoint *out, struct buf *why) {
  struct sts_endpoint_params sp = {.region = c->region, .endpoint = c->sts_endpoint_url};
  int rc = 0;

  if (sp.region == NULL)
    sp.region = aws_settings_region(&c->env, p);
  if (sp.region == NULL)
    sp.region = REGION_DEFAULT;
  if (sp.endpoint == NULL)
    rc = aws_settings_endpoint_url(&c->env, p, AWS_SERVICE_STS, &sp.endpoint, why);
  if (sp.endpoint == NULL) { /* the rules have no variants of an endpoint that is given */
    sp.use_fips = c->use_fips || aws_settings_use_fips(&c->env, p);
    sp.use_dual_stack = c->use_dual_stack || aws_settings_use_dualstack(&c->env, p);
  }
  return rc == 0 ? endpoint_resolve_sts(&sp, out, why) : rc;
}

static void write_form(const struct kvlist *params, struct buf *out) {
  buf_puts(out, "Version=2011-06-15");
  for (size_t i = 0; i < params->count; i++) {
    const struct kv *kv = &params->items[i];

    buf_printf(out, "&%s=", kv->name);
    text_uri_encode(out, kv->value, strlen(kv->value), false);
  }
}

static int set_request(const struct endpoint *ep, struct aws_request *r) {
  int rc = aws_request_set(r, "POST", ep->scheme, ep->host, *ep->path != '\0' ? ep->path : "/");

  if (rc == 0)
    rc =
        kvlist_add(&r->headers, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
  if (rc == 0)
    rc = kvlist_add(&r->headers, "accept", "application/xml");
  return rc;
}

static int send_form(const struct cred_context *c, const struct endpoint *ep,
                     struct key_source *keys, const struct buf *form, struct buf *reply,
                     struct s3_error *error) {
  struct http_reply head;
  struct aws_request r;
  struct call_request q = {.request = &r,
                           .keys = keys,
                           .auth = ep->auth,
                           .signing_name = ep->signing_name,
                           .signing_region = ep->signing_region,
                           .generic_path = true,
                           .body = buf_cstr(form),
                           .body_len = form->len,
                           .deadline_mono_ms =
                               clock_mono_ms(&clock_system) + cred_context_limit(c, TIMEOUT_MS),
                           .max_attempts = ATTEMPTS};
  int rc;

  aws_request_init(&r);
  rc = set_request(ep, &r);
  if (rc != 0) {
    s3_error_from_local(error, rc, "NoMemory", "no memory");
  } else {
    rc = call_perform(c->caller, &q, &head, reply, error);
    if (rc == 0)
      kvlist_fini(&head.headers);
  }
  aws_request_fini(&r);
  return rc;
}

static int send_signed(const struct cred_context *c, const struct endpoint *ep, struct keys *keys,
                       const struct buf *form, struct buf *reply, struct s3_error *error) {
  struct key_source *source = NULL;
  int rc = keys != NULL ? cred_static_new(keys, &source) : 0;

  if (rc == 0)
    rc = buf_error(form);
  if (rc != 0)
    s3_error_from_local(error, rc, "NoMemory", "no memory");
  else
    rc = send_form(c, ep, source, form, reply, error);
  key_source_free(source);
  return rc;
}

int sts_call(const struct cred_context *c, const struct aws_profile *p, struct keys *keys,
             const struct kvlist *params, struct buf *reply, struct s3_error *error) {
  struct endpoint ep;
  struct buf form;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = find_endpoint(c, p, &ep, &why);
  if (rc != 0) {
    s3_error_from_local(error, rc, "InvalidEndpoint", buf_cstr(&why));
  } else {
    buf_init(&form, 0);
    write_form(params, &form);
    rc = send_signed(c, &ep, keys, &form, reply, error);
    buf_wipe(&form);
    endpoint_fini(&ep);
  }
  buf_fini(&why);
  return rc;
}
