/* S3 Control and STS calls: one table-free function each over a shared signed
 * GET or POST. */
#include "s3apfs/s3/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_internal.h"
#include "s3apfs/base/text.h"

#define INSTANCE_PATH "/v20180820/accessgrantsinstance"
#define STS_IDENTITY_BODY "Action=GetCallerIdentity&Version=2011-06-15"
#define LIST_MAX_PAGES 10000 /* a service that never ends a listing is cut off */

struct control {
  struct caller *caller;
  struct key_source *keys; /* borrowed */
  int64_t deadline_ms;
  char *region;
  char *endpoint;      /* S3 Control; may be NULL */
  char *sts_endpoint;  /* may be NULL */
  struct s3_site site; /* flags only */
};

static char *dup_or_null(const char *s) {
  return s != NULL ? strdup(s) : NULL;
}

int control_new(struct caller *caller, struct key_source *keys, const struct s3_site *site,
                int64_t deadline_ms, struct control **out, struct buf *why) {
  struct control *c;

  if (site->region == NULL) {
    buf_puts(why, "Access Grants calls need a Region: set region=, AWS_REGION or the profile's");
    return -EINVAL;
  }
  c = calloc(1, sizeof(*c));
  if (c == NULL)
    return -ENOMEM;
  c->caller = caller;
  c->keys = keys;
  c->deadline_ms = deadline_ms != 0 ? deadline_ms : 60000;
  c->site = *site;
  c->region = strdup(site->region);
  c->endpoint = dup_or_null(site->s3control_endpoint_url);
  c->sts_endpoint = dup_or_null(site->sts_endpoint_url);
  if (c->region == NULL || (site->s3control_endpoint_url != NULL && c->endpoint == NULL) ||
      (site->sts_endpoint_url != NULL && c->sts_endpoint == NULL)) {
    control_free(c);
    return -ENOMEM;
  }
  *out = c;
  return 0;
}

void control_free(struct control *c) {
  if (c == NULL)
    return;
  free(c->region);
  free(c->endpoint);
  free(c->sts_endpoint);
  free(c);
}

struct control_call {
  const char *method;
  const char *path;           /* behind the endpoint's own */
  const struct kvlist *query; /* NULL: none */
  const char *account;        /* x-amz-account-id, or NULL */
  const char *form;           /* a form body, or NULL */
  int64_t timeout_ms;
  unsigned attempts;
};

static int build_request(const struct endpoint *ep, const struct control_call *p,
                         struct aws_request *r) {
  char *path = text_printf("%s%s", ep->path, p->path);
  int rc;

  aws_request_init(r);
  rc = path == NULL ? -ENOMEM : aws_request_set(r, p->method, ep->scheme, ep->host, path);
  free(path);
  if (rc == 0 && p->query != NULL)
    rc = kvlist_copy(&r->query, p->query);
  if (rc == 0 && p->account != NULL)
    rc = kvlist_add(&r->headers, "x-amz-account-id", p->account);
  if (rc == 0 && p->form != NULL)
    rc =
        kvlist_add(&r->headers, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  if (rc != 0)
    aws_request_fini(r);
  return rc;
}

static int perform(struct control *c, const struct endpoint *ep, const struct control_call *p,
                   struct buf *body, struct s3_error *error) {
  struct http_reply reply;
  struct aws_request r;
  int64_t timeout = p->timeout_ms != 0 ? p->timeout_ms : c->deadline_ms;
  int rc = build_request(ep, p, &r);
  struct call_request q = {
      .request = &r,
      .keys = c->keys,
      .auth = ep->auth,
      .signing_name = ep->signing_name,
      .signing_region = ep->signing_region,
      .generic_path = p->form != NULL,
      .body = p->form,
      .body_len = p->form != NULL ? strlen(p->form) : 0,
      .deadline_mono_ms = clock_mono_ms(&clock_system) + timeout,
      .max_attempts = p->attempts,
  };

  if (rc != 0)
    return rc;
  rc = call_perform(c->caller, &q, &reply, body, error);
  if (rc == 0)
    kvlist_fini(&reply.headers);
  aws_request_fini(&r);
  return rc;
}

static int resolve_failed(int rc, struct buf *why, struct s3_error *error) {
  if (rc != 0)
    s3_error_from_local(error, rc, "InvalidEndpoint", buf_cstr(why));
  buf_fini(why);
  return rc;
}

static int resolve_control(struct control *c, const char *account, struct endpoint *ep,
                           struct s3_error *error) {
  struct s3control_endpoint_params p = {
      .region = c->region,
      .endpoint = c->endpoint,
      .account_id = account,
      .requires_account_id = true,
      .use_fips = c->site.use_fips,
      .use_dual_stack = c->site.use_dual_stack,
      .no_account_prefix = c->site.no_account_prefix,
  };
  struct buf why;

  buf_init(&why, 0);
  return resolve_failed(endpoint_resolve_s3control(&p, ep, &why), &why, error);
}

int control_get(struct control *c, const char *account, const char *path,
                const struct kvlist *query, struct buf *body, struct s3_error *error) {
  struct control_call p = {.method = "GET", .path = path, .query = query, .account = account};
  struct endpoint ep;
  int rc = resolve_control(c, account, &ep, error);

  if (rc != 0)
    return rc;
  rc = perform(c, &ep, &p, body, error);
  endpoint_fini(&ep);
  return rc;
}

int control_parsed(int rc, struct s3_error *error) {
  if (rc != -EBADMSG)
    return rc;
  s3_error_from_local(error, -EIO, "MalformedReply", "the reply lacks what the call promises");
  return -EIO;
}

/* Whoever reads the line has to know which of several calls failed. */
void control_name(int rc, const char *call, struct s3_error *error) {
  if (rc != 0)
    error->call = call;
}

static int ask_identity(struct control *c, int64_t timeout_ms, unsigned attempts,
                        struct caller_identity *out, struct s3_error *error) {
  struct sts_endpoint_params sp = {.region = c->region,
                                   .endpoint = c->sts_endpoint,
                                   .use_fips = c->site.use_fips && c->sts_endpoint == NULL,
                                   .use_dual_stack =
                                       c->site.use_dual_stack && c->sts_endpoint == NULL};
  struct control_call p = {.method = "POST",
                           .path = "/",
                           .form = STS_IDENTITY_BODY,
                           .timeout_ms = timeout_ms,
                           .attempts = attempts};
  struct endpoint ep;
  struct buf body;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = resolve_failed(endpoint_resolve_sts(&sp, &ep, &why), &why, error);
  if (rc != 0)
    return rc;
  if (text_has_suffix(ep.path, "/"))
    p.path = "";
  rc = perform(c, &ep, &p, &body, error);
  endpoint_fini(&ep);
  if (rc != 0)
    return rc;
  rc = control_parsed(caller_identity_parse(buf_cstr(&body), body.len, out), error);
  buf_fini(&body);
  return rc;
}

int control_caller_identity(struct control *c, int64_t timeout_ms, unsigned attempts,
                            struct caller_identity *out, struct s3_error *error) {
  int rc = ask_identity(c, timeout_ms, attempts, out, error);

  control_name(rc, "GetCallerIdentity", error);
  return rc;
}

int control_grants_instance(struct control *c, const char *account, const char *s3prefix,
                            char **instance_arn, struct s3_error *error) {
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "s3prefix", s3prefix);
  if (rc == 0)
    rc = control_get(c, account, INSTANCE_PATH "/prefix", &query, &body, error);
  kvlist_fini(&query);
  if (rc == 0) {
    rc = control_parsed(grants_instance_parse(buf_cstr(&body), body.len, instance_arn), error);
    buf_fini(&body);
  }
  control_name(rc, "GetAccessGrantsInstanceForPrefix", error);
  return rc;
}

static int data_access_query(const struct data_access_request *q, struct kvlist *out) {
  int rc = 0;

  rc |= kvlist_add(out, "target", q->target);
  rc |= kvlist_add(out, "permission", scope_permission_name(q->permission));
  if (q->minimal)
    rc |= kvlist_add(out, "privilege", "Minimal");
  if (q->target_is_object)
    rc |= kvlist_add(out, "targetType", "Object");
  if (q->duration_s != 0)
    rc |= kvlist_addf(out, "durationSeconds", "%u", q->duration_s);
  return rc != 0 ? -ENOMEM : 0;
}

int control_data_access(struct control *c, const struct data_access_request *q,
                        struct data_access *out, struct s3_error *error) {
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&query);
  rc = data_access_query(q, &query);
  if (rc == 0)
    rc = control_get(c, q->account, INSTANCE_PATH "/dataaccess", &query, &body, error);
  kvlist_fini(&query);
  if (rc == 0) {
    rc = control_parsed(data_access_parse(buf_cstr(&body), body.len, out), error);
    buf_wipe(&body);
  }
  control_name(rc, "GetDataAccess", error);
  return rc;
}

static int grants_page(struct control *c, const char *account, const char *scope, const char *token,
                       struct caller_grants *out, struct s3_error *error) {
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "maxResults", "1000");
  if (rc == 0 && scope != NULL)
    rc = kvlist_add(&query, "grantscope", scope);
  if (rc == 0 && token != NULL)
    rc = kvlist_add(&query, "nextToken", token);
  if (rc == 0)
    rc = control_get(c, account, INSTANCE_PATH "/caller/grants", &query, &body, error);
  kvlist_fini(&query);
  if (rc == 0) {
    rc = control_parsed(caller_grants_parse(buf_cstr(&body), body.len, out), error);
    buf_fini(&body);
  }
  control_name(rc, "ListCallerAccessGrants", error);
  return rc;
}

/* Moves the page's grants behind those of all; frees the rest of the page. */
static int grants_append(struct caller_grants *all, struct caller_grants *page) {
  struct caller_grant *items = realloc(all->items, (all->count + page->count + 1) * sizeof(*items));

  if (items == NULL) {
    caller_grants_fini(page);
    return -ENOMEM;
  }
  all->items = items;
  if (page->count > 0)
    memcpy(items + all->count, page->items, page->count * sizeof(*items));
  all->count += page->count;
  free(all->next_token);
  all->next_token = page->next_token;
  free(page->items);
  return 0;
}

int control_caller_grants(struct control *c, const char *account, const char *scope,
                          struct caller_grants *out, struct s3_error *error) {
  struct caller_grants all = {0};
  int rc;
  int pages = 0;

  do {
    struct caller_grants page;

    rc = grants_page(c, account, scope, all.next_token, &page, error);
    if (rc == 0)
      rc = grants_append(&all, &page);
  } while (rc == 0 && all.next_token != NULL && ++pages < LIST_MAX_PAGES);
  if (rc != 0) {
    caller_grants_fini(&all);
    return rc;
  }
  *out = all;
  return 0;
}
