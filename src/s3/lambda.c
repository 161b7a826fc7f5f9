/* What Object Lambda functions taught about the size of their answers.
 *
 * HEAD and LIST of an Object Lambda access point tell, unless the function was
 * made to answer them too, the size of the object below it. What a GET brought is
 * the truth, and is put in the place of theirs from then on. A later answer of
 * another size takes its place: every open asks. The oldest of many is forgotten,
 * which costs its next open one more request. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "client_internal.h"

#define SIZES_MAX 10000

struct lambda_size {
  char *key;
  uint64_t size;
  UT_hash_handle hh;
};

struct s3_lambda_sizes {
  struct {
    struct mtx lock;
    struct lambda_size *by_key; /* oldest first */
  } synced;
};

int s3_lambda_sizes_new(struct s3_lambda_sizes **out) {
  struct s3_lambda_sizes *l = calloc(1, sizeof(*l));

  if (l == NULL)
    return -ENOMEM;
  mtx_init(&l->synced.lock, RANK_S3);
  *out = l;
  return 0;
}

static void drop_locked(struct s3_lambda_sizes *l, struct lambda_size *s) {
  HASH_DEL(l->synced.by_key, s);
  free(s->key);
#ifndef __clang_analyzer__ /* it does not follow the table's own links */
  free(s);
#endif
}

void s3_lambda_sizes_free(struct s3_lambda_sizes *l) {
  if (l == NULL)
    return;
  while (l->synced.by_key != NULL)
    drop_locked(l, l->synced.by_key);
  mtx_fini(&l->synced.lock);
  free(l);
}

static struct lambda_size *size_new(const char *key) {
  struct lambda_size *s = calloc(1, sizeof(*s));

  if (s == NULL)
    return NULL;
  s->key = strdup(key);
  if (s->key == NULL) {
    free(s);
    return NULL;
  }
  return s;
}

void s3_lambda_learn(struct s3_lambda_sizes *l, const char *key, uint64_t size) {
  struct lambda_size *s;

  mtx_lock(&l->synced.lock);
  HASH_FIND_STR(l->synced.by_key, key, s);
  if (s == NULL) {
    if (HASH_COUNT(l->synced.by_key) >= SIZES_MAX)
      drop_locked(l, l->synced.by_key);
    s = size_new(key);
    if (s != NULL)
      HASH_ADD_KEYPTR(hh, l->synced.by_key, s->key, strlen(s->key), s);
  }
  if (s != NULL)
    s->size = size;
  mtx_unlock(&l->synced.lock);
}

void s3_lambda_apply(struct s3_lambda_sizes *l, const char *key, uint64_t *size) {
  const struct lambda_size *s;

  mtx_lock(&l->synced.lock);
  HASH_FIND_STR(l->synced.by_key, key, s);
  if (s != NULL)
    *size = s->size;
  mtx_unlock(&l->synced.lock);
}
