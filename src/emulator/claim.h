/* A signature as claimed by a request, taken apart; nothing verified yet. */
#ifndef S3APFS_EMULATOR_CLAIM_H
#define S3APFS_EMULATOR_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/aws/request.h"

struct claim { /* owned strings, never NULL after claim_parse succeeds */
  bool presigned;
  bool asymmetric; /* SigV4a */
  char *algorithm;
  char *access_key_id;
  char *date;   /* "20261122" */
  char *region; /* SigV4a: the region set */
  char *service;
  char *signed_headers;
  char *signature;
  char *token;  /* "" when none was sent */
  int64_t time; /* seconds, from X-Amz-Date (or Date) */
  int64_t expires;
};

/* 0; -ENOENT: the request is not signed; -EINVAL with S3's code and message in
 * *code and *why (static): malformed; -ENOMEM. */
int claim_parse(const struct aws_request *r, struct claim *out, const char **code,
                const char **why);
void claim_fini(struct claim *c);
/* Is this header's name in the list of signed ones? */
bool claim_covers(const struct claim *c, const char *header);

#endif
