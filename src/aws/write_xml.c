/* Bodies of S3's changing calls. Replies are checked by their root, so that a
 * reply to something else (a proxy, a portal) is no success. */
#include "s3apfs/aws/write_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/checksum.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

#define S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

bool write_xml_can_name(const char *key) {
  if (!text_is_utf8(key, strlen(key)))
    return false;
  for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++) {
    if (*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r')
      return false;
    if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) /* U+FFFE, U+FFFF */
      return false;
  }
  return true;
}

int write_xml_upload_id(const void *xml, size_t len, char **out) {
  struct xml_doc *d;
  const char *id;
  int rc = xml_parse_reply(xml, len, "InitiateMultipartUploadResult", &d);

  if (rc != 0)
    return rc;
  id = xml_child_text(xml_root(d), "UploadId");
  if (*id == '\0') {
    rc = -EBADMSG;
  } else {
    *out = strdup(id);
    rc = *out != NULL ? 0 : -ENOMEM;
  }
  xml_free(d);
  return rc;
}

static int take_sums(const struct xml_node *root, struct write_result *r) {
  for (unsigned k = 0; k < CHECKSUM_KINDS; k++) {
    const char *text = xml_child_text(root, checksum_element((enum checksum_kind)k));

    r->sums[k] = *text != '\0' ? strdup(text) : NULL;
    if (*text != '\0' && r->sums[k] == NULL)
      return -ENOMEM;
  }
  return 0;
}

static void take_crc(const struct xml_node *root, struct write_result *r) {
  const char *text = xml_child_text(root, checksum_element(CHECKSUM_CRC64NVME));
  struct checksum sum;

  if (*text != '\0' && checksum_decode(CHECKSUM_CRC64NVME, text, &sum) == 0)
    r->has_crc64nvme = checksum_to_crc64nvme(&sum, &r->crc64nvme) == 0;
}

int write_xml_result(const void *xml, size_t len, const char *root, struct write_result *out) {
  struct write_result r = {0};
  struct xml_doc *d;
  const char *modified;
  int rc = xml_parse_reply(xml, len, root, &d);

  if (rc != 0)
    return rc;
  r.etag = strdup(xml_child_text(xml_root(d), "ETag"));
  modified = xml_child_text(xml_root(d), "LastModified");
  if (r.etag == NULL)
    rc = -ENOMEM;
  else if (r.etag[0] == '\0' || (*modified != '\0' && text_parse_iso8601(modified, &r.mtime) != 0))
    rc = -EBADMSG;
  take_crc(xml_root(d), &r);
  if (rc == 0)
    rc = take_sums(xml_root(d), &r);
  xml_free(d);
  if (rc != 0)
    write_result_fini(&r);
  else
    *out = r;
  return rc;
}

void write_result_fini(struct write_result *r) {
  free(r->etag);
  for (unsigned k = 0; k < CHECKSUM_KINDS; k++)
    free(r->sums[k]);
  *r = (struct write_result){0};
}

static void put_etag(struct buf *out, const char *etag) {
  buf_puts(out, "<ETag>&quot;");
  xml_escape(out, etag);
  buf_puts(out, "&quot;</ETag>");
}

void write_xml_complete_begin(struct buf *out) {
  xml_open(out, "CompleteMultipartUpload xmlns=\"" S3_NAMESPACE "\"");
}

void write_xml_complete_part(struct buf *out, unsigned number, const char *etag,
                             enum checksum_kind kind, const char *sum) {
  xml_open(out, "Part");
  if (sum != NULL && *sum != '\0')
    xml_element(out, checksum_element(kind), sum);
  put_etag(out, etag);
  xml_element_u64(out, "PartNumber", number);
  xml_close(out, "Part");
}

void write_xml_complete_end(struct buf *out) {
  xml_close(out, "CompleteMultipartUpload");
}

void write_xml_delete_begin(struct buf *out) {
  xml_open(out, "Delete xmlns=\"" S3_NAMESPACE "\"");
}

void write_xml_delete_key(struct buf *out, const char *key, const char *etag) {
  xml_open(out, "Object");
  xml_element(out, "Key", key);
  if (etag != NULL)
    put_etag(out, etag);
  xml_close(out, "Object");
}

void write_xml_delete_end(struct buf *out) {
  xml_element_bool(out, "Quiet", true);
  xml_close(out, "Delete");
}

int write_xml_delete_errors(const void *xml, size_t len,
                            void (*failed)(void *arg, const char *key, const char *code,
                                           const char *message),
                            void *arg) {
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "DeleteResult", &d);

  if (rc != 0)
    return rc;
  for (const struct xml_node *e = xml_first(xml_root(d), "Error"); e != NULL;
       e = xml_next(e, "Error"))
    failed(arg, xml_child_text(e, "Key"), xml_child_text(e, "Code"), xml_child_text(e, "Message"));
  xml_free(d);
  return 0;
}

int write_xml_tags(const void *xml, size_t len, struct buf *out) {
  struct xml_doc *d;
  const char *between = "";
  int rc = xml_parse_reply(xml, len, "Tagging", &d);

  if (rc != 0)
    return rc;
  for (const struct xml_node *t = xml_first(xml_child(xml_root(d), "TagSet"), "Tag"); t != NULL;
       t = xml_next(t, "Tag")) {
    const char *key = xml_child_text(t, "Key");
    const char *value = xml_child_text(t, "Value");

    buf_puts(out, between);
    text_uri_encode(out, key, strlen(key), false);
    buf_putc(out, '=');
    text_uri_encode(out, value, strlen(value), false);
    between = "&";
  }
  xml_free(d);
  return buf_error(out);
}
