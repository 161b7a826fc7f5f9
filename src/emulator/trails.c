/* CloudTrail-shaped records. Built in the thread of the exchange; a record goes
 * out in one write(2) on a descriptor opened for appending, so that threads
 * need no lock between them. */
#include "trails.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_internal.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define EVENT_VERSION "1.11"
#define TRAIL_MODE 0600

struct trails {
  int fd;
};

int trails_open(const char *path, struct trails **out) {
  struct trails *t = calloc(1, sizeof(*t));

  if (t == NULL)
    return -ENOMEM;
  t->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, TRAIL_MODE);
  if (t->fd < 0) {
    int err = -errno;

    free(t);
    return err;
  }
  *out = t;
  return 0;
}

void trails_close(struct trails *t) {
  if (t == NULL)
    return;
  close(t->fd);
  free(t);
}

static void put(cJSON *o, const char *name, const char *value) {
  if (value != NULL && *value != '\0')
    cJSON_AddStringToObject(o, name, value);
}

static void put_time(cJSON *o, const char *name, int64_t seconds) {
  char text[21];

  text_iso8601(seconds, text);
  put(o, name, text);
}

/* --- who --- */

static void put_session(cJSON *identity, const struct credential *c) {
  cJSON *context;
  cJSON *attributes;

  if (c->token == NULL)
    return;
  context = cJSON_AddObjectToObject(identity, "sessionContext");
  if (c->role != NULL) {
    cJSON *issuer = cJSON_AddObjectToObject(context, "sessionIssuer");

    put(issuer, "type", "Role");
    put(issuer, "principalId", c->role->id);
    put(issuer, "arn", c->role->arn);
    put(issuer, "accountId", c->account->id);
    put(issuer, "userName", c->role->name);
  }
  attributes = cJSON_AddObjectToObject(context, "attributes");
  put_time(attributes, "creationDate", c->created);
  put(attributes, "mfaAuthenticated", c->mfa ? "true" : "false");
  put(context, "sourceIdentity", c->source_identity);
}

static const char *identity_type(const struct credential *c) {
  return c->role != NULL ? "AssumedRole" : c->user != NULL ? "IAMUser" : "Root";
}

static cJSON *describe_caller(const struct exchange *x) {
  const struct world_key *k = &x->caller.key;
  struct world *w = x->emulator->world;
  const struct credential *c;
  cJSON *o = cJSON_CreateObject();

  if (x->caller.anonymous || k->access_key_id == NULL) {
    put(o, "type", "AWSAccount");
    put(o, "accountId", "ANONYMOUS_PRINCIPAL");
    return o;
  }
  world_lock(w);
  c = world_credential_locked(w, k->access_key_id);
  put(o, "type", c != NULL ? identity_type(c) : "Unknown");
  put(o, "principalId", k->user_id);
  put(o, "arn", k->arn);
  put(o, "accountId", k->account);
  put(o, "accessKeyId", k->access_key_id);
  if (c != NULL && c->user != NULL)
    put(o, "userName", c->user->name);
  if (c != NULL)
    put_session(o, c);
  world_unlock(w);
  return o;
}

/* --- what --- */

static const char *event_source(const struct exchange *x) {
  if (x->to.service != SERVICE_STS)
    return "s3.amazonaws.com";
  return iam_find(x->operation) != NULL ? "iam.amazonaws.com" : "sts.amazonaws.com";
}

static bool is_object_event(const struct exchange *x) {
  return x->to.service == SERVICE_S3 && x->to.key != NULL && *x->to.key != '\0';
}

static bool reads_only(const struct exchange *x) {
  static const char *const prefixes[] = {"Get", "Head", "List", "AssumeRole"};

  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
    if (x->operation != NULL && text_has_prefix(x->operation, prefixes[i]))
      return true;
  }
  return false;
}

static cJSON *describe_parameters(const struct exchange *x) {
  static const char *const shown[] = {"prefix",     "delimiter",  "max-keys",
                                      "list-type",  "versionId",  "target",
                                      "permission", "partNumber", "uploadId"};
  cJSON *o = cJSON_CreateObject();

  put(o, "bucketName", x->to.named);
  put(o, "key", x->to.key);
  put(o, "Host", x->request.host);
  put(o, "accountId", x->to.service == SERVICE_S3CONTROL ? x->to.account : NULL);
  for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
    put(o, shown[i], exchange_query(x, shown[i]));
  return o;
}

static void add_resource(cJSON *list, const char *type, const char *arn, const char *account) {
  cJSON *o = cJSON_CreateObject();

  put(o, "type", type);
  put(o, "ARN", arn);
  put(o, "accountId", account);
  cJSON_AddItemToArray(list, o);
}

static cJSON *describe_resources(const struct exchange *x) {
  cJSON *list = cJSON_CreateArray();
  char *bucket = text_printf("arn:aws:s3:::%s", x->to.bucket != NULL ? x->to.bucket : "");
  char *object =
      bucket != NULL && is_object_event(x) ? text_printf("%s/%s", bucket, x->to.key) : NULL;

  if (object != NULL)
    add_resource(list, "AWS::S3::Object", object, NULL);
  if (bucket != NULL && x->to.bucket != NULL && *x->to.bucket != '\0')
    add_resource(list, "AWS::S3::Bucket", bucket, x->bucket.account);
  if (x->to.access_point_arn != NULL)
    add_resource(list, "AWS::S3::AccessPoint", x->to.access_point_arn, x->to.account);
  free(object);
  free(bucket);
  return list;
}

/* The message stands in the reply's document, at one depth or another. */
static void put_error(cJSON *record, const struct exchange *x) {
  const struct xml_node *error;
  struct xml_doc *doc;

  if (x->reply.error_code == NULL)
    return;
  put(record, "errorCode", x->reply.error_code);
  if (x->reply.body.len == 0 || xml_parse(x->reply.body.data, x->reply.body.len, &doc) != 0)
    return;
  error = xml_root(doc);
  if (xml_child(error, "Error") != NULL)
    error = xml_child(error, "Error");
  put(record, "errorMessage", xml_child_text(error, "Message"));
  xml_free(doc);
}

static cJSON *describe(const struct exchange *x) {
  cJSON *o = cJSON_CreateObject();
  cJSON *more;

  put(o, "eventVersion", EVENT_VERSION);
  cJSON_AddItemToObject(o, "userIdentity", describe_caller(x));
  put_time(o, "eventTime", x->now_ms / 1000);
  put(o, "eventSource", event_source(x));
  put(o, "eventName", x->operation);
  put(o, "awsRegion",
      x->bucket.region != NULL                                ? x->bucket.region
      : x->caller.region != NULL && *x->caller.region != '\0' ? x->caller.region
                                                              : x->emulator->region);
  put(o, "sourceIPAddress", x->peer);
  put(o, "userAgent", exchange_header(x, "User-Agent"));
  put_error(o, x);
  cJSON_AddItemToObject(o, "requestParameters", describe_parameters(x));
  cJSON_AddNullToObject(o, "responseElements");
  more = cJSON_AddObjectToObject(o, "additionalEventData");
  put(more, "SignatureVersion", x->caller.anonymous ? NULL : "SigV4");
  cJSON_AddNumberToObject(more, "bytesTransferredIn", (double)x->received);
  cJSON_AddNumberToObject(
      more, "bytesTransferredOut",
      (double)(x->reply.fd >= 0 ? x->reply.length : (uint64_t)x->reply.body.len));
  put(more, "x-amz-id-2", x->host_id);
  put(o, "requestID", x->request_id);
  cJSON_AddBoolToObject(o, "readOnly", reads_only(x));
  cJSON_AddItemToObject(o, "resources", describe_resources(x));
  put(o, "eventType", "AwsApiCall");
  cJSON_AddBoolToObject(o, "managementEvent", !is_object_event(x));
  put(o, "eventCategory", is_object_event(x) ? "Data" : "Management");
  put(o, "vpcEndpointId", x->listener->endpoint_id);
  return o;
}

/* --- to whom --- */

static void write_line(struct trails *t, cJSON *record) {
  char *text = cJSON_PrintUnformatted(record);
  struct buf line;
  int rc;

  buf_init(&line, 0);
  if (text != NULL)
    buf_printf(&line, "%s\n", text);
  rc = text == NULL ? -ENOMEM : buf_error(&line);
  if (rc == 0)
    rc = file_write_all(t->fd, line.data, line.len);
  if (rc != 0)
    log_error("a trail record was lost: %s", strerror(-rc));
  buf_fini(&line);
  free(text);
}

static void write_for(struct trails *t, const cJSON *record, const char *account,
                      const char *shared) {
  cJSON *copy = cJSON_Duplicate(record, true);
  char *id = world_make_uuid();

  put(copy, "eventID", id);
  put(copy, "recipientAccountId", account);
  put(copy, "sharedEventID", shared);
  write_line(t, copy);
  cJSON_Delete(copy);
  free(id);
}

/* The owner: of the bucket for what is done in it, of the access point for its
 * administration. */
static const char *owner_of(const struct exchange *x) {
  if (x->to.service == SERVICE_S3)
    return x->bucket.account;
  return x->to.service == SERVICE_S3CONTROL ? x->to.account : NULL;
}

void trails_add(struct trails *t, const struct exchange *x) {
  const char *owner = owner_of(x);
  const char *caller = x->caller.anonymous ? NULL : x->caller.key.account;
  bool both = owner != NULL && caller != NULL && *owner != '\0' && strcmp(owner, caller) != 0;
  char *shared = NULL;
  cJSON *record;

  if (t == NULL)
    return;
  record = describe(x);
  shared = both ? world_make_uuid() : NULL;
  if (caller != NULL)
    write_for(t, record, caller, shared);
  if (owner != NULL && *owner != '\0' && (both || caller == NULL))
    write_for(t, record, owner, shared);
  cJSON_Delete(record);
  free(shared);
}
