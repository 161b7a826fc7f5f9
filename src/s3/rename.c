/* RenameObject: what directory buckets have instead of a copy and a removal. */
#include <errno.h>
#include <sys/random.h>

#include "change.h"

/* Attempts of one call share a token: the service does the second one no more. */
static int add_token(struct kvlist *headers) {
  uint64_t random[2];

  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
    return -EIO;
  return kvlist_addf(headers, "x-amz-client-token", "%016llx%016llx", (unsigned long long)random[0],
                     (unsigned long long)random[1]);
}

int s3_change_rename(struct s3_client *c, const struct store_source *from, const char *key,
                     const struct store_condition *cond, struct s3_try *t) {
  struct s3_op op = {.method = "PUT", .key = key};
  struct http_reply reply;
  struct kvlist headers;
  struct kvlist query;
  struct buf body;
  int rc;

  kvlist_init(&headers);
  kvlist_init(&query);
  rc = kvlist_add(&query, "renameObject", "");
  if (rc == 0)
    rc = s3_add_source(c, "x-amz-rename-source", from, true, &headers);
  if (rc == 0)
    rc = s3_condition_headers(cond, &headers);
  if (rc == 0)
    rc = add_token(&headers);
  op.query = &query;
  op.headers = &headers;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  kvlist_fini(&headers);
  kvlist_fini(&query);
  if (rc != 0)
    return rc;
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return 0;
}
