/* Session policies of Access Grants. Pure. The actions are those that the S3
 * user guide lists for the location's role. */
#include "vending.h"

#include <string.h>

#define READ_ACTIONS                                                                               \
  "\"s3:GetObject\",\"s3:GetObjectVersion\",\"s3:GetObjectAcl\",\"s3:GetObjectVersionAcl\","       \
  "\"s3:GetObjectAttributes\",\"s3:GetObjectVersionAttributes\",\"s3:ListMultipartUploadParts\""
#define WRITE_ACTIONS                                                                              \
  "\"s3:PutObject\",\"s3:PutObjectAcl\",\"s3:PutObjectVersionAcl\",\"s3:DeleteObject\","           \
  "\"s3:DeleteObjectVersion\",\"s3:AbortMultipartUpload\""
#define LIST_ACTIONS "\"s3:ListBucket\",\"s3:ListBucketVersions\",\"s3:ListBucketMultipartUploads\""

/* In a JSON string, with `*`, `?` and `$` as policy variables for themselves. */
static void put_literal(struct buf *out, const char *s) {
  for (; *s != '\0'; s++) {
    unsigned char ch = (unsigned char)*s;

    if (*s == '*' || *s == '?' || *s == '$')
      buf_printf(out, "${%c}", *s);
    else if (*s == '"' || *s == '\\')
      buf_printf(out, "\\%c", *s);
    else if (ch < 0x20)
      buf_printf(out, "\\u%04x", ch);
    else
      buf_putc(out, *s);
  }
}

static void put_objects(struct buf *out, const struct scope *scope, const char *actions) {
  buf_printf(out, "{\"Effect\":\"Allow\",\"Action\":[%s],\"Resource\":\"arn:aws:s3:::", actions);
  put_literal(out, scope->bucket);
  buf_putc(out, '/');
  put_literal(out, scope->prefix);
  buf_puts(out, scope->is_prefix ? "*\"}" : "\"}");
}

/* Listing is by prefix: the condition keeps it inside the scope. An object
 * grant lists exactly the object's own name. */
static void put_listing(struct buf *out, const struct scope *scope) {
  buf_puts(out, "{\"Effect\":\"Allow\",\"Action\":[" LIST_ACTIONS "],\"Resource\":\"arn:aws:s3:::");
  put_literal(out, scope->bucket);
  buf_putc(out, '"');
  if (scope->prefix[0] != '\0' || !scope->is_prefix) {
    buf_puts(out, ",\"Condition\":{\"StringLike\":{\"s3:prefix\":\"");
    put_literal(out, scope->prefix);
    buf_puts(out, scope->is_prefix ? "*\"}}" : "\"}}");
  }
  buf_putc(out, '}');
}

void vending_session_policy(const struct scope *scope, enum scope_permission permission,
                            struct buf *out) {
  buf_puts(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
  if ((permission & SCOPE_READ) != 0) {
    put_objects(out, scope, READ_ACTIONS);
    buf_putc(out, ',');
    put_listing(out, scope);
  }
  if (permission == SCOPE_READWRITE)
    buf_putc(out, ',');
  if ((permission & SCOPE_WRITE) != 0)
    put_objects(out, scope, WRITE_ACTIONS);
  buf_puts(out, "]}");
}
