#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/write_xml.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/crc.h"

static int result_of(const char *xml, const char *root, struct write_result *out) {
  return write_xml_result(xml, strlen(xml), root, out);
}

Test(write_xml, results) {
  struct write_result r;

  cr_assert_eq(
      result_of(" \n<CopyObjectResult><LastModified>2026-08-03T00:00:00.000Z</LastModified>"
                "<ETag>&quot;abc&quot;</ETag>"
                "<ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME></CopyObjectResult>",
                "CopyObjectResult", &r),
      0);
  cr_expect_str_eq(r.etag, "\"abc\"");
  cr_expect_eq(r.mtime, 1785715200);
  cr_expect(r.has_crc64nvme);
  cr_expect_eq(r.crc64nvme, crc64nvme(0, "123456789", 9));
  write_result_fini(&r);
  cr_assert_eq(
      result_of("<CopyPartResult><ETag>\"e\"</ETag></CopyPartResult>", "CopyPartResult", &r), 0);
  cr_expect_eq(r.mtime, 0);
  cr_expect_not(r.has_crc64nvme);
  write_result_fini(&r);
}

Test(write_xml, what_is_no_result) {
  static const char *const texts[] = {"",
                                      "<CopyPartResult>",
                                      "<CopyPartResult/>",
                                      "<CopyPartResult><ETag/></CopyPartResult>",
                                      "<html><ETag>\"e\"</ETag></html>",
                                      "<Error><Code>InternalError</Code></Error>",
                                      ("<CopyPartResult><ETag>\"e\"</ETag><LastModified>soon"
                                       "</LastModified></CopyPartResult>")};
  struct write_result r;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    cr_expect_eq(result_of(texts[i], "CopyPartResult", &r), -EBADMSG, "%s", texts[i]);
}

Test(write_xml, upload_ids) {
  static const char good[] =
      "<InitiateMultipartUploadResult><UploadId>a/b+c</UploadId></InitiateMultipartUploadResult>";
  static const char bad[] = "<InitiateMultipartUploadResult><UploadId/>"
                            "</InitiateMultipartUploadResult>";
  char *id = NULL;

  cr_assert_eq(write_xml_upload_id(good, sizeof(good) - 1, &id), 0);
  cr_expect_str_eq(id, "a/b+c");
  free(id);
  cr_expect_eq(write_xml_upload_id(bad, sizeof(bad) - 1, &id), -EBADMSG);
}

Test(write_xml, a_completion_names_its_parts) {
  const char *sum = "rosUhgp5mIg=";
  struct buf b;
  struct xml_doc *d;
  const struct xml_node *part;

  buf_init(&b, 0);
  write_xml_complete_begin(&b);
  write_xml_complete_part(&b, 1, "e&1", CHECKSUM_CRC64NVME, sum);
  write_xml_complete_part(&b, 7, "e2", CHECKSUM_CRC64NVME, NULL);
  write_xml_complete_end(&b);
  cr_assert_eq(xml_parse(buf_cstr(&b), b.len, &d), 0, "%s", buf_cstr(&b));
  part = xml_first(xml_root(d), "Part");
  cr_expect_str_eq(xml_child_text(part, "ETag"), "\"e&1\"");
  cr_expect_str_eq(xml_child_text(part, "ChecksumCRC64NVME"), "rosUhgp5mIg=");
  part = xml_next(part, "Part");
  cr_expect_str_eq(xml_child_text(part, "PartNumber"), "7");
  cr_expect_str_eq(xml_child_text(part, "ChecksumCRC64NVME"), "");
  xml_free(d);
  buf_fini(&b);
}

static void count_error(void *arg, const char *key, const char *code, const char *message) {
  char *seen = arg;

  (void)message;
  strcat(strcat(strcat(strcat(seen, key), "="), code), " ");
}

Test(write_xml, deletions) {
  static const char reply[] =
      "<DeleteResult><Error><Key>a&amp;b</Key><Code>AccessDenied</Code></Error><Deleted><Key>c</"
      "Key>"
      "</Deleted><Error><Key>d</Key><Code>PreconditionFailed</Code></Error></DeleteResult>";
  char seen[128] = "";
  struct buf b;

  cr_expect_eq(write_xml_delete_errors(reply, sizeof(reply) - 1, count_error, seen), 0);
  cr_expect_str_eq(seen, "a&b=AccessDenied d=PreconditionFailed ");
  cr_expect_eq(write_xml_delete_errors("<x/>", 4, count_error, seen), -EBADMSG);
  buf_init(&b, 0);
  write_xml_delete_begin(&b);
  write_xml_delete_key(&b, "a&b\r", "e");
  write_xml_delete_key(&b, "c", NULL);
  write_xml_delete_end(&b);
  cr_expect_str_eq(buf_cstr(&b),
                   "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object>"
                   "<Key>a&amp;b&#13;</Key><ETag>&quot;e&quot;</ETag></Object><Object><Key>c</Key>"
                   "</Object><Quiet>true</Quiet></Delete>");
  buf_fini(&b);
}

Test(write_xml, keys_that_xml_cannot_name) {
  cr_expect(write_xml_can_name("a b/\t\r\n\xc3\xbc\xf0\x9f\x98\x80"));
  cr_expect_not(write_xml_can_name("a\x01"));
  cr_expect_not(write_xml_can_name("\xff"));
  cr_expect_not(write_xml_can_name("\xef\xbf\xbf"));
}

Test(write_xml, tags) {
  static const char reply[] =
      "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value/>"
      "</Tag></TagSet></Tagging>";
  struct buf b;

  buf_init(&b, 0);
  cr_expect_eq(write_xml_tags(reply, sizeof(reply) - 1, &b), 0);
  cr_expect_str_eq(buf_cstr(&b), "a%20b=1%262&c=");
  buf_fini(&b);
}
