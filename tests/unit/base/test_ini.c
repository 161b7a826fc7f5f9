/* INI reader: s3apfs configurations, AWS profile files, malformed and hostile text. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/ini.h"

/* Each entry as "line:section|parent|name=value;". */
static int record(void *arg, const struct ini_entry *e) {
  struct buf *out = arg;

  if (e->name == NULL)
    buf_printf(out, "%u:[%s];", e->line, e->section);
  else
    buf_printf(out, "%u:%s|%s|%s=%s;", e->line, e->section, e->parent != NULL ? e->parent : "",
               e->name, e->value);
  return 0;
}

static void expect_entries(const char *text, unsigned flags, const char *want) {
  struct buf out;
  unsigned bad = 99;

  buf_init(&out, 0);
  cr_expect_eq(ini_parse(text, strlen(text), flags, record, &out, &bad), 0, "%s", text);
  cr_expect_eq(bad, 0);
  cr_expect_str_eq(buf_cstr(&out), want, "got %s", buf_cstr(&out));
  buf_fini(&out);
}

static void expect_bad_line(const char *text, size_t len, unsigned line) {
  struct buf out;
  unsigned bad = 0;

  buf_init(&out, 0);
  cr_expect_eq(ini_parse(text, len, INI_NESTED, record, &out, &bad), -EINVAL, "%s", text);
  cr_expect_eq(bad, line, "%s: line %u", text, bad);
  buf_fini(&out);
}

Test(ini, sections_and_entries) {
  expect_entries(
      "a = 1\n[mount]\n\n# note\n; note\ncache-size=20G\n[ dir  x/y ]\nsource = a=b = c\n", 0,
      "1:||a=1;2:[mount];6:mount||cache-size=20G;7:[dir  x/y];"
      "8:dir  x/y||source=a=b = c;");
}

Test(ini, line_ends_and_last_line) {
  expect_entries("[a]\r\nx = 1\r\n  \r\ny = 2", 0, "1:[a];2:a||x=1;4:a||y=2;");
  expect_entries("", 0, "");
  expect_entries("\n\n", 0, "");
}

Test(ini, inline_comments) {
  static const char text[] = "[a] ; one\nx = 1 # two\ny = a#b;c\nz = # all\n";

  expect_entries(text, INI_INLINE_COMMENTS, "1:[a];2:a||x=1;3:a||y=a#b;c;4:a||z=;");
  expect_entries(text, 0, "1:[a];2:a||x=1 # two;3:a||y=a#b;c;4:a||z=# all;");
}

Test(ini, nested_blocks) {
  static const char text[] = "[profile x]\ns3 =\n  addressing_style = path\n\tmax = 2\nregion = r\n"
                             "  indented = 1\n[default]\n  y = 1\n";

  expect_entries(text, INI_NESTED,
                 "1:[profile x];2:profile x||s3=;3:profile x|s3|addressing_style=path;"
                 "4:profile x|s3|max=2;5:profile x||region=r;6:profile x||indented=1;"
                 "7:[default];8:default||y=1;");
}

Test(ini, malformed_lines_are_numbered) {
  expect_bad_line("[a]\nno assignment\n", 18, 2);
  expect_bad_line("[a\nx = 1\n", 9, 1);
  expect_bad_line("[a] x\n", 6, 1);
  expect_bad_line("x = 1\n = 2\n", 11, 2);
  expect_bad_line("x = 1\ny = a\0b\n", 14, 2);
}

static int stop_at_two(void *arg, const struct ini_entry *e) {
  unsigned *calls = arg;

  (void)e;
  return ++*calls == 2 ? -EEXIST : 0;
}

Test(ini, callbacks_stop_it) {
  unsigned calls = 0;
  unsigned bad = 7;

  cr_expect_eq(ini_parse("a=1\nb=2\nc=3\n", 12, 0, stop_at_two, &calls, &bad), -EEXIST);
  cr_expect_eq(calls, 2);
  cr_expect_eq(bad, 0);
}

static int take_length(void *arg, const struct ini_entry *e) {
  *(size_t *)arg = strlen(e->value);
  return 0;
}

Test(ini, values_have_no_length_limit) {
  size_t n = 100000;
  char *text = malloc(n + 5);
  size_t got = 0;

  memcpy(text, "t = ", 4);
  memset(text + 4, 'x', n);
  cr_expect_eq(ini_parse(text, n + 4, 0, take_length, &got, NULL), 0);
  cr_expect_eq(got, n);
  free(text);
}

Test(ini, files) {
  char path[] = "/tmp/s3apfs-ini-XXXXXX";
  int fd = mkstemp(path);
  struct buf out;
  unsigned bad = 0;

  cr_assert_geq(fd, 0);
  cr_assert_eq(file_write_all(fd, "[a]\nx = 1\n", 10), 0);
  buf_init(&out, 0);
  cr_expect_eq(ini_parse_file(path, 0, record, &out, &bad), 0);
  cr_expect_str_eq(buf_cstr(&out), "1:[a];2:a||x=1;");
  cr_assert_eq(ftruncate(fd, (off_t)INI_MAX_FILE + 1), 0);
  cr_expect_eq(ini_parse_file(path, 0, record, &out, &bad), -EFBIG);
  close(fd);
  unlink(path);
  cr_expect_eq(ini_parse_file(path, 0, record, &out, &bad), -ENOENT);
  buf_fini(&out);
}
