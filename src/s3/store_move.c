/* The S3 store: names that move in one step, in directory buckets. Names that end in '/' do not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "store_internal.h"

/* Of a lost reply: it is there, under that etag, and no more where it was. */
static bool settle_move(struct s3_store *s, const struct store_source *from, const char *key) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  const struct store_condition moved = {.what = STORE_IF_MATCH, .etag = from->etag};
  struct s3_try t;
  bool done;

  if (from->etag == NULL)
    return false;
  s3_try_init(&t);
  done = s3_check_now(s, key, &moved, &t) == 0;
  s3_try_again(&t);
  done = done && s3_check_now(s, from->key, &absent, &t) == 0;
  s3_try_fini(&t);
  return done;
}

/* A refused condition may be the source's or the target's. */
static int judge_move(struct s3_store *s, int rc, const char *key,
                      const struct store_condition *cond) {
  struct s3_try t;

  if (rc != -ESTALE || cond == NULL || cond->what != STORE_IF_ABSENT)
    return rc;
  s3_try_init(&t);
  rc = s3_check_now(s, key, cond, &t) == -EEXIST ? -EEXIST : -ESTALE;
  s3_try_fini(&t);
  return rc;
}

/* Nothing was done, and that is no question of who asks: a copy may be made all the same. */
static bool is_no_such_call(int rc, const struct s3_error *e) {
  return rc == -EOPNOTSUPP ||
         (e->class == S3_ERR_FATAL && (e->http_status == 400 || e->http_status == 405));
}

static int move_key(struct s3_store *s, const struct store_source *from, const char *key,
                    const struct store_condition *cond) {
  struct s3_try t;
  int rc;

  s3_try_init(&t);
  rc = s3_change_rename(s->writer, from, key, cond, &t);
  if (rc != 0 && (s3_error_is_open(&t.error) || t.repeated) && settle_move(s, from, key))
    rc = 0;
  if (rc != 0)
    rc = judge_move(s, rc, key, cond);
  if (rc != 0 && is_no_such_call(rc, &t.error))
    rc = -EOPNOTSUPP;
  else if (rc != 0)
    rc = s3_store_map_error(s, "RenameObject", key, rc, &t.error);
  s3_try_fini(&t);
  return rc;
}

int s3_store_move(struct store *st, const struct store_source *from, const char *name,
                  const struct store_condition *cond) {
  struct s3_store *s = s3_store_self(st);
  struct store_source whole = *from;
  char *source = NULL;
  char *key = NULL;
  int rc = text_has_suffix(from->key, "/") || text_has_suffix(name, "/") ? -EOPNOTSUPP : 0;

  if (rc == 0)
    rc = s3_store_full_key(s, from->key, &source);
  if (rc == 0)
    rc = s3_store_full_key(s, name, &key);
  if (rc == 0) {
    whole.key = source;
    rc = move_key(s, &whole, key, cond);
  }
  free(source);
  free(key);
  return rc;
}
