/* The emulator's control planes: the first byte chooses plane, method and path,
 * the line up to a line feed is the query, the rest the body. Whatever comes, a
 * reply goes out, and an error carries a code. */
#include <string.h>

#include "../src/emulator/control.h"
#include "fuzz/fuzz.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

#define GRANTS "/v20180820/accessgrantsinstance"
#define POINT "/v20180820/accesspoint"

static const struct {
  enum control_plane plane;
  const char *method;
  const char *path;
} targets[] = {
    {CONTROL_STS, "POST", "/"},
    {CONTROL_IAM, "POST", "/"},
    {CONTROL_S3, "PUT", POINT "/new-ap"},
    {CONTROL_S3, "PUT", POINT "/ap-1/policy"},
    {CONTROL_S3, "GET", POINT},
    {CONTROL_S3, "PUT", "/v20180820/configuration/publicAccessBlock"},
    {CONTROL_S3, "POST", GRANTS "/location"},
    {CONTROL_S3, "PUT", GRANTS "/location/l"},
    {CONTROL_S3, "POST", GRANTS "/grant"},
    {CONTROL_S3, "PUT", GRANTS "/resourcepolicy"},
    {CONTROL_S3, "GET", GRANTS "/dataaccess"},
    {CONTROL_S3, "GET", GRANTS "/prefix"},
    {CONTROL_S3, "GET", GRANTS "/caller/grants"},
    {CONTROL_S3, "GET", GRANTS "/grants"},
    {CONTROL_S3, "POST", "/v20180820/tags/arn:aws:s3:us-east-1:111111111111:access-grants/default"},
};

static const char document[] =
    "{\"accounts\":[{\"id\":\"111111111111\",\"users\":[{\"name\":\"u\",\"access-keys\":[{\"id\":"
    "\"K\",\"secret\":\"s\"}],\"policies\":{\"p\":{\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
    "\"*\",\"Resource\":\"*\"}}}}],\"roles\":[{\"name\":\"r\",\"trust\":{\"Statement\":{\"Effect\":"
    "\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:*\"}}}]}],\"buckets\":[{\"name\":\"b-1\","
    "\"account\":\"111111111111\"}],\"access-points\":[{\"name\":\"ap-1\",\"account\":"
    "\"111111111111\",\"bucket\":\"b-1\"}],\"access-grants\":[{\"account\":\"111111111111\","
    "\"locations\":[{\"id\":\"l\",\"scope\":\"s3://b-1\",\"role\":\"arn:aws:iam::111111111111:"
    "role/r\"}],\"grants\":[{\"location\":\"l\",\"sub-prefix\":\"p/"
    "*\",\"permission\":\"READWRITE\","
    "\"grantee\":{\"id\":\"arn:aws:iam::111111111111:user/u\"}}]}]}";

static void add_pair(struct kvlist *query, const char *pair, size_t len) {
  const char *eq = memchr(pair, '=', len);
  char *name = text_dup_n(pair, eq != NULL ? (size_t)(eq - pair) : len);
  char *value =
      text_dup_n(eq != NULL ? eq + 1 : "", eq != NULL ? len - (size_t)(eq - pair) - 1 : 0);

  require(name != NULL && value != NULL && kvlist_add(query, name, value) == 0);
  free(name);
  free(value);
}

static void read_query(struct kvlist *query, const char *text, size_t len) {
  while (len > 0) {
    const char *amp = memchr(text, '&', len);
    size_t n = amp != NULL ? (size_t)(amp - text) : len;

    add_pair(query, text, n);
    text += n + (amp != NULL);
    len -= n + (amp != NULL);
  }
}

static void check_reply(const struct control_reply *r) {
  struct xml_doc *doc = NULL;

  require(r->status >= 200 && r->status < 600);
  require((r->status >= 300) == (r->error_code != NULL));
  if (r->body.len > 0 && r->status != 500)
    require(xml_parse(r->body.data, r->body.len, &doc) == 0);
  xml_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data + 1;
  const char *line;
  struct control_reply reply;
  struct kvlist query;
  struct kvlist headers;
  struct world *w;
  struct buf why;

  if (size < 2)
    return 0;
  line = memchr(text, '\n', size - 1);
  if (line == NULL)
    return 0;
  buf_init(&why, 0);
  require(world_new(&clock_system, &w) == 0);
  require(world_config_parse(w, document, strlen(document), &why) == 0);
  kvlist_init(&query);
  kvlist_init(&headers);
  read_query(&query, text, (size_t)(line - text));
  control_reply_init(&reply);
  control_handle(w,
                 &(struct control_request){
                     .plane = targets[data[0] % (sizeof(targets) / sizeof(targets[0]))].plane,
                     .method = targets[data[0] % (sizeof(targets) / sizeof(targets[0]))].method,
                     .path = targets[data[0] % (sizeof(targets) / sizeof(targets[0]))].path,
                     .query = &query,
                     .headers = &headers,
                     .body = line + 1,
                     .body_len = size - 1 - (size_t)(line + 1 - text),
                     .account = "111111111111",
                     .region = "us-east-1",
                     .access_key_id = "K",
                     .request_id = "R",
                 },
                 &reply);
  check_reply(&reply);
  control_reply_fini(&reply);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  buf_fini(&why);
  world_free(w);
  return 0;
}
