/* What the operations of the control planes share. An operation is a function
 * over a struct control that runs under the world's lock: it authorizes,
 * changes the world and writes the reply, all without I/O. */
#ifndef S3APFS_EMULATOR_CONTROL_INTERNAL_H
#define S3APFS_EMULATOR_CONTROL_INTERNAL_H

#include <errno.h>

#include "context.h"
#include "control.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/policy/layer.h"

struct control {
  struct world *w;
  const struct control_request *q;
  struct control_reply *r;
  const struct credential *caller; /* NULL = anonymous */
  const struct kvlist *params;     /* STS, IAM: the decoded form */
  const struct xml_node *body;     /* s3control: root of the body, or NULL */
  char *id;                        /* s3control: the path's variable part, or NULL */
  bool changed;                    /* an administrative change that must be saved */
};

/* Writes the error document. As an expression control_error() is -EPROTO, so that
 * `return control_error(...)` ends an operation (and readers and analyzers see
 * that it is never 0). */
void control_write_error(struct control *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define control_error(...) (control_write_error(__VA_ARGS__), -EPROTO)
#define control_no_memory(c)                                                                       \
  control_error(c, 500, "InternalError", "The emulator ran out of memory.")
/* Root element with the plane's namespace; the result goes to &c->r->body. */
struct buf *control_open(struct control *c, const char *root);
void control_close(struct control *c, const char *root);
/* 200 or 204 without a body. */
int control_empty(struct control *c, int status);

/* Identity policies, boundary, session policy; a resource policy when the
 * caller is of another account. account: the resource's owner. extra may be
 * NULL. On a refusal writes AccessDenied and returns -EPROTO. */
int control_authorize(struct control *c, const char *action, const char *resource,
                      const char *account, const struct document *resource_policy,
                      const struct context *extra);

/* The same, with the name of the resource's policy in refusals. */
int control_authorize_layer(struct control *c, const char *action, enum policy_layer layer,
                            const char *resource, const char *account,
                            const struct document *resource_policy, const struct context *extra);

/* A listing: ROOT{LIST{ITEM...}, NextToken when items are left}. */
struct control_list {
  const char *root, *list, *item; /* the elements' names */
  /* The item behind `after` (NULL: the first) that is to be listed, or NULL. */
  const void *(*next)(const struct control *c, const void *of, const void *after);
  void (*write)(struct buf *out, const void *item);
};
/* Writes the page that maxResults and nextToken ask for; malformed ones are
 * answered. `of` is passed to next. */
int control_write_list(struct control *c, const struct control_list *l, const void *of);

void control_time(struct buf *out, const char *name, int64_t seconds);
/* Credentials{AccessKeyId, SecretAccessKey, SessionToken, Expiration} */
void control_write_credentials(struct buf *out, const struct credential *session);

typedef int (*control_fn)(struct control *c);
struct control_operation {
  const char *name;
  control_fn run;
};
/* NULL when there is no such operation. *id: the path's variable part, *id_len
 * bytes of the path, 0 for none. */
const struct control_operation *s3control_find(const struct control_request *q, const char **id,
                                               size_t *id_len);
const struct control_operation *sts_find(const char *action);
const struct control_operation *iam_find(const char *action);

/* Operations by file. */
int s3control_create_access_point(struct control *c); /* s3control_access_points.c */
int s3control_get_access_point(struct control *c);
int s3control_delete_access_point(struct control *c);
int s3control_list_access_points(struct control *c);
int s3control_put_access_point_policy(struct control *c);
int s3control_get_access_point_policy(struct control *c);
int s3control_delete_access_point_policy(struct control *c);
int s3control_get_access_point_policy_status(struct control *c);
int s3control_get_public_access_block(struct control *c); /* s3control_account.c */
int s3control_put_public_access_block(struct control *c);
int s3control_delete_public_access_block(struct control *c);
int s3control_create_instance(struct control *c); /* s3control_instance.c */
int s3control_get_instance(struct control *c);
int s3control_delete_instance(struct control *c);
int s3control_associate_directory(struct control *c);
int s3control_dissociate_directory(struct control *c);
int s3control_list_instances(struct control *c);
int s3control_instance_for_prefix(struct control *c);
int s3control_put_instance_policy(struct control *c);
int s3control_get_instance_policy(struct control *c);
int s3control_delete_instance_policy(struct control *c);
int s3control_create_location(struct control *c); /* s3control_locations.c */
int s3control_get_location(struct control *c);
int s3control_update_location(struct control *c);
int s3control_delete_location(struct control *c);
int s3control_list_locations(struct control *c);
int s3control_create_grant(struct control *c); /* s3control_grants.c */
int s3control_get_grant(struct control *c);
int s3control_delete_grant(struct control *c);
int s3control_list_grants(struct control *c);
int s3control_list_caller_grants(struct control *c);
int s3control_get_data_access(struct control *c); /* s3control_data_access.c */
int s3control_list_tags(struct control *c);
int s3control_tag(struct control *c);
int s3control_untag(struct control *c);

/* --- shared by the s3control files --- */
/* The account that the request is about; answered when missing or unknown. */
int s3control_account(struct control *c, struct account **out);
/* The same, authorized for the action on all resources ("*"). */
int s3control_account_for(struct control *c, const char *action, struct account **out);
/* The same, authorized for the action on the account's resource TYPE/ID. */
int s3control_account_for_resource(struct control *c, const char *action, const char *type,
                                   const char *id, struct account **out);
/* The instance of account and region, authorized for the action; answered
 * when there is none. */
int s3control_instance(struct control *c, const char *action, struct grants_instance **out);
/* Tags/Tag{Key,Value} of the body. */
int s3control_read_tags(struct control *c, const struct xml_node *tags, struct kvlist *out);
/* The body's Policy into *d; answers `code` when it is malformed. */
int s3control_read_policy(struct control *c, const char *code, struct document *d);
/* Drops a resource's policy, and the reply to that. */
int s3control_delete_policy(struct control *c, struct document *d);
void s3control_write_bpa(struct buf *out, const struct block_public_access *bpa);
void s3control_read_bpa(const struct xml_node *n, struct block_public_access *out);

#endif
