/* The XML reader and writer: what is read, what is refused, that nothing is
 * printed, and that what the writer writes the reader gives back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/aws/xml.h"

static struct xml_doc *parse_ok(const char *text) {
  struct xml_doc *d = NULL;
  int rc = xml_parse(text, strlen(text), &d);

  cr_assert_eq(rc, 0, "%d for %s", rc, text);
  return d;
}

static int parse_result(const void *text, size_t len) {
  struct xml_doc *d = NULL;
  int rc = xml_parse(text, len, &d);

  if (rc == 0)
    xml_free(d);
  else
    cr_assert_null(d, "out-parameter written on failure");
  return rc;
}

Test(xml, reads_members_by_local_name) {
  struct xml_doc *d =
      parse_ok("<?xml version=\"1.0\"?><s:R xmlns:s=\"urn:x\" xmlns=\"urn:y\"><A>1</A>"
               "<s:B>two</s:B><A>3</A><E/></s:R>");
  const struct xml_node *r = xml_root(d);
  const struct xml_node *a = xml_first(r, "A");

  cr_assert_str_eq(xml_name(r), "R");
  cr_assert_str_eq(xml_text(a), "1");
  cr_assert_str_eq(xml_text(xml_next(a, "A")), "3");
  cr_assert_null(xml_next(xml_next(a, "A"), "A"));
  cr_assert_str_eq(xml_name(xml_next(a, NULL)), "B");
  cr_assert_str_eq(xml_child_text(r, "B"), "two");
  cr_assert_str_eq(xml_child_text(r, "E"), "");
  cr_assert_not_null(xml_child(r, "E"));
  cr_assert_null(xml_child(r, "C"));
  cr_assert_str_eq(xml_child_text(r, "C"), "");
  cr_assert_null(xml_child(NULL, "A"));
  cr_assert_str_eq(xml_text(NULL), "");
  xml_free(d);
}

Test(xml, joins_pieces_of_text) {
  struct xml_doc *d = parse_ok("<R>a&amp;b<!-- x --><![CDATA[<c>]]>&#100;<?pi x?>&#x20ac;</R>");

  cr_assert_str_eq(xml_text(xml_root(d)), "a&b<c>d\xe2\x82\xac");
  xml_free(d);
}

Test(xml, reads_attributes) {
  struct xml_doc *d = parse_ok("<R xmlns:xsi=\"urn:i\"><G xsi:type=\"Can&quot;on\" n=\"\"/></R>");
  const struct xml_node *g = xml_child(xml_root(d), "G");

  cr_assert_str_eq(xml_attr(g, "type"), "Can\"on");
  cr_assert_str_eq(xml_attr(g, "n"), "");
  cr_assert_null(xml_attr(g, "m"));
  cr_assert_null(xml_attr(NULL, "m"));
  xml_free(d);
}

Test(xml, accepts_an_undeclared_prefix) {
  struct xml_doc *d = parse_ok("<R><G xsi:type=\"x\"/></R>");

  cr_assert_str_eq(xml_attr(xml_child(xml_root(d), "G"), "type"), "x");
  xml_free(d);
}

Test(xml, skips_keep_alive_blanks_and_bom) {
  xml_free(parse_ok(" \n \r\n\t<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R/>\n"));
  xml_free(parse_ok("\xef\xbb\xbf<?xml version=\"1.0\"?><R/>"));
}

Test(xml, reads_utf8_whatever_the_declaration_says) {
  struct xml_doc *d = parse_ok("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><R>\xc3\xa4</R>");

  cr_assert_str_eq(xml_text(xml_root(d)), "\xc3\xa4");
  xml_free(d);
}

Test(xml, takes_text_that_is_not_terminated) {
  char *text = malloc(10);
  struct xml_doc *d = NULL;

  memcpy(text, "<R>abc</R>", 10);
  cr_assert_eq(xml_parse(text, 10, &d), 0);
  memset(text, 'x', 10);
  cr_assert_str_eq(xml_text(xml_root(d)), "abc");
  xml_free(d);
  free(text);
}

Test(xml, refuses_what_is_not_well_formed) {
  static const char *const bad[] = {
      "",
      "   ",
      "text",
      "<",
      "<R",
      "<R>",
      "<R></S>",
      "<R></R><R/>",
      "<R></R>text",
      "<R>&nbsp;</R>",
      "<R>&#0;</R>",
      "<R>&#1;</R>",
      "<R>&#x110000;</R>",
      "<R>\x01</R>",
      "<R>\xff</R>",
      "<R>\xc3</R>",
      "<R>\xed\xa0\x80</R>",
      "<R a=1/>",
      "<R a=\"1\" a=\"2\"/>",
      "<R><![CDATA[x</R>",
      "<R><!-- x</R>",
      "{\"json\": true}",
      "<html><body><br></body></html>",
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    cr_assert_eq(parse_result(bad[i], strlen(bad[i])), -EBADMSG, "accepted: %s", bad[i]);
  cr_assert_eq(parse_result(NULL, 0), -EBADMSG);
  cr_assert_eq(parse_result("<R>\0</R>", 8), -EBADMSG);
  cr_assert_eq(parse_result("<\0R\0/\0>\0", 8), -EBADMSG);
  cr_assert_eq(parse_result("\xff\xfe<\0R\0/\0>\0", 10), -EBADMSG);
}

Test(xml, refuses_every_dtd) {
  static const char *const bad[] = {
      "<!DOCTYPE R><R/>",
      "<!DOCTYPE html><html/>",
      "<!DOCTYPE R [<!ENTITY a \"b\">]><R>&a;</R>",
      "<!DOCTYPE R SYSTEM \"http://127.0.0.1:9/x.dtd\"><R/>",
      "<!DOCTYPE R [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><R>&f;</R>",
      "<!DOCTYPE R [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;&a;&a;\">]><R>&b;&b;&b;</R>",
      "<!DOCTYPE R [<!ENTITY % p SYSTEM \"file:///dev/zero\"> %p;]><R/>",
      "<!DOCTYPE \xf9 [<!ENTITY a \"b\">]><R>&a;</R>",
      "<!DOCTYPE \xf9 [<!ENTITY % p SYSTEM \"file:///dev/zero\"> %p;]><R/>",
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    cr_assert_eq(parse_result(bad[i], strlen(bad[i])), -EBADMSG, "accepted: %s", bad[i]);
}

static char *nested(unsigned depth) {
  struct buf b;

  buf_init(&b, 0);
  for (unsigned i = 0; i < depth; i++)
    buf_puts(&b, "<a>");
  for (unsigned i = 0; i < depth; i++)
    buf_puts(&b, "</a>");
  return buf_take(&b);
}

Test(xml, caps_depth) {
  char *good = nested(64);
  char *bad = nested(65);
  char *worse = nested(100000);

  cr_assert_eq(parse_result(good, strlen(good)), 0);
  cr_assert_eq(parse_result(bad, strlen(bad)), -EBADMSG);
  cr_assert_eq(parse_result(worse, strlen(worse)), -EBADMSG);
  free(good);
  free(bad);
  free(worse);
}

/* Comments of 64 KiB up to exactly n bytes. */
static void fill_document(struct buf *b, size_t n) {
  static const char tail[] = "-->";
  static const char end[] = "<R/>";

  while (b->len + sizeof(end) - 1 < n) {
    size_t left = n - b->len - (sizeof(end) - 1);
    size_t piece = left < 131072 ? left : 65536;

    buf_puts(b, "<!--");
    for (size_t i = 7; i < piece; i++)
      buf_putc(b, 'x');
    buf_puts(b, tail);
  }
  buf_puts(b, end);
}

Test(xml, caps_size) {
  struct buf b;

  buf_init(&b, 0);
  fill_document(&b, XML_MAX_BYTES);
  cr_assert_eq(b.len, XML_MAX_BYTES);
  cr_assert_eq(parse_result(b.data, b.len), 0);
  buf_putc(&b, ' ');
  cr_assert_eq(parse_result(b.data, b.len), -E2BIG);
  buf_fini(&b);
}

Test(xml, caps_items) {
  struct buf b;

  buf_init(&b, 0);
  buf_puts(&b, "<R>");
  for (size_t i = 0; i < XML_MAX_ITEMS; i++)
    buf_puts(&b, "<a/>");
  buf_puts(&b, "</R>");
  cr_assert_eq(parse_result(b.data, b.len), -E2BIG);
  buf_fini(&b);
}

Test(xml, keeps_text_before_the_first_child_of_mixed_content) {
  struct buf b;
  struct xml_doc *d = NULL;

  buf_init(&b, 0);
  buf_puts(&b, "<R>first");
  for (unsigned i = 0; i < 100000; i++)
    buf_puts(&b, "<a/>text");
  buf_puts(&b, "</R>");
  cr_assert_eq(xml_parse(b.data, b.len, &d), 0);
  cr_assert_str_eq(xml_text(xml_root(d)), "first");
  xml_free(d);
  buf_fini(&b);
}

Test(xml, reads_a_long_text) {
  size_t n = (size_t)5 << 20;
  char *text = malloc(n + 8);
  struct xml_doc *d = NULL;

  memset(text, 'x', n + 7);
  memcpy(text, "<R>", 3);
  memcpy(text + 3 + n, "</R>", 5);
  cr_assert_eq(xml_parse(text, n + 7, &d), 0);
  cr_assert_eq(strlen(xml_text(xml_root(d))), n);
  xml_free(d);
  free(text);
}

/* libxml2 likes to print; a daemon's stderr must stay clean. */
Test(xml, prints_nothing) {
  static const char *const bad[] = {"<R",
                                    "<R>\xff</R>",
                                    "<!DOCTYPE R [<!ENTITY a SYSTEM \"x\">]>",
                                    "<?xml version=\"1.0\" encoding=\"no-such\"?><R>\x80</R>",
                                    "<a:R/>",
                                    "<R>&undefined;</R>"};
  FILE *sink = tmpfile();
  int saved = dup(STDERR_FILENO);

  cr_assert_not_null(sink);
  fflush(stderr);
  dup2(fileno(sink), STDERR_FILENO);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    parse_result(bad[i], strlen(bad[i]));
  fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  cr_assert_eq(lseek(fileno(sink), 0, SEEK_END), 0);
  fclose(sink);
}

static void expect_escaped(const char *in, const char *want) {
  struct buf b;

  buf_init(&b, 0);
  xml_escape(&b, in);
  cr_assert_str_eq(buf_cstr(&b), want);
  buf_fini(&b);
}

Test(xml, escapes) {
  expect_escaped("", "");
  expect_escaped("a<b>&\"'c", "a&lt;b&gt;&amp;&quot;&#39;c");
  expect_escaped("\r\n\t", "&#13;\n\t");
  expect_escaped("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  expect_escaped("a\x01z", "a\xef\xbf\xbdz");
  expect_escaped("a\xffz", "a\xef\xbf\xbdz");
  expect_escaped("\xc3", "\xef\xbf\xbd");
  expect_escaped("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
  expect_escaped("\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                             "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

Test(xml, writes_elements) {
  struct buf b;

  buf_init(&b, 0);
  xml_open(&b, "R xmlns=\"urn:x\"");
  xml_element(&b, "K", "a&b");
  xml_element_u64(&b, "N", UINT64_MAX);
  xml_element_bool(&b, "T", true);
  xml_element_bool(&b, "F", false);
  xml_close(&b, "R");
  cr_assert_str_eq(buf_cstr(&b), "<R xmlns=\"urn:x\"><K>a&amp;b</K><N>18446744073709551615</N>"
                                 "<T>true</T><F>false</F></R>");
  buf_fini(&b);
}

Test(xml, gives_back_any_text_that_xml_can_hold) {
  struct xml_doc *d = NULL;
  struct buf b;
  char all[256];
  size_t n = 0;

  for (int c = 1; c < 128; c++) {
    if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r')
      all[n++] = (char)c;
  }
  all[n] = '\0';
  buf_init(&b, 0);
  xml_element(&b, "K", all);
  cr_assert_eq(xml_parse(b.data, b.len, &d), 0);
  cr_assert_str_eq(xml_text(xml_root(d)), all);
  xml_free(d);
  buf_fini(&b);
}

Test(xml, writes_well_formed_text_for_any_byte) {
  char any[3] = "??";

  for (int c = 1; c < 65536; c++) {
    struct buf b;

    any[0] = (char)(c & 255);
    any[1] = (char)(c >> 8);
    if (any[0] == '\0')
      continue;
    buf_init(&b, 0);
    xml_element(&b, "K", any);
    cr_assert_eq(parse_result(b.data, b.len), 0, "bytes %04x", (unsigned)c);
    buf_fini(&b);
  }
}
