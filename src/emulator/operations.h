/* The S3 operations: which request is which, and the functions that do them.
 *
 * A handler runs after authentication with x->bucket filled; it authorizes,
 * acts, and leaves a reply. */
#ifndef S3APFS_EMULATOR_OPERATIONS_H
#define S3APFS_EMULATOR_OPERATIONS_H

#include "exchange.h"

struct operation {
  const char *name;
  const char *method;
  enum { LEVEL_SERVICE, LEVEL_BUCKET, LEVEL_OBJECT } level;
  const char *query;  /* parameter that must be there, or NULL */
  const char *header; /* the same of a header */
  bool through_access_point;
  bool bucket_may_be_missing;
  void (*run)(struct exchange *x);
};

/* NULL: no operation of S3 looks like that, or none that is implemented. */
const struct operation *operation_select(const struct exchange *x);
/* Checks what is common to all (bucket, region, access point), then runs. op may be NULL. */
void operation_run(const struct operation *op, struct exchange *x);

void op_list_buckets(struct exchange *x);
void op_create_session(struct exchange *x);

void op_create_bucket(struct exchange *x);
void op_delete_bucket(struct exchange *x);
void op_head_bucket(struct exchange *x);
void op_get_bucket_location(struct exchange *x);
void op_get_bucket_versioning(struct exchange *x);
void op_get_bucket_policy(struct exchange *x);
void op_put_bucket_policy(struct exchange *x);
void op_delete_bucket_policy(struct exchange *x);
void op_get_bucket_policy_status(struct exchange *x);
void op_get_public_access_block(struct exchange *x);
void op_put_public_access_block(struct exchange *x);
void op_delete_public_access_block(struct exchange *x);
void op_get_ownership_controls(struct exchange *x);
void op_put_ownership_controls(struct exchange *x);
void op_delete_ownership_controls(struct exchange *x);
void op_get_request_payment(struct exchange *x);
void op_put_request_payment(struct exchange *x);

void op_list_objects(struct exchange *x);
void op_list_objects_v2(struct exchange *x);
void op_list_uploads(struct exchange *x);

void op_get_object(struct exchange *x);
void op_head_object(struct exchange *x);
void op_get_object_attributes(struct exchange *x);
void op_put_object(struct exchange *x);
void op_copy_object(struct exchange *x);
void op_rename_object(struct exchange *x);
void op_delete_object(struct exchange *x);
void op_delete_objects(struct exchange *x);
void op_get_object_tagging(struct exchange *x);
void op_put_object_tagging(struct exchange *x);
void op_delete_object_tagging(struct exchange *x);

void op_create_upload(struct exchange *x);
void op_upload_part(struct exchange *x);
void op_upload_part_copy(struct exchange *x);
void op_complete_upload(struct exchange *x);
void op_abort_upload(struct exchange *x);
void op_list_parts(struct exchange *x);

#endif
