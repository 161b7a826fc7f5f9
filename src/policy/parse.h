/* The parser's inside, shared by parse.c (document) and parse_statement.c. */
#ifndef S3APFS_POLICY_PARSE_H
#define S3APFS_POLICY_PARSE_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "document.h"
#include "s3apfs/base/buf.h"

struct parser {
  const char *json;
  size_t len;
  struct policy *policy;
  size_t statement;    /* 1-based; 0 = the document itself */
  const char *element; /* NULL = the statement or document as a whole */
  struct buf remark;   /* what is wrong, without the place */
};

/* Appends to the remark and returns -EINVAL. */
int parse_fail(struct parser *ps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a value of the document, whose line and column are added. */
int parse_fail_value(struct parser *ps, const char *value);

/* node: one element of the Statement array. */
int parse_statement(struct parser *ps, const cJSON *node, struct statement *out);
void statement_fini(struct statement *s);

#endif
