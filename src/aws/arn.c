/* ARN splitting: five colons separate six parts, the last keeps its own. */
#include "s3apfs/aws/arn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define ARN_HEAD_PARTS 5 /* "arn", partition, service, region, account */

static int arn_copy(const char *const at[], const size_t len[], const char *resource,
                    struct arn *out) {
  struct arn a = {
      .partition = text_dup_n(at[1], len[1]),
      .service = text_dup_n(at[2], len[2]),
      .region = text_dup_n(at[3], len[3]),
      .account = text_dup_n(at[4], len[4]),
      .resource = strdup(resource),
  };

  if (a.partition == NULL || a.service == NULL || a.region == NULL || a.account == NULL ||
      a.resource == NULL) {
    arn_fini(&a);
    return -ENOMEM;
  }
  *out = a;
  return 0;
}

int arn_parse(const char *s, struct arn *out) {
  const char *at[ARN_HEAD_PARTS];
  size_t len[ARN_HEAD_PARTS];

  for (int i = 0; i < ARN_HEAD_PARTS; i++) {
    at[i] = s;
    len[i] = strcspn(s, ":");
    if (s[len[i]] == '\0')
      return -EINVAL;
    s += len[i] + 1;
  }
  if (len[0] != 3 || memcmp(at[0], "arn", 3) != 0)
    return -EINVAL;
  if (len[1] == 0 || len[2] == 0 || *s == '\0')
    return -EINVAL;
  return arn_copy(at, len, s, out);
}

void arn_fini(struct arn *a) {
  free(a->partition);
  free(a->service);
  free(a->region);
  free(a->account);
  free(a->resource);
  memset(a, 0, sizeof(*a));
}
