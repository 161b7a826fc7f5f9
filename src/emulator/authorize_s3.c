/* The data plane's one question. In this order, because AWS answers so:
 *
 *   expected bucket owner   plain 403 when another account owns the bucket
 *   Requester Pays          plain 403 without the header, for other accounts
 *   network origin          plain 403 at a VPC access point from elsewhere
 *   policies                layer policy decides; RestrictPublicBuckets is its
 *                           business too
 *   object ownership        with ACLs on, an object that another account wrote
 *                           is beyond the bucket's policies
 *
 * What each layer is asked about is described in s3apfs/policy/authorize.h. All
 * of it runs under the world's lock. */
#include "authorize_s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "s3_context.h"
#include "s3apfs/base/text.h"

#define ACTION_MAX 64

struct question {
  struct world *w;
  const struct s3_access *a;
  const struct credential *caller;
  const struct bucket *bucket;             /* NULL: none, or not there yet */
  const struct access_point *access_point; /* NULL: by bucket name */
  const struct vpc_endpoint *endpoint;     /* NULL: from the internet */
  const char *owner;                       /* account that answers for the resource addressed */
  char action[ACTION_MAX];                 /* as the policies of this kind of resource name it */
};

void s3_verdict_fini(struct s3_verdict *v) {
  free(v->message);
  memset(v, 0, sizeof(*v));
}

static int refuse(struct s3_verdict *out, int status, const char *code, const char *message) {
  out->allowed = false;
  out->http_status = status;
  out->code = code;
  out->message = strdup(message);
  return out->message == NULL ? -ENOMEM : 0;
}

static int refuse_plainly(struct s3_verdict *out) {
  return refuse(out, 403, "AccessDenied", "Access Denied");
}

static const char *header(const struct question *q, const char *name) {
  return q->a->headers != NULL ? kvlist_get_ci(q->a->headers, name) : NULL;
}

/* --- checks that no policy decides --- */

static bool expects_other_owner(const struct question *q) {
  const char *expected = header(q, "x-amz-expected-bucket-owner");

  return expected != NULL && q->bucket != NULL && strcmp(expected, q->bucket->account->id) != 0;
}

static bool lacks_payer(const struct question *q) {
  const char *payer = header(q, "x-amz-request-payer");

  if (q->bucket == NULL || !q->bucket->requester_pays)
    return false;
  if (q->caller == NULL)
    return true;
  return q->caller->account != q->bucket->account &&
         (payer == NULL || strcmp(payer, "requester") != 0);
}

static bool from_wrong_network(const struct question *q) {
  if (q->access_point == NULL || q->access_point->vpc == NULL)
    return false;
  return q->endpoint == NULL || strcmp(q->endpoint->vpc, q->access_point->vpc) != 0;
}

/* Someone else's object, in a bucket whose ACLs are on: the owner of the bucket
 * may delete it, and list it, but not read it. */
static bool is_foreign_object(const struct question *q) {
  const char *action = q->action;

  if (q->bucket == NULL || q->a->object_owner == NULL || q->a->key == NULL ||
      q->bucket->ownership == OWNERSHIP_BUCKET_OWNER_ENFORCED)
    return false;
  if (strncmp(action, "s3:GetObject", 12) != 0 && strncmp(action, "s3:PutObjectAcl", 15) != 0)
    return false;
  return q->caller == NULL || strcmp(q->a->object_owner, q->caller->account->id) != 0;
}

/* --- the policies --- */

static void put_object_arn(struct buf *out, const char *base, const char *separator,
                           const char *key) {
  buf_puts(out, base);
  if (key != NULL)
    buf_printf(out, "%s%s", separator, key);
}

static bool is_directory(const struct question *q) {
  return q->a->bucket != NULL && world_is_directory_bucket(q->a->bucket);
}

static char *bucket_arn(const struct question *q) {
  if (is_directory(q) && q->bucket != NULL)
    return text_printf("arn:aws:s3express:%s:%s:bucket/%s", q->bucket->region,
                       q->bucket->account->id, q->a->bucket);
  return text_printf("arn:aws:s3:::%s", q->a->bucket != NULL ? q->a->bucket : "*");
}

/* A function or an Outpost stands behind these: what they do below themselves
 * is their owner's business, no bucket policy is asked. */
static bool stands_alone(const struct question *q) {
  return q->access_point != NULL && (q->access_point->kind == ACCESS_POINT_OBJECT_LAMBDA ||
                                     q->access_point->kind == ACCESS_POINT_OUTPOSTS);
}

/* The one permission of directory buckets covers every call in them. */
static void name_action(struct question *q) {
  const char *service = "s3";

  if (q->a->kms_key != NULL) {
    snprintf(q->action, sizeof(q->action), "%s", q->a->action);
    return;
  }
  if (is_directory(q)) {
    snprintf(q->action, sizeof(q->action), "s3express:CreateSession");
    return;
  }
  if (q->access_point != NULL && q->access_point->kind == ACCESS_POINT_OBJECT_LAMBDA)
    service = "s3-object-lambda";
  if (q->access_point != NULL && q->access_point->kind == ACCESS_POINT_OUTPOSTS)
    service = "s3-outposts";
  snprintf(q->action, sizeof(q->action), "%s:%s", service, strchr(q->a->action, ':') + 1);
}

struct resources {
  struct buf bucket_arn;
  struct buf access_point_arn;
  struct authorize_resource bucket;
  struct authorize_resource access_point;
};

static int fill_resources(const struct question *q, struct resources *r) {
  const struct block_public_access *own;
  char *base = bucket_arn(q);

  buf_init(&r->bucket_arn, 0);
  buf_init(&r->access_point_arn, 0);
  if (base == NULL)
    return -ENOMEM;
  if (q->a->bucket != NULL)
    put_object_arn(&r->bucket_arn, base, "/", is_directory(q) ? NULL : q->a->key);
  else
    buf_puts(&r->bucket_arn, "*");
  free(base);
  r->bucket.layer = POLICY_LAYER_BUCKET;
  r->bucket.arn = buf_cstr(&r->bucket_arn);
  r->bucket.account = q->owner;
  if (q->bucket != NULL) {
    r->bucket.account = q->bucket->account->id;
    r->bucket.policy = q->bucket->policy.policy;
    r->bucket.restrict_public =
        world_effective_bpa(&q->bucket->bpa, q->bucket->account).restrict_buckets;
  }
  if (q->access_point != NULL) {
    own = &q->access_point->bpa;
    put_object_arn(&r->access_point_arn, q->access_point->arn, "/object/",
                   is_directory(q) ? NULL : q->a->key);
    r->access_point.layer = POLICY_LAYER_ACCESS_POINT;
    r->access_point.arn = buf_cstr(&r->access_point_arn);
    r->access_point.account = q->access_point->account->id;
    r->access_point.policy = q->access_point->policy.policy;
    r->access_point.restrict_public =
        world_effective_bpa(own, q->access_point->account).restrict_buckets;
  }
  return buf_error(&r->bucket_arn) != 0 ? buf_error(&r->bucket_arn)
                                        : buf_error(&r->access_point_arn);
}

static void fini_resources(struct resources *r) {
  buf_fini(&r->bucket_arn);
  buf_fini(&r->access_point_arn);
}

/* Whose refusal it is: an access point's and its bucket's owner may differ. */
static const char *refusing_owner(const struct question *q, const struct authorize_verdict *v) {
  return v->layer == POLICY_LAYER_BUCKET && q->bucket != NULL ? q->bucket->account->id : q->owner;
}

/* A VPC endpoint's refusal is explained within one account only (S3 user guide,
 * "Troubleshoot access denied (403 Forbidden) errors"). */
static int tell_refusal(const struct question *q, const struct authorize_verdict *v,
                        struct s3_verdict *out) {
  const char *owner = refusing_owner(q, v);
  struct buf message;
  int rc;

  if (is_directory(q)) /* "Access Denied" is all that S3 Express says */
    return refuse_plainly(out);
  if (v->layer == POLICY_LAYER_ENDPOINT &&
      (q->caller == NULL || strcmp(q->caller->account->id, owner) != 0))
    return refuse_plainly(out);
  buf_init(&message, 0);
  access_describe_locked(q->w, q->caller, q->action, owner, v, &message);
  rc = refuse(out, 403, "AccessDenied", buf_cstr(&message));
  buf_fini(&message);
  return rc;
}

static int judge(const struct question *q, const struct authorize_request *request,
                 struct s3_verdict *out) {
  struct authorize_verdict verdict;

  authorize_decide(request, &q->w->synced.assumptions, &verdict);
  if (!verdict.allowed)
    return tell_refusal(q, &verdict, out);
  out->allowed = true;
  return 0;
}

/* The account in an ARN. */
static char *account_of(const char *arn) {
  for (int i = 0; i < 4 && arn != NULL; i++)
    arn = strchr(arn, ':') != NULL ? strchr(arn, ':') + 1 : NULL;
  return text_dup_n(arn != NULL ? arn : "", arn != NULL ? strcspn(arn, ":") : 0);
}

/* A key without a policy of its own here: its account's identity policies decide. */
static int ask_key(const struct question *q, const struct authorize_request *base,
                   struct s3_verdict *out) {
  char *account = account_of(q->a->kms_key);
  struct authorize_resource key = {
      .layer = POLICY_LAYER_RESOURCE, .arn = q->a->kms_key, .account = account};
  struct authorize_request request = *base;
  int rc;

  request.action = q->action;
  request.resource = &key;
  rc = account != NULL ? judge(q, &request, out) : -ENOMEM;
  free(account);
  return rc;
}

static int ask_policies(const struct question *q, const struct authorize_request *base,
                        struct s3_verdict *out) {
  struct authorize_request request = *base;
  struct resources resources = {0};
  int rc = fill_resources(q, &resources);

  request.action = q->action;
  request.resource = stands_alone(q) ? &resources.access_point : &resources.bucket;
  if (q->access_point != NULL && !stands_alone(q))
    request.access_point = &resources.access_point;
  if (q->endpoint != NULL)
    request.endpoint = q->endpoint->policy.policy;
  if (rc == 0)
    rc = judge(q, &request, out);
  fini_resources(&resources);
  return rc;
}

static int decide_policies(const struct question *q, struct s3_verdict *out) {
  struct authorize_request request = {0};
  struct access_caller caller;
  struct context context;
  int rc = access_caller_init(&caller, q->caller);

  if (rc != 0)
    return rc;
  context_init(&context);
  s3_context_fill_locked(&context, q->w, q->a, q->caller, q->bucket, q->access_point);
  request.caller = &caller.caller;
  request.context = context.keys;
  request.context_count = context.count;
  rc = context.err;
  if (rc == 0)
    rc = q->a->kms_key != NULL ? ask_key(q, &request, out) : ask_policies(q, &request, out);
  context_fini(&context);
  access_caller_fini(&caller);
  return rc;
}

/* --- sessions of directory buckets --- */

static bool only_reads(const char *action) {
  return strncmp(action, "s3:Get", 6) == 0 || strncmp(action, "s3:List", 7) == 0;
}

/* It is good for what it was made for, until it ends, whatever policies say by
 * then. */
static int decide_session(const struct question *q, struct s3_verdict *out) {
  struct resources resources = {0};
  int rc = fill_resources(q, &resources);
  const char *arn =
      buf_cstr(q->access_point != NULL ? &resources.access_point_arn : &resources.bucket_arn);

  out->allowed = rc == 0 && is_directory(q) && strcmp(q->caller->express_arn, arn) == 0 &&
                 (!q->caller->express_read_only || only_reads(q->a->action));
  fini_resources(&resources);
  return rc != 0 || out->allowed ? rc : refuse_plainly(out);
}

/* --- the whole --- */

static int find_parties(struct world *w, const struct s3_access *a, struct question *q) {
  q->w = w;
  q->a = a;
  q->caller = a->access_key_id != NULL ? world_live_credential_locked(w, a->access_key_id) : NULL;
  if (a->access_key_id != NULL && q->caller == NULL)
    return -ENOENT;
  q->bucket = a->bucket != NULL ? world_bucket_locked(w, a->bucket) : NULL;
  q->endpoint = a->endpoint_id != NULL ? world_endpoint_locked(w, a->endpoint_id) : NULL;
  if (a->access_point_arn != NULL) {
    q->access_point = world_access_point_by_arn_locked(w, a->access_point_arn);
    if (q->access_point == NULL)
      return -ENOENT;
  }
  q->owner = q->access_point != NULL ? q->access_point->account->id
             : q->bucket != NULL     ? q->bucket->account->id
             : q->caller != NULL     ? q->caller->account->id
                                     : "";
  return 0;
}

static int decide_locked(struct world *w, const struct s3_access *a, struct s3_verdict *out) {
  struct question q = {0};
  int rc = find_parties(w, a, &q);

  if (rc != 0 || expects_other_owner(&q) || lacks_payer(&q) || from_wrong_network(&q))
    return refuse_plainly(out);
  name_action(&q);
  if (q.caller != NULL && q.caller->express_arn != NULL)
    return decide_session(&q, out);
  rc = decide_policies(&q, out);
  if (rc == 0 && out->allowed && is_foreign_object(&q))
    rc = refuse_plainly(out);
  return rc;
}

int authorize_s3(struct world *w, const struct s3_access *a, struct s3_verdict *out) {
  struct s3_verdict fresh = {0};
  int rc;

  world_lock(w);
  rc = decide_locked(w, a, &fresh);
  world_unlock(w);
  if (rc != 0)
    s3_verdict_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

bool authorize_s3_may_know(struct world *w, const struct s3_access *a) {
  struct s3_access list = *a;
  struct s3_verdict verdict = {0};
  bool may;

  list.action = "s3:ListBucket";
  list.key = NULL;
  list.query = NULL;
  list.tags = NULL;
  may = authorize_s3(w, &list, &verdict) == 0 && verdict.allowed;
  s3_verdict_fini(&verdict);
  return may;
}
