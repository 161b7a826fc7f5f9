/* Routing.
 *
 * A bucket or access point is named by the host's first labels or, path style,
 * by the path's first segment. Names are looked up in this order: a bucket, an
 * alias, NAME-ACCOUNT. What matches nothing is a bucket that does not exist. */
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host.h"
#include "s3apfs/base/text.h"

#define CONTROL_PREFIX "/v20180820/"
/* S3: "Object key names ... maximum length of 1,024 bytes". */
#define KEY_MAX 1024

static int set(char **field, const char *value) {
  char *copy = strdup(value);
  if (!copy)
    return -ENOMEM;
  free(*field);
  *field = copy;
  return 0;
}

/* --- resolving --- */

static int take_access_point(struct world_access_point *ap, struct address *a) {
  a->kind = ADDRESS_ACCESS_POINT;
  a->access_point = ap->kind;
  a->function = ap->function;
  int err = set(&a->bucket, ap->bucket);
  if (!err)
    err = set(&a->account, ap->account);
  if (!err)
    err = set(&a->access_point_arn, ap->arn);
  world_access_point_fini(ap);
  return err;
}

int route_resolve_access_point(struct world *w, const char *account, const char *region,
                               const char *name, struct address *a) {
  struct world_access_point ap;
  int err = world_find_access_point(w, account, *region ? region : NULL, name, &ap);
  if (!err)
    return take_access_point(&ap, a);
  a->kind = ADDRESS_ACCESS_POINT;
  return err == -ENOENT ? set(&a->bucket, "") : err;
}

static int resolve_by_label(struct world *w, const char *named, const char *region,
                            struct address *a) {
  char *name, *account;
  int err = host_split_access_point(named, &name, &account);
  if (err == -EINVAL) {
    a->kind = ADDRESS_BUCKET;
    return set(&a->bucket, named);
  }
  if (err)
    return err;
  err = route_resolve_access_point(w, account, region, name, a);
  free(name);
  free(account);
  return err;
}

static int resolve_bucket(struct world *w, const char *named, struct address *a) {
  struct world_bucket b;
  int err = world_find_bucket(w, named, &b);
  if (err)
    return err;
  world_bucket_fini(&b);
  a->kind = ADDRESS_BUCKET;
  return set(&a->bucket, named);
}

static int resolve_name(struct world *w, const char *named, const char *region, struct address *a) {
  struct world_access_point ap;
  int err = set(&a->named, named);
  if (!err)
    err = resolve_bucket(w, named, a);
  if (err == -ENOENT && (err = world_find_access_point_by_alias(w, named, &ap)) == 0) {
    a->by_alias = true;
    return take_access_point(&ap, a);
  }
  return err == -ENOENT ? resolve_by_label(w, named, region, a) : err;
}

int route_resolve(struct world *w, const char *named, const char *region, const char *key,
                  struct address *a) {
  char *bare = host_bare_name(named);
  int err = bare ? set(&a->key, key) : -ENOMEM;
  if (!err)
    err = resolve_name(w, bare, region, a);
  free(bare);
  return err;
}

/* --- the request --- */

/* Credential=AKID/DATE/REGION/SERVICE/aws4_request, in header or query. SigV4a
 * scopes have no region. */
char *route_claimed_region(const struct exchange *x) {
  const char *c = exchange_query(x, "X-Amz-Credential");
  const char *header = exchange_header(x, "Authorization");
  if (!c && header && (c = strstr(header, "Credential=")) != NULL)
    c += strlen("Credential=");
  size_t parts[6], n = 0, at = 0;
  size_t end = c ? strcspn(c, ", ") : 0;
  while (c && n < 6) {
    parts[n++] = at;
    at += strcspn(c + at, "/");
    if (at >= end)
      break;
    at++;
  }
  return n == 5 ? text_dup_n(c + parts[2], parts[3] - parts[2] - 1) : strdup("");
}

static int bad_uri(struct exchange *x) {
  return reply_error(x, 400, "InvalidURI", "Couldn't parse the specified URI.");
}

static int check_key(struct exchange *x) {
  size_t len = strlen(x->to.key);
  if (len <= KEY_MAX)
    return 0;
  struct kvlist more;
  kvlist_init(&more);
  kvlist_addf(&more, "Size", "%zu", len);
  kvlist_addf(&more, "MaxSizeAllowed", "%d", KEY_MAX);
  int err = reply_error_with(x, 400, "KeyTooLongError", "Your key is too long", &more);
  kvlist_fini(&more);
  return err;
}

/* path: percent-encoded, behind the slash in front of the key. */
static int decode_piece(const char *raw, size_t len, struct buf *out) {
  int err = text_uri_decode(out, raw, len, false);
  if (!err && (strlen(buf_cstr(out)) != out->len || !text_is_utf8(buf_cstr(out), out->len)))
    err = -EINVAL;
  return err;
}

static int route_to_name(struct exchange *x, const char *named, const struct host *h,
                         const char *raw_key) {
  struct buf key;
  buf_init(&key, 0);
  int err = decode_piece(raw_key, strlen(raw_key), &key);
  char *region = *h->region ? strdup(h->region) : route_claimed_region(x);
  if (!err && !region)
    err = -ENOMEM;
  if (!err)
    err = route_resolve(x->emulator->world, named, region, buf_cstr(&key), &x->to);
  free(region);
  buf_fini(&key);
  return err;
}

static int route_path_style(struct exchange *x, const struct host *h) {
  const char *p = x->request.path + 1;
  size_t len = strcspn(p, "/");
  if (len == 0) {
    x->to.kind = ADDRESS_SERVICE;
    return *p == '/' ? -EINVAL : 0;
  }
  struct buf named;
  buf_init(&named, 0);
  int err = decode_piece(p, len, &named);
  if (!err)
    err = route_to_name(x, buf_cstr(&named), h, p[len] ? p + len + 1 : "");
  buf_fini(&named);
  return err;
}

static bool is_form(const struct exchange *x) {
  const char *type = exchange_header(x, "Content-Type");
  return type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
}

/* STS and IAM: the query protocol, at "/" of a host that names no bucket. */
static bool is_query_protocol(const struct exchange *x, const struct host *h) {
  if (strcmp(x->request.path, "/") != 0 || h->kind != HOST_PLAIN)
    return false;
  if (exchange_query(x, "Action") && exchange_query(x, "Version"))
    return true;
  return strcmp(x->request.method, "POST") == 0 && is_form(x);
}

static bool is_control(const struct exchange *x, const struct host *h) {
  if (!text_has_prefix(x->request.path, CONTROL_PREFIX))
    return false;
  return h->kind == HOST_CONTROL || h->kind == HOST_PLAIN || host_is_account(h->name) ||
         exchange_header(x, "x-amz-account-id");
}

static int route_control(struct exchange *x, const struct host *h) {
  x->to.service = SERVICE_S3CONTROL;
  const char *account = exchange_header(x, "x-amz-account-id");
  if (!account)
    account = h->name;
  return set(&x->to.account, account);
}

/* A name that the world does not know, in front of a host that is not ours by
 * any rule, is part of the host itself ("emulator.lan"). */
static bool names_something(struct exchange *x, const struct host *h) {
  if (h->kind != HOST_ANY)
    return h->kind == HOST_BUCKET || h->kind == HOST_ACCESS_POINT;
  char *bare = x->request.host;
  size_t len = strcspn(bare, ":");
  if (len > 10 && strncasecmp(bare + len - 10, ".localhost", 10) == 0)
    return true;
  struct address probe;
  address_init(&probe);
  int err = route_resolve(x->emulator->world, h->name, "", "", &probe);
  struct world_bucket b;
  bool known = !err && probe.kind == ADDRESS_ACCESS_POINT;
  if (!err && !known && world_find_bucket(x->emulator->world, h->name, &b) == 0) {
    world_bucket_fini(&b);
    known = true;
  }
  address_fini(&probe);
  return known;
}

static int route_by_host(struct exchange *x, const struct host *h) {
  if (is_control(x, h))
    return route_control(x, h);
  if (is_query_protocol(x, h)) {
    x->to.service = SERVICE_STS;
    return 0;
  }
  if (names_something(x, h))
    return route_to_name(x, h->name, h, x->request.path + 1);
  return route_path_style(x, h);
}

int route_request(struct exchange *x) {
  struct host h;
  int err = host_parse(x->request.host, &h);
  if (!err) {
    err = x->request.path[0] == '/' ? route_by_host(x, &h) : -EINVAL;
    host_fini(&h);
  }
  if (!err && !x->to.named)
    err = set(&x->to.named, "");
  if (!err && !x->to.bucket)
    err = set(&x->to.bucket, "");
  if (!err && !x->to.key)
    err = set(&x->to.key, "");
  if (err == -EINVAL)
    return bad_uri(x);
  if (err)
    return reply_error(x, 500, "InternalError", "We encountered an internal error.");
  return check_key(x);
}
