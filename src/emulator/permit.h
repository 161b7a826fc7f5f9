/* The data plane's question to authorize_s3.h, asked of an exchange. */
#ifndef S3APFS_EMULATOR_PERMIT_H
#define S3APFS_EMULATOR_PERMIT_H

#include "authorize_s3.h"
#include "exchange.h"
#include "object_file.h"

/* What is known about the object; all may be NULL. */
struct permit {
  const struct object_info *object; /* the existing one */
  const struct kvlist *new_tags;
};

/* May the caller do this at that address (&x->to or a copy's source)? 0, or a
 * negative errno after answering. what may be NULL. */
int permit(struct exchange *x, const struct address *at, const char *action,
           const struct permit *what);
/* The same without answering; ends with s3_verdict_fini. 0 or -ENOMEM. */
int permit_ask(struct exchange *x, const struct address *at, const char *action,
               const struct permit *what, struct s3_verdict *out);
/* May the caller do this (kms:...) with that KMS key? 0, or answered. */
int permit_key(struct exchange *x, const char *kms_key, const char *action);
/* Answers for a key that is not there: NoSuchKey, or AccessDenied to who may not list. */
int permit_refuse_missing(struct exchange *x, const struct address *at);

#endif
