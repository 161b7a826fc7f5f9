/* ListObjectsV2 pages: what is kept, how names are decoded, what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/listing.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

#define HEAD                                                                                       \
  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                   \
  "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define TAIL "</ListBucketResult>"
#define WHOLE "<IsTruncated>false</IsTruncated>"
#define URL "<EncodingType>url</EncodingType>"
#define REST "<LastModified>2026-11-22T06:33:00.000Z</LastModified><Size>1</Size>"

static int parse(const char *xml, struct listing *l) {
  return listing_parse(xml, strlen(xml), l);
}

static struct listing parse_ok(const char *xml) {
  struct listing l = {0};
  int rc = parse(xml, &l);

  cr_assert_eq(rc, 0, "%d for %s", rc, xml);
  return l;
}

static void refuse(const char *xml) {
  struct listing l = {.object_count = 77};
  int rc = parse(xml, &l);

  cr_assert_eq(rc, -EBADMSG, "%d for %s", rc, xml);
  cr_assert_eq(l.object_count, 77U, "out-parameter written on failure");
}

Test(listing, reads_a_page_as_s3_writes_it) {
  struct listing l = parse_ok(
      HEAD "<Name>my-ap-123456789012</Name><Prefix>a/</Prefix>"
           "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</"
           "NextContinuationToken><KeyCount>3</KeyCount><MaxKeys>2</MaxKeys>"
           "<Delimiter>%2F</Delimiter>" URL "<IsTruncated>true</IsTruncated>"
           "<Contents><Key>a/b+c%2Bd.txt</Key><LastModified>2026-11-22T06:33:00.000Z</LastModified>"
           "<ETag>&quot;9b2cf535f27731c974343645a3985328-2&quot;</ETag>"
           "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>SHA1</ChecksumAlgorithm>"
           "<ChecksumType>FULL_OBJECT</ChecksumType><Size>5368709120</Size>"
           "<Owner><ID>x</ID><DisplayName>y</DisplayName></Owner>"
           "<StorageClass>STANDARD</StorageClass></Contents>"
           "<Contents><Key>a/z</Key><LastModified>1970-01-01T00:00:01Z</LastModified>"
           "<Size>0</Size></Contents>"
           "<CommonPrefixes><Prefix>a/%C3%A4/</Prefix></CommonPrefixes>" TAIL);

  cr_assert_eq(l.object_count, 2U);
  cr_assert_str_eq(l.objects[0].key, "a/b c+d.txt");
  cr_assert_str_eq(l.objects[0].etag, "9b2cf535f27731c974343645a3985328-2");
  cr_assert_str_eq(l.objects[0].storage_class, "STANDARD");
  cr_assert_eq(l.objects[0].size, 5368709120U);
  cr_assert_eq(l.objects[0].mtime, 1795329180);
  cr_assert_str_eq(l.objects[1].key, "a/z");
  cr_assert_str_eq(l.objects[1].etag, "");
  cr_assert_str_eq(l.objects[1].storage_class, "");
  cr_assert_eq(l.objects[1].size, 0U);
  cr_assert_eq(l.objects[1].mtime, 1);
  cr_assert_eq(l.prefix_count, 1U);
  cr_assert_str_eq(l.prefixes[0], "a/\xc3\xa4/");
  cr_assert_str_eq(l.next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
  listing_fini(&l);
  cr_assert_eq(l.object_count, 0U);
}

Test(listing, reads_an_empty_page) {
  struct listing l = parse_ok(HEAD WHOLE TAIL);

  cr_assert_eq(l.object_count, 0U);
  cr_assert_eq(l.prefix_count, 0U);
  cr_assert_null(l.next_token);
  listing_fini(&l);
}

Test(listing, takes_names_as_they_are_without_encoding_type) {
  struct listing l = parse_ok(
      HEAD WHOLE "<EncodingType/><Contents><Key>a+b%20&amp;&lt;&#9;</Key>" REST
                 "</Contents><CommonPrefixes><Prefix>100%/</Prefix></CommonPrefixes>" TAIL);

  cr_assert_str_eq(l.objects[0].key, "a+b%20&<\t");
  cr_assert_str_eq(l.prefixes[0], "100%/");
  listing_fini(&l);
}

/* EncodingType may stand behind the names. */
Test(listing, decodes_names_that_came_before_the_encoding_type) {
  struct listing l = parse_ok(HEAD "<Contents><Key>a%25</Key>" REST
                                   "</Contents><CommonPrefixes><Prefix>%2F</Prefix>"
                                   "</CommonPrefixes>" URL WHOLE TAIL);

  cr_assert_str_eq(l.objects[0].key, "a%");
  cr_assert_str_eq(l.prefixes[0], "/");
  listing_fini(&l);
}

Test(listing, decodes_every_byte_xml_cannot_hold) {
  struct buf b;
  struct listing l;

  buf_init(&b, 0);
  buf_puts(&b, HEAD WHOLE URL);
  for (unsigned c = 1; c < 256; c++)
    buf_printf(&b, "<Contents><Key>k%%%02X%%%02x/</Key>" REST "</Contents>", c, c);
  buf_puts(&b, TAIL);
  l = parse_ok(buf_cstr(&b));
  cr_assert_eq(l.object_count, 255U);
  for (unsigned c = 1; c < 256; c++) {
    char want[] = {'k', (char)c, (char)c, '/', '\0'};

    cr_assert_str_eq(l.objects[c - 1].key, want, "byte %02x", c);
  }
  listing_fini(&l);
  buf_fini(&b);
}

Test(listing, ignores_a_token_when_nothing_follows) {
  struct listing l = parse_ok(HEAD WHOLE "<NextContinuationToken>t</NextContinuationToken>" TAIL);

  cr_assert_null(l.next_token);
  listing_fini(&l);
}

Test(listing, takes_several_prefixes_in_one_container) {
  struct listing l = parse_ok(HEAD WHOLE "<CommonPrefixes><Prefix>a/</Prefix><Prefix>b/</Prefix>"
                                         "</CommonPrefixes>" TAIL);

  cr_assert_eq(l.prefix_count, 2U);
  cr_assert_str_eq(l.prefixes[1], "b/");
  listing_fini(&l);
}

Test(listing, takes_quotes_off_etags_only_in_pairs) {
  struct listing l =
      parse_ok(HEAD WHOLE "<Contents><Key>a</Key><ETag>\"</ETag>" REST "</Contents>"
                          "<Contents><Key>b</Key><ETag>\"\"</ETag>" REST "</Contents>"
                          "<Contents><Key>c</Key><ETag>abc</ETag>" REST "</Contents>" TAIL);

  cr_assert_str_eq(l.objects[0].etag, "\"");
  cr_assert_str_eq(l.objects[1].etag, "");
  cr_assert_str_eq(l.objects[2].etag, "abc");
  listing_fini(&l);
}

Test(listing, refuses_other_documents) {
  refuse("");
  refuse("<html/>");
  refuse("<Error><Code>AccessDenied</Code></Error>");
  refuse("<ListBucketResult/>");
  refuse("<a><ListBucketResult>" WHOLE "</ListBucketResult></a>");
  refuse("<!DOCTYPE ListBucketResult>" HEAD WHOLE TAIL);
}

Test(listing, refuses_missing_and_repeated_members) {
  refuse(HEAD TAIL);
  refuse(HEAD WHOLE WHOLE TAIL);
  refuse(HEAD WHOLE URL URL TAIL);
  refuse(HEAD WHOLE "<Contents/>" TAIL);
  refuse(HEAD WHOLE "<Contents>" REST "</Contents>" TAIL);
  refuse(HEAD WHOLE "<Contents><Key/>" REST "</Contents>" TAIL);
  refuse(HEAD WHOLE "<Contents><Key>a</Key><Size>1</Size></Contents>" TAIL);
  refuse(HEAD WHOLE "<Contents><Key>a</Key><LastModified>2026-11-22T06:33:00Z</LastModified>"
                    "</Contents>" TAIL);
  refuse(HEAD WHOLE "<Contents><Key>a</Key><Key>b</Key>" REST "</Contents>" TAIL);
  refuse(HEAD WHOLE "<Contents><Key>a</Key><Size>1</Size>" REST "</Contents>" TAIL);
  refuse(HEAD WHOLE "<CommonPrefixes/>" TAIL);
  refuse(HEAD WHOLE "<CommonPrefixes><Prefix/></CommonPrefixes>" TAIL);
}

Test(listing, refuses_bad_values) {
  static const char *const sizes[] = {"", "-1", "1.5", "abc", "18446744073709551616", " 1"};
  static const char *const times[] = {"", "yesterday", "2026-13-01T00:00:00Z", "1795329180"};

  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    char *xml = text_printf(HEAD WHOLE "<Contents><Key>a</Key><LastModified>2026-11-22T06:33:00Z"
                                       "</LastModified><Size>%s</Size></Contents>" TAIL,
                            sizes[i]);

    refuse(xml);
    free(xml);
  }
  for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
    char *xml = text_printf(HEAD WHOLE "<Contents><Key>a</Key><LastModified>%s</LastModified>"
                                       "<Size>1</Size></Contents>" TAIL,
                            times[i]);

    refuse(xml);
    free(xml);
  }
  refuse(HEAD "<IsTruncated>maybe</IsTruncated>" TAIL);
  refuse(HEAD "<IsTruncated/>" TAIL);
  refuse(HEAD WHOLE "<EncodingType>base64</EncodingType>" TAIL);
}

Test(listing, refuses_a_truncated_page_without_token) {
  refuse(HEAD "<IsTruncated>true</IsTruncated>" TAIL);
  refuse(HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken/>" TAIL);
}

Test(listing, refuses_undecodable_names) {
  static const char *const names[] = {"%", "a%2", "%zz", "%00", "a%00b", "%+1"};

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    char *object =
        text_printf(HEAD WHOLE URL "<Contents><Key>%s</Key>" REST "</Contents>" TAIL, names[i]);
    char *prefix = text_printf(
        HEAD WHOLE URL "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" TAIL, names[i]);

    refuse(object);
    refuse(prefix);
    free(object);
    free(prefix);
  }
}

Test(listing, refuses_elements_inside_fields) {
  refuse(HEAD WHOLE "<Contents><Key>a<b/></Key>" REST "</Contents>" TAIL);
  refuse(HEAD "<IsTruncated>false<Contents/></IsTruncated>" TAIL);
}

/* Names that look like fields elsewhere must not leak in. */
Test(listing, ignores_look_alikes_elsewhere) {
  struct listing l =
      parse_ok(HEAD WHOLE "<Key>no</Key><Prefix>p/</Prefix><Size>x</Size>"
                          "<Contents><Key>a</Key>" REST "<Owner><Key>b</Key><Size>x</Size></Owner>"
                          "<Prefix>q</Prefix><IsTruncated>maybe</IsTruncated></Contents>"
                          "<Other><Key>c</Key><Contents><Key>d</Key></Contents></Other>" TAIL);

  cr_assert_eq(l.object_count, 1U);
  cr_assert_str_eq(l.objects[0].key, "a");
  cr_assert_eq(l.prefix_count, 0U);
  listing_fini(&l);
}

static void add_object(struct buf *b, unsigned i) {
  buf_printf(b,
             "<Contents><Key>data/year%%3D2026/part-%06u.parquet</Key><LastModified>2026-11-22T"
             "06:33:00.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>"
             "<Size>%u</Size><StorageClass>STANDARD</StorageClass></Contents>",
             i, i);
}

Test(listing, reads_full_pages) {
  struct buf b;
  struct listing l;

  buf_init(&b, 0);
  buf_puts(&b, HEAD WHOLE URL);
  for (unsigned i = 0; i < 20000; i++)
    add_object(&b, i);
  buf_puts(&b, TAIL);
  l = parse_ok(buf_cstr(&b));
  cr_assert_eq(l.object_count, 20000U);
  for (unsigned i = 0; i < 20000; i++) {
    char want[64];

    snprintf(want, sizeof(want), "data/year=2026/part-%06u.parquet", i);
    cr_assert_str_eq(l.objects[i].key, want);
    cr_assert_eq(l.objects[i].size, i);
  }
  listing_fini(&l);
  buf_fini(&b);
}

Test(listing, refuses_every_truncation) {
  struct buf b;

  buf_init(&b, 0);
  buf_puts(&b, HEAD WHOLE URL);
  add_object(&b, 1);
  buf_puts(&b, "<CommonPrefixes><Prefix>a%2F</Prefix></CommonPrefixes>" TAIL);
  for (size_t n = 0; n < b.len; n++) {
    struct listing l;

    cr_assert_eq(listing_parse(b.data, n, &l), -EBADMSG, "accepted %zu of %zu bytes", n, b.len);
  }
  buf_fini(&b);
}

Test(listing, refuses_oversized_text) {
  char *big = calloc(1, XML_MAX_BYTES + 2);
  struct listing l;

  memset(big, ' ', XML_MAX_BYTES + 1);
  cr_assert_eq(listing_parse(big, XML_MAX_BYTES + 1, &l), -EBADMSG);
  free(big);
}
