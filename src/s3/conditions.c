/* Which conditions the server honours.
 *
 * AWS honours all of them. Any other server is asked once, at the first write, on
 * a throw-away object inside the store's prefix: a condition that cannot hold must
 * be refused. UNKNOWN -> PROBING (one thread asks, others wait) -> KNOWN, or back
 * to UNKNOWN when the questions could not be asked. The answer is noted for later mounts,
 * by host and bucket, where the caller keeps notes. What a server ignores is
 * replaced by looking first (s3_check_now), which is said once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "store_internal.h"

#define WRONG_ETAG "00000000000000000000000000000000"

struct name_of {
  unsigned bit;
  const char *name;
};

static const struct name_of names[] = {
    {S3_HONOURS_PUT_ABSENT, "PutObject If-None-Match"},
    {S3_HONOURS_PUT_MATCH, "PutObject If-Match"},
    {S3_HONOURS_COMPLETE_ABSENT, "CompleteMultipartUpload If-None-Match"},
    {S3_HONOURS_COMPLETE_MATCH, "CompleteMultipartUpload If-Match"},
    {S3_HONOURS_COPY, "CopyObject If-None-Match"},
    {S3_HONOURS_SOURCE, "x-amz-copy-source-if-match"},
    {S3_HONOURS_DELETE, "DeleteObject If-Match"},
    {S3_HONOURS_DELETE_MANY, "the etags of DeleteObjects"},
};

static bool is_aws(struct s3_store *s) {
  static const char *const suffixes[] = {".amazonaws.com", ".amazonaws.com.cn", ".api.aws"};
  struct s3_where *w = s3_client_where(s->writer);
  bool yes = s->writer->site.endpoint_url == NULL;

  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
    yes |= text_has_suffix(w->endpoint.host, suffixes[i]);
  s3_where_unref(w);
  return yes;
}

/* --- the questions ------------------------------------------------------------------ */

struct probe {
  struct s3_store *s;
  char *key;
  unsigned honours;
  bool partly; /* some questions were not answered */
  struct s3_try t;
};

/* A condition that cannot hold: refused as it must be? -errno: no answer. */
static int note(struct probe *p, int rc, unsigned bit) {
  s3_try_again(&p->t);
  if (rc == -ESTALE || rc == -ENOENT) {
    p->honours |= bit;
    return 0;
  }
  /* A server that does not know the header may refuse it in its own way. */
  return rc == -EOPNOTSUPP || rc == -EINVAL ? 0 : rc;
}

static int put_probe(struct probe *p, const struct store_condition *cond) {
  struct s3_bytes nothing;
  struct store_attr a;
  int rc = s3_bytes_init(p->s->writer, "", 0, &nothing);

  return rc == 0 ? s3_change_put(p->s->writer, p->key, &nothing, NULL, cond, &a, &p->t) : rc;
}

static int ask_put(struct probe *p) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  const struct store_condition wrong = {.what = STORE_IF_MATCH, .etag = WRONG_ETAG};
  int rc = note(p, put_probe(p, &absent), S3_HONOURS_PUT_ABSENT);

  return rc == 0 ? note(p, put_probe(p, &wrong), S3_HONOURS_PUT_MATCH) : rc;
}

/* An upload of one byte, completed under a condition that cannot hold; a server
 * that ignores it has the probe replaced by that byte. */
static int ask_completion(struct probe *p, const struct store_condition *cond, unsigned bit) {
  struct s3_bytes one;
  struct s3_client *c = p->s->writer;
  struct store_part part;
  struct store_attr a;
  struct s3_completion w = {.parts = &part, .count = 1, .size = 1};
  char *upload = NULL;
  int rc = s3_bytes_init(c, "x", 1, &one);

  if (rc == 0)
    rc = s3_change_create_upload(c, p->key, NULL, &upload, &p->t);
  if (rc != 0)
    return rc;
  w.upload = upload;
  rc = s3_change_put_part(c, p->key, upload, 1, &one, &part, &p->t);
  if (rc == 0)
    rc = note(p, s3_change_complete(c, p->key, &w, cond, &a, &p->t), bit);
  if ((rc != 0 || (p->honours & bit) != 0) && s3_change_abort(c, p->key, upload, &p->t) != 0)
    log_debug("the throw-away upload of '%s' was not aborted", p->key);
  s3_try_again(&p->t);
  free(upload);
  return rc;
}

static int ask_complete(struct probe *p) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  const struct store_condition wrong = {.what = STORE_IF_MATCH, .etag = WRONG_ETAG};
  int rc = ask_completion(p, &absent, S3_HONOURS_COMPLETE_ABSENT);

  return rc == 0 ? ask_completion(p, &wrong, S3_HONOURS_COMPLETE_MATCH) : rc;
}

static int ask_copy(struct probe *p) {
  const struct store_source from = {.key = p->key, .etag = WRONG_ETAG};
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct s3_copying w = {.from = &from, .replace = true};
  struct store_attr a;
  int rc = note(p, s3_change_copy(p->s->writer, p->key, &w, &absent, &a, &p->t), S3_HONOURS_COPY);

  w.match = true;
  if (rc == 0)
    rc = note(p, s3_change_copy(p->s->writer, p->key, &w, NULL, &a, &p->t), S3_HONOURS_SOURCE);
  return rc;
}

/* Both questions need an object that is there; a server that ignores the first
 * condition has removed it, and is not asked the second. */
static int ask_delete(struct probe *p) {
  struct store_doomed doomed = {.key = p->key, .etag = WRONG_ETAG};
  struct store_doomed *const items[] = {&doomed};
  int rc = note(p, s3_change_delete(p->s->writer, p->key, WRONG_ETAG, &p->t), S3_HONOURS_DELETE);

  if (rc != 0 || (p->honours & S3_HONOURS_DELETE) == 0)
    return rc;
  rc = s3_change_delete_many(p->s->writer, items, 1, &p->t);
  return note(p, rc != 0 ? rc : doomed.err, S3_HONOURS_DELETE_MANY);
}

static void clean_up(struct probe *p) {
  int rc = s3_change_delete(p->s->writer, p->key, NULL, &p->t);

  if (rc != 0 && rc != -ENOENT)
    log_warn("%s: the empty object '%s', made to learn which conditions the server honours, "
             "could not be removed",
             p->s->source, p->key);
  s3_try_again(&p->t);
}

/* Deleting may be denied where writing is allowed: then its answers stay out. */
static int ask_all(struct probe *p) {
  int rc = put_probe(p, NULL);

  if (rc != 0)
    return rc;
  rc = ask_put(p);
  if (rc == 0)
    rc = ask_complete(p);
  if (rc == 0)
    rc = ask_copy(p);
  if (rc == 0 && ask_delete(p) != 0) {
    p->partly = true;
    s3_try_again(&p->t);
  }
  clean_up(p);
  return rc;
}

static int probe_server(struct s3_store *s, unsigned *out, bool *partly) {
  struct probe p = {.s = s};
  uint64_t random = 0;
  int rc;

  if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
    return -EIO;
  p.key = text_printf("%s.s3apfs-probe-%016llx", s->prefix, (unsigned long long)random);
  if (p.key == NULL)
    return -ENOMEM;
  s3_try_init(&p.t);
  rc = ask_all(&p);
  *partly = p.partly;
  if (rc == 0)
    *out = p.honours;
  else if (rc != -EACCES)
    rc = s3_store_map_error(s, "asking for conditions with", p.key, rc, &p.t.error);
  s3_try_fini(&p.t);
  free(p.key);
  return rc;
}

/* --- the answer --------------------------------------------------------------------- */

static void list_missing(unsigned honours, struct buf *out) {
  const char *between = "";

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if ((honours & names[i].bit) != 0)
      continue;
    buf_printf(out, "%s%s", between, names[i].name);
    between = ", ";
  }
}

static void warn_missing(struct s3_store *s, unsigned honours) {
  struct buf missing;

  if (honours == S3_HONOURS_ALL)
    return;
  buf_init(&missing, 0);
  list_missing(honours, &missing);
  log_warn("%s: the server ignores conditions (%s); s3apfs looks first instead, and a change made "
           "by another host at that moment can be overwritten",
           s->source, buf_cstr(&missing));
  buf_fini(&missing);
}

static char *server_name(struct s3_store *s) {
  struct s3_where *w = s3_client_where(s->writer);
  char *name = text_printf("%s://%s%s %s", w->endpoint.scheme, w->endpoint.host, w->endpoint.path,
                           s->writer->bucket);

  s3_where_unref(w);
  return name;
}

/* Noted by an earlier mount, or asked now. */
static int learn(struct s3_store *s, unsigned *honours) {
  char *server = s->notes != NULL ? server_name(s) : NULL;
  bool partly = false;
  int rc = -ENOENT;

  if (server != NULL)
    rc = s->notes->get(s->notes->arg, server, honours);
  if (rc != 0) {
    rc = probe_server(s, honours, &partly);
    if (rc == 0 && !partly && server != NULL)
      s->notes->put(s->notes->arg, server, *honours);
  }
  free(server);
  return rc;
}

static int probe_now(struct s3_store *s, unsigned *out) {
  unsigned honours = S3_HONOURS_ALL;
  int rc = is_aws(s) ? 0 : learn(s, &honours);

  mtx_lock(&s->conditions.lock);
  s->conditions.state = rc == 0 ? CONDITIONS_KNOWN : CONDITIONS_UNKNOWN;
  s->conditions.honours = rc == 0 ? honours : 0;
  cond_broadcast(&s->conditions.probed);
  mtx_unlock(&s->conditions.lock);
  if (rc == 0)
    warn_missing(s, honours);
  if (rc == -EACCES)
    honours = rc = 0;
  if (rc == 0)
    *out = honours;
  return rc;
}

int s3_conditions_get(struct s3_store *s, unsigned *out) {
  bool ask;

  mtx_lock(&s->conditions.lock);
  while (s->conditions.state == CONDITIONS_PROBING)
    cond_wait(&s->conditions.probed, &s->conditions.lock);
  ask = s->conditions.state == CONDITIONS_UNKNOWN;
  if (ask)
    s->conditions.state = CONDITIONS_PROBING;
  else
    *out = s->conditions.honours;
  mtx_unlock(&s->conditions.lock);
  return ask ? probe_now(s, out) : 0;
}

void s3_conditions_describe(struct s3_store *s, struct buf *out) {
  unsigned honours;
  bool known;

  mtx_lock(&s->conditions.lock);
  known = s->conditions.state == CONDITIONS_KNOWN;
  honours = s->conditions.honours;
  mtx_unlock(&s->conditions.lock);
  if (!known || honours == S3_HONOURS_ALL)
    return;
  buf_puts(out, "; conditions the server ignores: ");
  list_missing(honours, out);
}
