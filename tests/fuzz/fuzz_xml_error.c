/* A failed reply: two bytes of status, one whose bits choose headers, the body.
 * Whatever it says, the error has a negative errno and one-line texts. */
#include <ctype.h>

#include "fuzz/fuzz.h"
#include "s3apfs/aws/s3err.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

static void require_line(const char *s) {
  require(s != NULL && text_is_utf8(s, strlen(s)) && strlen(s) <= 8192);
  for (; *s != '\0'; s++)
    require((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void require_sane(const struct s3_error *e) {
  struct buf b;

  require(e->err < 0 && e->class >= S3_ERR_FATAL && e->class <= S3_ERR_REGION);
  require(*e->code != '\0');
  require_line(e->code);
  require_line(e->message);
  require_line(e->request_id);
  require_line(e->host_id);
  for (const char *p = e->region; *p != '\0'; p++)
    require(isalnum((unsigned char)*p) || *p == '-');
  buf_init(&b, 0);
  s3_error_describe(e, &b);
  require(buf_error(&b) == 0 && b.len > 0);
  buf_fini(&b);
}

static void require_agreement(const uint8_t *body, size_t len) {
  struct xml_doc *d;
  bool is_error;

  if (xml_parse(body, len, &d) != 0)
    return;
  is_error = strcmp(xml_name(xml_root(d)), "Error") == 0 ||
             strcmp(xml_name(xml_root(d)), "ErrorResponse") == 0;
  if (len < 4096)
    require(s3_error_body_is_error(body, len) == is_error);
  xml_free(d);
}

static void add_headers(struct kvlist *h, unsigned bits, const char *value) {
  if ((bits & 1) != 0)
    kvlist_add(h, "x-amz-request-id", value);
  if ((bits & 2) != 0)
    kvlist_add(h, "x-amz-bucket-region", value);
  if ((bits & 4) != 0)
    kvlist_add(h, "Date", value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct kvlist headers;
  struct s3_error e;
  char *value;

  if (size < 3)
    return 0;
  kvlist_init(&headers);
  value = text_dup_n((const char *)data + 3, size - 3 < 64 ? size - 3 : 64);
  add_headers(&headers, data[2], value);
  s3_error_init(&e);
  s3_error_from_reply(&e, (data[0] << 8 | data[1]) % 1000, &headers, data + 3, size - 3);
  require_sane(&e);
  s3_error_fini(&e);
  require_agreement(data + 3, size - 3);
  free(value);
  kvlist_fini(&headers);
  return 0;
}
